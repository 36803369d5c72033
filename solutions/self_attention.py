"""References for unit 05: self-attention, positions, masks and heads.

Axes: B batch, T tokens that ask, S keys, D model width, H heads, d = D / H width of one head.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn


def fused_qkv(
    x: Float[Tensor, "B T D"], weight: Float[Tensor, "3*D D"], n_heads: int
) -> tuple[Float[Tensor, "B H T d"], Float[Tensor, "B H T d"], Float[Tensor, "B H T d"]]:
    """Queries, keys and values of all heads from one product, x · weightᵀ.

    The first D rows of weight make the queries, the next D the keys, the last D the values. Among the D rows of each,
    the first d make head 0, the next d head 1, and so on. That is the layout of nn.MultiheadAttention.
    Raises ValueError, with both numbers, where n_heads does not divide D. Vaswani et al. 2017, section 3.2.2.

    Example: `query, key, value = fused_qkv(x, weight, n_heads=4)`
    """
    B, T, D = x.shape
    if D % n_heads:
        raise ValueError(f"{n_heads} heads do not divide a width of {D}")
    product = x @ weight.T  # (B, T, 3 D)
    query, key, value = product.view(B, T, 3, n_heads, D // n_heads).permute(2, 0, 3, 1, 4)
    return query, key, value


def merge_heads(x: Float[Tensor, "B H T d"]) -> Float[Tensor, "B T H*d"]:
    """The outputs of the heads side by side: the first d numbers of each token are those of head 0.

    Example: `merge_heads(torch.zeros(2, 4, 7, 16)).shape` is (2, 7, 64)
    """
    B, H, T, d = x.shape
    return x.transpose(1, 2).reshape(B, T, H * d)


def causal_mask(T: int, S: int | None = None, device: torch.device | str | None = None) -> Bool[Tensor, "T S"]:
    """Where T queries may look among S keys, True for allowed: each at itself and at what came before it.

    The queries are the last T of the S positions; the S - T keys before them come from a cache. Without S there is no
    cache, S = T. Raises ValueError, with both numbers, where S is less than T.

    Example: `causal_mask(2, 3)` is [[True, True, False], [True, True, True]]
    """
    S = T if S is None else S
    if S < T:
        raise ValueError(f"{T} queries cannot be the last of only {S} keys")
    query = torch.arange(S - T, S, device=device)  # (T,): where each query stands among the keys
    key = torch.arange(S, device=device)
    return key <= query[:, None]


def sinusoidal_positions(length: int, d_model: int) -> Float[Tensor, "T D"]:
    """A row of sines and cosines for each position from 0, in float32. Vaswani et al. 2017, section 3.5.

    Columns 2i and 2i + 1 hold the sine and the cosine of position / 10,000^(2i / d_model).
    Raises ValueError where d_model is odd.

    Example: `sinusoidal_positions(50, 64)[0]` is 0, 1, 0, 1, …
    """
    if d_model % 2:
        raise ValueError(f"sines and cosines come in pairs, and d_model = {d_model} is odd")
    position = torch.arange(0, length, dtype=torch.float64)
    frequency = 10_000.0 ** (-torch.arange(0, d_model, 2, dtype=torch.float64) / d_model)  # (D/2,)
    angle = position[:, None] * frequency
    return torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(1).float()


def rotary(
    x: Float[Tensor, "... T d"], positions: Int[Tensor, "T"], base: float = 10_000.0
) -> Float[Tensor, "... T d"]:
    """Turn the queries or keys of each token by its position. Su et al. 2021, section 3.2.2 and equation 34.

    Pairs are neighbours, as in the paper: numbers 2i and 2i + 1 are a point in the plane, and it is turned
    anticlockwise by the angle position · base^(-2i / d). The positions may be any integers in any order. Angles are
    computed in the type of x. Raises ValueError where the width d is odd.

    Example: `query, key = rotary(query, positions), rotary(key, positions)`
    """
    d = x.shape[-1]
    if d % 2:
        raise ValueError(f"rotary positions turn pairs of numbers, and a width of {d} is odd")
    frequency = base ** (-torch.arange(0, d, 2, dtype=x.dtype, device=x.device) / d)  # (d/2,)
    angle = positions[:, None] * frequency  # (T, d/2)
    cos, sin = angle.cos(), angle.sin()
    first, second = x[..., 0::2], x[..., 1::2]  # each (..., T, d/2)
    return torch.stack([first * cos - second * sin, first * sin + second * cos], dim=-1).flatten(-2)


class MultiHeadSelfAttention(nn.Module):
    """Every token asks all tokens, with n_heads heads at once. Vaswani et al. 2017, section 3.2.2.

    Parameters, none with a bias: qkv (d_model → 3 d_model: the rows of its weight as in fused_qkv) and output
    (d_model → d_model), which mixes the heads. Raises ValueError, with both numbers, where n_heads does not divide
    d_model.

    Example: `output, weights = MultiHeadSelfAttention(64, n_heads=4)(x, causal_mask(x.shape[1]))`
    """

    def __init__(self, d_model: int, n_heads: int) -> None:
        super().__init__()
        if d_model % n_heads:
            raise ValueError(f"{n_heads} heads do not divide d_model = {d_model}")
        self.n_heads = n_heads
        self.qkv = nn.Linear(d_model, 3 * d_model, bias=False)
        self.output = nn.Linear(d_model, d_model, bias=False)

    def forward(
        self, x: Float[Tensor, "B T D"], allowed: Bool[Tensor, "T T"] | Bool[Tensor, "B T T"] | None = None
    ) -> tuple[Float[Tensor, "B T D"], Float[Tensor, "B H T T"]]:
        """The output of every token, and the weights of every head.

        allowed is True where a query (row) may look at a key (column): one mask for all sequences, (T, T), or one for
        each, (B, T, T); the heads share it. A query that may look nowhere gets weights and an output of zero.
        """
        B, T, D = x.shape
        H, d = self.n_heads, D // self.n_heads
        query, key, value = self.qkv(x).view(B, T, 3, H, d).permute(2, 0, 3, 1, 4)  # each (B, H, T, d)
        scores = query @ key.transpose(-2, -1) / math.sqrt(d)  # (B, H, T, T)
        if allowed is not None:
            allowed = allowed.unsqueeze(-3)
            scores = scores.masked_fill(~allowed, -math.inf)
        weights = scores.softmax(dim=-1)
        if allowed is not None:
            weights = weights.masked_fill(~allowed.any(dim=-1, keepdim=True), 0.0)
        read = weights @ value  # (B, H, T, d)
        return self.output(read.transpose(1, 2).reshape(B, T, D)), weights


def equivariance_gap(
    f: Callable[[Float[Tensor, "B T D"]], Float[Tensor, "B T E"]],
    x: Float[Tensor, "B T D"],
    permutation: Int[Tensor, "T"],
) -> float:
    """How far f is from treating its tokens as a set: 0 where permuting the inputs only permutes the outputs.

    The largest absolute difference between f(x)[:, permutation] and f(x[:, permutation]), as a number.

    Example: `equivariance_gap(lambda x: 2 * x, x, torch.randperm(x.shape[1]))` is 0.0
    """
    permuted_after = f(x)[:, permutation]
    permuted_before = f(x[:, permutation])
    return (permuted_after - permuted_before).abs().max().item()
