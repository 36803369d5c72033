"""Commands for what came of it: feedback, report, similar, export."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from autograder.cli.app import HERE, CourseOption, Json, Name, Roster, app, to_json
from autograder.course.errors import CourseError, MaterialError


class Format(StrEnum):
    """What reads the marks."""

    csv = "csv"
    canvas = "canvas"
    gradescope = "gradescope"
    nbgrader = "nbgrader"


FILES = {
    Format.csv: ".csv",
    Format.canvas: "-canvas.csv",
    Format.gradescope: "-gradescope",
    Format.nbgrader: "-nbgrader.csv",
}


@app.command(epilog="Example: autograder feedback 04_attention")
def feedback(name: Name, course: CourseOption = HERE) -> None:
    """Write a page for each graded student: every check, what to suspect, what to try; comments and marks by hand."""
    from autograder.course.course import Course
    from autograder.course.feedback import write_feedback
    from autograder.course.marks import marks_of
    from autograder.course.verdicts import graded_verdicts

    here = Course(course)
    for path in write_feedback(here, name, graded_verdicts(here, name), *marks_of(here, name)):
        typer.echo(path)


@app.command(epilog="Example: autograder report 04_attention")
def report(name: Name, json_: Json = False, course: CourseOption = HERE) -> None:
    """Write the page about the class: points, exercises, misconceptions, who needs help. --json prints its figures."""
    from autograder.course.course import Course
    from autograder.course.report import write_report
    from autograder.course.statistics import class_statistics
    from autograder.course.verdicts import graded_verdicts

    here = Course(course)
    verdicts = list(graded_verdicts(here, name))
    if json_:
        typer.echo(to_json(class_statistics(name, verdicts).to_json()))
    else:
        typer.echo(write_report(here, name, verdicts))


@app.command(epilog="Example: autograder similar 04_attention --pairs 10")
def similar(
    name: Name,
    pairs: Annotated[int, typer.Option(min=1, help="List at most this many.")] = 20,
    to: Annotated[
        Path | None,
        typer.Option("--to", metavar="DIR", help="Write the answers there, a .py a student, and compare none."),
    ] = None,
    json_: Json = False,
    course: CourseOption = HERE,
) -> None:
    """List pairs of submissions whose answers share more than the exercises ask for: a person then looks at them."""
    from autograder.console import alike, error_console, progress
    from autograder.course.course import Course
    from autograder.course.pages import plain
    from autograder.course.similarity import read_answers, similar_pairs, write_answers

    here = Course(course)
    with progress("reading", len(here.handed_in(name))) as advance:
        answers, rejected = read_answers(here, name, advance)
    for student, reason in rejected.items():
        error_console.print(f"{plain(student)}: not compared: {reason}", soft_wrap=True)
    if to is not None:
        write_answers(here, name, answers, to)
        typer.echo(to)
        return
    with progress("comparing", len(answers)) as advance:
        found = similar_pairs(here, name, answers, pairs, advance)
    typer.echo(to_json([pair.to_json() for pair in found]) if json_ else alike(found))


@app.command(epilog="Example: autograder export 04_attention --format canvas --canvas-gradebook grades.csv")
def export(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="The assignment; otherwise all.")] = None,
    format_: Annotated[Format, typer.Option("--format", help="What reads it.")] = Format.csv,
    to: Annotated[
        Path | None,
        typer.Option("--to", metavar="PATH", help="A file, or Gradescope's folder; otherwise in exports/."),
    ] = None,
    canvas_gradebook: Annotated[
        Path | None,
        typer.Option("--canvas-gradebook", metavar="CSV", help="Canvas's gradebook as it exports it, for its ids."),
    ] = None,
    roster: Roster = None,
    course: CourseOption = HERE,
) -> None:
    """Write the points in the gradebook, those of people and late penalties included, for other programs."""
    from autograder.course.canvas import export_canvas
    from autograder.course.course import Course
    from autograder.course.export import export_csv, export_gradescope, export_nbgrader
    from autograder.course.marks import marks_of
    from autograder.course.roster import roster_of

    here = Course(course)
    if canvas_gradebook and format_ != Format.canvas:
        raise CourseError("--canvas-gradebook goes with --format canvas")
    marks, people = marks_of(here, name), roster_of(here, roster)
    place = to or here.directory / "exports" / f"{name or 'all'}{FILES[format_]}"
    paths, notes = [place], []
    match format_:
        case Format.csv:
            export_csv(marks, people, place)
        case Format.canvas:
            notes = export_canvas(marks, people, place, canvas_gradebook)
        case Format.gradescope:
            paths = export_gradescope(here, marks, place)
        case Format.nbgrader:
            export_nbgrader(here, name, place)
    for path in paths:
        typer.echo(path)
    if waiting := {student for one in marks for student, mark in one.students.items() if mark.waiting}:
        typer.echo(f"answers of {len(waiting)} students are still to be graded by a person", err=True)
    if notes:
        raise MaterialError(notes)
