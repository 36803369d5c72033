"""What can be wrong with a course, told so that the reader knows what to do. Light to import, for the command line."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches


class CourseError(Exception):
    """What was asked cannot be done here; the message says why, where, and what to do."""


class MaterialError(Exception):
    """Something in the material of the course is wrong; each of `findings` is a line that says what and where."""

    def __init__(self, findings: Sequence[str]) -> None:
        super().__init__("\n".join(findings))
        self.findings = list(findings)


def suggestion(name: str, known: Sequence[str]) -> str:
    """What somebody who wrote `name` may have meant. Example: `suggestion("grad", ["grade"])`"""
    if near := get_close_matches(name, known, n=1):
        return f"did you mean {near[0]!r}?"
    return f"there are {', '.join(known)}" if known else "there is none"
