"""Feedback: one page per student, made from the verdict and from what a person gave and wrote."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from autograder.course.course import Course
from autograder.course.gradebook import SECRET, stamp, submission_secret, submission_time
from autograder.course.marks import Mark, Marks
from autograder.course.pages import full, render
from autograder.engine.verdict import Verdict
from autograder.result import CheckResult, Diagnosis, ExerciseResult


@dataclass(frozen=True)
class Section:
    """One exercise, as its student should read it.

    `points` are those that a person gave, where one did (`by_hand`), else those of the checks. `misconceptions`: each
    once, with the checks that it explains. `waiting`: why checks were not tried, and which.
    """

    result: ExerciseResult
    points: float
    by_hand: bool
    misconceptions: list[tuple[Diagnosis, list[CheckResult]]]
    failed: list[CheckResult]
    waiting: list[tuple[str, list[CheckResult]]]
    passed: list[CheckResult]

    @property
    def full(self) -> bool:
        return full(self.points, self.result.max)


def section(result: ExerciseResult, by_hand: float | None = None) -> Section:
    """Sort the checks of an exercise by what a student can learn from them; `by_hand` are the points of a person."""
    misconceptions: dict[Diagnosis, list[CheckResult]] = {}
    waiting: dict[str, list[CheckResult]] = {}
    for check in result.checks:
        if check.misconception:
            misconceptions.setdefault(check.misconception, []).append(check)
        if not check.tried:
            waiting.setdefault(check.came, []).append(check)
    return Section(
        result,
        result.points if by_hand is None else by_hand,
        by_hand is not None,
        list(misconceptions.items()),
        [check for check in result.checks if check.tried and not check.passed],
        list(waiting.items()),
        [check for check in result.checks if check.passed],
    )


def render_feedback(verdict: Verdict, marks: Marks | None = None) -> str:
    """The page of one submission, self-contained; without `marks` the points are those of the checks.

    Example: `Path("ada.html").write_text(render_feedback(verdict), encoding="utf-8")`
    """
    results = verdict.exercises if verdict.status == "graded" else []
    marks = marks if marks and verdict.student in marks.students else _by_checks(verdict)
    mark = marks.students[verdict.student]
    checked = {result.name for result in results}
    undecided = [name for name in mark.waiting if name not in mark.by_hand]
    return render(
        "feedback.html.j2",
        verdict=verdict,
        mark=mark,
        most=marks.most,
        max=marks.max,
        undecided=undecided,
        undecided_points=sum(marks.most[name] for name in undecided),
        sections=[section(r, mark.points[r.name] if r.name in mark.by_hand else None) for r in results],
        for_a_person=[n for n in marks.most if n not in checked and (results or n in mark.by_hand)],
        elsewhere={n: text for n, text in mark.comments.items() if n not in checked and n not in marks.most},
    )


def _by_checks(verdict: Verdict) -> Marks:
    """The marks where no gradebook is asked."""
    points = {result.name: result.points for result in verdict.exercises}
    most = {result.name: result.max for result in verdict.exercises}
    return Marks(verdict.assignment, most, {verdict.student: Mark(verdict.student, None, 0.0, points)})


def write_feedback(
    course: Course, assignment: str, verdicts: Iterable[Verdict], marks: Marks | None = None
) -> list[Path]:
    """Write a page for everybody who handed something in, where nbgrader keeps feedback. Returns the pages.

    Beside it stands what `nbgrader release_feedback` needs to give it back through the exchange.
    Example: `write_feedback(Course("demo"), "04_attention", verdicts, *marks_of(Course("demo"), "04_attention"))`
    """
    pages = []
    for verdict in verdicts:
        if verdict.status == "missing":
            continue
        page = course.feedback(assignment, verdict.student)
        page.parent.mkdir(parents=True, exist_ok=True)
        page.write_text(render_feedback(verdict, marks), encoding="utf-8")
        handed_in = course.submitted(assignment, verdict.student).parent
        stamp(page.parent, submission_time(handed_in))
        if secret := submission_secret(handed_in):
            (page.parent / SECRET).write_bytes(secret)
        pages.append(page)
    return pages
