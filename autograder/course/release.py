"""The students' version of an assignment, made by nbgrader and then distrusted."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from nbformat import NotebookNode

from autograder.course.bank import bank_of, references
from autograder.course.course import Course
from autograder.course.errors import MaterialError
from autograder.course.leaks import Secret, leaks, leaks_of_file, marked, solutions
from autograder.course.material import generate, has_checks, source_notebook, students_version
from autograder.course.notebook import write
from autograder.course.unfinished import unfinished
from autograder.engine.job import Job
from autograder.engine.pool import grade_class


def release(course: Course, assignment: str) -> Path:
    """Put the students' version of an assignment, with its other files, into the release directory.

    Raises MaterialError where that would give something away, or where something is still to be written. An older
    release stands until the new one is complete.
    Example: `release(Course("."), "04_attention")`
    """
    if has_checks(course, assignment) and (drafts := unfinished(course, assignment)):
        raise MaterialError(drafts)
    version = students_version(course, assignment)
    if found := given_away(course, assignment, version) or unearned_points(course, assignment, version):
        raise MaterialError(found)
    target = course.released(assignment)
    target.parent.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=course.nbgrader.root, prefix=".release-") as folder:
        generate(course, assignment, Path(folder), record=True)
        if target.parent.exists():
            target.parent.rename(Path(folder) / "before")
        (Path(folder) / assignment).rename(target.parent)
    return target


def secrets_of(course: Course, assignment: str) -> list[Secret]:
    """What the students' version of an assignment may not hold: solutions and mark schemes."""
    sources = references(bank_of(course, assignment)) if has_checks(course, assignment) else {}
    return [*solutions(sources), *marked(source_notebook(course, assignment))]


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
        (graded,) = grade_class([Job(assignment, "nobody", source, untouched, seed=0, files=files)], workers=1)
    verdict = graded.verdict
    if verdict.status != "graded":
        return [f"the students' version cannot be graded: {' '.join(verdict.notes)}"]
    return [
        f"the stub of {e.name} earns {e.points:g} points: mend it, or the checks"
        for e in verdict.exercises
        if e.points > 0
    ]
