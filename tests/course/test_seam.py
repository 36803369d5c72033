"""`nbgrader autograde` with our configuration, and what the button in formgrader calls: graded in our kernels only."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from nbgrader.apps.api import NbGraderAPI

from autograder.course.course import Course
from autograder.course.material import students_version
from autograder.course.notebook import fill, read, write
from autograder.course.verdicts import graded_verdicts
from tests.course.small import ASSIGNMENT, ATTENTION, EXERCISES, HOP, POINTS, grades, source_of, with_defaults

pytestmark = pytest.mark.slow
BESIDE = """
from pathlib import Path
course = Path.cwd().parents[2]
if (course / "gradebook.db").exists():
    (course / "stolen.txt").touch()
"""
"""Where nbgrader runs a submission, its working directory is autograded/STUDENT/ASSIGNMENT of the course."""


@pytest.fixture
def course(recorded_course: Course) -> Course:
    solved = {name: source_of(name) for name in EXERCISES}
    for student, sources in {"ada": solved, "eve": {**solved, HOP: BESIDE}, "idle": {}}.items():
        write(
            fill(students_version(recorded_course, ASSIGNMENT), sources), recorded_course.submitted(ASSIGNMENT, student)
        )
    broken = recorded_course.submitted(ASSIGNMENT, "bob")
    broken.parent.mkdir(parents=True)
    (broken.parent.parent / "elsewhere.ipynb").write_bytes(recorded_course.submitted(ASSIGNMENT, "ada").read_bytes())
    return recorded_course


def autograde(directory: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "nbgrader", "autograde", ASSIGNMENT, *arguments],
        cwd=directory,
        env={**os.environ, "LOOKBACK_SEED": "3"},
        capture_output=True,
        text=True,
    )


def points(course: Course) -> dict[str, dict[str, float | None]]:
    return {
        student: {name: one["grades"][f"check_{name}"][0] for name in EXERCISES}
        for student, one in grades(course.database).items()
    }


def test_nbgrader_autograde_gives_the_same_and_runs_nothing_itself(course: Course, tmp_path: Path) -> None:
    stock = Course(with_defaults(shutil.copytree(course.directory, tmp_path / "stock")))
    for one in (stock, course):
        assert (done := autograde(one.directory)).returncode == 0, done.stderr
    assert (
        points(course)
        == points(stock)
        == {
            "ada": POINTS,
            "eve": {**POINTS, HOP: 0.0},
            "idle": dict.fromkeys(EXERCISES, 0.0),
        }
    )
    assert grades(course.database) == grades(stock.database), "comments and hand-graded cells as well"
    assert (stock.directory / "stolen.txt").exists(), "nbgrader runs students' code beside the gradebook"
    assert not (course.directory / "stolen.txt").exists()
    assert {verdict.student for verdict in graded_verdicts(course, ASSIGNMENT)} == {"ada", "eve", "idle"}
    assert "soft" in str(read(course.autograded(ASSIGNMENT, "ada")).cells[2].source)


def test_what_the_button_in_formgrader_calls(course: Course, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(course.directory)
    api = NbGraderAPI(coursedir=course.nbgrader, config=course.config)
    done = api.autograde(ASSIGNMENT, "eve")
    assert done["success"], done
    assert points(course) == {"eve": {**POINTS, HOP: 0.0}}
    assert not (course.directory / "stolen.txt").exists()


def test_a_submission_that_is_refused_says_why_in_formgrader(course: Course) -> None:
    link = course.submitted(ASSIGNMENT, "bob")
    link.symlink_to(link.parent.parent / "elsewhere.ipynb")
    done = autograde(course.directory, "--student", "bob")
    assert done.returncode == 0, done.stderr
    assert points(course) == {"bob": dict.fromkeys(EXERCISES, 0.0)}
    (told,) = read(course.autograded(ASSIGNMENT, "bob")).cells
    assert told.source == "Rejected: the file cannot be read: it is a symbolic link."


def test_a_failure_of_the_grader_is_nbgraders_error_and_no_points(course: Course) -> None:
    source = course.source(ASSIGNMENT)
    source.write_text(source.read_text().replace(f"check_{ATTENTION}", "check_elsewhere"))
    done = autograde(course.directory, "--student", "ada")
    assert done.returncode == 1
    assert "the bank has no checks for elsewhere" in done.stderr
    assert points(course) == {"ada": dict.fromkeys(EXERCISES, None)}
