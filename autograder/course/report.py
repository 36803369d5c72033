"""The class report: one page for the instructor, made from the verdicts of one assignment."""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from statistics import fmean, median
from typing import Literal, get_args
from urllib.parse import quote

from autograder.course.course import Course
from autograder.course.pages import full, plain, render
from autograder.engine.verdict import Verdict
from autograder.result import CheckResult, Diagnosis, ExerciseResult

SLOWEST = 10
"""How many of the slowest submissions are listed."""

REASONS = 3
"""How many reasons are given for each student who needs help."""

STEPS = (0.25, 0.5, 1, 2, 2.5, 5, 10, 20, 25, 50, 100)
"""Widths of a bin of the histogram, in points; the first that makes at most BINS bins is taken, else hundreds."""

BINS = 12

Trouble = Literal["zero points", "file rejected", "grader failed", "crashed", "nothing handed in", "under half"]
TROUBLES: tuple[Trouble, ...] = get_args(Trouble)


@dataclass(frozen=True)
class Bin:
    """How many students have from `low` up to, and without, `high` points; the last bin includes `high`."""

    low: float
    high: float
    count: int


@dataclass(frozen=True)
class CheckStatistics:
    name: str
    passed: int
    untried: int
    students: int


@dataclass(frozen=True)
class ExerciseStatistics:
    """One exercise over all graded submissions."""

    name: str
    max: float
    mean: float
    full: int
    zero: int
    students: int
    checks: list[CheckStatistics]


@dataclass(frozen=True)
class Held:
    """A misconception of one exercise, and the students who hold it."""

    exercise: str
    diagnosis: Diagnosis
    students: list[str]


@dataclass(frozen=True)
class Help:
    """A student who needs help, and why."""

    verdict: Verdict
    trouble: Trouble
    reasons: list[str]


def histogram(earned: Sequence[float], most: float) -> list[Bin]:
    """The distribution of points over 0 to `most`. Example: `histogram([0, 3, 6], 6)[-1]` is `Bin(5.5, 6, 1)`."""
    if most <= 0:
        return []
    step = next((step for step in STEPS if most / step <= BINS), 100 * ceil(most / BINS / 100))
    bins = ceil(most / step)
    counts = Counter(min(int(points / step), bins - 1) for points in earned)
    return [Bin(i * step, min((i + 1) * step, most), counts[i]) for i in range(bins)]


def exercise_statistics(results: Iterable[ExerciseResult]) -> list[ExerciseStatistics]:
    """The statistics of each exercise, in the order in which they first come."""
    by_name: defaultdict[str, list[ExerciseResult]] = defaultdict(list)
    for result in results:
        by_name[result.name].append(result)
    return [
        ExerciseStatistics(
            name,
            max(result.max for result in same),
            fmean(result.points for result in same),
            sum(full(result.points, result.max) for result in same),
            sum(result.points == 0 for result in same),
            len(same),
            _check_statistics(same),
        )
        for name, same in by_name.items()
    ]


def _check_statistics(results: Sequence[ExerciseResult]) -> list[CheckStatistics]:
    by_name: defaultdict[str, list[CheckResult]] = defaultdict(list)
    for result in results:
        for check in result.checks:
            by_name[check.name].append(check)
    return [
        CheckStatistics(name, sum(c.passed for c in same), sum(not c.tried for c in same), len(same))
        for name, same in by_name.items()
    ]


def misconceptions(verdicts: Iterable[Verdict]) -> list[Held]:
    """Every misconception that was named, the most frequent first."""
    held: defaultdict[tuple[str, Diagnosis], list[str]] = defaultdict(list)
    for verdict in verdicts:
        for exercise in verdict.exercises:
            for diagnosis in dict.fromkeys(check.misconception for check in exercise.checks):
                if diagnosis:
                    held[exercise.name, diagnosis].append(verdict.student)
    found = [Held(exercise, diagnosis, students) for (exercise, diagnosis), students in held.items()]
    return sorted(found, key=lambda one: -len(one.students))


