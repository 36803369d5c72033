"""Planted leaks: what is not for students is found wherever it stands, and the message says where and what."""

from __future__ import annotations

import base64
from collections.abc import Callable
from html import escape
from typing import Any

import nbformat
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nbformat.v4 import new_code_cell, new_markdown_cell, new_output
from typer.testing import CliRunner

from autograder.cli import app
from autograder.course.course import Course
from autograder.course.leaks import leaks, solutions, telling_lines
from tests.course.small import (
    ASSIGNMENT,
    ATTENTION,
    CHECK,
    EXERCISES,
    HOP,
    bank,
    check_cell,
    small_cells,
    source_of,
    stub,
    stub_cell,
    write_notebook,
)

SOURCES = {name: source_of(name) for name in EXERCISES}
LINE = telling_lines(SOURCES[HOP])[0]
VARIANT = next(made for made in bank().programs if (made.exercise, made.kind) == (HOP, "variant"))
SOLUTION = f"a line of the solution of {HOP}: {LINE!r}"
SCHEME = "Two points for the variance of a dot product."
OWN_CELL = len(small_cells()) + 1
"""The number of a cell that is added at the end."""

Plant = Callable[[Course], Any]


def encoded(text: str) -> str:
    return base64.encodebytes(text.encode()).decode()


def with_cells(*cells: Any, bodies: dict[str, str] | None = None) -> Plant:
    """Write the small notebook with more cells at its end."""
    return lambda course: write_notebook(course.source(ASSIGNMENT), [*small_cells(bodies), *cells])


def with_file(name: str, content: bytes) -> Plant:
    """Put a file beside the notebook."""

    def plant(course: Course) -> None:
        path = course.source(ASSIGNMENT).parent / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)

    return plant


def with_output(output: Any) -> Plant:
    """Let a cell keep its output, which nbgrader clears unless it is told not to."""

    def plant(course: Course) -> None:
        configuration = course.directory / "nbgrader_config.py"
        configuration.write_text(configuration.read_text() + "\nc.ClearOutput.enabled = False\n")
        with_cells(new_code_cell("print(1)", outputs=[output]))(course)

    return plant


def with_metadata(course: Course) -> None:
    path = with_cells()(course)
    notebook = nbformat.read(path, as_version=4)
    notebook.metadata["widgets"] = {"state": [{"value": LINE}]}
    nbformat.write(notebook, path)


def with_scheme_told_elsewhere(course: Course) -> None:
    cells = small_cells()
    cells[-1].source += f"\n### BEGIN MARK SCHEME\n{SCHEME}\n### END MARK SCHEME"
    write_notebook(course.source(ASSIGNMENT), [*cells, new_markdown_cell(f"*{SCHEME}*")])


ATTACHED = new_markdown_cell("![plan](attachment:plan.txt)", attachments={"plan.txt": {"text/plain": encoded(LINE)}})
PICTURE = new_markdown_cell(f"![](data:text/plain;base64,{base64.b64encode(LINE.encode()).decode()})")
COMMENT = "\n".join(f"    # {part}" for part in LINE.replace("(", "(\n").splitlines())
UNMARKED = check_cell(HOP, CHECK.format(name=HOP).replace("### BEGIN HIDDEN TESTS\n", "").replace("### END", "# END"))
MISSPELT = CHECK.format(name=HOP).replace("TESTS", "TEST")
IN_NOTEBOOK = [*small_cells()[:5], UNMARKED, small_cells()[-1]]

