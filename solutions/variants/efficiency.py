"""Right programs for unit 07, written differently.

Each stands in a notebook on its own, so it imports what the notebook does not.
"""

from __future__ import annotations

import math

import torch
from torch import nn

from solutions.programs import variant


@variant("attention_cost", "the formulas multiplied out")
def cost_by_formulas(length, d_model, n_heads):
    if d_model % n_heads != 0:
        raise ValueError(f"d_model={d_model}, n_heads={n_heads}")
    N, D, H = length, d_model, n_heads
    return {
        "qkv": (6 * N * D**2, 12 * N * D),
        "scores": (2 * N**2 * D, 4 * H * N**2),
        "weighting": (2 * N**2 * D, 4 * N * D),
        "output": (2 * N * D**2, 4 * N * D),
    }


@variant("attention_cost", "one product after the other")
def cost_by_products(length, d_model, n_heads):
    if d_model != d_model // n_heads * n_heads:
        raise ValueError(f"cannot share a width of {d_model} among {n_heads}")

    def product(m, k, n):
        return 2 * m * k * n, m * n * torch.finfo(torch.float32).bits // 8

    def times(count, pair):
        return tuple(count * number for number in pair)

    head = d_model // n_heads
    return dict(
        output=product(length, d_model, d_model),
        weighting=times(n_heads, product(length, length, head)),
        scores=times(n_heads, product(length, head, length)),
        qkv=times(3, product(length, d_model, d_model)),
    )


@variant("online_softmax", "every block on its own, merged by logaddexp")
def online_by_merging(blocks):
    output = logsumexp = None
    for scores, values in blocks:
        here = torch.logsumexp(scores, dim=1)
        part = torch.softmax(scores, dim=1).nan_to_num(0.0) @ values
        if output is None:
            output, logsumexp = part, here
            continue
        both = torch.logaddexp(logsumexp, here)
        old, new = ((one - both).exp().nan_to_num(0.0).unsqueeze(1) for one in (logsumexp, here))
        output, logsumexp = old * output + new * part, both
    if output is None:
        raise ValueError("no blocks")
    return output, logsumexp


@variant("online_softmax", "the maximum first, then the sums")
def online_in_two_passes(blocks):
    blocks = list(blocks)
    if not blocks:
        raise ValueError("an empty list of blocks")
    highest = torch.stack([scores.max(dim=1).values for scores, _ in blocks]).max(dim=0).values
    finite = torch.where(highest.isfinite(), highest, torch.zeros_like(highest))
    total, read = 0.0, 0.0
    for scores, values in blocks:
        weights = torch.exp(scores - finite.unsqueeze(1))
        total, read = total + weights.sum(1), read + torch.einsum("ts,sv->tv", weights, values)
    return read / torch.where(total > 0, total, torch.ones_like(total)).unsqueeze(1), finite + torch.log(total)


@variant("flash_attention", "all queries against one block of keys after the other")
def flash_by_keys(query, key, value, block_size, causal):
    (B, H, T, d), S = query.shape, key.shape[2]
    if causal and S < T:
        raise ValueError(f"causal attention of {T} queries over {S} keys")
    device, dtype = query.device, query.dtype
    m = torch.full((B, H, T, 1), -float("inf"), device=device, dtype=dtype)
    z = torch.zeros(B, H, T, 1, device=device, dtype=dtype)
    o = torch.zeros(B, H, T, value.shape[3], device=device, dtype=dtype)
    for s in range(0, S, block_size):
        k, v = key[:, :, s : s + block_size], value[:, :, s : s + block_size]
        t = max(0, s - (S - T)) if causal else 0
        scores = torch.einsum("bhtd,bhsd->bhts", query[:, :, t:], k) * d**-0.5
        if causal:
            places = torch.arange(s, s + k.shape[2], device=device)
            own = torch.arange(S - T + t, S, device=device)
            scores = scores.where(places <= own[:, None], -math.inf)
        old = m[:, :, t:]
        new = torch.maximum(old, scores.max(-1, keepdim=True).values)
        p, keep = torch.exp(scores - new), torch.exp(old - new)
        z[:, :, t:] = z[:, :, t:] * keep + p.sum(-1, keepdim=True)
        o[:, :, t:] = o[:, :, t:] * keep + torch.einsum("bhts,bhsv->bhtv", p, v)
        m[:, :, t:] = new
    return o / z, (m + z.log()).squeeze(-1)


