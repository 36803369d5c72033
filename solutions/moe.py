"""References for unit 09: the modern block, and a mixture of experts in it.

Axes: B batch, T positions, N tokens (those of all sentences in a row), D model width, h hidden width, E experts,
K experts that are active for a token.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F


class RMSNorm(nn.Module):
    """Scale each vector to a mean square of 1, then by a learned number for every place.

    The output is weight · x / √(mean of x² + eps), with the mean over the vector's own D numbers. Neither a mean is
    subtracted nor a bias added. The output has the type of x; in half precision, where the square of 256 is already
    infinite, squares and their mean are computed in float32.

    Parameter: weight (D), at first ones. Zhang and Sennrich 2019, equation 4; there without eps.

    Example: `RMSNorm(64, eps=1e-6)(x)` has the shape of x, whose last axis has 64 numbers.
    """

    def __init__(self, d_model: int, eps: float) -> None:
        super().__init__()
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(d_model))

    def forward(self, x: Float[Tensor, "... D"]) -> Float[Tensor, "... D"]:
        """Every vector of x, normalised."""
        wide = x.to(torch.promote_types(x.dtype, torch.float32))
        mean_square = wide.square().mean(dim=-1, keepdim=True)
        return self.weight * (wide / (mean_square + self.eps).sqrt()).to(x.dtype)


class SwiGLU(nn.Module):
    """A feed-forward network with a gate: down(silu(gate(x)) · up(x)), with silu(z) = z · sigmoid(z).

    Parameters, none with a bias: gate and up (d_model → d_hidden), down (d_hidden → d_model).
    Shazeer 2020, equation 6; its W, V and W2 are gate, up and down.

    Example: `SwiGLU(64, 171)(x)` has the shape of x, whose last axis has 64 numbers.
    """

    def __init__(self, d_model: int, d_hidden: int) -> None:
        super().__init__()
        self.gate = nn.Linear(d_model, d_hidden, bias=False)
        self.up = nn.Linear(d_model, d_hidden, bias=False)
        self.down = nn.Linear(d_hidden, d_model, bias=False)

    def forward(self, x: Float[Tensor, "... D"]) -> Float[Tensor, "... D"]:
        """Every vector of x, transformed by itself."""
        made: Tensor = self.down(F.silu(self.gate(x)) * self.up(x))
        return made


class PreNormBlock(nn.Module):
    """A pre-norm sublayer of any kind: x + mixer(norm(x)).

    mixer takes (B, T, D) and returns (B, T, D): an attention, a SwiGLU, or any other function; a module's parameters
    become the block's. norm is an nn.RMSNorm with an eps of 1e-6 (or your RMSNorm), and its weight the block's one
    parameter of its own: norm.weight. Touvron et al. 2023, section 2.2.

    Example: `PreNormBlock(SwiGLU(64, 171), d_model=64)(x)` has the shape of x.
    """

    def __init__(self, mixer: Callable[[Float[Tensor, "B T D"]], Float[Tensor, "B T D"]], d_model: int) -> None:
        super().__init__()
        self.mixer = mixer
        self.norm = nn.RMSNorm(d_model, eps=1e-6)

    def forward(self, x: Float[Tensor, "B T D"]) -> Float[Tensor, "B T D"]:
        """x and what the mixer makes of the normalised x; the mixer is called once."""
        return x + self.mixer(self.norm(x))


def top_k_gates(logits: Float[Tensor, "... E"], k: int) -> tuple[Float[Tensor, "... K"], Int[Tensor, "... K"]]:
    """The gates of the k experts with the highest logits, and the numbers of these experts, the best one first.

    The gates are the softmax over the k chosen logits alone, so they sum to 1; the softmax over all E, of which the k
    chosen ones are divided by their sum, is the same. Gradients flow through the gates into the logits.
    Raises ValueError, with both numbers, unless 1 <= k <= E. Shazeer et al. 2017, equations 3 and 5; there with noise.

    Example: `gates, chosen = top_k_gates(torch.tensor([0.0, 3.0, 3.0, 1.0]) / 2, k=2)`
    """
    if not 1 <= k <= logits.shape[-1]:
        raise ValueError(f"{k} of {logits.shape[-1]} experts cannot be chosen")
    best, chosen = logits.topk(k, dim=-1)
    return best.softmax(dim=-1), chosen


class MixtureOfExperts(nn.Module):
    """n_experts networks, of which every token uses n_active: those with its highest router logits.

    The output of a token is the sum of what its chosen experts make of it, each times its gate; the gates are the
    softmax over the chosen logits. Each expert is a SwiGLU, down(silu(gate(x)) · up(x)), and runs on the tokens that
    chose it and on no others. Every token chooses for itself; no token is dropped.

    Parameters, none with a bias: router (d_model → n_experts) and experts, an nn.ModuleList of n_experts parts with
    gate and up (d_model → d_hidden) and down (d_hidden → d_model); an nn.ModuleDict or your SwiGLU will do. n_active is
    an attribute. Raises ValueError, with both numbers, unless 1 <= n_active <= n_experts.
    Shazeer et al. 2017, equation 1; Jiang et al. 2024, section 2.1.

    Example: `output, logits = MixtureOfExperts(64, 128, n_experts=8, n_active=2)(x)`
    """

    def __init__(self, d_model: int, d_hidden: int, n_experts: int, n_active: int) -> None:
        super().__init__()
        if not 1 <= n_active <= n_experts:
            raise ValueError(f"{n_active} of {n_experts} experts cannot be active")
        self.n_active = n_active
        self.router = nn.Linear(d_model, n_experts, bias=False)
        self.experts = nn.ModuleList(
            nn.ModuleDict(
                {
                    "gate": nn.Linear(d_model, d_hidden, bias=False),
                    "up": nn.Linear(d_model, d_hidden, bias=False),
                    "down": nn.Linear(d_hidden, d_model, bias=False),
                }
            )
            for _ in range(n_experts)
        )

    def forward(self, x: Float[Tensor, "B T D"]) -> tuple[Float[Tensor, "B T D"], Float[Tensor, "B T E"]]:
        """The output of every token, and its router logits over all experts, before any choice."""
        logits: Tensor = self.router(x)
        best, chosen = logits.topk(self.n_active, dim=-1)  # (B, T, K)
        gates = best.softmax(dim=-1)
        tokens, choices = x.flatten(0, 1), chosen.flatten()  # (N, D), (N K)
        order = choices.argsort()  # all choices of expert 0, then all of expert 1, …
        owners = order // self.n_active  # the token whose choice it is
        read = tokens.index_select(0, owners)  # (N K, D)
        loads = choices.bincount(minlength=len(self.experts)).tolist()
        expert: Any
        made = []
        for expert, part in zip(self.experts, torch.split(read, loads), strict=True):
            made.append(expert["down"](F.silu(expert["gate"](part)) * expert["up"](part)))
        weighted = torch.cat(made) * gates.flatten().index_select(0, order)[:, None]
        return torch.zeros_like(tokens).index_add(0, owners, weighted).view_as(x), logits


def load_balancing_loss(probabilities: Float[Tensor, "... E"], chosen: Int[Tensor, "... K"]) -> Float[Tensor, ""]:
    """E · Σᵢ fᵢ Pᵢ: 1 where all E experts are used alike, and more where those that are used more are also likelier.

    fᵢ is the share of all choices that fell on expert i, over all tokens and all K ranks; Pᵢ is the mean over tokens of
    probabilities, the router's softmax over all experts. A choice has no gradient: it flows through P alone. Padding
    counts in neither: a token is padding where all its K choices are -1. There is a token that is none.
    Fedus et al. 2022, equations 4 to 6, without α; for K > 1 as here Σ f = 1.

    Example: `load_balancing_loss(logits.softmax(dim=-1), chosen)`
    """
    real = chosen[..., 0] >= 0
    n_experts = probabilities.shape[-1]
    counts = chosen[real].flatten().bincount(minlength=n_experts).to(probabilities.dtype)
    return n_experts * (counts / counts.sum() * probabilities[real].mean(dim=0)).sum()


def dispatch_with_capacity(chosen: Int[Tensor, "N K"], n_experts: int, capacity: int) -> Int[Tensor, "N K"]:
    """The place of every choice in the buffer of its expert, from 0 on, or -1 where the buffer was full.

    A buffer has room for `capacity` choices. The first choices of all tokens are served before any second one, and
    among choices of one rank the earlier token is served first. A choice of -1 is padding: it takes no place, and
    gets -1. Places are int64. Raises ValueError, with both numbers, where an expert is chosen that there is not.
    Lepikhin et al. 2020, algorithm 1; Fedus et al. 2022, section 2.2.

    Example: `dispatch_with_capacity(torch.tensor([[0], [0], [1], [0]]), n_experts=2, capacity=2)` is 0, 1, 0, -1
    """
    highest = int(chosen.max())
    if highest >= n_experts:
        raise ValueError(f"expert {highest} is chosen, and there are only {n_experts}")
    queue = chosen.T.flatten()  # all first choices, then all second ones
    asks = queue[:, None] == torch.arange(n_experts, device=chosen.device)  # (K N, E)
    places = torch.where(asks, asks.cumsum(dim=0) - 1, -1).amax(dim=1)
    return places.masked_fill(places >= capacity, -1).view(chosen.T.shape).T


def parameter_counts(model: nn.Module) -> tuple[int, int]:
    """How many numbers a model has as parameters, and how many of them one token uses: total and active.

    A part of the model with a list `experts` (nn.ModuleList) and a number `n_active` is a mixture: a token uses
    n_active of its experts, which are all of one size. Everything else, routers included, is used by every token. A
    parameter with several owners counts once; buffers are no parameters. Jiang et al. 2024, section 2.1.

    Example: `total, active = parameter_counts(MixtureOfExperts(64, 128, n_experts=8, n_active=2))`
    """
    total = sum(parameter.numel() for parameter in model.parameters())
    idle = 0
    part: Any
    for part in model.modules():
        if isinstance(getattr(part, "experts", None), nn.ModuleList) and hasattr(part, "n_active"):
            of_one = sum(parameter.numel() for parameter in part.experts[0].parameters())
            idle += (len(part.experts) - part.n_active) * of_one
    return total, total - idle
