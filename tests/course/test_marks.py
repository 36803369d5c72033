"""What a person gave and wrote in formgrader, and what lateness costs, reaches the student."""

from __future__ import annotations

from typing import Any

import pytest
from bs4 import BeautifulSoup
from nbgrader.api import Gradebook
from typer.testing import CliRunner

from autograder.cli import app
from autograder.course.course import Course
from autograder.course.feedback import render_feedback
from autograder.course.gradebook import recording
from autograder.course.marks import Mark, Marks, marks_of
from autograder.course.material import students_version
from autograder.engine.job import Graded
from autograder.result import CheckResult, ExerciseResult
from tests.course.small import ASSIGNMENT, ATTENTION, EXERCISES, HOP, POINTS, QUESTION
from tests.course.verdicts import rejected, verdict

ANSWER = "why_scale"
SCRIPT = "<script>alert(1)</script>"


def result(name: str, points: float) -> ExerciseResult:
    return ExerciseResult(name, points, POINTS[name], [CheckResult("a check", points > 0, points, POINTS[name])])


def words(html: str) -> str:
    return " ".join(BeautifulSoup(html, "html.parser").get_text(" ").split())


def handed_in(course: Course, answer: str) -> Graded:
    """Five points by the checks, and an answer in words; without one the cell was deleted."""
    notebook: Any = students_version(course, ASSIGNMENT)
    question = notebook.cells.pop()
    if answer:
        notebook.cells.append({**question, "source": f"{QUESTION}\n\n{answer}"})
    return Graded(verdict(result(ATTENTION, 4.0), result(HOP, 1.0)), notebook)


def by_hand(course: Course, cell: str, points: float | None, comment: str) -> None:
    """What a person does in formgrader."""
    with Gradebook(course.database, course.course_id) as gradebook:
        if points is not None:
            grade = gradebook.find_grade(cell, ASSIGNMENT, ASSIGNMENT, "ada")
            grade.manual_score, grade.needs_manual_grade = points, False
        commented = cell.removeprefix("check_")
        gradebook.find_comment(commented, ASSIGNMENT, ASSIGNMENT, "ada").manual_comment = comment
        gradebook.db.commit()


@pytest.fixture
def answered(recorded_course: Course) -> Course:
    """The small course; ada has handed in, and why_scale waits for a person."""
    recorded_course.submitted(ASSIGNMENT, "ada").parent.mkdir(parents=True)
    with recording(recorded_course, ASSIGNMENT) as recorder:
        recorder.record(handed_in(recorded_course, "So that softmax does not saturate."))
    return recorded_course


def page(course: Course) -> str:
    """The page that the command writes for ada."""
    done = CliRunner().invoke(app, ["feedback", ASSIGNMENT, "--course", str(course.directory)])
    assert done.exit_code == 0, done.output
    return words(course.feedback(ASSIGNMENT, "ada").read_text(encoding="utf-8"))


def test_an_answer_that_waits_for_a_person_is_said_to_wait(answered: Course) -> None:
    text = page(answered)
    assert "5 of 11 points" in text
    assert "Not final: a person has yet to decide on 2 of these points." in text
    assert f"{ANSWER} – of 2 points A person has yet to read this answer." in text


def test_points_and_comments_of_a_person_are_shown(answered: Course) -> None:
    by_hand(answered, ANSWER, 1.5, "Good thought.")
    by_hand(answered, f"check_{HOP}", 2.5, "The idea is right.")
    by_hand(answered, f"check_{ATTENTION}", None, "Neat!")
    text = page(answered)
    assert "8 of 11 points" in text
    assert "Not final" not in text
    assert f"{ANSWER} 1.5 of 2 points Your instructor writes Good thought." in text
    told = "A person gave these points; the checks gave 1. Your instructor writes The idea is right."
    assert f"{HOP} 2.5 of 3 points {told}" in text
    assert f"{ATTENTION} 4 of 6 points Your instructor writes Neat!" in text


def test_no_answer_is_no_mark_of_a_person(recorded_course: Course) -> None:
    recorded_course.submitted(ASSIGNMENT, "ada").parent.mkdir(parents=True)
    with recording(recorded_course, ASSIGNMENT) as recorder:
        recorder.record(handed_in(recorded_course, ""))
        (marks,) = marks_of(recorded_course, ASSIGNMENT)
        assert (marks.students["ada"].by_hand, marks.students["ada"].comments) == ([], {})
        assert f"{ANSWER} 0 of 2 points No answer was found." in page(recorded_course)
        recorder.record(Graded(rejected("ada"), None))
    text = page(recorded_course)
    assert "This file could not be graded" in text
    assert ANSWER not in text


def test_extra_credit_is_of_a_person(answered: Course) -> None:
    with Gradebook(answered.database, answered.course_id) as gradebook:
        gradebook.find_grade(f"check_{HOP}", ASSIGNMENT, ASSIGNMENT, "ada").extra_credit = 1.0
        gradebook.db.commit()
    assert f"{HOP} 2 of 3 points A person gave these points; the checks gave 1." in page(answered)


def marks(points: dict[str, float], **changes: Any) -> Marks:
    return Marks(ASSIGNMENT, {**POINTS, ANSWER: 2.0}, {"ada": Mark("ada", None, points=points, **changes)})


def test_lateness_is_said_and_taken_off() -> None:
    points = {ATTENTION: 4.0, HOP: 3.0, ANSWER: 1.0}
    found = verdict(*(result(name, points[name]) for name in EXERCISES))
    text = words(render_feedback(found, marks(points, penalty=2.5)))
    assert "5.5 of 11 points" in text
    assert "8 points, less 2.5 for handing in late." in text
    assert "0 of 11 points" in words(render_feedback(found, marks(points, penalty=20.0)))


def test_what_a_person_writes_is_only_text() -> None:
    comments = dict.fromkeys((HOP, ANSWER, "elsewhere"), f"{SCRIPT} & so on")
    given = marks({HOP: 1.0, ANSWER: 1.0}, penalty=0.0, by_hand=[ANSWER], comments=comments)
    html = render_feedback(verdict(result(HOP, 1.0)), given)
    assert "<script" not in html
    assert words(html).count(f"Your instructor writes {SCRIPT} & so on") == 3
