"""The command for what students hand in: collect."""

from __future__ import annotations

from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from autograder.cli.app import HERE, CourseOption, Json, Name, Roster, app, to_json
from autograder.course.errors import CourseError, MaterialError


class SchemeName(StrEnum):
    """How files are called; nbgrader is the pattern of its zip_collect in nbgrader_config.py."""

    canvas = "canvas"
    moodle = "moodle"
    plain = "plain"
    nbgrader = "nbgrader"


@app.command(epilog="Example: autograder collect 04_attention --from submissions.zip --roster students.csv")
def collect(
    name: Name,
    source: Annotated[
        Path | None,
        typer.Option("--from", metavar="PATH", help="The zip of an LMS, or a folder; otherwise nbgrader's exchange."),
    ] = None,
    scheme: Annotated[SchemeName | None, typer.Option(help="How the files are called; otherwise what fits.")] = None,
    roster: Roster = None,
    json_: Json = False,
    course: CourseOption = HERE,
) -> None:
    """Put the newest submission of each student where it is graded. Nothing is lost; a second run changes nothing."""
    from autograder.console import collection, refusal
    from autograder.course.collect import collect
    from autograder.course.course import Course

    here = Course(course)
    if scheme and not source:
        raise CourseError("--scheme goes with --from: nbgrader's exchange knows whose a submission is")
    found = collect(here, name, source, scheme=scheme, roster=roster)
    typer.echo(to_json(asdict(found)) if json_ else collection(found))
    if found.refused:
        raise MaterialError([refusal(outcome) for outcome in found.refused])
