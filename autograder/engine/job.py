"""What there is to grade, and what comes of it. It needs neither PyTorch nor a bank, so that a class starts quickly."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from autograder.engine import sandbox
from autograder.engine.limits import Limits
from autograder.engine.notebook import Rejected
from autograder.engine.verdict import Status, Verdict
from autograder.engine.versions import versions
from autograder.result import ExerciseResult


@dataclass(frozen=True)
class Job:
    """One submission to grade.

    `source` is the assignment's notebook with its hidden checks; `submission` the student's, None where nothing was
    handed in, or why it is known to be no file that can be read. `exercises` are the names of those to check, None for
    all. `device` is "cpu" or "cuda", where that can be had, and `slots_per_gpu` how many submissions may be on one GPU
    at a time. `files` are those that the notebook finds in its working directory, by their names in it.

    Example: `Job("04_attention", "ada", Path("04_attention.ipynb"), Path("ada/04_attention.ipynb"), seed=7)`
    """

    assignment: str
    student: str
    source: Path
    submission: Path | Rejected | None
    seed: int
    exercises: tuple[str, ...] | None = None
    limits: Limits = field(default_factory=Limits)
    device: str = "cpu"
    files: Mapping[str, Path] = field(default_factory=dict)
    slots_per_gpu: int = 1


@dataclass(frozen=True)
class Graded:
    """A verdict, and the executed notebook as nbformat 4 JSON (None unless the status is "graded").

    The notebook has the structure of the source without hidden tests, the student's cells, and what they printed. `log`
    are lines on what happened when, if it was graded just now; it is `known` if the journal had it.
    """

    verdict: Verdict
    notebook: dict[str, Any] | None
    log: list[str] = field(default_factory=list, compare=False)
    known: bool = field(default=False, compare=False)

    def to_json(self) -> dict[str, Any]:
        return {"verdict": self.verdict.to_json(), "notebook": self.notebook}

    @staticmethod
    def from_json(data: Mapping[str, Any], log: Sequence[str] = ()) -> Graded:
        return Graded(Verdict.from_json(data["verdict"]), data["notebook"], list(log))


class Clock:
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


def failed(job: Job, reason: str) -> Graded:
    """What is known of a submission on which the grader itself failed."""
    return Graded(verdict_on(job, "failed", sandbox.tier(), Clock(), notes=[f"The grader failed: {reason}"]), None)


def verdict_on(
    job: Job,
    status: Status,
    tier: str,
    clock: Clock,
    digest: str = "",
    exercises: Sequence[ExerciseResult] = (),
    notes: Sequence[str] = (),
    repaired: int = 0,
) -> Verdict:
    """The verdict on a job whose grading began with the clock; `digest` is that of the submitted file."""
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
