"""Solutions live only in solutions/: no two consecutive lines of one stand where a student can read them."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from subprocess import run
from sys import executable

import pytest

PUBLIC = {"lectures", "assignments", "docs", "README.md"}
UNITS = sorted(path.name for path in (Path(__file__).parents[2] / "assignments").iterdir() if path.is_dir())
TELLING = 30  # characters of code; a shorter line may well stand somewhere by chance


def code_lines(source: str) -> list[str]:
    """The lines of `source` without comments, docstrings, signatures, imports, blanks and layout."""
    try:
        tree = ast.parse(source)
    except SyntaxError:  # prose, or a cell with a magic
        text = re.sub(r"(?m)#.*$", "", source)
    else:
        for node in ast.walk(tree):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.For | ast.While | ast.If | ast.With):
                node.body = [item for item in node.body if not _says_nothing(item)] or [ast.Pass()]
        text = ast.unparse(tree)
    lines = (re.sub(r"\s+", "", line).replace('"', "'") for line in text.splitlines())
    return [line for line in lines if line and not re.match(r"(async)?def\w+\(|class\w+[(:]|pass$|@", line)]


def _says_nothing(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Import | ast.ImportFrom)
        or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))
        or ast.unparse(node).startswith(("super().__init__(", "raise NotImplementedError"))
    )


def secrets(source: str) -> set[tuple[str, ...]]:
    """What must stand nowhere else: each two consecutive lines of a definition, or its one line if that is telling."""
    found: set[tuple[str, ...]] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef):
            lines = code_lines("\n".join(ast.unparse(item) for item in node.body))
            found |= {pair for pair in pairwise(lines) if len("".join(pair)) >= TELLING}
            if len(lines) == 1 and len(lines[0]) >= TELLING:
                found.add((lines[0],))
    return found


def leaked(known: set[tuple[str, ...]], source: str) -> set[tuple[str, ...]]:
    lines = code_lines(source)
    return known & ({(line,) for line in lines} | set(pairwise(lines)))


def readable(path: Path) -> Iterator[str]:
    """The texts of a file: each cell of a notebook and what it printed, or the whole."""
    text = path.read_text(encoding="utf-8", errors="replace")
    if path.suffix != ".ipynb":
        yield text
        return
    for cell in json.loads(text)["cells"]:
        yield "".join(cell["source"])
        for output in cell.get("outputs", []):
            yield "".join(output.get("text", ()))
            yield "".join(output.get("data", {}).get("text/plain", ()))


@pytest.fixture(scope="module")
def known(root: Path) -> set[tuple[str, ...]]:
    units = {path.stem for path in (root / "solutions/variants").glob("*.py")} - {"__init__"}
    programs = [path for name in units for path in (root / "solutions").rglob(f"{name}.py")]
    return set[tuple[str, ...]]().union(*(secrets(path.read_text(encoding="utf-8")) for path in programs))


def test_no_solution_in_what_students_get(root: Path, files: list[Path], known: set[tuple[str, ...]]) -> None:
    public = [path for path in files if path.relative_to(root).parts[0] in PUBLIC]
    leaks = {(str(path), shown) for path in public for text in readable(path) for shown in leaked(known, text)}
    assert not leaks


@pytest.mark.slow
@pytest.mark.parametrize("unit", UNITS)
def test_no_solution_and_no_hidden_check_in_a_release(
    unit: str, root: Path, known: set[tuple[str, ...]], tmp_path: Path
) -> None:
    (tmp_path / "assignments").symlink_to(root / "assignments")
    (tmp_path / "nbgrader_config.py").write_text('get_config().CourseDirectory.source_directory = "assignments"\n')
    command = [str(Path(executable).with_name("autograder")), "release", unit, "--course", str(tmp_path)]
    released = run(command, capture_output=True, text=True, check=False)
    assert released.returncode == 0, released.stdout + released.stderr
    notebook = tmp_path / "release" / unit / f"{unit}.ipynb"
    assert not [shown for text in readable(notebook) if (shown := leaked(known, text))]
    text = notebook.read_text(encoding="utf-8")
    assert "HIDDEN TESTS" not in text
    assert "BEGIN SOLUTION" not in text
    assert "NotImplementedError" in text


def test_a_leak_is_found_in_any_layout(root: Path, known: set[tuple[str, ...]]) -> None:
    source = (root / "solutions/attention.py").read_text(encoding="utf-8")
    definition = next(node for node in ast.parse(source).body if isinstance(node, ast.FunctionDef))
    body = ast.get_source_segment(source, definition) or ""
    assert leaked(known, body)
    spread = body.replace("\n", "  # a word\n").replace("(", "( ").replace(" = ", "=")
    assert leaked(known, spread)
    assert leaked(known, "%matplotlib inline\n" + ast.unparse(definition))


def test_a_stub_is_no_leak(root: Path, known: set[tuple[str, ...]]) -> None:
    source = (root / "solutions/attention.py").read_text(encoding="utf-8")
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            docstring = [node.body[0]] if ast.get_docstring(node) else []
            node.body = [*docstring, ast.parse("raise NotImplementedError").body[0]]
    assert not leaked(known, ast.unparse(tree))
