"""The figures of a class, from the verdicts on one assignment: what the report shows and what a program may read."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from math import ceil, fsum
from statistics import StatisticsError, correlation, fmean, median
from typing import Any, Literal, get_args

from autograder.course.pages import full, plain
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
    """One check: `mean` of `max` points, how many passed it, and how many got no further than an earlier one."""

    name: str
    max: float
    mean: float
    passed: int
    untried: int
    students: int


@dataclass(frozen=True)
class ExerciseStatistics:
    """One exercise over all graded submissions. `crashed` are those in which nothing of it could be checked."""

    name: str
    max: float
    mean: float
    full: int
    zero: int
    crashed: int
    students: int
    discrimination: float | None
    checks: list[CheckStatistics]


@dataclass(frozen=True)
class Held:
    """A misconception of one exercise, and the students who hold it."""

    exercise: str
    diagnosis: Diagnosis
    students: list[str]


@dataclass(frozen=True)
class Help:
    """A student who needs help, and why; without points where nothing was graded."""

    student: str
    trouble: Trouble
    points: float | None
    reasons: list[str]


@dataclass(frozen=True)
class Took:
    """How long a submission took, in seconds."""

    student: str
    wall_seconds: float
    cpu_seconds: float


@dataclass(frozen=True)
class ClassStatistics:
    """A class. Figures on points are of the graded submissions, and None where there is none of them."""

    assignment: str
    students: int
    statuses: dict[str, int]
    max: float
    mean: float | None
    median: float | None
    full: int
    distribution: list[Bin]
    exercises: list[ExerciseStatistics]
    misconceptions: list[Held]
    help: list[Help]
    repaired: dict[str, list[str]]
    cpu_seconds: float
    median_cpu_seconds: float | None
    slowest: list[Took]

    @property
    def graded(self) -> int:
        return self.statuses.get("graded", 0)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def class_statistics(assignment: str, verdicts: Iterable[Verdict]) -> ClassStatistics:
    """Example: `class_statistics("04_attention", verdicts).exercises[0].discrimination`"""
    everyone = sorted(verdicts, key=lambda verdict: verdict.student)
    graded = [verdict for verdict in everyone if verdict.status == "graded"]
    ran = [verdict.cpu_seconds for verdict in everyone if verdict.status != "missing"]
    most, earned = max((verdict.max for verdict in graded), default=0.0), [verdict.points for verdict in graded]
    return ClassStatistics(
        assignment=assignment,
        students=len(everyone),
        statuses=dict(Counter(verdict.status for verdict in everyone)),
        max=most,
        mean=fmean(earned) if earned else None,
        median=median(earned) if earned else None,
        full=sum(full(verdict.points, verdict.max) for verdict in graded),
        distribution=histogram(earned, most),
        exercises=exercise_statistics(verdict.exercises for verdict in graded),
        misconceptions=misconceptions(graded),
        help=needs_help(everyone),
        repaired={verdict.student: verdict.notes[: verdict.repaired] for verdict in everyone if verdict.repaired},
        cpu_seconds=fsum(ran),
        median_cpu_seconds=median(ran) if ran else None,
        slowest=[
            Took(verdict.student, verdict.wall_seconds, verdict.cpu_seconds)
            for verdict in sorted(everyone, key=lambda verdict: -verdict.wall_seconds)[:SLOWEST]
        ],
    )


def histogram(earned: Sequence[float], most: float) -> list[Bin]:
    """The distribution of points over 0 to `most`. Example: `histogram([0, 3, 6], 6)[-1]` is `Bin(5.5, 6, 1)`."""
    if most <= 0:
        return []
    step = next((step for step in STEPS if most / step <= BINS), 100 * ceil(most / BINS / 100))
    bins = ceil(most / step)
    counts = Counter(min(int(points / step), bins - 1) for points in earned)
    return [Bin(i * step, min((i + 1) * step, most), counts[i]) for i in range(bins)]


def exercise_statistics(submissions: Iterable[Sequence[ExerciseResult]]) -> list[ExerciseStatistics]:
    """The statistics of each exercise, in the order in which they first come."""
    students = [{result.name: result for result in results} for results in submissions]
    names = dict.fromkeys(name for results in students for name in results)
    return [_exercise(name, [results for results in students if name in results]) for name in names]


def _exercise(name: str, students: Sequence[Mapping[str, ExerciseResult]]) -> ExerciseStatistics:
    same = [results[name] for results in students]
    others = [fsum(other.points for other in results.values() if other.name != name) for results in students]
    return ExerciseStatistics(
        name=name,
        max=max(result.max for result in same),
        mean=fmean(result.points for result in same),
        full=sum(full(result.points, result.max) for result in same),
        zero=sum(result.points == 0 for result in same),
        crashed=sum(bool(result.message) for result in same),
        students=len(same),
        discrimination=discrimination([result.points for result in same], others),
        checks=_checks(same),
    )


def discrimination(points: Sequence[float], others: Sequence[float]) -> float | None:
    """The corrected item–total correlation: Pearson's r of the points of an exercise and of all others together.

    None where it is undefined: fewer than two students, or either the same for all of them, but for rounding.

    Example: `discrimination([0, 1, 2], [1, 3, 5])` is 1.0.
    """
    try:
        return correlation([round(value, 9) for value in points], [round(value, 9) for value in others])
    except StatisticsError:
        return None


def _checks(results: Sequence[ExerciseResult]) -> list[CheckStatistics]:
    by_name: defaultdict[str, list[CheckResult]] = defaultdict(list)
    for result in results:
        for check in result.checks:
            by_name[check.name].append(check)
    return [
        CheckStatistics(
            name=name,
            max=max(check.max for check in same),
            mean=fmean(check.points for check in same),
            passed=sum(check.passed for check in same),
            untried=sum(not check.tried for check in same),
            students=len(same),
        )
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
    found = [
        Help(v.student, trouble, v.points if v.status == "graded" else None, _reasons(v))
        for v in verdicts
        if (trouble := _trouble(v))
    ]
    return sorted(found, key=lambda one: (TROUBLES.index(one.trouble), one.points or 0, one.student))


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
    return [f"{e.name}: {reason(e)}" for e in verdict.exercises if not full(e.points, e.max)][:REASONS]


def reason(exercise: ExerciseResult) -> str:
    """In a line, why an exercise lost points."""
    if exercise.message:
        return plain(exercise.message, 200)
    failed = [check for check in exercise.checks if not check.passed]
    named = next((check.misconception for check in failed if check.misconception), None)
    if named:
        return named.name
    return plain(f"{failed[0].name}; came {failed[0].came}", 200) if failed else "points lost"
