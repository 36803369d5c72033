"""What a check found, and what an exercise earned: plain data, ready for JSON."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Diagnosis:
    """A wrong program whose answers are the student's answers, by its name and its hint."""

    name: str
    hint: str


@dataclass(frozen=True)
class CheckResult:
    """One check of one exercise. `came` and `expected` are sentences; `came` may quote student text.

    `tried` is False where an earlier failure stood in the way; `came` then says which.
    """

    name: str
    passed: bool
    points: float
    max: float
    expected: str = ""
    came: str = ""
    suspect: str = ""
    experiment: str = ""
    misconception: Diagnosis | None = None
    tried: bool = True


@dataclass(frozen=True)
class ExerciseResult:
    """All checks of one exercise; `message` says why nothing was checked, where nothing was."""

    name: str
    points: float
    max: float
    checks: list[CheckResult] = field(default_factory=list)
    message: str = ""
