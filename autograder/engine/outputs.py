"""What a cell printed and showed, as the outputs of a notebook: text and images only, and no more than will be kept."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from autograder.engine.text import readable

LONGEST_NAME = 100
LONGEST_ERROR = 300
OUTPUT_BYTES = 200
"""What an output costs beside its text."""
BASE64 = re.compile(r"[A-Za-z0-9+/=\n]*")


class Outputs:
    """Collects the outputs of one cell, at most `kept_bytes` characters of them.

    What the kernel sends is a claim by the student's process: whatever is no output is left out.

    `error` is what the cell raised, in one line, and `result` the text of its last result; None where there was none.

    Example: `outputs.add("stream", {"name": "stdout", "text": "1"})`, then `outputs.cells` goes into the notebook.
    """

    def __init__(self, kept_bytes: int) -> None:
        self.cells: list[dict[str, Any]] = []
        self.error = ""
        self.result: str | None = None
        self._left = kept_bytes

    def add(self, kind: str, content: Mapping[str, Any]) -> None:
        """Add the content of one message on the kernel's output channel, if it is an output and there is room."""
        if kind == "execute_result":
            self.result = _text(content)
        elif kind == "error":
            self.error = failure(content)
        if self._left <= 0:
            return
        before = len(self.cells)
        if kind == "stream":
            self._stream(content)
        elif kind == "error":
            self._error(content)
        elif kind in ("display_data", "execute_result"):
            self._data(kind, content)
        self._left -= OUTPUT_BYTES * (len(self.cells) - before)

    def _stream(self, content: Mapping[str, Any]) -> None:
        name, text = content.get("name"), self._kept(content.get("text"))
        if name not in ("stdout", "stderr") or not text:
            return
        if self.cells and self.cells[-1].get("name") == name:
            self.cells[-1]["text"] += text
        else:
            self.cells.append({"output_type": "stream", "name": name, "text": text})

    def _error(self, content: Mapping[str, Any]) -> None:
        name, value = self._kept(content.get("ename"))[:LONGEST_NAME], self._kept(content.get("evalue"))
        lines = content.get("traceback")
        traceback = [self._kept(line) for line in lines] if isinstance(lines, list) else []
        self.cells.append({"output_type": "error", "ename": name, "evalue": value, "traceback": traceback})

    def _data(self, kind: str, content: Mapping[str, Any]) -> None:
        data = content.get("data")
        if not isinstance(data, dict):
            return
        kept = {}
        if text := self._kept(data.get("text/plain")):
            kept["text/plain"] = text
        image = data.get("image/png")
        if isinstance(image, str) and len(image) <= self._left and BASE64.fullmatch(image):
            self._left -= len(image)
            kept["image/png"] = image
        if kept:
            output = {"output_type": kind, "data": kept, "metadata": {}}
            self.cells.append(output | ({"execution_count": None} if kind == "execute_result" else {}))

    def _kept(self, text: object) -> str:
        if not isinstance(text, str) or self._left <= 0:
            return ""
        kept = readable(text[: self._left])
        self._left -= len(text)
        return kept if self._left >= 0 else f"{kept}\n… (the rest of the output was not kept)\n"


def failure(content: Mapping[str, Any]) -> str:
    """What a message says was raised, in one line; empty where it names nothing.

    Example: `failure({"ename": "KeyError", "evalue": "'x'"})` is "KeyError: 'x'".
    """
    name, value = (readable(text) if isinstance(text := content.get(key), str) else "" for key in ("ename", "evalue"))
    told = " ".join(value[:LONGEST_ERROR].split())
    return f"{name[:LONGEST_NAME]}: {told}" if name and told else name[:LONGEST_NAME]


def _text(content: Mapping[str, Any]) -> str:
    data = content.get("data")
    text = data.get("text/plain") if isinstance(data, dict) else None
    return readable(text[:LONGEST_ERROR]) if isinstance(text, str) else ""
