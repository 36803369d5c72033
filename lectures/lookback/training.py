"""One training loop for every model of the course."""

import itertools
import os
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import TypeVar

import torch
from torch import Tensor, nn
from tqdm import tqdm  # type: ignore[import-untyped]

Batch = TypeVar("Batch")


@dataclass
class History:
    """What `fit` saw: the loss at every step, and the seconds that training took."""

    losses: list[float] = field(default_factory=list)
    seconds: float = 0.0

    def smoothed(self, window: int = 25) -> list[float]:
        """Return the running mean of the loss over the last `window` steps (fewer at the start)."""
        sums = [0.0, *itertools.accumulate(self.losses)]
        starts = [max(0, end - window) for end in range(1, len(sums))]
        return [(sums[end] - sums[start]) / (end - start) for end, start in enumerate(starts, start=1)]

    def __str__(self) -> str:
        return f"{len(self.losses)} steps in {self.seconds:.1f} s, last losses {self.smoothed()[-1]:.3f}"


def fit(
    model: nn.Module,
    batches: Iterable[Batch],
    loss: Callable[[nn.Module, Batch], Tensor],
    *,
    steps: int,
    learning_rate: float,
    before_step: Callable[[float], bool | None] | None = None,
    warmup: float = 0.0,
    max_norm: float = 1.0,
    title: str = "training",
) -> History:
    """Train `model` in place with Adam and return the loss of every step.

    The model stays on its device; `batches` must already be on it. The learning rate falls linearly to a tenth over
    the last half of training, and may rise linearly before. Progress is shown on standard error, except where the
    environment variable `CI` is set.

    Args:
        batches: gone through again from its start as often as needed; a new order each time if it shuffles itself.
        loss: (model, batch) -> scalar loss.
        before_step: called before each step with the fraction of training that is done, from 0.0 to below 1.0; where
            it returns True, training ends.
        warmup: the fraction of training, below one half, over which the learning rate rises from nearly zero.
        max_norm: gradients are scaled down to this Euclidean norm.

    Raises:
        ValueError: `steps` is not positive, `warmup` is not from 0 to below 0.5, `batches` is empty, or the loss is
            not finite.

    Example:
        >>> history = fit(model, Minibatches(batch, 32, generator), loss, steps=200, learning_rate=1e-2)
        >>> print(history)
        200 steps in 1.3 s, last losses 0.021
    """
    if steps < 1:
        raise ValueError(f"steps is {steps}; it must be positive")
    if not 0 <= warmup < 0.5:
        raise ValueError(f"warmup is {warmup}; it must be from 0 to below 0.5")
    optimiser = torch.optim.Adam(model.parameters(), lr=learning_rate)
    rising = max(1.0, warmup * steps)  # steps
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimiser, lambda step: min((step + 1) / rising, 1.0, 1.9 - 1.8 * step / steps)
    )
    history, started = History(), time.perf_counter()
    model.train()
    progress = tqdm(total=steps, desc=title, leave=False, mininterval=0.5, disable=bool(os.environ.get("CI")))
    for step, batch in enumerate(itertools.islice(_forever(batches), steps)):
        if before_step is not None and before_step(step / steps):
            break
        optimiser.zero_grad()
        value = loss(model, batch)
        if not torch.isfinite(value):
            raise ValueError(f"the loss at step {step} is {value.item()}, which is not finite")
        value.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(model.parameters(), max_norm)
        optimiser.step()
        schedule.step()
        progress.update()
        history.losses.append(value.item())
    progress.close()
    model.eval()
    history.seconds = time.perf_counter() - started
    return history


def _forever(batches: Iterable[Batch]) -> Iterator[Batch]:
    """Go through `batches` again and again."""
    while True:
        empty = True
        for batch in batches:
            empty = False
            yield batch
        if empty:
            raise ValueError("there are no batches to train on")
