"""Wrong programs for unit 05, each one mistake that a person would make."""

from __future__ import annotations

import math
from functools import partial

import torch
from torch import nn

from solutions import self_attention
from solutions.programs import edited, misconception

SPLIT = "view(B, T, 3, n_heads, D // n_heads).permute(2, 0, 3, 1, 4)"

fused = partial(edited, self_attention, "fused_qkv")
fused_qkv = [
    fused(
        SPLIT,
        "view(B, T, n_heads, 3, D // n_heads).permute(3, 0, 2, 1, 4)",
        name="each head's queries, keys and values side by side",
        hint="Here all queries come first, then all keys, then all values: split off the axis of 3 before the heads.",
    ),
    fused(
        SPLIT,
        "view(B, T, 3, D // n_heads, n_heads).permute(2, 0, 4, 1, 3)",
        name="heads interleaved",
        hint="Head 0 is the first d numbers, not every H-th one: split D into (H, d), in this order.",
    ),
    fused(
        SPLIT,
        "view(3, B, n_heads, T, D // n_heads)",
        name="reshaped to the right shape without moving axes",
        hint="A view only counts numbers: straight to (3, B, H, T, d) it mixes tokens, heads and roles. Split the last "
        "axis, then permute.",
    ),
    fused(
        SPLIT,
        "view(B, T, 3, D // n_heads * n_heads).permute(2, 0, 1, 3).reshape(3, B, n_heads, T, D // n_heads)",
        name="tokens and heads reshaped instead of transposed",
        hint="From (B, T, D) to (B, H, T, d) takes a view as (B, T, H, d) and a transpose; reshape alone mixes tokens.",
    ),
    fused(
        SPLIT,
        "view(B, T, 3, n_heads, D // n_heads).permute(2, 0, 1, 3, 4)",
        name="heads after the tokens",
        hint="The axes are B, H, T, d: with the heads behind the tokens, attention would run among a token's heads.",
    ),
    fused(
        "query, key, value = product",
        "key, query, value = product",
        name="keys before queries",
        hint="The first D rows make the queries, the next D the keys.",
    ),
    fused(
        "query, key, value = product",
        "value, key, query = product",
        name="values first",
        hint="The rows of the weight are queries, keys, values, in this order.",
    ),
    fused(
        "x @ weight.T",
        "x @ weight.reshape(D, 3 * D)",
        name="the weight reshaped where it should be transposed",
        hint="weight has a row per output: x @ weight.T. A reshape to (D, 3 D) has the shape, but other numbers.",
    ),
    fused(
        "return query, key, value",
        "return query[:, :1].expand_as(query), key[:, :1].expand_as(key), value[:, :1].expand_as(value)",
        name="the first head's vectors for all heads",
        hint="Each head has rows of its own; heads that share them all see the same.",
    ),
    fused(
        "return query, key, value",
        "return query, query, value",
        name="queries used as keys",
        hint="Keys have rows of their own in the weight, the second D of them.",
    ),
    fused(
        "return query, key, value",
        "return query, key, key",
        name="keys used as values",
        hint="Values have rows of their own in the weight, the last D of them.",
    ),
    fused(
        "return query, key, value",
        "return query / math.sqrt(D // n_heads), key, value",
        name="queries scaled already",
        hint="The scale belongs to the scores. Done here as well, it is done twice.",
    ),
    fused(
        "x @ weight.T",
        "x @ weight.T.detach()",
        name="the weight cut from the graph",
        hint="With detach() the projections never learn.",
    ),
    fused(
        "x @ weight.T",
        "(x.float() @ weight.T.float()).to(x.dtype)",
        name="computed in float32 whatever comes in",
        hint="The output has the type of the inputs; .float() inside loses the digits of float64.",
    ),
    fused(
        "if D % n_heads:",
        "if False:",
        name="heads that do not divide are not refused",
        hint="Ten numbers make no four heads: test D % n_heads first, and raise ValueError with both numbers.",
    ),
]


@misconception(
    "fused_qkv",
    "cut into three along the tokens",
    hint="chunk(3, dim=1) cuts the sentence, not the features: the roles lie along the last axis.",
)
def qkv_cut_along_tokens(x, weight, n_heads):
    D = x.shape[-1]
    if D % n_heads:
        raise ValueError(f"{n_heads} heads do not divide a width of {D}")
    query, key, value = (x @ weight.T).chunk(3, dim=1)
    split = [part.unflatten(-1, (n_heads, -1)).transpose(1, 2) for part in (query, key, value)]
    return tuple(split)


