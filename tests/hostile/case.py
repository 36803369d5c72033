"""One hostile submission, and what it may get."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.engine.notebooks import FIRST, FIRST_POINTS, SECOND, SECOND_POINTS, Cells, answer

NOTHING, ONE, BOTH = (0.0, 0.0), (0.0, SECOND_POINTS), (FIRST_POINTS, SECOND_POINTS)
"""Points of the two exercises: none; the second only, because the first holds the attack; all of them."""

RIGHT = {name: answer(name)["source"] for name in (FIRST, SECOND)}
WRONG = {
    FIRST: "def soft_lookup(query, keys, values, temperature):\n    return query",
    SECOND: "def scaled_dot_product_attention(query, key, value, allowed=None):\n    return query, key",
}


@dataclass(frozen=True)
class Case:
    """An attack and what must come of it.

    own: a cell of the student's own, in front of both exercises.
    first, second: the answers; right ones unless they are given.
    change: does to the cells of the notebook what no source text can; write: writes the submitted file itself.
    seconds: within which it must be graded, on a machine that does nothing else.
    says: what stands in the verdict.

    In the sources @BOOK@ is a file of the grader's, @PORT@ a port on which the grader's machine listens, and @MARK@ the
    beginning of the name of every file that an attack leaves where it can.
    """

    name: str
    own: str = ""
    first: str = RIGHT[FIRST]
    second: str = RIGHT[SECOND]
    points: tuple[float, ...] = BOTH
    seconds: float = 8.0
    says: str = ""
    change: Callable[[Cells], Cells] | None = None
    write: Callable[[Path], None] | None = None

    def __str__(self) -> str:
        return self.name


def cheating(name: str, own: str, **more: object) -> Case:
    """A case whose answers are wrong, so that only a hole in the walls could give points."""
    return Case(name, own, WRONG[FIRST], WRONG[SECOND], NOTHING, **more)  # type: ignore[arg-type]
