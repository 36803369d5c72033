"""Grade what was handed in, and record it."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch

from autograder.course.course import Course
from autograder.course.errors import CourseError, suggestion
from autograder.course.gradebook import recording
from autograder.course.release import bank_of
from autograder.engine.align import exercises_of
from autograder.engine.grading import Graded, Job
from autograder.engine.journal import Journal, JournalInUse
from autograder.engine.limits import Limits
from autograder.engine.notebook import read_notebook
from autograder.engine.pool import grade_class
from autograder.engine.sandbox import TIER

DEFAULT_LIMITS = Limits()
LARGEST_SEED = 2**31


def jobs(
    course: Course,
    assignment: str,
    *,
    seed: int | None = None,
    student: str | None = None,
    exercise: str | None = None,
    device: str = "cpu",
    limits: Limits = DEFAULT_LIMITS,
) -> list[Job]:
    """What there is to grade: every submission, or one student's. Raises CourseError where there is none.

    Without a seed the class keeps its own; a seed for one student or one exercise does not become that of the class.
    """
    source, students = course.source(assignment), course.students(assignment)
    if not students:
        raise CourseError(f"nobody has handed in {assignment}: {course.submitted(assignment, 'STUDENT')} is the place")
    if student is not None and student not in students:
        raise CourseError(f"{student!r} has not handed in {assignment}: {suggestion(student, students)}")
    bank_of(course, assignment)
    known = exercises_of(read_notebook(source, limits.notebook_bytes))
    if exercise is not None and exercise not in known:
        raise CourseError(f"{assignment} has no exercise {exercise!r}: {suggestion(exercise, known)}")
    if device == "cuda" and not torch.cuda.is_available():
        raise CourseError("there is no CUDA device here: grade with --device cpu")
    if seed is None or (student is None and exercise is None):
        seed = class_seed(course, assignment, seed)
    exercises = None if exercise is None else (exercise,)
    asked = students if student is None else [student]
    handed_in = {name: _handed_in(course.submitted(assignment, name)) for name in asked}
    return [Job(assignment, name, source, path, seed, exercises, limits, device) for name, path in handed_in.items()]


def grade(course: Course, assignment: str, jobs: Sequence[Job], *, workers: int) -> Iterator[Graded]:
    """Grade, record in the gradebook, and yield, each submission as it comes. What the journal holds is not run again.

    Example: `list(grade(course, "04_attention", jobs(course, "04_attention", seed=7), workers=2))`
    """
    course.journal.mkdir(exist_ok=True)
    try:
        journal = Journal(course.journal / f"{assignment}.jsonl")
    except JournalInUse as error:
        raise CourseError(f"{assignment} is being graded by another process: wait for it") from error
    with journal, recording(course, assignment) as recorder:
        for graded in grade_class(jobs, workers=workers, journal=journal):
            recorder.record(graded)
            yield graded


def class_seed(course: Course, assignment: str, asked: int | None = None) -> int:
    """The seed of a class: the one that is asked for, else the one it was graded with before, else a fresh one.

    It is remembered, so that an interrupted run goes on and a late submission meets the same inputs as all others.
    """
    path = course.journal / f"{assignment}.seed"
    if asked is None and path.exists():
        return int(path.read_text())
    seed = secrets.randbelow(LARGEST_SEED) if asked is None else asked
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"{seed}\n")
    return seed


def _handed_in(path: Path) -> Path | None:
    """The path, if anything stands there, a broken link included: what it is the engine judges."""
    return path if os.path.lexists(path) else None


def sandbox_warning() -> str:
    """What an instructor should know before students' code runs here, "" where there is a sandbox."""
    return "" if TIER != "none" else "there is no sandbox here: students' code runs with your rights (--unsafe: I know)"
