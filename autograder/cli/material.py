"""Commands for the material: release, bundle, solve, class, validate."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from autograder.cli.app import HERE, CourseOption, Json, Name, app, to_json
from autograder.course.errors import MaterialError


@app.command(epilog="Example: autograder release 04_attention")
def release(name: Name, course: CourseOption = HERE) -> None:
    """Make the students' version, unless it would give something away or would be graded wrongly."""
    from autograder.console import progress
    from autograder.course.course import Course
    from autograder.course.release import release

    typer.echo(release(Course(course), name, progress))


@app.command(epilog="Example: autograder bundle")
def bundle(course: CourseOption = HERE) -> None:
    """Pack what students get: all lectures, the released assignments, and what installs them."""
    from autograder.console import progress
    from autograder.course.bundle import bundle, released
    from autograder.course.course import Course

    here = Course(course)
    typer.echo(bundle(here, progress))
    inside = released(here)
    outside = [name for name in here.assignments() if name not in inside]
    typer.echo(f"in it: {', '.join(inside) or 'no assignment'}", err=True)
    if outside:
        typer.echo(f"not in it, because not released: {', '.join(outside)}", err=True)


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


@app.command(epilog="Example: autograder validate 04_attention --seeds 20")
def validate(
    name: Name,
    seeds: Annotated[int, typer.Option(min=1, help="Try this many seeds: all must give the same table.")] = 1,
    json_: Json = False,
    course: CourseOption = HERE,
) -> None:
    """Test the tests: every reference, variant and misconception against every check."""
    from autograder.console import console, progress, tables
    from autograder.course.bank import bank_of
    from autograder.course.course import Course
    from autograder.course.validate import validate

    here = Course(course)
    bank = bank_of(here, name)
    with progress("seeds", seeds) as advance:
        validation = validate(here, name, seeds, advance)
    if json_:
        typer.echo(to_json(validation.to_json()))
    else:
        checks = {exercise: [check.name for check in made.checks] for exercise, made in bank.exercises.items()}
        console.print(*tables(validation.rows, checks), sep="\n")
    if validation.findings:
        raise MaterialError(validation.findings)


@app.command(
    "new-exercise",
    epilog="Example: autograder new-exercise 04_attention cosine_lookup --points 3 "
    "--signature \"(query: Float[Tensor, 'd'], keys: Float[Tensor, 'm d']) -> Float[Tensor, 'm']\" "
    "--about 'How near each key is to the query.'",
)
def new_exercise(
    name: Name,
    exercise: Annotated[str, typer.Argument(metavar="EXERCISE", help="The function or class to be written.")],
    signature: Annotated[
        str, typer.Option(help="What stands after the name: (x: …) -> …; of a module, its forward's.")
    ],
    about: Annotated[str, typer.Option(help="The docstring's first line.")],
    init: Annotated[str | None, typer.Option(help="Of a module: its constructor's signature, (d_model: int).")] = None,
    points: Annotated[float, typer.Option(min=1, help="What the exercise is worth.")] = 3,
    new_unit: Annotated[
        bool, typer.Option("--new-unit", help="Make the assignment, with everything of its own.")
    ] = False,
    course: CourseOption = HERE,
) -> None:
    """Add the skeleton of an exercise: cells, reference, variants, misconceptions, a first check."""
    from autograder.course.course import Course
    from autograder.course.new_exercise import add
    from autograder.course.signature import Signature
    from autograder.course.skeleton import Draft

    constructor = None if init is None else Signature.parse(init, "--init")
    draft = Draft(exercise, Signature.parse(signature, "--signature"), about, points, constructor)
    for path in add(Course(course), name, draft, new_unit=new_unit):
        typer.echo(path)
    typer.echo(f"now write what is marked FILL IN: autograder validate {name} lists it", err=True)