@variant("flash_attention", "a block of queries against all keys that it may read")
def flash_by_rows(query, key, value, block_size, causal):
    T, S = query.shape[-2], key.shape[-2]
    if causal and T > S:
        raise ValueError(f"{T} > {S}")
    outputs, logs = [], []
    for rows, places in zip(query.split(block_size, dim=2), torch.arange(T).split(block_size), strict=True):
        last = S - T + int(places[-1]) + 1 if causal else S
        scores = rows @ key[:, :, :last].transpose(2, 3) / query.shape[-1] ** 0.5
        if causal:
            seen = torch.arange(last) <= (S - T + places)[:, None]
            scores = scores.masked_fill(~seen.to(scores.device), -math.inf)
        outputs.append(scores.softmax(-1) @ value[:, :, :last])
        logs.append(scores.logsumexp(-1))
    return torch.cat(outputs, 2), torch.cat(logs, 2)


@variant("flash_attention", "tiles merged by logaddexp, keys from the end")
def flash_by_merging(query, key, value, block_size, causal):
    T, S, d = query.shape[-2], key.shape[-2], query.shape[-1]
    if causal and T > S:
        raise ValueError(f"T={T}, S={S}")
    output = torch.zeros_like(query[..., :1] * value[..., :1, :])
    logsumexp = torch.full_like(query[..., 0], -math.inf)
    for start in range(0, T, block_size):
        rows = slice(start, min(start + block_size, T))
        own = torch.arange(rows.start, rows.stop, device=query.device)[:, None] + (S - T)
        end = S - T + rows.stop if causal else S
        for left in reversed(range(0, end, block_size)):
            columns = slice(left, min(left + block_size, end))
            scores = torch.einsum("...td,...sd->...ts", query[..., rows, :], key[..., columns, :]) / math.sqrt(d)
            if causal:
                places = torch.arange(columns.start, columns.stop, device=query.device)
                scores = torch.where(places > own, torch.full_like(scores, -math.inf), scores)
            here = torch.logsumexp(scores, dim=-1)
            part = torch.softmax(scores, dim=-1).nan_to_num(0.0) @ value[..., columns, :]
            before = logsumexp[..., rows].clone()
            both = torch.logaddexp(before, here)
            weigh = [(one - both).exp().nan_to_num(0.0)[..., None] for one in (before, here)]
            output[..., rows, :] = weigh[0] * output[..., rows, :] + weigh[1] * part
            logsumexp[..., rows] = both
    return output, logsumexp


@variant("flash_attention_backward", "autograd over a block of queries at a time")
def backward_by_autograd(query, key, value, output, logsumexp, grad_output, block_size, causal):
    T, S, d = query.shape[-2], key.shape[-2], query.shape[-1]
    grads = [torch.zeros_like(query), torch.zeros_like(key), torch.zeros_like(value)]
    for start in range(0, T, block_size):
        stop = min(start + block_size, T)
        last = S - T + stop if causal else S
        leaves = [query[:, :, start:stop], key[:, :, :last], value[:, :, :last]]
        q, k, v = leaves = [leaf.detach().requires_grad_() for leaf in leaves]
        with torch.enable_grad():
            scores = q @ k.transpose(-2, -1) / math.sqrt(d)
            if causal:
                own = torch.arange(S - T + start, S - T + stop, device=q.device)
                seen = torch.arange(last, device=q.device) <= own[:, None]
                scores = scores.masked_fill(~seen, -math.inf)
            answer = scores.softmax(dim=-1) @ v
        parts = torch.autograd.grad(answer, leaves, grad_output[:, :, start:stop])
        for whole, part, place in zip(grads, parts, (slice(start, stop), slice(last), slice(last)), strict=True):
            whole[:, :, place] += part
    return tuple(grads)


