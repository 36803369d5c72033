"""Every exercise has one ladder of three hints, and no rung of it gives the solution away."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest
from nbformat import NotebookNode

from tests.project.test_leaks import code_lines

RUNG = r"<details>\n<summary>{}Hint {} of 3: [^<`$\n]+</summary>\n\n([^\s<](?:(?!</?details).)*)\n\n"
LADDER = re.compile(
    RUNG.format(r"Stuck\? ", 1) + RUNG.format("", 2) + RUNG.format("", 3) + "</details>\n</details>\n</details>",
    re.DOTALL,
)
"""Three closed rungs, one inside the other; a summary is plain text, because Markdown does not reach into it."""
TELLING = 16  # characters of code: a rung may hold shorter ones by chance
WORD = re.compile(r'(?:[\w.]|\(\))+|\w+="?\w+"?|[^\w\s]+')
"""What a rung may show as code: a name, a call without arguments, an argument or an operator."""


@pytest.fixture(scope="module")
def assignments(root: Path, notebooks: dict[Path, NotebookNode]) -> dict[str, NotebookNode]:
    return {path.stem: notebook for path, notebook in notebooks.items() if path.is_relative_to(root / "assignments")}


@pytest.fixture(scope="module")
def ladders(assignments: dict[str, NotebookNode]) -> list[NotebookNode]:
    return [cell for notebook in assignments.values() for cell in notebook.cells if is_ladder(cell)]


def is_ladder(cell: NotebookNode) -> bool:
    return "hints" in cell.metadata.get("tags", ())


def sentences(ladder: NotebookNode) -> set[str]:
    """What the rungs of a ladder say; their summaries aside, which may be alike."""
    built = LADDER.fullmatch(ladder.source)
    lines = (line.lstrip("-.0123456789 ") for line in "\n".join(built.groups() if built else ()).splitlines())
    return {sentence for line in lines for sentence in re.split(r"(?<=[.?!])\s+", line) if sentence}


def test_every_exercise_has_one_ladder_behind_its_check(assignments: dict[str, NotebookNode]) -> None:
    for unit, notebook in assignments.items():
        ids = [cell.id for cell in notebook.cells]
        expected = [id.replace("check-", "stuck-") for id in ids if id.startswith("check-")]
        assert expected == [id.replace("stub-", "stuck-") for id in ids if id.startswith("stub-")], unit
        assert expected == [cell.id for cell in notebook.cells if is_ladder(cell)], unit
        for ladder in expected:
            assert ids[ids.index(ladder) - 1] == ladder.replace("stuck-", "check-"), unit


def test_a_ladder_is_three_closed_rungs_one_inside_the_other(ladders: list[NotebookNode]) -> None:
    for cell in ladders:
        assert (cell.cell_type, cell.metadata) == ("markdown", {"tags": ["hints"]}), cell.id
        assert LADDER.fullmatch(cell.source), cell.id


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("<details>\n<summary>Hint 2", "<details open>\n<summary>Hint 2"),
        ("<details>\n<summary>Hint 3", "</details>\n\n<details>\n<summary>Hint 3"),
        ("Hint 3 of 3: last", "Hint 4 of 4: last"),
        ("\nthird\n", "\n"),
    ],
)
def test_a_broken_ladder_is_found(old: str, new: str) -> None:
    rungs = [("Stuck? Hint 1 of 3: first", "first"), ("Hint 2 of 3: next", "second"), ("Hint 3 of 3: last", "third")]
    text = "".join(f"<details>\n<summary>{title}</summary>\n\n{hint}\n\n" for title, hint in rungs)
    source = text + "</details>\n</details>\n</details>"
    assert LADDER.fullmatch(source)
    assert not LADDER.fullmatch(source.replace(old, new))


def test_no_two_ladders_share_a_sentence(ladders: list[NotebookNode]) -> None:
    said = Counter(sentence for cell in ladders for sentence in sentences(cell))
    assert said
    assert not [sentence for sentence, times in said.items() if times > 1]


def test_no_rung_holds_code(ladders: list[NotebookNode]) -> None:
    for cell in ladders:
        assert "```" not in cell.source, cell.id
        assert not [code for code in re.findall(r"`(.*?)`", cell.source) if not WORD.fullmatch(code)], cell.id


def test_no_rung_holds_a_line_of_a_right_program(root: Path, ladders: list[NotebookNode]) -> None:
    said = "".join("".join(cell.source for cell in ladders).split()).replace('"', "'")
    right = [path for folder in ("solutions", "solutions/variants") for path in (root / folder).glob("*.py")]
    lines = {line for path in right for line in code_lines(path.read_text(encoding="utf-8"))}
    assert lines
    assert not [line for line in lines if len(line) >= TELLING and line in said]
