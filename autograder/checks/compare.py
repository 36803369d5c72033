"""Compare what came with what was expected, and say where they differ."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from autograder.checks.request import Abstract, Answer, Opaque, Value

ROUNDING_STEPS = 2**12
"""How many units of rounding an answer may be off by, relative to its largest number (at least 1).

The bank sums at most 2^8 terms and chains at most five such sums, each losing less than one unit a term; two ways to
write the same mathematics differ by twice that. The slightest misconception leaves 2^20 times as much in float64.
"""


COUNTS_APART = 1.5
"""The factor within which the costs of two programs count as alike: one mistake is written in many ways."""


class CheckFailed(Exception):
    """A check found something else than it expected. Both are sentences for the student."""

    def __init__(self, expected: str, came: str) -> None:
        super().__init__(f"expected {expected}; came {came}")
        self.expected = expected
        self.came = came


def tolerance(expected: Tensor) -> float:
    """The largest difference that rounding explains, in the type of `expected`."""
    finite = expected[expected.isfinite()]
    magnitude = max(1.0, float(finite.abs().max())) if finite.numel() else 1.0
    return ROUNDING_STEPS * float(torch.finfo(expected.dtype).eps) * magnitude


def difference(came: Value, expected: Value, what: str = "the output") -> tuple[str, str] | None:
    """None if `came` is `expected` but for rounding, else what was expected and what came, in words.

    Types are compared as well as numbers; a tuple may come as a list; a number may come as a tensor without axes.
    """
    if isinstance(expected, Tensor):
        return _tensor_difference(came, expected, what)
    if isinstance(expected, tuple | list):
        if not isinstance(came, tuple | list) or len(came) != len(expected):
            return f"{what} to be {len(expected)} values", describe(came)
        pairs = zip(came, expected, strict=True)
        found = (difference(one, other, f"{what}[{i}]") for i, (one, other) in enumerate(pairs))
        return next((item for item in found if item), None)
    if isinstance(expected, dict):
        if not isinstance(came, dict) or came.keys() != expected.keys():
            return f"{what} to have the names {', '.join(expected)}", describe(came)
        found = (difference(came[key], expected[key], f"{what}[{key!r}]") for key in expected)
        return next((item for item in found if item), None)
    if isinstance(expected, float):
        if isinstance(came, Tensor) and came.dim() == 0:
            came = float(came)
        if not isinstance(came, int | float) or isinstance(came, bool):
            return f"{what} to be a number", describe(came)
        one, other = (torch.tensor(number, dtype=torch.float64) for number in (came, expected))
        return _tensor_difference(one, other, what)
    return None if type(came) is type(expected) and came == expected else (f"{what} {expected!r}", describe(came))


def same_answer(one: Answer, other: Answer) -> bool:
    """Whether two programs answered alike: the same numbers, gradients and changes, or the same error.

    Costs, where they were counted, need only be near.
    """
    if one.failure or other.failure:
        return one.failure == other.failure
    alike = one.changed == other.changed and one.calls == other.calls
    alike = alike and _near(one.peak, other.peak) and _near(one.operations, other.operations)
    return alike and difference(_contents(one), _contents(other)) is None


def _near(one: int, other: int) -> bool:
    return max(one, other) <= COUNTS_APART * min(one, other)


def _contents(answer: Answer) -> Value:
    return answer.output, tuple(answer.argument_gradients), dict(answer.parameter_gradients)


def describe(value: Value) -> str:
    """A short description of any value, for a message."""
    if isinstance(value, Tensor):
        return f"a {_dtype(value)} tensor of shape {tuple(value.shape)}"
    if isinstance(value, Abstract):
        return f"a {value.dtype.removeprefix('torch.')} tensor of shape {value.shape} on {value.device}"
    if isinstance(value, Opaque):
        return f"an object of type {value.type_name}"
    if isinstance(value, tuple | list):
        return f"{len(value)} values ({', '.join(describe(item) for item in value[:4])}{', …' * (len(value) > 4)})"
    if isinstance(value, dict):
        return f"a dict with the names {', '.join(sorted(value)[:12]) or '(none)'}"
    return repr(value)[:120]


def _tensor_difference(came: Value, expected: Tensor, what: str) -> tuple[str, str] | None:
    if not isinstance(came, Tensor):
        return f"{what} to be {describe(expected)}", describe(came)
    if came.shape != expected.shape:
        return f"{what} of shape {tuple(expected.shape)}", f"shape {tuple(came.shape)}"
    if came.dtype != expected.dtype:
        return f"{what} of type {_dtype(expected)}", _dtype(came)
    if not expected.is_floating_point():
        wrong = came != expected
    else:
        close = (came - expected).abs() <= tolerance(expected)
        wrong = ~(close | (came == expected) | (came.isnan() & expected.isnan()))
    if not bool(wrong.any()):
        return None
    return _worst(came, expected, wrong, what)


def _worst(came: Tensor, expected: Tensor, wrong: Tensor, what: str) -> tuple[str, str]:
    gap = torch.where(wrong, (came.double() - expected.double()).abs().nan_to_num(math.inf), -1.0)
    place = tuple(int(i) for i in torch.unravel_index(gap.argmax(), gap.shape))
    where = f"{what}{list(place) if place else ''}"
    share = f"{int(wrong.sum())} of {wrong.numel()} numbers differ" if wrong.numel() > 1 else "it differs"
    return f"{where} = {expected[place].item():.6g}", f"{came[place].item():.6g} ({share})"


def _dtype(tensor: Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")
