"""Planted faults: an assignment that is broken is not released, and one line says what to mend and where."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from autograder.bank import Bank
from autograder.checks.compare import CheckFailed
from autograder.checks.draw import Draw
from autograder.checks.exercise import Exercise
from autograder.checks.subject import Subject
from autograder.cli import app
from autograder.course import bank as module
from autograder.course import release as releasing
from autograder.course.course import Course
from solutions.programs import Program
from tests.course.small import (
    ASSIGNMENT,
    ATTENTION,
    HOP,
    bank,
    small_cells,
    source_of,
    write_notebook,
)

Cells = list[Any]
STUB, CHECK = 2, 3
"""The places of the cells of the first exercise in the small notebook."""


def release(course: Course, name: str = ASSIGNMENT) -> Result:
    return CliRunner().invoke(app, ["release", name, "--course", str(course.directory)])


def with_check(source: str) -> Callable[[Cells], None]:
    def change(cells: Cells) -> None:
        cells[CHECK].source = f"assert True\n### BEGIN HIDDEN TESTS\n{source}\n### END HIDDEN TESTS"

    return change


def with_stub(old: str, new: str) -> Callable[[Cells], None]:
    def change(cells: Cells) -> None:
        assert old in cells[STUB].source
        cells[STUB].source = cells[STUB].source.replace(old, new)

    return change


def with_grader(place: int, **about: Any) -> Callable[[Cells], None]:
    return lambda cells: cells[place].metadata["nbgrader"].update(about)


def without(place: int) -> Callable[[Cells], None]:
    return lambda cells: cells.pop(place)


HEAD = "query: Float[Tensor, 'B T d'], key: Float[Tensor, 'B S d'], value: Float[Tensor, 'B S v']"
ALLOWED = ", allowed: Bool[Tensor, 'B T S'] | None=None"
RETURNS = "-> tuple[Float[Tensor, 'B T v'], Float[Tensor, 'B T S']]"

NOTEBOOKS: dict[str, tuple[Callable[[Cells], Any], str]] = {
    "two cells of one name": (
        with_grader(CHECK, grade_id=f"check_{HOP}"),
        f"cells 4, 6 have one grade_id, 'check_{HOP}': give each its own",
    ),
    "no check": (
        with_check("assert True"),
        f'cell 4 (check_{ATTENTION}) has no check: put check("{ATTENTION}") between ### BEGIN HIDDEN TESTS and '
        "### END HIDDEN TESTS",
    ),
    "an exercise that the bank does not have": (
        with_check('check("scaled_product_attention")'),
        f"cell 4 (check_{ATTENTION}) checks 'scaled_product_attention', which the bank does not have: "
        f"did you mean '{ATTENTION}'?",
    ),
    "the check of another exercise": (
        with_check(f'check("{HOP}")'),
        f"cell 4 (check_{ATTENTION}) checks '{HOP}': "
        f"write check(\"{ATTENTION}\"), or give it the grade_id 'check_{HOP}'",
    ),
    "other points than the bank": (
        with_grader(CHECK, points=7),
        f"cell 4 (check_{ATTENTION}) has 7 points, its checks in the bank 6: set its points to that",
    ),
    "a check that students may change": (
        with_grader(CHECK, locked=False),
        f"cell 4 (check_{ATTENTION}) is not locked: lock it, so that students cannot change it",
    ),
    "another signature than the reference": (
        with_stub("allowed: ", "mask: "),
        f"cell 3 ({ATTENTION}) begins with {ATTENTION}({HEAD}{ALLOWED.replace('allowed', 'mask')}) {RETURNS}, "
        f"the reference with {ATTENTION}({HEAD}{ALLOWED}) {RETURNS}: make them one",
    ),
    "a stub that is no Python": (
        with_stub("def ", "define "),
        f"cell 3 ({ATTENTION}) is no Python: invalid syntax (line 1)",
    ),
    "a stub under another name": (
        with_grader(STUB, grade_id="exercise_2"),
        f"cell 3 (exercise_2) defines {ATTENTION}: its grade_id must be '{ATTENTION}'",
    ),
    "a check without a stub": (without(STUB), f"{ATTENTION} is checked, but no stub has its grade_id: add one"),
    "a stub without a check": (
        without(CHECK),
        f"{ATTENTION} has a stub, but no check: add a cell check_{ATTENTION}",
    ),
    "a solution without an end": (
        with_stub("    ### END SOLUTION", ""),
        "nbgrader cannot make the students' version of 04_attention: RuntimeError: no end solution statement found",
    ),
}

FOLLOWED = ("two cells of one name", "a stub under another name")
"""Faults that leave an exercise without its stub or its check, which is told too."""


@pytest.mark.parametrize("fault", list(NOTEBOOKS))
def test_a_broken_notebook_is_refused(fault: str, course: Course) -> None:
    change, message = NOTEBOOKS[fault]
    cells = small_cells()
    change(cells)
    write_notebook(course.source(ASSIGNMENT), cells)
    result = release(course)
    assert (result.exit_code, result.stdout) == (1, "")
    first, *others = result.stderr.splitlines()
    assert first == message
    assert not others or fault in FOLLOWED
    assert not (course.directory / "release").exists()


def test_a_file_that_is_no_notebook_is_refused(course: Course) -> None:
    course.source(ASSIGNMENT).write_text('{"cells": [')
    result = release(course)
    assert result.exit_code == 1
    assert result.stderr.startswith(f"{course.source(ASSIGNMENT)}: the file is not a notebook: it is no JSON (")
    assert result.stderr.count("\n") == 1


def test_an_assignment_without_a_bank_is_refused(course: Course) -> None:
    write_notebook(course.directory / "assignments" / "77_unknown" / "77_unknown.ipynb", small_cells())
    result = release(course, "77_unknown")
    assert result.exit_code == 1
    assert result.stderr == "no bank of checks for '77_unknown': autograder/bank/unknown.py does not exist\n"


def test_a_bank_that_contradicts_itself_is_refused(course: Course, monkeypatch: pytest.MonkeyPatch) -> None:
    def load(_: str) -> Bank:
        raise ValueError(f"{HOP}: the checks are worth 2 points, the exercise 3")

    monkeypatch.setattr(module, "load_bank", load)
    result = release(course)
    assert result.exit_code == 1
    assert result.stderr == f"{HOP}: the checks are worth 2 points, the exercise 3\n"


def of_hop(kind: str) -> Program:
    return next(program for program in bank().programs if program.exercise == HOP and program.kind == kind)


def fail(_: Subject, __: Draw) -> None:
    raise CheckFailed("an answer", "another")


WRONG, RIGHT = of_hop("misconception"), of_hop("variant")
HARD = Exercise(HOP, 3, "", [*bank().exercises[HOP].checks])
HARD.checks[0] = replace(HARD.checks[0], run=fail)

BANKS: dict[str, tuple[dict[str, Any], str]] = {
    "the reference loses a point": (
        {"exercises": {HOP: HARD}, "programs": []},
        f"{HOP}, reference 'reference': {{points}} of 3 points, though it is right: mend it, or the check {{check!r}}",
    ),
    "a variant fails": (
        {"programs": [replace(RIGHT, name="by a loop", source=WRONG.source)]},
        f"{HOP}, variant 'by a loop': {{points}} of 3 points, though it is right: mend it, or the check {{check!r}}",
    ),
    "a misconception passes": (
        {"programs": [replace(WRONG, name="no mistake", source=RIGHT.source)]},
        f"{HOP}, misconception 'no mistake': full points, though it is wrong: add a check that it fails",
    ),
    "a misconception is taken for another": (
        {"programs": [replace(WRONG, name="another name")]},
        f"{HOP}, misconception 'another name': it is named as {WRONG.name!r}",
    ),
}


@pytest.mark.parametrize("fault", list(BANKS))
def test_a_bank_that_grades_wrongly_is_refused(fault: str, course: Course, monkeypatch: pytest.MonkeyPatch) -> None:
    changes, message = BANKS[fault]
    made = replace(bank(), **{"exercises": {HOP: bank().exercises[HOP]}, **changes})
    program = next(iter(made.programs), None) or Program(HOP, "reference", "reference", source_of(HOP))
    graded = made.grade(HOP, made.answerer(program), seed=0)
    failed = next((check.name for check in graded.checks if not check.passed), "")
    monkeypatch.setattr(releasing, "bank_of", lambda course, assignment: made)
    write_notebook(course.source(ASSIGNMENT), [*small_cells()[:2], *small_cells()[4:]])
    result = release(course)
    assert (result.exit_code, result.stdout) == (1, "")
    bar, told = result.stderr.splitlines()
    assert bar.startswith("exercises ")
    assert told == message.format(points=f"{graded.points:g}", check=failed)
    assert not (course.directory / "release").exists()


def test_exercises_that_the_notebook_does_not_have_are_not_tried(
    course: Course, monkeypatch: pytest.MonkeyPatch
) -> None:
    exercises = {**bank().exercises, ATTENTION: replace(HARD, name=ATTENTION), HOP: HARD}
    made = replace(bank(), exercises=exercises, programs=[])
    monkeypatch.setattr(releasing, "bank_of", lambda course, assignment: made)
    write_notebook(course.source(ASSIGNMENT), [*small_cells()[:2], *small_cells()[4:]])
    (told,) = release(course).stderr.splitlines()[1:]
    assert told.startswith(f"{HOP}, reference 'reference': ")
