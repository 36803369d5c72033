"""A new exercise: what the command adds, what it refuses, and the authors' guide followed to the letter."""

from __future__ import annotations

import ast
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner, Result

from autograder.cli import app
from autograder.course.course import Course
from autograder.course.notebook import read, write
from autograder.course.unfinished import MARK, unfinished
from tests.course.small import REPOSITORY
from tests.project.test_hints import LADDER

GUIDE = REPOSITORY / "docs/authors.md"
UNIT, EXERCISE = "04_attention", "cosine_lookup"
MODULES = [f"{folder}/attention.py" for folder in ("solutions", "solutions/variants", "solutions/misconceptions")]
MODULES.append("autograder/bank/attention.py")
NOTEBOOK = f"assignments/{UNIT}/{UNIT}.ipynb"
FUNCTION = ("--signature", "(x: Float[Tensor, 'B D']) -> Float[Tensor, 'B']", "--about", "The sum of each row.")
MODULE = (*FUNCTION, "--init", "(D: int)")


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """The files of unit 04, where an author has them."""
    for name in [*MODULES, NOTEBOOK, "nbgrader_config.py"]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(REPOSITORY / name, tmp_path / name)
    return tmp_path


def contents(directory: Path) -> dict[str, str]:
    return {str(p.relative_to(directory)): p.read_text() for p in directory.rglob("*") if p.is_file()}


def run(directory: Path, *arguments: str) -> Result:
    return CliRunner().invoke(app, ["new-exercise", *arguments, "--course", str(directory)])


@pytest.mark.parametrize(("name", "arguments"), [("row_sums", FUNCTION), ("RowSums", MODULE)])
def test_it_adds_to_every_file_and_changes_nothing_else(clone: Path, name: str, arguments: tuple[str, ...]) -> None:
    before, cells = contents(clone), read(clone / NOTEBOOK).cells
    result = run(clone, UNIT, name, *arguments)
    assert (result.exit_code, result.stdout.split()) == (
        0,
        [str(clone / path) for path in [NOTEBOOK, MODULES[3], *MODULES[:3]]],
    )
    after = contents(clone)
    assert after.keys() == before.keys()
    assert all(after[path].startswith(before[path]) and MARK in after[path] for path in MODULES)
    notebook = read(clone / NOTEBOOK)
    nbformat.validate(notebook)
    assert after[NOTEBOOK] == nbformat.writes(notebook) + "\n"  # type: ignore[no-untyped-call]
    slug = "row-sums"
    assert [cell.id for cell in notebook.cells[-5:-1]] == [slug, f"stub-{slug}", f"check-{slug}", f"stuck-{slug}"]
    assert notebook.cells[:-5] == cells[:-1]
    assert notebook.cells[-1].source.startswith("## 9 · In your own words")
    stub, check, ladder = notebook.cells[-4:-1]
    assert LADDER.fullmatch(ladder.source)
    assert (stub.metadata.nbgrader.grade_id, check.metadata.nbgrader.grade_id) == (name, f"check_{name}")
    assert check.metadata.nbgrader.points == 3


@pytest.mark.parametrize(("name", "arguments"), [("row_sums", FUNCTION), ("RowSums", MODULE)])
def test_the_skeleton_has_the_style_of_the_course(clone: Path, name: str, arguments: tuple[str, ...]) -> None:
    shutil.copy(REPOSITORY / "pyproject.toml", clone)
    assert run(clone, UNIT, name, *arguments).exit_code == 0
    ruff = Path(sys.executable).with_name("ruff")
    for command in (["check", "--ignore", "I001"], ["format", "--diff"]):
        result = subprocess.run([ruff, *command, "--no-cache", clone], capture_output=True, text=True, check=False)
        assert result.returncode == 0, result.stdout + result.stderr


