"""A run of `grade`, as another terminal can follow it: a file beside the journal, a line for each submission.

The file is the run's own and locked as long as it lasts: it is new, and locked before anybody can see it. Whoever asks
for the lock thereby disturbs neither this run nor the next.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections import deque
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic, sleep
from typing import Any, BinaryIO, Self

from autograder.course.course import Course
from autograder.course.tally import UNGRADED, Brief, Tally

GLANCE_SECONDS = 0.5
LAST = 5
"""How many of those that got no points are shown."""


class Run:
    """The file of a run while it lasts.

    Example: `with Run(course, "04_attention", 20, pool.where) as run: run.add(brief(graded))`
    """

    def __init__(self, course: Course, assignment: str, total: int, where: str) -> None:
        path, self._start = _path(course, assignment), monotonic()
        fresh = path.with_name(f"{path.name}.fresh")
        fresh.unlink(missing_ok=True)  # a killed run's, which somebody may have open
        self._file = fresh.open("x", encoding="utf-8")
        fcntl.flock(self._file, fcntl.LOCK_EX)
        started = datetime.now(UTC).isoformat(timespec="seconds")
        self._write({"started": started, "total": total, "where": where})
        fresh.replace(path)

    def add(self, one: Brief) -> None:
        """One more is graded and recorded."""
        self._write({"seconds": round(monotonic() - self._start, 3), **asdict(one)})

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def _write(self, line: dict[str, Any]) -> None:
        self._file.write(json.dumps(line) + "\n")
        self._file.flush()


@dataclass
class Standing:
    """How far a run is; `seconds` are those from its start to its last submission, `last` who got no points lately."""

    started: str
    total: int
    where: str
    running: bool = True
    seconds: float = 0.0
    tally: Tally = field(default_factory=Tally)
    last: deque[Brief] = field(default_factory=lambda: deque(maxlen=LAST))

    @property
    def complete(self) -> bool:
        return self.tally.done == self.total

    @property
    def seconds_left(self) -> float | None:
        """By what was graded so far; None before the first. What the journal had took no time."""
        graded = self.tally.done - self.tally.known
        return self.seconds / graded * (self.total - self.tally.done) if graded else None

    def to_json(self) -> dict[str, Any]:
        return {
            "started": self.started,
            "where": self.where,
            "running": self.running,
            "total": self.total,
            "done": self.tally.done,
            "known": self.tally.known,
            "statuses": dict(self.tally.statuses),
            "seconds_left": self.seconds_left,
            "last": [{"student": one.student, "status": one.status, "note": one.note} for one in self.last],
        }


def follow(course: Course, assignment: str) -> Iterator[Standing]:
    """The latest run: how far it is, again and again, the last time when it has ended. Nothing where there was none.

    Example: `next(follow(Course("."), "04_attention")).seconds_left`
    """
    path = _path(course, assignment)
    if not path.exists():
        return
    with path.open("rb") as file:
        standing = Standing(**json.loads(file.readline()))
        while standing.running:
            standing.running = _locked(file.fileno())  # before reading: what it wrote last is not missed
            _read(file, standing)
            yield standing
            if standing.running:
                sleep(GLANCE_SECONDS)


def _read(file: BinaryIO, standing: Standing) -> None:
    """What has come since; a line that is still being written is left for the next time."""
    while (line := file.readline()).endswith(b"\n"):
        values = json.loads(line)
        standing.seconds = values.pop("seconds")
        one = Brief(**values)
        standing.tally.add(one)
        if one.status in UNGRADED:
            standing.last.append(one)
    file.seek(-len(line), os.SEEK_CUR)


def _locked(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    return False


def _path(course: Course, assignment: str) -> Path:
    return course.journal / f"{assignment}.run"
