"""Due dates and late submissions, by the commands that an instructor uses."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from autograder.cli import app
from autograder.course.course import Course
from autograder.course.material import students_version
from autograder.course.notebook import fill, write
from tests.course.handed_in import HOUR, NOON, nbgrader, outcomes, run, times
from tests.course.small import ASSIGNMENT, ATTENTION, EXERCISES, HOP, POINTS, grades, source_of

pytestmark = pytest.mark.slow
RIGHT = {name: source_of(name) for name in EXERCISES}


def hand_in(course: Course, inbox: Path, sources: dict[str, str], time: str) -> None:
    path = inbox / "ada" / f"{ASSIGNMENT}.ipynb"
    write(fill(students_version(course, ASSIGNMENT), sources), path)
    path.with_name("timestamp.txt").write_text(time)


def grade(course: Course) -> None:
    always = ["--course", str(course.directory), "--workers", "1", "--unsafe"]
    result = CliRunner().invoke(app, ["grade", ASSIGNMENT, *always])
    assert result.exit_code == 0, result.stderr


def test_lateness_costs_what_the_plugin_says_and_a_resubmission_is_graded_again(course: Course, tmp_path: Path) -> None:
    """The due date is set before there is a gradebook, in another zone: noon in UTC."""
    with (course.directory / "nbgrader_config.py").open("a") as file:
        file.write("c.LateSubmissionPlugin.penalty_method = 'zero'\n")
    nbgrader(course, "db", "assignment", "add", ASSIGNMENT, "--duedate=2026-03-01 13:00:00 Europe/Rome")
    hand_in(course, tmp_path / "inbox", {HOP: RIGHT[HOP]}, "2026-03-01 12:59:00 Europe/Rome")
    assert run(course, "--from", tmp_path / "inbox").exit_code == 0
    grade(course)
    assert times(course) == {"ada": NOON - HOUR / 60}
    assert earned(course) == {f"check_{ATTENTION}": 0.0, f"check_{HOP}": POINTS[HOP]}
    assert penalty(course) == 0.0
    hand_in(course, tmp_path / "inbox", RIGHT, "2026-03-01 12:01:00 UTC")
    assert outcomes(run(course, "--from", tmp_path / "inbox", "--json")) == {"replaced": ["ada"]}
    grade(course)
    assert earned(course) == {f"check_{name}": POINTS[name] for name in EXERCISES}
    assert penalty(course) == sum(POINTS.values()), "all of it"
    nbgrader(course, "db", "assignment", "add", ASSIGNMENT, "--duedate=2026-03-01 13:00:00 UTC")
    grade(course)
    assert penalty(course) == 0.0, "a later due date is known to what was graded before it"


def earned(course: Course) -> dict[str, float]:
    return {name: grade[0] for name, grade in grades(course.database)["ada"]["grades"].items() if name != "why_scale"}


def penalty(course: Course) -> float:
    found: float = grades(course.database)["ada"]["submission"]["penalty"]
    return found
