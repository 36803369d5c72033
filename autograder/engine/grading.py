"""Grade one submission: read, align, run, check, and say what was found."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from autograder.bank import Bank, load_bank
from autograder.engine import sandbox
from autograder.engine.align import SKIPPED_TAG, Plan, align, checks_of, exercises_of
from autograder.engine.executed import executed_notebook
from autograder.engine.limits import Limits, limits_in
from autograder.engine.notebook import Cell, Notebook, Rejected, read_notebook
from autograder.engine.scoring import most_points, score
from autograder.engine.session import Session, script_of
from autograder.engine.verdict import Status, Verdict
from autograder.engine.versions import versions
from autograder.engine.warm import WarmParent
from autograder.result import ExerciseResult

AUTOTEST = re.compile(r"^\s*(#+ *(?:HASHED )?AUTOTEST)\b", re.MULTILINE)
"""Where nbgrader would make a test from the solution when it makes the release."""


class WrongSource(ValueError):
    """The assignment's own notebook cannot be graded with: the message says what to change in it."""


@dataclass(frozen=True)
class Job:
    """One submission to grade.

    `source` is the assignment's notebook with its hidden checks; `submission` the student's, None where nothing was
    handed in. `exercises` are the names of those to check, None for all. `device` is "cpu" or "cuda". `files` are those
    that the notebook finds in its working directory, by their names in it.

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
    files: Mapping[str, Path] = field(default_factory=dict)


@dataclass(frozen=True)
class Graded:
    """A verdict, and the executed notebook as nbformat 4 JSON (None unless the status is "graded").

    The notebook has the structure of the source without hidden tests, the student's cells, and what they printed. `log`
    are lines on what happened when, if it was graded just now.
    """

    verdict: Verdict
    notebook: dict[str, Any] | None
    log: list[str] = field(default_factory=list, compare=False)


def grade_submission(job: Job, parent: WarmParent) -> Graded:
    """Grade one submission in forks of a warm parent.

    Whatever the submission holds, this returns a verdict. Raises WrongSource, WrongLimit or UnknownUnit where the
    assignment is wrong, and ParentGone where the warm parent fails.

    Example: `with WarmParent() as parent: grade_submission(job, parent).verdict.points`
    """
    clock = _Clock()
    source = _source(job)
    asked = _asked(job, source)
    limits = job.limits.changed(limits_in(source.metadata))
    files = _files(job, limits)
    if job.submission is None:
        nothing = [exercise.nothing("Nothing was handed in.") for exercise in asked]
        return Graded(_verdict(job, "missing", parent.tier, clock, exercises=nothing), None)
    try:
        submission = read_notebook(job.submission, limits.notebook_bytes)
    except Rejected as reason:
        nothing = [exercise.nothing(f"It was not checked: {reason}.") for exercise in asked]
        return Graded(
            _verdict(job, "rejected", parent.tier, clock, reason.digest, nothing, [f"Rejected: {reason}."]), None
        )
    plan = align(source, submission)
    session = Session(parent, plan.steps, limits, seed=job.seed, device=job.device, files=files)
    try:
        session.run()
        exercises = [_grade(exercise, job.seed, plan, session) for exercise in asked]
    finally:
        session.close()
    clock.kernels = session.cpu_seconds
    notebook = executed_notebook(source.metadata, plan.steps, session.outputs)
    notes = [*plan.notes, *session.notes]
    verdict = _verdict(job, "graded", parent.tier, clock, submission.digest, exercises, notes, plan.repaired)
    return Graded(verdict, notebook, [*plan.notes, *session.log])


def failed(job: Job, reason: str) -> Graded:
    """What is known of a submission on which the grader itself failed."""
    return Graded(_verdict(job, "failed", sandbox.tier(), _Clock(), notes=[f"The grader failed: {reason}"]), None)


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
    kernel = source.metadata.get("kernelspec", {})
    if (language := kernel.get("language", "python")) != "python":
        raise WrongSource(f"{job.source} is written in {language}; only Python can be graded")
    for cell in source.cells:
        if cell.kind == "code" and (found := AUTOTEST.search(cell.source)):
            raise WrongSource(f"{job.source}, {cell.grade_id or 'a cell'}: {found[1]!r} holds no tests: write them out")
        job.limits.changed(limits_in(cell.metadata))
    return source


def _files(job: Job, limits: Limits) -> dict[str, bytes]:
    """The contents of the job's files. Raises WrongSource where they are too large."""
    if (size := sum(path.stat().st_size for path in job.files.values())) > limits.files_bytes:
        most = f"at most {limits.files_bytes:,} can be used"
        raise WrongSource(f"the files beside {job.source} have {size:,} bytes; {most}")
    return {name: path.read_bytes() for name, path in job.files.items()}


@dataclass(frozen=True)
class _Exercise:
    """An exercise, its graded cell in the source, and the bank that checks it, None for a test cell."""

    name: str
    cell: Cell
    bank: Bank | None

    def nothing(self, message: str) -> ExerciseResult:
        """No points, for this reason."""
        most = self.bank.exercises[self.name].points if self.bank else most_points(self.cell)
        return ExerciseResult(self.name, 0.0, most, [], message)


def _asked(job: Job, source: Notebook) -> list[_Exercise]:
    """The exercises that the job asks for. The bank is loaded only where the source has a check."""
    cells, checks = exercises_of(source), checks_of(source)
    bank = load_bank(job.assignment) if checks else None
    if bank and (unknown := [name for name in checks if name not in bank.exercises]):
        raise WrongSource(f"{job.source}: the bank has no checks for {', '.join(unknown)}")
    if unknown := [name for name in job.exercises or () if name not in cells]:
        raise WrongSource(f"{job.source}: no check for {', '.join(unknown)}; there are {', '.join(cells)}")
    asked = [_Exercise(name, cell, bank if name in checks else None) for name, cell in cells.items()]
    try:
        for exercise in asked:
            exercise.nothing("")
    except ValueError as error:
        raise WrongSource(f"{job.source}: {error}") from None
    return [exercise for exercise in asked if job.exercises is None or exercise.name in job.exercises]


def _grade(exercise: _Exercise, seed: int, plan: Plan, session: Session) -> ExerciseResult:
    name, bank = exercise.name, exercise.bank
    if name in plan.missing:
        result = exercise.nothing("No cell defines it: its cell was deleted or renamed.")
    elif name in session.tests:
        result = score(exercise.cell, session.tests[name])
    elif name in session.trouble:
        result = exercise.nothing(session.trouble[name])
    elif bank is None:
        result = exercise.nothing(f"Its cell did not run: it is tagged {SKIPPED_TAG} in the assignment.")
    else:
        script = script_of(bank.name, name, seed)
        result = bank.grade(name, session.answerer(name, script), seed)
    session.event(f"{name}: {result.points:g} of {result.max:g} points")
    return result


def _verdict(
    job: Job,
    status: Status,
    tier: str,
    clock: _Clock,
    digest: str = "",
    exercises: Sequence[ExerciseResult] = (),
    notes: Sequence[str] = (),
    repaired: int = 0,
) -> Verdict:
    return Verdict(
        assignment=job.assignment,
        student=job.student,
        status=status,
        submission=digest,
        seed=job.seed,
        tier=tier,
        device=job.device,
        versions=versions(job.assignment),
        wall_seconds=clock.wall,
        cpu_seconds=clock.cpu,
        exercises=list(exercises),
        notes=list(notes),
        repaired=repaired,
    )
