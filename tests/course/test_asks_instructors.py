"""Asks 37 and 38: what instructors do after a class has handed in. 39 is in test_export."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from nbgrader.api import Gradebook

from autograder.course.course import Course
from autograder.course.gradebook import recording
from autograder.course.material import students_version
from autograder.engine.job import Graded
from autograder.result import ExerciseResult
from tests.course.asks import RIGHT, Class, hand_in, run
from tests.course.small import ASSIGNMENT, ATTENTION, EXERCISES, HOP, POINTS, grades, small_cells, write_notebook
from tests.course.verdicts import verdict

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("asks")]

AGAIN = 'hop.check("one fact, once more", points=1, suspect="the sum", experiment="print it")(one_fact)\n'


def with_another_check(root: Path, folder: Path) -> Path:
    """The autograder with a bank in which memory_hop has one check and one point more; the folder to import it from."""
    copy = shutil.copytree(root / "autograder", folder / "autograder", ignore=shutil.ignore_patterns("__pycache__"))
    bank = copy / "bank" / "attention.py"
    text = bank.read_text()
    assert 'Exercise("memory_hop", points=3,' in text
    bank.write_text(text.replace('Exercise("memory_hop", points=3,', 'Exercise("memory_hop", points=4,') + AGAIN)
    return folder


def test_ask_37_checks_and_points_are_added_after_submissions_exist(
    recorded_course: Course, root: Path, tmp_path: Path
) -> None:
    """Under the grade ids that are there; test_gradebook holds what is said to a new graded cell."""
    course = recorded_course
    hand_in(course, "ada", RIGHT)
    before = [ExerciseResult(name, POINTS[name], POINTS[name]) for name in EXERCISES]
    with recording(course, ASSIGNMENT) as recorder:
        recorder.record(Graded(verdict(*before), students_version(course, ASSIGNMENT)))
    with Gradebook(course.database, course.course_id) as gradebook:
        gradebook.find_grade(f"check_{ATTENTION}", ASSIGNMENT, ASSIGNMENT, "ada").manual_score = 5.0
        gradebook.find_comment(HOP, ASSIGNMENT, ASSIGNMENT, "ada").manual_comment = "Neat!"
        gradebook.db.commit()
    cells = small_cells()
    cells[5].metadata.nbgrader.points = 4
    write_notebook(course.source(ASSIGNMENT), cells)
    command = [sys.executable, "-c", "from autograder.cli import main; main()", "grade", ASSIGNMENT]
    done = subprocess.run(
        [*command, "--json", "--workers", "1", "--course", str(course.directory)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(with_another_check(root, tmp_path / "changed"))},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    (found,) = json.loads(done.stdout)
    (hop,) = [exercise for exercise in found["exercises"] if exercise["name"] == HOP]
    assert (hop["points"], hop["max"], hop["checks"][-1]["name"]) == (4, 4, "one fact, once more")
    ada = grades(course.database)["ada"]
    assert ada["grades"][f"check_{HOP}"] == (4.0, None, False)
    assert ada["grades"][f"check_{ATTENTION}"] == (6.0, 5.0, True), "a person's points stay, to be looked at again"
    assert ada["comments"][HOP] == (None, "Neat!")
    with Gradebook(course.database, course.course_id) as gradebook:
        assert gradebook.find_grade_cell(f"check_{HOP}", ASSIGNMENT, ASSIGNMENT).max_score == 4


def test_ask_38_a_program_may_read_the_statistics_of_every_question(asked: Class) -> None:
    figures = json.loads(run(asked.course, "report", "--json"))
    assert figures["students"] == len(asked.verdicts)
    found = {exercise["name"]: exercise for exercise in figures["exercises"]}
    assert list(found) == [*EXERCISES, "returns"]
    points = [asked.points(student)[HOP] for student, v in asked.verdicts.items() if v["status"] == "graded"]
    assert found[HOP]["mean"] == pytest.approx(sum(points) / len(points))
    assert found[HOP]["zero"] == points.count(0)
    assert -1 <= found[ATTENTION]["discrimination"] <= 1
    assert all(0 <= check["passed"] <= check["students"] for check in found[ATTENTION]["checks"])
    assert Path(run(asked.course, "report").strip()).read_text(encoding="utf-8").count("<h2") >= 7