@variant("flash_attention_backward", "a block of keys against all queries")
def backward_by_keys(query, key, value, output, logsumexp, grad_output, block_size, causal):
    T, S, scale = query.shape[2], key.shape[2], query.shape[3] ** -0.5
    delta = torch.einsum("bhtv,bhtv->bht", output, grad_output)
    dq, dks, dvs = torch.zeros_like(query), [], []
    for left in range(0, S, block_size):
        k, v = key[:, :, left : left + block_size], value[:, :, left : left + block_size]
        t = max(0, left - (S - T)) if causal else 0
        q, g = query[:, :, t:], grad_output[:, :, t:]
        logits = scale * torch.einsum("bhtd,bhsd->bhts", q, k) - logsumexp[:, :, t:].unsqueeze(3)
        if causal:
            own = torch.arange(S - T + t, S, device=q.device).unsqueeze(1)
            places = torch.arange(left, left + k.shape[2], device=q.device)
            logits = logits.masked_fill(places > own, -math.inf)
        p = logits.exp()
        ds = p * (torch.einsum("bhtv,bhsv->bhts", g, v) - delta[:, :, t:].unsqueeze(3)) * scale
        dq[:, :, t:] += torch.einsum("bhts,bhsd->bhtd", ds, k)
        dks.append(torch.einsum("bhts,bhtd->bhsd", ds, q))
        dvs.append(torch.einsum("bhts,bhtv->bhsv", p, g))
    return dq, torch.cat(dks, dim=2), torch.cat(dvs, dim=2)


@variant("LinformerAttention", "short sequences padded with zeros, einsum")
class LinformerByPadding(nn.Module):
    def __init__(self, length, d_projected, d_model, n_heads):
        super().__init__()
        if d_model % n_heads != 0:
            raise ValueError(f"d_model {d_model} is no multiple of {n_heads}")
        self.length, self.n_heads = length, n_heads
        self.qkv = nn.Linear(d_model, 3 * d_model, bias=False)
        self.output = nn.Linear(d_model, d_model, bias=False)
        self.shorten_keys, self.shorten_values = (nn.Linear(length, d_projected, bias=False) for _ in range(2))

    def forward(self, x):
        if x.shape[1] > self.length:
            raise ValueError(f"a sequence of {x.shape[1]} in a layer for {self.length}")
        q, k, v = self.qkv(x).chunk(3, dim=-1)
        padding = (0, 0, 0, self.length - x.shape[1])
        k, v = (nn.functional.pad(each, padding) for each in (k, v))
        k = torch.einsum("kt,btd->bkd", self.shorten_keys.weight, k)
        v = torch.einsum("kt,btd->bkd", self.shorten_values.weight, v)
        q, k, v = (each.unflatten(-1, (self.n_heads, -1)) for each in (q, k, v))
        weights = torch.softmax(torch.einsum("bthd,bkhd->bhtk", q, k) * q.shape[-1] ** -0.5, -1)
        return self.output(torch.einsum("bhtk,bkhd->bthd", weights, v).flatten(2)), weights


@variant("LinformerAttention", "head by head")
class LinformerByHeads(nn.Module):
    def __init__(self, length, d_projected, d_model, n_heads):
        super().__init__()
        if d_model % n_heads:
            raise ValueError(f"n_heads={n_heads}, d_model={d_model}")
        self.d = d_model // n_heads
        self.shorten_values = nn.Linear(length, d_projected, bias=False)
        self.shorten_keys = nn.Linear(length, d_projected, bias=False)
        self.qkv = nn.Linear(d_model, 3 * d_model, bias=False)
        self.output = nn.Linear(d_model, d_model, bias=False)

    def forward(self, x):
        T = x.shape[1]
        E, F = self.shorten_keys.weight, self.shorten_values.weight
        if E.shape[1] < T:
            raise ValueError(f"{T} is longer than {E.shape[1]}")
        queries, keys, values = (part.split(self.d, dim=-1) for part in self.qkv(x).split(x.shape[2], dim=-1))
        reads, weights = [], []
        for q, k, v in zip(queries, keys, values, strict=True):
            weights.append(torch.softmax(q @ (E[:, :T] @ k).transpose(1, 2) / math.sqrt(self.d), dim=2))
            reads.append(weights[-1] @ (F[:, :T] @ v))
        return self.output(torch.cat(reads, dim=-1)), torch.stack(weights, dim=1)


@variant("KeyValueCache", "both in one buffer, copied through narrow")
class CacheInOneBuffer(nn.Module):
    def __init__(self, batch_size, n_heads, max_length, d_head):
        super().__init__()
        self.register_buffer("memory", torch.empty(2, batch_size, n_heads, max_length, d_head), persistent=False)
        self.used = 0

    @torch.no_grad()
    def forward(self, key, value):
        T, room = key.shape[-2], self.memory.shape[-2]
        if self.used + T > room:
            raise ValueError(f"{self.used + T} > {room}")
        for place, new in zip(self.memory, (key, value), strict=True):
            place.narrow(-2, self.used, T).copy_(new)
        self.used += T
        keys, values = self.memory[..., : self.used, :]
        return keys, values


