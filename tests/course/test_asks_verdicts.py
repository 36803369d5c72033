"""Asks 24 to 36: is a verdict fair, and does it say why?"""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from bs4 import BeautifulSoup

from autograder.course.feedback import render_feedback
from autograder.course.grade import class_seed
from autograder.course.leaks import telling_lines
from autograder.engine.verdict import Verdict
from tests.course.asks import NO_POINTS, Class, run
from tests.course.small import ASSIGNMENT, ATTENTION, POINTS

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("asks")]


def page(asked: Class, student: str) -> str:
    """The words of a feedback page."""
    html = render_feedback(Verdict.from_json(asked.verdicts[student]))
    return " ".join(BeautifulSoup(html, "html.parser").get_text(" ").split())


def test_ask_24_stderr_is_no_verdict(asked: Class) -> None:
    assert asked.points("noisy") == POINTS


def test_ask_25_partial_credit_comes_with_a_reason(asked: Class) -> None:
    found = asked.exercise("partly", ATTENTION)
    assert 0 < found["points"] < found["max"]
    assert any(check["expected"] and check["came"] for check in found["checks"] if not check["passed"])


def test_ask_26_a_score_of_zero_is_zero(asked: Class) -> None:
    assert asked.points("untouched") == NO_POINTS
    assert asked.exercise("right", "returns")["points"] == 0, "a test cell that returns 0.0"


def test_ask_27_one_cell_holds_many_checks(asked: Class) -> None:
    checks = asked.exercise("partly", ATTENTION)["checks"]
    assert len({check["name"] for check in checks}) == len(checks) > 2
    assert sum(check["points"] for check in checks) == asked.exercise("partly", ATTENTION)["points"]


def test_ask_28_points_are_in_proportion_to_the_hidden_checks_that_passed(asked: Class) -> None:
    found = asked.exercise("partly", ATTENTION)
    assert asked.points("partly")[ATTENTION] == sum(check["max"] for check in found["checks"] if check["passed"])
    assert {check["points"] for check in found["checks"] if not check["passed"]} == {0}


def test_ask_29_every_lost_point_has_evidence(asked: Class) -> None:
    lost = [e for v in asked.verdicts.values() for e in v["exercises"] if e["points"] < e["max"]]
    assert len(lost) > 10
    for exercise in lost:
        failed = [check for check in exercise["checks"] if check["tried"] and not check["passed"]]
        assert exercise["message"] or all(check["expected"] and check["came"] for check in failed), exercise
        assert exercise["message"] or failed


def test_ask_30_a_failure_is_told_and_the_check_is_not_shown(asked: Class, root: Path) -> None:
    text = page(asked, "partly")
    failed = [c for c in asked.exercise("partly", ATTENTION)["checks"] if c["tried"] and not c["passed"]]
    assert failed
    for check in failed:
        assert all(
            " ".join(check[told].split()) in text for told in ("name", "expected", "came", "suspect", "experiment")
        )
    lines = telling_lines((root / "autograder" / "bank" / "attention.py").read_text())
    assert len(lines) > 50
    assert not [line for line in lines if " ".join(line.split()) in text]


def test_ask_31_who_loses_points_never_reads_that_all_is_well(asked: Class) -> None:
    text = page(asked, "partly")
    assert f"{ATTENTION} 2.5 of 6 points" in text
    passed = sum(check["passed"] for check in asked.exercise("partly", ATTENTION)["checks"])
    assert f"{passed} checks passed" in text
    assert f"All {passed} checks passed" not in text


def test_ask_31_self_checks_are_called_what_they_are(root: Path) -> None:
    notebooks = sorted((root / "assignments").glob("*/*.ipynb"))
    assert len(notebooks) >= 10
    for notebook in notebooks:
        text = notebook.read_text(encoding="utf-8")
        assert "Self-checks are worth no points. Your grade comes from other checks" in text
        assert not re.search(r"all (\w+ )?(tests|checks) pass", text, re.IGNORECASE)


def test_ask_32_a_name_that_is_used_again_does_not_matter(asked: Class) -> None:
    assert asked.points("reuses")[ATTENTION] == POINTS[ATTENTION]


def test_ask_33_deleted_graded_cells_are_put_back(asked: Class) -> None:
    assert asked.points("deletes") == POINTS
    assert f"check_{ATTENTION} was deleted: taken from the assignment." in asked.verdicts["deletes"]["notes"]


@pytest.mark.parametrize("student", ["doubles", "splits"])
def test_ask_34_doubled_and_split_cells_count(student: str, asked: Class) -> None:
    assert asked.points(student) == POINTS


def test_ask_35_lost_metadata_costs_nothing(asked: Class) -> None:
    """Partly: an answer that has lost its name as well is found only if it is the one in its place."""
    assert "nbgrader" not in asked.course.submitted(ASSIGNMENT, "colab").read_text()
    assert asked.points("colab") == POINTS


def test_ask_36_one_student_may_be_graded_on_other_values(asked: Class) -> None:
    """Partly: the values are the checks', drawn from a seed; the task is the same for all."""
    (again,) = json.loads(run(asked.course, "grade", "--student", "partly", "--seed", "5", "--workers", "1", "--json"))
    before = asked.exercise("partly", ATTENTION)
    (now,) = [exercise for exercise in again["exercises"] if exercise["name"] == ATTENTION]
    assert (again["seed"], now["points"]) == (5, before["points"])
    assert [check["came"] for check in now["checks"]] != [check["came"] for check in before["checks"]]
    assert class_seed(asked.course, ASSIGNMENT) == 3, "that of the class stays"