def test_a_new_unit_has_everything_of_its_own(clone: Path) -> None:
    before = contents(clone)
    result = run(clone, "11_mamba", "row_sums", "--new-unit", *FUNCTION)
    assert result.exit_code == 0, result.stderr
    after = contents(clone)
    assert {path: after[path] for path in before} == before
    new = {path.replace("attention", "mamba").replace("04", "11") for path in [*MODULES, NOTEBOOK]}
    assert after.keys() - before.keys() == new
    cells = read(clone / "assignments/11_mamba/11_mamba.ipynb").cells
    assert [cell.id for cell in cells] == [
        *("title", "imports", "row-sums", "stub-row-sums", "check-row-sums", "stuck-row-sums", "question")
    ]
    for path in new:
        if path.endswith(".py"):
            compile(after[path], path, "exec")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((UNIT, "memory_hop", *FUNCTION), "04_attention has 'memory_hop' already"),
        ((UNIT, "math", *FUNCTION), "04_attention has 'math' already"),
        ((UNIT, "row-sums", *FUNCTION), "'row-sums' cannot be a name in Python"),
        ((UNIT, "class", *FUNCTION), "'class' cannot be a name in Python"),
        ((UNIT, "sum", *FUNCTION), "'sum' is a name that every notebook has already"),
        ((UNIT, "check", *FUNCTION), "'check' is a name that every notebook has already"),
        ((UNIT, "RowSums", *FUNCTION), "a module has a capital and --init"),
        ((UNIT, "row_sums", *MODULE), "a module has a capital and --init"),
        ((UNIT, "row_sums", "--signature", "def f(x): ...", "--about", "a"), "is no signature"),
        ((UNIT, "row_sums", "--signature", "(x: Float[", "--about", "a"), "is no signature"),
        ((UNIT, "row_sums", "--signature", "(x) -> int", "--about", "a"), "--signature: x has no annotation"),
        ((UNIT, "row_sums", "--signature", "(x: int)", "--about", "a"), "what it returns has no annotation"),
        ((UNIT, "row_sums", "--signature", "(*x: int) -> int", "--about", "a"), "only plain parameters"),
        ((UNIT, "row_sums", "--signature", "(x: Path) -> int", "--about", "a"), "does not import Path"),
        ((UNIT, "row_sums", *FUNCTION[:3], "two\nlines"), "--about is one line"),
        ((UNIT, "row_sums", *FUNCTION[:3], 'a """ in it'), "--about is one line"),
        ((UNIT, "row_sums", *FUNCTION, "--points", "0"), "Invalid value for '--points'"),
        ((UNIT, "row_sums", *FUNCTION, "--points", "3.3"), "3.3 points cannot be shared out"),
        (("04_atention", "row_sums", *FUNCTION), "did you mean '04_attention'? --new-unit makes a new one"),
        (("04_other", "row_sums", "--new-unit", *FUNCTION), "cannot be a new unit: there is 04_attention already"),
        (("11_attention", "row_sums", "--new-unit", *FUNCTION), "attention.py already"),
        (("mamba", "row_sums", "--new-unit", *FUNCTION), "'mamba' is no name for a unit"),
    ],
)
def test_what_cannot_be_added_is_refused_in_one_line(clone: Path, arguments: tuple[str, ...], message: str) -> None:
    before = contents(clone)
    result = run(clone, *arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert message in result.stderr
    assert result.stderr.count("\n") == 1
    assert contents(clone) == before


def test_half_a_module_is_refused(clone: Path) -> None:
    path = clone / "solutions/variants/attention.py"
    path.write_text(path.read_text() + "\ndef unfinished(\n")
    before = contents(clone)
    result = run(clone, UNIT, "row_sums", *FUNCTION)
    assert (result.exit_code, contents(clone)) == (2, before)
    assert "mend that first" in result.stderr


def test_an_assignment_that_was_handed_in_is_refused(clone: Path) -> None:
    Course(clone).submitted(UNIT, "ada").parent.mkdir(parents=True)
    before = contents(clone)
    result = run(clone, UNIT, "row_sums", *FUNCTION)
    assert (result.exit_code, contents(clone)) == (2, before)
    assert "ada has handed in 04_attention" in result.stderr


def test_a_course_that_is_no_clone_is_refused(course: Course) -> None:
    result = run(course.directory, UNIT, "row_sums", *FUNCTION)
    assert result.exit_code == 2
    assert "exercises are added in a clone" in result.stderr


def test_nothing_is_added_where_one_file_cannot_be_written(clone: Path) -> None:
    before = contents(clone)
    (clone / "solutions/misconceptions/.attention.py.fresh").mkdir()
    result = run(clone, UNIT, "row_sums", *FUNCTION)
    assert (result.exit_code, contents(clone)) == (2, before)
    assert "nothing was added" in result.stderr


def test_a_draft_is_not_released(clone: Path) -> None:
    assert run(clone, UNIT, "row_sums", *FUNCTION).exit_code == 0
    result = CliRunner().invoke(app, ["release", UNIT, "--course", str(clone)])
    assert (result.exit_code, result.stdout) == (1, "")
    assert "the notebook's cell row-sums: write why one wants this" in result.stderr
    assert "the notebook's title: it says 34 points, and the cells are worth 37" in result.stderr
    assert not (clone / "release").exists()


@given(st.lists(st.sampled_from(["B", "T", "D"]), min_size=1, max_size=4), st.sampled_from(["Float", "Int", "Bool"]))
def test_the_axes_of_a_signature_are_the_sizes_of_its_inputs(axes: list[str], kind: str) -> None:
    from autograder.course.signature import Signature, sizes_line

    (x,) = Signature.parse(f"(x: {kind}[Tensor, '{' '.join(axes)}']) -> int", "--signature").parameters
    assert x.axes == x.sizes == axes
    names = list(dict.fromkeys(axes))
    assert sizes_line([x]).endswith(f"= draw.sizes({len(names)})")
    assert x.drawn.startswith("draw.")
    assert x.drawn.endswith(f"{', '.join(axes)})")


@pytest.mark.parametrize("assignment", Course(REPOSITORY).assignments())
def test_nothing_is_left_to_fill_in(assignment: str) -> None:
    assert unfinished(Course(REPOSITORY), assignment) == []


@pytest.mark.slow
def test_the_authors_guide(tmp_path: Path) -> None:
    """The example of docs/authors.md, its commands and its code, in a clone of its own: validate finds nothing."""
    for name in ("autograder", "solutions", "assignments", "nbgrader_config.py"):
        copy = shutil.copytree if (REPOSITORY / name).is_dir() else shutil.copy
        copy(REPOSITORY / name, tmp_path / name)
    text = GUIDE.read_text(encoding="utf-8")
    first = next(block for block in re.findall(r"^```\n(.*?)^```", text, re.DOTALL | re.MULTILINE))
    new, validate = (shlex.split(line)[1:] for line in first.replace("\\\n", "").splitlines())
    assert said(tmp_path, *new)[0] == 0
    code, output, findings = said(tmp_path, *validate, "--json")
    assert (code, json.loads(output)[EXERCISE]["reference"]) == (1, 0.0)
    assert all(place in findings for place in (*MODULES, "the notebook's cell", "the notebook's title"))
    for place, body in blocks(text):
        put(tmp_path, place, body)
    code, output, findings = said(tmp_path, *validate, "--json")
    assert (code, [line for line in findings.splitlines() if "seeds" not in line]) == (0, [])
    entry = json.loads(output)[EXERCISE]
    assert [entry["reference"], *entry["variants"].values()] == [3.0, 3.0, 3.0]
    assert len(entry["misconceptions"]) == 5
    assert all(one["named"] == name and one["points"] < 3 for name, one in entry["misconceptions"].items())
    (tmp_path / MODULES[3]).write_text((tmp_path / MODULES[3]).read_text().replace("points=2.25", "points=2"))
    mistaken = f"{EXERCISE}: the checks are worth 2.75 points, the exercise 3\n"
    assert said(tmp_path, *validate) == (1, "", mistaken)


def said(clone: Path, *arguments: str) -> tuple[int, str, str]:
    """A command in a clone, with the bank and the solutions of that clone."""
    code = "from autograder.cli import main; main()"
    environment = {**os.environ, "PYTHONPATH": str(clone)}
    command = [sys.executable, "-c", code, *arguments]
    result = subprocess.run(command, cwd=clone, env=environment, capture_output=True, text=True, check=False)
    return result.returncode, result.stdout, result.stderr


def blocks(text: str) -> Iterator[tuple[str, str]]:
    """What the guide writes: a file or a cell, and the definitions or the text that belong there."""
    for body in re.findall(r"^```python\n(.*?)^```", text, re.DOTALL | re.MULTILINE):
        place, _, code = body.partition("\n")
        yield place.removeprefix("# "), code
    (sum_of_points,) = re.findall(r"^```markdown\n(\*\*Points.*?)\n^```", text, re.MULTILINE)
    yield "the title", sum_of_points
    for place, body in re.findall(r"^```markdown\n<!-- (.*?) -->\n(.*?)\n^```", text, re.DOTALL | re.MULTILINE):
        yield place, body


def put(clone: Path, place: str, body: str) -> None:
    """Put definitions in the place of those of the same names, a text into a cell, or the points into the title."""
    notebook = read(clone / NOTEBOOK)
    if place == "the title":
        cell = notebook.cells[0]
        cell.source = re.sub(r"\*\*Points\.\*\* .*", body, cell.source)
    elif place.startswith("the cell "):
        (cell,) = (cell for cell in notebook.cells if cell.id == place.removeprefix("the cell "))
        hidden = re.search(r"### BEGIN HIDDEN TESTS.*|\Z", cell.source, re.DOTALL)
        assert hidden
        cell.source = body + hidden[0]
    else:
        path = clone / place
        for source, name in definitions(body):
            (old,) = (text for text, other in definitions(path.read_text()) if other == name)
            path.write_text(path.read_text().replace(old, source))
    write(notebook, clone / NOTEBOOK)


def definitions(text: str) -> Iterator[tuple[str, str]]:
    """The statements of a module that define a name, as they are written, and the name."""
    lines = text.splitlines(keepends=True)
    for node in ast.parse(text).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
            yield "".join(lines[first - 1 : node.end_lineno]), node.name
        elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            yield "".join(lines[node.lineno - 1 : node.end_lineno]), node.targets[0].id
