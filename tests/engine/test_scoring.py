"""Test cells without a check of ours: run beside the student's code, scored as nbgrader scores them, holes closed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from autograder.engine.grading import WrongSource, grade_submission
from autograder.engine.job import Graded, Job
from autograder.engine.warm import WarmParent
from autograder.result import ExerciseResult
from tests.engine.conftest import LIMITS
from tests.engine.notebooks import Cell, Cells, code, markdown, nbgrader, source_notebook, submitted, written

WORTH = 2.0
GradeAny = Callable[..., Graded]


@pytest.fixture
def grade_any(parent: WarmParent, tmp_path: Path) -> GradeAny:
    """Grade a submission to a source of which no bank knows anything."""

    def graded(source: Cells, submission: Cells | None = None, assignment: str = "ps1", **changes: Any) -> Graded:
        paths = written(tmp_path / "source.ipynb", source), written(tmp_path / "submission.ipynb", submission or source)
        return grade_submission(Job(assignment, "ada", *paths, seed=7, **{"limits": LIMITS, **changes}), parent)

    return graded


def case(source: str, name: str = "case", **metadata: Any) -> Cell:
    """A test cell that is worth two points."""
    return code(source, nbgrader=nbgrader(name, grade=True, locked=True, points=WORTH), **metadata)


def solution(source: str, name: str = "answer", **flags: Any) -> Cell:
    return code(source, nbgrader=nbgrader(name, solution=True, **flags))


def only(graded: Graded) -> ExerciseResult:
    (exercise,) = graded.verdict.exercises
    return exercise


SCORES = {
    "assert 1 + 1 == 2": (2, "no error"),
    "assert False, 'not so'": (0, "it raised AssertionError: not so, at: assert False, 'not so'"),
    "import sys; sys.stderr.write('W'); None": (2, "no error"),
    "print(0.1)": (2, "no error"),
    "'well done'": (2, "no error"),
    "[1.5]": (2, "no error"),
    "True": (2, "no error"),
    "1.5": (1.5, "the result 1.5"),
    "2": (2, "the result 2"),
    "0": (0, "the result 0"),
    "import torch; torch.tensor(0.5)": (0.5, "the result 0.5"),
    "import torch; torch.tensor(0.5, requires_grad=True)": (0.5, "the result 0.5"),
    "import numpy as np; np.float64(0)": (0, "the result 0"),
    "float('nan')": (0, "the result nan, which is no number of points from 0 to 2"),
    "-1": (0, "the result -1, which is no number of points from 0 to 2"),
    "2.5": (0, "the result 2.5, which is no number of points from 0 to 2"),
    "float('inf')": (0, "the result inf, which is no number of points from 0 to 2"),
    "print('x' * 1_000_000); 0.5": (0.5, "the result 0.5"),
    "get_ipython().displayhook(2.0)\nassert False": (0, "it raised AssertionError, at: assert False"),
    "get_ipython().displayhook(2.0)\n0.5": (0.5, "the result 0.5"),
}


@pytest.mark.parametrize("source", SCORES)
def test_a_test_cell_earns_what_it_says(source: str, grade_any: GradeAny) -> None:
    points, came = SCORES[source]
    found = only(grade_any([case(source)]))
    assert (found.name, found.points, found.max) == ("case", points, WORTH)
    (check,) = found.checks
    assert (check.name, check.passed, check.points, check.came) == ("case", points == WORTH, points, came)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("import os; os._exit(0)", "It was not checked: its cell ended the process."),
        ("import sys; quit()", "It was not checked: its cell ended the process."),
        ("while True: pass", "It was not checked: its cell did not end within 3 seconds."),
    ],
)
def test_a_test_cell_that_does_not_end_well_earns_nothing_and_costs_no_other(
    source: str, message: str, grade_any: GradeAny
) -> None:
    graded = grade_any([solution("x = 1"), case(source), case("assert x == 1", "another")])
    assert [(e.points, e.message) for e in graded.verdict.exercises] == [(0, message), (WORTH, "")]


@pytest.mark.parametrize("trick", ["lambda *a, **k: None", "None"])
def test_an_error_that_is_not_shown_is_an_error(trick: str, grade_any: GradeAny) -> None:
    hide = f"from IPython.core.interactiveshell import InteractiveShell\nInteractiveShell.showtraceback = {trick}"
    assert only(grade_any([solution(""), case("assert False")], [solution(hide), case("")])).points == 0


def test_tests_and_tags_come_from_the_source(grade_any: GradeAny) -> None:
    source = [solution("x = 1"), case("assert x == 1")]
    theirs = [solution("x = 2"), case("pass", tags=["skip-execution", "explore"])]
    assert only(grade_any(source, theirs)).points == 0
    assert only(grade_any(source, [solution("x = 1")])).points == WORTH, "a deleted test is put back"


def test_what_the_source_wants_skipped_does_not_run_and_earns_nothing(grade_any: GradeAny) -> None:
    training = solution("raise SystemError('trained for an hour')", "training", grade=True, points=4)
    training["metadata"]["tags"] = ["skip-execution"]
    graded = grade_any([training, case("pass", tags=["skip-execution"])])
    assert "SystemError" not in json.dumps(graded.verdict.to_json())
    assert (only(graded).points, only(graded).message) == (
        0,
        "Its cell did not run: it is tagged skip-execution in the assignment.",
    )


def test_hidden_tests_run_and_are_shown_nowhere(grade_any: GradeAny) -> None:
    hidden = "### BEGIN HIDDEN TESTS\nassert x == 42, x\n### END HIDDEN TESTS"
    graded = grade_any([solution("x = 1"), case(f"assert x\n{hidden}")], [solution("x = 7"), case("")])
    assert only(graded).checks[0].came == "it raised AssertionError: 7, in a hidden test"
    assert "x == 42" not in json.dumps([graded.verdict.to_json(), graded.notebook, graded.log])


def test_all_cells_run_where_a_person_or_a_test_may_need_them(grade_any: GradeAny) -> None:
    source = [solution("x = 1"), case("assert x"), markdown("Go on.", nbgrader=nbgrader("task", task=True, points=3))]
    graded = grade_any(source, [*source, code("print('for the grader')")])
    assert graded.notebook is not None
    assert "for the grader" in json.dumps(graded.notebook["cells"][-1]["outputs"])


def test_a_changed_cell_without_a_name_runs_once_in_its_place(grade_any: GradeAny) -> None:
    source = [code("width = 3"), solution("x = width"), case("assert x == 5")]
    assert only(grade_any(source, [code("width = 5"), *source[1:]])).points == WORTH


def test_a_deleted_answer_does_not_show_the_solution(grade_any: GradeAny) -> None:
    essay = markdown("the model answer", nbgrader=nbgrader("essay", solution=True, grade=True, points=3))
    graded = grade_any([essay, solution("x = 'the model program'"), case("assert x")], [case("")])
    assert only(graded).points == 0
    assert "the model" not in json.dumps(graded.notebook)


def test_files_of_the_assignment_are_there_for_every_process(grade_any: GradeAny, tmp_path: Path) -> None:
    (tmp_path / "data.txt").write_text("four")
    read = "assert open('data/words.txt').read() == 'four'"
    source = [case(read), code("import os; os._exit(0)"), case(read, "again")]
    files = {"data/words.txt": tmp_path / "data.txt"}
    assert [e.points for e in grade_any(source, files=files).verdict.exercises] == [WORTH, WORTH]
    with pytest.raises(WrongSource, match="have 4 bytes; at most 3 can be used"):
        grade_any(source, files=files, limits=LIMITS.changed({"files_bytes": 3}))


def test_checks_and_tests_in_one_notebook(grade_any: GradeAny) -> None:
    source, theirs = source_notebook(), submitted(first="def soft_lookup(*a): return None")
    for cells in (source, theirs):
        cells.insert(3, case("assert callable(soft_lookup)"))
    graded = grade_any(source, theirs, "04_attention")
    assert [(e.name, e.points) for e in graded.verdict.exercises] == [
        ("case", WORTH),
        ("soft_lookup", 0),
        ("scaled_dot_product_attention", 6),
    ]


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        (
            code("### AUTOTEST squares(3)", nbgrader=nbgrader("t", grade=True, points=1)),
            "'### AUTOTEST' holds no tests",
        ),
        (code("pass", nbgrader=nbgrader("t", grade=True, points="many")), "t is worth 'many' points"),
    ],
)
def test_a_test_that_cannot_be_scored_is_the_instructors_error(cell: Cell, message: str, grade_any: GradeAny) -> None:
    with pytest.raises(WrongSource, match=message):
        grade_any([cell])


def test_another_language_is_the_instructors_error(parent: WarmParent, tmp_path: Path) -> None:
    source = written(tmp_path / "source.ipynb", [case("1")], kernelspec={"name": "ir", "language": "R"})
    with pytest.raises(WrongSource, match="is written in R; only Python can be graded"):
        grade_submission(Job("ps1", "ada", source, source, seed=7), parent)
