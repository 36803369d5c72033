"""Verdicts to make pages from: real programs of the bank, graded in this process."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from itertools import cycle, islice
from typing import Any, NoReturn

import torch

from autograder.bank import load_bank
from autograder.checks.subject import local
from autograder.engine.verdict import Verdict
from autograder.result import ExerciseResult
from solutions.programs import Program, reference

ASSIGNMENT = "04_attention"
EXERCISE = "scaled_dot_product_attention"
SEED = 7

torch.set_num_threads(1)


@cache
def programs(kind: str, exercise: str = EXERCISE) -> list[Program]:
    """The bank's programs of one kind for one exercise."""
    bank = load_bank(ASSIGNMENT)
    made = [reference(bank.unit, exercise), *bank.programs]
    return [program for program in made if program.exercise == exercise and program.kind == kind]


@cache
def earned(program: Program) -> ExerciseResult:
    """What a program earns."""
    bank = load_bank(ASSIGNMENT)
    return bank.grade(program.exercise, bank.answerer(program), SEED)


@cache
def untouched(exercise: str = EXERCISE) -> ExerciseResult:
    """What a stub earns."""
    return load_bank(ASSIGNMENT).grade(exercise, local({exercise: _stub}), SEED)


def verdict(*exercises: ExerciseResult, student: str = "ada", **changes: Any) -> Verdict:
    """The verdict on a submission with these exercises."""
    values: dict[str, Any] = {
        "assignment": ASSIGNMENT,
        "student": student,
        "status": "graded",
        "submission": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "seed": SEED,
        "tier": "namespaces",
        "device": "cpu",
        "versions": {"lookback": "0.1.0", "torch": "2.13.0"},
        "wall_seconds": 1.4,
        "cpu_seconds": 0.9,
    }
    return Verdict(**{**values, "exercises": list(exercises), **changes})


def rejected(student: str) -> Verdict:
    return verdict(student=student, status="rejected", notes=["the file is not JSON: it ends in the middle of line 3"])


def missing(student: str) -> Verdict:
    return verdict(student=student, status="missing", submission="")


def failed(student: str) -> Verdict:
    return verdict(student=student, status="failed", notes=["the worker was killed, twice"])


def crashed(student: str) -> Verdict:
    nothing = ExerciseResult(EXERCISE, 0.0, untouched().max, message="the cell did not end within 30 seconds")
    return verdict(nothing, student=student, wall_seconds=31.0, notes=["cell 3 did not end within 30 seconds"])


def class_of(students: int) -> list[Verdict]:
    """A class: right, wrong in every named way, untouched, crashed, rejected, missing, failed, and round again."""
    results = [*(earned(program) for kind in ("reference", "misconception") for program in programs(kind)), untouched()]
    kinds: list[Callable[..., Verdict]] = [*(partial(verdict, found) for found in results), crashed, rejected]
    kinds += [missing, failed]
    return [make(student=f"student-{number:04}") for number, make in enumerate(islice(cycle(kinds), students), 1)]


def _stub(*arguments: object) -> NoReturn:
    raise NotImplementedError
