"""What was collected, and when: so that nothing is lost, and nothing old replaces what is new."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from itertools import count
from pathlib import Path

from autograder.course.course import Course
from autograder.course.errors import CourseError
from autograder.course.gradebook import SECRET, stamp, submission_time
from autograder.engine.limits import Limits
from autograder.engine.notebook import Rejected, read_bytes

EARLIER = "earlier"
"""The step, in nbgrader's sense, under which submissions stand that were replaced."""


@dataclass(frozen=True)
class Receipt:
    """One submission that was collected: its SHA-256, where it came from, and what tells whether it is the newer one.

    `submitted` is when it was handed in, in UTC, None where nobody knows. `moment` says when it was there: for the zip
    of an LMS that is when it was downloaded. `attempt` is the LMS's own count, 0 where there is none.
    """

    student: str
    digest: str
    name: str
    submitted: str | None
    moment: str | None
    attempt: int

    def newer(self, other: Receipt) -> bool:
        if self.attempt and other.attempt:
            return self.attempt > other.attempt
        return other.moment is None or (self.moment is not None and self.moment > other.moment)


class Submissions:
    """The submissions of an assignment in the course directory, for one process at a time.

    Example: `with submissions(course, "04_attention") as kept: kept.present("ada")`
    """

    def __init__(self, course: Course, assignment: str, receipts: Path) -> None:
        self._course, self._assignment, self._receipts = course, assignment, receipts
        text = receipts.read_text() if receipts.exists() else ""
        if text and not text.endswith("\n"):  # a run that was killed left half a line
            with receipts.open("a") as file:
                file.write("\n")
        found = [Receipt(**json.loads(line)) for line in text.splitlines() if line.endswith("}")]
        self._known = {(receipt.student, receipt.digest): receipt for receipt in found}

    def present(self, student: str) -> Receipt | None:
        """What stands there, whoever put it there; None where there is no notebook."""
        path = self._course.submitted(self._assignment, student)
        if not path.is_symlink() and not path.exists():
            return None
        try:
            found = digest(read_bytes(path, Limits().notebook_bytes))
        except Rejected as reason:
            found = str(reason)
        time = text_of(submission_time(path.parent))
        return self._known.get((student, found)) or Receipt(student, found, "", time, time, 0)

    def put(self, receipt: Receipt, data: bytes, secret: bytes) -> Path | None:
        """Put a submission in its place, with its secret if it has one, and return where the one before is now."""
        path = self._course.submitted(self._assignment, receipt.student)
        self.note(receipt)
        folder = path.parent
        fresh = folder.with_name(f".{folder.name}.fresh")
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(parents=True)
        stamp(fresh, time_of(receipt.submitted))
        (fresh / path.name).write_bytes(data)
        if secret:
            (fresh / SECRET).write_bytes(secret)
        aside = self._set_aside(receipt.student) if os.path.lexists(folder) else None
        fresh.rename(folder)
        return aside

    def note(self, receipt: Receipt) -> None:
        """Remember that a submission was there."""
        with self._receipts.open("a") as file:
            file.write(json.dumps(asdict(receipt)) + "\n")
        self._known[receipt.student, receipt.digest] = receipt

    def correct(self, student: str, time: str) -> bool:
        """Let a submission have been handed in at this time; whether that is news."""
        folder = self._course.submitted(self._assignment, student).parent
        if text_of(submission_time(folder)) == time:
            return False
        stamp(folder, time_of(time))
        return True

    def _set_aside(self, student: str) -> Path:
        """Move the folder that stands there, with all that is in it, to the earlier ones."""
        folder = self._course.submitted(self._assignment, student).parent
        time = submission_time(folder)
        name = f"{time:%Y-%m-%d %H.%M.%S}" if time else "no time"
        root = self._course.nbgrader.format_path(EARLIER, student, self._assignment)
        names = (name if number == 1 else f"{name} ({number})" for number in count(1))
        place = next(path for name in names if not (path := Path(root) / name).exists())
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(folder, place)
        return place


@contextmanager
def submissions(course: Course, assignment: str) -> Iterator[Submissions]:
    """Nobody else collects or grades the assignment meanwhile. Raises CourseError where somebody does."""
    course.journal.mkdir(parents=True, exist_ok=True)
    with open(course.journal / f"{assignment}.jsonl", "a") as journal:
        try:
            fcntl.flock(journal, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CourseError(f"{assignment} is being graded or collected by another process: wait for it") from None
        yield Submissions(course, assignment, course.journal / f"{assignment}.collected.jsonl")


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def text_of(time: datetime | None) -> str | None:
    """A time as it is kept, later ones after earlier ones."""
    return time.isoformat(" ", "microseconds") if time else None


def time_of(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
