"""Grade one submission: read, align, run, check, and say what was found."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from autograder.bank import Bank, load_bank
from autograder.engine.align import SKIPPED_TAG, Plan, align, checks_of, exercises_of
from autograder.engine.executed import executed_notebook
from autograder.engine.job import Clock, Graded, Job, verdict_on
from autograder.engine.limits import Limits, limits_in
from autograder.engine.notebook import Cell, Notebook, Rejected, read_notebook
from autograder.engine.scoring import most_points, score
from autograder.engine.session import Session, script_of
from autograder.engine.warm import WarmParent
from autograder.result import ExerciseResult

AUTOTEST = re.compile(r"^\s*(#+ *(?:HASHED )?AUTOTEST)\b", re.MULTILINE)
"""Where nbgrader would make a test from the solution when it makes the release."""


class WrongSource(ValueError):
    """The assignment's own notebook cannot be graded with: the message says what to change in it."""


def grade_submission(job: Job, parent: WarmParent, environment: Mapping[str, str] = {}) -> Graded:
    """Grade one submission in forks of a warm parent, with more in their `environment`.

    Whatever the submission holds, this returns a verdict. Raises WrongSource, WrongLimit or UnknownUnit where the
    assignment is wrong, and ParentGone where the warm parent fails.

    Example: `with WarmParent() as parent: grade_submission(job, parent).verdict.points`
    """
    clock = Clock()
    source = _source(job)
    asked = _asked(job, source)
    limits = job.limits.changed(limits_in(source.metadata))
    files = _files(job, limits)
    if job.submission is None:
        nothing = [exercise.nothing("Nothing was handed in.") for exercise in asked]
        return Graded(verdict_on(job, "missing", parent.tier, clock, exercises=nothing), None)
    try:
        if isinstance(job.submission, Rejected):
            raise job.submission
        submission = read_notebook(job.submission, limits.notebook_bytes)
    except Rejected as reason:
        nothing = [exercise.nothing(f"It was not checked: {reason}.") for exercise in asked]
        return Graded(
            verdict_on(job, "rejected", parent.tier, clock, reason.digest, nothing, [f"Rejected: {reason}."]), None
        )
    plan = align(source, submission)
    session = Session(
        parent, plan.steps, limits, seed=job.seed, device=job.device, environment=environment, files=files
    )
    try:
        session.run()
        exercises = [_grade(exercise, job.seed, plan, session) for exercise in asked]
    finally:
        session.close()
    clock.kernels = session.cpu_seconds
    notebook = executed_notebook(source.metadata, plan.steps, session.outputs)
    notes = [*plan.notes, *session.notes]
    verdict = verdict_on(job, "graded", parent.tier, clock, submission.digest, exercises, notes, plan.repaired)
    return Graded(verdict, notebook, [*plan.notes, *session.log])


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
    for exercise in asked:
        try:
            worth, most = most_points(exercise.cell), exercise.nothing("").max
        except ValueError as error:
            raise WrongSource(f"{job.source}: {error}") from None
        if worth != most:
            bank_says = f"but the checks of its bank are worth {most:g}: change one of the two"
            raise WrongSource(f"{job.source}: {exercise.cell.grade_id} is worth {worth:g} points, {bank_says}")
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
