"""Minibatches of anything that holds examples as the rows of tensors."""

from collections.abc import Iterator
from typing import Generic, Protocol, Self, TypeVar

import torch
from torch import Tensor


class Rows(Protocol):
    """Tensors that share their first axis, the example."""

    def __len__(self) -> int:
        """Return the number of examples."""
        ...

    def select(self, index: Tensor) -> Self:
        """Return the examples at `index`, an integer tensor."""
        ...


Batch = TypeVar("Batch", bound=Rows)


class Minibatches(Generic[Batch]):
    """Go through `rows` in minibatches, in a new random order each time.

    Args:
        rows: a batch such as `batch_questions` returns.
        batch_size: B; the rest that does not fill a minibatch is left out, unless there is no full one.
        generator: a CPU generator that draws the order.

    Raises:
        ValueError: `batch_size` is not positive.

    Example:
        >>> for batch in Minibatches(batch_questions(stories), 32, generator):
        ...     print(batch.question.shape)
    """

    def __init__(self, rows: Batch, batch_size: int, generator: torch.Generator) -> None:
        if batch_size < 1:
            raise ValueError(f"batch_size is {batch_size}; it must be positive")
        self.rows, self.batch_size, self.generator = rows, batch_size, generator

    def __len__(self) -> int:
        return max(1, len(self.rows) // self.batch_size)

    def __iter__(self) -> Iterator[Batch]:
        order = torch.randperm(len(self.rows), generator=self.generator)
        for number in range(len(self)):
            yield self.rows.select(order[number * self.batch_size : (number + 1) * self.batch_size])
