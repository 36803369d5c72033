"""What travels from the driver to a worker: once what a class is graded with, then a submission each."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from autograder.engine.job import Job
from autograder.engine.journal import job_key
from autograder.engine.notebook import Rejected, read_bytes
from autograder.engine.versions import versions


@dataclass(frozen=True)
class Material:
    """All that the submissions to one assignment have in common, and the versions of what grades them."""

    assignment: str
    source: bytes
    files: Mapping[str, bytes]
    versions: Mapping[str, str]

    @staticmethod
    def of(job: Job) -> Material:
        """That of a class, from any job of it. Raises Rejected where the assignment's notebook cannot be read."""
        source = read_bytes(job.source, job.limits.notebook_bytes)
        files = {name: path.read_bytes() for name, path in job.files.items()}
        return Material(job.assignment, source, files, dict(versions(job.assignment)))

    @property
    def digest(self) -> str:
        """A name for it: workers that have it take orders."""
        digests = {name: hashlib.sha256(data).hexdigest() for name, data in self.files.items()}
        parts = [self.assignment, hashlib.sha256(self.source).hexdigest(), digests, self.versions]
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]

    def write(self, folder: Path) -> None:
        """Put the files where `Order.job` finds them."""
        for name, data in {"source.ipynb": self.source, **{f"files/{n}": d for n, d in self.files.items()}}.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(data)


@dataclass(frozen=True)
class Order:
    """One submission to grade with the material of that digest. `key` names its content, `attempt` counts from 1."""

    sent: Job
    submission: bytes | Rejected | None
    material: str
    key: str
    attempt: int = 1

    @staticmethod
    def of(job: Job, material: str) -> Order:
        """The order for a job of this machine."""
        submission: bytes | Rejected | None = None
        if isinstance(job.submission, Path):
            try:
                submission = read_bytes(job.submission, job.limits.notebook_bytes)
            except Rejected as reason:
                submission = reason
        return Order(job, submission, material, job_key(job))

    def job(self, material: Path, place: Path) -> Job:
        """The same job on another machine, with the material in one folder and the submission in another."""
        found: Path | Rejected | None = place / "submission.ipynb"
        if isinstance(self.submission, bytes):
            (place / "submission.ipynb").write_bytes(self.submission)
        else:
            found = self.submission
        files = {name: material / "files" / name for name in self.sent.files}
        return replace(self.sent, source=material / "source.ipynb", submission=found, files=files)
