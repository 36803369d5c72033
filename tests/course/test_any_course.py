"""Anybody's nbgrader course, graded by nbgrader and by us: the same, or a difference that docs/nbgrader.md names."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell

from autograder.course.course import Course
from autograder.course.notebook import grade_id, read, write
from autograder.course.release import release
from tests.course.stock import EXAMPLE, NAME, TESTS, by_nbgrader, by_us, course_of, recorded, stock_course

pytestmark = pytest.mark.slow
WAITS = (None, True)
"""What nbgrader holds of a cell that a person is to grade, and for ever of one that the student has deleted."""


def both(directory: Path) -> tuple[dict[str, dict[str, Any]], dict[str, dict[str, Any]]]:
    """What nbgrader and what we record for the same course."""
    ours = Path(shutil.copytree(directory, directory.with_name("ours")))
    by_nbgrader(directory)
    by_us(ours)
    return recorded(directory), recorded(ours)


@pytest.mark.parametrize("problem", ["problem1", "problem2"])
def test_nbgraders_example_course(problem: str, tmp_path: Path) -> None:
    source = EXAMPLE / "source" / NAME / f"{problem}.ipynb"
    students = {name: EXAMPLE / "submitted" / name / NAME / f"{problem}.ipynb" for name in ("bitdiddle", "hacker")}
    released = {"untouched": EXAMPLE / "release" / NAME / f"{problem}.ipynb"}
    theirs, ours = both(stock_course(tmp_path / "course", source, {**students, **released, "solved": source}))
    assert theirs == ours
    assert len({json.dumps(one) for one in ours.values()}) > 1, "they were graded differently"


def test_nbgraders_test_notebooks(tmp_path: Path) -> None:
    """Changed and retyped cells, and two attempts to hide an error."""
    handed_in = {path.stem: path for path in TESTS.glob("submitted-*.ipynb")}
    assert len(handed_in) >= 6
    theirs, ours = both(stock_course(tmp_path / "course", TESTS / "submitted-unchanged.ipynb", handed_in))
    assert theirs == ours


def test_nbgraders_hidden_tests(tmp_path: Path) -> None:
    source = TESTS / "test-hidden-tests.ipynb"
    solutions = {grade_id(cell): cell.source for cell in read(TESTS / "test.ipynb").cells}
    right = read(source)
    for answer in right.cells:
        if answer.metadata.get("nbgrader", {}).get("solution"):
            answer.source = solutions[grade_id(answer)]
    write(right, tmp_path / "right.ipynb")
    handed_in = {"visible-only": source, "right": tmp_path / "right.ipynb"}
    theirs, ours = both(stock_course(tmp_path / "course", source, handed_in))
    assert theirs == ours
    assert (ours["visible-only"]["correct_squares"], ours["right"]["correct_squares"]) == ((0.0, False), (1.0, False))


def test_nbgraders_notebook_that_reads_a_file(tmp_path: Path) -> None:
    notebook = TESTS / "open_relative_file.ipynb"
    directory = stock_course(tmp_path / "course", notebook, {"ada": notebook})
    (directory / "source" / NAME / "data.txt").write_text("1\n2\n3\n4")
    theirs, ours = both(directory)
    assert theirs == ours == {"ada": {"open_file": (10.0, False)}}


def cell(name: str, source: str, kind: Any = new_code_cell, **about: Any) -> Any:
    kinds = dict.fromkeys(("grade", "solution", "locked", "task"), False)
    return kind(source, id=name, metadata={"nbgrader": {"schema_version": 3, "grade_id": name, **kinds, **about}})


def graded(name: str, source: str) -> Any:
    return cell(name, source, grade=True, locked=True, points=2)


ANSWER = cell("answer", "### BEGIN SOLUTION\nx = 1\n### END SOLUTION", solution=True)
ESSAY = cell("essay", "BEGIN", new_markdown_cell, solution=True, grade=True, points=3)
SAME = {
    "passes": "assert True",
    "fails": "assert False",
    "half": "1.0",
    "nothing": "0",
    "a-list": "[1.5]",
    "a-word": "'well done'",
    "prints": "print(0.5)",
    "needs-x": "assert x == 1",
    "looks-around": "import os; assert os.environ['NBGRADER_EXECUTION'] == 'autograde'",
}
DIFFERENT = {
    "warns": ("import sys; _ = sys.stderr.write('W')", (0.0, False), (2.0, False)),
    "negative": ("-1.0", (2.0, False), (0.0, False)),
    "not-a-number": ("float('nan')", (2.0, False), (0.0, False)),
    "numpy": ("import numpy; numpy.float64(0.5)", (2.0, False), (0.5, False)),
    "shown-before": ("get_ipython().displayhook(2.0)\nassert False", (2.0, False), (0.0, False)),
}


def test_every_difference_of_a_score_is_a_documented_one(tmp_path: Path) -> None:
    tests = [graded(name, source) for name, source in SAME.items()]
    tests += [graded(name, source) for name, (source, _, _) in DIFFERENT.items()]
    solved = [ANSWER, *tests, ESSAY]
    tagged = [
        ANSWER,
        *(new_code_cell(t.source, id=t.id, metadata={**t.metadata, "tags": ["skip-execution"]}) for t in tests),
    ]
    deleted = [ANSWER, ESSAY]
    theirs, ours = both(
        course_of(tmp_path / "course", solved, {"solved": solved, "tagged": tagged, "deleted": deleted})
    )
    assert {name: theirs["solved"][name] for name in SAME} == {name: ours["solved"][name] for name in SAME}
    for name, (_, score, closed) in DIFFERENT.items():
        assert (theirs["solved"][name], ours["solved"][name]) == (score, closed), name
    assert {theirs["tagged"][test.id] for test in tests} == {(2.0, False)}, "a tag of the student's: full marks"
    assert {test.id: ours["tagged"][test.id] for test in tests} == {test.id: ours["solved"][test.id] for test in tests}
    assert (theirs["tagged"]["essay"], ours["tagged"]["essay"]) == (WAITS, (0.0, False)), "a deleted essay"
    assert {theirs["deleted"][test.id] for test in tests} == {WAITS}, "deleted tests"
    assert {test.id: ours["deleted"][test.id] for test in tests} == {test.id: ours["solved"][test.id] for test in tests}
    assert theirs["deleted"]["essay"] == ours["deleted"]["essay"] == WAITS


def test_where_nbgrader_gives_up_the_others_are_graded(tmp_path: Path) -> None:
    """A number over the points, or a process that ends, stops nbgrader for the student; here a cell is lost."""
    solved = [ANSWER, graded("too-much", "3.0 * x"), graded("needs-x", "assert x")]
    dying = [cell("answer", "import os; os._exit(0)", solution=True), *solved[1:]]
    less = [cell("answer", "x = 0.5", solution=True), *solved[1:]]
    directory = course_of(tmp_path / "course", solved, {"dies": dying, "over": solved, "within": less})
    ours = Path(shutil.copytree(directory, directory.with_name("ours")))
    log = by_nbgrader(directory, fails=True)
    assert "partial credit cannot be greater than maximum points for cell" in log
    by_us(ours)
    scores = {name: (one["too-much"][0], one["needs-x"][0]) for name, one in recorded(ours).items()}
    assert scores == {"dies": (0.0, 0.0), "over": (0.0, 2.0), "within": (1.5, 2.0)}


def test_such_a_course_needs_no_bank_for_its_release(tmp_path: Path) -> None:
    source = EXAMPLE / "source" / NAME / "problem1.ipynb"
    course = Course(stock_course(tmp_path / "course", source, {}))
    assert "YOUR CODE HERE" in release(course, NAME).read_text()
