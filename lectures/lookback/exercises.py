"""Which exercises of an assignment are done, by the self-checks that ran."""

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from lookback.cells import CellRun, SelfCheck, cell_runs

MARKS = {"done": "✓", "not yet": "✗", "not begun": "·", "not run": "·"}
REMINDER = (
    "Self-checks are worth no points: your grade comes from other checks, on other sizes and fresh random inputs."
)


@dataclass(frozen=True)
class Exercise:
    """An exercise of a notebook: the sources of the cell to be written and of the cell that checks it."""

    name: str
    stub: str
    check: str


@dataclass(frozen=True)
class Standing:
    """How far an exercise is; where it is not done, the first self-check that does not hold, or what stopped it."""

    name: str
    state: Literal["done", "not yet", "not begun", "not run"]
    held: int = 0
    first: SelfCheck | None = None
    trouble: str = ""

    def __str__(self) -> str:
        if self.state == "done":
            return f"{self.held} self-check{'s' if self.held != 1 else ''} hold{'s' if self.held == 1 else ''}"
        return self.trouble or (self.first.name if self.first else self.state)


@dataclass(frozen=True)
class Progress:
    """The exercises of a notebook and how far they are, as a table in plain text."""

    notebook: str
    exercises: tuple[Standing, ...]
    notes: tuple[str, ...] = ()

    @property
    def done(self) -> bool:
        """Whether every exercise is done."""
        return all(standing.state == "done" for standing in self.exercises)

    def __repr__(self) -> str:
        width = max(len(standing.name) for standing in self.exercises)
        lines = [self.notebook]
        for standing in self.exercises:
            lines.append(f"{MARKS[standing.state]} {standing.name:<{width}}  {standing}")
            if standing.first and not standing.trouble:
                lines.append(standing.first.explanation)
        count = sum(standing.state == "done" for standing in self.exercises)
        return "\n".join([*lines, *self.notes, f"{count} of {len(self.exercises)} exercises done.", REMINDER])

    def to_json(self) -> dict[str, Any]:
        """What `lookback check --json` prints."""
        return {**asdict(self), "done": self.done}


def progress(notebook: str | Path | None = None) -> Progress:
    """Return which exercises of this notebook are done, by the self-checks that have run in its kernel.

    An exercise whose cells were changed since the notebook was saved, or were not run yet, counts as not run.

    Args:
        notebook: the notebook's file; JupyterLab says it by itself.

    Raises:
        ValueError: the file is not known, is no notebook, or has no exercises.

    Example:
        >>> progress()
    """
    path = Path(notebook or os.environ.get("JPY_SESSION_NAME", ""))
    if path.suffix != ".ipynb":
        raise ValueError('which notebook is this? Say its file: lb.progress("04_attention.ipynb")')
    try:
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path} cannot be read as a notebook: {error}") from error
    return Progress(path.name, standings(exercises(cells), cell_runs()))


def exercises(cells: Iterable[Mapping[str, Any]]) -> list[Exercise]:
    """The exercises of a notebook in their order, by nbgrader's metadata.

    Raises:
        ValueError: there are none.
    """
    sources = {
        str(cell["metadata"]["nbgrader"].get("grade_id")): "".join(cell["source"])
        for cell in cells
        if cell["cell_type"] == "code" and "nbgrader" in cell["metadata"]
    }
    found = [
        Exercise(name, sources[name], source)
        for check, source in sources.items()
        if check.startswith("check_") and (name := check.removeprefix("check_")) in sources
    ]
    if not found:
        raise ValueError("the notebook has no exercises; is it an assignment?")
    return found


def standings(asked: Iterable[Exercise], runs: Mapping[str, CellRun]) -> tuple[Standing, ...]:
    """How far each exercise is, by what ran."""
    return tuple(
        _standing(exercise.name, runs.get(exercise.stub, CellRun()), runs.get(exercise.check)) for exercise in asked
    )


def _standing(name: str, stub: CellRun, check: CellRun | None) -> Standing:
    if stub.error:
        return Standing(name, "not yet", trouble=f"its cell stops: {stub.error}")
    if check is None:
        return Standing(name, "not run")
    held = sum(one.held for one in check.checks)
    first = next((one for one in check.checks if not one.held), None)
    if name == check.unwritten.partition(".")[0]:
        return Standing(name, "not begun", held, first, f"not begun: {check.unwritten} raises NotImplementedError")
    if first is None and check.error:
        return Standing(name, "not yet", held, trouble=f"its self-checks stop: {check.error}")
    return Standing(name, "not yet" if first else "done", held, first)