def needs_help(verdicts: Iterable[Verdict]) -> list[Help]:
    """The students who need help, by the kind of trouble, then by points."""
    found = [Help(v, trouble, _reasons(v)) for v in verdicts if (trouble := _trouble(v))]
    return sorted(found, key=lambda one: (TROUBLES.index(one.trouble), one.verdict.points, one.verdict.student))


def _trouble(verdict: Verdict) -> Trouble | None:
    if verdict.status == "rejected":
        return "file rejected"
    if verdict.status == "failed":
        return "grader failed"
    if verdict.status == "missing":
        return "nothing handed in"
    if verdict.points == 0:
        return "zero points"
    if any(exercise.message for exercise in verdict.exercises):
        return "crashed"
    return "under half" if verdict.points < verdict.max / 2 else None


def _reasons(verdict: Verdict) -> list[str]:
    """What went wrong, an exercise a line; the notes where nothing was graded."""
    if verdict.status != "graded":
        return verdict.notes[:REASONS]
    return [f"{e.name}: {_reason(e)}" for e in verdict.exercises if not full(e.points, e.max)][:REASONS]


def _reason(exercise: ExerciseResult) -> str:
    if exercise.message:
        return plain(exercise.message, 200)
    failed = [check for check in exercise.checks if not check.passed]
    named = next((check.misconception for check in failed if check.misconception), None)
    if named:
        return named.name
    return plain(f"{failed[0].name}; came {failed[0].came}", 200) if failed else "points lost"


def render_report(assignment: str, verdicts: Iterable[Verdict], pages: Mapping[str, str] | None = None) -> str:
    """The report on one assignment, self-contained. `pages` are addresses of the students' feedback, by student.

    Example: `Path("report.html").write_text(render_report("04_attention", verdicts), encoding="utf-8")`
    """
    everyone = sorted(verdicts, key=lambda verdict: verdict.student)
    graded = [verdict for verdict in everyone if verdict.status == "graded"]
    most = max((verdict.max for verdict in graded), default=0.0)
    earned = [verdict.points for verdict in graded]
    return render(
        "report.html.j2",
        assignment=assignment,
        everyone=everyone,
        rows=[(v, {e.name: e for e in v.exercises} if v.status == "graded" else {}) for v in everyone],
        graded=graded,
        statuses=Counter(verdict.status for verdict in everyone),
        most=most,
        mean=fmean(earned) if earned else 0.0,
        median=median(earned) if earned else 0.0,
        full=sum(full(verdict.points, verdict.max) for verdict in graded),
        bins=histogram(earned, most),
        exercises=exercise_statistics(result for verdict in graded for result in verdict.exercises),
        misconceptions=misconceptions(graded),
        help=needs_help(everyone),
        slowest=sorted(everyone, key=lambda verdict: -verdict.wall_seconds)[:SLOWEST],
        cpu=sum(verdict.cpu_seconds for verdict in everyone),
        facts=_facts(everyone),
        pages=pages or {},
    )


def _facts(verdicts: Sequence[Verdict]) -> list[tuple[str, Counter[str]]]:
    """What the grading depended on, and how many verdicts each value holds for."""
    ran = [verdict for verdict in verdicts if verdict.status != "missing"]
    return [
        ("Seed", Counter(str(verdict.seed) for verdict in ran)),
        ("Sandbox", Counter(verdict.tier for verdict in ran)),
        ("Device", Counter(verdict.device for verdict in ran)),
        ("Versions", Counter(", ".join(f"{k} {v}" for k, v in sorted(one.versions.items())) for one in ran)),
    ]


def write_report(course: Course, assignment: str, verdicts: Sequence[Verdict]) -> Path:
    """Write the report of an assignment into `report/` of the course, with links to the feedback that is there."""
    path = Path(course.nbgrader.root) / "report" / f"{assignment}.html"
    path.parent.mkdir(parents=True, exist_ok=True)
    found = {verdict.student: course.feedback(assignment, verdict.student) for verdict in verdicts}
    pages = {
        student: quote(Path(os.path.relpath(page, path.parent)).as_posix())
        for student, page in found.items()
        if page.is_file()
    }
    path.write_text(render_report(assignment, verdicts, pages), encoding="utf-8")
    return path
