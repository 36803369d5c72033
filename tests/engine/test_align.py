"""Which cell of a submission stands for which cell of the source, what runs, and what is said about it."""

from __future__ import annotations

from pathlib import Path

import pytest

from autograder.engine.align import Plan, Step, align, checks_of, exercises_of
from autograder.engine.limits import MIB
from autograder.engine.names import defined_names
from autograder.engine.notebook import Notebook, read_notebook
from tests.engine.notebooks import FIRST, SECOND, STUB, Cells, answer, code, source_notebook, submitted, written


def read(tmp_path: Path, cells: Cells) -> Notebook:
    return read_notebook(written(tmp_path / "notebook.ipynb", cells), MIB)


@pytest.fixture
def source(tmp_path: Path) -> Notebook:
    return read(tmp_path, source_notebook())


def plan(tmp_path: Path, source: Notebook, cells: Cells) -> Plan:
    return align(source, read(tmp_path, cells))


def running(plan: Plan) -> list[str]:
    return [step.source for step in plan.steps if step.runs]


def stripped(cells: Cells) -> Cells:
    """As some editors leave a notebook: no metadata, no ids of cells."""
    return [{key: {} if key == "metadata" else value for key, value in c.items() if key != "id"} for c in cells]


def test_an_honest_submission_runs_the_given_imports_and_the_answers_only(tmp_path: Path, source: Notebook) -> None:
    cells = submitted()
    found = plan(tmp_path, source, cells)
    assert running(found) == [cells[1]["source"], cells[2]["source"], cells[5]["source"]]
    assert (found.notes, found.missing) == ([], [])
    assert list(exercises_of(source)) == checks_of(source) == [FIRST, SECOND]


def test_trusted_cells_and_metadata_come_from_the_source(tmp_path: Path, source: Notebook) -> None:
    cells = submitted()
    cells[1]["source"] = "import forged"
    cells[3]["source"] = "points = 1000"
    cells[2]["metadata"]["nbgrader"] |= {"points": 1000, "grade": True, "locked": True}
    cells[4]["metadata"] = {}
    found = plan(tmp_path, source, cells)
    assert not any("forged" in step.source or "1000" in step.source for step in found.steps)
    assert [step.metadata for step in found.steps] == [cell.metadata for cell in source.cells]
    assert found.notes == []


def test_no_step_holds_a_hidden_test(tmp_path: Path, source: Notebook) -> None:
    assert not any("HIDDEN" in step.source or "check(" in step.source for step in plan(tmp_path, source, []).steps)


def test_a_deleted_answer_is_missing_and_a_deleted_check_is_not(tmp_path: Path, source: Notebook) -> None:
    cells = submitted()
    del cells[2:4]
    found = plan(tmp_path, source, cells)
    assert found.missing == [FIRST]
    assert f"{FIRST} was deleted: it has no answer." in found.notes
    assert f"check_{FIRST} was deleted: taken from the assignment." in found.notes


def test_of_a_doubled_answer_the_changed_one_counts(tmp_path: Path, source: Notebook) -> None:
    cells = submitted()
    cells.insert(3, answer(FIRST, STUB.format(FIRST)))
    found = plan(tmp_path, source, cells)
    assert cells[2]["source"] in running(found)
    assert cells[3]["source"] not in running(found)
    assert f"{FIRST} stands 2 times in the notebook: took cell 3." in found.notes


def test_of_two_changed_answers_the_last_counts(tmp_path: Path, source: Notebook) -> None:
    cells = submitted()
    cells.append(answer(FIRST, "def soft_lookup(): return 2"))
    found = plan(tmp_path, source, cells)
    assert "def soft_lookup(): return 2" in running(found)
    assert f"{FIRST} stands 2 times in the notebook: took cell 9." in found.notes


def test_an_answer_in_a_cell_of_its_own_replaces_an_unchanged_stub(tmp_path: Path, source: Notebook) -> None:
    cells = submitted(first=STUB.format(FIRST))
    cells.insert(3, code("def soft_lookup(): return 2"))
    found = plan(tmp_path, source, cells)
    assert "def soft_lookup(): return 2" in running(found)
    assert STUB.format(FIRST) not in running(found)
    assert f"{FIRST}: took cell 4, which defines it." in found.notes


