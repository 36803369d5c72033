"""What every page of the course shares: one template environment, and text that cannot harm a reader."""

from __future__ import annotations

import re
import unicodedata
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

LONGEST = 2_000
"""The most characters that any one text may take up on a page."""

COLOUR_CODE = re.compile(r"\x1b\[[0-9;:]*m")


def plain(text: str, longest: int = LONGEST) -> str:
    r"""The first `longest` characters, with all that does not print spelled out; colour codes are dropped.

    What is spelled out can neither reorder a line nor fail to be encoded.

    Example: `plain("\x1b[31mred\u202e")` is `"red\\u202e"`.
    """
    start = COLOUR_CODE.sub("", text[:longest]).replace("\r\n", "\n")
    shown = "".join(char if char.isprintable() or char == "\n" else spelled(char) for char in start)
    more = len(text) - longest
    return f"{shown}… ({more:,} more characters)" if more > 0 else shown


def spelled(char: str) -> str:
    r"""A character that does not print, as Python would write it; spaces of any width are a space, a tab is four."""
    if char == "\t":
        return "    "
    return " " if unicodedata.category(char) == "Zs" else char.encode("unicode_escape").decode()


def points(value: float) -> str:
    """Points with at most two decimals. Example: `points(4.50)` is "4.5"."""
    return f"{value:.2f}".rstrip("0").rstrip(".")


def signed(value: float | None) -> str:
    """A correlation, a dash for none. Example: `signed(-0.126)` is "−0.13"."""
    return "–" if value is None else f"{value:.2f}".replace("-", "−")


def percent(part: float, whole: float) -> int:
    """A share in whole per cent; 0 and 100 mean none and all, never nearly. Example: `percent(999, 1000)` is 99."""
    if whole <= 0 or part <= 0:
        return 0
    return 100 if part >= whole else min(99, max(1, round(100 * part / whole)))


def full(points: float, most: float) -> bool:
    """Whether these are all points, but for the rounding of a sum. Example: `full(0.1 + 0.2, 0.3)` is True."""
    return points > most - 1e-9


def seconds(value: float) -> str:
    """A duration. Example: `seconds(75.2)` is "1 min 15 s", `seconds(0.42)` is "0.4 s"."""
    if value < 60:
        return f"{value:.1f} s"
    return f"{int(value // 60):,} min {int(value % 60)} s"


def render(template: str, **context: Any) -> str:
    """The page that a template of autograder/course/templates makes. Every text in it is made plain, then escaped."""
    return _environment.get_template(template).render(**context)


def _finalize(value: Any) -> Any:
    return plain(value) if isinstance(value, str) and not isinstance(value, Markup) else value


_environment = Environment(
    loader=PackageLoader("autograder.course"),
    autoescape=True,
    undefined=StrictUndefined,
    finalize=_finalize,
    trim_blocks=True,
    lstrip_blocks=True,
)
_environment.filters.update(plain=plain, points=points, signed=signed, percent=percent, seconds=seconds)
