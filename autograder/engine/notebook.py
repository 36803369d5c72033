"""Read a notebook file that anybody may have written."""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from autograder.engine.text import readable

MOST_CELLS = 2000
KINDS = ("code", "markdown", "raw")


class Rejected(Exception):
    """The file is no notebook that can be graded; the message says why, for the instructor."""

    def __init__(self, reason: str, digest: str = "") -> None:
        super().__init__(reason)
        self.digest = digest


@dataclass(frozen=True)
class Cell:
    """One cell as it stands in a file. `kind` is code, markdown or raw."""

    kind: str
    source: str
    metadata: Mapping[str, Any]
    cell_id: str

    @property
    def nbgrader(self) -> Mapping[str, Any]:
        found = self.metadata.get("nbgrader")
        return found if isinstance(found, dict) else {}

    @property
    def grade_id(self) -> str:
        """nbgrader's name of the cell; empty where it has none."""
        found = self.nbgrader.get("grade_id")
        return found if isinstance(found, str) else ""

    @property
    def tags(self) -> list[Any]:
        found = self.metadata.get("tags")
        return found if isinstance(found, list) else []


@dataclass(frozen=True)
class Notebook:
    """A notebook's cells and metadata, and the SHA-256 of its file."""

    cells: list[Cell]
    metadata: Mapping[str, Any]
    digest: str


def read_notebook(path: Path, longest: int) -> Notebook:
    """The notebook in a file of at most `longest` bytes. Raises Rejected for anything else.

    Example: `read_notebook(Path("04_attention.ipynb"), longest=20 * MIB).cells[0].source`
    """
    data = read_bytes(path, longest)
    digest = hashlib.sha256(data).hexdigest()
    try:
        cells, metadata = _parse(data)
    except Rejected as reason:
        raise Rejected(str(reason), digest) from None
    return Notebook(cells, metadata, digest)


def _parse(data: bytes) -> tuple[list[Cell], dict[str, Any]]:
    try:
        found = json.loads(data.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise Rejected(f"the file is not a notebook: {_reason(data, error)}") from None
    if not isinstance(found, dict) or not {"cells", "nbformat"} & found.keys():
        raise Rejected("the file is JSON, but not a notebook")
    if found.get("nbformat") != 4:
        raise Rejected(f"the notebook has format {str(found.get('nbformat'))[:20]}; only format 4 can be graded")
    cells, metadata = found.get("cells"), found.get("metadata", {})
    if not isinstance(cells, list) or not isinstance(metadata, dict):
        raise Rejected("the notebook is damaged: it has no list of cells")
    if len(cells) > MOST_CELLS:
        raise Rejected(f"the notebook has {len(cells):,} cells; at most {MOST_CELLS:,} can be graded")
    return [_cell(cell, number) for number, cell in enumerate(cells, 1)], metadata


def read_bytes(path: Path, longest: int) -> bytes:
    """A regular file of at most `longest` bytes; no link is followed, no pipe waited for. Raises Rejected."""
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        file = open(path, "rb", buffering=0, opener=lambda name, _: os.open(name, flags))  # noqa: SIM115
    except OSError as error:
        reason = "it is a symbolic link" if path.is_symlink() else error.strerror
        raise Rejected(f"the file cannot be read: {reason}") from None
    with file:
        about = os.fstat(file.fileno())
        if not stat.S_ISREG(about.st_mode):
            raise Rejected("the file is not a regular file")
        if about.st_nlink != 1:
            raise Rejected("the file is a hard link to another file")
        if about.st_size > longest:
            raise Rejected(f"the file has {about.st_size:,} bytes; at most {longest:,} can be graded")
        return file.read(about.st_size)


def _reason(data: bytes, error: Exception) -> str:
    if not data.strip():
        return "it is empty"
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    if isinstance(error, UnicodeDecodeError):
        return "it is no text in UTF-8"
    return f"it is no JSON ({str(error)[:100]})"


def _cell(cell: Any, number: int) -> Cell:
    if not isinstance(cell, dict) or cell.get("cell_type") not in KINDS:
        raise Rejected(f"the notebook is damaged: cell {number} is no code, markdown or raw cell")
    source, metadata, cell_id = cell.get("source"), cell.get("metadata", {}), cell.get("id", "")
    if isinstance(source, list) and all(isinstance(line, str) for line in source):
        source = "".join(source)
    if not isinstance(source, str) or not isinstance(metadata, dict):
        raise Rejected(f"the notebook is damaged: cell {number} has no text")
    return Cell(cell["cell_type"], readable(source), metadata, cell_id if isinstance(cell_id, str) else "")
