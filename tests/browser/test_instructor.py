"""An instructor's day: release, grade in formgrader and by command, give points by hand, read report and feedback."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from nbgrader.api import Gradebook
from selenium.webdriver.common.by import By

from autograder.bank import load_bank
from autograder.course.bank import references
from autograder.course.leaks import leaks_of_file, solutions
from tests.browser.lab import Lab, autograder, wait

ASSIGNMENT, QUESTION = "04_attention", "question_identity"
SUBMISSIONS = f"formgrader/manage_submissions/{ASSIGNMENT}"
COMMENT = "Right, and which of the two is trained?"
pytestmark = pytest.mark.timeout(900)


@pytest.fixture
def handed_in(root: Path, tmp_path: Path) -> tuple[Path, str]:
    """A course in which four students have handed in, and one of them who has made a mistake."""
    course = tmp_path / "course"
    shutil.copytree(root / "assignments" / ASSIGNMENT, course / "assignments" / ASSIGNMENT)
    shutil.copy(root / "nbgrader_config.py", course)
    autograder("release", ASSIGNMENT, "--course", str(course))
    autograder("class", ASSIGNMENT, "--students", "4", "--seed", "4", "--course", str(course))
    made = json.loads((course / "class.json").read_text())[ASSIGNMENT]["students"]
    (wrong,) = (student for student, one in made.items() if one["description"].startswith("wrong"))
    return course, wrong


def test_an_instructors_day(handed_in: tuple[Path, str], open_lab: Callable[[Path], Lab]) -> None:
    course, student = handed_in
    lab = open_lab(course)
    open_submissions(lab)
    assert set(lab.rows("student-id", "status").values()) == {"needs autograding"}
    lab.screenshot("instructor_before")

    points = press_autograde(lab, student)
    give_by_hand(lab, course, student, points)
    everyone = grade_the_others(lab, course)
    assert everyone[student] == pytest.approx(points, abs=0.01), "the button graded as the command does"
    read_the_pages(lab, course, student)


def open_submissions(lab: Lab) -> None:
    lab.visit("lab")
    lab.choose("Nbgrader", "Formgrader")
    lab.enter("formgrader")
    assert lab.rows("name", "num-submissions") == {ASSIGNMENT: "4"}
    lab.screenshot("instructor_assignments")
    lab.click(f"a[href$='manage_submissions/{ASSIGNMENT}']")


def press_autograde(lab: Lab, student: str) -> float:
    """Grade one student with the button in the list, and return the points that the list then shows."""
    (row,) = (row for row in lab.all("tbody tr") if row.find_element(By.CSS_SELECTOR, "td.student-id").text == student)
    row.find_element(By.CSS_SELECTOR, "td.autograde a").click()
    lab.click(".modal.in .modal-body", f"Successfully autograded '{ASSIGNMENT}' for student '{student}'")
    lab.screenshot("instructor_autograded")
    lab.click(".modal.in .modal-footer button")
    wait(lab.chrome, lambda: not lab.all(".modal-backdrop"), "the list")
    shown = lab.rows("student-id", "status")
    assert shown.pop(student) == "needs manual grading"
    assert set(shown.values()) == {"needs autograding"}, "and nobody else"
    return scores(lab)[student]


def give_by_hand(lab: Lab, course: Path, student: str, points: float) -> None:
    """Open the submission, give 3 points and a comment for the answer in words, and see them in the list."""
    lab.click(f"a[href$='manage_students/{student}/{ASSIGNMENT}']")
    lab.click("td.name a")
    lab.fill(QUESTION, "3")
    lab.fill(f"{QUESTION}-comment", COMMENT)
    lab.screenshot("instructor_by_hand")
    with Gradebook(f"sqlite:///{course / 'gradebook.db'}") as gradebook:

        def kept() -> bool:
            gradebook.db.expire_all()
            comment = gradebook.find_comment(QUESTION, ASSIGNMENT, ASSIGNMENT, student).manual_comment
            score = gradebook.find_submission(ASSIGNMENT, student).score
            return bool(comment == COMMENT and score == pytest.approx(points + 3, abs=0.01))

        wait(lab.chrome, kept, "the points and the comment to be kept")
    lab.visit(SUBMISSIONS)
    assert lab.rows("student-id", "status")[student] == "graded"
    lab.screenshot("instructor_graded")
    assert scores(lab)[student] == pytest.approx(points + 3, abs=0.01)


def grade_the_others(lab: Lab, course: Path) -> dict[str, float]:
    """Grade everybody by command: the points by hand stay. Returns what the checks gave."""
    verdicts = json.loads(autograder("grade", ASSIGNMENT, "--json", "--course", str(course)))
    everyone = {one["student"]: sum(exercise["points"] for exercise in one["exercises"]) for one in verdicts}
    lab.visit(SUBMISSIONS)
    (done,) = (student for student, status in lab.rows("student-id", "status").items() if status == "graded")
    shown = scores(lab)
    lab.screenshot("instructor_everyone")
    assert shown == pytest.approx({**everyone, done: everyone[done] + 3}, abs=0.01)
    return everyone


def read_the_pages(lab: Lab, course: Path, student: str) -> None:
    """The report leads to the page of each student, which gives nothing away."""
    autograder("feedback", ASSIGNMENT, "--course", str(course))
    report = Path(autograder("report", ASSIGNMENT, "--course", str(course)).strip())
    lab.chrome.get(report.as_uri())
    lab.screenshot("instructor_report")
    assert {row.text.split()[0] for row in lab.all("table.everyone tbody tr")} == {"ada", "bela", "chen", "dana"}
    lab.click("table.everyone a", student)
    lab.click(f".student:target a[href$='feedback/{student}/{ASSIGNMENT}/{ASSIGNMENT}.html']")
    wait(lab.chrome, lambda: student in lab.chrome.title, "the student's page")
    lab.screenshot("instructor_feedback")
    assert lab.all(".check, .hint"), "what went wrong"
    assert COMMENT in [one.text for one in lab.all(".written")]
    page = course / "feedback" / student / ASSIGNMENT / f"{ASSIGNMENT}.html"
    assert leaks_of_file(page, page.name, solutions(references(load_bank(ASSIGNMENT)))) == []


def scores(lab: Lab) -> dict[str, float]:
    """The points in the list, of those who have some."""
    shown = lab.rows("student-id", "score")
    return {student: float(score.split(" / ")[0]) for student, score in shown.items() if score}
