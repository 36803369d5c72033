"""The solved notebook of an assignment."""

from __future__ import annotations

from pathlib import Path

from autograder.course.bank import bank_of, references
from autograder.course.course import Course
from autograder.course.errors import CourseError
from autograder.course.material import students_version
from autograder.course.notebook import fill, write


def solve(course: Course, assignment: str, folder: Path) -> Path:
    """Write the notebook that a perfect student hands in: the students' version, every stub its reference.

    Example: `solve(Course("."), "04_attention", Path("solved"))`
    """
    source, target = course.source(assignment), folder / course.source(assignment).name
    if target.resolve() == source.resolve():
        raise CourseError(f"{target} is the source of {assignment}: give another folder with --to")
    write(fill(students_version(course, assignment), references(bank_of(course, assignment))), target)
    return target
