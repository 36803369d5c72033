"""A class as large as a term's, through journal and gradebook: what it costs to record, when grading costs nothing.

Then what an instructor does with all of it: marks, feedback, report, and who wrote what another wrote.

Example: `python -m tests.bench.recording --students 10000`. It takes about ten minutes and 3 GB of disk.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import pickle
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from itertools import cycle, islice
from pathlib import Path

import psutil
from rich.box import MARKDOWN
from rich.console import Console
from rich.table import Table

from autograder.course.course import Course
from autograder.course.grade import grade, graded, jobs
from autograder.engine.job import Graded, Job
from autograder.engine.pool import LocalPool
from tests.bench.grading import ASSIGNMENT, made_course

DIFFERENT = 12
"""Submissions that are graded in earnest, for the others to be copies of."""
PARTS = 10
WITH_MEMORY = """
import atexit, re
from pathlib import Path
from autograder.cli import main
atexit.register(lambda: print(re.search("VmHWM.*", Path("/proc/self/status").read_text())[0]))
main()
"""
"""The command, and then the most memory that it had; what the system says of a child has the parent's in it."""
AFTERWARDS = ("export", "feedback", "report", "similar")


class Copies:
    """A pool that grades nobody: each submission gets the verdict and the notebook of the graded one that it copies."""

    room = 4
    where = "nowhere: all are copies"

    def __init__(self, originals: Sequence[Graded]) -> None:
        self._originals = {found.verdict.submission: pickle.dumps(found) for found in originals}

    def submit(self, job: Job) -> Future[Graded]:
        """The result, with objects of its own, as if it had come from another process."""
        assert job.submission is not None
        digest = hashlib.sha256(job.submission.read_bytes()).hexdigest()
        found: Graded = pickle.loads(self._originals[digest])
        future: Future[Graded] = Future()
        future.set_result(replace(found, verdict=replace(found.verdict, student=job.student)))
        return future


def originals(course: Course, assignment: str = ASSIGNMENT) -> list[Graded]:
    """What has been handed in, graded in earnest. The journal then has it already."""
    with LocalPool(os.cpu_count() or 1) as pool:
        return list(graded(course, assignment, jobs(course, assignment, seed=4), pool))


def hand_in_copies(course: Course, students: int, assignment: str = ASSIGNMENT) -> None:
    """Let so many hand in, each with a copy of what somebody before them handed in."""
    notebooks = [course.submitted(assignment, name).read_bytes() for name in course.students(assignment)]
    for number, notebook in enumerate(islice(cycle(notebooks), students - len(notebooks))):
        path = course.submitted(assignment, f"student-{number:05}")
        path.parent.mkdir(parents=True)
        path.write_bytes(notebook)


@dataclass(frozen=True)
class Mark:
    """How far a run is: submissions recorded, seconds and CPU seconds since the start, bytes of the coordinator."""

    done: int
    wall: float
    cpu: float
    memory: int


def marks(course: Course, pool: Copies) -> Iterator[Mark]:
    """Record the class; a mark after each tenth of it."""
    asked, process = jobs(course, ASSIGNMENT), psutil.Process()
    wall, cpu = time.monotonic(), time.process_time()
    for done, _ in enumerate(grade(course, ASSIGNMENT, asked, pool), 1):
        if done % max(1, len(asked) // PARTS) == 0:
            yield Mark(done, time.monotonic() - wall, time.process_time() - cpu, process.memory_info().rss)


def table(found: Sequence[Mark]) -> Table:
    """What each part cost."""
    title = f"{found[-1].done} submissions recorded, {os.cpu_count()} cores"
    made = Table("recorded", "wall s", "CPU s", "a second", "MB of the coordinator", title=title, box=MARKDOWN)
    for mark in found:
        speed = f"{mark.done / mark.wall:.0f}"
        made.add_row(str(mark.done), f"{mark.wall:.1f}", f"{mark.cpu:.1f}", speed, f"{mark.memory / 1e6:.0f}")
    return made


def afterwards(course: Course) -> Table:
    """What each command takes once everybody is graded."""
    made = Table("command", "wall s", "CPU s", "MB at most", box=MARKDOWN)
    for command in AFTERWARDS:
        words = [sys.executable, "-c", WITH_MEMORY, command, ASSIGNMENT, "--course", str(course.directory)]
        start, before = time.monotonic(), os.times()
        output = subprocess.run(words, stdout=subprocess.PIPE, text=True, check=True).stdout
        cpu = sum(os.times()[2:4]) - sum(before[2:4])
        memory = int(output.split()[-2]) / 1e3
        made.add_row(command, f"{time.monotonic() - start:.1f}", f"{cpu:.1f}", f"{memory:.0f}")
    return made


def main() -> None:
    """Record a class of copies and print what it cost."""
    options = argparse.ArgumentParser(description="Record a large class, graded in no time, and print what it cost.")
    options.add_argument("--students", type=int, default=10_000)
    students = options.parse_args().students
    with tempfile.TemporaryDirectory(prefix="lookback-bench-") as place:
        course = Course(made_course(Path(place), min(students, DIFFERENT)))
        pool = Copies(originals(course))
        hand_in_copies(course, students)
        Console().print(table(list(marks(course, pool))))
        Console().print(afterwards(course))


if __name__ == "__main__":
    main()
