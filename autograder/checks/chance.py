"""Judge what a program draws at random: how often each token comes, and that it comes from the generator."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from autograder.checks.compare import CheckFailed
from autograder.checks.draw import Draw
from autograder.checks.request import Seeded

MANY = 8_000
"""Draws by which frequencies are judged."""

DEVIATION = 0.04
"""How far a frequency among MANY may be from its probability. By Hoeffding's inequality, P(|f - p| ≥ ε) ≤ 2 exp(-2nε²),
chance exceeds it less than once in 10^10; every misconception is off by more than twice as much.
"""


def expect_frequencies(tokens: Tensor, probabilities: Tensor, what: str = "token") -> None:
    """The frequency of every value among `tokens` is its probability, and nothing comes whose probability is 0.

    Raises CheckFailed.
    """
    if not bool(((tokens >= 0) & (tokens < len(probabilities))).all()):
        raise CheckFailed("tokens of the vocabulary", f"tokens from {tokens.min()} to {tokens.max()}")
    counts = tokens.bincount(minlength=len(probabilities))
    forbidden = (probabilities == 0) & (counts > 0)
    gaps = (counts / len(tokens) - probabilities).abs().masked_fill(forbidden, 1.0)
    worst = int(gaps.argmax())
    if not bool(gaps[worst] < DEVIATION):
        share = f"about {probabilities[worst]:.2f} of the time" if probabilities[worst] > 0 else "never"
        raise CheckFailed(f"{what} {worst} {share}, in {len(tokens):,} draws", f"{counts[worst]} times")


def expect_independent(first: Tensor, second: Tensor, probabilities: Tensor) -> None:
    """Pairs of tokens come as often as two independent draws would make them. Raises CheckFailed."""
    pairs = (probabilities[:, None] * probabilities[None, :]).flatten()
    expect_frequencies(first * len(probabilities) + second, pairs, "the pair number")


def expect_from_generator(tokens: Callable[[Seeded], Tensor], draw: Draw) -> None:
    """The tokens depend on the generator's seed, and on no other chance. Raises CheckFailed."""
    first, second = draw.generator(), draw.generator()
    drawn = [tokens(generator) for generator in (first, first, second)]
    if not torch.equal(drawn[0], drawn[1]):
        raise CheckFailed("the same tokens from generators of the same seed", "other tokens the second time")
    if torch.equal(drawn[0], drawn[2]):
        raise CheckFailed("other tokens from a generator of another seed", f"the same {drawn[0].numel()} tokens")
