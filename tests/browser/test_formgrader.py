"""An instructor opens formgrader, nbgrader's own, in JupyterLab after a class was graded."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from nbgrader.api import Gradebook

from tests.browser.lab import Lab, autograder, wait

ASSIGNMENT, QUESTION = "04_attention", "question_identity"


@pytest.fixture
def graded(root: Path, tmp_path: Path) -> tuple[Path, dict[str, float]]:
    """A course with a small class, and the points of every student."""
    course = tmp_path / "course"
    shutil.copytree(root / "assignments" / ASSIGNMENT, course / "assignments" / ASSIGNMENT)
    shutil.copy(root / "nbgrader_config.py", course)
    where = ("--course", str(course))
    autograder("release", ASSIGNMENT, *where)
    autograder("class", ASSIGNMENT, "--students", "4", "--seed", "4", *where)
    verdicts = json.loads(autograder("grade", ASSIGNMENT, "--json", *where))
    return course, {one["student"]: sum(exercise["points"] for exercise in one["exercises"]) for one in verdicts}


def test_formgrader_shows_the_grades(graded: tuple[Path, dict[str, float]], open_lab: Callable[[Path], Lab]) -> None:
    course, points = graded
    lab = open_lab(course)
    lab.visit("lab")
    lab.choose("Nbgrader", "Formgrader")
    lab.enter("formgrader")
    assert lab.rows("name", "num-submissions") == {ASSIGNMENT: str(len(points))}
    lab.screenshot("formgrader_assignments")

    lab.click(f"a[href$='manage_submissions/{ASSIGNMENT}']")
    shown = lab.rows("student-id", "score")
    lab.screenshot("formgrader_submissions")
    assert {student: float(score.split(" / ")[0]) for student, score in shown.items()} == pytest.approx(
        points, abs=0.01
    )

    student = max(points)
    lab.click(f"a[href$='manage_students/{student}/{ASSIGNMENT}']")
    assert lab.rows("name", "score") == {ASSIGNMENT: shown[student]}

    lab.click("td.name a")
    lab.fill(QUESTION, "3")
    lab.screenshot("formgrader_by_hand")
    with Gradebook(f"sqlite:///{course / 'gradebook.db'}") as gradebook:

        def score() -> float:
            gradebook.db.expire_all()
            return float(gradebook.find_submission(ASSIGNMENT, student).score)

        wait(lab.chrome, lambda: score() == pytest.approx(points[student] + 3), "the points to be kept")
