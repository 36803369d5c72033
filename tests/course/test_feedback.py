"""A student's page: what it says, and that nothing a student writes can do more than be read."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import pytest
from bs4 import BeautifulSoup, Tag
from hypothesis import example, given, settings
from hypothesis import strategies as st

from autograder.course.course import Course
from autograder.course.feedback import render_feedback, write_feedback
from autograder.course.pages import LONGEST, full, percent, plain, points, seconds
from autograder.engine.verdict import Verdict
from autograder.result import CheckResult, Diagnosis, ExerciseResult
from tests.course.verdicts import (
    ASSIGNMENT,
    EXERCISE,
    crashed,
    earned,
    failed,
    missing,
    programs,
    rejected,
    untouched,
    verdict,
)

HOSTILE = [
    "<script>alert(1)</script>",
    "<svg onload=alert(1)>",
    "</style></title></samp><img src=x onerror=alert(1)>",
    '" onmouseover="alert(1)',
    "[click](javascript:alert(1)) ![](http://example.org/beacon)",
    "{{ 7 * 7 }}{% include '/etc/passwd' %}",
    "\x1b[31mred\x1b[0m \x1b]8;;http://example.org\x07link\x1b]8;;\x07",
    "right \u202eesrever\u202c \u2066isolated\u2069",
    "half a \ud800 pair, \x00 nothing, \ufdd0 no character",
    "z" + "\u0301" * 500,
    "x" * 1_000_000,
    "\x1b[0m" * 250_000,
]


def page_of(found: Verdict) -> BeautifulSoup:
    return BeautifulSoup(render_feedback(found), "html.parser")


def text_of(found: Verdict) -> str:
    return " ".join(page_of(found).get_text(" ").split())


def skeleton(html: str) -> list[tuple[str, dict[str, object]]]:
    """Every tag of a page with its attributes."""
    return [(tag.name, dict(tag.attrs)) for tag in BeautifulSoup(html, "html.parser").find_all(True)]


def saying(text: str) -> Verdict:
    """A verdict that repeats `text` wherever a student's text may come."""
    check = CheckResult("a check", False, 0, 1, "a number", text, "a suspect", "an experiment")
    waiting = replace(check, name="another", tried=False, came="not tried")
    asked = ExerciseResult("asked", 0, 2, [check, waiting])
    return verdict(asked, ExerciseResult("silent", 0, 1, message=text), student=text, notes=[text])


def test_a_right_program_is_told_so() -> None:
    found = earned(programs("reference")[0])
    text = text_of(verdict(found, student="ada"))
    assert "Feedback for ada" in text
    assert "6 of 6 points" in text
    assert f"All {len(found.checks)} checks passed" in text
    assert "What this looks like" not in text
    assert "Expected" not in text


@pytest.mark.parametrize("number", [0, 1, -1])
def test_a_misconception_is_named_once_with_its_hint_and_its_evidence(number: int) -> None:
    program = programs("misconception")[number]
    found = earned(program)
    page = page_of(verdict(found))
    hint = page.select_one(".hint")
    assert isinstance(hint, Tag)
    assert len(page.select(".hint")) == 1
    assert program.name in hint.text
    assert " ".join(program.hint.split()) in " ".join(hint.text.split())
    tried = [check for check in found.checks if check.tried and not check.passed]
    cards = page.select("article.check")
    assert [" ".join(card.h3.text.split()).split("Failed: ")[1] for card in cards if card.h3] == [
        check.name for check in tried
    ]
    for card, check in zip(cards, tried, strict=True):
        assert [dd.get_text() for dd in card.select("dd")] == [
            check.expected,
            check.came,
            check.suspect,
            check.experiment,
        ]


def test_checks_that_wait_for_another_are_one_line() -> None:
    found = untouched()
    untried = [check for check in found.checks if not check.tried]
    assert len(untried) >= 5
    (summary,) = page_of(verdict(found)).select("summary")
    assert f"{len(untried)} more checks were not tried, because “{found.checks[0].name}” failed" in summary.text


def test_an_untouched_stub_reads_that_it_is_one() -> None:
    assert "nothing yet: the stub still raises NotImplementedError" in text_of(verdict(untouched()))


def test_two_misconceptions_in_one_exercise_are_told_apart() -> None:
    one = CheckResult("first", False, 0, 1, misconception=Diagnosis("swapped", "The order is the other one."))
    other = CheckResult("second", False, 0, 1, misconception=Diagnosis("no scale", "Divide by √d."))
    page = page_of(verdict(ExerciseResult("both", 0, 3, [one, replace(one, name="third"), other])))
    assert ["first; third" in hint.text for hint in page.select(".hint")] == [True, False]
    assert ["second" in hint.text for hint in page.select(".hint")] == [False, True]


def test_points_are_shown_for_each_exercise_and_together() -> None:
    wrong, right = earned(programs("misconception")[0]), replace(earned(programs("reference")[0]), name="memory_hop")
    page = page_of(verdict(wrong, right))
    rows = [[cell.text.split() for cell in row.select("th, td")] for row in page.select(".contents tbody tr")]
    assert [(row[0][-1], row[2][0]) for row in rows] == [(EXERCISE, points(wrong.points)), ("memory_hop", "6")]
    total = page.select_one(".total strong")
    assert isinstance(total, Tag)
    assert total.text == f"{points(wrong.points + 6)} of 12 points"
    for link in page.select(".contents a"):
        assert page.select_one(str(link["href"]))


