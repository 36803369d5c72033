"""The tests of the tests: what `validate` finds, and what it finds in this repository's banks."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from autograder.bank import Bank
from autograder.cli import app
from autograder.course import validate as module
from autograder.course.course import Course
from autograder.course.validate import validate
from solutions.programs import Program
from tests.course.small import ASSIGNMENT, HOP, REPOSITORY, bank, small_cells, source_of, write_notebook

RIGHT = source_of(HOP)


def misconception(name: str, source: str) -> Program:
    return Program(HOP, "misconception", name, source, "a hint")


def small_bank(monkeypatch: pytest.MonkeyPatch, *programs: Program, **changes: Any) -> None:
    """Let `validate` see a bank of one exercise with these programs, whose rivals are the real bank's."""
    made: Bank = replace(bank(), exercises={HOP: bank().exercises[HOP]}, programs=list(programs), **changes)

    def load(_: str) -> Bank:
        return made

    load.cache_clear = lambda: None  # type: ignore[attr-defined]
    monkeypatch.setattr(module, "load_bank", load)
    monkeypatch.setattr(module, "bank_of", lambda course, assignment: made)


def real(kind: str) -> Program:
    return next(program for program in bank().programs if program.exercise == HOP and program.kind == kind)


def run(course: Course, *arguments: str) -> Result:
    return CliRunner().invoke(app, ["validate", ASSIGNMENT, *arguments, "--course", str(course.directory)])


def test_a_good_bank_has_no_findings(course: Course, monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = real("misconception")
    small_bank(monkeypatch, real("variant"), wrong)
    validation = validate(course, ASSIGNMENT)
    assert validation.findings == []
    entry = validation.to_json()[HOP]
    assert entry.keys() == {"points", "reference", "variants", "misconceptions"}
    assert entry["points"] == entry["reference"] == entry["variants"][real("variant").name] == 3.0
    assert entry["misconceptions"][wrong.name]["named"] == wrong.name
    assert entry["misconceptions"][wrong.name]["points"] < 3.0


def test_every_way_for_a_bank_to_be_wrong_is_found(course: Course, monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = real("misconception")
    small_bank(
        monkeypatch,
        misconception("nothing wrong with it", RIGHT),
        misconception("known by another name", wrong.source),
        replace(real("variant"), name="a variant that is wrong", source=wrong.source),
    )
    write_notebook(course.source(ASSIGNMENT), small_cells({HOP: RIGHT}))
    found = validate(course, ASSIGNMENT).findings
    assert [finding.split(":")[0] for finding in found] == [
        f"{HOP}, misconception 'nothing wrong with it'",
        f"{HOP}, misconception 'known by another name'",
        f"{HOP}, variant 'a variant that is wrong'",
        f"{HOP}, stub 'stub'",
    ]
    assert "full points, though it is wrong" in found[0]
    assert "it is named as" in found[1]
    assert "though it is right" in found[2]
    assert "earns 3 points" in found[3]


def test_an_exercise_without_a_stub_is_found(course: Course, monkeypatch: pytest.MonkeyPatch) -> None:
    small_bank(monkeypatch)
    write_notebook(course.source(ASSIGNMENT), small_cells()[:4])
    assert validate(course, ASSIGNMENT).findings == [f"{HOP}: no stub in the notebook defines it"]


def test_the_command_prints_a_table_and_what_its_columns_are(course: Course, monkeypatch: pytest.MonkeyPatch) -> None:
    small_bank(monkeypatch, real("misconception"))
    result = run(course)
    assert result.exit_code == 0, result.stderr
    assert "reference" in result.stdout
    assert all(check.name in result.stdout for check in bank().exercises[HOP].checks)


def test_findings_are_wrong_material(course: Course, monkeypatch: pytest.MonkeyPatch) -> None:
    small_bank(monkeypatch, misconception("nothing wrong with it", RIGHT))
    result = run(course, "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout)[HOP]["misconceptions"] == {"nothing wrong with it": {"points": 3.0, "named": None}}
    assert "nothing wrong with it" in result.stderr


@pytest.mark.slow
@pytest.mark.parametrize("assignment", Course(REPOSITORY).assignments())
def test_the_banks_of_this_repository(assignment: str) -> None:
    result = CliRunner().invoke(app, ["validate", assignment, "--seeds", "3", "--json", "--course", str(REPOSITORY)])
    assert result.exit_code == 0, result.stderr
    for exercise, entry in json.loads(result.stdout).items():
        assert len(entry["variants"]) >= 2, exercise
        assert len(entry["misconceptions"]) >= 5, exercise
        assert all(
            found["named"] == name and found["points"] < entry["points"]
            for name, found in entry["misconceptions"].items()
        )
