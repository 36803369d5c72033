"""Every bank against its own programs: no wrong one passes, no right one fails, and each mistake is named."""

from __future__ import annotations

import inspect
from dataclasses import replace
from itertools import combinations
from pkgutil import iter_modules

import pytest

from autograder import bank
from autograder.bank import Bank, UnknownUnit, load_bank
from autograder.checks.exercise import Check
from autograder.checks.subject import local
from autograder.result import ExerciseResult
from solutions.programs import Program, reference

UNITS = [module.name for module in iter_modules(bank.__path__)]
PROGRAMS = [(unit, program) for unit in UNITS for program in load_bank(unit).programs]
EXERCISES = [(unit, exercise) for unit in UNITS for exercise in load_bank(unit).exercises]
SEED = 20_141


def grade(bank: Bank, program: Program, seed: int = SEED) -> ExerciseResult:
    return bank.grade(program.exercise, bank.answerer(program), seed)


def names(result: ExerciseResult) -> set[str]:
    return {check.misconception.name for check in result.checks if check.misconception}


def failures(result: ExerciseResult) -> list[str]:
    return [
        f"{check.name}: expected {check.expected}, came {check.came}" for check in result.checks if not check.passed
    ]


@pytest.mark.parametrize(("unit", "exercise"), EXERCISES)
def test_the_reference_has_full_points(unit: str, exercise: str) -> None:
    bank = load_bank(unit)
    assert failures(grade(bank, reference(bank.unit, exercise))) == []


@pytest.mark.parametrize(("unit", "program"), [(u, p) for u, p in PROGRAMS if p.kind == "variant"])
def test_a_variant_has_full_points(unit: str, program: Program) -> None:
    assert failures(grade(load_bank(unit), program)) == []


@pytest.mark.parametrize(("unit", "program"), [(u, p) for u, p in PROGRAMS if p.kind == "misconception"])
def test_a_misconception_loses_points_and_is_named_as_itself(unit: str, program: Program) -> None:
    result = grade(load_bank(unit), program)
    assert result.points < result.max
    assert names(result) == {program.name}


@pytest.mark.parametrize(("unit", "exercise"), EXERCISES)
def test_a_stub_earns_nothing_and_is_recognised(unit: str, exercise: str) -> None:
    def stub(*arguments: object, **keywords: object) -> None:
        raise NotImplementedError

    result = load_bank(unit).grade(exercise, local({exercise: stub}), SEED)
    assert result.points == 0
    assert "the stub still raises NotImplementedError" in result.checks[0].came


@pytest.mark.parametrize(("unit", "exercise"), EXERCISES)
def test_a_program_that_returns_its_first_argument_earns_next_to_nothing(unit: str, exercise: str) -> None:
    result = load_bank(unit).grade(exercise, local({exercise: lambda *given, **_: given and given[0]}), SEED)
    assert result.points <= 0.1 * result.max
    assert names(result) == set()


@pytest.mark.parametrize(("unit", "exercise"), EXERCISES)
def test_a_program_that_refuses_everything_earns_nothing(unit: str, exercise: str) -> None:
    def refuse(*arguments: object, **keywords: object) -> None:
        raise ValueError(f"no: {arguments} {keywords}")

    assert load_bank(unit).grade(exercise, local({exercise: refuse}), SEED).points == 0


@pytest.mark.parametrize(("unit", "exercise"), EXERCISES)
def test_an_exercise_has_two_variants_and_five_misconceptions(unit: str, exercise: str) -> None:
    kinds = [program.kind for program in load_bank(unit).programs if program.exercise == exercise]
    assert kinds.count("variant") >= 2
    assert kinds.count("misconception") >= 5


@pytest.mark.parametrize(("unit", "exercise"), EXERCISES)
def test_names_of_programs_and_checks_are_unique(unit: str, exercise: str) -> None:
    bank = load_bank(unit)
    programs = [program.name for program in bank.programs if program.exercise == exercise]
    checks = [check.name for check in bank.exercises[exercise].checks]
    assert len(set(programs)) == len(programs)
    assert len(set(checks)) == len(checks)
    assert all(check.after in (None, *checks[:place]) for place, check in enumerate(bank.exercises[exercise].checks))


@pytest.mark.parametrize(("unit", "program"), [(u, p) for u, p in PROGRAMS if p.kind == "misconception"])
def test_a_hint_is_a_sentence(unit: str, program: Program) -> None:
    assert program.hint.endswith(".")
    assert len(program.hint.split()) > 3


@pytest.mark.parametrize(("unit", "program"), PROGRAMS)
def test_a_program_takes_the_arguments_of_the_reference(unit: str, program: Program) -> None:
    bank = load_bank(unit)
    own, expected = program.load(bank.unit), getattr(bank.unit, program.exercise)
    assert list(inspect.signature(own).parameters) == list(inspect.signature(expected).parameters)


@pytest.mark.slow
@pytest.mark.timeout(1800)  # hundreds of programs in one test
@pytest.mark.parametrize(("unit", "exercise"), EXERCISES)
def test_two_mistakes_at_once_lose_points(unit: str, exercise: str) -> None:
    bank = load_bank(unit)
    source = reference(bank.unit, exercise).source
    edits = [p for p in bank.programs if p.exercise == exercise and p.edit and p.edit[0] in source]
    likely = {program.name: likeliest_first(bank, program) for program in edits}
    tried = 0
    for one, other in combinations(edits, 2):
        assert one.edit
        assert other.edit
        both = one.source.replace(*other.edit)
        if one.source.count(other.edit[0]) != 1 or both in (one.source, other.source):
            continue
        program = Program(exercise, "misconception", "both", both)
        assert any(not passes(bank, program, check) for check in likely[one.name]), (one.name, other.name)
        tried += 1
    assert tried


def passes(bank: Bank, program: Program, check: Check) -> bool:
    """Whether a program passes one check. Without the others, and without a name for its mistake, it takes little."""
    exercise = replace(bank.exercises[program.exercise], checks=[check])
    return exercise.grade(bank.answerer(program), bank.references[exercise.name], SEED).points == check.points


def likeliest_first(bank: Bank, program: Program) -> list[Check]:
    """All checks of a program's exercise, those that it fails by itself first."""
    return sorted(bank.exercises[program.exercise].checks, key=lambda check: passes(bank, program, check))


def test_the_same_seed_gives_the_same_verdict_and_another_one_other_inputs() -> None:
    bank = load_bank("04_attention")
    wrong = next(p for p in bank.programs if p.name == "no scale")
    assert grade(bank, wrong, 1) == grade(bank, wrong, 1)
    assert failures(grade(bank, wrong, 1)) != failures(grade(bank, wrong, 2))


def test_a_bank_is_found_by_the_name_of_its_unit_with_and_without_a_number() -> None:
    assert [load_bank(unit).name for unit in UNITS] == UNITS
    assert [load_bank(f"{number:02d}_{unit}").name for number, unit in enumerate(UNITS, start=1)] == UNITS


def test_an_unknown_unit_is_an_error_that_names_the_file() -> None:
    with pytest.raises(UnknownUnit, match=r"autograder/bank/gravity\.py"):
        load_bank("11_gravity")
