"""Exports: whatever the format, the points are those of the gradebook."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nbgrader.api import Gradebook
from sqlalchemy import event
from sqlalchemy.engine import Engine
from typer.testing import CliRunner, Result

from autograder.cli import app
from autograder.course.course import Course
from autograder.course.database import opened
from autograder.course.export import NUMBER, harmless
from autograder.course.marks import marks_of
from autograder.course.verdicts import save
from tests.course.handed_in import PEOPLE
from tests.course.small import ASSIGNMENT, ATTENTION, EXERCISES, HOP, POINTS, write_course
from tests.course.verdicts import crashed, earned, programs, verdict

CELLS = {f"check_{name}": POINTS[name] for name in EXERCISES} | {"why_scale": 2.0}
NAMES = [*EXERCISES, "why_scale"]
MOST = sum(CELLS.values())


def run(course: Course, *arguments: str | Path) -> Result:
    return CliRunner().invoke(app, ["export", *map(str, arguments), "--course", str(course.directory)])


def table(path: str | Path) -> list[dict[str, str]]:
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def record(gradebook: Gradebook, student: str, grades: Mapping[str, Mapping[str, Any]], penalty: float = 0.0) -> None:
    """A submission with these columns of its grades, and no cell waiting for a person unless they say so."""
    gradebook.update_or_create_student(student)
    with gradebook.db.no_autoflush:
        gradebook.update_or_create_submission(ASSIGNMENT, student)
    (notebook,) = gradebook.find_submission(ASSIGNMENT, student).notebooks
    notebook.late_submission_penalty = penalty
    for grade in notebook.grades:
        values = {"auto_score": None, "manual_score": None, "extra_credit": None, "needs_manual_grade": False}
        for column, value in {**values, **grades.get(grade.name, {})}.items():
            setattr(grade, column, value)
    gradebook.db.commit()


@pytest.fixture
def marked_course(recorded_course: Course) -> Course:
    """Ada has everything, Béla a person's points and a penalty, Chen waits for a person, Dana handed in nothing."""
    with opened(recorded_course) as gradebook:
        for student, first, last, email, lms in PEOPLE:
            gradebook.add_student(student, first_name=first, last_name=last, email=email, lms_user_id=lms or None)
        everything = {cell: {"auto_score": most} for cell, most in CELLS.items()}
        record(gradebook, "ada", everything)
        record(gradebook, "bela", {**everything, f"check_{HOP}": {"auto_score": 0, "manual_score": 2.25}}, penalty=1.5)
        record(gradebook, "chen", {**everything, "why_scale": {"needs_manual_grade": True}})
    return recorded_course


def test_a_line_for_each_student_and_a_column_for_each_exercise(marked_course: Course) -> None:
    result = run(marked_course, ASSIGNMENT)
    assert (result.exit_code, result.stderr) == (0, "answers of 1 students are still to be graded by a person\n")
    path = marked_course.directory / "exports" / f"{ASSIGNMENT}.csv"
    assert result.stdout == f"{path}\n"
    lines = {line["student"]: line for line in table(path)}
    assert list(lines) == ["ada", "bela", "chen", "dana"]
    columns = [*NAMES, "late penalty", "score", "max", "waits for a person"]
    assert list(lines["ada"]) == [
        "student",
        "last_name",
        "first_name",
        "email",
        *(f"{ASSIGNMENT}: {column}" for column in columns),
    ]
    assert list(lines["bela"].values())[1:] == (
        ["Bartók", "Béla", "bela@example.org", "6", "2.25", "2", "1.5", "8.75", "11", ""]
    )
    assert lines["chen"][f"{ASSIGNMENT}: waits for a person"] == "why_scale"
    assert set(list(lines["dana"].values())[4:]) == {""}, "who handed in nothing has no points, and not zero"


scores = st.none() | st.floats(0, 10).map(lambda value: round(value, 3))
grade = st.fixed_dictionaries({"auto_score": scores, "manual_score": scores, "extra_credit": scores})
classes = st.dictionaries(
    st.sampled_from(["ada", "bela", "chen"]),
    st.tuples(st.fixed_dictionaries(dict.fromkeys(CELLS, grade)), st.floats(0, 20).map(lambda value: round(value, 2))),
    min_size=1,
)