merging = partial(edited, self_attention, "merge_heads")
merge_heads = [
    merging(
        "x.transpose(1, 2)",
        "x",
        name="reshaped without transposing",
        hint="A reshape from (B, H, T, d) to (B, T, H d) mixes tokens: move the heads behind the tokens first.",
    ),
    merging(
        "x.transpose(1, 2)",
        "x.permute(0, 2, 3, 1)",
        name="heads interleaved",
        hint="The d numbers of a head stay together: the axes before the reshape are B, T, H, d.",
    ),
    merging(
        "reshape(B, T, H * d)",
        "view(B, T, H * d)",
        name="a view of a transposed tensor",
        hint="After transpose() the numbers no longer lie in order, and view() refuses; reshape() copies if it must.",
    ),
    merging(
        "x.transpose(1, 2)",
        "x.transpose_(1, 2)",
        name="transposed in place",
        hint="transpose_() turns the caller's tensor as well. transpose() makes a view.",
    ),
    merging(
        "return x.transpose(1, 2).reshape(B, T, H * d)",
        "return x.mean(dim=1).repeat(1, 1, H)",
        name="the mean of the heads, repeated",
        hint="Heads are put side by side, not averaged: what each found stays apart until the output projection.",
    ),
    merging(
        "return x.transpose(1, 2).reshape(B, T, H * d)",
        "return x.sum(dim=1)",
        name="the sum of the heads",
        hint="The output is H d wide: heads are put side by side.",
    ),
    merging(
        "return x.transpose(1, 2).reshape(B, T, H * d)",
        "return torch.cat(list(x.unbind(dim=1)), dim=1)",
        name="heads one after the other in time",
        hint="Heads are joined along the features (the last axis), not along the tokens.",
    ),
    merging(
        "reshape(B, T, H * d)",
        "reshape(B, T, H * d).detach()",
        name="cut from the graph",
        hint="With detach() no head ever learns.",
    ),
]

past = partial(edited, self_attention, "causal_mask")
causal_mask = [
    past(
        "key <= query[:, None]",
        "key < query[:, None]",
        name="the diagonal forbidden too",
        hint="A token may look at itself; without the diagonal the first token sees nothing, and its softmax is 0/0.",
    ),
    past(
        "key <= query[:, None]",
        "key >= query[:, None]",
        name="the future instead of the past",
        hint="The triangles are exchanged: the last row is the one that sees everything.",
    ),
    past(
        "key <= query[:, None]",
        "key > query[:, None]",
        name="True where it is forbidden",
        hint="Here True means that a query may look; nn.MultiheadAttention's attn_mask has it the other way round.",
    ),
    past(
        "key <= query[:, None]",
        "key <= query[:, None] + 1",
        name="one token of the future allowed",
        hint="The diagonal is at S - T, not at S - T + 1: the next token is the one that is to be predicted.",
    ),
    past(
        "return key <= query[:, None]",
        "return (key <= query[:, None]).T",
        name="queries and keys exchanged",
        hint="Queries are rows: the shape is (T, S).",
    ),
    past(
        "return key <= query[:, None]",
        "return torch.zeros(T, S, device=device).masked_fill(key > query[:, None], -math.inf)",
        name="a mask of 0 and -inf to be added",
        hint="This course's masks are boolean, True for allowed. A mask to be added is another convention.",
    ),
    past(
        "return key <= query[:, None]",
        "return (key <= query[:, None]).float()",
        name="ones and zeros instead of True and False",
        hint="~ and masked_fill need booleans: dtype=torch.bool.",
    ),
    past(
        "return key <= query[:, None]",
        "return (key <= query[:, None])[None, None]",
        name="axes for batch and heads in front",
        hint="The shape is (T, S); batch and heads broadcast by themselves.",
    ),
    past(
        "return key <= query[:, None]",
        "return (key <= query[:, None]) & (key > query[:, None] - T)",
        name="only the last T keys",
        hint="All of the past is allowed, the cached keys as well: that is what the cache is for.",
    ),
    past(
        "return key <= query[:, None]",
        "return (key <= query[:, None]) | (S > T)",
        name="with a cache everything is allowed",
        hint="Cached keys are all in the past, but new tokens that come together must not see each other's future.",
    ),
    past(
        "torch.arange(S - T, S, device=device)",
        "torch.arange(T, device=device)",
        name="aligned at the beginning",
        hint="The queries are the last T of the S positions: the first query is at S - T, not at 0.",
    ),
    past(
        "torch.arange(S - T, S, device=device)",
        "torch.arange(S - T, S, device=device) - (S > T)",
        name="with a cache the newest key is left out",
        hint="The last query is the last of the S positions, and may look at itself: no row of the mask hides its own "
        "token.",
    ),
    past(
        "torch.arange(S - T, S, device=device)",
        "torch.arange(S, device=device)",
        name="a square of S positions",
        hint="There are T queries, so T rows: those of the last T positions.",
    ),
    past(
        "S = T if S is None else S",
        "S = T",
        name="S is ignored",
        hint="With a cache there are more keys than queries: the mask has S columns.",
    ),
    past(
        "S = T if S is None else S",
        "S = T if S is None else S + T",
        name="S taken for the length of the cache",
        hint="S counts all keys, the cached and the new ones.",
    ),
    past(
        "if S < T:",
        "if False:",
        name="fewer keys than queries are not refused",
        hint="Queries that stand before the first key could look nowhere: say so with ValueError and both numbers.",
    ),
    past(
        "key = torch.arange(S, device=device)",
        "key = torch.arange(S)",
        name="keys on the default device",
        hint="torch.arange without device= lives on the CPU, and cannot be compared with queries on a GPU.",
    ),
]


