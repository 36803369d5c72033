"""What is kept of a class while it is graded: of each verdict a few words, so that memory does not grow with it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from heapq import nlargest

from autograder.course.pages import plain
from autograder.engine.job import Graded
from autograder.engine.verdict import ON_THE_CPU, Status

LONGEST_NOTE = 200
SLOWEST = 3
UNGRADED = ("failed", "rejected")


@dataclass(frozen=True)
class Brief:
    """A verdict in brief. `known`: the journal had it; `note` says why there are no points, or what was repaired.

    `without_gpu` says why it was graded on the CPU all the same, "" where it was not.
    """

    student: str
    status: Status
    seed: int
    wall_seconds: float
    repaired: bool
    known: bool
    note: str
    without_gpu: str


def brief(graded: Graded) -> Brief:
    """Example: `brief(graded).status`"""
    verdict = graded.verdict
    reasons = (note.removeprefix(ON_THE_CPU) for note in verdict.notes if note.startswith(ON_THE_CPU))
    return Brief(
        student=verdict.student,
        status=verdict.status,
        seed=verdict.seed,
        wall_seconds=verdict.wall_seconds,
        repaired=bool(verdict.repaired),
        known=graded.known,
        note=plain(" ".join(verdict.notes), LONGEST_NOTE).replace("\n", " "),
        without_gpu=plain(next(reasons, ""), LONGEST_NOTE),
    )


@dataclass
class Tally:
    """A class in brief: how many of each status, the slowest, who got no points, whose notebook was repaired."""

    statuses: Counter[Status] = field(default_factory=Counter)
    slowest: list[Brief] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    rejected: list[str] = field(default_factory=list)
    repaired: list[str] = field(default_factory=list)
    without_gpu: Counter[str] = field(default_factory=Counter)
    known: int = 0
    seed: int | None = None

    @property
    def done(self) -> int:
        return self.statuses.total()

    def add(self, one: Brief) -> None:
        """Example: `tally.add(brief(graded))`"""
        self.statuses[one.status] += 1
        self.slowest = nlargest(SLOWEST, [*self.slowest, one], key=lambda other: other.wall_seconds)
        self.known += one.known
        self.seed = one.seed
        if one.status == "failed":
            self.failed.append(one.student)
        if one.status == "rejected":
            self.rejected.append(one.student)
        if one.without_gpu:
            self.without_gpu[one.without_gpu] += 1
        if one.repaired:
            self.repaired.append(one.student)
