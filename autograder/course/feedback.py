"""Feedback: one page per student, made from the verdict and from nothing else."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from autograder.course.course import Course
from autograder.course.pages import full, render
from autograder.engine.verdict import Verdict
from autograder.result import CheckResult, Diagnosis, ExerciseResult


@dataclass(frozen=True)
class Section:
    """One exercise, as its student should read it.

    `misconceptions`: each once, with the checks that it explains. `waiting`: why checks were not tried, and which.
    """

    result: ExerciseResult
    misconceptions: list[tuple[Diagnosis, list[CheckResult]]]
    failed: list[CheckResult]
    waiting: list[tuple[str, list[CheckResult]]]
    passed: list[CheckResult]

    @property
    def full(self) -> bool:
        return full(self.result.points, self.result.max)


def section(result: ExerciseResult) -> Section:
    """Sort the checks of an exercise by what a student can learn from them."""
    misconceptions: dict[Diagnosis, list[CheckResult]] = {}
    waiting: dict[str, list[CheckResult]] = {}
    for check in result.checks:
        if check.misconception:
            misconceptions.setdefault(check.misconception, []).append(check)
        if not check.tried:
            waiting.setdefault(check.came, []).append(check)
    return Section(
        result,
        list(misconceptions.items()),
        [check for check in result.checks if check.tried and not check.passed],
        list(waiting.items()),
        [check for check in result.checks if check.passed],
    )


def render_feedback(verdict: Verdict) -> str:
    """The page of one submission, self-contained.

    Example: `Path("ada.html").write_text(render_feedback(verdict), encoding="utf-8")`
    """
    sections = [section(exercise) for exercise in verdict.exercises] if verdict.status == "graded" else []
    return render("feedback.html.j2", verdict=verdict, sections=sections)


def write_feedback(course: Course, assignment: str, verdicts: Iterable[Verdict]) -> list[Path]:
    """Write a page for everybody who handed something in, where nbgrader keeps feedback. Returns the pages.

    Example: `write_feedback(Course("demo"), "04_attention", verdicts)`
    """
    pages = []
    for verdict in verdicts:
        if verdict.status == "missing":
            continue
        page = course.feedback(assignment, verdict.student)
        page.parent.mkdir(parents=True, exist_ok=True)
        page.write_text(render_feedback(verdict), encoding="utf-8")
        pages.append(page)
    return pages
