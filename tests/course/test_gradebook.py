"""Recording in nbgrader's gradebook: as nbgrader would, once, and without touching what people wrote."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from nbgrader.api import Gradebook, get_alembic_version

from autograder.course.course import Course
from autograder.course.database import make
from autograder.course.errors import CourseError, MaterialError
from autograder.course.gradebook import Recorder, recording, submission_time
from autograder.course.material import students_version
from autograder.course.notebook import fill, read, write
from autograder.course.verdicts import graded_verdicts
from autograder.engine.job import Graded
from autograder.engine.verdict import Verdict
from autograder.result import ExerciseResult
from tests.course.small import (
    ASSIGNMENT,
    ATTENTION,
    EXERCISES,
    HOP,
    POINTS,
    QUESTION,
    grades,
    small_cells,
    source_of,
    stub_cell,
    task_cell,
    write_notebook,
)


@pytest.fixture
def course(recorded_course: Course) -> Course:
    return recorded_course


@pytest.fixture
def recorder(course: Course) -> Iterator[Recorder]:
    with recording(course, ASSIGNMENT) as recorder:
        yield recorder


def graded(course: Course, student: str = "ada", points: dict[str, float] | None = None, **changes: Any) -> Graded:
    """A verdict with these points on a solved notebook, which also stands among the submissions."""
    notebook = fill(students_version(course, ASSIGNMENT), {name: source_of(name) for name in EXERCISES})
    write(notebook, course.submitted(ASSIGNMENT, student))
    exercises = [ExerciseResult(name, earned, POINTS[name]) for name, earned in (points or POINTS).items()]
    verdict = Verdict(ASSIGNMENT, student, "graded", "hash 1", 7, "none", "cpu", {}, 1.0, 1.0, exercises)
    return Graded(replace(verdict, **changes), notebook if changes.get("status", "graded") == "graded" else None)


def entry(course: Course, student: str = "ada") -> dict[str, Any]:
    return grades(course.database)[student]


def set_by_hand(course: Course, cell: str, score: float, comment: str) -> None:
    """What a person does in formgrader."""
    with Gradebook(course.database, course.course_id) as gradebook:
        grade = gradebook.find_grade(cell, ASSIGNMENT, ASSIGNMENT, "ada")
        grade.manual_score, grade.needs_manual_grade = score, False
        commented = cell.removeprefix("check_")
        gradebook.find_comment(commented, ASSIGNMENT, ASSIGNMENT, "ada").manual_comment = comment
        gradebook.db.commit()


def test_points_comments_and_the_notebook_are_recorded_without_a_release(course: Course, recorder: Recorder) -> None:
    recorder.record(graded(course, points={ATTENTION: 2.5, HOP: 0.0}))
    assert entry(course) == {
        "grades": {
            f"check_{ATTENTION}": (2.5, None, False),
            f"check_{HOP}": (0.0, None, False),
            "why_scale": (None, None, True),
        },
        "comments": {ATTENTION: (None, None), HOP: (None, None), "why_scale": (None, None)},
        "submission": {"timestamp": None, "penalty": 0.0},
    }
    stored = read(course.autograded(ASSIGNMENT, "ada"))
    assert all(cell.metadata.nbgrader.checksum for cell in stored.cells if "nbgrader" in cell.metadata)
    assert [verdict.points for verdict in graded_verdicts(course, ASSIGNMENT)] == [2.5]


def test_recording_twice_changes_nothing(course: Course, recorder: Recorder) -> None:
    recorder.record(graded(course))
    once, notebook = grades(course.database), course.autograded(ASSIGNMENT, "ada").read_bytes()
    recorder.record(graded(course))
    with recording(course, ASSIGNMENT) as another:
        another.record(graded(course))
    assert grades(course.database) == once
    assert course.autograded(ASSIGNMENT, "ada").read_bytes() == notebook


def test_a_stale_grade_is_replaced(course: Course, recorder: Recorder) -> None:
    recorder.record(graded(course))
    recorder.record(graded(course, points={ATTENTION: 0.0, HOP: 0.5}, submission="hash 2"))
    assert entry(course)["grades"] == {
        f"check_{ATTENTION}": (0.0, None, False),
        f"check_{HOP}": (0.5, None, False),
        "why_scale": (None, None, True),
    }


def test_what_people_graded_and_wrote_survives(course: Course, recorder: Recorder) -> None:
    recorder.record(graded(course, points={ATTENTION: 2.0, HOP: 3.0}))
    set_by_hand(course, f"check_{ATTENTION}", 4.0, "half right")
    set_by_hand(course, "why_scale", 1.5, "good thought")
    by_hand = entry(course)
    recorder.record(graded(course, points={ATTENTION: 2.0, HOP: 3.0}))
    assert entry(course) == by_hand, "the same submission again: nobody has to look again"
    recorder.record(graded(course, points={ATTENTION: 6.0, HOP: 3.0}, submission="hash 2"))
    assert entry(course)["grades"] == {
        f"check_{ATTENTION}": (6.0, 4.0, True),
        f"check_{HOP}": (3.0, None, False),
        "why_scale": (None, 1.5, True),
    }
    assert entry(course)["comments"][ATTENTION] == (None, "half right")
    assert entry(course)["comments"]["why_scale"] == (None, "good thought")


def test_an_untouched_stub_is_commented_as_nbgrader_does(course: Course, recorder: Recorder) -> None:
    verdict = graded(course, points=dict.fromkeys(EXERCISES, 0.0)).verdict
    recorder.record(Graded(verdict, students_version(course, ASSIGNMENT)))
    assert entry(course)["comments"] == {
        ATTENTION: ("No response.", None),
        HOP: ("No response.", None),
        "why_scale": (None, None),
    }


def test_a_rejected_submission_gets_nothing_and_a_reason(course: Course, recorder: Recorder) -> None:
    recorder.record(graded(course))
    assert course.autograded(ASSIGNMENT, "ada").exists()
    note = "Rejected: the file is not a notebook."
    recorder.record(graded(course, status="rejected", submission="hash 2", notes=[note]))
    assert set(entry(course)["grades"].values()) == {(0.0, None, False)}
    assert entry(course)["comments"][ATTENTION] == (note, None)
    assert not course.autograded(ASSIGNMENT, "ada").exists()


def test_what_a_person_gave_is_looked_at_again_where_a_later_file_is_rejected(
    course: Course, recorder: Recorder
) -> None:
    recorder.record(graded(course))
    set_by_hand(course, "why_scale", 1.5, "Good thought.")
    damaged = graded(course, status="rejected", submission="hash 2", notes=["Rejected: the file is not a notebook."])
    recorder.record(damaged)
    assert entry(course)["grades"]["why_scale"] == (0.0, 1.5, True), "it was given to another file"
    set_by_hand(course, "why_scale", 1.0, "Less, for what is left.")
    recorder.record(damaged)
    assert entry(course)["grades"]["why_scale"] == (0.0, 1.0, False), "and a person has looked at this one"


def test_a_missing_notebook_gets_zero_as_from_nbgrader(course: Course, recorder: Recorder) -> None:
    recorder.record(graded(course, status="missing", submission=""))
    assert set(entry(course)["grades"].values()) == {(0.0, None, False)}


def test_a_failure_of_the_grader_touches_no_points(course: Course, recorder: Recorder) -> None:
    recorder.record(graded(course))
    before = grades(course.database)
    recorder.record(graded(course, points={ATTENTION: 0.0, HOP: 0.0}, status="failed", submission=""))
    recorder.record(graded(course, "bela", status="failed", submission=""))
    assert grades(course.database) == before
    assert [v.status for v in graded_verdicts(course, ASSIGNMENT)] == ["failed", "failed"]


def test_one_exercise_graded_again_leaves_the_others(course: Course, recorder: Recorder) -> None:
    recorder.record(graded(course, points={ATTENTION: 2.5, HOP: 0.5}))
    recorder.record(graded(course, points={HOP: 3.0}))
    assert entry(course)["grades"][f"check_{ATTENTION}"] == (2.5, None, False)
    assert entry(course)["grades"][f"check_{HOP}"] == (3.0, None, False)
    (verdict,) = graded_verdicts(course, ASSIGNMENT)
    assert {e.name: e.points for e in verdict.exercises} == {ATTENTION: 2.5, HOP: 3.0}


@pytest.mark.parametrize(
    ("method", "handed_in", "penalty"),
    [
        ("zero", "2026-03-02 08:00:00 UTC", 5.5),
        ("zero", "2026-03-01 08:00:00 UTC", 0.0),
        ("none", "2026-03-02 08:00:00 UTC", 0.0),
    ],
)
def test_lateness_costs_what_nbgraders_plugin_says(course: Course, method: str, handed_in: str, penalty: float) -> None:
    with (course.directory / "nbgrader_config.py").open("a") as file:
        file.write(f'c.LateSubmissionPlugin.penalty_method = "{method}"\n')
    course = Course(course.directory)
    result = graded(course, points={ATTENTION: 2.5, HOP: 3.0})
    course.submitted(ASSIGNMENT, "ada").with_name("timestamp.txt").write_text(handed_in)
    with Gradebook(course.database, course.course_id) as gradebook:
        gradebook.update_or_create_assignment(ASSIGNMENT, duedate="2026-03-01 12:00:00 UTC")
    with recording(course, ASSIGNMENT) as recorder:
        recorder.record(result)
        recorder.record(result)
    assert entry(course)["submission"]["penalty"] == penalty
    assert f"{entry(course)['submission']['timestamp']} UTC" == handed_in
    stamp = course.autograded(ASSIGNMENT, "ada").with_name("timestamp.txt")
    assert stamp.read_text().strip() == handed_in


def test_the_time_of_an_earlier_submission_is_not_that_of_the_next(course: Course, recorder: Recorder) -> None:
    result = graded(course)
    stamp = course.submitted(ASSIGNMENT, "ada").with_name("timestamp.txt")
    stamp.write_text("2026-03-02 08:00:00 UTC")
    recorder.record(result)
    stamp.unlink()
    recorder.record(result)
    assert str(entry(course)["submission"]["timestamp"]) == "2026-03-02 08:00:00"
    recorder.record(graded(course, submission="hash 2"))
    assert entry(course)["submission"]["timestamp"] is None


def test_a_timestamp_may_be_anything(tmp_path: Path) -> None:
    stamp = tmp_path / "timestamp.txt"
    assert submission_time(tmp_path) is None
    for nonsense in ("", "yesterday, I think", "9" * 10_000, "\x00\x01"):
        stamp.write_text(nonsense)
        assert submission_time(tmp_path) is None
    stamp.unlink()
    os.mkfifo(stamp)
    assert submission_time(tmp_path) is None
    stamp.unlink()
    stamp.symlink_to("/etc/hostname")
    assert submission_time(tmp_path) is None
    stamp.unlink()
    stamp.write_text("2026-03-01 12:00:00 UTC")
    assert str(submission_time(tmp_path)) == "2026-03-01 12:00:00"


def test_new_points_reach_the_gradebook_and_new_cells_are_refused(course: Course, recorder: Recorder) -> None:
    recorder.record(graded(course))
    recorded = entry(course)["grades"]
    cells = small_cells()
    cells[3].metadata.nbgrader.points = 12
    write_notebook(course.source(ASSIGNMENT), cells)
    with recording(course, ASSIGNMENT), Gradebook(course.database, course.course_id) as gradebook:
        assert gradebook.find_grade_cell(f"check_{ATTENTION}", ASSIGNMENT, ASSIGNMENT).max_score == 12
    retyped = [*cells[:-1], stub_cell("why_scale", "")]
    for changed, what in (
        ([*cells, task_cell("another", points=1)], r"\(new: another\)"),
        (cells[:-1], r"\(gone: why_scale\)"),
        ([*cells[:-1], task_cell("why", points=2)], r"\(new: why; gone: why_scale\)"),
        (retyped, r"\(one is of another kind\)"),
    ):
        write_notebook(course.source(ASSIGNMENT), changed)
        with (
            pytest.raises(MaterialError, match=f"{what}: put new checks under a grade id"),
            recording(course, ASSIGNMENT),
        ):
            pass
    assert entry(course)["grades"] == recorded


def test_before_grading_there_are_no_verdicts(course: Course) -> None:
    with pytest.raises(CourseError, match="run `autograder grade 04_attention` first"):
        list(graded_verdicts(course, ASSIGNMENT))


def test_an_answer_to_a_hand_graded_cell_waits_for_a_person(course: Course, recorder: Recorder) -> None:
    result = graded(course)
    assert result.notebook is not None
    answer = next(cell for cell in result.notebook["cells"] if cell["source"] == QUESTION)
    answer["source"] += "\n\nSo that softmax does not saturate."
    recorder.record(result)
    assert entry(course)["grades"]["why_scale"] == (None, None, True)


@pytest.mark.slow
def test_a_new_gradebook_that_was_broken_off_is_completed_and_can_be_upgraded(course_directory: Path) -> None:
    course = Course(course_directory)
    make(course)  # and killed before there is a table
    for _ in range(2):
        with recording(course, ASSIGNMENT) as recorder:
            recorder.record(graded(course))
        with sqlite3.connect(course_directory / "gradebook.db") as database:
            assert database.execute("select * from alembic_version").fetchall() == [(get_alembic_version(),)]
    upgraded = subprocess.run([sys.executable, "-m", "nbgrader", "db", "upgrade"], cwd=course_directory)
    assert upgraded.returncode == 0
    assert entry(course)["grades"][f"check_{HOP}"] == (POINTS[HOP], None, False)
