"""Commands for a class: grade, watch."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import chain
from typing import TYPE_CHECKING, Annotated

import typer

from autograder.cli.app import CORES, HERE, WRONG_MATERIAL, CourseOption, Device, Json, Name, Workers, app, to_json
from autograder.cli.place import Place
from autograder.course.errors import CourseError, MaterialError

if TYPE_CHECKING:
    from autograder.engine.job import Graded
    from autograder.engine.verdict import Verdict


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
    from autograder.console import differences, error_console, summary, tallied
    from autograder.course.course import Course
    from autograder.course.grade import grade, graded, jobs
    from autograder.course.gradebook import changes

    here = Course(course)
    if yes is not None and exercise is None:
        raise CourseError("--yes and --no go with --exercise: a whole class is always recorded")
    if stream and json_:
        raise CourseError("--stream prints a line for each verdict, --json one list: choose one")
    if slots_per_gpu > 1 and device == Device.cpu:
        raise CourseError("--slots-per-gpu goes with --device cuda: on the CPU, --workers says how many are graded")
    place = Place(workers, cluster, slurm, gateway, insecure, unsafe)
    asked = jobs(here, name, seed=seed, student=student, exercise=exercise, device=device, slots_per_gpu=slots_per_gpu)
    now: dict[str, float] = {}
    with place.pool(asked[0]) as pool, _printed(json_, stream) as tell:
        run = grade if exercise is None else graded
        tally = tallied(_told(run(here, name, asked, pool), tell, now, exercise), len(asked))
        if exercise is not None:
            found = changes(here, name, exercise, now)
            error_console.print(differences(exercise, found, tally.done))
            if _wanted(yes, unchanged=not found):
                failed = set(tally.failed)
                for _ in grade(here, name, [job for job in asked if job.student not in failed], pool):
                    pass  # from the journal into the gradebook
            else:
                typer.echo("nothing was recorded", err=True)
    if not stream and not json_:
        typer.echo(summary(tally))
    if tally.failed:
        raise typer.Exit(WRONG_MATERIAL)


@app.command(epilog="Example: autograder watch 04_attention")
def watch(name: Name, json_: Json = False, course: CourseOption = HERE) -> None:
    """Show how far a running grade is, from another terminal, until it ends. --json prints how far it is now."""
    from autograder.console import followed, summary
    from autograder.course.course import Course
    from autograder.course.run import follow

    here = Course(course)
    here.source(name)
    run = follow(here, name)
    standing = next(run, None)
    if standing is None or (standing.complete and not standing.running):
        raise CourseError(f"nobody is grading {name}: autograder grade {name} does")
    if json_:
        typer.echo(to_json(standing.to_json()))
    else:
        followed(chain([standing], run))
    if not standing.running and not standing.complete:
        came = f"{standing.tally.done} of {standing.total}"
        raise MaterialError([f"the run was broken off after {came}: autograder grade {name} goes on from there"])
    if not json_:
        typer.echo(summary(standing.tally))


@contextmanager
def _printed(json_: bool, stream: bool) -> Iterator[Callable[[Verdict], None]]:
    """What prints each verdict as it comes, as far as that is wanted: an item of one list, or a line."""
    begun = False

    def tell(verdict: Verdict) -> None:
        nonlocal begun
        if stream:
            typer.echo(json.dumps(verdict.to_json(), ensure_ascii=False))
        elif json_:
            item = to_json(verdict.to_json()).replace("\n", "\n  ")
            typer.echo(f"{',' if begun else '['}\n  {item}", nl=False)
            begun = True

    try:
        yield tell
    finally:  # what stands there is a list, however the run ends
        if begun:
            typer.echo("\n]")


def _told(
    results: Iterable[Graded], tell: Callable[[Verdict], None], points: dict[str, float], exercise: str | None
) -> Iterator[Graded]:
    """The same results, each told as it comes; `points` gets those of the exercise, by student."""
    for found in results:
        tell(found.verdict)
        student = found.verdict.student
        if found.verdict.status != "failed":
            points.update((student, one.points) for one in found.verdict.exercises if one.name == exercise)
        yield found


def _wanted(yes: bool | None, *, unchanged: bool) -> bool:
    """Whether to record: as told, else as a person at the terminal says; a script that says nothing wants it."""
    if yes is not None:
        return yes
    return unchanged or not sys.stdin.isatty() or typer.confirm("Record this?", default=False, err=True)
