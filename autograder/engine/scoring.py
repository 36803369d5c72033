"""nbgrader's own scores, for test cells that run in the student's process.

A test cell earns all its points, unless it raises, or unless its last expression is a number: the points. Other than in
nbgrader a cell must have run to earn anything, what it writes to stderr does not matter, and a number must be within
the points. What runs beside a student's code can be forged by it; a `check` cannot.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any

from autograder.engine.align import without_hidden_tests
from autograder.engine.kernel import CellRun
from autograder.engine.notebook import Cell
from autograder.result import CheckResult, ExerciseResult

NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?|[-+]?inf|nan"
WRAPPED = re.compile(rf"(?:tensor|array|(?:np|numpy)\.\w+)\(\s*({NUMBER})\s*(?:,.*)?\)", re.DOTALL)
"""A tensor, an array or a NumPy scalar of one number, as it is shown."""
ARROW = re.compile(r"^-+> *(\d+)", re.MULTILINE)
"""The line of a cell at which a traceback points."""


def most_points(cell: Cell) -> float:
    """What a test cell is worth. Raises ValueError where it does not say."""
    points = cell.nbgrader.get("points")
    if isinstance(points, bool) or not isinstance(points, int | float) or not 0 <= points < math.inf:
        raise ValueError(f"{cell.grade_id} is worth {points!r} points, which is no number of points")
    return float(points)


def score(cell: Cell, run: CellRun) -> ExerciseResult:
    """What a test cell that ran to its end earns.

    Example: `score(cell, kernel.execute(cell.source, Limits())).points`
    """
    most = most_points(cell)
    points, came = most, "no error"
    if run.error:
        points, came = 0.0, f"it raised {run.error}{_where(cell.source, run.outputs)}"
    elif (value := _number(run.result)) is not None:
        points, came = value, f"the result {value:g}"
        if not 0 <= value <= most:
            points, came = 0.0, f"{came}, which is no number of points from 0 to {most:g}"
    expected = "the test cell runs without an error" if run.error else f"{most:g} points"
    check = CheckResult(cell.grade_id, points == most, points, most, expected, came)
    return ExerciseResult(cell.grade_id, points, most, [check])


def _number(result: str | None) -> float | None:
    """The number that the text of a result shows, if it shows one and nothing else."""
    text = (result or "").strip()
    wrapped = WRAPPED.fullmatch(text)
    try:
        return float(wrapped[1] if wrapped else text)
    except ValueError:
        return None


def _where(source: str, outputs: Sequence[dict[str, Any]]) -> str:
    """The line of the cell that raised, by the traceback; nothing of a hidden one."""
    errors = [output for output in outputs if output["output_type"] == "error"]
    found = ARROW.search("\n".join(errors[-1]["traceback"])) if errors else None
    lines, number = source.splitlines(), int(found[1][:6]) if found else 0
    if not 0 < number <= len(lines):
        return ""
    line = lines[number - 1].strip()
    seen = [line.strip() for line in without_hidden_tests(source).splitlines()]
    return f", at: {line}" if line in seen else ", in a hidden test"
