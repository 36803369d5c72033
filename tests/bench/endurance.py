"""Many honest submissions in a row: every point as the bank gives it, nothing left, no more memory at the end.

Example: `python -m tests.bench.endurance --students 500`. It takes about half a second for each student.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import Any, TypeVar

import psutil
from rich.box import MARKDOWN
from rich.console import Console
from rich.table import Table

from tests.bench.grading import ASSIGNMENT, BIN, made_course
from tests.leftovers import left

SEED = 4
"""That of the made class: what each student should get depends on it."""
START_SECONDS, LONGEST_SECONDS = 300, 30
"""How long a run may take before it counts as a hang: for itself, and for each student."""
GLANCE_SECONDS = 0.05
SOME = 30
MOST_GROWTH = 24 * 2**20

T = TypeVar("T", int, float)


@dataclass(frozen=True)
class Run:
    """A graded class: its seconds, seconds and bytes of the coordinator by submissions done, verdicts as they came."""

    wall: float
    seconds: Mapping[int, float]
    memory: Mapping[int, int]
    verdicts: Sequence[Mapping[str, Any]]


def run(course: Path, temporary: Path, students: int, *options: str) -> Run:
    """Grade the class, with further options of the command. Raises AssertionError where that fails, or does not end."""
    journal, start = course / "journal" / f"{ASSIGNMENT}.jsonl", time.monotonic()
    seconds, memory = dict[int, float](), dict[int, int]()
    command = [BIN / "autograder", "grade", ASSIGNMENT, "--seed", str(SEED), *options]
    journal.parent.mkdir(exist_ok=True)
    journal.touch()
    process = psutil.Popen(command, cwd=course, env={**os.environ, "TMPDIR": str(temporary)}, stderr=subprocess.DEVNULL)
    done = 0
    with journal.open("rb") as lines:
        while process.poll() is None:
            assert time.monotonic() - start < START_SECONDS + LONGEST_SECONDS * students, "it hangs"
            if more := lines.read().count(b"\n"):
                memory[done := done + more] = process.memory_info().rss
                seconds[done] = time.monotonic() - start
            time.sleep(GLANCE_SECONDS)
    assert process.returncode == 0
    verdicts = [json.loads(line)["verdict"] for line in journal.read_bytes().splitlines()]
    return Run(time.monotonic() - start, seconds, memory, verdicts)


def check(found: Run, course: Path, temporary: Path) -> None:
    """Raise AssertionError unless every point is right, nothing is left, and the coordinator has not grown."""
    due = json.loads((course / "class.json").read_text())[ASSIGNMENT]["students"]
    points = {v["student"]: {e["name"]: e["points"] for e in v["exercises"]} for v in found.verdicts}
    wrong = {name: (points.get(name), one["points"]) for name, one in due.items() if points.get(name) != one["points"]}
    assert wrong == {}
    assert left(temporary) == []
    tenth, last = (at(found.memory, len(due) // part) for part in (10, 1))
    assert last - tenth < MOST_GROWTH, f"the coordinator grew from {tenth:,} to {last:,} bytes"


def at(values: Mapping[int, T], done: int) -> T:
    """The seconds or bytes when so many submissions were done, or as soon as there were more."""
    return values[min((seen for seen in values if seen >= done), default=max(values))]


def table(found: Run) -> Table:
    """Seconds and memory of a run."""
    students = len(found.verdicts)
    made = Table("", "", title=f"{students} students, {os.cpu_count()} cores", box=MARKDOWN)
    made.add_row("wall s", f"{found.wall:.1f}")
    for which, some in (("first", found.verdicts[:SOME]), ("last", found.verdicts[-SOME:])):
        for unit, name in (("wall", "wall_seconds"), ("CPU", "cpu_seconds")):
            seconds = mean(verdict[name] for verdict in some)
            made.add_row(f"{unit} s a submission, the {which} {len(some)}", f"{seconds:.3f}")
    for done in sorted({students // 10, students // 2, students}):
        made.add_row(f"MB of the coordinator after {done}", f"{at(found.memory, done) / 1e6:.0f}")
    return made


def main() -> None:
    """Grade a class, check it and print what it cost."""
    options = argparse.ArgumentParser(description="Grade a large honest class and check every point.")
    options.add_argument("--students", type=int, default=500)
    with tempfile.TemporaryDirectory() as place, tempfile.TemporaryDirectory() as temporary:
        course = made_course(Path(place), students := options.parse_args().students)
        found = run(course, Path(temporary), students)
        Console().print(table(found))
        check(found, course, Path(temporary))


if __name__ == "__main__":
    main()
