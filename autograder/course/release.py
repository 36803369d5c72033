"""The students' version of an assignment, made by nbgrader and then distrusted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from tempfile import TemporaryDirectory

from nbformat import NotebookNode

from autograder.bank import Bank
from autograder.course.bank import bank_of, references
from autograder.course.course import Course
from autograder.course.errors import MaterialError
from autograder.course.faults import faults
from autograder.course.leaks import Secret, leaks, leaks_of_file, marked, solutions
from autograder.course.material import generate, has_checks, source_notebook, students_version
from autograder.course.notebook import write
from autograder.course.unfinished import unfinished
from autograder.course.validate import wrong_programs
from autograder.engine.align import checks_of
from autograder.engine.job import Job
from autograder.engine.pool import LocalPool
from autograder.unit import bank_file, unit_of

Progress = Callable[[str, int], AbstractContextManager[Callable[[], None]]]
"""Shows how far something is: told what it does and in how many steps, it gives a function to call after each."""


def unwatched(what: str, steps: int) -> AbstractContextManager[Callable[[], None]]:
    """A Progress that shows nothing."""
    return nullcontext(lambda: None)


def release(course: Course, assignment: str, progress: Progress = unwatched) -> Path:
    """Put the students' version of an assignment, with its other files, into the release directory.

    Raises MaterialError where something is still to be written, where the notebook does not fit its bank, where the
    version would give something away, and where the assignment would be graded wrongly: in this order, what takes long
    only where the rest is right. An older release stands until the new one is complete.
    Example: `release(Course("."), "04_attention")`
    """
    source = source_notebook(course, assignment)
    banked = has_checks(course, assignment) or bank_file(unit_of(assignment)).is_file()
    _refuse(unfinished(course, assignment) if banked else [])
    bank = bank_of(course, assignment) if banked else None
    _refuse(faults(source, bank))
    version = students_version(course, assignment)
    _refuse(given_away(course, assignment, version))
    if bank and (exercises := checks_of(source)):
        with progress("exercises", len(exercises)) as advance:
            _refuse(wrong_programs(bank, exercises, advance))
    _refuse(unearned_points(course, assignment, version))
    target = course.released(assignment)
    target.parent.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=course.nbgrader.root, prefix=".release-") as folder:
        generate(course, assignment, Path(folder), record=True)
        if target.parent.exists():
            target.parent.rename(Path(folder) / "before")
        (Path(folder) / assignment).rename(target.parent)
    return target


def _refuse(findings: Sequence[str]) -> None:
    if findings:
        raise MaterialError(findings)


def secrets_of(course: Course, assignment: str) -> list[Secret]:
    """What the students' version of an assignment may not hold: solutions and mark schemes."""
    known = solutions_of(bank_of(course, assignment)) if has_checks(course, assignment) else []
    return [*known, *marked(source_notebook(course, assignment))]


def solutions_of(bank: Bank, enough: int = 1) -> list[Secret]:
    """The references of a bank, of which `enough` lines tell a solution, and the variants, of which two do."""
    variants = {f"{made.exercise} ({made.name})": made.source for made in bank.programs if made.kind == "variant"}
    return [*solutions(references(bank), enough), *solutions(variants, enough=2)]


def given_away(course: Course, assignment: str, version: NotebookNode) -> list[str]:
    """What a students' version and the files beside it would give away."""
    secrets = secrets_of(course, assignment)
    beside = [leaks_of_file(path, name, secrets) for name, path in course.files(assignment).items()]
    return [*leaks(version, secrets), *(leak for found in beside for leak in found)]


def unearned_points(course: Course, assignment: str, version: NotebookNode) -> list[str]:
    """What is wrong with a students' version that is graded as it is: a stub that earns points."""
    with TemporaryDirectory() as folder:
        untouched = Path(folder) / course.source(assignment).name
        write(version, untouched)
        source, files = course.source(assignment), course.files(assignment)
        with LocalPool(workers=1) as pool:
            verdict = pool.submit(Job(assignment, "nobody", source, untouched, seed=0, files=files)).result().verdict
    if verdict.status != "graded":
        return [f"the students' version cannot be graded: {' '.join(verdict.notes)}"]
    return [
        f"the stub of {e.name} earns {e.points:g} points: mend it, or the checks"
        for e in verdict.exercises
        if e.points > 0
    ]
