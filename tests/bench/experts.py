"""The mixture of experts of unit 09 against a dense network of as many active operations, on one CPU core.

Beside both stands the mixture that lets all experts work on all tokens; it computes the same numbers as ours, which is
tested first. All sides take turns, so that a busy machine disturbs all of them.
Example: `python -m tests.bench.experts --repeats 21`. About half a minute.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import torch
from rich.box import MARKDOWN
from rich.console import Console
from rich.table import Table
from torch import Tensor
from torch.nn import functional as F

from solutions.moe import MixtureOfExperts, SwiGLU, top_k_gates

TOKENS, WIDTH, ACTIVE_WIDTH = 2_048, 256, 1_024
CASES = ((8, 2), (32, 2))
"""Experts, and those that are active; each has an equal share of the active width."""


def medians(sides: dict[str, Callable[[], object]], repeats: int) -> tuple[dict[str, float], dict[str, float]]:
    """CPU seconds of each side, and their ratio to the first one turn by turn, after one turn to warm up."""
    turns = [{name: _seconds(side) for name, side in sides.items()} for _ in range(repeats + 1)][1:]
    first = next(iter(sides))
    return (
        {name: statistics.median(turn[name] for turn in turns) for name in sides},
        {name: statistics.median(turn[name] / turn[first] for turn in turns) for name in sides},
    )


def _seconds(function: Callable[[], object]) -> float:
    start = time.process_time()
    function()
    return time.process_time() - start


def all_on_all(mixture: MixtureOfExperts, x: Tensor) -> Tensor:
    """What the mixture computes, with every expert on every token: most of it is multiplied by 0."""
    logits = mixture.router(x)
    gates, chosen = top_k_gates(logits, mixture.n_active)
    weights = torch.zeros_like(logits).scatter(-1, chosen, gates)  # (B, T, E)
    output = torch.zeros_like(x)
    for i, expert in enumerate(mixture.experts):
        made = expert["down"](F.silu(expert["gate"](x)) * expert["up"](x))  # type: ignore[operator, index]
        output = output + weights[..., i, None] * made
    return output


def sides(n_experts: int, n_active: int) -> dict[str, Callable[[], object]]:
    """Forward and backward of the three."""
    dense = SwiGLU(WIDTH, ACTIVE_WIDTH)
    mixture = MixtureOfExperts(WIDTH, ACTIVE_WIDTH // n_active, n_experts, n_active)
    x, upstream = torch.randn(8, TOKENS // 8, WIDTH, requires_grad=True), torch.randn(8, TOKENS // 8, WIDTH)
    torch.testing.assert_close(mixture(x)[0], all_on_all(mixture, x), rtol=1e-4, atol=1e-5)
    return {
        "dense": lambda: dense(x).backward(upstream),
        "each expert on its own tokens": lambda: mixture(x)[0].backward(upstream),
        "all experts on all tokens": lambda: all_on_all(mixture, x).backward(upstream),
    }


def main() -> None:
    """Print what every side takes, and the ratio that the course promises."""
    options = argparse.ArgumentParser(description="Compare the mixture of experts with a dense network.")
    options.add_argument("--repeats", type=int, default=11)
    repeats = options.parse_args().repeats
    torch.set_num_threads(1)
    torch.manual_seed(0)
    title = f"forward and backward, {TOKENS:,} tokens, width {WIDTH}, {ACTIVE_WIDTH:,} hidden numbers active"
    table = Table("experts", "active", "", "CPU ms", "of dense", box=MARKDOWN, title=title)
    promised = 0.0
    for n_experts, n_active in CASES:
        seconds, ratios = medians(sides(n_experts, n_active), repeats)
        for name in seconds:
            table.add_row(str(n_experts), str(n_active), name, f"{1e3 * seconds[name]:.1f}", f"{ratios[name]:.2f}")
        promised = promised or ratios["each expert on its own tokens"]
    Console(width=100).print(table)
    print(f"8 experts, 2 active / dense: {promised:.2f} (at most 1.4)")


if __name__ == "__main__":
    main()
