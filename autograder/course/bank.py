"""The bank of an assignment of the course."""

from __future__ import annotations

from autograder.bank import Bank, load_bank
from autograder.course.course import Course
from autograder.course.errors import MaterialError
from solutions.programs import reference


def bank_of(course: Course, assignment: str) -> Bank:
    """The bank of an assignment of the course. Raises MaterialError where it is missing or does not add up.

    Example: `bank_of(Course("."), "04_attention").exercises`
    """
    course.source(assignment)
    try:
        return load_bank(assignment)
    except ValueError as error:
        raise MaterialError([str(error)]) from error


def references(bank: Bank) -> dict[str, str]:
    """The source of each exercise's reference."""
    return {exercise: reference(bank.unit, exercise).source for exercise in bank.exercises}
