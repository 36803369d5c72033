"""Grade one submission: read, align, run, check, and say what was found."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from autograder.bank import Bank, load_bank
from autograder.checks.result import ExerciseResult
from autograder.engine import sandbox
from autograder.engine.align import Plan, align, exercises_of
from autograder.engine.executed import executed_notebook
from autograder.engine.limits import Limits, limits_in
from autograder.engine.notebook import Notebook, Rejected, read_notebook
from autograder.engine.session import Session
from autograder.engine.verdict import Status, Verdict
from autograder.engine.versions import versions
from autograder.engine.warm import WarmParent


class WrongSource(ValueError):
    """The assignment's own notebook cannot be graded with: the message says what to change in it."""


@dataclass(frozen=True)
class Job:
    """One submission to grade.

    `source` is the assignment's notebook with its hidden checks; `submission` the student's, None where nothing was
    handed in. `exercises` are the names of those to check, None for all. `device` is "cpu" or "cuda".

    Example: `Job("04_attention", "ada", Path("04_attention.ipynb"), Path("ada/04_attention.ipynb"), seed=7)`
    """

    assignment: str
    student: str
    source: Path
    submission: Path | None
    seed: int
    exercises: tuple[str, ...] | None = None
    limits: Limits = field(default_factory=Limits)
    device: str = "cpu"


@dataclass(frozen=True)
class Graded:
    """A verdict, and the executed notebook as nbformat 4 JSON (None unless the status is "graded").

    The notebook has the structure of the source without hidden tests, the student's cells, and what they printed.
    """

    verdict: Verdict
    notebook: dict[str, Any] | None


def grade_submission(job: Job, parent: WarmParent) -> Graded:
    """Grade one submission in forks of a warm parent.

    Whatever the submission holds, this returns a verdict. Raises WrongSource, WrongLimit or UnknownUnit where the
    assignment is wrong, and ParentGone where the warm parent fails.

    Example: `with WarmParent() as parent: grade_submission(job, parent).verdict.points`
    """
    clock = _Clock()
    source, bank = _source(job), load_bank(job.assignment)
    names = _exercises(job, source, bank)
    limits = job.limits.changed(limits_in(source.metadata))
    if job.submission is None:
        nothing = _nothing(bank, names, "Nothing was handed in.")
        return Graded(_verdict(job, "missing", clock, exercises=nothing), None)
    try:
        submission = read_notebook(job.submission, limits.notebook_bytes)
    except Rejected as reason:
        nothing = _nothing(bank, names, f"It was not checked: {reason}.")
        return Graded(_verdict(job, "rejected", clock, reason.digest, nothing, [f"Rejected: {reason}."]), None)
    plan = align(source, submission)
    session = Session(parent, plan.steps, limits, seed=job.seed, device=job.device)
    try:
        session.run()
        exercises = [_grade(name, job.seed, bank, plan, session) for name in names]
    finally:
        session.close()
    clock.kernels = session.cpu_seconds
    notebook = executed_notebook(source.metadata, plan.steps, session.outputs)
    notes = [*plan.notes, *session.notes]
    return Graded(_verdict(job, "graded", clock, submission.digest, exercises, notes), notebook)


def failed(job: Job, reason: str) -> Graded:
    """What is known of a submission on which the grader itself failed."""
    return Graded(_verdict(job, "failed", _Clock(), notes=[f"The grader failed: {reason}"]), None)


class _Clock:
    """Wall and CPU seconds since it was made; `kernels` are the CPU seconds of the student's processes."""

    def __init__(self) -> None:
        self._wall, self._cpu = time.monotonic(), time.process_time()
        self.kernels = 0.0

    @property
    def wall(self) -> float:
        return round(time.monotonic() - self._wall, 4)

    @property
    def cpu(self) -> float:
        return round(time.process_time() - self._cpu + self.kernels, 4)


def _source(job: Job) -> Notebook:
    try:
        source = read_notebook(job.source, job.limits.notebook_bytes)
    except Rejected as reason:
        raise WrongSource(f"{job.source}: {reason}") from None
    for cell in source.cells:
        job.limits.changed(limits_in(cell.metadata))
    return source


def _exercises(job: Job, source: Notebook, bank: Bank) -> list[str]:
    names = exercises_of(source)
    if unknown := [name for name in names if name not in bank.exercises]:
        raise WrongSource(f"{job.source}: the bank has no checks for {', '.join(unknown)}")
    if unknown := [name for name in job.exercises or () if name not in names]:
        raise WrongSource(f"{job.source}: no check for {', '.join(unknown)}; there are {', '.join(names)}")
    return [name for name in names if job.exercises is None or name in job.exercises]


def _grade(name: str, seed: int, bank: Bank, plan: Plan, session: Session) -> ExerciseResult:
    if name in plan.missing:
        return _nothing(bank, [name], "No cell defines it: its cell was deleted or renamed.")[0]
    if name in session.trouble:
        return _nothing(bank, [name], session.trouble[name])[0]
    result = bank.grade(name, session.answerer(name), seed)
    return bank.grade(name, session.answerer(name), seed) if session.disturbed else result


def _nothing(bank: Bank, names: Sequence[str], message: str) -> list[ExerciseResult]:
    return [ExerciseResult(name, 0.0, bank.exercises[name].points, [], message) for name in names]


def _verdict(
    job: Job,
    status: Status,
    clock: _Clock,
    digest: str = "",
    exercises: Sequence[ExerciseResult] = (),
    notes: Sequence[str] = (),
) -> Verdict:
    return Verdict(
        assignment=job.assignment,
        student=job.student,
        status=status,
        submission=digest,
        seed=job.seed,
        tier=sandbox.TIER,
        device=job.device,
        versions=versions(job.assignment),
        wall_seconds=clock.wall,
        cpu_seconds=clock.cpu,
        exercises=list(exercises),
        notes=list(notes),
    )
