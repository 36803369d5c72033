"""The command line: release, solve, class, grade, feedback, report, validate, doctor, demo.

Exit codes: 0 done, 1 something was wrong in the material, 2 wrong use. What a program may read goes to the output,
everything else to the error stream. A command imports what it needs when it runs, so that help is fast.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup
from typer.exceptions import TyperException

from autograder.course.errors import CourseError, MaterialError

DONE, WRONG_MATERIAL, WRONG_USE = 0, 1, 2
INTERRUPTED = 130
PROGRAM = "autograder"


class OneLineErrors(TyperGroup):
    """Whatever goes wrong is told in one line, a finding in the material in one line each."""

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        windows_expand_args: bool = True,
        **extra: Any,
    ) -> Any:
        try:
            code = super().main(args, PROGRAM, complete_var, False, windows_expand_args, **extra) or DONE
        except TyperException as error:
            code = _say(_one_line(error), WRONG_USE)
        except CourseError as error:
            code = _say(str(error), WRONG_USE)
        except MaterialError as error:
            code = _say("\n".join(error.findings), WRONG_MATERIAL)
        if code == INTERRUPTED:
            _say("interrupted: run it again, and it goes on where it was", code)
        if standalone_mode:
            sys.exit(code)
        return code


def _say(message: str, code: int) -> int:
    typer.echo(message, err=True)
    return code


def _one_line(error: TyperException) -> str:
    """What is wrong with a command line, and what would be right."""
    message = " ".join(error.format_message().split())
    context = getattr(error, "ctx", None)
    commands = getattr(getattr(context, "command", None), "commands", {})
    listed = f"The commands are {', '.join(commands)}. " if commands and "Did you mean" not in message else ""
    stop = "" if message.endswith((".", "?")) else "."
    return f"{message}{stop} {listed}Try {context.command_path if context else PROGRAM} --help."


class Device(StrEnum):
    """Where the checks run."""

    cpu = "cpu"
    cuda = "cuda"


Name = Annotated[str, typer.Argument(metavar="NAME", help="The assignment, such as 04_attention.")]
CourseOption = Annotated[
    Path, typer.Option("--course", metavar="DIR", help="The directory of nbgrader_config.py and the assignments.")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")]
Workers = Annotated[int, typer.Option(min=1, help="How many submissions to grade at once.")]

HERE = Path()
CORES = os.cpu_count() or 1

app = typer.Typer(
    cls=OneLineErrors,
    help="Release, solve and grade the notebooks of the course.",
    epilog="Example: autograder demo",
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


@app.command(epilog="Example: autograder release 04_attention")
def release(name: Name, course: CourseOption = HERE) -> None:
    """Make the students' version, unless it would give something away."""
    from autograder.course.course import Course
    from autograder.course.release import release

    typer.echo(release(Course(course), name))


@app.command(epilog="Example: autograder solve 04_attention --to solved")
def solve(
    name: Name,
    to: Annotated[Path, typer.Option("--to", metavar="DIR", help="Where to write it.")],
    course: CourseOption = HERE,
) -> None:
    """Write the solved notebook: every stub replaced by its reference."""
    from autograder.course.course import Course
    from autograder.course.solve import solve

    typer.echo(solve(Course(course), name, to))


@app.command("class", epilog="Example: autograder class 04_attention --students 20 --seed 7")
def class_(
    name: Name,
    students: Annotated[int, typer.Option(min=1, help="How many students.")] = 12,
    seed: Annotated[int, typer.Option(min=0, help="The same seed makes the same class.")] = 0,
    course: CourseOption = HERE,
) -> None:
    """Hand in for a made class whose points are known; class.json says them."""
    from autograder.course.classroom import make_class
    from autograder.course.course import Course

    record = make_class(Course(course), name, students, seed)
    typer.echo(f"{len(record['students'])} students have handed in; class.json says what each should get")


