"""Claims: an empirical sentence, the figure that was measured for it, and whether it held."""

import math
from dataclasses import dataclass
from html import escape

_made: dict[str, "Claim"] = {}


class ClaimFailed(AssertionError):
    """A measured figure was outside the bounds that its claim requires."""


@dataclass(frozen=True)
class Claim:
    """One measured claim: the statement, the figure, and the closed interval that the figure must lie in."""

    statement: str
    measured: float
    lowest: float
    highest: float
    required: str

    @property
    def held(self) -> bool:
        """Whether the figure lies within the bounds."""
        return self.lowest <= self.measured <= self.highest

    def __str__(self) -> str:
        mark = "✓" if self.held else "✗"
        return f"{mark} {self.statement}\n  measured {self.measured:.4g} · required {self.required}"


class ClaimsTable:
    """The claims of this process in the order in which they were first made, shown as a table by Jupyter."""

    def __init__(self, claims: tuple[Claim, ...]) -> None:
        self.claims = claims

    def __repr__(self) -> str:
        return "\n".join(str(claim) for claim in self.claims)

    def _repr_html_(self) -> str:
        rows = "".join(
            f'<tr><td style="text-align: left">{escape(claim.statement)}</td>'
            f"<td>measured {claim.measured:.4g}</td><td>{escape(claim.required)}</td>"
            f"<td>{'✓' if claim.held else '✗'}</td></tr>\n"
            for claim in self.claims
        )
        head = '<tr><th style="text-align: left">claim</th><th>measured</th><th>required</th><th>held</th></tr>'
        return f"<table>\n<thead>{head}</thead>\n<tbody>\n{rows}</tbody>\n</table>"


def claim(
    statement: str,
    measured: float,
    *,
    at_least: float | None = None,
    at_most: float | None = None,
    about: float | None = None,
    within: float | None = None,
) -> None:
    """Print a claim, the figure measured for it and what was required; fail where it did not hold.

    Args:
        statement: one sentence, true if the figure lies within the bounds.
        measured: the figure; anything that `float` accepts, so a tensor with one element too.
        at_least: the least figure that supports the statement.
        at_most: the largest figure that supports it; may be given together with `at_least`.
        about: the expected figure, given together with `within`, its absolute tolerance.

    Raises:
        ClaimFailed: the figure is outside the bounds; the message has both.
        ValueError: no bound is given, `about` and `within` are not given together, or the figure is not finite.

    Example:
        >>> claim("Attention weights sum to one", 1.0, about=1.0, within=1e-6)
        ✓ Attention weights sum to one
          measured 1 · required 1 ± 1e-06
    """
    lowest, highest, required = _bounds(at_least, at_most, about, within)
    figure = float(measured)
    if not math.isfinite(figure):
        raise ValueError(f"the figure measured for {statement!r} is {figure}, which is not finite")
    made = Claim(statement, figure, lowest, highest, required)
    _made[statement] = made
    print(made)
    if not made.held:
        raise ClaimFailed(str(made))


def _bounds(
    at_least: float | None, at_most: float | None, about: float | None, within: float | None
) -> tuple[float, float, str]:
    """Return the lowest and the highest figure allowed, and the words for them."""
    if (about is None) != (within is None):
        raise ValueError("about and within belong together: give both or neither")
    if about is not None and within is not None:
        if at_least is not None or at_most is not None:
            raise ValueError("give either about and within, or at_least and at_most")
        return about - within, about + within, f"{about:.4g} ± {within:.4g}"
    if at_least is None and at_most is None:
        raise ValueError("a claim needs a bound: at_least, at_most, or about with within")
    words = [f"at least {at_least:.4g}"] if at_least is not None else []
    words += [f"at most {at_most:.4g}"] if at_most is not None else []
    lowest = -math.inf if at_least is None else at_least
    highest = math.inf if at_most is None else at_most
    return lowest, highest, " and ".join(words)


def claims_table() -> ClaimsTable:
    """Return all claims made so far in this process, as a table that Jupyter renders.

    A claim that is made again, by running its cell a second time, replaces the earlier one.

    Example:
        >>> claims_table()
    """
    return ClaimsTable(tuple(_made.values()))