PLANTED: dict[str, tuple[Plant, str]] = {
    "a comment": (
        with_cells(bodies={ATTENTION: stub(ATTENTION).replace("    ### BEGIN", f"{COMMENT}\n    ### BEGIN")}),
        f"cell 3 ({ATTENTION}) holds {SOLUTION}",
    ),
    "another spacing": (
        with_cells(new_code_cell(LINE.replace("(", "( \n  ").replace(" = ", "  =\\\n ").replace('"', "'"))),
        f"cell {OWN_CELL} holds {SOLUTION}",
    ),
    "a markdown cell": (with_cells(new_markdown_cell(f"- hint: `{LINE}`")), f"cell {OWN_CELL} holds {SOLUTION}"),
    "another way to solve it": (
        with_cells(new_code_cell(VARIANT.source)),
        f"cell {OWN_CELL} holds {len(telling_lines(VARIANT.source))} lines of the solution of {HOP} ({VARIANT.name}): "
        f"{telling_lines(VARIANT.source)[0]!r}",
    ),
    "HTML": (with_cells(new_markdown_cell(f"<pre>{escape(LINE)}</pre>")), f"cell {OWN_CELL} holds {SOLUTION}"),
    "a picture's address": (with_cells(PICTURE), f"cell {OWN_CELL} holds {SOLUTION}"),
    "an attachment": (with_cells(ATTACHED), f"the attachment 'plan.txt' of cell {OWN_CELL} holds {SOLUTION}"),
    "a cell's metadata": (
        with_cells(new_code_cell("x = 1", metadata={"notes": {"todo": [LINE]}})),
        f"the metadata of cell {OWN_CELL} holds {SOLUTION}",
    ),
    "the notebook's metadata": (with_metadata, f"the metadata of the notebook holds {SOLUTION}"),
    "printed": (with_output(new_output("stream", text=LINE)), f"an output of cell {OWN_CELL} holds {SOLUTION}"),
    "an output in base64": (
        with_output(new_output("display_data", {"application/x-notes": encoded(LINE)})),
        f"an output of cell {OWN_CELL} holds {SOLUTION}",
    ),
    "a file": (with_file("data/helper.py", LINE.encode()), f"data/helper.py holds {SOLUTION}"),
    "a file of base64": (with_file("facts.b64", encoded(LINE).encode()), f"facts.b64 holds {SOLUTION}"),
    "a hidden check": (
        lambda course: write_notebook(course.source(ASSIGNMENT), IN_NOTEBOOK),
        f"cell 6 (check_{HOP}) holds a hidden check: put it between ### BEGIN HIDDEN TESTS and ### END HIDDEN TESTS",
    ),
    "a hidden check in a file": (
        with_file("checks.py", b"from autograder import bank"),
        "checks.py holds a hidden check: put it between ### BEGIN HIDDEN TESTS and ### END HIDDEN TESTS",
    ),
    "a marker that nbgrader does not know": (
        lambda course: write_notebook(
            course.source(ASSIGNMENT), [*small_cells()[:5], check_cell(HOP, MISSPELT), small_cells()[-1]]
        ),
        f"cell 6 (check_{HOP}) holds the marker 'BEGIN HIDDEN TEST': remove it with what it marks",
    ),
    "a marker in a file": (
        with_file("notes.md", b"### BEGIN SOLUTION\nx = 1\n### END SOLUTION"),
        "notes.md holds the marker 'BEGIN SOLUTION': remove it with what it marks",
    ),
    "text for instructors": (
        with_cells(new_markdown_cell("**For instructors only:** see the book.")),
        f"cell {OWN_CELL} holds text for instructors, marked 'instructors only'",
    ),
    "a cell for instructors": (
        with_cells(new_markdown_cell("Ask about the book.", metadata={"tags": ["instructor"]})),
        f"cell {OWN_CELL} is tagged 'instructor': remove it",
    ),
    "a mark scheme": (
        with_scheme_told_elsewhere,
        f"cell {OWN_CELL} holds a line of the mark scheme of cell 7 (why_scale): {SCHEME!r}",
    ),
}


@pytest.mark.parametrize("kind", list(PLANTED))
def test_a_planted_leak_is_refused(kind: str, course: Course) -> None:
    plant, message = PLANTED[kind]
    plant(course)
    result = CliRunner().invoke(app, ["release", ASSIGNMENT, "--course", str(course.directory)])
    assert (result.exit_code, result.stdout) == (1, "")
    assert message in result.stderr.splitlines()
    assert not (course.directory / "release").exists()


def found_in(*cells: Any) -> list[str]:
    return leaks(nbformat.v4.new_notebook(cells=list(cells)), solutions(SOURCES))


@given(st.sampled_from([(n, line) for n, source in SOURCES.items() for line in telling_lines(source)]), st.data())
def test_a_line_of_a_solution_is_found_in_any_layout(known: tuple[str, str], data: st.DataObject) -> None:
    name, line = known
    for character in data.draw(st.sets(st.sampled_from("()[],=."))):
        layout = data.draw(st.sampled_from([" ", "\n", "\n    # ", "\n> ", " \\\n"]))
        line = line.replace(character, f"{layout}{character}{layout}")
    text = data.draw(st.sampled_from(["{}", "x = 1\n{}", "# {}", "The trick is `{}`."])).format(line)
    (found,) = found_in(data.draw(st.sampled_from([new_code_cell, new_markdown_cell]))(text))
    assert f"of the solution of {name}: " in found


@pytest.mark.parametrize("exercise", list(bank().exercises))
def test_every_reference_would_be_noticed(exercise: str) -> None:
    from solutions.programs import reference

    source = reference(bank().unit, exercise).source
    assert telling_lines(source)
    for enough in (1, 2):
        secrets = solutions({exercise: source}, enough)
        assert leaks(nbformat.v4.new_notebook(cells=[stub_cell(exercise, source)]), secrets)


def test_outputs_are_found() -> None:
    shown = stub_cell(ATTENTION, "1 + 1")
    shown.outputs = [new_output("stream", text="2")]
    assert found_in(shown) == [f"cell 1 ({ATTENTION}) holds outputs"]
    assert leaks(nbformat.v4.new_notebook(cells=[shown]), [], outputs=True) == []


def test_several_lines_are_one_finding() -> None:
    (found,) = found_in(new_code_cell(SOURCES[HOP]))
    assert found.startswith(f"cell 1 holds {len(telling_lines(SOURCES[HOP]))} lines of the solution of {HOP}: ")


def test_stubs_leak_nothing() -> None:
    cells = [stub_cell(name, stub(name).replace("### ", "# YOUR ")) for name in EXERCISES]
    for cell in cells:
        cell.source = cell.source.replace("BEGIN SOLUTION", "").replace("END SOLUTION", "")
    assert found_in(*cells) == []


def test_a_binary_file_is_not_read_as_text(course: Course) -> None:
    with_file("weights.bin", b"\0" + LINE.encode())(course)
    with_cells(new_markdown_cell("For instructors only."))(course)
    result = CliRunner().invoke(app, ["release", ASSIGNMENT, "--course", str(course.directory)])
    assert result.stderr.count("\n") == 1
