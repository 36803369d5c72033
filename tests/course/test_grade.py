"""A class through the whole loop: real nbgrader, real kernels, real journal."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from nbgrader.apps.api import NbGraderAPI
from typer.testing import CliRunner, Result

from autograder.cli import app
from autograder.course.classroom import make_class
from autograder.course.course import Course
from autograder.course.grade import grade, jobs
from autograder.course.material import students_version
from autograder.course.notebook import fill, write
from autograder.engine.pool import LocalPool
from tests.course.small import ASSIGNMENT, ATTENTION, EXERCISES, HOP, POINTS, grades, source_of, with_defaults

pytestmark = pytest.mark.slow
SEED = 3


def run(course: Course, command: str, *arguments: str) -> Result:
    return CliRunner().invoke(app, [command, ASSIGNMENT, *arguments, "--course", str(course.directory)])


def hand_in(course: Course, student: str, sources: dict[str, str]) -> Path:
    path = course.submitted(ASSIGNMENT, student)
    write(fill(students_version(course, ASSIGNMENT), sources), path)
    return path


def recorded_points(course: Course) -> dict[str, dict[str, float | None]]:
    return {
        student: {name: one["grades"][f"check_{name}"][0] for name in EXERCISES}
        for student, one in grades(course.database).items()
    }


def test_a_class_gets_what_it_was_made_to_have(recorded_course: Course) -> None:
    course = recorded_course
    record = make_class(course, ASSIGNMENT, 8, SEED, broken=True)["students"]
    idle = course.submitted(ASSIGNMENT, "without")
    idle.parent.mkdir(parents=True)
    (idle.parent / "notes.txt").write_text("I could not find the notebook")

    result = run(course, "grade", "--seed", str(SEED), "--workers", "2", "--json")
    assert result.exit_code == 0, result.stderr
    verdicts = {verdict["student"]: verdict for verdict in json.loads(result.stdout)}
    assert verdicts.keys() == {*record, "without"}
    assert {name: verdict["status"] for name, verdict in verdicts.items()} == {
        "without": "missing",
        **{name: one["status"] for name, one in record.items()},
    }
    assert recorded_points(course) == {
        "without": dict.fromkeys(EXERCISES, 0.0),
        **{name: one["points"] for name, one in record.items()},
    }
    for name, verdict in verdicts.items():
        assert (verdict["assignment"], verdict["seed"], verdict["student"]) == (ASSIGNMENT, SEED, name)
        assert {exercise["name"]: exercise["max"] for exercise in verdict["exercises"]} == POINTS
        assert all(
            set(check) >= {"name", "passed", "expected", "came"} for e in verdict["exercises"] for check in e["checks"]
        )
    rejected = next(name for name, one in record.items() if one["status"] == "rejected")
    assert f"{rejected}: Rejected: the file is not a notebook" in result.stderr

    before = grades(course.database)
    again = run(course, "grade", "--json")
    assert {verdict["student"]: verdict for verdict in json.loads(again.stdout)} == verdicts, "all from the journal"
    assert grades(course.database) == before

    pages = run(course, "feedback")
    assert (pages.exit_code, len(pages.stdout.splitlines())) == (0, len(record)), "a page for who handed something in"
    assert all(Path(line).is_file() for line in pages.stdout.splitlines())
    report = run(course, "report")
    assert (report.exit_code, Path(report.stdout.strip()).is_file()) == (0, True)

    api = NbGraderAPI(coursedir=course.nbgrader, config=course.config)
    notebooks = {one["student"] for one in api.get_notebook_submissions(ASSIGNMENT, ASSIGNMENT)}
    assert notebooks == {name for name, verdict in verdicts.items() if verdict["status"] == "graded"}, (
        "what formgrader shows"
    )
    assert api.get_autograded_students(ASSIGNMENT) == set(verdicts)


def test_an_interrupted_run_goes_on_with_the_same_seed(recorded_course: Course) -> None:
    course = recorded_course
    for student in ("ada", "bela"):
        hand_in(course, student, {HOP: source_of(HOP)})
    with LocalPool(1) as pool, closing(grade(course, ASSIGNMENT, jobs(course, ASSIGNMENT), pool)) as started:
        first = next(started).verdict
    result = run(course, "grade", "--json")
    verdicts = {verdict["student"]: verdict for verdict in json.loads(result.stdout)}
    assert verdicts[first.student] == json.loads(json.dumps(first.to_json())), "from the journal, not run again"
    assert {verdict["seed"] for verdict in verdicts.values()} == {first.seed}
    late = hand_in(course, "chen", {ATTENTION: source_of(ATTENTION), HOP: source_of(HOP)})
    assert late.exists()
    summary = run(course, "grade")
    assert f"3 submissions: 3 graded; seed {first.seed}" in summary.stdout
    assert recorded_points(course)["chen"] == POINTS
    fresh = run(course, "grade", "--seed", str(first.seed + 1), "--json")
    assert {verdict["seed"] for verdict in json.loads(fresh.stdout)} == {first.seed + 1}


def test_one_student_and_one_exercise(recorded_course: Course) -> None:
    course = recorded_course
    for student in ("ada", "bela"):
        hand_in(course, student, {name: source_of(name) for name in EXERCISES})
    result = run(course, "grade", "--student", "ada", "--exercise", HOP, "--json")
    (verdict,) = json.loads(result.stdout)
    assert verdict["student"] == "ada"
    assert [exercise["name"] for exercise in verdict["exercises"]] == [HOP]
    assert recorded_points(course) == {"ada": {ATTENTION: None, HOP: 3.0}}


def test_plain_nbgrader_gives_the_same_points(recorded_course: Course, tmp_path: Path) -> None:
    """`nbgrader autograde` with its default preprocessors, on the honest part of a class."""
    course = recorded_course
    make_class(course, ASSIGNMENT, 5, SEED)
    other = Course(with_defaults(shutil.copytree(course.directory, tmp_path / "plain")))
    assert run(course, "grade", "--seed", str(SEED)).exit_code == 0
    done = subprocess.run(
        [sys.executable, "-m", "nbgrader", "autograde", ASSIGNMENT],
        cwd=other.directory,
        env={**os.environ, "LOOKBACK_SEED": str(SEED)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert recorded_points(other) == recorded_points(course)
    ours, theirs = grades(course.database), grades(other.database)
    assert ours == theirs, "comments, hand-graded cells and lateness as well"


def test_bad_input_costs_its_own_points_and_never_stops_the_class(recorded_course: Course) -> None:
    course = recorded_course
    right, nothing = dict(POINTS), dict.fromkeys(EXERCISES, 0.0)
    without_hop = {ATTENTION: POINTS[ATTENTION], HOP: 0.0}
    solved = {name: source_of(name) for name in EXERCISES}
    spoilt = {
        "does not parse": "def memory_hop(:",
        "raises": "raise KeyError('no')",
        "exits": "import os\n\nos._exit(0)",
        "leaves": "import sys\n\nsys.exit()",
        "renames": source_of(HOP).replace("def memory_hop", "def memory_hopp"),
    }
    for student, source in spoilt.items():
        hand_in(course, student, {**solved, HOP: source})
    due = dict.fromkeys(spoilt, without_hop)
    for student, text in {"no JSON": "{", "empty": "", "format 3": '{"nbformat": 3, "worksheets": []}'}.items():
        hand_in(course, student, {}).write_text(text)
        due[student] = nothing
    hand_in(course, "idle", {})
    due["idle"] = nothing
    hand_in(course, "noisy", {**solved, HOP: f"import sys\n\nprint('a warning', file=sys.stderr)\n{source_of(HOP)}"})
    due["noisy"] = right
    for student, changed, points in (
        ("doubles", lambda cells: [*cells, cells[4]], right),
        ("deletes", lambda cells: [cell for cell in cells if "def memory_hop" not in cell["source"]], without_hop),
        ("reorders", lambda cells: [*cells[:2], *cells[4:], *cells[2:4]], right),
    ):
        path = hand_in(course, student, solved)
        notebook = json.loads(path.read_text())
        cells = [{**cell, "source": "".join(cell["source"])} for cell in notebook["cells"]]
        path.write_text(json.dumps({**notebook, "cells": changed(cells)}))
        due[student] = points
    assert run(course, "grade", "--unsafe").exit_code == 0
    assert recorded_points(course) == due
