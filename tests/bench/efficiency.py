"""The attention of unit 07 against the whole matrix of scores and against PyTorch's own, on one CPU core.

All sides compute the same numbers, which is tested first, and take turns, so that a busy machine disturbs all of them.
Example: `python -m tests.bench.efficiency --tokens 16384 --repeats 5`. About three minutes.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import lookback as lb
import torch
from rich.box import MARKDOWN
from rich.console import Console
from rich.table import Table
from torch import Tensor
from torch.nn import functional as F

from solutions.efficiency import KeyValueCache, cached_step, flash_attention, flash_attention_backward

WIDTH = 64
BLOCK = 512
MIB = 2**20


@dataclass(frozen=True)
class Cost:
    """The CPU seconds of the fastest of several runs, and bytes at the peak."""

    seconds: float
    memory: int


def costs(sides: dict[str, Callable[[], object]], repeats: int) -> dict[str, Cost]:
    """What each side takes. They take turns; the first, which also measures memory, is for warming up."""
    memory = {name: lb.peak_memory(side) for name, side in sides.items()}
    turns = [{name: _seconds(side) for name, side in sides.items()} for _ in range(repeats)]
    return {name: Cost(min(turn[name] for turn in turns), memory[name]) for name in sides}


def _seconds(function: Callable[[], object]) -> float:
    start = time.process_time()
    function()
    return time.process_time() - start


def whole(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Attention as it is written down: the whole matrix of scores."""
    return (query @ key.mT / math.sqrt(WIDTH)).softmax(dim=-1) @ value


def forward_sides(N: int) -> dict[str, Callable[[], object]]:
    """Three ways to the same output."""
    query, key, value = torch.randn(3, 1, 1, N, WIDTH)
    short = query[:, :, :1000]
    output, _ = flash_attention(short, key, value, BLOCK, False)
    torch.testing.assert_close(output, F.scaled_dot_product_attention(short, key, value))
    return {
        "whole matrix": lambda: whole(query, key, value),
        "in tiles": lambda: flash_attention(query, key, value, BLOCK, False),
        "PyTorch's own": lambda: F.scaled_dot_product_attention(query, key, value),
    }


def both_sides(N: int) -> dict[str, Callable[[], object]]:
    """Three ways to the same output and gradients."""
    inputs = query, key, value = torch.randn(3, 1, 1, N, WIDTH)
    leaves = [tensor.clone().requires_grad_() for tensor in inputs]
    upstream = torch.randn(1, 1, N, WIDTH)

    def in_tiles() -> tuple[Tensor, ...]:
        output, logsumexp = flash_attention(query, key, value, BLOCK, False)
        return flash_attention_backward(query, key, value, output, logsumexp, upstream, BLOCK, False)

    def torchs_own() -> tuple[Tensor, ...]:
        return torch.autograd.grad(F.scaled_dot_product_attention(*leaves), leaves, upstream)

    for ours, theirs in zip(in_tiles(), torchs_own(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-5)
    return {
        "whole matrix": lambda: torch.autograd.grad(whole(*leaves), leaves, upstream),
        "in tiles": in_tiles,
        "PyTorch's own": torchs_own,
    }


def decoding_sides(N: int, n_layers: int = 4, D: int = 256, H: int = 4) -> dict[str, Callable[[], object]]:
    """N tokens one after the other through causal attention: each time all of them, or only the new one."""
    tokens = torch.randn(1, N, D)
    weights = [(torch.randn(3 * D, D) / D**0.5, torch.randn(D, D) / D**0.5) for _ in range(n_layers)]

    def whole_layer(x: Tensor, weight_qkv: Tensor, weight_output: Tensor) -> Tensor:
        query, key, value = (x @ weight_qkv.T).view(1, -1, 3, H, D // H).permute(2, 0, 3, 1, 4)
        read = F.scaled_dot_product_attention(query, key, value, is_causal=True)
        return read.transpose(1, 2).flatten(2) @ weight_output.T

    @torch.no_grad()
    def without_cache() -> Tensor:
        last = []
        for stop in range(1, N + 1):
            x = tokens[:, :stop]
            for pair in weights:
                x = x + whole_layer(x, *pair)
            last.append(x[:, -1:])
        return torch.cat(last, dim=1)

    @torch.no_grad()
    def with_cache() -> Tensor:
        caches = [KeyValueCache(1, H, N, D // H) for _ in weights]
        last = []
        for place in range(N):
            x = tokens[:, place : place + 1]
            for pair, cache in zip(weights, caches, strict=True):
                x = x + cached_step(x, *pair, H, cache)
            last.append(x)
        return torch.cat(last, dim=1)

    torch.testing.assert_close(with_cache(), without_cache(), rtol=1e-3, atol=1e-3)
    return {"all tokens each time": without_cache, "with a cache": with_cache}


def show(title: str, found: dict[str, Cost]) -> None:
    """Print a table; ratios are to its first row."""
    table = Table("", "CPU s", "of the first", "MiB at the peak", "of the first", box=MARKDOWN, title=title)
    first = next(iter(found.values()))
    for name, cost in found.items():
        ratios = cost.seconds / first.seconds, cost.memory / first.memory
        table.add_row(
            name, f"{cost.seconds:.2f}", f"{ratios[0]:.3f}", f"{cost.memory / MIB:,.1f}", f"1/{1 / ratios[1]:.0f}"
        )
    Console(width=100).print(table)


def main() -> None:
    """Print what every side takes, and the ratios that the course promises."""
    options = argparse.ArgumentParser(description="Compare attention in tiles and cached decoding with the plain ways.")
    options.add_argument("--tokens", type=int, default=16_384)
    options.add_argument("--decoded", type=int, default=512)
    options.add_argument("--repeats", type=int, default=5)
    given = options.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    forward = costs(forward_sides(given.tokens), given.repeats)
    show(f"attention forward, {given.tokens:,} tokens, width {WIDTH}, blocks of {BLOCK}", forward)
    both = costs(both_sides(given.tokens), given.repeats)
    show("forward and backward", both)
    decoded = costs(decoding_sides(given.decoded), given.repeats)
    show(f"decoding {given.decoded} tokens, four layers of width 256", decoded)
    tiles, own = "in tiles", "PyTorch's own"
    cached, anew = decoded["with a cache"].seconds, decoded["all tokens each time"].seconds
    print(
        f"forward in tiles / whole matrix: {forward[tiles].seconds / forward['whole matrix'].seconds:.2f} (at most 0.4)"
    )
    print(f"forward in tiles / PyTorch's own: {forward[tiles].seconds / forward[own].seconds:.2f} (at most 1.3)")
    print(f"forward and backward in tiles / PyTorch's own: {both[tiles].seconds / both[own].seconds:.2f} (at most 1.5)")
    print(f"memory whole / in tiles: {forward['whole matrix'].memory / forward[tiles].memory:.0f} (at least 200)")
    print(f"decoding anew / with a cache: {anew / cached:.1f} (at least 8)")


if __name__ == "__main__":
    main()
