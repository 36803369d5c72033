"""Courses of somebody else's: plain nbgrader, its defaults, its own example course and test notebooks."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import nbgrader
from nbgrader.api import Gradebook
from typer.testing import CliRunner

from autograder.cli import app
from autograder.course.course import Course
from tests.course.small import write_notebook

DEFAULTS = "c = get_config()\n"
SHIPPED = Path(nbgrader.__file__).parent
EXAMPLE = SHIPPED / "docs" / "source" / "user_guide"
TESTS = SHIPPED / "tests" / "apps" / "files"
NAME = "ps1"


def stock_course(directory: Path, source: Path, submissions: Mapping[str, Path], configuration: str = DEFAULTS) -> Path:
    """A course directory with nbgrader's defaults, one assignment, and what students handed in."""
    (directory / "source" / NAME).mkdir(parents=True)
    shutil.copy(source, directory / "source" / NAME / f"{NAME}.ipynb")
    (directory / "nbgrader_config.py").write_text(configuration)
    for student, notebook in submissions.items():
        (directory / "submitted" / student / NAME).mkdir(parents=True)
        shutil.copy(notebook, directory / "submitted" / student / NAME / f"{NAME}.ipynb")
    return directory


def course_of(directory: Path, cells: Sequence[Any], submissions: Mapping[str, Sequence[Any]]) -> Path:
    """The same from cells."""
    folder = directory.with_name(f"{directory.name}-notebooks")
    handed_in = {name: write_notebook(folder / f"{name}.ipynb", theirs) for name, theirs in submissions.items()}
    return stock_course(directory, write_notebook(folder / "source.ipynb", cells), handed_in)


def by_nbgrader(directory: Path, *arguments: str, fails: bool = False) -> str:
    """Release and autograde with nbgrader alone; what it wrote on the way."""
    log = ""
    for command in (["generate_assignment", NAME], ["autograde", NAME, *arguments]):
        done = subprocess.run(
            [sys.executable, "-m", "nbgrader", *command],
            cwd=directory,
            env={**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
            capture_output=True,
            text=True,
        )
        log += done.stderr
        assert done.returncode == 0 or fails, done.stderr
    return log


def by_us(directory: Path) -> None:
    """Grade with our command."""
    result = CliRunner().invoke(app, ["grade", NAME, "--course", str(directory), "--workers", "1", "--unsafe"])
    assert result.exit_code == 0, result.stderr


def recorded(directory: Path) -> dict[str, dict[str, Any]]:
    """All that the gradebook of a course says of its students: scores, what waits for a person, comments."""
    with Gradebook(Course(directory).database) as gradebook:
        return {
            submission.student.id: {
                **{g.name: (g.auto_score, g.needs_manual_grade) for n in submission.notebooks for g in n.grades},
                **{f"{c.name} says": c.auto_comment for n in submission.notebooks for c in n.comments},
            }
            for submission in gradebook.assignment_submissions(NAME)
        }