@misconception(
    "causal_mask",
    "the device is ignored",
    hint="A mask on the CPU cannot meet scores on a GPU: pass device= on to torch.ones.",
)
def mask_on_default_device(T, S=None, device=None):
    S = T if S is None else S
    if S < T:
        raise ValueError(f"{T} queries cannot be the last of only {S} keys")
    return torch.ones(T, S).tril(S - T).bool()


table = partial(edited, self_attention, "sinusoidal_positions")
sinusoidal_positions = [
    table(
        "torch.arange(0, d_model, 2, dtype=torch.float64) / d_model",
        "torch.arange(0, d_model // 2, dtype=torch.float64) / d_model",
        name="exponent i / d_model",
        hint="The pair i has the exponent 2i / d_model; without the 2 the wavelengths end at 200π.",
    ),
    table(
        "torch.arange(0, d_model, 2, dtype=torch.float64) / d_model",
        "2 * torch.arange(0, d_model, 2, dtype=torch.float64) / d_model",
        name="exponent 4i / d_model",
        hint="In arange(0, d_model, 2) the 2 is already there: a second one doubles the exponent.",
    ),
    table(
        "torch.arange(0, d_model, 2, dtype=torch.float64) / d_model",
        "torch.arange(0, d_model, 2, dtype=torch.float64) // d_model",
        name="one frequency for all, by whole division",
        hint="// rounds every exponent to 0, so that every pair turns at the same speed. Divide with /.",
    ),
    table(
        "torch.arange(0, d_model, 2, dtype=torch.float64) / d_model",
        "torch.arange(0, d_model, 2, dtype=torch.float64) / max(d_model - 2, 1)",
        name="frequencies from 1 to exactly 1/10,000",
        hint="The slowest pair's exponent is (d_model - 2) / d_model, which is not quite 1.",
    ),
    table(
        "10_000.0 ** (-torch",
        "10_000.0 ** (torch",
        name="multiplied by 10,000^(2i / d_model)",
        hint="The position is divided by 10,000^(2i / d_model): later pairs turn more slowly.",
    ),
    table(
        "10_000.0 ** (-torch",
        "1_000.0 ** (-torch",
        name="1,000 instead of 10,000",
        hint="The base of the wavelengths is 10,000.",
    ),
    table(
        "frequency = 10_000.0",
        "frequency = 2 * math.pi * 10_000.0",
        name="a turn per position in the first pair",
        hint="The first pair turns by one radian per position, so its wavelength is 2π; with the factor 2π it never "
        "moves.",
    ),
    table(
        "[angle.sin(), angle.cos()]",
        "[angle.cos(), angle.sin()]",
        name="cosine before sine",
        hint="Even columns are sines, odd ones cosines: position 0 is 0, 1, 0, 1, ….",
    ),
    table(
        "[angle.sin(), angle.cos()]",
        "[angle.sin(), angle.sin()]",
        name="no cosines",
        hint="A sine alone cannot tell two positions at which a wave is equally high; the cosine beside it can.",
    ),
    table(
        "torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(1)",
        "torch.cat([angle.sin(), angle.cos()], dim=-1)",
        name="all sines, then all cosines",
        hint="In the paper each sine has its cosine beside it: columns 2i and 2i + 1.",
    ),
    table(
        "torch.arange(0, length, dtype",
        "torch.arange(1, length + 1, dtype",
        name="positions from 1",
        hint="The first position is 0, and its row 0, 1, 0, 1, ….",
    ),
    table(
        "torch.arange(0, length, dtype=torch.float64)",
        "torch.arange(0, length, dtype=torch.float64) / length",
        name="positions divided by the length",
        hint="A position is a number of tokens. Divided by the length it would mean something else in each sentence.",
    ),
    table(
        ".flatten(1).float()",
        ".flatten(1)",
        name="left in float64",
        hint="Computing in float64 is fine; the table is float32, as the embeddings that it is added to.",
    ),
    table(
        "if d_model % 2:",
        "if False:",
        name="an odd width gets a column more",
        hint="Pairs cannot fill an odd number of columns: raise ValueError with the width.",
    ),
]

