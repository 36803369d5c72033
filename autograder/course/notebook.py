"""The instructors' notebooks: read, write, and put programs in place of stubs."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from copy import deepcopy
from pathlib import Path

import nbformat
from nbformat import NotebookNode


def read(path: Path) -> NotebookNode:
    """The notebook in a file of the course. Raises ValueError where it is not a notebook."""
    try:
        notebook: NotebookNode = nbformat.read(path, as_version=4)  # type: ignore[no-untyped-call]
    except Exception as error:  # nbformat raises its own, jsonschema's and JSON's errors
        raise ValueError(f"{path} is not a notebook ({type(error).__name__}: {error})") from error
    return notebook


def write(notebook: NotebookNode, path: Path) -> None:
    """Put a notebook at `path`; what stands there stays until the new file is complete."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_suffix(".fresh")
    nbformat.write(notebook, fresh)  # type: ignore[no-untyped-call]
    fresh.replace(path)


def grade_id(cell: NotebookNode) -> str:
    """The name under which nbgrader knows the cell, "" for any other cell."""
    return str(cell.metadata.get("nbgrader", {}).get("grade_id", ""))


def stubs(notebook: NotebookNode) -> dict[str, str]:
    """The names that the notebook's stubs define, in order, with the source of their cells."""
    return {node.name: cell.source for cell in notebook.cells if is_stub(cell) for node in _definitions(cell.source)}


def fill(notebook: NotebookNode, sources: Mapping[str, str]) -> NotebookNode:
    """A copy of the notebook in which each stub that defines a name of `sources` has that source in its place.

    Example: `fill(notebook, {"soft_lookup": "def soft_lookup(query, keys, values, temperature): ..."})`
    """
    filled = deepcopy(notebook)
    for cell in filled.cells:
        if is_stub(cell):
            cell.source = _replaced(cell.source, sources)
    return filled


def is_stub(cell: NotebookNode) -> bool:
    """Whether a student writes code in this cell."""
    return cell.cell_type == "code" and bool(cell.metadata.get("nbgrader", {}).get("solution"))


def _definitions(source: str) -> Iterator[ast.FunctionDef | ast.ClassDef]:
    return (node for node in ast.parse(source).body if isinstance(node, ast.FunctionDef | ast.ClassDef))


def _replaced(source: str, sources: Mapping[str, str]) -> str:
    lines = source.splitlines()
    for node in reversed(list(_definitions(source))):
        if node.name in sources:
            first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
            lines[first - 1 : node.end_lineno] = sources[node.name].strip().splitlines()
    return "\n".join(lines)