@app.command(epilog="Example: autograder grade 04_attention --workers 4")
def grade(
    name: Name,
    student: Annotated[str | None, typer.Option(help="Grade this student only.")] = None,
    exercise: Annotated[
        str | None, typer.Option(help="Grade this exercise only, and show what changes before it is recorded.")
    ] = None,
    yes: Annotated[
        bool | None,
        typer.Option("--yes/--no", help="With --exercise: record, or do not, without asking at a terminal."),
    ] = None,
    workers: Workers = CORES,
    device: Annotated[Device, typer.Option(help="Where the checks run.")] = Device.cpu,
    seed: Annotated[int | None, typer.Option(min=0, help="Of the checks' inputs; otherwise that of the class.")] = None,
    unsafe: Annotated[bool, typer.Option("--unsafe", help="Grade where the sandbox does not hold, too.")] = False,
    json_: Json = False,
    course: CourseOption = HERE,
) -> None:
    """Grade what was handed in and record it. An interrupted run goes on where it was; nothing is graded twice."""
    from autograder.console import differences, error_console, summary, watch
    from autograder.course.course import Course
    from autograder.course.grade import check_sandbox, grade, graded, jobs
    from autograder.course.gradebook import changes

    here = Course(course)
    if yes is not None and exercise is None:
        raise CourseError("--yes and --no go with --exercise: a whole class is always recorded")
    asked = jobs(here, name, seed=seed, student=student, exercise=exercise, device=device)
    if not unsafe:
        check_sandbox()
    workers = min(workers, len(asked))
    if exercise is None:
        verdicts = watch(grade(here, name, asked, workers=workers), len(asked))
    else:
        verdicts = watch(graded(here, name, asked, workers=workers), len(asked))
        found = changes(here, name, exercise, verdicts)
        error_console.print(differences(exercise, found, len(verdicts)))
        if _wanted(yes, unchanged=not found):
            failed = {verdict.student for verdict in verdicts if verdict.status == "failed"}
            for _ in grade(here, name, [job for job in asked if job.student not in failed], workers=workers):
                pass  # from the journal into the gradebook
        else:
            typer.echo("nothing was recorded", err=True)
    typer.echo(_json([verdict.to_json() for verdict in verdicts]) if json_ else summary(verdicts))
    if any(verdict.status == "failed" for verdict in verdicts):
        raise typer.Exit(WRONG_MATERIAL)


@app.command(epilog="Example: autograder feedback 04_attention")
def feedback(name: Name, course: CourseOption = HERE) -> None:
    """Write a page for each graded student: every check, what to suspect, what to try."""
    from autograder.course.course import Course
    from autograder.course.feedback import write_feedback
    from autograder.course.verdicts import graded_verdicts

    here = Course(course)
    for path in write_feedback(here, name, graded_verdicts(here, name)):
        typer.echo(path)


@app.command(epilog="Example: autograder report 04_attention")
def report(name: Name, course: CourseOption = HERE) -> None:
    """Write the page about the class: points, exercises, misconceptions, who needs help."""
    from autograder.course.course import Course
    from autograder.course.report import write_report
    from autograder.course.verdicts import graded_verdicts

    here = Course(course)
    typer.echo(write_report(here, name, graded_verdicts(here, name)))


@app.command(epilog="Example: autograder validate 04_attention --seeds 20")
def validate(
    name: Name,
    seeds: Annotated[int, typer.Option(min=1, help="Try this many seeds: all must give the same table.")] = 1,
    json_: Json = False,
    course: CourseOption = HERE,
) -> None:
    """Test the tests: every reference, variant and misconception against every check."""
    from autograder.console import console, progress, tables
    from autograder.course.course import Course
    from autograder.course.release import bank_of
    from autograder.course.validate import validate

    here = Course(course)
    bank = bank_of(here, name)
    with progress("seeds", seeds) as advance:
        validation = validate(here, name, seeds, advance)
    if json_:
        typer.echo(_json(validation.to_json()))
    else:
        checks = {exercise: [check.name for check in made.checks] for exercise, made in bank.exercises.items()}
        console.print(*tables(validation.rows, checks), sep="\n")
    if validation.findings:
        raise MaterialError(validation.findings)


@app.command(epilog="Example: autograder doctor --course .")
def doctor(json_: Json = False, course: CourseOption = HERE) -> None:
    """Is this machine ready to grade? Each finding with its remedy."""
    from autograder.console import diagnosis
    from autograder.course.doctor import examine

    findings = list(examine(course))
    typer.echo(_json([asdict(finding) for finding in findings]) if json_ else diagnosis(findings))
    if any(finding.level == "problem" for finding in findings):
        raise typer.Exit(WRONG_MATERIAL)


@app.command(epilog="Example: autograder demo --to demo")
def demo(
    to: Annotated[Path, typer.Option("--to", metavar="DIR", help="Where to make the course directory.")] = Path("demo"),
    workers: Workers = CORES,
    course: CourseOption = HERE,
) -> None:
    """The whole course in small: release, a class of 12, grades, feedback, report, and whether the points are right."""
    from autograder.console import summary, watch
    from autograder.course.course import Course
    from autograder.course.demo import Demonstration

    shown = Demonstration(Course(course), to)
    typer.echo(f"released  {shown.release()}")
    typer.echo(f"class     {shown.hand_in()}")
    typer.echo(summary(watch(shown.grade(workers), shown.students)))
    for what, path in shown.results().items():
        typer.echo(f"{what:<9} {path}")
    if wrong := shown.differences():
        raise MaterialError(wrong)
    typer.echo("every student got the points that the class was made to have")


def _wanted(yes: bool | None, *, unchanged: bool) -> bool:
    """Whether to record: as told, else as a person at the terminal says; a script that says nothing wants it."""
    if yes is not None:
        return yes
    return unchanged or not sys.stdin.isatty() or typer.confirm("Record this?", default=False, err=True)


def _json(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)


def main() -> None:
    """Run the command line."""
    # nbformat imports a grammar of web addresses that it never uses: 1.5 s of every command
    sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]
    app()