turn = partial(edited, self_attention, "rotary")
rotary = [
    turn(
        "x[..., 0::2], x[..., 1::2]",
        "x[..., : d // 2], x[..., d // 2 :]",
        name="read as halves, written as neighbours",
        hint="Pairs are neighbours, 2i and 2i + 1: what is taken from two halves must not come back as neighbours.",
    ),
    turn(
        "x[..., 0::2], x[..., 1::2]",
        "x[..., 1::2], x[..., 0::2]",
        name="the two of a pair exchanged",
        hint="Number 2i is the first coordinate and 2i + 1 the second.",
    ),
    turn(
        "dim=-1).flatten(-2)",
        "dim=-2).flatten(-2)",
        name="read as neighbours, written as halves",
        hint="Turned numbers go back to where they came from, first and second by turns: stack them on the last axis.",
    ),
    turn(
        "first * cos - second * sin, first * sin + second * cos",
        "first * cos + second * sin, second * cos - first * sin",
        name="turned backwards",
        hint="Anticlockwise is (a cos - b sin, a sin + b cos). Backwards works among your own weights, but not with "
        "others'.",
    ),
    turn(
        "first * cos - second * sin, first * sin + second * cos",
        "first * cos - second * sin, (first * cos - second * sin) * sin + second * cos",
        name="the second coordinate from the new first one",
        hint="Both new coordinates come from the old ones: keep the old first one until the second is computed.",
    ),
    turn(
        "first * cos - second * sin, first * sin + second * cos",
        "first * cos, second * cos",
        name="only the cosines",
        hint="A rotation mixes the two numbers of a pair; times the cosine alone they only shrink.",
    ),
    turn(
        "first * cos - second * sin, first * sin + second * cos",
        "first * sin - second * cos, first * cos + second * sin",
        name="sine and cosine exchanged",
        hint="At position 0 the angle is 0 and nothing must turn: cos belongs to the coordinate itself.",
    ),
    turn(
        "first * cos - second * sin, first * sin + second * cos",
        "first + sin, second + cos",
        name="sines and cosines added",
        hint="That is how sinusoidal positions enter. Rotary positions multiply: they turn x and keep its length.",
    ),
    turn(
        "positions[:, None]",
        "torch.arange(x.shape[-2], device=x.device)[:, None]",
        name="the positions are ignored",
        hint="Positions 0, 1, 2, … are right for whole sentences only. With a cache the newest query stands elsewhere.",
    ),
    turn(
        "positions[:, None]",
        "(positions - positions[0])[:, None]",
        name="counted from the first position",
        hint="Keys in a cache were turned by their own positions: the angle is the position itself.",
    ),
    turn(
        "positions[:, None]",
        "(positions + 1)[:, None]",
        name="positions from 1",
        hint="Position 0 turns by the angle 0.",
    ),
    turn(
        "base ** (-torch",
        "10_000.0 ** (-torch",
        name="the base is ignored",
        hint="base is an argument: models for long texts raise it.",
    ),
    turn(
        "base ** (-torch",
        "base ** (torch",
        name="multiplied by base^(2i / d)",
        hint="The exponent is negative: the first pair turns fastest.",
    ),
    turn(
        "torch.arange(0, d, 2, dtype=x.dtype, device=x.device) / d)",
        "torch.arange(0, d // 2, dtype=x.dtype, device=x.device) / d)",
        name="exponent -i / d",
        hint="Pair i has the exponent -2i / d: with half of it the slow pairs turn too fast.",
    ),
    turn(
        "torch.arange(0, d, 2, dtype=x.dtype, device=x.device) / d)",
        "torch.arange(0, d, 2, dtype=torch.float32, device=x.device) / d)",
        name="angles in float32 whatever comes in",
        hint="Angles are computed in the type of x: in float32 they lose the digits of float64.",
    ),
    turn(
        "torch.arange(0, d, 2, dtype=x.dtype, device=x.device) / d)",
        "torch.arange(0, d, 2, dtype=x.dtype) / d)",
        name="frequencies on the default device",
        hint="torch.arange without device= lives on the CPU, and cannot meet positions on a GPU.",
    ),
    turn(
        "if d % 2:",
        "if False:",
        name="an odd width is not refused",
        hint="An odd number has no partner: raise ValueError with the width, instead of an error about shapes.",
    ),
]


