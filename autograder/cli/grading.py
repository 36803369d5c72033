"""The command for a class: grade."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from autograder.cli.app import CORES, HERE, WRONG_MATERIAL, CourseOption, Device, Json, Name, Workers, app, to_json
from autograder.cli.place import Place
from autograder.course.errors import CourseError

if TYPE_CHECKING:
    from autograder.engine.job import Graded


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
    cluster: Annotated[
        str | None, typer.Option(metavar="ADDRESS|FILE", help="Grade on this Dask cluster, or that of a configuration.")
    ] = None,
    slurm: Annotated[bool, typer.Option("--slurm", help="Grade on a cluster by dask-jobqueue, of --workers.")] = False,
    gateway: Annotated[
        bool, typer.Option("--gateway", help="Grade on a cluster by dask-gateway, of --workers.")
    ] = False,
    insecure: Annotated[
        bool, typer.Option("--insecure", help="With --cluster: over a network without encryption, too.")
    ] = False,
    device: Annotated[Device, typer.Option(help="Where the submissions run.")] = Device.cpu,
    slots_per_gpu: Annotated[
        int, typer.Option(min=1, max=64, help="How many submissions share a GPU, or a MIG device.")
    ] = 1,
    seed: Annotated[int | None, typer.Option(min=0, help="Of the checks' inputs; otherwise that of the class.")] = None,
    unsafe: Annotated[bool, typer.Option("--unsafe", help="Grade where the sandbox does not hold, too.")] = False,
    json_: Json = False,
    stream: Annotated[
        bool, typer.Option("--stream", help="Print each verdict as it comes, a line of JSON each.")
    ] = False,
    course: CourseOption = HERE,
) -> None:
    """Grade what was handed in and record it. An interrupted run goes on where it was; nothing is graded twice."""
    from autograder.console import differences, error_console, summary, watch
    from autograder.course.course import Course
    from autograder.course.grade import grade, graded, jobs
    from autograder.course.gradebook import changes

    here = Course(course)
    if yes is not None and exercise is None:
        raise CourseError("--yes and --no go with --exercise: a whole class is always recorded")
    if stream and json_:
        raise CourseError("--stream prints a line for each verdict, --json one list at the end: choose one")
    if slots_per_gpu > 1 and device == Device.cpu:
        raise CourseError("--slots-per-gpu goes with --device cuda: on the CPU, --workers says how many are graded")
    place = Place(workers, cluster, slurm, gateway, insecure, unsafe)
    asked = jobs(here, name, seed=seed, student=student, exercise=exercise, device=device, slots_per_gpu=slots_per_gpu)
    with place.pool(asked[0]) as pool:
        if exercise is None:
            verdicts = watch(_told(grade(here, name, asked, pool), stream), len(asked))
        else:
            verdicts = watch(_told(graded(here, name, asked, pool), stream), len(asked))
            found = changes(here, name, exercise, verdicts)
            error_console.print(differences(exercise, found, len(verdicts)))
            if _wanted(yes, unchanged=not found):
                failed = {verdict.student for verdict in verdicts if verdict.status == "failed"}
                for _ in grade(here, name, [job for job in asked if job.student not in failed], pool):
                    pass  # from the journal into the gradebook
            else:
                typer.echo("nothing was recorded", err=True)
    if not stream:
        typer.echo(to_json([verdict.to_json() for verdict in verdicts]) if json_ else summary(verdicts))
    if any(verdict.status == "failed" for verdict in verdicts):
        raise typer.Exit(WRONG_MATERIAL)


def _told(results: Iterable[Graded], stream: bool) -> Iterator[Graded]:
    """The same results, each printed as it comes if they are wanted so."""
    for found in results:
        if stream:
            typer.echo(json.dumps(found.verdict.to_json(), ensure_ascii=False))
        yield found


def _wanted(yes: bool | None, *, unchanged: bool) -> bool:
    """Whether to record: as told, else as a person at the terminal says; a script that says nothing wants it."""
    if yes is not None:
        return yes
    return unchanged or not sys.stdin.isatty() or typer.confirm("Record this?", default=False, err=True)
