"""The submitted file itself: no notebook, another's notebook, or one whose cells are not what they were."""

from __future__ import annotations

import json
import os
from copy import deepcopy
from pathlib import Path

from tests.engine.notebooks import FIRST, Cells, code, notebook, submitted
from tests.hostile.case import BOTH, NOTHING, WRONG, Case


def linked(path: Path) -> None:
    real = path.with_name("of_another_student.ipynb")
    real.write_text(json.dumps(notebook(submitted())))
    path.symlink_to(real)


def hard_linked(path: Path) -> None:
    real = path.with_name("of_another_student.ipynb")
    real.write_text(json.dumps(notebook(submitted())))
    os.link(real, path)


def sparse(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(2 * 2**30)


def deep(path: Path) -> None:
    path.write_text('{"cells": ' + "[" * 100_000)


def version(number: int, path: Path) -> None:
    path.write_text(json.dumps(notebook(submitted()) | {"nbformat": number}))


def heavy(path: Path) -> None:
    cells = submitted()
    cells[1]["outputs"] = [{"output_type": "display_data", "data": {"image/png": "A" * 60 * 2**20}, "metadata": {}}]
    path.write_text(json.dumps(notebook(cells)))


def without_first(cells: Cells) -> Cells:
    return cells[:2] + cells[3:]


def reordered(cells: Cells) -> Cells:
    return cells[::-1]


def richer(cells: Cells) -> Cells:
    """Every cell claims a hundred points and to be unlocked, and the tests of the source are replaced."""
    for cell in cells:
        if about := cell["metadata"].get("nbgrader"):
            cell["metadata"]["nbgrader"] = about | {"points": 100, "grade": True, "locked": False, "solution": False}
        if cell["metadata"].get("nbgrader", {}).get("grade_id", "").startswith("check"):
            cell["source"] = "100.0"
        cell["metadata"]["tags"] = ["skip-execution", "explore"]
    return cells


def doubled(cells: Cells) -> Cells:
    """A second cell that claims to be the first exercise, and checks of the student's own."""
    own = code("points = 100.0\npoints", nbgrader=cells[3]["metadata"].get("nbgrader"))
    return [*cells[:3], deepcopy(cells[2]) | {"source": WRONG[FIRST], "id": "another"}, own, *cells[3:]]


WITH_LIMITS = {"lookback": {"limits": {"cell_seconds": 1e9, "memory_bytes": 2**50, "submission_seconds": 1e9}}}


def with_limits(cells: Cells) -> Cells:
    for cell in cells:
        cell["metadata"] |= WITH_LIMITS
    return cells


CASES = [
    Case("a link to another student's notebook", write=linked, points=NOTHING, seconds=2, says="Rejected"),
    Case("a hard link to another student's notebook", write=hard_linked, points=NOTHING, seconds=2, says="Rejected"),
    Case(
        "a link to the accounts",
        write=lambda p: p.symlink_to("/etc/passwd"),
        points=NOTHING,
        seconds=2,
        says="Rejected",
    ),
    Case("a pipe", write=os.mkfifo, points=NOTHING, seconds=2, says="Rejected"),
    Case("a device", write=lambda p: p.symlink_to("/dev/zero"), points=NOTHING, seconds=2, says="Rejected"),
    Case("a directory", write=Path.mkdir, points=NOTHING, seconds=2, says="Rejected"),
    Case("two gigabytes of nothing", write=sparse, points=NOTHING, seconds=2, says="Rejected"),
    Case("JSON that is nested too deep", write=deep, points=NOTHING, seconds=2, says="Rejected"),
    Case("nbformat 3", write=lambda p: version(3, p), points=NOTHING, seconds=2, says="Rejected"),
    Case("nbformat 99", write=lambda p: version(99, p), points=NOTHING, seconds=2, says="Rejected"),
    Case("sixty megabytes of output", write=heavy, points=NOTHING, seconds=4, says="Rejected"),
    Case("a graded cell is deleted", change=without_first, points=(0.0, BOTH[1])),
    Case("the cells are in reverse", change=reordered),
    Case("metadata that promise points", first=WRONG[FIRST], change=richer, points=(0.0, BOTH[1])),
    Case("the first exercise twice", change=doubled, points=(0.0, BOTH[1]), says="stands 2 times"),
    Case(
        "limits of the student's own",
        first="while True: pass",
        change=with_limits,
        points=(0.0, BOTH[1]),
        seconds=16,
        says="did not end within 2 seconds",
    ),
]
