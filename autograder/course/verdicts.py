"""The verdicts that the gradebook holds the points of: one file a student, beside the autograded notebook."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from autograder.course.course import Course
from autograder.course.errors import CourseError
from autograder.engine.verdict import Verdict


def graded_verdicts(course: Course, assignment: str) -> Iterator[Verdict]:
    """The last verdict on every student who has handed in, as they are read: 36 kB each in a large class are a lot.

    Raises CourseError where nothing has been graded.

    Example: `[verdict.points for verdict in graded_verdicts(Course("."), "04_attention")]`
    """
    course.source(assignment)
    found = False
    for student in course.students(assignment):
        if verdict := load(course, assignment, student):
            found = True
            yield verdict
    if not found:
        raise CourseError(f"nothing has been graded yet: run `autograder grade {assignment}` first")


def load(course: Course, assignment: str, student: str) -> Verdict | None:
    """The last verdict on a student, if there is one."""
    path = _path(course, assignment, student)
    return Verdict.from_json(json.loads(path.read_text())) if path.exists() else None


def save(course: Course, verdict: Verdict) -> None:
    """Keep a verdict as the last one."""
    path = _path(course, verdict.assignment, verdict.student)
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_suffix(".fresh")
    fresh.write_text(json.dumps(verdict.to_json(), ensure_ascii=False) + "\n")
    fresh.replace(path)


def together(before: Verdict | None, now: Verdict) -> Verdict:
    """`now`, with the exercises that it was not asked about taken from `before`, a verdict on the same submission."""
    if before is None or before.submission != now.submission or not before.status == now.status == "graded":
        return now
    fresh = {exercise.name: exercise for exercise in now.exercises}
    if not fresh.keys() < {exercise.name for exercise in before.exercises}:
        return now
    return replace(now, exercises=[fresh.get(exercise.name, exercise) for exercise in before.exercises])


def _path(course: Course, assignment: str, student: str) -> Path:
    return course.autograded(assignment, student).with_name("verdict.json")