@pytest.mark.slow
@settings(max_examples=8, deadline=None)
@given(given_class=classes)
def test_ask_39_every_format_has_the_points_of_the_gradebook(
    given_class: dict[str, tuple[dict[str, Any], float]],
    made_gradebook: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    course = Course(write_course(tmp_path_factory.mktemp("points") / "course"))
    shutil.copy(made_gradebook, course.directory)
    with opened(course) as gradebook:
        for student, (grades, penalty) in given_class.items():
            record(gradebook, student, grades, penalty)
        submissions = gradebook.assignment_submissions(ASSIGNMENT)
        due = {s.student.id: max(0.0, s.score - s.late_submission_penalty) for s in submissions}
    folder = course.directory / "exports"
    for form in ("csv", "canvas", "gradescope", "nbgrader"):
        assert run(course, ASSIGNMENT, "--format", form).exit_code == 0
    ours = table(folder / f"{ASSIGNMENT}.csv")
    canvas = table(folder / f"{ASSIGNMENT}-canvas.csv")[1:]
    theirs = table(folder / f"{ASSIGNMENT}-nbgrader.csv")
    found = {
        "csv": {line["student"]: line[f"{ASSIGNMENT}: score"] for line in ours},
        "canvas": {line["SIS Login ID"]: line[ASSIGNMENT] for line in canvas},
        "nbgrader": {line["student_id"]: line["score"] for line in theirs},
        "gradescope": {
            path.stem: json.loads(path.read_text())["score"]
            for path in (folder / f"{ASSIGNMENT}-gradescope" / ASSIGNMENT).iterdir()
        },
    }
    for form, points in found.items():
        assert {student: float(score) for student, score in points.items()} == pytest.approx(due), form
    for line in ours:
        total = sum(float(line[f"{ASSIGNMENT}: {name}"]) for name in NAMES) - float(line[f"{ASSIGNMENT}: late penalty"])
        assert max(0.0, total) == pytest.approx(due[line["student"]])


def test_ask_39_one_assignment_or_all_without_a_query_for_each_student(marked_course: Course) -> None:
    few = queries(marked_course)
    with opened(marked_course) as gradebook:
        for number in range(20):
            record(gradebook, f"student-{number}", {})
    assert queries(marked_course) == few
    assert table(run(marked_course).stdout.strip()) == table(run(marked_course, ASSIGNMENT).stdout.strip())


def queries(course: Course) -> int:
    """How many queries it takes to read all marks."""
    counted: list[str] = []

    def count(connection: Any, cursor: Any, statement: str, *more: Any) -> None:
        counted.append(statement)

    event.listen(Engine, "before_cursor_execute", count)
    try:
        marks_of(course, None)
    finally:
        event.remove(Engine, "before_cursor_execute", count)
    return len(counted)


def test_the_gradebook_of_canvas_lends_its_ids(marked_course: Course, tmp_path: Path) -> None:
    exported = tmp_path / "grades.csv"
    exported.write_text(
        "\ufeffStudent,ID,SIS User ID,SIS Login ID,Section,04 Attention (8811),Quiz 1 (8812),Current Score\n"
        "    Points Possible,,,,,11,5,(read only)\n"
        '"Lovelace, Ada",101,S-1,alo,Monday,,3,\n'
        '"van der Berg, Dana",104,S-4,dvb,Friday,,,\n'
        '"Bartók, B.",102,S-2,bba,Friday,7,,\n'
        '"Student, Test",999,,test,Monday,,,\n',
        encoding="utf-8",
    )
    result = run(
        marked_course, ASSIGNMENT, "--format", "canvas", "--canvas-gradebook", exported, "--to", tmp_path / "c.csv"
    )
    assert (tmp_path / "c.csv").read_text(encoding="utf-8") == (
        "Student,ID,SIS User ID,SIS Login ID,Section,04 Attention (8811)\n"
        "    Points Possible,,,,,11\n"
        '"Lovelace, Ada",101,S-1,alo,Monday,11\n'
        '"van der Berg, Dana",104,S-4,dvb,Friday,\n'
        '"Bartók, B.",102,S-2,bba,Friday,8.75\n'
    )
    assert result.exit_code == 1
    assert result.stderr.splitlines()[-1] == f"chen has a mark, but is not in {exported}"


def test_without_a_column_in_canvas_the_assignment_is_named(marked_course: Course, tmp_path: Path) -> None:
    exported = tmp_path / "grades.csv"
    lines = [f"Lovelace;{number};;{student};" for number, student in enumerate(("ada", "bela", "chen"))]
    exported.write_text("\n".join(["Student;ID;SIS User ID;SIS Login ID;Section;Essay (1)", *lines]))
    result = run(marked_course, ASSIGNMENT, "--format", "canvas", "--canvas-gradebook", exported)
    assert f"no column of {exported} is called {ASSIGNMENT}: Canvas will ask which assignment it is" in result.stderr
    assert [line[ASSIGNMENT] for line in table(result.stdout.strip())] == ["11", "11", "8.75", "9"]


def test_gradescope_gets_what_the_feedback_says_as_plain_text(marked_course: Course) -> None:
    wrong = earned(programs("misconception")[0])
    save(marked_course, verdict(wrong, student="ada"))
    save(marked_course, crashed("bela"))
    with opened(marked_course) as gradebook:
        record(
            gradebook, "ada", {f"check_{ATTENTION}": {"auto_score": wrong.points}, f"check_{HOP}": {"auto_score": 3}}
        )
        gradebook.find_comment(HOP, ASSIGNMENT, ASSIGNMENT, "ada").manual_comment = "Neat!"
        gradebook.db.commit()
    result = run(marked_course, ASSIGNMENT, "--format", "gradescope")
    assert result.exit_code == 0
    found = {path.stem: json.loads(path.read_text()) for path in map(Path, result.stdout.splitlines())}
    assert list(found) == ["ada", "bela", "chen"]
    ada = found["ada"]
    assert [(test["name"], test["score"], test["max_score"]) for test in ada["tests"]] == (
        [(ATTENTION, wrong.points, 6), (HOP, 3, 3), ("why_scale", 0, 2)]
    )
    assert {key: ada[key] for key in ("score", "output_format", "test_output_format", "visibility")} == (
        {"score": wrong.points + 3, "output_format": "text", "test_output_format": "text", "visibility": "visible"}
    )
    assert ada["tests"][1]["output"] == "Your instructor writes: Neat!"
    named = next(check.misconception for check in wrong.checks if check.misconception)
    output = ada["tests"][0]["output"]
    assert f"This looks like “{named.name}”. {named.hint}" in output
    assert all(check.name in output for check in wrong.checks)
    assert "check(" not in output
    assert "did not end within 30 seconds" in found["bela"]["tests"][0]["output"]
    assert found["bela"]["tests"][0]["output"].startswith("A person gave 6 points.")
    assert found["bela"]["output"] == "1.5 points were taken off for lateness."
    assert found["chen"]["output"] == "Still to be graded by a person: why_scale."


FORMULAS = [
    "=1+1",
    "\uff1d1+1",
    "\n=1",
    "x\r=1",
    "+cmd|' /C calc'!A0",
    "-2+3",
    "@SUM(A1)",
    "\t=1",
    "\r=1",
    '=HYPERLINK("http://x","y")',
]


def test_no_cell_of_a_spreadsheet_is_a_formula(marked_course: Course) -> None:
    """In cells of their own, a line or more each, as a program reads them."""
    with opened(marked_course) as gradebook:
        for number, formula in enumerate(FORMULAS):
            gradebook.add_student(
                f"@{number}", first_name=formula, last_name=formula, email=formula, lms_user_id=formula
            )
    for form in ("csv", "canvas"):
        path = run(marked_course, ASSIGNMENT, "--format", form).stdout.strip()
        with open(path, newline="", encoding="utf-8") as file:
            cells = [cell for line in csv.reader(file) for cell in line]
        assert not [cell for cell in cells if cell.lstrip().startswith(tuple("=+-@\uff1d"))]
        assert all(any(formula in cell for cell in cells) for formula in FORMULAS)


@given(st.text(max_size=12))
def test_a_cell_is_a_number_or_begins_like_no_formula(text: str) -> None:
    found = harmless(text)
    assert NUMBER.fullmatch(found) or not found.lstrip().startswith(("=", "+", "-", "@"))
    assert found in (text, f"'{text}")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "nothing has been graded yet: run `autograder grade NAME` first"),
        ([ASSIGNMENT], f"nothing has been graded yet: run `autograder grade {ASSIGNMENT}` first"),
        (["--canvas-gradebook", "x.csv"], "--canvas-gradebook goes with --format canvas"),
        (["--format", "xlsx"], "Invalid value for '--format'"),
    ],
)
def test_wrong_use_is_one_line_and_makes_nothing(arguments: list[str], message: str, course: Course) -> None:
    result = run(course, *arguments)
    assert (result.exit_code, result.stdout, result.stderr.count("\n")) == (2, "", 1)
    assert message in result.stderr
    assert not {"exports", "gradebook.db"} & {path.name for path in course.directory.iterdir()}


def test_a_gradebook_that_is_not_canvass_is_refused(marked_course: Course, tmp_path: Path) -> None:
    (tmp_path / "other.csv").write_text("Name,Points\nada,3\n")
    result = run(marked_course, "--format", "canvas", "--canvas-gradebook", tmp_path / "other.csv")
    assert (result.exit_code, "is no gradebook of Canvas: it has no column 'Student'" in result.stderr) == (2, True)