@pytest.mark.parametrize("text", ["def soft_lookup(: pass", "%%time\ndef soft_lookup(): pass", "soft_lookup = len"])
def test_a_renamed_cell_is_found_by_the_name_that_it_defines(text: str, tmp_path: Path, source: Notebook) -> None:
    cells = submitted()
    cells[2] = code(text, nbgrader={"grade_id": "lookup-softly", "solution": True})
    found = plan(tmp_path, source, cells)
    assert (found.missing, running(found)[1]) == ([], text)
    assert f"{FIRST}: took cell 3, which defines it." in found.notes


def test_a_cell_that_lost_everything_is_found_by_its_place(tmp_path: Path, source: Notebook) -> None:
    cells = submitted()
    cells[2] = code("from elsewhere import soft_lookup")
    found = plan(tmp_path, source, cells)
    assert found.missing == []
    assert f"{FIRST}: took cell 3, which stands in its place." in found.notes


def test_a_notebook_without_metadata_aligns_by_text_and_by_names(tmp_path: Path, source: Notebook) -> None:
    cells = submitted()
    found = plan(tmp_path, source, stripped(cells))
    assert running(found) == running(plan(tmp_path, source, cells))
    assert [note.split(":")[0] for note in found.notes] == [FIRST, SECOND]


def test_reordered_cells_run_in_the_order_of_the_source(tmp_path: Path, source: Notebook) -> None:
    cells = submitted()
    found = plan(tmp_path, source, cells[::-1])
    assert running(found) == running(plan(tmp_path, source, cells))
    assert "The cells stand in another order than in the assignment: they ran in the assignment's." in found.notes


def test_a_retyped_answer_is_code_again(tmp_path: Path, source: Notebook) -> None:
    cells = submitted()
    cells[2] |= {"cell_type": "markdown"}
    found = plan(tmp_path, source, cells)
    assert cells[2]["source"] in running(found)
    assert f"{FIRST} was turned from code into markdown: taken as code." in found.notes


def test_own_cells_stay_in_their_place_and_do_not_run_after_the_last_answer(tmp_path: Path, source: Notebook) -> None:
    cells = submitted()
    cells.insert(8, code("train_for_an_hour()"))
    cells.insert(5, code("helper = 2"))
    cells.insert(0, code("first = 1"))
    found = plan(tmp_path, source, cells)
    given = submitted()
    assert running(found) == ["first = 1", given[1]["source"], given[2]["source"], "helper = 2", given[5]["source"]]
    assert found.notes == ["Not run: cells 11 (after the last answer)."]


def test_the_students_words_are_kept_in_hand_graded_cells(tmp_path: Path, source: Notebook) -> None:
    cells = submitted()
    cells[7]["source"] = "Because of the variance."
    assert plan(tmp_path, source, cells).steps[-1].source == "Because of the variance."


def test_a_tag_of_the_students_changes_nothing(tmp_path: Path, source: Notebook) -> None:
    cells = submitted()
    cells[2]["metadata"]["tags"] = ["explore", "skip-execution"]
    cells.insert(3, code("mine = 1", tags=["explore"]))
    assert running(plan(tmp_path, source, cells))[1:3] == [cells[2]["source"], "mine = 1"]


def test_a_step_is_called_by_its_place_and_name() -> None:
    assert str(Step("answer", "code", "", "CrossAttention", 3)) == "Cell 3 (CrossAttention)"


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("def f(): pass\nclass C: pass\nasync def g(): pass", {"f", "C", "g"}),
        ("x = y = 1\nz: int = 2\nw: int\nif True:\n    hidden = 1", {"x", "y", "z"}),
        ("'''\ndef quoted(): pass\n'''", set()),
        ("def f(:\n  pass\nclass C", {"f", "C"}),
        ("(" * 10_000, set()),
        ("\0", set()),
    ],
)
def test_names_that_a_cell_defines(text: str, names: set[str]) -> None:
    assert defined_names(text) == names
