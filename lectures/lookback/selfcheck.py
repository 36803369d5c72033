"""Checks that a student sees: what was expected, what came, one suspect, one experiment."""

import os
import traceback
from collections.abc import Callable

import torch
from torch import Tensor

from lookback.cells import SelfCheck, note, unwritten


class NotYet(AssertionError):
    """A self-check that does not hold yet; its message says what to look at.

    A notebook shows the message alone; where the student's code raised, its traceback stands above.
    """

    def _render_traceback_(self) -> list[str]:
        return [*_crash(self.__cause__), str(self).lstrip("\n")]


def _crash(cause: BaseException | None) -> list[str]:
    """The lines of a traceback from the student's call on; a stub that is still to be written needs none."""
    if cause is None or unwritten(cause):
        return []
    below = cause.__traceback__ and cause.__traceback__.tb_next  # our own call is not what failed
    return [line.rstrip("\n") for line in traceback.format_exception(type(cause), cause, below)]


def self_check(
    name: str,
    compute: Callable[[], object],
    expected: object,
    *,
    suspect: str,
    experiment: str,
    tolerance: float = 1e-4,
) -> None:
    """Compute something with the student's code and say whether it is as expected.

    Self-checks are worth no points. While a grader runs the notebook a failed one is only printed, so that it does
    not keep the grader from what follows.

    Args:
        name: what holds when the check passes.
        compute: calls the student's code; a tensor, a number, or an exception class that it should raise.
        expected: a tensor or a number to be near, or an exception class.
        suspect: one thing that is often wrong when this fails.
        experiment: one cheap thing to try.
        tolerance: the largest difference that counts as near.

    Raises:
        NotYet: the check does not hold.

    Example:
        >>> self_check("doubling", lambda: torch.tensor(2.0) * 2, 4.0, suspect="the factor", experiment="print it")
        ✓ doubling
    """
    came = _outcome(compute)
    check = SelfCheck(name, _near(came, expected, tolerance), _words(expected), _words(came), suspect, experiment)
    note(check)
    if check.held or os.environ.get("NBGRADER_EXECUTION") == "autograde":
        print(check)
        return
    raise NotYet(f"\n{check}") from came if isinstance(came, Exception) else None


def _outcome(compute: Callable[[], object]) -> object:
    """What `compute` returns, or the exception that it raises: a failing student program is what this is for."""
    try:
        return compute()
    except Exception as error:
        return error


def _near(came: object, expected: object, tolerance: float) -> bool:
    if isinstance(expected, type) and issubclass(expected, Exception):
        return isinstance(came, expected)
    if not isinstance(came, Tensor | float | int):
        return False
    one, other = torch.as_tensor(came).detach(), torch.as_tensor(expected)
    return one.shape == other.shape and bool(((one - other).abs() <= tolerance).all())


def _words(value: object) -> str:
    if isinstance(value, type):
        return f"{value.__name__} to be raised"
    if isinstance(value, Exception):
        stub = unwritten(value)
        return f"nothing yet: {stub} still raises NotImplementedError" if stub else f"{type(value).__name__}: {value}"
    if isinstance(value, Tensor) and value.numel() > 12:
        return f"a tensor of shape {tuple(value.shape)}, {_rounded(value.detach().flatten()[:4].tolist())} …"
    return str(_rounded(value.detach().tolist() if isinstance(value, Tensor) else value))


def _rounded(value: object) -> object:
    """Numbers with six digits: as many as the tolerance of any self-check can tell apart."""
    if isinstance(value, list):
        return [_rounded(item) for item in value]
    return float(f"{value:.6g}") if isinstance(value, float) else value
