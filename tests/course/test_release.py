"""The students' version, the solved notebook, and what is refused."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
from nbgrader.api import Gradebook
from typer.testing import CliRunner

from autograder.cli import app
from autograder.course.course import Course
from autograder.course.errors import CourseError, MaterialError
from autograder.course.material import students_version
from autograder.course.notebook import fill, read, stubs
from autograder.course.release import release
from autograder.course.solve import solve
from tests.course.small import (
    ASSIGNMENT,
    ATTENTION,
    EXERCISES,
    HOP,
    small_cells,
    source_of,
    stub,
    stub_cell,
    write_course,
    write_notebook,
)

SOLUTIONS = {name: source_of(name) for name in EXERCISES}


@pytest.mark.slow
def test_a_release_holds_stubs_and_visible_checks_and_nothing_else(course: Course) -> None:
    made = release(course, ASSIGNMENT)
    assert made == course.directory / "release" / ASSIGNMENT / f"{ASSIGNMENT}.ipynb"
    notebook = read(made)
    text = "\n".join(cell.source for cell in notebook.cells)
    assert "check(" not in text
    assert "HIDDEN" not in text
    assert text.count("raise NotImplementedError()") == len(EXERCISES)
    assert text.count("assert callable") == len(EXERCISES)
    assert stubs(notebook).keys() == set(EXERCISES)
    with Gradebook(course.database, "lookback") as gradebook:
        recorded = gradebook.find_notebook(ASSIGNMENT, ASSIGNMENT)
        assert {cell.name: cell.max_score for cell in recorded.grade_cells} == {
            f"check_{ATTENTION}": 6,
            f"check_{HOP}": 3,
        }
        assert [cell.name for cell in recorded.task_cells] == ["why_scale"]
    again = release(course, ASSIGNMENT)
    assert read(again) == notebook
    assert not list(course.directory.glob(".release-*"))


@pytest.mark.slow
def test_a_stub_that_earns_points_is_refused_and_the_older_release_stands(course: Course) -> None:
    before = release(course, ASSIGNMENT).read_bytes()
    right = """    # in other words than the reference, so that no line of it is known
    weights = (input_memory @ query[..., None])[..., 0].softmax(dim=1)
    return query + (weights[:, None] @ output_memory)[:, 0], weights
"""
    marker = "    ### BEGIN SOLUTION"
    write_notebook(course.source(ASSIGNMENT), small_cells({HOP: stub(HOP).replace(marker, right + marker)}))
    result = CliRunner().invoke(app, ["release", ASSIGNMENT, "--course", str(course.directory)])
    assert result.exit_code == 1
    assert result.stderr.splitlines()[-1] == f"the stub of {HOP} earns 3 points: mend it, or the checks"
    assert course.released(ASSIGNMENT).read_bytes() == before
    assert [path.name for path in (course.directory / "release").iterdir()] == [ASSIGNMENT]


def test_what_nbgrader_refuses_is_told_in_one_line(tmp_path: Path) -> None:
    cells = small_cells({ATTENTION: stub(ATTENTION).replace("    ### END SOLUTION", "")})
    course = Course(write_course(tmp_path / "course", cells))
    with pytest.raises(MaterialError) as raised:
        students_version(course, ASSIGNMENT)
    assert raised.value.findings == [
        "nbgrader cannot make the students' version of 04_attention: RuntimeError: no end solution statement found"
    ]
    assert {path.name for path in course.directory.iterdir()} == {"assignments", "nbgrader_config.py"}


def test_the_solved_notebook_is_the_release_with_the_references_in_it(course: Course, tmp_path: Path) -> None:
    path = solve(course, ASSIGNMENT, tmp_path / "solved")
    assert path == tmp_path / "solved" / f"{ASSIGNMENT}.ipynb"
    solved, released = read(path), students_version(course, ASSIGNMENT)
    nbformat.validate(solved)
    assert {name: source.strip() for name, source in stubs(solved).items()} == {
        name: SOLUTIONS[name].strip() for name in EXERCISES
    }
    for one, other in zip(solved.cells, released.cells, strict=True):
        assert one.metadata == other.metadata
        assert (one.source == other.source) != (one.metadata.get("nbgrader", {}).get("grade_id") in EXERCISES)
    assert "gradebook.db" not in {path.name for path in course.directory.iterdir()}


def test_the_source_is_never_overwritten_with_the_solution(course: Course) -> None:
    before = course.source(ASSIGNMENT).read_bytes()
    with pytest.raises(CourseError, match="is the source of 04_attention"):
        solve(course, ASSIGNMENT, course.source(ASSIGNMENT).parent)
    assert course.source(ASSIGNMENT).read_bytes() == before


def test_filling_replaces_definitions_by_name_and_nothing_around_them() -> None:
    before, between, after = "# Two exercises\nimport math\n\n\n", "\n\n\n", "\n\nprint(1)"
    old = before + "@decorated\ndef one(x):\n    pass" + between + "class Two:\n    pass" + after
    one, two = "def one(x):\n    return x", "class Two:\n    size = 2"
    notebook = nbformat.v4.new_notebook(cells=[stub_cell("two", old)])
    filled = fill(notebook, {"one": one + "\n", "Two": two + "\n", "three": "?"})
    assert filled.cells[0].source == before + one + between + two + after
    assert notebook.cells[0].source == old
