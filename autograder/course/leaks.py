"""What students would be given that is not for them: in cells, outputs, metadata, attachments and other files."""

from __future__ import annotations

import ast
import base64
import html
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from nbformat import NotebookNode

from autograder.course.notebook import grade_id
from autograder.engine.align import CHECK_CALL
from autograder.engine.notebook import Notebook

MARKERS = re.compile(r"(BEGIN|END) (SOLUTION|HIDDEN TESTS?|MARK SCHEME)")
INSTRUCTORS_ONLY = re.compile(r"\binstructors? only\b", re.IGNORECASE)
INSTRUCTOR_TAG = "instructor"
AUTOGRADER = re.compile(r"\b(?:from|import) autograder\b")
MARKED = re.compile(r"BEGIN (SOLUTION|MARK SCHEME)[^\n]*\n(.*?)\n[^\n]*END \1", re.DOTALL)
BASE64 = re.compile(r"[A-Za-z0-9+/]{16,}(?:\r?\n[A-Za-z0-9+/]+)*={0,2}")
LAYOUT = re.compile(r"[\s\\#>]")
"""What a comment, a quotation, a string or another layout puts between the characters of a line."""

SHORTEST_TELLING_LINE = 16
"""Statements of fewer characters, such as `return output`, may stand in a notebook without giving a solution away."""


@dataclass(frozen=True)
class Secret:
    """Lines that belong to `what`, such as “the solution of memory_hop”; a text that has `enough` of them tells it."""

    what: str
    lines: Sequence[str]
    enough: int = 1

    def told(self, text: str) -> list[str]:
        """Which of the lines stand in a text that has no layout."""
        return [line for line, plain in zip(self.lines, self._plain, strict=True) if plain in text]

    @cached_property
    def _plain(self) -> list[str]:
        return [_without_layout(line) for line in self.lines]


def solutions(sources: Mapping[str, str], enough: int = 1) -> list[Secret]:
    """The solutions of the exercises with these sources, as secrets.

    In a text on the same matter one line may be the same by chance: `enough` is then 2.
    Example: `solutions({"soft_lookup": "def soft_lookup(query, keys, values, temperature): ..."})`
    """
    found = {exercise: list(dict.fromkeys(telling_lines(source))) for exercise, source in sources.items()}
    return [Secret(f"the solution of {name}", lines, min(enough, len(lines))) for name, lines in found.items() if lines]


def marked(source: Notebook) -> list[Secret]:
    """What stands between the markers of a solution or of a mark scheme in a source notebook, as secrets."""
    found = []
    for number, cell in enumerate(source.cells, 1):
        for kind, text in MARKED.findall(cell.source):
            lines = [line for line in map(str.strip, text.splitlines()) if len(line) >= SHORTEST_TELLING_LINE]
            lines = [line for line in dict.fromkeys(lines) if "NotImplementedError" not in line]
            if lines:
                enough = min(2, len(lines)) if kind == "SOLUTION" else 1
                found.append(Secret(f"the {kind.lower()} of {place(number, cell.grade_id)}", lines, enough))
    return found


def leaks(notebook: NotebookNode, secrets: Iterable[Secret], *, outputs: bool = False) -> list[str]:
    """What a notebook would give away, a line each that says where and what. `outputs`: it may have them.

    Example: `leaks(students_version(course, "04_attention"), solutions(references(bank)))`
    """
    secrets, found = list(secrets), []
    for number, cell in enumerate(notebook.cells, 1):
        if not outputs and (cell.get("outputs") or cell.get("execution_count")):
            found.append(f"{place(number, grade_id(cell))} holds outputs")
        if INSTRUCTOR_TAG in cell.metadata.get("tags", ()):
            found.append(f"{place(number, grade_id(cell))} is tagged {INSTRUCTOR_TAG!r}: remove it")
    return found + [f"{where} holds {what}" for where, text in _parts(notebook) for what in _told(text, secrets)]


def leaks_of_file(path: Path, name: str, secrets: Iterable[Secret]) -> list[str]:
    """What another file that travels along, called `name`, would give away, if it is a text."""
    return [f"{name} holds {what}" for what in _told(_text(path.read_bytes()), list(secrets))]


def telling_lines(source: str) -> list[str]:
    """The simple statements of a solution that are long enough to tell something; no signatures, no docstrings."""
    statements = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.stmt) and _tells(node)]
    lines = [ast.get_source_segment(source, statement) or "" for statement in statements]
    return [line for line in lines if len(line) >= SHORTEST_TELLING_LINE and line != "super().__init__()"]


def place(number: int, name: str) -> str:
    """A cell, as a message names it. Example: `place(5, "memory_hop") == "cell 5 (memory_hop)"`"""
    return f"cell {number} ({name})" if name else f"cell {number}"


def _tells(statement: ast.stmt) -> bool:
    if isinstance(statement, ast.Import | ast.ImportFrom) or hasattr(statement, "body"):
        return False
    return not (isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant))


def _parts(notebook: NotebookNode) -> Iterator[tuple[str, str]]:
    """Every text of a notebook, and where it is."""
    yield "the metadata of the notebook", _joined(notebook.metadata)
    for number, cell in enumerate(notebook.cells, 1):
        here = place(number, grade_id(cell))
        yield here, cell.source
        yield f"the metadata of {here}", _joined(cell.metadata)
        yield from ((f"an output of {here}", _joined(output)) for output in cell.get("outputs", ()))
        for name, attachment in cell.get("attachments", {}).items():
            yield f"the attachment {name!r} of {here}", _joined(attachment)


def _joined(value: Any) -> str:
    """All strings in a JSON value, keys too, a line each."""
    if isinstance(value, Mapping):
        return "\n".join([*value, *map(_joined, value.values())])
    return "\n".join(map(_joined, value)) if isinstance(value, list | tuple) else str(value)


def _told(text: str, secrets: Sequence[Secret]) -> Iterator[str]:
    """What a text would tell a student, read as it is, with HTML's entities replaced, and with base64 decoded."""
    text = "\n".join(dict.fromkeys([text, html.unescape(text), _decoded(text)]))
    if found := MARKERS.search(text):
        yield f"the marker {found[0]!r}: remove it with what it marks"
    if CHECK_CALL.search(text) or AUTOGRADER.search(text):
        yield "a hidden check: put it between ### BEGIN HIDDEN TESTS and ### END HIDDEN TESTS"
    if found := INSTRUCTORS_ONLY.search(text):
        yield f"text for instructors, marked {found[0]!r}"
    text = _without_layout(text)
    for secret in secrets:
        lines = secret.told(text)
        if len(lines) >= secret.enough:
            many = f"{len(lines)} lines" if len(lines) > 1 else "a line"
            yield f"{many} of {secret.what}: {' '.join(lines[0].split())!r}"


def _without_layout(text: str) -> str:
    return LAYOUT.sub("", text).replace('"', "'")


def _decoded(text: str) -> str:
    """What the base64 in a text says."""
    return "\n".join(_text(b"".join(map(_bytes, block.split()))) for block in BASE64.findall(text))


def _bytes(line: str) -> bytes:
    """What one line of base64 says: all but the last have whole groups of four characters."""
    run = line.rstrip("=")
    run = run[: len(run) - (len(run) % 4 == 1)]
    return base64.b64decode(run + "=" * (-len(run) % 4))


def _text(data: bytes) -> str:
    """The text in a file, "" if it is binary: if, as git has it, it holds a zero."""
    return "" if b"\0" in data else data.decode("utf-8", errors="replace")
