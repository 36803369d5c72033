"""A small assignment of unit 04 with two exercises, and submissions to it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from autograder.bank import load_bank
from solutions.programs import reference

FIRST, SECOND = "soft_lookup", "scaled_dot_product_attention"
FIRST_POINTS, SECOND_POINTS = 3.0, 6.0
IMPORTS = "import math\n\nimport torch\nfrom jaxtyping import Bool, Float\nfrom torch import Tensor, nn"
STUB = "def {}(*arguments):\n    ### BEGIN SOLUTION\n    raise NotImplementedError\n    ### END SOLUTION"
HIDDEN = "### BEGIN HIDDEN TESTS\ncheck({!r})\n### END HIDDEN TESTS\n"

Cell = dict[str, Any]
Cells = list[Cell]


def code(source: str, **metadata: Any) -> Cell:
    """A code cell of the student's own, or with nbgrader's `metadata`."""
    return {"cell_type": "code", "source": source, "metadata": metadata, "outputs": [], "execution_count": None}


def markdown(source: str, **metadata: Any) -> Cell:
    return {"cell_type": "markdown", "source": source, "metadata": metadata}


def nbgrader(grade_id: str, **flags: Any) -> dict[str, Any]:
    plain = {"schema_version": 3, "solution": False, "grade": False, "locked": False, "task": False}
    return {**plain, "grade_id": grade_id, **flags}


def answer(name: str, source: str | None = None, **metadata: Any) -> Cell:
    """An answer cell; with the reference where no source is given."""
    text = reference(load_bank("04_attention").unit, name).source if source is None else source
    return code(text, nbgrader=nbgrader(name, solution=True), **metadata)


def check(name: str, points: float, source: str | None = None) -> Cell:
    visible = f"assert callable({name})\n"
    about = nbgrader(f"check_{name}", grade=True, locked=True, points=points)
    return code(visible + HIDDEN.format(name) if source is None else source, nbgrader=about)


def source_notebook() -> Cells:
    """Imports, two exercises with their checks, a cell to explore, a question to answer by hand."""
    cells = [
        markdown("# Attention"),
        code(IMPORTS, nbgrader=nbgrader("imports", locked=True)),
        answer(FIRST, STUB.format(FIRST)),
        check(FIRST, FIRST_POINTS),
        code("raise SystemError('explored')", tags=["explore"]),
        answer(SECOND, STUB.format(SECOND)),
        check(SECOND, SECOND_POINTS),
        markdown("Why √d?", nbgrader=nbgrader("question", task=True, points=4)),
    ]
    return [{**cell, "id": f"cell-{number}"} for number, cell in enumerate(cells)]


def submitted(first: str | None = None, second: str | None = None) -> Cells:
    """The source with both exercises answered, right unless a source is given."""
    cells = source_notebook()
    cells[2] |= {"source": answer(FIRST, first)["source"]}
    cells[5] |= {"source": answer(SECOND, second)["source"]}
    for place in (3, 6):
        cells[place] |= {"source": cells[place]["source"].split("###")[0]}
    return cells


def notebook(cells: Cells, **metadata: Any) -> dict[str, Any]:
    return {"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}


def written(path: Path, cells: Cells, **metadata: Any) -> Path:
    path.write_text(json.dumps(notebook(cells, **metadata)))
    return path
