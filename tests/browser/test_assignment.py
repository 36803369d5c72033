"""A student opens a released assignment in JupyterLab, fills in a stub and runs its check."""

from __future__ import annotations

import ast
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from solutions import attention
from solutions.programs import reference
from tests.browser.lab import Lab, autograder

ASSIGNMENT = "04_attention"
STUB, CHECK = "soft_lookup", "check_soft_lookup"


@pytest.fixture
def students_copy(root: Path, tmp_path: Path) -> Path:
    """The folder that a student gets: the released notebook."""
    course = tmp_path / "course"
    shutil.copytree(root / "assignments", course / "assignments")
    shutil.copy(root / "nbgrader_config.py", course)
    autograder("release", ASSIGNMENT, "--course", str(course))
    return course / "release" / ASSIGNMENT


def body_of(exercise: str) -> str:
    """The reference without signature and docstring, as one would type it."""
    (definition,) = ast.parse(reference(attention, exercise).source).body
    assert isinstance(definition, ast.FunctionDef)
    return "\n".join(ast.unparse(statement) for statement in definition.body[1:]).replace("\n", "\n    ")


def test_a_stub_is_filled_in_and_checked(students_copy: Path, open_lab: Callable[[Path], Lab]) -> None:
    lab = open_lab(students_copy)
    lab.open(f"{ASSIGNMENT}.ipynb")
    lab.screenshot("assignment_opened")
    assert lab.run("imports") == ""

    lab.run(STUB)
    untouched = lab.run(CHECK)
    assert "NotImplementedError" in untouched

    body = body_of(STUB)
    lab.write(STUB, "raise NotImplementedError()", body)
    assert lab.run(STUB) == ""
    right = lab.run(CHECK)
    lab.screenshot("assignment_right")
    assert "✓" in right
    assert "✗" not in right
    assert "Error" not in right

    line = next(line.strip() for line in body.splitlines() if "/ temperature" in line)
    lab.write(STUB, line, line.replace("/ temperature", "* temperature"))
    assert lab.run(STUB) == ""
    wrong = lab.run(CHECK)
    lab.screenshot("assignment_wrong")
    assert "✗" in wrong
    assert "the direction of the temperature" in wrong, "the message names a suspect"
    assert "print the scores" in wrong, "and an experiment"
