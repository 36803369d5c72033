"""Fresh random inputs for a check, from the seed of the grading run."""

from __future__ import annotations

import hashlib

import torch
from torch import Tensor

from autograder.checks.request import Seeded


class Draw:
    """Random inputs that depend on the seed of the run and on the names given, and on nothing else.

    Example: `Draw(7, "soft_lookup", "a far key has no weight").normal(2, 5)`
    """

    def __init__(self, seed: int, *names: str) -> None:
        digest = hashlib.sha256("\0".join([str(seed), *names]).encode()).digest()
        self._generator = torch.Generator().manual_seed(int.from_bytes(digest[:7], "big"))

    def sizes(self, count: int, low: int = 3, high: int = 13) -> tuple[int, ...]:
        """`count` different sizes. From such sizes neither a swapped axis nor a lucky fraction comes out right:
        none is a multiple of another, and none is a power of two, whose inverse is exact in every type.
        """
        candidates = torch.tensor([size for size in range(low, high + 1) if size & (size - 1)])
        while True:
            found = candidates[torch.randperm(len(candidates), generator=self._generator)[:count]].tolist()
            if all(one % other for one in found for other in found if one != other):
                return tuple(found)

    def normal(self, *shape: int, scale: float = 1.0) -> Tensor:
        """Independent normal numbers with standard deviation `scale`, float64."""
        return torch.randn(shape, generator=self._generator, dtype=torch.float64) * scale

    def uniform(self, low: float, high: float) -> float:
        """One number between `low` and `high`."""
        return low + (high - low) * float(torch.rand((), generator=self._generator, dtype=torch.float64))

    def integers(self, low: int, high: int, *shape: int) -> Tensor:
        """Integers from `low` up to and without `high`, int64."""
        return torch.randint(low, high, shape, generator=self._generator)

    def allowed(self, *shape: int) -> Tensor:
        """A boolean mask; each row (the last axis, three or more wide) allows two places or more, and forbids one or
        more. It is not the same for all along the first axis.
        """
        while True:
            order = torch.rand(shape, generator=self._generator).argsort(-1)
            mask = torch.rand(shape, generator=self._generator) < 0.5
            mask = mask.scatter(-1, order[..., :2], True).scatter(-1, order[..., 2:3], False)
            if bool((mask != mask[:1]).any()):
                return mask

    def generator(self) -> Seeded:
        """A generator for the program, seeded from here."""
        return Seeded(int(torch.randint(2**31, (), generator=self._generator)))
