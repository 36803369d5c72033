"""Right programs for unit 05, written differently.

Each stands in a notebook on its own, so it imports what the notebook does not.
"""

from __future__ import annotations

import math

import torch
from torch import nn

from solutions.programs import variant


@variant("fused_qkv", "einsum over a weight with an axis for each letter")
def qkv_by_einsum(x, weight, n_heads):
    D = x.size(-1)
    if D % n_heads != 0:
        raise ValueError(f"D={D} is not a multiple of n_heads={n_heads}")
    rows = weight.unflatten(0, (3, n_heads, D // n_heads))
    return tuple(torch.einsum("btc,rhdc->rbhtd", x, rows))


@variant("fused_qkv", "chunks for the roles, chunks for the heads")
def qkv_by_chunks(x, weight, n_heads):
    if x.shape[2] % n_heads:
        raise ValueError(f"{n_heads} heads and width {x.shape[2]}")
    roles = torch.nn.functional.linear(x, weight).chunk(3, dim=-1)
    return [torch.stack(role.chunk(n_heads, dim=-1), dim=1) for role in roles]


@variant("fused_qkv", "a product for each role and head")
def qkv_by_blocks(x, weight, n_heads):
    width, left_over = divmod(x.shape[-1], n_heads)
    if left_over:
        raise ValueError(f"a width of {x.shape[-1]} does not split into {n_heads} heads")
    blocks = [x @ block.T for block in weight.split(width)]
    return tuple(torch.stack(blocks[role * n_heads : (role + 1) * n_heads], 1) for role in range(3))


@variant("merge_heads", "heads concatenated one by one")
def merged_by_cat(x):
    return torch.cat([x[:, head] for head in range(x.shape[1])], dim=-1)


@variant("merge_heads", "einops")
def merged_by_einops(x):
    from einops import rearrange

    return rearrange(x, "b h t d -> b t (h d)")


@variant("merge_heads", "written into an empty tensor")
def merged_by_slices(x):
    B, H, T, d = x.shape
    merged = x.new_empty(B, T, H * d)
    for head in range(H):
        merged[:, :, head * d : (head + 1) * d] = x[:, head]
    return merged


@variant("causal_mask", "the lower triangle of ones")
def mask_by_tril(T, S=None, device=None):
    keys = S if S is not None else T
    if keys < T:
        raise ValueError(f"only {keys} keys for {T} queries")
    return torch.ones(T, keys, dtype=torch.bool, device=device).tril(keys - T)


@variant("causal_mask", "the last rows of a square, what is above the diagonal taken out")
def mask_by_rows(T, S=None, device=None):
    if S is None:
        S = T
    elif T > S:
        raise ValueError(f"T={T} must not exceed S={S}")
    return ~torch.full((S, S), True, device=device).triu(diagonal=1)[S - T :]


@variant("causal_mask", "a list of rows")
def mask_by_lists(T, S=None, device=None):
    S = S or T
    if S < T:
        raise ValueError(f"{S} < {T}")
    rows = [[True] * (S - T + t + 1) + [False] * (T - t - 1) for t in range(T)]
    return torch.tensor(rows, device=device)


@variant("sinusoidal_positions", "sines and cosines written into an empty table")
def table_by_columns(length, d_model):
    if d_model % 2 != 0:
        raise ValueError(f"an even d_model is needed, not {d_model}")
    table = torch.empty(length, d_model)
    pairs = torch.arange(d_model // 2)
    frequency = torch.exp(pairs * (-2 * math.log(10_000) / d_model))
    angle = torch.outer(torch.arange(length).float(), frequency)
    table[:, 0::2] = angle.sin()
    table[:, 1::2] = angle.cos()
    return table


@variant("sinusoidal_positions", "one number at a time")
def table_by_numbers(length, d_model):
    if d_model & 1:
        raise ValueError(f"d_model={d_model}")
    rows = [
        [(math.cos if i % 2 else math.sin)(position / 10_000 ** ((i - i % 2) / d_model)) for i in range(d_model)]
        for position in range(length)
    ]
    return torch.tensor(rows, dtype=torch.float32)


@variant("sinusoidal_positions", "a sine with a phase of a quarter turn for the cosines")
def table_by_phase(length, d_model):
    pairs, odd = divmod(d_model, 2)
    if odd:
        raise ValueError(f"d_model is {d_model}, which is odd")
    wavelength = 2 * math.pi * torch.logspace(0, 4, pairs + 1, dtype=torch.float64)[:-1].repeat_interleave(2)
    turns = torch.arange(length, dtype=torch.float64).unsqueeze(1) / wavelength
    return torch.sin(2 * math.pi * (turns + torch.tensor([0.0, 0.25]).repeat(pairs))).float()


@variant("rotary", "complex numbers")
def rotary_by_complex(x, positions, base=10_000.0):
    if x.shape[-1] % 2:
        raise ValueError(f"the width {x.shape[-1]} is odd")
    pairs = torch.view_as_complex(x.unflatten(-1, (-1, 2)).contiguous())
    exponent = torch.arange(pairs.shape[-1], device=x.device).to(x.dtype) / pairs.shape[-1]
    angle = torch.outer(positions.to(x.dtype), base**-exponent)
    return torch.view_as_real(pairs * torch.polar(torch.ones_like(angle), angle)).flatten(-2)


@variant("rotary", "x times cosines and a half-turned x times sines")
def rotary_by_repetition(x, positions, base=10_000.0):
    width = x.shape[-1]
    if width % 2 == 1:
        raise ValueError(f"cannot pair {width} numbers")
    frequency = torch.exp(torch.arange(0, width, 2).to(x) * (-math.log(base) / width))
    angle = (positions.to(x)[:, None] * frequency).repeat_interleave(2, dim=-1)
    turned = torch.stack([-x[..., 1::2], x[..., ::2]], dim=-1).reshape(x.shape)
    return x * angle.cos() + turned * angle.sin()


@variant("rotary", "a rotation matrix for each position and pair")
def rotary_by_matrices(x, positions, base=10_000.0):
    pairs, odd = divmod(x.shape[-1], 2)
    if odd:
        raise ValueError(f"odd width {x.shape[-1]}")
    frequency = torch.tensor([base ** (-i / pairs) for i in range(pairs)], dtype=x.dtype, device=x.device)
    angle = positions.unsqueeze(-1) * frequency
    rows = [torch.stack([angle.cos(), -angle.sin()], -1), torch.stack([angle.sin(), angle.cos()], -1)]
    rotation = torch.stack(rows, dim=-2)  # (T, pairs, 2, 2)
    return torch.einsum("tpij,...tpj->...tpi", rotation, x.unflatten(-1, (pairs, 2))).flatten(-2)


@variant("MultiHeadSelfAttention", "PyTorch's own layer")
class MultiHeadByTorch(nn.Module):
    def __init__(self, d_model, n_heads):
        super().__init__()
        if d_model % n_heads:
            raise ValueError(f"d_model={d_model} is not a multiple of n_heads={n_heads}")
        self.d_model, self.n_heads = d_model, n_heads
        self.qkv = nn.Linear(d_model, 3 * d_model, bias=False)
        self.output = nn.Linear(d_model, d_model, bias=False)

    def forward(self, x, allowed=None):
        forbidden = blind = torch.zeros(len(x), x.shape[1], x.shape[1], dtype=torch.bool, device=x.device)
        if allowed is not None:
            blind = ~allowed.any(-1, keepdim=True) | forbidden
            forbidden = ~allowed & ~blind
        layer = nn.MultiheadAttention(self.d_model, self.n_heads, bias=False, batch_first=True)
        output, weights = torch.func.functional_call(
            layer,
            {"in_proj_weight": self.qkv.weight, "out_proj.weight": self.output.weight},
            (x, x, x),
            {"attn_mask": forbidden.repeat_interleave(self.n_heads, 0), "average_attn_weights": False},
        )
        return output.masked_fill(blind[..., :1], 0.0), weights.masked_fill(blind.unsqueeze(1), 0.0)


@variant("MultiHeadSelfAttention", "a loop over the heads")
class MultiHeadByLoop(nn.Module):
    def __init__(self, d_model, n_heads):
        super().__init__()
        self.d_head, left_over = divmod(d_model, n_heads)
        if left_over != 0:
            raise ValueError(f"{d_model} % {n_heads} = {left_over}")
        self.output = nn.Linear(d_model, d_model, bias=False)
        self.qkv = nn.Linear(d_model, 3 * d_model, bias=False)

    def forward(self, x, allowed=None):
        D, outputs, maps = x.shape[-1], 0, []
        for start in range(0, D, self.d_head):
            rows = torch.arange(start, start + self.d_head, device=x.device)
            q, k, v = (x @ self.qkv.weight[rows + role * D].T for role in range(3))
            logits = torch.einsum("btd,bsd->bts", q, k) * self.d_head**-0.5
            if allowed is not None:
                logits = torch.where(allowed, logits, torch.full_like(logits, -math.inf))
                seen = allowed.any(-1, keepdim=True)
                maps.append(torch.where(seen, logits, torch.zeros_like(logits)).softmax(-1) * seen)
            else:
                maps.append(logits.softmax(-1))
            outputs = outputs + maps[-1] @ v @ self.output.weight[:, rows].T
        return outputs, torch.stack(maps, dim=1)


@variant("MultiHeadSelfAttention", "einsum, the exponential by hand")
class MultiHeadByEinsum(nn.Module):
    def __init__(self, d_model, n_heads):
        super().__init__()
        if d_model // n_heads * n_heads != d_model:
            raise ValueError(f"{n_heads} does not divide {d_model}")
        self.n_heads = n_heads
        self.qkv, self.output = nn.Linear(d_model, 3 * d_model, False), nn.Linear(d_model, d_model, False)

    def forward(self, x, allowed=None):
        rows = self.qkv.weight.unflatten(0, (3, self.n_heads, -1))
        q, k, v = torch.einsum("btc,rhdc->rbhtd", x, rows)
        scores = torch.einsum("bhtd,bhsd->bhts", q / math.sqrt(q.shape[-1]), k)
        if allowed is not None:
            per_head = allowed if allowed.dim() == 2 else allowed[:, None]
            scores = scores.masked_fill(per_head.logical_not(), -math.inf)
        highest = scores.detach().amax(-1, keepdim=True).nan_to_num(neginf=0.0)
        unnormalised = (scores - highest).exp()
        total = unnormalised.sum(-1, keepdim=True)
        weights = unnormalised / total.masked_fill(total == 0, 1.0)
        columns = self.output.weight.unflatten(1, (self.n_heads, -1))
        return torch.einsum("bhts,bhsd,chd->btc", weights, v, columns), weights


@variant("equivariance_gap", "both orders in one batch")
def gap_in_one_batch(f, x, permutation):
    both = f(torch.cat([x, x[:, permutation]]))
    return torch.dist(both[: len(x), permutation], both[len(x) :], p=math.inf)


@variant("equivariance_gap", "the outputs put back in order")
def gap_put_back(f, x, permutation):
    back = f(x.index_select(1, permutation)).index_select(1, permutation.argsort())
    return float(torch.max(torch.abs(back - f(x))))


@variant("equivariance_gap", "token by token")
def gap_by_tokens(f, x, permutation):
    straight, permuted = f(x), f(torch.stack([x[:, place] for place in permutation.tolist()], dim=1))
    return max((straight[:, p] - permuted[:, t]).abs().max().item() for t, p in enumerate(permutation.tolist()))
