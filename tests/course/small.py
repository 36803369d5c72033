"""A small course: the bank of unit 04, but a notebook with two of its exercises and one hand-graded answer.

Other assignments can be cut to a few exercises, too.
"""

from __future__ import annotations

import ast
import shutil
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from autograder.bank import Bank, load_bank
from solutions.programs import reference

REPOSITORY = Path(__file__).parents[2]
ASSIGNMENT = "04_attention"
ATTENTION, HOP = "scaled_dot_product_attention", "memory_hop"
EXERCISES = (ATTENTION, HOP)
POINTS = {ATTENTION: 6.0, HOP: 3.0}
IMPORTS = "import math\n\nimport torch\nfrom jaxtyping import Bool, Float\nfrom torch import Tensor"
CHECK = """assert callable({name})
### BEGIN HIDDEN TESTS
from autograder import check
check("{name}")
### END HIDDEN TESTS"""
QUESTION = "Why is there a √d?"


def write_course(directory: Path, cells: Sequence[Any] | None = None, assignment: str = ASSIGNMENT) -> Path:
    """A course directory with these cells, by default those of the small notebook."""
    folder = directory / "assignments" / assignment
    folder.mkdir(parents=True)
    shutil.copy(REPOSITORY / "nbgrader_config.py", directory)
    write_notebook(folder / f"{assignment}.ipynb", small_cells() if cells is None else cells)
    return directory


def cut_cells(assignment: str, exercises: Sequence[str]) -> list[Any]:
    """The cells of an assignment of this repository with these exercises only, without its text and what it explores.

    Example: `write_course(directory, cut_cells("10_rasp", ["select", "aggregate"]), "10_rasp")`
    """
    others = load_bank(assignment).exercises.keys() - set(exercises)
    notebook = nbformat.read(REPOSITORY / "assignments" / assignment / f"{assignment}.ipynb", as_version=4)
    ids = {cell.id: cell.metadata.get("nbgrader", {}).get("grade_id", "") for cell in notebook.cells}
    return [cell for cell in notebook.cells if ids[cell.id] and ids[cell.id].removeprefix("check_") not in others]


def with_defaults(directory: Path) -> Path:
    """The same course directory with nbgrader's own preprocessors: its `autograde` runs everything itself."""
    lines = 'c.CourseDirectory.course_id = "lookback"\nc.CourseDirectory.source_directory = "assignments"\n'
    (directory / "nbgrader_config.py").write_text(f"c = get_config()\n{lines}")
    return directory


def write_notebook(path: Path, cells: Sequence[Any]) -> Path:
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(new_notebook(cells=list(cells), metadata={"kernelspec": kernel}), path)
    return path


def small_cells(bodies: dict[str, str] | None = None) -> list[Any]:
    """The source notebook's cells; `bodies` are complete stub cells in place of the usual ones."""
    cells = [new_markdown_cell("# Attention", id="title"), new_code_cell(IMPORTS, id="imports")]
    for name in EXERCISES:
        cells += [stub_cell(name, (bodies or {}).get(name, stub(name))), check_cell(name, CHECK.format(name=name))]
    return [*cells, task_cell("why_scale", points=2)]


def stub_cell(name: str, source: str) -> Any:
    return _cell(name, source, solution=True)


def check_cell(name: str, source: str) -> Any:
    return _cell(f"check_{name}", source, grade=True, locked=True, points=POINTS[name])


def task_cell(name: str, points: float) -> Any:
    cell = _cell(name, "", task=True, points=points, locked=True)
    return new_markdown_cell(QUESTION, id=cell.id, metadata=cell.metadata)


def stub(name: str) -> str:
    """The reference's signature and docstring over a body to be written."""
    source = source_of(name)
    definition = ast.parse(source).body[0]
    assert isinstance(definition, ast.FunctionDef)
    head = source.splitlines()[: definition.body[0].end_lineno]
    return "\n".join([*head, "    ### BEGIN SOLUTION", "    raise NotImplementedError", "    ### END SOLUTION"])


def source_of(name: str) -> str:
    """The source of the reference."""
    return reference(bank().unit, name).source


@cache
def bank() -> Bank:
    return load_bank(ASSIGNMENT)


def grades(address: str, assignment: str = ASSIGNMENT) -> dict[str, dict[str, dict[str, Any]]]:
    """All that a gradebook holds of the assignment, by student: grades, comments, and the rest."""
    from nbgrader.api import Gradebook

    with Gradebook(address, "lookback") as gradebook:
        return {
            submission.student.id: {
                "grades": {
                    grade.name: (grade.auto_score, grade.manual_score, grade.needs_manual_grade)
                    for notebook in submission.notebooks
                    for grade in notebook.grades
                },
                "comments": {
                    comment.name: (comment.auto_comment, comment.manual_comment)
                    for notebook in submission.notebooks
                    for comment in notebook.comments
                },
                "submission": {"timestamp": submission.timestamp, "penalty": submission.late_submission_penalty},
            }
            for submission in gradebook.assignment_submissions(assignment)
        }


def _cell(name: str, source: str, **metadata: Any) -> Any:
    kinds = dict.fromkeys(("grade", "solution", "locked", "task"), False)
    nbgrader = {"schema_version": 3, "grade_id": name, **kinds, **metadata}
    return new_code_cell(source, id=name.replace("_", "-"), metadata={"nbgrader": nbgrader})
