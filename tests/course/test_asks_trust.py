"""Asks 16 to 23: hidden tests, cheating, and what is built against it."""

from __future__ import annotations

import json
from copy import deepcopy
from pathlib import Path

import pytest
from bs4 import BeautifulSoup
from nbgrader.converters import GenerateFeedback
from nbgrader.coursedir import CourseDirectory
from nbgrader.utils import capture_log

from autograder.checks.subject import local
from autograder.course.material import students_version
from autograder.course.notebook import fill, grade_id, read
from autograder.engine.sandbox import safe
from tests.course.asks import NO_POINTS, RIGHT, SECRET, Class, defined, run
from tests.course.small import ASSIGNMENT, ATTENTION, HOP, bank

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("asks")]
walls = pytest.mark.skipif(not safe(), reason="there is no sandbox on this machine")


@walls
def test_ask_16_students_code_never_sees_the_gradebook(asked: Class) -> None:
    (spy,) = [c for c in read(asked.course.autograded(ASSIGNMENT, "spies")).cells if grade_id(c) == HOP]
    assert [output.text for output in spy.outputs] == ["read []\n"]


@walls
def test_ask_17_the_sandbox_needs_no_daemon(asked: Class) -> None:
    assert asked.verdicts["right"]["tier"] != "none"


def test_ask_18_hidden_tests_are_in_no_feedback(asked: Class) -> None:
    pages = run(asked.course, "feedback").splitlines()
    assert len(pages) == len(asked.verdicts)
    for page in pages:
        text = Path(page).read_text(encoding="utf-8")
        assert "returns" in text or "could not be graded" in text
        assert SECRET not in text
        assert "check(" not in text


def test_ask_19_nor_in_the_feedback_that_nbgrader_makes_after_autograding(asked: Class, tmp_path: Path) -> None:
    """nbgrader makes it of the autograded notebooks, which hold no hidden test that would have to be masked again."""
    for student, verdict in asked.verdicts.items():
        if verdict["status"] == "graded":
            assert SECRET not in asked.course.autograded(ASSIGNMENT, student).read_text()
    config = deepcopy(asked.course.config)
    config.CourseDirectory.update(assignment_id=ASSIGNMENT, student_id="right", feedback_directory=str(tmp_path))
    made = capture_log(GenerateFeedback(coursedir=CourseDirectory(config=config), config=config))
    assert made["success"], made
    (page,) = tmp_path.rglob("*.html")
    text = BeautifulSoup(page.read_text(), "html.parser").get_text()
    assert "float(zero)" in text
    assert SECRET not in text


def test_ask_20_students_run_visible_checks_without_the_grader(asked: Class) -> None:
    """Partly: what students can run is not what is graded, and no server answers them before they hand in."""
    version = fill(students_version(asked.course, ASSIGNMENT), RIGHT)
    code = [cell.source for cell in version.cells if cell.cell_type == "code" and grade_id(cell) != "training"]
    assert "autograder" not in "".join(code)
    assert SECRET not in "".join(code)
    namespace: dict[str, object] = {}
    exec(compile("\n".join(code), "release", "exec"), namespace)
    assert callable(namespace[ATTENTION])


def test_ask_21_hiding_errors_earns_nothing(asked: Class) -> None:
    assert asked.points("hides") == NO_POINTS


def test_ask_22_nobody_can_prepare_for_the_numbers(asked: Class) -> None:
    """Partly: a seed that nobody knew before, and another one for whoever hands in again; no versions of a task."""
    wrong = {ATTENTION: RIGHT[ATTENTION].replace("math.sqrt(", "(")}
    found = [bank().grade(ATTENTION, local(defined(wrong)), seed) for seed in (3, 4)]
    assert found[0].points == found[1].points == asked.points("partly")[ATTENTION]
    assert [check.came for check in found[0].checks] != [check.came for check in found[1].checks]


def test_ask_23_pairs_to_look_at_and_answers_for_other_tools(asked: Class, tmp_path: Path) -> None:
    (pair,) = json.loads(run(asked.course, "similar", "--json"))
    assert pair["students"] == ["copies", "spies"], "and not the many who have the same right answer"
    run(asked.course, "similar", "--to", str(tmp_path / "answers"))
    assert "my own work" in (tmp_path / "answers" / "copies.py").read_text()
