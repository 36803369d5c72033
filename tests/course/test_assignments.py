"""What holds for every assignment of this repository."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from typer.testing import CliRunner

from autograder.bank import load_bank
from autograder.cli import app
from autograder.course.course import Course
from autograder.course.material import students_version
from autograder.course.notebook import read, stubs
from autograder.course.release import given_away
from autograder.course.solve import solve
from autograder.engine.job import Job
from autograder.engine.pool import LocalPool, grade_class
from solutions.programs import reference
from tests.course.small import REPOSITORY

COURSE = Course(REPOSITORY)
ASSIGNMENTS = COURSE.assignments()
CASES = [(assignment, exercise) for assignment in ASSIGNMENTS for exercise in load_bank(assignment).exercises]


def signatures(source: str, name: str) -> dict[str, str]:
    """Every signature of a definition: its own, or those of its methods, with the docstrings that students read."""
    (definition,) = (node for node in ast.parse(source).body if getattr(node, "name", None) == name)
    assert isinstance(definition, ast.FunctionDef | ast.ClassDef)
    inside = definition.body if isinstance(definition, ast.ClassDef) else [definition]
    functions = {node.name: node for node in inside if isinstance(node, ast.FunctionDef)}
    told = {"": ast.get_docstring(definition) or ""}
    return told | {
        key: f"({ast.unparse(node.args)}) -> {node.returns and ast.unparse(node.returns)}: {ast.get_docstring(node)}"
        for key, node in functions.items()
    }


@pytest.mark.parametrize(("assignment", "exercise"), CASES)
def test_the_stub_has_the_signature_of_the_reference(assignment: str, exercise: str) -> None:
    stub = signatures(stubs(read(COURSE.source(assignment)))[exercise], exercise)
    assert stub == signatures(reference(load_bank(assignment).unit, exercise).source, exercise)
    assert stub[""]


@pytest.mark.parametrize("assignment", ASSIGNMENTS)
def test_the_students_version_gives_nothing_away(assignment: str) -> None:
    version = students_version(COURSE, assignment)
    assert stubs(version).keys() == load_bank(assignment).exercises.keys()
    assert given_away(COURSE, assignment, version) == []


@pytest.mark.parametrize("assignment", ASSIGNMENTS)
def test_something_is_asked_that_a_person_grades(assignment: str) -> None:
    cells = read(COURSE.source(assignment)).cells
    assert any(cell.metadata.get("nbgrader", {}).get("task") for cell in cells)


@pytest.mark.slow
def test_the_solved_notebooks_get_every_point_in_the_sandbox(tmp_path: Path) -> None:
    jobs = [
        Job(name, "ada", COURSE.source(name), solve(COURSE, name, tmp_path / name), seed=7, files=COURSE.files(name))
        for name in ASSIGNMENTS
    ]
    with LocalPool(1) as pool:
        found = {graded.verdict.assignment: graded.verdict for graded in grade_class(jobs, pool)}
    most = {name: sum(exercise.points for exercise in load_bank(name).exercises.values()) for name in ASSIGNMENTS}
    assert {name: (verdict.status, verdict.points) for name, verdict in found.items()} == {
        name: ("graded", points) for name, points in most.items()
    }


@pytest.mark.slow
def test_the_demonstration(tmp_path_factory: pytest.TempPathFactory) -> None:
    directory = tmp_path_factory.mktemp("made") / "demo"
    result = CliRunner().invoke(app, ["demo", "--to", str(directory), "--course", str(REPOSITORY)])
    assert result.exit_code == 0, result.stderr
    assert "every student got the points that the class was made to have" in result.stdout
    assert "12 submissions: 11 graded, 1 rejected" in result.stdout
    assert len(list(directory.glob("feedback/*/*/*.html"))) >= 11
    assert list(directory.glob("report/*.html"))