def test_notes_are_shown() -> None:
    notes = [f"cell {number} stood twice: the later one was taken" for number in range(30)]
    text = text_of(verdict(untouched(), notes=notes))
    assert "cell 19 stood twice" in text
    assert "cell 20 stood twice" not in text
    assert "and 10 more" in text


def test_a_rejected_file_reads_why_and_what_to_do() -> None:
    text = text_of(rejected("bob"))
    assert "This file could not be graded" in text
    assert "the file is not JSON: it ends in the middle of line 3" in text
    assert "What to do" in text


def test_a_cell_that_crashed_reads_why() -> None:
    text = text_of(crashed("cyd"))
    assert "Nothing was checked here. the cell did not end within 30 seconds" in text


def test_the_graders_own_failure_is_not_the_students() -> None:
    text = text_of(failed("dan"))
    assert "That is not your mistake" in text
    assert "0 of" not in text


def test_what_a_second_grading_needs_is_at_the_foot() -> None:
    foot = page_of(verdict(untouched(), seed=1234567)).footer
    assert foot is not None
    text = " ".join(foot.get_text(" ").split())
    assert "Seed 1234567" in text
    assert "lookback 0.1.0, torch 2.13.0" in text
    assert "cpu, sandbox namespaces" in text


@pytest.mark.parametrize("make", [crashed, rejected, failed, missing])
def test_a_page_needs_nothing_but_itself(make: Callable[[str], Verdict]) -> None:
    html = render_feedback(make("ada"))
    page = BeautifulSoup(html, "html.parser")
    assert not page.select("script, link, img, iframe, object, [src], [srcset], [action]")
    assert all(str(link["href"]).startswith("#") for link in page.select("[href]"))
    assert not re.search(r"@import|url\(|https?:", html)
    policy = page.select_one("meta[http-equiv=Content-Security-Policy]")
    assert isinstance(policy, Tag)
    assert policy["content"] == "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


def test_no_solution_is_shown() -> None:
    pages = [page_of(verdict(earned(program))).get_text() for program in programs("misconception")]
    lines = [line.strip() for line in programs("reference")[0].source.splitlines()]
    telling = [line for line in lines if re.search(r"[=(]", line) and len(line) > 20]
    assert telling
    assert not [line for line in telling if any(line in page for page in pages)]


@settings(deadline=None)
@given(st.text(st.characters(), min_size=1))
@example("\ud800\udfff")
def test_any_text_is_only_text(text: str) -> None:
    html = render_feedback(saying(text))
    assert skeleton(html) == skeleton(render_feedback(saying("quiet")))
    assert all(char.isprintable() or char == "\n" for char in html)
    html.encode()


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: ascii(text[:20]))
def test_hostile_text_is_only_text(text: str) -> None:
    html = render_feedback(saying(text))
    assert skeleton(html) == skeleton(render_feedback(saying("quiet")))
    assert all(char.isprintable() or char == "\n" for char in html)
    assert len(html.encode()) < 60_000


def test_text_that_was_cut_says_so() -> None:
    assert plain("x" * 1_000_000) == "x" * LONGEST + "… (998,000 more characters)"
    assert plain("ok\n\ttab\u00a0space") == "ok\n    tab space"
    assert plain("\x1b[1;31mred\x1b[0m \u202e") == "red \\u202e"


@pytest.mark.parametrize(
    ("value", "shown"), [(0.0, "0"), (4.5, "4.5"), (100.0, "100"), (1 / 3, "0.33"), (0.1 + 0.2, "0.3")]
)
def test_points_are_short(value: float, shown: str) -> None:
    assert points(value) == shown


def test_full_and_nothing_are_never_rounded_to() -> None:
    assert [percent(part, 1000) for part in (0, 1, 500, 999, 1000)] == [0, 1, 50, 99, 100]
    assert percent(0, 0) == 0
    assert full(0.1 + 0.7, 0.8)
    assert not full(5.99, 6)
    assert [seconds(value) for value in (0.42, 75.2, 3600.0)] == ["0.4 s", "1 min 15 s", "60 min 0 s"]


def luminance(colour: str) -> float:
    """Relative luminance of a colour #rrggbb, WCAG 2.2."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("mode", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize(
    ("front", "backs"),
    [
        ("ink", ["paper", "card", "wash", "bad-wash", "hint-wash"]),
        ("soft", ["paper", "card", "wash", "hint-wash"]),
        ("good", ["paper", "card"]),
        ("bad", ["paper", "card"]),
        ("hint", ["hint-wash"]),
    ],
)
def test_text_stands_out_from_its_background(front: str, backs: list[str], mode: int) -> None:
    style = files("autograder.course").joinpath("templates/style.css.j2").read_text()
    colours = dict(re.findall(r"--([\w-]+): (#\w{6})", style.split("@media (prefers-color-scheme: dark)")[mode]))
    for back in backs:
        low, high = sorted([luminance(colours[front]), luminance(colours[back])])
        assert (high + 0.05) / (low + 0.05) >= 4.5, (front, back)


def test_everybody_who_handed_in_gets_a_page(course_directory: Path) -> None:
    course = Course(course_directory)
    class_ = [verdict(untouched(), student="ada"), rejected("bob"), failed("cyd"), missing("dan")]
    written = write_feedback(course, ASSIGNMENT, class_)
    folder = course_directory / "feedback"
    assert written == [folder / name / ASSIGNMENT / f"{ASSIGNMENT}.html" for name in ("ada", "bob", "cyd")]
    assert written[0].read_text(encoding="utf-8") == render_feedback(class_[0])
    assert not (folder / "dan").exists()
    assert write_feedback(course, ASSIGNMENT, class_) == written
