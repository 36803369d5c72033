"""What is checked: one module per unit, each a specification of its exercises."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib import import_module
from types import ModuleType

from autograder.checks.diagnosis import Rival, Witness
from autograder.checks.exercise import Exercise
from autograder.checks.request import Answer, Request
from autograder.checks.subject import Answerer, local
from autograder.result import Diagnosis, ExerciseResult
from autograder.unit import no_bank, unit_of
from solutions.programs import Program, programs


class UnknownUnit(ValueError):
    """There is no bank of this name."""


@dataclass(frozen=True)
class Bank:
    """The exercises of one unit with the programs they are tested by. `unit` is the unit's reference module."""

    name: str
    unit: ModuleType
    exercises: dict[str, Exercise]
    programs: list[Program]
    references: dict[str, Witness]
    rivals: dict[str, list[Rival]]

    def grade(self, exercise: str, student: Answerer, seed: int) -> ExerciseResult:
        """Grade one exercise of a student; the seed decides the inputs of every check."""
        return self.exercises[exercise].grade(student, self.references[exercise], seed, self.rivals[exercise])

    def answerer(self, program: Program) -> Answerer:
        """One of the bank's own programs, as something to grade."""
        return local({program.exercise: program.load(self.unit)})


@cache
def load_bank(assignment: str) -> Bank:
    """The bank of an assignment: `load_bank("04_attention")`. Raises UnknownUnit where there is none."""
    name = unit_of(assignment)
    try:
        module = import_module(f"autograder.bank.{name}")
    except ModuleNotFoundError as error:
        if error.name != f"autograder.bank.{name}":
            raise
        raise UnknownUnit(no_bank(assignment)) from None
    unit = import_module(f"solutions.{name}")
    exercises = _exercises(module)
    made = programs(name)
    rivals = {
        exercise: [_rival(unit, p) for p in made if p.exercise == exercise and p.kind == "misconception"]
        for exercise in exercises
    }
    references = {exercise: Witness(local(vars(unit))) for exercise in exercises}
    return Bank(name, unit, exercises, made, references, rivals)


def requests_of(assignment: str, exercise: str, seed: int) -> tuple[Request, ...]:
    """Everything that a right program is asked in the checks of one exercise, in order."""
    bank, asked = load_bank(assignment), list[Request]()

    def answer(request: Request) -> Answer:
        asked.append(request)
        return reference(request)

    reference = local(vars(bank.unit))
    bank.grade(exercise, answer, seed)
    return tuple(asked)


def _exercises(module: ModuleType) -> dict[str, Exercise]:
    found = {value.name: value for value in vars(module).values() if isinstance(value, Exercise)}
    for exercise in found.values():
        total = sum(check.points for check in exercise.checks)
        if abs(total - exercise.points) > 1e-9:
            raise ValueError(f"{exercise.name}: the checks are worth {total} points, the exercise {exercise.points}")
    return found


def _rival(unit: ModuleType, program: Program) -> Rival:
    return Rival(Diagnosis(program.name, program.hint), Witness(local({program.exercise: program.load(unit)})))
