"""Grade what was handed in, and record it."""

from __future__ import annotations

import os
import secrets
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from itertools import chain, islice
from pathlib import Path

from autograder.course.course import Course
from autograder.course.database import exists
from autograder.course.errors import CourseError, suggestion
from autograder.course.gradebook import recorder_of, recording
from autograder.course.material import has_checks, source_notebook
from autograder.course.pages import plain
from autograder.course.run import Run
from autograder.course.tally import brief
from autograder.engine.align import exercises_of
from autograder.engine.gpu import NoDevice, devices
from autograder.engine.job import Graded, Job
from autograder.engine.journal import Journal, JournalInUse, job_key
from autograder.engine.limits import Limits
from autograder.engine.pool import Pool, grade_class, work
from autograder.engine.sandbox import safe, tier

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
    slots_per_gpu: int = 1,
    limits: Limits = DEFAULT_LIMITS,
) -> list[Job]:
    """What there is to grade: every submission, or one student's. Raises CourseError where there is none.

    Without a seed the class keeps its own; a seed for one student or one exercise does not become that of the class.
    """
    source, students = course.source(assignment), course.handed_in(assignment)
    if student is not None and student not in students:
        raise CourseError(f"{student!r} has not handed in {assignment}: {suggestion(student, students)}")
    has_checks(course, assignment)  # raises here, before any work, where their bank is missing
    exists(course)  # and this where the gradebook cannot be used
    known = list(exercises_of(source_notebook(course, assignment)))
    if exercise is not None and exercise not in known:
        raise CourseError(f"{assignment} has no exercise {exercise!r}: {suggestion(exercise, known)}")
    if seed is None or (student is None and exercise is None):
        seed = class_seed(course, assignment, seed)
    exercises = None if exercise is None else (exercise,)
    asked = students if student is None else [student]
    handed_in = {name: _handed_in(course.submitted(assignment, name)) for name in asked}
    files = course.files(assignment)
    how = seed, exercises, limits, device, files, slots_per_gpu
    return [Job(assignment, name, source, path, *how) for name, path in handed_in.items()]


def graded(course: Course, assignment: str, jobs: Sequence[Job], pool: Pool) -> Generator[Graded, None, None]:
    """Grade, and yield each submission as it comes, but record nothing. What the journal holds is not run again."""
    with _journal(course, assignment) as journal, Run(course, assignment, len(jobs), pool.where) as run:
        for found in grade_class(jobs, pool, journal=journal):
            _write_log(course, found)
            yield found
            run.add(brief(found))  # now, for whoever follows the run counts what is recorded


def grade(course: Course, assignment: str, jobs: Sequence[Job], pool: Pool) -> Iterator[Graded]:
    """Grade, record in the gradebook, and yield, each submission as it comes. What the journal holds is not run again.

    The gradebook is made ready while the workers are at the second submissions: nbgrader takes seconds for that.
    Example: `list(grade(course, "04_attention", jobs(course, "04_attention", seed=7), LocalPool(2)))`
    """
    with closing(graded(course, assignment, jobs, pool)) as results:
        first = list(islice(results, 1))
        with recording(course, assignment) as recorder:
            for found in chain(first, results):
                recorder.record(found)
                yield found


def grade_here(course: Course, job: Job) -> Graded:
    """Grade and record one submission in this process, for an assignment whose cells the gradebook knows."""
    with _journal(course, job.assignment) as journal, recorder_of(course, job.assignment) as recorder:
        found = journal.get(job_key(job))
        if found is None:
            found = work(job)
            if found.verdict.status != "failed":
                journal.record(job_key(job), found)
            _write_log(course, found)
        recorder.record(found)
        return found


def class_seed(course: Course, assignment: str, asked: int | None = None) -> int:
    """The seed of a class: the one that is asked for, else the one it was graded with before, else a fresh one.

    It is remembered, so that an interrupted run goes on and a late submission meets the same inputs as all others.
    """
    path = course.journal / f"{assignment}.seed"
    if asked is None and path.exists():
        return int(path.read_text())
    seed = secrets.randbelow(LARGEST_SEED) if asked is None else asked
    path.parent.mkdir(exist_ok=True)
    fresh = path.with_suffix(".fresh")
    fresh.write_text(f"{seed}\n")
    fresh.replace(path)  # a file that a kill left empty would be the class's seed
    return seed


def _journal(course: Course, assignment: str) -> Journal:
    course.journal.mkdir(exist_ok=True)
    try:
        return Journal(course.journal / f"{assignment}.jsonl")
    except JournalInUse as error:
        raise CourseError(f"{assignment} is being graded by another process: wait for it") from error


def _write_log(course: Course, graded: Graded) -> None:
    """What happened in a submission that was graded just now: journal/ASSIGNMENT/STUDENT.log."""
    if graded.known:
        return  # its log is there
    verdict = graded.verdict
    path = course.journal / verdict.assignment / f"{verdict.student}.log"
    path.parent.mkdir(exist_ok=True)
    took = f"{verdict.wall_seconds:.3f} s, {verdict.cpu_seconds:.3f} CPU s"
    about = f"{verdict.status}: {verdict.points:g} of {verdict.max:g} points in {took}; seed {verdict.seed}"
    lines = [about, f"file {verdict.submission or 'none'}", *(graded.log or verdict.notes)]
    path.write_text("".join(f"{plain(line)}\n" for line in lines), encoding="utf-8")


def _handed_in(path: Path) -> Path | None:
    """The path, if anything stands there, a broken link included: what it is the engine judges."""
    return path if os.path.lexists(path) else None


def check_sandbox() -> None:
    """Raise CourseError where the walls around students' code do not hold."""
    if not safe():
        raise CourseError(
            f"the sandbox here is only “{tier()}”, and students' code could do what you can: "
            "autograder doctor says what would help, --unsafe grades all the same"
        )


def check_gpu() -> None:
    """Raise CourseError where this machine has no GPU, so that not a whole class is graded on the CPU instead."""
    try:
        devices()
    except NoDevice as reason:
        raise CourseError(f"there is no CUDA device here: {reason}; grade with --device cpu") from None
