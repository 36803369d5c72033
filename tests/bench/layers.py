"""The course's attention and its language model against PyTorch's own layers: forward and backward, on one CPU core.

Both sides compute the same numbers, which is tested first, and take turns, so that a busy machine disturbs both.
Example: `python -m tests.bench.layers --repeats 21`. About half a minute.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from rich.box import MARKDOWN
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn
from torch.nn import functional as F

from solutions.self_attention import MultiHeadSelfAttention
from solutions.transformer import DecoderOnlyTransformer

ATTENTION_SIZES = ((32, 32, 64, 4), (16, 64, 256, 8), (4, 256, 512, 8))
"""Sequences, tokens of each, width and heads."""
MODEL_SIZES = ((32, 32, 64, 4, 2), (16, 64, 256, 8, 4))
"""The same, and layers."""
VOCABULARY = 1_000


@dataclass(frozen=True)
class Comparison:
    """Medians of the CPU seconds of both sides, and of their ratios turn by turn; below 1 ours is faster."""

    what: str
    ours: float
    theirs: float
    ratio: float
    tokens: int


class TorchLanguageModel(nn.Module):
    """DecoderOnlyTransformer from PyTorch's layers alone; its parameters have the same names."""

    def __init__(self, d_model: int, n_heads: int, n_layers: int, max_length: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY, d_model)
        self.positions = nn.Embedding(max_length, d_model)
        self.layers = nn.ModuleList(
            nn.TransformerEncoderLayer(d_model, n_heads, 4 * d_model, dropout=0.0, batch_first=True, norm_first=True)
            for _ in range(n_layers)
        )
        self.norm = nn.LayerNorm(d_model)

    def forward(self, tokens: Tensor) -> Tensor:
        """tokens (B, T) -> logits (B, T, V)."""
        T = tokens.shape[1]
        forbidden = nn.Transformer.generate_square_subsequent_mask(T)
        x = self.embedding(tokens) + self.positions.weight[:T]
        for layer in self.layers:
            x = layer(x, src_mask=forbidden, is_causal=True)
        logits: Tensor = self.norm(x) @ self.embedding.weight.T
        return logits


def compared(what: str, ours: Callable[[], None], theirs: Callable[[], None], tokens: int, repeats: int) -> Comparison:
    """Time two functions in turns, after one turn to warm up."""
    turns = [(_seconds(ours), _seconds(theirs)) for _ in range(repeats + 1)][1:]
    mine, other = (statistics.median(times) for times in zip(*turns, strict=True))
    return Comparison(what, mine, other, statistics.median(one / another for one, another in turns), tokens)


def _seconds(function: Callable[[], None]) -> float:
    start = time.process_time()
    function()
    return time.process_time() - start


def attention(B: int, T: int, D: int, H: int, repeats: int) -> Comparison:
    """MultiHeadSelfAttention and nn.MultiheadAttention, both with the weights of every head; forward and backward."""
    ours, theirs = MultiHeadSelfAttention(D, H), nn.MultiheadAttention(D, H, bias=False, batch_first=True)
    theirs.load_state_dict({"in_proj_weight": ours.qkv.weight, "out_proj.weight": ours.output.weight})
    x, upstream = torch.randn(B, T, D, requires_grad=True), torch.randn(B, T, D)

    def attend() -> Tensor:
        return theirs(x, x, x, average_attn_weights=False)[0]

    torch.testing.assert_close(ours(x)[0], attend())
    return compared(
        f"attention, {B} × {T} tokens, width {D}, {H} heads",
        lambda: ours(x)[0].backward(upstream),
        lambda: attend().backward(upstream),
        B * T,
        repeats,
    )


def language_model(B: int, T: int, D: int, H: int, n_layers: int, repeats: int) -> Comparison:
    """DecoderOnlyTransformer and a stack of nn.TransformerEncoderLayer: a step of training with Adam."""
    ours = DecoderOnlyTransformer(VOCABULARY, D, H, 4 * D, n_layers, max_length=T)
    theirs = TorchLanguageModel(D, H, n_layers, max_length=T)
    theirs.load_state_dict(ours.state_dict())
    tokens, targets = torch.randint(VOCABULARY, (2, B, T))
    torch.testing.assert_close(ours(tokens), theirs(tokens))

    def trained(model: nn.Module) -> Callable[[], None]:
        optimiser = torch.optim.Adam(model.parameters(), lr=1e-3)

        def step() -> None:
            optimiser.zero_grad()
            F.cross_entropy(model(tokens).flatten(0, 1), targets.flatten()).backward()  # type: ignore[no-untyped-call]
            optimiser.step()

        return step

    what = f"language model, {B} × {T} tokens, width {D}, {H} heads, {n_layers} layers"
    return compared(what, trained(ours), trained(theirs), B * T, repeats)


def main() -> None:
    """Print a table of what both sides take."""
    options = argparse.ArgumentParser(description="Compare the course's layers with PyTorch's.")
    options.add_argument("--repeats", type=int, default=11)
    repeats = options.parse_args().repeats
    torch.set_num_threads(1)
    torch.manual_seed(0)
    found = [attention(*size, repeats) for size in ATTENTION_SIZES]
    found += [language_model(*size, repeats) for size in MODEL_SIZES]
    table = Table(
        "", "course ms", "PyTorch ms", "ratio", "course tokens/s", "PyTorch tokens/s", box=MARKDOWN, title="CPU time"
    )
    for one in found:
        speeds = (f"{one.tokens / seconds:,.0f}" for seconds in (one.ours, one.theirs))
        table.add_row(one.what, f"{1e3 * one.ours:.1f}", f"{1e3 * one.theirs:.1f}", f"{one.ratio:.2f}", *speeds)
    Console(width=140).print(table)


if __name__ == "__main__":
    main()
