"""What an author has still to write: the places that `autograder new-exercise` has marked, and sums that went wrong."""

from __future__ import annotations

import re
from collections.abc import Iterator

from nbformat import NotebookNode

from autograder.course.course import Course
from autograder.course.notebook import read
from autograder.unit import material_files, unit_of

MARK = "FILL IN:"
MARKED = re.compile(rf"{MARK}([^\"\n]*)")
POINTS = re.compile(r"\*\*Points\.\*\* ([\d.]+)")


def unfinished(course: Course, assignment: str) -> list[str]:
    """What is still to be written in the material of an assignment, a line each: where, and what.

    Example: `unfinished(Course("."), "04_attention")` is empty.
    """
    return [*_in_notebook(read(course.source(assignment))), *_in_modules(unit_of(assignment))]


def _in_notebook(notebook: NotebookNode) -> Iterator[str]:
    for cell in notebook.cells:
        for _, what in _marked(cell.source):
            yield f"the notebook's cell {cell.id}: {what}"
    graded = (cell.metadata.get("nbgrader", {}) for cell in notebook.cells)
    worth = sum(about.get("points", 0) for about in graded if about.get("grade") or about.get("task"))
    told = next((found for cell in notebook.cells if (found := POINTS.search(cell.source))), None)
    if told and float(told[1]) != worth:
        yield f"the notebook's title: it says {told[1]} points, and the cells are worth {worth:g}"


def _in_modules(unit: str) -> Iterator[str]:
    for name, file in material_files(unit).items():
        if file.is_file():
            for number, what in _marked(file.read_text(encoding="utf-8")):
                yield f"{name}, line {number}: {what}"


def _marked(text: str) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(text.splitlines(), start=1):
        if found := MARKED.search(line):
            yield number, f"write {found[1].strip()}"
