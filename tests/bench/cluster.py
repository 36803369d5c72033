"""A class on this machine and on a cluster of two workers: the same verdicts, and what one more core is worth.

Example: `python -m tests.bench.cluster --students 1000`. It takes two seconds for each student.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from rich.box import MARKDOWN
from rich.console import Console
from rich.table import Table

from autograder.engine.process import adopt_orphans
from tests.bench.endurance import Run, at, check, run
from tests.bench.grading import ASSIGNMENT, made_course
from tests.engine.dask import cluster

TIMES = ("wall_seconds", "cpu_seconds")


def graded(course: Path, students: int, *options: str) -> Run:
    """Grade the class anew and check every point. Raises AssertionError."""
    for made in ("journal", "autograded"):
        shutil.rmtree(course / made, ignore_errors=True)
    (course / "gradebook.db").unlink(missing_ok=True)
    with tempfile.TemporaryDirectory() as temporary:
        found = run(course, Path(temporary), students, *options)
        check(found, course, Path(temporary))
    return found


def contents(course: Path) -> dict[str, str]:
    """Every line of the journal by its key, as text, but for times."""
    found = {}
    for line in map(json.loads, (course / "journal" / f"{ASSIGNMENT}.jsonl").read_bytes().splitlines()):
        line["verdict"] |= dict.fromkeys(TIMES)
        assert line["key"] not in found, "recorded twice"
        found[line["key"]] = json.dumps(line, sort_keys=True)
    return found


def spin(times: int) -> int:
    """Work for one core, and nothing but that."""
    total = 0
    for number in range(times):
        total += number % 7
    return total


def scaling_of_the_machine(times: int = 20_000_000) -> float:
    """How much more two processes do than one, by work that shares nothing: two threads of a core are not two cores."""
    with ProcessPoolExecutor(2) as pool:
        list(pool.map(spin, [1, 1]))
        start = time.monotonic()
        spin(times)
        alone = time.monotonic() - start
        start = time.monotonic()
        list(pool.map(spin, [times, times]))
        return 2 * alone / (time.monotonic() - start)


def measured(place: Path, students: int) -> Table:
    """All runs. Raises AssertionError where a point is wrong or a verdict differs."""
    few = max(students // 10, 10)
    large, small = made_course(place / "large", students), made_course(place / "small", few)
    each = "s a submission, all in", "s a submission after 10 %"
    table = Table("", "wall s", *each, "MB after 10 %", "MB at the end", box=MARKDOWN)
    table.title = f"{os.cpu_count()} cores"

    def row(name: str, found: Run) -> float:
        number = len(found.verdicts)
        first, last = number // 10, max(found.seconds)
        steady = (found.seconds[last] - at(found.seconds, first)) / (last - first)
        memory = [f"{at(found.memory, number // part) / 1e6:.0f}" for part in (10, 1)]
        table.add_row(name, f"{found.wall:.1f}", f"{found.wall / number:.3f}", f"{steady:.3f}", *memory)
        return steady

    one = row(f"{few} here, 1 worker", graded(small, few, "--workers", "1"))
    two = row(f"{few} here, 2 workers", graded(small, few, "--workers", "2"))
    many = row(f"{students} here, 2 workers", graded(large, students, "--workers", "2"))
    here = contents(large)
    with tempfile.TemporaryDirectory() as folder, cluster(Path(folder), {}, {}) as address:
        there = row(f"{students} on a cluster of 2", graded(large, students, "--cluster", address))
    assert contents(large) == here, "a verdict differs"
    table.add_row(f"{students} against {few}, each", "", "", f"{many / two:.2f}", "", "")
    table.add_row("the cluster against here", "", "", f"{there / many:.2f}", "", "")
    table.add_row("two workers, times the work of one", "", "", f"{one / two:.2f}", "", "")
    table.add_row("two busy processes, times the work of one", "", "", f"{scaling_of_the_machine():.2f}", "", "")
    return table


def main() -> None:
    """Print the table."""
    options = argparse.ArgumentParser(description="Grade a class here and on a cluster, and compare.")
    options.add_argument("--students", type=int, default=100)
    students = options.parse_args().students
    adopt_orphans()
    with tempfile.TemporaryDirectory(prefix="lookback-bench-") as place:
        Console(width=130).print(measured(Path(place), students))


if __name__ == "__main__":
    main()
