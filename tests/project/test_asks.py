"""The table of docs/asks.md: every ask has a row, and every test that a row names is there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

TEST = re.compile(r"^def (test_ask_(\d+)_\w+)", re.MULTILINE)
ASKS = range(1, 41)


class Row(NamedTuple):
    number: int
    ask: str
    answer: str
    tests: list[str]


@pytest.fixture(scope="module")
def rows(root: Path) -> list[Row]:
    text = (root / "docs/asks.md").read_text(encoding="utf-8")
    cells = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line.startswith("|")
    ]
    return [
        Row(int(number), ask, answer, re.findall(r"`(\w+)`", tests))
        for number, ask, answer, tests in cells
        if number.isdigit()
    ]


def numbered(root: Path) -> Iterator[tuple[str, int]]:
    for path in (root / "tests").rglob("test_*.py"):
        yield from ((name, int(number)) for name, number in TEST.findall(path.read_text(encoding="utf-8")))


def test_every_ask_has_an_answer(rows: list[Row]) -> None:
    assert [row.number for row in rows] == list(ASKS)
    for row in rows:
        assert row.ask
        assert re.match(r"(Yes|Partly|No)\b", row.answer), row
        assert row.tests or row.answer.startswith("No"), f"{row.number} has no test"


def test_every_test_is_there_and_carries_the_number_of_its_ask(rows: list[Row], root: Path) -> None:
    known = dict(numbered(root))
    assert len(known) >= 39
    for row in rows:
        for name in row.tests:
            assert known.get(name) == row.number, f"ask {row.number} names {name}"
