"""The journal: every verdict durable the moment it exists, so that a run can be killed anywhere and go on."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

from autograder.engine.job import Graded, Job
from autograder.engine.notebook import Rejected, read_bytes
from autograder.engine.versions import versions


class JournalInUse(RuntimeError):
    """Another process is writing this journal."""


def job_key(job: Job) -> str:
    """The SHA-256 of all that a verdict depends on: submission, source, files, seed, bank, versions, exercises, limits.

    Example: `journal.get(job_key(job))`
    """
    parts = [job.assignment, job.student, job.seed, job.exercises, job.device, repr(job.limits)]
    files = [_digest(path, job.limits.notebook_bytes) for path in (job.source, job.submission)]
    beside = {name: _digest(path, job.limits.files_bytes) for name, path in job.files.items()}
    return hashlib.sha256(json.dumps([parts, files, beside, versions(job.assignment)]).encode()).hexdigest()


class Journal:
    """An append-only file of verdicts with their notebooks, one JSON line each. One process writes it at a time.

    Raises JournalInUse where another one does. A line that a killed run left unfinished is ignored.

    Example: `with Journal(course / "journal" / "04_attention.jsonl") as journal: journal.get(job_key(job))`
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = open(path, "a+b")  # noqa: SIM115 (closed by close)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._file.close()
            raise JournalInUse(f"{path} is in use: another autograder is grading this assignment") from None
        self._offsets: dict[str, int] = {}
        self._read_offsets()

    def get(self, key: str) -> Graded | None:
        """What was recorded last under this key."""
        if key not in self._offsets:
            return None
        self._file.seek(self._offsets[key])
        return replace(Graded.from_json(json.loads(self._file.readline())), known=True)

    def record(self, key: str, graded: Graded) -> None:
        """Write it, and return when it is on the disk."""
        line = {"key": key, **graded.to_json()}
        offset = self._file.seek(0, os.SEEK_END)
        self._file.write(json.dumps(line).encode() + b"\n")
        self._file.flush()
        os.fsync(self._file.fileno())
        self._offsets[key] = offset

    def close(self) -> None:
        """Let another process write the journal."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _read_offsets(self) -> None:
        """Where the last line of each key begins: the lines themselves stay on the disk."""
        self._file.seek(0)
        offset, line = 0, b"\n"
        for line in self._file:
            if (found := _parsed(line)) is not None:
                self._offsets[found] = offset
            offset += len(line)
        if not line.endswith(b"\n"):
            self._file.write(b"\n")


def _parsed(line: bytes) -> str | None:
    """The key of a line; None of a line that is not whole."""
    try:
        found: Any = json.loads(line)
    except ValueError:
        return None
    return str(found["key"]) if line.endswith(b"\n") else None


def _digest(path: Path | Rejected | None, longest: int) -> str:
    """The SHA-256 of a file, or why it cannot be read; empty where there is none."""
    if path is None:
        return ""
    if isinstance(path, Rejected):
        return str(path)
    try:
        return hashlib.sha256(read_bytes(path, longest)).hexdigest()
    except Rejected as reason:
        return str(reason)
