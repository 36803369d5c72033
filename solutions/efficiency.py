"""References for unit 07: what attention costs, and three ways to pay less.

Axes: B batch, H heads, T queries or new tokens, S keys, D model width, d = D / H width of one head, v width of values,
k length to which Linformer shortens.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn


def attention_cost(length: int, d_model: int, n_heads: int) -> dict[str, tuple[int, int]]:
    """What the four matrix products of multi-head self-attention cost for one sequence in float32.

    For each product its floating-point operations (a multiplication and an addition are two) and the bytes of its
    result: "qkv", the three projections of the input; "scores", QKᵀ of every head; "weighting", the weights times V;
    "output", the projection of the merged heads. All are integers. Raises ValueError, with both numbers, where n_heads
    does not divide d_model. Vaswani et al. 2017, section 3.2.2 and table 1.

    Example: `attention_cost(1_000, 64, 4)["scores"]` is (128_000_000, 16_000_000)
    """
    if d_model % n_heads:
        raise ValueError(f"{n_heads} heads do not divide a width of {d_model}")
    d = d_model // n_heads
    products = {  # rows and columns of the result, the width summed over, and how many such products
        "qkv": (length, 3 * d_model, d_model, 1),
        "scores": (length, length, d, n_heads),
        "weighting": (length, d, length, n_heads),
        "output": (length, d_model, d_model, 1),
    }
    return {
        name: (2 * count * rows * columns * inner, 4 * count * rows * columns)
        for name, (rows, columns, inner, count) in products.items()
    }


def online_softmax(
    blocks: Sequence[tuple[Float[Tensor, "T s"], Float[Tensor, "s v"]]],
) -> tuple[Float[Tensor, "T v"], Float[Tensor, "T"]]:
    """softmax(scores) · values and the logsumexp of the scores, from blocks of keys that come one after the other.

    A block holds the scores of T queries against its s keys, and the values of these keys; s may differ from block to
    block. Only one block is looked at at a time: memory does not grow with their number. A score of -inf forbids; a
    query with no other score gets an output of zero and a logsumexp of -inf. Raises ValueError where there is no block.
    Milakov and Gimelshein 2018, algorithm 3.

    Example: `output, logsumexp = online_softmax([(scores[:, :5], values[:5]), (scores[:, 5:], values[5:])])`
    """
    if not blocks:
        raise ValueError("there is no block to read")
    scores, values = blocks[0]
    maximum = scores.new_full(scores.shape[:1], -math.inf)  # (T,): of all scores so far
    total = torch.zeros_like(maximum)  # (T,): sum of exp(score - maximum) so far
    read = scores.new_zeros(len(scores), values.shape[-1])  # (T, v): sum of exp(score - maximum) · value so far
    for scores, values in blocks:
        highest = torch.maximum(maximum, scores.amax(dim=-1))
        point = highest.masked_fill(highest == -math.inf, 0.0)  # while all is forbidden, any number will do
        weights = (scores - point[:, None]).exp()  # (T, s)
        shrink = (maximum - point).exp()  # (T,): from the old maximum to the new one
        total = total * shrink + weights.sum(dim=-1)
        read = read * shrink[:, None] + weights @ values
        maximum = highest
    divisor = total.masked_fill(total == 0, 1.0)
    return read / divisor[:, None], maximum + total.log()


def flash_attention(
    query: Float[Tensor, "B H T d"],
    key: Float[Tensor, "B H S d"],
    value: Float[Tensor, "B H S v"],
    block_size: int,
    causal: bool,
) -> tuple[Float[Tensor, "B H T v"], Float[Tensor, "B H T"]]:
    """softmax(query · keyᵀ / √d) · value and the logsumexp of the scaled scores, in tiles.

    A tile is at most block_size queries by block_size keys, and is dropped once it is added up: at no time are there
    T × S elements. If causal, the queries are the last T of the S positions, and each reads its own and those before
    it; tiles that lie in the future altogether are not computed. Raises ValueError, with both numbers, if causal and T
    is more than S.
    Dao et al. 2022, algorithm 1; Dao 2023, section 3.1.

    Example: `output, logsumexp = flash_attention(query, key, value, block_size=256, causal=True)`
    """
    T, S, d = query.shape[-2], key.shape[-2], query.shape[-1]
    if causal and T > S:
        raise ValueError(f"{T} queries cannot be the last of only {S} keys")
    queries, keys, values = (x.flatten(0, 1) for x in (query, key, value))  # (B H, T, d): heads of all sentences alike
    output = values.new_zeros(len(queries), T, values.shape[-1])
    logsumexp = queries.new_zeros(len(queries), T, 1)
    for start in range(0, T, block_size):
        stop = min(start + block_size, T)
        first = S - T + start  # where the first query of this block stands among the keys
        end = S - T + stop if causal else S  # the last query of the block reads no key from here on
        rows = queries[:, start:stop] / math.sqrt(d)
        read = output[:, start:stop]  # (B H, t, v), written in place
        maximum = rows.new_full((*rows.shape[:-1], 1), -math.inf)  # (B H, t, 1), as total; see online_softmax
        total = torch.zeros_like(maximum)
        for left in range(0, end, block_size):
            right = min(left + block_size, end)
            scores = rows @ keys[:, left:right].mT  # (B H, t, s): the tile
            if causal and right > first + 1:
                future = torch.ones(scores.shape[-2:], dtype=torch.bool, device=scores.device).triu(first - left + 1)
                scores.masked_fill_(future, -math.inf)
            highest = torch.maximum(maximum, scores.amax(dim=-1, keepdim=True))  # finite: all may read key 0
            weights = scores.sub_(highest).exp_()
            shrink = (maximum - highest).exp_()
            total = total * shrink + weights.sum(dim=-1, keepdim=True)
            read.mul_(shrink).baddbmm_(weights, values[:, left:right])  # read = shrink · read + weights · values
            maximum = highest
        read.div_(total)
        logsumexp[:, start:stop] = maximum + total.log()
    return output.view(*query.shape[:-1], -1), logsumexp.view(query.shape[:-1])


def flash_attention_backward(
    query: Float[Tensor, "B H T d"],
    key: Float[Tensor, "B H S d"],
    value: Float[Tensor, "B H S v"],
    output: Float[Tensor, "B H T v"],
    logsumexp: Float[Tensor, "B H T"],
    grad_output: Float[Tensor, "B H T v"],
    block_size: int,
    causal: bool,
) -> tuple[Float[Tensor, "B H T d"], Float[Tensor, "B H S d"], Float[Tensor, "B H S v"]]:
    """The gradients at query, key and value, from that at the output of flash_attention, in tiles.

    output and logsumexp are what flash_attention returned. The weights of a tile are computed again from them, so at no
    time are there T × S elements; if causal, tiles that lie in the future altogether are not computed.
    Dao et al. 2022, appendix B.2 and algorithm 4.

    Example: `grad_query, grad_key, grad_value = flash_attention_backward(q, k, v, output, logsumexp, g, 256, True)`
    """
    T, S, d = query.shape[-2], key.shape[-2], query.shape[-1]
    queries, keys, values, upstreams = (x.flatten(0, 1) for x in (query, key, value, grad_output))  # (B H, T, d)
    logs = logsumexp.flatten(0, 1)[..., None]  # (B H, T, 1)
    mean = (output * grad_output).sum(dim=-1, keepdim=True).flatten(0, 1)  # of grad_weights, under the weights
    grad_query, grad_key, grad_value = torch.zeros_like(queries), torch.zeros_like(keys), torch.zeros_like(values)
    for start in range(0, T, block_size):
        stop = min(start + block_size, T)
        first = S - T + start
        end = S - T + stop if causal else S
        rows, upstream = queries[:, start:stop] / math.sqrt(d), upstreams[:, start:stop]
        for left in range(0, end, block_size):
            right = min(left + block_size, end)
            scores = rows @ keys[:, left:right].mT  # (B H, t, s)
            if causal and right > first + 1:
                future = torch.ones(scores.shape[-2:], dtype=torch.bool, device=scores.device).triu(first - left + 1)
                scores.masked_fill_(future, -math.inf)
            weights = scores.sub_(logs[:, start:stop]).exp_()
            grad_weights = upstream @ values[:, left:right].mT
            grad_scores = grad_weights.sub_(mean[:, start:stop]).mul_(weights)
            grad_value[:, left:right].baddbmm_(weights.mT, upstream)  # += weightsᵀ · upstream
            grad_key[:, left:right].baddbmm_(grad_scores.mT, rows)
            grad_query[:, start:stop].baddbmm_(grad_scores, keys[:, left:right], alpha=1 / math.sqrt(d))
    return grad_query.view_as(query), grad_key.view_as(key), grad_value.view_as(value)


class LinformerAttention(nn.Module):
    """Multi-head self-attention over keys and values that are shortened to d_projected. Wang et al. 2020, section 4.

    The projection acts on the tokens, not on the features. Parameters, none with a bias: qkv (d_model → 3 d_model; its
    first d_model rows make queries, then keys, then values, each head after head), shorten_keys and shorten_values
    (length → d_projected; the heads share them) and output (d_model → d_model). Raises ValueError, with both numbers,
    where n_heads does not divide d_model.

    Example: `output, weights = LinformerAttention(length=512, d_projected=64, d_model=128, n_heads=4)(x)`
    """

    def __init__(self, length: int, d_projected: int, d_model: int, n_heads: int) -> None:
        super().__init__()
        if d_model % n_heads:
            raise ValueError(f"{n_heads} heads do not divide d_model = {d_model}")
        self.n_heads = n_heads
        self.qkv = nn.Linear(d_model, 3 * d_model, bias=False)
        self.shorten_keys = nn.Linear(length, d_projected, bias=False)
        self.shorten_values = nn.Linear(length, d_projected, bias=False)
        self.output = nn.Linear(d_model, d_model, bias=False)

    def forward(self, x: Float[Tensor, "B T D"]) -> tuple[Float[Tensor, "B T D"], Float[Tensor, "B H T k"]]:
        """The output of every token, and its weights over the d_projected rows that the keys were shortened to.

        A sequence shorter than length uses the first T columns of the two shortening matrices. Raises ValueError, with
        both numbers, for a longer one.
        """
        B, T, D = x.shape
        H, d = self.n_heads, D // self.n_heads
        length = self.shorten_keys.in_features
        if length < T:
            raise ValueError(f"{T} tokens, but keys and values are shortened from at most {length}")
        query, key, value = self.qkv(x).view(B, T, 3, H, d).permute(2, 0, 3, 1, 4)  # each (B, H, T, d)
        key = self.shorten_keys.weight[:, :T] @ key  # (B, H, k, d)
        value = self.shorten_values.weight[:, :T] @ value  # (B, H, k, d)
        scores = query @ key.mT / math.sqrt(d)  # (B, H, T, k)
        weights = scores.softmax(dim=-1)
        read = weights @ value  # (B, H, T, d)
        return self.output(read.transpose(1, 2).reshape(B, T, D)), weights


class KeyValueCache(nn.Module):
    """The keys and values of all tokens so far, for generating one token after the other.

    Memory for max_length tokens is taken once, and a call copies only what is new. keys and values are buffers, so they
    follow the module to its type and device; they are not saved with it, and no gradient flows through them.

    Example: `keys, values = KeyValueCache(batch_size=2, n_heads=4, max_length=512, d_head=16)(key, value)`
    """

    keys: Tensor
    values: Tensor

    def __init__(self, batch_size: int, n_heads: int, max_length: int, d_head: int) -> None:
        super().__init__()
        shape = batch_size, n_heads, max_length, d_head
        self.register_buffer("keys", torch.zeros(shape), persistent=False)
        self.register_buffer("values", torch.zeros(shape), persistent=False)
        self.length = 0

    def forward(
        self, key: Float[Tensor, "B H T d"], value: Float[Tensor, "B H T d"]
    ) -> tuple[Float[Tensor, "B H S d"], Float[Tensor, "B H S d"]]:
        """Add T tokens; the keys and the values of all S tokens so far, in their order.

        Raises ValueError, with both numbers, where S is more than max_length.
        """
        stop = self.length + key.shape[2]
        if stop > self.keys.shape[2]:
            raise ValueError(f"{stop} tokens do not fit into a cache for {self.keys.shape[2]}")
        self.keys[:, :, self.length : stop] = key.detach()
        self.values[:, :, self.length : stop] = value.detach()
        self.length = stop
        return self.keys[:, :, :stop], self.values[:, :, :stop]


def cached_step(
    x: Float[Tensor, "B T D"],
    weight_qkv: Float[Tensor, "3*D D"],
    weight_output: Float[Tensor, "D D"],
    n_heads: int,
    cache: Callable[[Float[Tensor, "B H T d"], Float[Tensor, "B H T d"]], tuple[Tensor, Tensor]],
) -> Float[Tensor, "B T D"]:
    """Causal multi-head self-attention for T new tokens: the last T rows of what the whole sequence would give.

    cache(key, value) takes keys and values of the new tokens and returns those of all S tokens so far, (B, H, S, d),
    the new ones last; it is called once. The rows of weight_qkv are in the order of unit 05: the first D make queries,
    the next keys, the last values, each head after head. There is no bias. Raises ValueError, with both numbers, where
    n_heads does not divide D.

    Example: `y = cached_step(x, weight_qkv, weight_output, 4, KeyValueCache(2, 4, 512, 16))`
    """
    B, T, D = x.shape
    if D % n_heads:
        raise ValueError(f"{n_heads} heads do not divide a width of {D}")
    d = D // n_heads
    query, key, value = (x @ weight_qkv.T).view(B, T, 3, n_heads, d).permute(2, 0, 3, 1, 4)  # each (B, H, T, d)
    keys, values = cache(key, value)  # (B, H, S, d)
    S = keys.shape[2]
    scores = query @ keys.mT / math.sqrt(d)  # (B, H, T, S)
    future = torch.ones(T, S, dtype=torch.bool, device=x.device).triu(S - T + 1)
    weights = scores.masked_fill(future, -math.inf).softmax(dim=-1)
    read: Tensor = weights @ values  # (B, H, T, d)
    return read.transpose(1, 2).reshape(B, T, D) @ weight_output.T


def path_length(kind: str, n: int, kernel_size: int) -> int:
    """The least number of steps or layers after which the last of n tokens can depend on the first.

    kind is "recurrent" (a step takes the state one token further), "convolution" (a layer lets a token read itself and
    the kernel_size - 1 tokens before it), "dilated" (the same with gaps: layer i, counted from 0, reads every
    kernel_size**i-th token) or "attention". A lone token needs none. Only convolutions use kernel_size.
    Raises ValueError for any other kind, with its name, and for a convolution whose kernel_size is below 2.
    Vaswani et al. 2017, table 1.

    Example: `path_length("convolution", 9, kernel_size=3)` is 4
    """
    if kind in ("convolution", "dilated") and kernel_size < 2:
        raise ValueError(f"a kernel of {kernel_size} reads nothing but its own token")
    if kind == "recurrent":
        return n - 1
    if kind == "attention":
        return min(n - 1, 1)
    if kind == "convolution":
        return -(-(n - 1) // (kernel_size - 1))  # rounded up
    if kind == "dilated":
        layers, reach = 0, 1  # after so many layers a token depends on the last `reach` tokens
        while reach < n:
            layers, reach = layers + 1, reach * kernel_size
        return layers
    raise ValueError(f"{kind!r} is neither recurrent, convolution, dilated nor attention")