@variant("KeyValueCache", "tokens first in memory, written by index")
class CacheByIndex(nn.Module):
    def __init__(self, batch_size, n_heads, max_length, d_head):
        super().__init__()
        self.max_length = max_length
        for name in ("k", "v"):
            self.register_buffer(name, torch.zeros(max_length, batch_size, n_heads, d_head), persistent=False)
        self.n = 0

    def forward(self, key, value):
        n = self.n + key.shape[2]
        if n > self.max_length:
            raise ValueError(f"the cache holds {self.max_length} tokens, not {n}")
        places = torch.arange(self.n, n, device=key.device)
        self.k[places] = key.detach().permute(2, 0, 1, 3)
        self.v[places] = value.detach().permute(2, 0, 1, 3)
        self.n = n
        return self.k[:n].permute(1, 2, 0, 3), self.v[:n].permute(1, 2, 0, 3)


@variant("cached_step", "PyTorch's own attention")
def step_by_torch(x, weight_qkv, weight_output, n_heads, cache):
    if x.shape[-1] % n_heads:
        raise ValueError(f"{x.shape[-1]} into {n_heads}")
    query, key, value = nn.functional.linear(x, weight_qkv).chunk(3, dim=-1)
    query, key, value = (each.unflatten(2, (n_heads, -1)).transpose(1, 2) for each in (query, key, value))
    keys, values = cache(key, value)
    T, S = x.shape[1], keys.shape[2]
    allowed = torch.arange(S, device=x.device) <= torch.arange(S - T, S, device=x.device)[:, None]
    read = nn.functional.scaled_dot_product_attention(query, keys, values, attn_mask=allowed)
    return nn.functional.linear(read.transpose(1, 2).flatten(2), weight_output)


@variant("cached_step", "one new token after the other")
def step_by_tokens(x, weight_qkv, weight_output, n_heads, cache):
    B, T, D = x.shape
    if D % n_heads != 0:
        raise ValueError(f"n_heads = {n_heads} for D = {D}")
    parts = [torch.einsum("btd,hed->bhte", x, w.reshape(n_heads, D // n_heads, D)) for w in weight_qkv.split(D, dim=0)]
    keys, values = cache(parts[1], parts[2])
    old = keys.shape[2] - T
    rows = []
    for t in range(T):
        scores = (keys[:, :, : old + t + 1] * parts[0][:, :, t : t + 1]).sum(-1) * (D // n_heads) ** -0.5
        weights = scores.softmax(-1).unsqueeze(-1)
        rows.append((weights * values[:, :, : old + t + 1]).sum(2).reshape(B, D))
    return torch.einsum("btd,ed->bte", torch.stack(rows, dim=1), weight_output)


@variant("path_length", "logarithms of integers, ceilings of fractions")
def path_by_formulas(kind, n, kernel_size):
    from fractions import Fraction

    if kind not in {"recurrent", "convolution", "dilated", "attention"}:
        raise ValueError(f"unknown kind {kind}")
    if kind == "recurrent":
        return n - 1
    if kind == "attention":
        return int(n > 1)
    if kernel_size <= 1:
        raise ValueError(f"kernel_size = {kernel_size}")
    if kind == "convolution":
        return math.ceil(Fraction(n - 1, kernel_size - 1))
    return next(layers for layers in range(n) if kernel_size**layers >= n)


@variant("path_length", "what the last token has read, layer by layer")
def path_by_reading(kind, n, kernel_size):
    gaps = {"recurrent": lambda layer: 1, "convolution": lambda layer: 1, "dilated": lambda layer: kernel_size**layer}
    if kind not in (*gaps, "attention"):
        raise ValueError(f"there is no {kind}")
    if kind in ("convolution", "dilated") and kernel_size < 2:
        raise ValueError(f"a kernel of {kernel_size}")
    places, layers = {n - 1}, 0
    while 0 not in places:
        if kind == "attention":
            places = set(range(n))
        else:
            width = 2 if kind == "recurrent" else kernel_size
            gap = gaps[kind](layers)
            places = {max(0, place - gap * k) for place in places for k in range(width)}
        layers += 1
    return layers
