"""The class report: its figures, its order, and that it stays a page for a class of any size."""

from __future__ import annotations

import json
import math
from collections import Counter
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from bs4 import BeautifulSoup, Tag
from hypothesis import given, settings
from hypothesis import strategies as st

from autograder.course.course import Course
from autograder.course.feedback import write_feedback
from autograder.course.pages import points
from autograder.course.report import render_report, write_report
from autograder.course.statistics import (
    BINS,
    class_statistics,
    discrimination,
    exercise_statistics,
    histogram,
    misconceptions,
    needs_help,
)
from autograder.result import CheckResult, Diagnosis, ExerciseResult
from tests.course.verdicts import (
    ASSIGNMENT,
    EXERCISE,
    class_of,
    crashed,
    earned,
    failed,
    missing,
    programs,
    rejected,
    untouched,
    verdict,
)


def page_of(*verdicts: object) -> BeautifulSoup:
    return BeautifulSoup(render_report(ASSIGNMENT, verdicts), "html.parser")  # type: ignore[arg-type]


def words(tag: Tag | BeautifulSoup | None) -> str:
    assert tag is not None
    return " ".join(tag.get_text(" ").split())


def section(page: BeautifulSoup, title: str) -> Tag:
    heading = page.find("h2", string=title)
    assert heading is not None
    assert heading.parent is not None
    return heading.parent


def result(name: str, points: float, most: float = 4, *checks: CheckResult) -> ExerciseResult:
    return ExerciseResult(name, points, most, list(checks))


@pytest.mark.parametrize("students", [1, 12, 1000])
def test_a_class_of_any_size_is_a_page(students: int) -> None:
    class_ = class_of(students)
    html = render_report(ASSIGNMENT, class_)
    assert len(html.encode()) < 30_000 + 1_500 * len(class_)
    rows = section(BeautifulSoup(html, "html.parser"), "Everyone").select("tbody tr")
    assert [row.th.text.strip() for row in rows if row.th] == [one.student for one in class_]


def test_a_large_class_with_many_exercises_stays_small() -> None:
    names = [f"exercise_{number}" for number in range(9)]
    results = [earned(program) for program in programs("misconception")[:8]] + [untouched()]
    class_ = [
        verdict(*(replace(results[(i + j) % 9], name=name) for j, name in enumerate(names)), student=f"{i:04}")
        for i in range(1000)
    ]
    assert len(render_report(ASSIGNMENT, class_).encode()) < 4_000_000


def test_no_class_and_no_grades_are_said_plainly() -> None:
    assert "Nothing was graded" in words(page_of())
    text = words(page_of(rejected("ada"), missing("bob"), failed("cyd")))
    assert "Nothing was graded" in text
    assert "1 rejected, 1 failed in the grader, 1 with nothing handed in" in text


@settings(deadline=None)
@given(st.integers(1, 10_000).flatmap(lambda most: st.tuples(st.just(most / 4), st.lists(st.floats(0, most / 4)))))
def test_every_student_is_in_the_histogram_once(case: tuple[float, list[float]]) -> None:
    most, earned_points = case
    bins = histogram(earned_points, most)
    assert sum(one.count for one in bins) == len(earned_points)
    assert len(bins) <= BINS
    assert (bins[0].low, bins[-1].high) == (0, most)
    assert all(one.high == other.low for one, other in pairwise(bins))


def test_the_histogram_counts_and_full_points_are_in_its_last_bin() -> None:
    counts = {one.low: one.count for one in histogram([0, 0, 3, 3.2, 5.75, 6], 6) if one.count}
    assert counts == {0: 2, 3: 2, 5.5: 2}


def test_the_picture_says_what_the_table_says() -> None:
    class_ = class_of(12)
    distribution = section(page_of(*class_), "Distribution of points")
    drawn = [int(text.text) for text in distribution.select("svg text.value")]
    table = [int(cell.text) for cell in distribution.select("tbody td")]
    assert drawn == [count for count in table if count]
    assert sum(table) == sum(one.status == "graded" for one in class_)
    plot = distribution.svg
    assert plot is not None
    assert plot["role"] == "img"
    assert plot.title is not None
    assert plot["aria-labelledby"] == plot.title["id"]


