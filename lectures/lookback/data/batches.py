"""Minibatches of anything that holds examples as the rows of tensors."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
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


class Sequences(Rows, Protocol):
    """Rows that are padded sequences of words."""

    @property
    def lengths(self) -> Tensor:
        """The number of real words of each row, int64 (B,)."""
        ...

    def cropped(self) -> Self:
        """Return the same rows without the columns that are padding in every row."""
        ...


@dataclass(frozen=True)
class TensorRows:
    """The base of a batch: a frozen dataclass whose fields are all tensors with the example as first axis."""

    def __len__(self) -> int:
        return len(getattr(self, fields(self)[0].name))

    def select(self, index: Tensor) -> Self:
        """Return the examples at `index`, an integer tensor."""
        return type(self)(*(getattr(self, field.name)[index] for field in fields(self)))

    def to(self, device: torch.device | str) -> Self:
        """Return the same batch on `device`."""
        return type(self)(*(getattr(self, field.name).to(device) for field in fields(self)))


def padded(rows: Sequence[Sequence[int]], length: int | None = None) -> Tensor:
    """Return rows of ids as an int64 tensor (B, length), padded with zeros; by default to the longest row."""
    width = max(map(len, rows)) if length is None else length
    return torch.tensor([[*row, *[0] * (width - len(row))] for row in rows], dtype=torch.int64)


Batch = TypeVar("Batch", bound=Rows)
SequenceBatch = TypeVar("SequenceBatch", bound=Sequences)


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
        for index in torch.split(self._order(), self.batch_size):
            yield self.rows.select(index)

    def _order(self) -> Tensor:
        """Return the places of the rows of all minibatches, one minibatch after the other."""
        return torch.randperm(len(self.rows), generator=self.generator)[: len(self) * self.batch_size]


class Buckets(Minibatches[SequenceBatch]):
    """Go through `rows` in minibatches of rows of similar length, each cropped to its own longest row.

    A minibatch of short sentences is then cheap: no step is spent on padding that only a long sentence needs. The
    minibatches come in a new random order each time, and rows of equal length are dealt to them anew.

    Args:
        rows: a batch such as `batch_translations` returns.
        batch_size: B; a random rest that does not fill a minibatch is left out, unless there is no full one.
        generator: a CPU generator that draws the order.

    Raises:
        ValueError: `batch_size` is not positive.

    Example:
        >>> for batch in Buckets(batch_translations(rows), 64, generator):
        ...     print(batch.english.shape)  # (B, S), with another S each time
    """

    def __iter__(self) -> Iterator[SequenceBatch]:
        order = self._order()
        by_length = order[self.rows.lengths.cpu()[order].argsort(stable=True)]
        minibatches = torch.split(by_length, self.batch_size)
        for number in torch.randperm(len(minibatches), generator=self.generator):
            yield self.rows.select(minibatches[number]).cropped()
