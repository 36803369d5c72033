"""`autograder grade` against plain `nbgrader autograde`: the same class, one after the other, in one run.

Example: `python -m tests.bench.grading --students 30`. nbgrader takes half a minute for each student.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.course.small import with_defaults

ASSIGNMENT = "04_attention"
ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent


@dataclass(frozen=True)
class Cost:
    """Seconds of a command and of all that it started."""

    wall: float
    cpu: float


def cost(directory: Path, *command: str) -> Cost:
    """Run a command in a course directory. Raises CalledProcessError."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    environment = {**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}"}
    subprocess.run([str(BIN / command[0]), *command[1:]], cwd=directory, env=environment, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Cost(time.monotonic() - start, cpu)


def made_course(directory: Path, students: int) -> Path:
    """A course in which a class has handed in."""
    shutil.copytree(ROOT / "assignments" / ASSIGNMENT, directory / "assignments" / ASSIGNMENT)
    shutil.copy(ROOT / "nbgrader_config.py", directory)
    cost(directory, "autograder", "release", ASSIGNMENT)
    cost(directory, "autograder", "class", ASSIGNMENT, "--students", str(students), "--seed", "4")
    return directory


def seconds_of_verdicts(directory: Path) -> float:
    """CPU seconds of the submissions themselves: their processes and the judge."""
    verdicts = (json.loads(path.read_text()) for path in directory.glob(f"autograded/*/{ASSIGNMENT}/verdict.json"))
    return sum(verdict["cpu_seconds"] for verdict in verdicts)


def main() -> None:
    """Print what both cost."""
    options = argparse.ArgumentParser(description="Compare autograder grade with plain nbgrader autograde.")
    options.add_argument("--students", type=int, default=30)
    students = options.parse_args().students
    with tempfile.TemporaryDirectory(prefix="lookback-bench-") as place:
        ours = made_course(Path(place) / "ours", students)
        theirs = with_defaults(Path(shutil.copytree(ours, Path(place) / "theirs")))
        grading = cost(ours, "autograder", "grade", ASSIGNMENT)
        feedback = cost(ours, "autograder", "feedback", ASSIGNMENT)
        stock = cost(theirs, "nbgrader", "autograde", ASSIGNMENT)
        inside = seconds_of_verdicts(ours)
    table = Table("", "wall s", "CPU s", "CPU s a submission", title=f"{students} students, {os.cpu_count()} cores")
    for name, spent in (
        ("nbgrader autograde", stock),
        ("autograder grade", grading),
        ("autograder feedback", feedback),
    ):
        table.add_row(name, f"{spent.wall:.1f}", f"{spent.cpu:.1f}", f"{spent.cpu / students:.2f}")
    table.add_row("  of grade: submissions and judge", "", f"{inside:.1f}", f"{inside / students:.2f}")
    table.add_row("  of grade: starting, recording", "", f"{grading.cpu - inside:.1f}", "")
    console = Console()
    console.print(table)
    console.print(f"throughput of grade: {stock.wall / grading.wall:.1f} times that of nbgrader")


if __name__ == "__main__":
    main()