def test_exercise_statistics() -> None:
    passed = CheckResult("c", True, 4, 4)
    lost = CheckResult("c", False, 0, 4)
    crash = replace(result("b", 0, 2), message="its cell did not end within 30 seconds.")
    found = exercise_statistics(
        [
            [result("a", 4, 4, passed), result("b", 1, 2)],
            [result("a", 0, 4, lost), crash],
            [result("a", 2, 4, replace(lost, tried=False))],
        ]
    )
    assert [(one.name, one.max, one.mean, one.full, one.zero, one.crashed, one.students) for one in found] == [
        ("a", 4, 2, 1, 1, 0, 3),
        ("b", 2, 0.5, 0, 1, 1, 2),
    ]
    (check,) = found[0].checks
    assert (check.passed, check.untried, check.students) == (1, 1, 3)
    assert (check.mean, check.max) == (pytest.approx(4 / 3), 4)


def test_discrimination_compares_an_exercise_with_all_others() -> None:
    class_ = [
        [result("easy", 4), result("good", good), result("rest", rest), result("inverted", 4 - rest)]
        for good, rest in ((0, 0), (1, 1), (3, 2), (4, 4))
    ]
    easy, good, rest, inverted = (one.discrimination for one in exercise_statistics(class_))
    assert easy is None, "all have the same points"
    assert good is None, "what the others add up to is the same for all"
    assert rest is not None
    assert inverted is not None
    assert inverted == pytest.approx(-0.98, abs=0.01)
    assert discrimination([0, 1, 2, 4], [0.0, 1.0, 3.0, 4.0]) == pytest.approx(9 / math.sqrt(87.5))
    assert discrimination([1.0], [2.0]) is None
    assert discrimination([0.1 + 0.2, 0.3, 0.3], [1, 2, 3]) is None, "the rounding of a sum is no difference"


@given(st.lists(st.tuples(st.integers(0, 16), st.integers(0, 40)), max_size=30))
def test_discrimination_is_a_correlation_or_nothing(points: list[tuple[int, int]]) -> None:
    ours, others = [a / 4 for a, _ in points], [b / 4 for _, b in points]
    found = discrimination(ours, others)
    assert (found is None) == (len(set(ours)) < 2 or len(set(others)) < 2)
    assert found is None or -1.0000001 <= found <= 1.0000001


def test_check_pass_rates_are_those_of_the_class() -> None:
    right, wrong = earned(programs("reference")[0]), untouched()
    class_ = [verdict(found, student=str(i)) for i, found in enumerate([right, right, wrong])]
    exercises = section(page_of(*class_), "Exercises")
    rows = [words(row) for row in exercises.select("table.checks tbody tr")]
    assert rows == [
        f"{check.name} 67 % {points(check.max * 2 / 3)} of {points(check.max)} {int(not check.tried)}"
        for check in wrong.checks
    ]


def test_the_page_and_the_figures_say_the_same() -> None:
    class_ = class_of(60)
    page, figures = page_of(*class_), class_statistics(ASSIGNMENT, class_).to_json()
    assert json.loads(json.dumps(figures)) == figures
    rows = section(page, "Exercises").select("table.exercises tbody tr")
    assert [words(row).split()[0] for row in rows] == [one["name"] for one in figures["exercises"]] == [EXERCISE]
    assert figures["exercises"][0]["crashed"] == sum(bool(e.message) for v in class_ for e in v.exercises)
    assert {held["diagnosis"]["name"]: len(held["students"]) for held in figures["misconceptions"]} == {
        str(row.th.contents[0]).strip(): int(words(row.td))
        for row in section(page, "Misconceptions").select("tbody tr")
        if row.th and row.td
    }
    assert [words(row).split()[0] for row in section(page, "Slowest submissions").select("tbody tr")] == [
        one["student"] for one in figures["slowest"]
    ]
    assert sum(one["count"] for one in figures["distribution"]) == figures["statuses"]["graded"]


def test_every_name_leads_to_that_student_on_the_page() -> None:
    wrong = earned(programs("misconception")[0])
    page = page_of(verdict(wrong, student="ada", notes=["cell 3 did not end"]), rejected("bob"), missing("cyd"))
    for link in page.select("table a"):
        (article,) = page.select(str(link["href"]))
        assert article.h3 is not None
        assert words(article.h3) == words(link)
    ada, bob, cyd = (words(article) for article in page.select("article.student"))
    assert f"{points(wrong.points)} of {points(wrong.max)} {programs('misconception')[0].name}" in ada
    assert "cell 3 did not end" in ada
    assert "rejected the file is not JSON" in bob
    assert "missing" in cyd


