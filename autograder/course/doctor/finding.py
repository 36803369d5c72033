"""What the doctor says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Level = Literal["ok", "note", "problem"]


@dataclass(frozen=True)
class Finding:
    """What was found. A "note" does not keep anybody from grading, a "problem" does."""

    subject: str
    level: Level
    found: str
    remedy: str = ""
