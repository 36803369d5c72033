"""`autograder grade` against plain `nbgrader autograde`: the same class, one after the other, in one run.

Example: `python -m tests.bench.grading --students 30`. nbgrader takes half a minute for each student.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import torch
from rich.box import MARKDOWN
from rich.console import Console
from rich.table import Table

from autograder.bank import load_bank
from autograder.checks.subject import local
from autograder.engine.process import adopt_orphans
from tests.course.small import with_defaults

ASSIGNMENT = "04_attention"
ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
KEPT = Path(__file__).with_suffix(".md")


@dataclass(frozen=True)
class Cost:
    """Seconds of a command and of all that it started."""

    wall: float
    cpu: float


def run(directory: Path, *command: str) -> None:
    """Run a command in a course directory. Raises CalledProcessError."""
    environment = {**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}"}
    subprocess.run([str(BIN / command[0]), *command[1:]], cwd=directory, env=environment, check=True)


def cost(directory: Path, *command: str) -> Cost:
    """Run a command, and wait for all that it started: this process has no other children, and adopts orphans."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    run(directory, *command)
    wall = time.monotonic() - start
    with suppress(ChildProcessError):  # raised when none is left: a process outlives its parent by a moment
        while True:
            os.wait()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return Cost(wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


def made_course(directory: Path, students: int) -> Path:
    """A course in which a class has handed in."""
    shutil.copytree(ROOT / "assignments" / ASSIGNMENT, directory / "assignments" / ASSIGNMENT)
    shutil.copy(ROOT / "nbgrader_config.py", directory)
    run(directory, "autograder", "release", ASSIGNMENT)
    run(directory, "autograder", "class", ASSIGNMENT, "--students", str(students), "--seed", "4")
    return directory


def seconds_of_verdicts(directory: Path) -> list[float]:
    """CPU seconds of each submission itself: its processes and the judge."""
    verdicts = (json.loads(path.read_text()) for path in directory.glob(f"autograded/*/{ASSIGNMENT}/verdict.json"))
    return [verdict["cpu_seconds"] for verdict in verdicts]


def seconds_of_checks(times: int = 5) -> float:
    """CPU seconds of all checks of the unit on its references, in this process, warm."""
    torch.set_num_threads(1)
    bank = load_bank(ASSIGNMENT)
    spent = []
    for _ in range(times):
        start = time.process_time()
        for exercise in bank.exercises:
            bank.grade(exercise, local(vars(bank.unit)), seed=4)
        spent.append(time.process_time() - start)
    return statistics.median(spent)


def figures(students: int, place: Path) -> list[tuple[str, float | None, float, float | None]]:
    """What was measured, wall and CPU seconds of the class, CPU seconds of a submission."""
    ours = made_course(place / "ours", students)
    theirs = with_defaults(Path(shutil.copytree(ours, place / "theirs")))
    grading = cost(ours, "autograder", "grade", ASSIGNMENT)
    again = cost(ours, "autograder", "grade", ASSIGNMENT)
    feedback = cost(ours, "autograder", "feedback", ASSIGNMENT)
    stock = cost(theirs, "nbgrader", "autograde", ASSIGNMENT, "--Execute.timeout=300")
    inside = seconds_of_verdicts(ours)
    together = Cost(grading.wall + feedback.wall, grading.cpu + feedback.cpu)
    return [
        ("nbgrader autograde", stock.wall, stock.cpu, stock.cpu / students),
        ("autograder grade", grading.wall, grading.cpu, grading.cpu / students),
        ("autograder feedback", feedback.wall, feedback.cpu, feedback.cpu / students),
        ("both", together.wall, together.cpu, together.cpu / students),
        ("of grade: submissions and judge, the median", None, sum(inside), statistics.median(inside)),
        ("of grade: starting workers and warm parents", None, grading.cpu - sum(inside) - again.cpu, None),
        ("of grade: all that is not grading (a second run)", again.wall, again.cpu, again.cpu / students),
        ("the checks alone, in one process", None, students * (alone := seconds_of_checks()), alone),
        ("throughput of grade, as a multiple of nbgrader's", stock.wall / grading.wall, stock.cpu / grading.cpu, None),
    ]


def main() -> None:
    """Print what both cost, and keep it beside this file."""
    options = argparse.ArgumentParser(description="Compare autograder grade with plain nbgrader autograde.")
    options.add_argument("--students", type=int, default=30)
    students = options.parse_args().students
    adopt_orphans()  # the CPU seconds of a process that outlives its parent count as well
    with tempfile.TemporaryDirectory(prefix="lookback-bench-") as place:
        found = figures(students, Path(place))
    title = f"{students} students, {os.cpu_count()} cores"
    table = Table("", "wall s", "CPU s", "CPU s a submission", title=title, box=MARKDOWN)
    for name, wall, cpu, each in found:
        table.add_row(name, f"{wall:.1f}" if wall else "", f"{cpu:.1f}", f"{each:.2f}" if each else "")
    Console().print(table)
    with open(KEPT, "w", encoding="utf-8") as file:
        Console(file=file, width=120).print(table)


if __name__ == "__main__":
    main()
