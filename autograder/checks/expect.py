"""Expectations on what a program returned: `expect(output).close(values)`. A disappointed one raises CheckFailed."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from autograder.checks.compare import CheckFailed, describe, difference, tolerance
from autograder.checks.request import Value


@dataclass(frozen=True)
class Expectation:
    """A value under test, and how to call it in a message."""

    value: Value
    what: str

    def close(self, expected: Value) -> None:
        """The value is `expected` but for rounding."""
        if found := difference(self.value, expected, self.what):
            raise CheckFailed(*found)

    def zero_where(self, mask: Tensor) -> None:
        """Exactly zero wherever `mask` is True."""
        tensor = self.tensor(tuple(mask.shape))
        if bool((tensor[mask] != 0).any()):
            worst = tensor[mask].abs().nan_to_num(torch.inf).max().item()
            raise CheckFailed(
                f"exactly 0 for {self.what} at the {int(mask.sum())} forbidden places", f"up to {worst:.3g}"
            )

    def sums_to_one(self, dim: int = -1) -> None:
        """Non-negative, and summing to one along `dim`."""
        tensor = self.tensor()
        sums = tensor.sum(dim)
        if not bool(((sums - 1).abs() <= tolerance(sums)).all()) or bool((tensor < 0).any()):
            raise CheckFailed(
                f"{self.what} to sum to 1 along axis {dim}", f"sums from {sums.min():.4g} to {sums.max():.4g}"
            )

    def number(self) -> float:
        """The value as a number; a tensor without axes counts as one."""
        value = self.value.item() if isinstance(self.value, Tensor) and self.value.dim() == 0 else self.value
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise CheckFailed(f"{self.what} to be a number", describe(self.value))
        return float(value)

    def tensor(self, shape: tuple[int, ...] | None = None) -> Tensor:
        """The value as a tensor, of this shape."""
        if not isinstance(self.value, Tensor) or shape not in (None, tuple(self.value.shape)):
            expected = "a tensor" + (f" of shape {shape}" if shape else "")
            raise CheckFailed(f"{self.what} to be {expected}", describe(self.value))
        return self.value


def expect(value: Value, what: str = "the output") -> Expectation:
    """Begin an expectation. Example: `expect(weights, "the weights").sums_to_one()`"""
    return Expectation(value, what)


def expect_values(value: Value, *names: str) -> tuple[Expectation, ...]:
    """As many values as names. Example: `output, weights = expect_values(value, "output", "weights")`"""
    if not isinstance(value, tuple | list) or len(value) != len(names):
        raise CheckFailed(f"{len(names)} values: {', '.join(names)}", describe(value))
    return tuple(Expectation(item, f"the {name}") for item, name in zip(value, names, strict=True))
