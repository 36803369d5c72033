"""The students' version of an assignment, made by nbgrader and then distrusted."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from nbformat import NotebookNode

from autograder.course.bank import bank_of, references
from autograder.course.course import Course
from autograder.course.errors import MaterialError
from autograder.course.material import generate, has_checks, students_version
from autograder.course.notebook import grade_id, write
from autograder.course.unfinished import unfinished
from autograder.engine.align import CHECK_CALL
from autograder.engine.job import Job
from autograder.engine.pool import grade_class

MARKERS = re.compile(r"(BEGIN|END) (SOLUTION|HIDDEN TESTS?|MARK SCHEME)")
SHORTEST_TELLING_LINE = 16
"""Statements of fewer characters, such as `return output`, may stand in a notebook without giving a solution away."""


def release(course: Course, assignment: str) -> Path:
    """Put the students' version of an assignment, with its other files, into the release directory.

    Raises MaterialError where that would give something away, or where something is still to be written. An older
    release stands until the new one is complete.
    Example: `release(Course("."), "04_attention")`
    """
    banked = has_checks(course, assignment)
    if banked and (drafts := unfinished(course, assignment)):
        raise MaterialError(drafts)
    version = students_version(course, assignment)
    solutions = references(bank_of(course, assignment)) if banked else {}
    found = [*leaks(version, solutions), *unearned_points(course, assignment, version)]
    if found:
        raise MaterialError(found)
    target = course.released(assignment)
    target.parent.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=course.nbgrader.root, prefix=".release-") as folder:
        generate(course, assignment, Path(folder), record=True)
        if target.parent.exists():
            target.parent.rename(Path(folder) / "before")
        (Path(folder) / assignment).rename(target.parent)
    return target


def unearned_points(course: Course, assignment: str, version: NotebookNode) -> list[str]:
    """What is wrong with a students' version that is graded as it is: a stub that earns points."""
    with TemporaryDirectory() as folder:
        untouched = Path(folder) / course.source(assignment).name
        write(version, untouched)
        source, files = course.source(assignment), course.files(assignment)
        (graded,) = grade_class([Job(assignment, "nobody", source, untouched, seed=0, files=files)], workers=1)
    verdict = graded.verdict
    if verdict.status != "graded":
        return [f"the students' version cannot be graded: {' '.join(verdict.notes)}"]
    return [f"the stub of {e.name} earns {e.points:g} points" for e in verdict.exercises if e.points > 0]


def leaks(released: NotebookNode, solutions: Mapping[str, str]) -> list[str]:
    """What a released notebook would give away: outputs, markers, hidden checks, lines of the exercises' solutions."""
    return [
        f"{_place(cell, position)} holds {what}"
        for position, cell in enumerate(released.cells)
        for what in _given_away(cell, solutions)
    ]


def _given_away(cell: NotebookNode, solutions: Mapping[str, str]) -> Iterator[str]:
    if cell.get("outputs") or cell.get("execution_count"):
        yield "outputs"
    if found := MARKERS.search(cell.source):
        yield f"the marker {found[0]!r}, which nbgrader should have removed with what it marks"
    if cell.cell_type == "code" and CHECK_CALL.search(cell.source):
        yield "a hidden check"
    text = "".join(cell.source.split())
    for exercise, solution in solutions.items():
        for line in telling_lines(solution):
            if "".join(line.split()) in text:
                yield f"a line of the solution of {exercise}: {line!r}"


def telling_lines(source: str) -> list[str]:
    """The simple statements of a solution that are long enough to tell something; no signatures, no docstrings."""
    statements = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.stmt) and _tells(node)]
    lines = [ast.get_source_segment(source, statement) or "" for statement in statements]
    return [line for line in lines if len(line) >= SHORTEST_TELLING_LINE and line != "super().__init__()"]


def _tells(statement: ast.stmt) -> bool:
    if isinstance(statement, ast.Import | ast.ImportFrom) or hasattr(statement, "body"):
        return False
    return not (isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant))


def _place(cell: NotebookNode, position: int) -> str:
    return f"cell {position + 1} ({name})" if (name := grade_id(cell)) else f"cell {position + 1}"
