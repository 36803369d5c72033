"""Test the tests: every program of a bank against every check, and what that says about the bank."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch

from autograder.bank import Bank, load_bank
from autograder.course.bank import bank_of
from autograder.course.course import Course
from autograder.course.notebook import read, stubs
from autograder.course.unfinished import MARK, unfinished
from solutions.programs import Program, reference

STUB = "stub"


@dataclass(frozen=True)
class Row:
    """One program against the checks of its exercise.

    `named`: the misconception that every check names which was tried and failed; None where they name none or several.
    """

    exercise: str
    kind: str
    name: str
    points: float
    max: float
    passed: tuple[bool, ...]
    named: str | None


@dataclass(frozen=True)
class Validation:
    """The rows of a bank, by its first seed, and what is wrong with them or differs with another seed."""

    rows: list[Row]
    findings: list[str]

    def to_json(self) -> dict[str, Any]:
        """By exercise: its maximum, and the points of each program."""
        found: dict[str, Any] = {}
        for row in self.rows:
            entry = found.setdefault(
                row.exercise, {"points": row.max, "reference": 0.0, "variants": {}, "misconceptions": {}}
            )
            if row.kind == "reference":
                entry["reference"] = row.points
            elif row.kind == "variant":
                entry["variants"][row.name] = row.points
            elif row.kind == "misconception":
                entry["misconceptions"][row.name] = {"points": row.points, "named": row.named}
        return found


def validate(course: Course, assignment: str, seeds: int = 1, advance: Callable[[], None] = lambda: None) -> Validation:
    """Grade every reference, variant, misconception and stub in this process, with the seeds 0 to seeds - 1.

    Right are: full points for references and variants, fewer for misconceptions and each named as itself, none for
    stubs, and the same with every seed. Where a program is still to be written, the findings say so, and nothing else
    of its exercise. `advance` is called after each seed.
    Example: `validate(Course("."), "04_attention").findings`
    """
    bank, untouched = bank_of(course, assignment), stubs(read(course.source(assignment)))
    untouched = {name: source for name, source in untouched.items() if name in bank.exercises}
    drafts = _drafts(bank)
    findings = unfinished(course, assignment)
    findings += [f"{name}: no stub in the notebook defines it" for name in bank.exercises if name not in untouched]
    first: list[Row] = []
    for seed, rows in enumerate(_tables(assignment, untouched, seeds)):
        if seed == 0:
            first = rows
            findings += [finding for row in rows if row.exercise not in drafts and (finding := _finding(row, bank))]
        findings += [
            f"{one.exercise}, {one.name!r}: seed {seed} gives {_told(two)}, seed 0 {_told(one)}"
            for one, two in zip(first, rows, strict=True)
            if one != two
        ]
        advance()
    return Validation(first, findings)


def _drafts(bank: Bank) -> set[str]:
    """The exercises of which a program is still to be written."""
    made = [*bank.programs, *(reference(bank.unit, exercise) for exercise in bank.exercises)]
    return {program.exercise for program in made if MARK in program.name + program.source}


def wrong_programs(bank: Bank, exercises: Sequence[str], advance: Callable[[], None] = lambda: None) -> list[str]:
    """What is wrong with the references, variants and misconceptions of these exercises, by one seed.

    `advance` is called after each exercise.
    Example: `wrong_programs(load_bank("04_attention"), ["memory_hop"])`
    """
    torch.set_num_threads(1)
    found: list[str] = []
    for exercise in exercises:
        found += [finding for row in _rows(bank, exercise, {}, seed=0) if (finding := _finding(row, bank))]
        advance()
    return found


def _tables(assignment: str, untouched: Mapping[str, str], seeds: int) -> Iterator[list[Row]]:
    table = partial(_table, assignment, dict(untouched))
    if seeds == 1:
        yield table(0)
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(seeds, os.cpu_count() or 1), mp_context=context) as pool:
        yield from pool.map(table, range(seeds))


def _table(assignment: str, untouched: Mapping[str, str], seed: int) -> list[Row]:
    torch.set_num_threads(1)
    load_bank.cache_clear()  # with the bank goes what its misconceptions answered to the last seed
    bank = load_bank(assignment)
    return [row for exercise in bank.exercises for row in _rows(bank, exercise, untouched, seed)]


def _rows(bank: Bank, exercise: str, untouched: Mapping[str, str], seed: int) -> list[Row]:
    return [_row(bank, kind, program, seed) for kind, program in _programs(bank, exercise, untouched)]


def _programs(bank: Bank, exercise: str, untouched: Mapping[str, str]) -> Iterator[tuple[str, Program]]:
    yield "reference", reference(bank.unit, exercise)
    yield from ((program.kind, program) for program in bank.programs if program.exercise == exercise)
    if exercise in untouched:
        yield STUB, Program(exercise, "misconception", STUB, untouched[exercise])


def _row(bank: Bank, kind: str, program: Program, seed: int) -> Row:
    result = bank.grade(program.exercise, bank.answerer(program), seed)
    failed = [check for check in result.checks if check.tried and not check.passed]
    names = {check.misconception.name if check.misconception else None for check in failed}
    named = names.pop() if len(names) == 1 else None
    passed = tuple(check.passed for check in result.checks)
    return Row(program.exercise, kind, program.name, result.points, result.max, passed, named)


def _finding(row: Row, bank: Bank) -> str:
    where = f"{row.exercise}, {row.kind} {row.name!r}"
    checks = [
        check.name for check, passed in zip(bank.exercises[row.exercise].checks, row.passed, strict=True) if not passed
    ]
    if row.kind in ("reference", "variant") and row.points < row.max:
        return f"{where}: {row.points:g} of {row.max:g} points, though it is right: mend it, or the check {checks[0]!r}"
    if row.kind == "misconception" and row.points >= row.max:
        return f"{where}: full points, though it is wrong: add a check that it fails"
    if row.kind == "misconception" and row.named != row.name:
        return f"{where}: it is named as {row.named!r}"
    if row.kind == STUB and row.points > 0:
        return f"{where}: it earns {row.points:g} points: mend the stub, or the checks that it passes"
    return ""


def _told(row: Row) -> str:
    checks = "".join("✓" if passed else "✗" for passed in row.passed)
    return f"{row.points:g} points ({checks}, named {row.named!r})"
