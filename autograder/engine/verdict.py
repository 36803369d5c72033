"""The verdict: everything that grading one submission found. Gradebook, feedback, report, exports are made from it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Any, Literal

from autograder.result import CheckResult, Diagnosis, ExerciseResult

Status = Literal["graded", "rejected", "missing", "failed"]
ON_THE_CPU = "It was graded on the CPU: "
"""So begins the note on a submission that a GPU was asked for and could not be had; the reason follows."""


@dataclass(frozen=True)
class Verdict:
    """One submission, graded.

    `status` is "graded" (each exercise has its points, whatever happened inside), "rejected" (the file is not a
    notebook that can be read; `notes` says why), "missing" (nothing was handed in) or "failed" (the grader itself
    failed; no points are recorded). `submission` is the SHA-256 of the file. `tier` names the sandbox. Seconds are of
    the whole submission. `notes` are sentences for the instructor: repairs, cells that failed, cells that did not run;
    the first `repaired` of them are on repairs.
    """

    assignment: str
    student: str
    status: Status
    submission: str
    seed: int
    tier: str
    device: str
    versions: Mapping[str, str]
    wall_seconds: float
    cpu_seconds: float
    exercises: list[ExerciseResult] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    repaired: int = 0

    @property
    def points(self) -> float:
        return sum(exercise.points for exercise in self.exercises)

    @property
    def max(self) -> float:
        return sum(exercise.max for exercise in self.exercises)

    def to_json(self) -> dict[str, Any]:
        """Nested dictionaries; `dataclasses.asdict` copies every text and takes ten times as long."""
        return {**vars(self), "exercises": [_exercise_json(exercise) for exercise in self.exercises]}

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> Verdict:
        return Verdict(**{**data, "exercises": [_exercise(exercise) for exercise in data["exercises"]]})


def schema() -> dict[str, Any]:
    """The published JSON schema of a verdict (`autograder/engine/verdict.schema.json`)."""
    loaded: dict[str, Any] = json.loads(files("autograder.engine").joinpath("verdict.schema.json").read_text())
    return loaded


def _exercise_json(exercise: ExerciseResult) -> dict[str, Any]:
    return {**vars(exercise), "checks": [_check_json(check) for check in exercise.checks]}


def _check_json(check: CheckResult) -> dict[str, Any]:
    named = check.misconception
    return {**vars(check), "misconception": vars(named) if named else None}


def _exercise(data: Mapping[str, Any]) -> ExerciseResult:
    return ExerciseResult(**{**data, "checks": [_check(check) for check in data["checks"]]})


def _check(data: Mapping[str, Any]) -> CheckResult:
    named = data["misconception"]
    return CheckResult(**{**data, "misconception": Diagnosis(**named) if named else None})
