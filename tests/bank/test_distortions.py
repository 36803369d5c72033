"""Whatever a program returns, no check breaks on it: right answers, distorted in every way that Python offers."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from autograder.bank import load_bank
from autograder.checks.subject import local
from tests.bank.test_banks import EXERCISES, SEED

Distortion = Callable[[Any], Any]


def to_tensors(change: Callable[[Tensor], Any]) -> Distortion:
    """The change of every tensor of an answer."""

    def distort(value: Any) -> Any:
        if isinstance(value, Tensor):
            return change(value)
        return type(value)(map(distort, value)) if isinstance(value, tuple | list) else value

    return distort


def to_numbers(change: Callable[[float], Any]) -> Distortion:
    """The change of every number, and of every tensor's numbers taken together."""

    def distort(value: Any) -> Any:
        if isinstance(value, tuple | list):
            return type(value)(map(distort, value))
        return change(value) if isinstance(value, int | float) else value

    return distort


DISTORTIONS: dict[str, Distortion] = {
    "nothing": lambda value: None,
    "text": str,
    "an object": lambda value: object(),
    "one in a tuple": lambda value: (value,),
    "twice": lambda value: (value, value),
    "the first alone": lambda value: value[0] if isinstance(value, tuple | list) else value[:0],
    "turned round": lambda value: value[::-1] if isinstance(value, tuple | list) else value.flip(0),
    "a dict": lambda value: {"output": value},
    "integers": to_tensors(lambda tensor: tensor.long() + 1),
    "truth values": to_tensors(lambda tensor: tensor.bool().logical_not()),
    "complex": to_tensors(lambda tensor: tensor * (1 + 1j)),
    "half precision": to_tensors(lambda tensor: tensor.to(torch.float16)),
    "not a number": to_tensors(lambda tensor: torch.full_like(tensor, math.nan, dtype=torch.float64)),
    "infinite": to_tensors(lambda tensor: torch.full_like(tensor, -math.inf, dtype=torch.float64)),
    "out of range": to_tensors(lambda tensor: torch.full_like(tensor, 10**12, dtype=torch.int64)),
    "negative": to_tensors(lambda tensor: torch.full_like(tensor, -7, dtype=torch.int64)),
    "one axis more": to_tensors(lambda tensor: tensor[None]),
    "no axes": to_tensors(lambda tensor: tensor.sum()),
    "empty": to_tensors(lambda tensor: tensor.flatten()[:0]),
    "sparse": to_tensors(lambda tensor: tensor.to_sparse()),
    "lists": to_tensors(lambda tensor: tensor.tolist()),
    "a number that is none": to_numbers(lambda number: math.nan),
    "a number without end": to_numbers(lambda number: math.inf),
    "a number as text": to_numbers(str),
    "a number in a tensor": to_numbers(lambda number: torch.tensor([number, number])),
}


@pytest.mark.parametrize(("unit", "exercise"), EXERCISES)
def test_no_check_breaks_on_a_distorted_answer_and_none_is_worth_full_points(unit: str, exercise: str) -> None:
    bank = load_bank(unit)
    right = getattr(bank.unit, exercise)
    for name, distort in DISTORTIONS.items():
        changed = False

        def answer(*arguments: Any, distort: Distortion = distort, given: Any = right) -> Any:
            nonlocal changed
            before = given(*arguments)
            try:
                after = distort(before)
            except (TypeError, RuntimeError):  # there is no such distortion of this answer
                return before
            changed = changed or not _same(before, after)
            return after

        program = right if not inspect.isclass(right) else _subclass(right, answer)
        result = bank.grade(exercise, local({exercise: program if inspect.isclass(right) else answer}), SEED)
        assert result.points < result.max or not changed, name


def _subclass(module: type, answer: Callable[..., Any]) -> type:
    """The module with a forward whose result goes through `answer`."""

    def forward(self: Any, *arguments: Any) -> Any:
        return answer(*arguments, given=lambda *given: module.forward(self, *given))  # type: ignore[attr-defined]

    return type(module.__name__, (module,), {"forward": forward})


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, Tensor) and isinstance(other, Tensor):
        return one.dtype == other.dtype and torch.equal(one, other) if one.layout == other.layout else False
    if isinstance(one, tuple | list) and isinstance(other, tuple | list):
        return len(one) == len(other) and all(map(_same, one, other))
    return type(one) is type(other) and one == other
