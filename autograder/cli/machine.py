"""Commands for a machine and a first look: doctor, demo."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from autograder.cli.app import CORES, HERE, WRONG_MATERIAL, CourseOption, Json, Workers, app, to_json
from autograder.course.errors import MaterialError


@app.command(epilog="Example: autograder doctor --course .")
def doctor(
    config: Annotated[
        Path | None, typer.Option("--config", metavar="FILE", help="The file that you give to nbgrader with --config.")
    ] = None,
    json_: Json = False,
    course: CourseOption = HERE,
) -> None:
    """Is this machine ready to grade? Each finding with its remedy."""
    from autograder.console import diagnosis
    from autograder.course.doctor.examine import examine

    findings = list(examine(course, config))
    typer.echo(to_json([asdict(finding) for finding in findings]) if json_ else diagnosis(findings))
    if any(finding.level == "problem" for finding in findings):
        raise typer.Exit(WRONG_MATERIAL)


@app.command(epilog="Example: autograder demo --to demo")
def demo(
    to: Annotated[Path, typer.Option("--to", metavar="DIR", help="Where to make the course directory.")] = Path("demo"),
    workers: Workers = CORES,
    course: CourseOption = HERE,
) -> None:
    """The whole course in small: release, a class of 12, grades, feedback, report, and whether the points are right."""
    from autograder.console import summary, tallied
    from autograder.course.course import Course
    from autograder.course.demo import Demonstration

    shown = Demonstration(Course(course), to)
    typer.echo(f"released  {shown.release()}")
    typer.echo(f"class     {shown.hand_in()}")
    typer.echo(summary(tallied(shown.grade(workers), shown.students)))
    for what, path in shown.results().items():
        typer.echo(f"{what:<9} {path}")
    if wrong := shown.differences():
        raise MaterialError(wrong)
    typer.echo("every student got the points that the class was made to have")