@misconception(
    "rotary",
    "pairs of the two halves, number i with number i + d/2",
    hint="That is another convention, of GPT-NeoX and Llama; here the pairs are neighbours, as in the paper. Weights "
    "made for one do not work with the other.",
)
def rotary_of_halves(x, positions, base=10_000.0):
    d = x.shape[-1]
    if d % 2:
        raise ValueError(f"a width of {d} is odd")
    frequency = base ** (-torch.arange(0, d, 2, dtype=x.dtype, device=x.device) / d)
    angle = positions[:, None] * frequency
    first, second = x[..., : d // 2], x[..., d // 2 :]
    turned = first * angle.cos() - second * angle.sin(), first * angle.sin() + second * angle.cos()
    return torch.cat(turned, dim=-1)


@misconception(
    "rotary",
    "written into the caller's tensor",
    hint="x[..., 0::2] = … changes the queries that the caller still holds. Make a new tensor.",
)
def rotary_in_place(x, positions, base=10_000.0):
    d = x.shape[-1]
    if d % 2:
        raise ValueError(f"a width of {d} is odd")
    frequency = base ** (-torch.arange(0, d, 2, dtype=x.dtype, device=x.device) / d)
    angle = positions[:, None] * frequency
    first, second = x[..., 0::2].clone(), x[..., 1::2].clone()
    with torch.no_grad():
        x[..., 0::2] = first * angle.cos() - second * angle.sin()
        x[..., 1::2] = first * angle.sin() + second * angle.cos()
    return x


@misconception(
    "rotary",
    "positions along the heads",
    hint="Of (B, H, T, d) the tokens are the axis before the last. Counted from the front, axis 1 is the heads.",
)
def rotary_along_heads(x, positions, base=10_000.0):
    d = x.shape[-1]
    if d % 2:
        raise ValueError(f"a width of {d} is odd")
    frequency = base ** (-torch.arange(0, d, 2, dtype=x.dtype, device=x.device) / d)
    angle = positions[:, None] * frequency
    if x.dim() == 4:
        angle = angle[: x.shape[1], None]
    cos, sin = angle.cos(), angle.sin()
    first, second = x[..., 0::2], x[..., 1::2]
    return torch.stack([first * cos - second * sin, first * sin + second * cos], dim=-1).flatten(-2)


HEADS = "view(B, T, 3, H, d).permute(2, 0, 3, 1, 4)"
SCORES = "scores = query @ key.transpose(-2, -1)"
MASKING = """\
            scores = scores.masked_fill(~allowed, -math.inf)
        weights = scores.softmax(dim=-1)
        if allowed is not None:
            weights = weights.masked_fill(~allowed.any(dim=-1, keepdim=True), 0.0)
"""

layer = partial(edited, self_attention, "MultiHeadSelfAttention")
MultiHeadSelfAttention = [
    layer(
        "read.transpose(1, 2).reshape(B, T, D)",
        "read.reshape(B, T, D)",
        name="heads merged without transposing back",
        hint="From (B, H, T, d) a reshape alone mixes tokens: move the heads behind the tokens first.",
    ),
    layer(
        "read.transpose(1, 2).reshape(B, T, D)",
        "read.permute(0, 2, 3, 1).reshape(B, T, D)",
        name="heads interleaved when merged",
        hint="The d numbers of a head stay together: the axes before the reshape are B, T, H, d.",
    ),
    layer(
        "read.transpose(1, 2).reshape(B, T, D)",
        "read.mean(dim=1).repeat(1, 1, H)",
        name="the heads' outputs averaged",
        hint="Heads are put side by side; the output projection decides how they mix.",
    ),
    layer(
        HEADS,
        "view(B, T, H, 3, d).permute(3, 0, 2, 1, 4)",
        name="each head's queries, keys and values side by side",
        hint="The rows of qkv are all queries, then all keys, then all values: split off the 3 before the heads.",
    ),
    layer(
        HEADS,
        "view(B, T, 3, d, H).permute(2, 0, 4, 1, 3)",
        name="heads interleaved when split",
        hint="Head 0 is the first d numbers, not every H-th one: split D into (H, d), in this order.",
    ),
    layer(
        HEADS,
        "view(3, B, H, T, d)",
        name="split by a reshape alone",
        hint="A view straight to (3, B, H, T, d) mixes tokens, heads and roles: split the last axis, then permute.",
    ),
    layer(
        HEADS,
        "view(B, T, 3, D).permute(2, 0, 1, 3).reshape(3, B, H, T, d)",
        name="tokens and heads reshaped instead of transposed",
        hint="From (B, T, D) to (B, H, T, d) takes a view as (B, T, H, d) and a transpose; reshape alone mixes tokens.",
    ),
    layer(
        HEADS,
        "view(B, T, 3, H, d).permute(2, 0, 1, 3, 4)",
        name="attention among the heads of a token",
        hint="With the heads behind the tokens, query @ keyᵀ compares heads, and tokens never meet. The axes are B, H, "
        "T, d.",
    ),
    layer(
        HEADS,
        "view(B, T, 3, H, d).permute(2, 0, 3, 1, 4)[:, :, :1].expand(3, B, H, T, d)",
        name="all heads share the projections of the first",
        hint="Each head has rows of its own in qkv. Heads that share them see the same, H times.",
    ),
    layer(
        f"self.qkv(x).{HEADS}",
        "(part.reshape(B, T, H, d).transpose(1, 2) for part in self.qkv(x).chunk(3, dim=1))",
        name="cut into three along the tokens",
        hint="chunk(3, dim=1) cuts the sentence, not the features: the roles lie along the last axis.",
    ),
    layer(
        "query, key, value = self.qkv",
        "key, query, value = self.qkv",
        name="queries and keys exchanged",
        hint="The first D rows of qkv make the queries, the next D the keys; and the scores, query @ keyᵀ, have a row "
        "for each query.",
    ),
    layer(
        "query, key, value = self.qkv",
        "value, key, query = self.qkv",
        name="values first",
        hint="The rows of qkv are queries, keys, values, in this order.",
    ),
    layer(
        SCORES,
        SCORES.replace("scores =", "query = key = x.view(B, T, H, d).transpose(1, 2)\n        scores ="),
        name="queries and keys not projected",
        hint="With Q = K = X each token mostly finds itself, and attention copies: use all three parts of qkv.",
    ),
    layer(
        SCORES,
        SCORES.replace("scores =", "value = x.view(B, T, H, d).transpose(1, 2)\n        scores ="),
        name="values not projected",
        hint="What is read is a projection too: the last D rows of qkv make the values.",
    ),
    layer(
        SCORES,
        SCORES.replace("scores =", "key = query\n        scores ="),
        name="queries used as keys",
        hint="Keys have rows of their own in qkv, the second D of them.",
    ),
    layer(
        SCORES,
        SCORES.replace("scores =", "key = key.detach()\n        scores ="),
        name="the keys cut from the graph",
        hint="With detach() the rows of qkv that make keys never learn.",
    ),
    layer(
        SCORES,
        SCORES.replace("query @ key", "query @ key[:, :1]"),
        name="all heads look at the keys of the first",
        hint="Each head has keys of its own; sharing them saves memory, and is another layer, multi-query attention.",
    ),
    layer(
        SCORES,
        SCORES.replace("query @ key", "query @ key[:1]"),
        name="every sequence looks at the keys of the first",
        hint="Each sequence of the batch has keys of its own; keep the batch axis in the product.",
    ),
    layer(
        SCORES,
        SCORES.replace(
            "scores = query @ key.transpose(-2, -1)",
            "scores = torch.cosine_similarity(query[..., :, None, :], key[..., None, :, :], dim=-1) * d",
        ),
        name="cosine similarity instead of the dot product",
        hint="Cosines forget the lengths of queries and keys, by which attention becomes sharp or flat.",
    ),
    layer(
        "math.sqrt(d)",
        "math.sqrt(D)",
        name="scaled by √D, the width of the model",
        hint="Scores are products of d = D / H numbers each: the scale is √d, the width of one head.",
    ),
    layer(
        "math.sqrt(d)",
        "d",
        name="divided by d, not by its square root",
        hint="The product of d independent numbers of unit variance has standard deviation √d. Divided by d it is too "
        "flat.",
    ),
    layer(
        " / math.sqrt(d)",
        "",
        name="no scale",
        hint="Without 1/√d the scores grow with the width of a head, and softmax saturates.",
    ),
    layer(
        " / math.sqrt(d)",
        " * math.sqrt(d)",
        name="multiplied by √d",
        hint="The scores already grow as √d; dividing by it takes that growth away.",
    ),
    layer(
        "math.sqrt(d)",
        "math.sqrt(T)",
        name="scaled by the number of tokens",
        hint="The scale comes from the width of a head, not from the length of the sentence.",
    ),
    layer(
        "math.sqrt(d)",
        "math.sqrt(H)",
        name="scaled by the number of heads",
        hint="The scale is √d with d = D / H, the width of one head.",
    ),
    layer(
        "weights = scores.softmax(dim=-1)",
        "weights = scores.softmax(dim=-2).nan_to_num(0.0)",
        name="softmax over the queries",
        hint="Each query shares out its attention over the keys: the softmax runs over the last axis.",
    ),
    layer(
        "weights = scores.softmax(dim=-1)",
        "weights = scores.softmax(dim=1).nan_to_num(0.0)",
        name="softmax over the heads",
        hint="Heads do not compete: in (B, H, T, T) the softmax runs over the keys, the last axis.",
    ),
    layer(
        "weights = scores.softmax(dim=-1)",
        "weights = scores.softmax(dim=0).nan_to_num(0.0)",
        name="softmax over the batch",
        hint="Sequences of a batch know nothing of each other: the softmax runs over the keys, the last axis.",
    ),
    layer(
        "weights = scores.softmax(dim=-1)",
        "weights = scores.exp() / scores.exp().sum(dim=-1, keepdim=True)",
        name="exponential without subtracting the maximum",
        hint="exp(1000) is infinite. Subtract each row's maximum first (softmax does): the weights stay the same.",
    ),
    layer(
        "weights = scores.softmax(dim=-1)",
        "weights = scores.sigmoid().masked_fill(scores == -math.inf, 0.0)",
        name="a sigmoid for each key",
        hint="Sigmoids do not compete: the weights of a query must sum to 1.",
    ),
    layer(
        "weights = scores.softmax(dim=-1)",
        "weights = torch.nn.functional.dropout(scores.softmax(dim=-1), 0.1)",
        name="dropout that is never switched off",
        hint="F.dropout(x, p) drops in evaluation too, unless training=self.training is passed. This layer has none.",
    ),
    layer(
        "~allowed, -math.inf",
        "~allowed, -1e9",
        name="a finite fill, -1e9",
        hint="A model can learn scores below any finite fill, and then reads what is forbidden. Fill with -inf.",
    ),
    layer(
        "~allowed, -math.inf",
        "~allowed, -1e4",
        name="a finite fill, -1e4",
        hint="Allowed scores below -1e4 lose against the fill, and what is forbidden is read. Fill with -inf.",
    ),
    layer(
        "~allowed, -math.inf",
        "allowed, -math.inf",
        name="the mask upside down",
        hint="allowed is True where a query may look: fill where it is False.",
    ),
    layer(
        "scores.masked_fill(~allowed, -math.inf)",
        "scores * allowed",
        name="scores multiplied by the mask",
        hint="A score of 0 still gets the weight e⁰. What is forbidden needs the score -inf.",
    ),
    layer(
        "scores.masked_fill(~allowed, -math.inf)",
        "scores + allowed",
        name="the boolean mask added to the scores",
        hint="An added mask holds 0 and -inf; this one is True and False, and adding it only adds 1.",
    ),
    layer(
        "            scores = scores.masked_fill(~allowed, -math.inf)\n",
        "",
        name="the mask is used for nothing but blind tokens",
        hint="Forbidden scores must become -inf before the softmax.",
    ),
    layer(
        "allowed = allowed.unsqueeze(-3)",
        "pass",
        name="no axis for the heads in the mask",
        hint="(B, T, T) against (B, H, T, T) puts the batch where the heads are. allowed.unsqueeze(-3) makes room.",
    ),
    layer(
        "allowed = allowed.unsqueeze(-3)",
        "allowed = allowed.unsqueeze(1)",
        name="an axis for the heads in the wrong place of a (T, T) mask",
        hint="Counted from the front, the new axis of a (T, T) mask stands between its rows and columns: use -3.",
    ),
    layer(
        "allowed = allowed.unsqueeze(-3)",
        "allowed = (allowed if allowed.dim() == 2 else allowed[:1]).unsqueeze(-3)",
        name="every sequence gets the mask of the first",
        hint="Each sequence of the batch may have a mask of its own: keep the batch axis.",
    ),
    layer(
        "allowed = allowed.unsqueeze(-3)",
        "allowed = allowed.transpose(-2, -1).unsqueeze(-3)",
        name="the mask transposed",
        hint="Rows of allowed are queries, columns keys, as in the scores: no transpose.",
    ),
    layer(
        "weights.masked_fill(~allowed.any(dim=-1, keepdim=True), 0.0)",
        "weights",
        name="NaN from a token that may look nowhere",
        hint="softmax over a row of -inf is 0/0. Set the weights of such a token to zero after the softmax.",
    ),
    layer(
        "weights.masked_fill(~allowed.any(dim=-1, keepdim=True), 0.0)",
        "weights.nan_to_num(1 / T)",
        name="blind tokens read the whole sentence",
        hint="A token that may look nowhere has nothing to read: its weights and its output are zero.",
    ),
    layer(
        MASKING,
        """\
            pass
        weights = scores.softmax(dim=-1)
        if allowed is not None:
            weights = weights * allowed
""",
        name="masked after the softmax, not renormalised",
        hint="Weights taken away after the softmax leave rows that sum to less than 1. Mask the scores, before it.",
    ),
    layer(
        MASKING,
        """\
            pass
        weights = scores.softmax(dim=-1)
        if allowed is not None:
            total = (weights * allowed).sum(dim=-1, keepdim=True)
            weights = weights * allowed / total.masked_fill(~allowed.any(dim=-1, keepdim=True), 1.0)
""",
        name="masked after the softmax, then renormalised",
        hint="In exact arithmetic that is right. But where a forbidden score is far above the allowed ones, their "
        "weights underflow to 0 and the division is 0/0. Mask the scores, before the softmax.",
    ),
    layer(
        "H, d = self.n_heads, D // self.n_heads",
        """H, d = self.n_heads, D // self.n_heads
        allowed = torch.ones(T, T, dtype=torch.bool, device=x.device).tril() if allowed is None else allowed""",
        name="always causal",
        hint="Which tokens may look where is the caller's choice: without a mask every token sees all of them.",
    ),
    layer(
        "H, d = self.n_heads, D // self.n_heads",
        """H, d = self.n_heads, D // self.n_heads
        full = torch.ones(T, T, dtype=torch.bool)
        allowed = full if allowed is None else allowed & full""",
        name="a mask made on the default device",
        hint="torch.ones(…) without device= lives on the CPU, and on a GPU the call fails. Use device=x.device.",
    ),
    layer(
        "H, d = self.n_heads, D // self.n_heads",
        """H, d = self.n_heads, D // self.n_heads
        x /= x.norm(dim=-1, keepdim=True) / math.sqrt(D)""",
        name="the tokens normalised, in place",
        hint="x /= … changes the caller's tensor; and a norm belongs to the block around this layer (unit 06).",
    ),
    layer(
        "read = weights @ value",
        "read = weights @ value[:, :1]",
        name="all heads read the values of the first",
        hint="Each head has values of its own; sharing them is another layer, multi-query attention.",
    ),
    layer(
        "read = weights @ value",
        "read = weights.mean(dim=1, keepdim=True) @ value",
        name="all heads read with the mean of their weights",
        hint="Each head reads with its own weights: their mean is one head again.",
    ),
    layer(
        "read = weights @ value",
        "read = weights.transpose(-2, -1) @ value",
        name="values weighted by the columns",
        hint="Row t of the weights belongs to query t: weights @ value, without a transpose.",
    ),
    layer(
        "self.output(read.",
        "(read.",
        name="no output projection",
        hint="Without self.output the heads stay side by side and never mix.",
    ),
    layer(
        "self.output(read.",
        "x + self.output(read.",
        name="the residual connection added",
        hint="x + … belongs to the block around this layer (unit 06), not to the layer.",
    ),
    layer(
        "reshape(B, T, D)), weights",
        "reshape(B, T, D)), weights.mean(dim=1)",
        name="the weights averaged over the heads",
        hint="Return a map for each head, (B, H, T, T): their mean hides what each of them looks at.",
    ),
    layer(
        "reshape(B, T, D)), weights",
        "reshape(B, T, D))",
        name="only the output is returned",
        hint="Return the output and the weights.",
    ),
    layer(
        "reshape(B, T, D)), weights",
        "reshape(B, T, D)), scores",
        name="scores returned for weights",
        hint="The weights are what is multiplied by the values, after the softmax.",
    ),
    layer(
        "self.qkv = nn.Linear(d_model, 3 * d_model, bias=False)",
        "self.qkv = nn.Linear(d_model, 3 * d_model)",
        name="a bias in qkv",
        hint="Neither projection has a bias here: pass bias=False.",
    ),
    layer(
        "self.output = nn.Linear(d_model, d_model, bias=False)",
        "self.output = nn.Linear(d_model, d_model)",
        name="a bias in the output projection",
        hint="Neither projection has a bias here: pass bias=False.",
    ),
    layer(
        "if d_model % n_heads:",
        "if False:",
        name="heads that do not divide are not refused",
        hint="Ten numbers make no four heads: say so in the constructor, by ValueError with both numbers.",
    ),
]


@misconception(
    "MultiHeadSelfAttention",
    "a head as wide as the whole model",
    hint="A head has d = D / H numbers, so that H heads cost what one wide head costs.",
)
class WideHeads(nn.Module):
    def __init__(self, d_model, n_heads):
        super().__init__()
        if d_model % n_heads:
            raise ValueError(f"{n_heads} heads do not divide d_model = {d_model}")
        self.n_heads = n_heads
        self.qkv = nn.Linear(d_model, 3 * d_model * n_heads, bias=False)
        self.output = nn.Linear(d_model * n_heads, d_model, bias=False)

    def forward(self, x, allowed=None):
        B, T, D = x.shape
        query, key, value = self.qkv(x).view(B, T, 3, self.n_heads, D).permute(2, 0, 3, 1, 4)
        scores = query @ key.transpose(-2, -1) / math.sqrt(D)
        if allowed is not None:
            scores = scores.masked_fill(~allowed.unsqueeze(-3), -math.inf)
        weights = scores.softmax(dim=-1)
        return self.output((weights @ value).transpose(1, 2).flatten(2)), weights


compare = partial(edited, self_attention, "equivariance_gap")
equivariance_gap = [
    compare(
        "permuted_after = f(x)[:, permutation]",
        "permuted_after = f(x)",
        name="tests invariance",
        hint="Equivariant means that the outputs are permuted too; f(x) = f(permuted x) would be invariance.",
    ),
    compare(
        "permuted_before = f(x[:, permutation])",
        "permuted_before = f(x)",
        name="f never sees the permuted tokens",
        hint="One side permutes what comes out of f, the other what goes in.",
    ),
    compare(
        "permuted_after = f(x)[:, permutation]",
        "permuted_after = f(x)[:, permutation.argsort()]",
        name="the inverse permutation on one side",
        hint="x[:, permutation] moves token permutation[t] to place t; its output moves by the same permutation.",
    ),
    compare(
        "permuted_before = f(x[:, permutation])",
        "permuted_before = f(x[:, :, permutation])",
        name="the features are permuted",
        hint="Tokens are axis 1 of (B, T, D).",
    ),
    compare(
        "(permuted_after - permuted_before).abs().max()",
        "(permuted_after - permuted_before).max()",
        name="the largest difference with its sign",
        hint="A large negative difference is a gap as well: take abs() before max().",
    ),
    compare(
        "(permuted_after - permuted_before).abs().max()",
        "(permuted_after - permuted_before).abs().mean()",
        name="the mean difference",
        hint="A mean can hide a gap at a single token: take the largest.",
    ),
    compare(
        "(permuted_after - permuted_before).abs().max()",
        "(permuted_after - permuted_before).norm()",
        name="the Euclidean norm of the difference",
        hint="The gap is the largest absolute difference, so that it does not grow with the size of the batch.",
    ),
    compare(
        "(permuted_after - permuted_before).abs().max()",
        "((permuted_after - permuted_before).abs().max() / permuted_after.abs().max())",
        name="a relative difference",
        hint="The gap is the difference itself, not its share of the largest output.",
    ),
]


@misconception(
    "equivariance_gap",
    "the tokens are permuted in place",
    hint="x[:] = … changes the caller's tensor, and f(x) afterwards sees the new order. Index instead of assigning.",
)
def gap_in_place(f, x, permutation):
    permuted_after = f(x)[:, permutation]
    x[:] = x[:, permutation]
    return (permuted_after - f(x)).abs().max().item()


@misconception(
    "equivariance_gap",
    "tests a permutation of its own",
    hint="Use the permutation that is given: the order turned round is only one of many, and its own inverse.",
)
def gap_turned_round(f, x, permutation):
    return (f(x).flip(1) - f(x.flip(1))).abs().max().item()