def test_misconceptions_come_by_frequency_and_a_student_counts_once() -> None:
    rare, common = programs("misconception")[:2]
    class_ = [
        verdict(earned(rare), student="ada"),
        verdict(earned(common), student="bob"),
        verdict(earned(common), student="cyd"),
        verdict(earned(programs("reference")[0]), student="dan"),
    ]
    found = misconceptions(class_)
    assert [(one.exercise, one.diagnosis, one.students) for one in found] == [
        (EXERCISE, Diagnosis(common.name, common.hint), ["bob", "cyd"]),
        (EXERCISE, Diagnosis(rare.name, rare.hint), ["ada"]),
    ]
    first, _ = section(page_of(*class_), "Misconceptions").select("tbody tr")
    assert words(first) == " ".join(f"2 {common.name} {EXERCISE} {common.hint} bob , cyd".split())


def test_who_needs_help_comes_by_trouble_and_says_why() -> None:
    wrong = result("a", 1, 4, CheckResult("adds up", False, 0, 3, came="7"))
    class_ = [
        verdict(wrong, student="half"),
        missing("absent"),
        replace(crashed("stuck"), exercises=[*crashed("stuck").exercises, result("b", 4)]),
        failed("unlucky"),
        rejected("broken"),
        verdict(untouched(), student="nothing"),
        verdict(result("a", 3), student="fine"),
    ]
    found = needs_help(class_)
    assert [(one.student, one.trouble) for one in found] == [
        ("nothing", "zero points"),
        ("broken", "file rejected"),
        ("unlucky", "grader failed"),
        ("stuck", "crashed"),
        ("absent", "nothing handed in"),
        ("half", "under half"),
    ]
    reasons = {one.student: " ".join(one.reasons) for one in found}
    assert "the stub still raises NotImplementedError" in reasons["nothing"]
    assert "the file is not JSON" in reasons["broken"]
    assert "the worker was killed" in reasons["unlucky"]
    assert "the cell did not end within 30 seconds" in reasons["stuck"]
    assert reasons["half"] == "a: adds up; came 7"
    rows = section(page_of(*class_), "Who needs help").select("tbody tr")
    assert [row.th.text.strip() for row in rows if row.th] == [one.student for one in found]


def test_repairs_and_the_slowest_are_listed() -> None:
    repaired = verdict(untouched(), student="ada", notes=["cell “memory_hop” stood twice"], wall_seconds=0.5)
    slow = verdict(untouched(), student="bob", wall_seconds=90.0)
    page = page_of(repaired, slow)
    assert [words(row) for row in section(page, "Failures and repairs").select("tbody tr")] == [
        "ada graded cell “memory_hop” stood twice"
    ]
    slowest = section(page, "Slowest submissions").select("tbody tr")
    assert [words(row) for row in slowest] == ["bob 1 min 30 s 0.9 s", "ada 0.5 s 0.9 s"]


def test_differing_seeds_and_versions_are_counted() -> None:
    class_ = [verdict(untouched(), student=str(number), seed=seed) for number, seed in enumerate([7, 7, 8])]
    foot = words(page_of(*class_).footer)
    assert "Seed 7 (2); 8 (1)" in foot
    assert "Sandbox namespaces" in foot
    assert "Versions lookback 0.1.0, torch 2.13.0" in foot


@pytest.mark.parametrize(
    "text", ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "\u202e\x1b[31m", "x" * 10**6]
)
def test_hostile_text_is_only_text(text: str) -> None:
    def tags(said: str) -> Counter[str]:
        lost = ExerciseResult("a", 0, 4, [CheckResult("c", False, 0, 4, came=said)])
        page = page_of(
            verdict(lost, student=said, notes=[said]),
            verdict(ExerciseResult("a", 0, 4, message=said), student="bob"),
            replace(rejected(said), notes=[said]),
        )
        assert len(str(page)) < 60_000
        return Counter(f"{tag.name} {sorted(tag.attrs)}" for tag in page.find_all(True))

    assert tags(text) == tags("quiet")


def test_the_report_links_to_the_feedback_that_is_there(course_directory: Path) -> None:
    course = Course(course_directory)
    class_ = [verdict(untouched(), student="ada & bob"), missing("cyd")]
    (page,) = write_feedback(course, ASSIGNMENT, class_)
    path = write_report(course, ASSIGNMENT, class_)
    assert path == course_directory / "report" / f"{ASSIGNMENT}.html"
    links = {str(link["href"]) for link in BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser").select("a")}
    links = {link for link in links if not link.startswith("#")}
    assert links == {f"../feedback/ada%20%26%20bob/{ASSIGNMENT}/{ASSIGNMENT}.html"}
    assert (path.parent / links.pop().replace("%20", " ").replace("%26", "&")).resolve() == page
