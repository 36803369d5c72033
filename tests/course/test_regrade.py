"""One exercise graded again: what would change is shown before it is recorded."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest
from nbgrader.api import Gradebook
from typer.testing import CliRunner, Result

from autograder.cli import app
from autograder.course.course import Course
from autograder.course.material import students_version
from autograder.course.notebook import fill, write
from tests.course.small import ASSIGNMENT, ATTENTION, EXERCISES, HOP, POINTS, grades, source_of

pytestmark = pytest.mark.slow
RIGHT = {name: source_of(name) for name in EXERCISES}


@pytest.fixture
def graded_course(recorded_course: Course) -> Course:
    """Ada, Bela and Chen were graded; then Bela handed in worse, a person graded Chen's, and Dana is late."""
    for student in ("ada", "bela", "chen"):
        hand_in(recorded_course, student, RIGHT)
    assert run(recorded_course).exit_code == 0
    hand_in(recorded_course, "bela", {**RIGHT, HOP: "def memory_hop(*a):\n    return None"})
    hand_in(recorded_course, "chen", {ATTENTION: RIGHT[ATTENTION]})
    hand_in(recorded_course, "dana", RIGHT)
    with Gradebook(recorded_course.database, recorded_course.course_id) as gradebook:
        gradebook.find_grade(f"check_{HOP}", ASSIGNMENT, ASSIGNMENT, "chen").manual_score = 2.5
        gradebook.db.commit()
    return recorded_course


def hand_in(course: Course, student: str, sources: dict[str, str]) -> None:
    write(fill(students_version(course, ASSIGNMENT), sources), course.submitted(ASSIGNMENT, student))


def run(course: Course, *arguments: str) -> Result:
    always = ["--course", str(course.directory), "--workers", "1", "--unsafe"]
    return CliRunner().invoke(app, ["grade", ASSIGNMENT, *arguments, *always])


def hops(course: Course) -> dict[str, float | None]:
    return {student: one["grades"][f"check_{HOP}"][0] for student, one in grades(course.database).items()}


def test_the_difference_is_shown_then_recorded(graded_course: Course) -> None:
    before = grades(graded_course.database)
    shown = run(graded_course, "--exercise", HOP, "--no", "--json")
    assert shown.exit_code == 0
    assert grades(graded_course.database) == before
    assert "nothing was recorded" in shown.stderr
    rows = [line.split() for line in shown.stderr.splitlines()]
    assert ["bela", "3", "0", "−3"] in rows
    assert ["chen", "3", "0", "−3", "2.5", "stays"] in rows
    assert ["dana", "–", "3", "+3"] in rows
    assert f"{HOP}: 3 of 4 change" in shown.stderr
    assert not [row for row in rows if row[:1] == ["ada"]]
    assert {(v["student"], v["exercises"][0]["name"]) for v in json.loads(shown.stdout)} == {
        (student, HOP) for student in ("ada", "bela", "chen", "dana")
    }
    recorded = run(graded_course, "--exercise", HOP)
    assert (recorded.exit_code, f"{HOP}: 3 of 4 change" in recorded.stderr) == (0, True), "a script is not asked"
    assert hops(graded_course) == {"ada": 3.0, "bela": 0.0, "chen": 0.0, "dana": 3.0}
    assert {one["grades"][f"check_{ATTENTION}"][0] for one in grades(graded_course.database).values()} == {
        POINTS[ATTENTION],
        None,
    }, "nobody lost another exercise, and Dana was asked about one only"
    again = run(graded_course, "--exercise", HOP, "--yes")
    assert (again.exit_code, f"{HOP}: no points change" in again.stderr) == (0, True)


def test_at_a_terminal_a_person_is_asked(graded_course: Course) -> None:
    command = [Path(sys.executable).with_name("autograder"), "grade", ASSIGNMENT, "--exercise", HOP, "--unsafe"]
    for answer, bela in (("n", 3.0), ("y", 0.0)):
        ours, theirs = pty.openpty()
        os.write(ours, f"{answer}\n".encode())
        done = subprocess.run(
            [*command, "--course", graded_course.directory, "--json"], stdin=theirs, capture_output=True, text=True
        )
        os.close(ours)
        os.close(theirs)
        assert done.returncode == 0, done.stderr
        assert "Record this? [y/N]" in done.stderr
        assert len(json.loads(done.stdout)) == 4, "the question is no part of the output"
        assert hops(graded_course)["bela"] == bela


def test_yes_and_no_go_with_an_exercise(recorded_course: Course) -> None:
    result = run(recorded_course, "--no")
    assert (result.exit_code, "--yes and --no go with --exercise" in result.stderr) == (2, True)


def test_the_summary_names_the_slowest_the_failed_and_the_repaired(graded_course: Course) -> None:
    hand_in(graded_course, "ada", RIGHT)
    path = graded_course.submitted(ASSIGNMENT, "ada")
    notebook = json.loads(path.read_text())
    notebook["cells"] = notebook["cells"][:3] + notebook["cells"][4:]
    path.write_text(json.dumps(notebook))
    graded_course.submitted(ASSIGNMENT, "bela").write_text("{")
    lines = run(graded_course).stdout.splitlines()
    assert lines[0].startswith("4 submissions: 3 graded, 1 rejected")
    assert lines[1].startswith("slowest: ")
    assert lines[2:] == ["failed: bela", "repaired: ada"]
    log = (graded_course.journal / ASSIGNMENT / "ada.log").read_text()
    assert f"check_{ATTENTION} was deleted: taken from the assignment." in log
    assert f"{HOP}: 3 of 3 points" in log
    assert "process 1 ended" in log
