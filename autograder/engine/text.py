"""Text that came from outside."""

from __future__ import annotations

import re


def readable(text: str) -> str:
    """The text without lone surrogates, which no file can hold."""
    return re.sub("[\ud800-\udfff]", "�", text)
