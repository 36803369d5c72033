"""Unit 07: what attention costs, and three ways to pay less.

Memory and work are graded by counting, never by a clock: see autograder/checks/counted.py.
"""

from __future__ import annotations

import torch
from torch import Tensor

from autograder.checks import CheckFailed, Draw, Exercise, Subject, expect, expect_values
from autograder.checks.compare import describe
from autograder.checks.request import Supplied, Value


def at_most(most: int, came: int, what: str) -> None:
    """Fail where a count is larger."""
    if came > most:
        raise CheckFailed(f"{what}: at most {most:,}", f"{came:,}")


# ------------------------------------------------------------------------------------------------- attention_cost

cost = Exercise("attention_cost", points=3, paper="Vaswani et al. 2017, section 3.2.2 and table 1")

FLOPS, BYTES = 0, 1


def layer(draw: Draw) -> tuple[int, int, int]:
    """A length, a width and a number of heads."""
    length, n_heads, d = draw.sizes(3, low=5, high=25)
    return length, n_heads * d, n_heads


def entries_agree(student: Subject, draw: Draw, which: int, *names: str) -> None:
    """FLOPs or bytes of these products are the reference's."""
    arguments = layer(draw)
    came, expected = student(*arguments), student.expected(*arguments)
    assert isinstance(expected, dict)
    if not isinstance(came, dict) or came.keys() != expected.keys():
        raise CheckFailed(f"a dict with the names {', '.join(expected)}", describe(came))
    for name in names:
        right = expected[name]
        assert isinstance(right, tuple)
        expect_values(came[name], f"FLOPs of {name}", f"bytes of {name}")[which].close(right[which])


@cost.check(
    "the FLOPs of the two projections",
    points=0.75,
    suspect="the factor of 2 for a multiplication and its addition, or that there are three projections in qkv",
    experiment="length 10, width 4, one head: qkv takes 2 · 10 · 4 · 12 = 960, output a third of that",
)
def flops_of_projections(student: Subject, draw: Draw) -> None:
    entries_agree(student, draw, FLOPS, "qkv", "output")


@cost.check(
    "the FLOPs of the scores and of the weighting",
    points=0.75,
    suspect="the width that is summed over (that of one head), or the number of heads",
    experiment="compare n_heads = 1 with n_heads = 4: the FLOPs must be the same",
)
def flops_of_attention(student: Subject, draw: Draw) -> None:
    entries_agree(student, draw, FLOPS, "scores", "weighting")


@cost.check(
    "the bytes of the two projections",
    points=0.25,
    suspect="the 4 bytes of a float32, or the shape of the result",
    experiment="length 10, width 4, one head: the result of qkv has 10 · 12 numbers",
)
def bytes_of_projections(student: Subject, draw: Draw) -> None:
    entries_agree(student, draw, BYTES, "qkv", "output")


@cost.check(
    "the bytes of the scores and of the weighting",
    points=0.75,
    suspect="the scores: every head has a matrix of its own; the weighting gives a row of width d per token and head",
    experiment="compare n_heads = 1 with n_heads = 4: the scores take four times the memory",
)
def bytes_of_attention(student: Subject, draw: Draw) -> None:
    entries_agree(student, draw, BYTES, "scores", "weighting")


@cost.check(
    "heads that do not divide the width are refused, with both numbers",
    points=0.5,
    after="the FLOPs of the two projections",
    suspect="a missing test of d_model % n_heads",
    experiment="call it with a width of 50 and 7 heads: ValueError, with 50 and 7 in the message",
)
def cost_refuses(student: Subject, draw: Draw) -> None:
    length, d_model, n_heads = layer(draw)
    student.refuses(length, d_model + 1, n_heads, mentions=(d_model + 1, n_heads))


# ------------------------------------------------------------------------------------------------- online_softmax

online = Exercise("online_softmax", points=4, paper="Milakov and Gimelshein 2018, algorithm 3")

Blocks = list[tuple[Tensor, Tensor]]


def blocks_of_keys(draw: Draw) -> Blocks:
    """Three blocks of different widths: scores (T, s) and values (s, v)."""
    T, v, *widths = draw.sizes(5)
    return [(draw.normal(T, s), draw.normal(s, v)) for s in widths]


def steps(blocks: Blocks, step: float) -> Blocks:
    """The blocks with scores between -1 and 1, and `step` more from block to block."""
    return [(scores.tanh() + place * step, values) for place, (scores, values) in enumerate(blocks)]


def joined(blocks: Blocks) -> tuple[Tensor, Tensor]:
    """Output and logsumexp, from all keys at once."""
    scores, values = torch.cat([scores for scores, _ in blocks], dim=1), torch.cat([values for _, values in blocks])
    return scores.softmax(dim=-1).nan_to_num(0.0) @ values, scores.logsumexp(dim=-1)


def reads_like_joined(student: Subject, blocks: Blocks, *, output: bool = True, logsumexp: bool = True) -> None:
    came = expect_values(student([*blocks]), "output", "logsumexp")
    for one, right, wanted in zip(came, joined(blocks), (output, logsumexp), strict=True):
        if wanted:
            one.close(right)


@online.check(
    "one block: a softmax",
    points=0.5,
    suspect="the division by the sum at the end",
    experiment="call it with one block and compare with scores.softmax(-1) @ values",
)
def one_block(student: Subject, draw: Draw) -> None:
    reads_like_joined(student, blocks_of_keys(draw)[:1], logsumexp=False)


@online.check(
    "maxima that rise and fall from block to block",
    points=0.75,
    after="one block: a softmax",
    suspect="what was summed under the old maximum: both the sum and what was read are due exp(old - new)",
    experiment="call it with the scores [[0.0]] and then [[1.0]], and print sum and maximum after each block",
)
def rising_and_falling(student: Subject, draw: Draw) -> None:
    for step in (3.0, -3.0):
        reads_like_joined(student, steps(blocks_of_keys(draw), step), logsumexp=False)


@online.check(
    "the logsumexp of all scores",
    points=0.5,
    after="one block: a softmax",
    suspect="the last step: maximum + log(sum)",
    experiment="for two scores of 0 it is log 2, for two scores of 5 it is 5 + log 2",
)
def online_logsumexp(student: Subject, draw: Draw) -> None:
    reads_like_joined(student, blocks_of_keys(draw), output=False)
    reads_like_joined(student, steps(blocks_of_keys(draw), 3.0), output=False)


@online.check(
    "scores in the thousands stay finite",
    points=0.5,
    after="maxima that rise and fall from block to block",
    suspect="a maximum that is not subtracted, starts at 0 instead of -inf, or may fall again",
    experiment="call it with the scores [[-1000.0]] and then [[-1001.0]]",
)
def online_extremes(student: Subject, draw: Draw) -> None:
    for start, step in ((-750.0, 750.0), (750.0, -750.0), (-1500.0, 3.0)):
        blocks = steps(blocks_of_keys(draw), step)
        reads_like_joined(student, [(scores + start, values) for scores, values in blocks])


@online.check(
    "blocks that are forbidden whole, and a query that may read nothing",
    points=0.5,
    after="maxima that rise and fall from block to block",
    suspect="-inf - (-inf), which is NaN, or a division by a sum of zero",
    experiment="call it with a first block whose scores are all -inf",
)
def forbidden_blocks(student: Subject, draw: Draw) -> None:
    blocks = steps(blocks_of_keys(draw), 1.0)
    blocks[0][0][1] = -torch.inf  # query 1 may not read the first block, query 2 not the second
    blocks[1][0][2] = -torch.inf
    for scores, _ in blocks:
        scores[0] = -torch.inf  # query 0 may read nothing
    reads_like_joined(student, blocks)


@online.check(
    "memory does not grow with the number of blocks",
    points=0.25,
    after="maxima that rise and fall from block to block",
    suspect="a torch.cat of all blocks, or a list of what was made from each",
    experiment="compare lb.peak_memory for 10 blocks and for 100: it must be the same",
)
def online_memory(student: Subject, draw: Draw) -> None:
    T, s, v = draw.sizes(3, low=9, high=17)  # wide, for to keep a maximum of each block is no matter
    blocks = [(draw.normal(T, s), draw.normal(s, v)) for _ in range(100)]
    peak, _ = student.cost([*blocks])
    at_most(50 * T * s, peak, f"elements at the peak, for {T} queries and 100 blocks of {s} keys")


@online.check(
    "no block at all is refused",
    points=0.25,
    after="one block: a softmax",
    suspect="a missing test for an empty list",
    experiment="call it with []: it must raise ValueError",
)
def no_block(student: Subject, draw: Draw) -> None:
    student.refuses([])


online.good_manners(
    lambda student, draw: (student, ([*blocks_of_keys(draw)],)),
    after="maxima that rise and fall from block to block",
    points=0.25,
)

# ------------------------------------------------------------------------------------------------ flash_attention

flash = Exercise("flash_attention", points=8, paper="Dao et al. 2022, algorithm 1; Dao 2023, section 3.1")


def sequences(draw: Draw) -> tuple[Tensor, Tensor, Tensor, int]:
    """Queries, keys, values and a block size: two blocks of queries, three of keys, and different rests."""
    B, H, d, v, block = draw.sizes(5, high=11)
    rest = int(draw.integers(1, block))
    T, S = 2 * block + rest, 3 * block + 1 + rest % (block - 1)
    return draw.normal(B, H, T, d), draw.normal(B, H, S, d), draw.normal(B, H, S, v), block


def one_sequence(draw: Draw) -> tuple[Tensor, Tensor, Tensor, int]:
    """The same with as many keys as queries."""
    query, key, value, block = sequences(draw)
    T = query.shape[2]
    return query, key[:, :, :T], value[:, :, :T], block


def scored(draw: Draw, block: int, start: float, step: float) -> tuple[Tensor, Tensor, Tensor]:
    """Queries, keys and values of three blocks and a rest; the scores begin at `start`, `step` more from tile to tile.

    The scores are integers and d is 4, so that neither the products nor 1/√d are rounded, however large they are.
    """
    B, H, v = draw.sizes(3, high=7)
    N = 3 * block + 1
    query, key = torch.zeros(B, H, N, 4, dtype=torch.float64), draw.normal(B, H, N, 4)
    query[..., 0] = 2.0
    key[..., 0] = start + step * (torch.arange(N) // block) + draw.integers(0, 3, B, H, N)
    return query, key, draw.normal(B, H, N, v)


def attended(query: Tensor, key: Tensor, value: Tensor, causal: bool) -> tuple[Tensor, Tensor]:
    """Output and logsumexp, from the whole matrix of scores."""
    T, S = query.shape[2], key.shape[2]
    scores = query @ key.mT / query.shape[-1] ** 0.5
    if causal:
        scores = scores.masked_fill(torch.ones(T, S, dtype=torch.bool).triu(S - T + 1), -torch.inf)
    return scores.softmax(dim=-1) @ value, scores.logsumexp(dim=-1)


def attends(student: Subject, query: Tensor, key: Tensor, value: Tensor, block: int, causal: bool) -> None:
    """Output and logsumexp are those of the whole matrix."""
    came = expect_values(student(query, key, value, block, causal), "output", "logsumexp")
    for one, right in zip(came, attended(query, key, value, causal), strict=True):
        one.close(right)


def outputs_attend(student: Subject, query: Tensor, key: Tensor, value: Tensor, block: int) -> None:
    """The output is that of the whole matrix, whatever the logsumexp is."""
    output, _ = expect_values(student(query, key, value, block, False), "output", "logsumexp")
    output.close(attended(query, key, value, False)[0])


@flash.check(
    "one tile: attention as it was",
    points=0.75,
    suspect="the scale 1/√d, or the division by the sum",
    experiment="call it with a block_size above T and S, and compare with F.scaled_dot_product_attention",
)
def one_tile(student: Subject, draw: Draw) -> None:
    query, key, value, _ = sequences(draw)
    outputs_attend(student, query, key, value, query.shape[2] + key.shape[2])


@flash.check(
    "many tiles, the last ones not full",
    points=1,
    after="one tile: attention as it was",
    suspect="the last, smaller tile, or what is done to sum and output when the maximum changes",
    experiment="compare block_size = S (right?), block_size = S / 2 (right?) and a block_size that does not divide S",
)
def many_tiles(student: Subject, draw: Draw) -> None:
    outputs_attend(student, *sequences(draw))


@flash.check(
    "maxima that rise and fall from tile to tile",
    points=0.75,
    after="one tile: attention as it was",
    suspect="the rescaling by exp(old maximum - new maximum): sum and output both need it",
    experiment="print sum and maximum after each tile for one query and two keys with scores 0 and 1, block_size 1",
)
def tiles_rise_and_fall(student: Subject, draw: Draw) -> None:
    for step in (5.0, -5.0):
        outputs_attend(student, *scored(draw, 5, 0.0, step), 5)


@flash.check(
    "the logsumexp of every query",
    points=0.75,
    after="one tile: attention as it was",
    suspect="the last step: maximum + log(sum), of the scaled scores",
    experiment="compare it with torch.logsumexp(query @ key.mT / d**0.5, dim=-1)",
)
def flash_logsumexp(student: Subject, draw: Draw) -> None:
    query, key, value, block = sequences(draw)
    _, logsumexp = expect_values(student(query, key, value, block, False), "output", "logsumexp")
    logsumexp.close(attended(query, key, value, False)[1])


@flash.check(
    "causal: no query reads a later key",
    points=1,
    after="many tiles, the last ones not full",
    suspect="the tiles on the diagonal: they need a mask of their own, shifted by where the tile lies",
    experiment="with block_size = 2 print the mask of the tile of queries 2 and 3 and keys 2 and 3",
)
def flash_causal(student: Subject, draw: Draw) -> None:
    attends(student, *one_sequence(draw), True)


@flash.check(
    "causal with more keys than queries: the queries are the last positions",
    points=0.75,
    after="causal: no query reads a later key",
    suspect="where a query stands among the keys: S - T further on than its number",
    experiment="with one query and three keys, causal or not makes no difference",
)
def flash_with_past(student: Subject, draw: Draw) -> None:
    attends(student, *sequences(draw), True)


@flash.check(
    "scores of ±1,500 stay finite",
    points=0.25,
    after="many tiles, the last ones not full",
    suspect="a maximum that is not subtracted, starts at 0 instead of -inf, or may fall again",
    experiment="make all scores about -1,500, then let them fall by 750 from tile to tile: do you see NaN?",
)
def flash_extremes(student: Subject, draw: Draw) -> None:
    for start, step in ((-1500.0, 750.0), (750.0, -750.0), (-1500.0, 5.0)):
        attends(student, *scored(draw, 5, start, step), 5, False)


@flash.check(
    "causal: the future never matters, however low a query's own scores are",
    points=0.25,
    after="causal: no query reads a later key",
    suspect="a finite fill such as -1e4 instead of -inf",
    experiment="make all scores about -20,000 and change the last value: the first outputs must stay as they were",
)
def future_never_matters(student: Subject, draw: Draw) -> None:
    query, key, value = scored(draw, 5, -20_000.0, 5.0)
    now = query.shape[2] // 2
    other = torch.cat([value[:, :, :now], draw.normal(*value[:, :, now:].shape)], dim=2)
    before, after = (
        expect_values(student(query, key, values, 5, True), "output", "logsumexp")[0].tensor(tuple(value.shape))
        for values in (value, other)
    )
    expect(after[:, :, :now], "the output before the change").close(before[:, :, :now])


@flash.check(
    "causal with more queries than keys is refused, with both numbers",
    points=0.25,
    after="one tile: attention as it was",
    suspect="a missing comparison of T and S",
    experiment="call it with 5 queries, 3 keys and causal=True: ValueError, with 5 and 3 in the message",
)
def flash_refuses(student: Subject, draw: Draw) -> None:
    query, key, value, block = sequences(draw)
    T, S = query.shape[2], key.shape[2]
    student.refuses(key, query, value[:, :, :T], block, True, mentions=(S, T))


def one_head(draw: Draw, blocks: int) -> tuple[Tensor, Tensor, Tensor, int]:
    """One sequence with one head: so many blocks, and a rest of two tokens."""
    block = int(draw.integers(5, 8))
    N = blocks * block + 2
    return draw.normal(1, 1, N, 3), draw.normal(1, 1, N, 3), draw.normal(1, 1, N, 5), block


def in_tiles(student: Subject, arguments: tuple[Value, ...], N: int) -> None:
    """A call needs far less than N × N elements at its peak, and does its work in PyTorch, where it is seen.

    With 16 blocks even eight tensors of one block of queries by all keys are allowed.
    """
    peak, operations = student.cost(*arguments)
    at_most(N * N * 3 // 4, peak, f"elements at the peak, for {N} queries and keys")
    if operations < 4 * N * N:
        raise CheckFailed(f"{N} × {N} scores to be worked out with PyTorch", f"only {operations:,} operations")


@flash.check(
    "at no time are there N × N elements",
    points=1,
    after="many tiles, the last ones not full",
    suspect="scores or a mask made whole, of which tiles are then cut, or tiles that are kept in a list",
    experiment="compare lb.peak_memory at N and at 2 N: it may double, but not grow fourfold",
)
def flash_memory(student: Subject, draw: Draw) -> None:
    query, key, value, block = one_head(draw, 16)
    for causal in (False, True):
        in_tiles(student, (query, key, value, block, causal), query.shape[2])


@flash.check(
    "causal: tiles in the future are not computed",
    points=0.5,
    after="causal: no query reads a later key",
    suspect="the loop over the keys, which may stop behind the last query of the block",
    experiment="count the tiles: with 5 blocks of queries and keys there are 15 to compute, not 25",
)
def flash_work(student: Subject, draw: Draw) -> None:
    arguments = one_head(draw, 4)
    (_, everything), (_, past) = (student.cost(*arguments, causal) for causal in (False, True))
    at_most(everything * 9 // 10, past, f"operations with a causal mask, where all tiles take {everything:,}")


flash.good_manners(
    lambda student, draw: (student, (*sequences(draw), True)),
    after="causal: no query reads a later key",
    points=0.25,
)

# --------------------------------------------------------------------------------------- flash_attention_backward

backward = Exercise("flash_attention_backward", points=6, paper="Dao et al. 2022, appendix B.2 and algorithm 4")


def to_differentiate(
    draw: Draw, query: Tensor, key: Tensor, value: Tensor, block: int, causal: bool
) -> tuple[Value, ...]:
    """The arguments: what the forward pass got and gave, a gradient for its output, block size and mask."""
    output, logsumexp = attended(query, key, value, causal)
    return query, key, value, output, logsumexp, draw.normal(*output.shape), block, causal


def gradients(arguments: tuple[Value, ...]) -> tuple[Tensor, ...]:
    """The gradients at query, key and value, by autograd through the whole matrix."""
    query, key, value, _, _, grad_output, _, causal = arguments
    q, k, v = leaves = [t.clone().requires_grad_() for t in (query, key, value) if isinstance(t, Tensor)]
    output, _ = attended(q, k, v, bool(causal))
    assert isinstance(grad_output, Tensor)
    return torch.autograd.grad(output, leaves, grad_output)


def differentiates(student: Subject, arguments: tuple[Value, ...], *which: str) -> None:
    """The gradients of these names are those of the whole matrix."""
    names = "query", "key", "value"
    came = expect_values(student(*arguments), *(f"gradient of the {name}" for name in names))
    for name, one, right in zip(names, came, gradients(arguments), strict=True):
        if name in which:
            one.close(right)


@backward.check(
    "a lone key: its value gets every gradient",
    points=0.5,
    suspect="grad_value = weightsᵀ · grad_output, or the order of what is returned: query, key, value",
    experiment="with one key all weights are 1: grad_value is grad_output.sum over the queries",
)
def lone_key(student: Subject, draw: Draw) -> None:
    query, key, value, block = sequences(draw)
    arguments = to_differentiate(draw, query, key[:, :, :1], value[:, :, :1], block, False)
    differentiates(student, arguments, "value")


@backward.check(
    "the gradient at the values, in many tiles",
    points=0.75,
    after="a lone key: its value gets every gradient",
    suspect="the weights, exp(score - logsumexp), or a tile that overwrites what another one added",
    experiment="compare the weights of a tile with the same part of softmax(query @ key.mT / d**0.5)",
)
def backward_value(student: Subject, draw: Draw) -> None:
    differentiates(student, to_differentiate(draw, *sequences(draw), False), "value")


@backward.check(
    "the gradients at queries and keys, in one tile",
    points=0.75,
    after="a lone key: its value gets every gradient",
    suspect="the softmax's gradient, weights · (grad_weights - their mean), or a scale 1/√d left out",
    experiment="compare grad_query with autograd's on one query and two keys; is it off by a factor of √d?",
)
def backward_one_tile(student: Subject, draw: Draw) -> None:
    query, key, value, _ = sequences(draw)
    whole = query.shape[2] + key.shape[2]
    differentiates(student, to_differentiate(draw, query, key, value, whole, False), "query", "key")


@backward.check(
    "the gradients at queries and keys, in many tiles",
    points=0.75,
    after="the gradients at queries and keys, in one tile",
    suspect="the mean of grad_weights, which is over all keys: (output · grad_output).sum(-1)",
    experiment="compare block_size = S (right?) with block_size = S / 2",
)
def backward_many_tiles(student: Subject, draw: Draw) -> None:
    differentiates(student, to_differentiate(draw, *sequences(draw), False), "query", "key")


@backward.check(
    "causal",
    points=0.75,
    after="a lone key: its value gets every gradient",
    suspect="the mask of the tiles on the diagonal, which the weights need here as well",
    experiment="with two tokens: does the value of token 1 get a gradient from token 0?",
)
def backward_causal(student: Subject, draw: Draw) -> None:
    differentiates(student, to_differentiate(draw, *one_sequence(draw), True), "query", "key", "value")


@backward.check(
    "causal with more keys than queries",
    points=0.5,
    after="causal",
    suspect="where a query stands among the keys: S - T further on than its number",
    experiment="with one query and three keys, causal or not makes no difference",
)
def backward_with_past(student: Subject, draw: Draw) -> None:
    differentiates(student, to_differentiate(draw, *sequences(draw), True), "query", "key", "value")


@backward.check(
    "scores in the thousands stay finite",
    points=0.5,
    after="the gradient at the values, in many tiles",
    suspect="an exponential taken before the logsumexp is subtracted",
    experiment="call it with scores of about 1,000: exp(1000) is infinite, exp(1000 - logsumexp) is not",
)
def backward_extremes(student: Subject, draw: Draw) -> None:
    differentiates(student, to_differentiate(draw, *scored(draw, 5, 750.0, 5.0), 5, False), "value")


@backward.check(
    "at no time are there N × N elements",
    points=0.5,
    after="the gradient at the values, in many tiles",
    suspect="scores, weights or a mask made whole, or tiles that are kept in a list",
    experiment="compare lb.peak_memory at N and at 2 N: it may double, but not grow fourfold",
)
def backward_memory(student: Subject, draw: Draw) -> None:
    query, key, value, block = one_head(draw, 16)
    for causal in (False, True):
        in_tiles(student, to_differentiate(draw, query, key, value, block, causal), query.shape[2])


@backward.check(
    "causal: tiles in the future are not computed",
    points=0.25,
    after="causal",
    suspect="the loop over the keys, which may stop behind the last query of the block",
    experiment="count the tiles: with 5 blocks of queries and keys there are 15 to compute, not 25",
)
def backward_work(student: Subject, draw: Draw) -> None:
    arguments = one_head(draw, 4)
    (_, everything), (_, past) = (student.cost(*to_differentiate(draw, *arguments, causal)) for causal in (False, True))
    at_most(everything * 9 // 10, past, f"operations with a causal mask, where all tiles take {everything:,}")


backward.good_manners(
    lambda student, draw: (student, to_differentiate(draw, *sequences(draw), True)),
    after="causal",
    points=0.25,
)

# --------------------------------------------------------------------------------------------- LinformerAttention

linformer = Exercise("LinformerAttention", points=5, paper="Wang et al. 2020, section 4")


def linformer_sizes(draw: Draw) -> tuple[int, int, int, int]:
    """Length, projected length, width and heads; the length is a prime above the others, the width a product."""
    length = (17, 19, 23)[int(draw.integers(0, 3))]
    k, n_heads, d = draw.sizes(3, high=11)
    return length, k, n_heads * d, n_heads


def linformer_and_tokens(student: Subject, draw: Draw, k: int | None = None) -> tuple[Subject, tuple[Tensor]]:
    """A module and two sequences as long as it takes."""
    length, d_projected, d_model, n_heads = linformer_sizes(draw)
    module = student.build(length=length, d_projected=k or d_projected, d_model=d_model, n_heads=n_heads)
    return module, (draw.normal(2, length, d_model, scale=0.5),)


@linformer.check(
    "four matrices with the right names and shapes, without bias",
    points=0.5,
    suspect="what is shortened: the tokens, from length to d_projected, and not the features",
    experiment="print({name: p.shape for name, p in module.named_parameters()})",
)
def linformer_parameters(student: Subject, draw: Draw) -> None:
    length, k, d_model, n_heads = linformer_sizes(draw)
    student.has_the_parameters(length=length, d_projected=k, d_model=d_model, n_heads=n_heads)


@linformer.check(
    "shortened to a single row: every token reads it whole",
    points=0.5,
    after="four matrices with the right names and shapes, without bias",
    suspect="the values: shortened by shorten_values, read by the weights, projected by output",
    experiment="with d_projected = 1 all weights are 1, and all tokens get the same output",
)
def shortened_to_one(student: Subject, draw: Draw) -> None:
    module, (x,) = linformer_and_tokens(student, draw, k=1)
    module.agrees(x, gradients=False)


@linformer.check(
    "output and weights of a full sequence",
    points=1,
    after="four matrices with the right names and shapes, without bias",
    suspect="the scale 1/√d (d is the width of one head), or how the heads are split and merged",
    experiment="compare the weights with softmax(query @ (E @ key).mT / d**0.5) for one head",
)
def linformer_numbers(student: Subject, draw: Draw) -> None:
    module, (x,) = linformer_and_tokens(student, draw)
    module.agrees(x, gradients=False)


@linformer.check(
    "a shorter sequence uses the first columns of the matrices",
    points=1,
    after="four matrices with the right names and shapes, without bias",
    suspect="matrices that are tied to the full length: cut them to [:, :T]",
    experiment="a short sequence must give what it gives with keys and values of zero behind it",
)
def shorter_sequence(student: Subject, draw: Draw) -> None:
    module, (x,) = linformer_and_tokens(student, draw)
    for T in (x.shape[1] - int(draw.integers(2, 6)), 1):
        module.agrees(x[:, :T], gradients=False)


@linformer.check(
    "a longer sequence is refused, with both numbers",
    points=0.25,
    after="four matrices with the right names and shapes, without bias",
    suspect="a missing comparison of T with the length",
    experiment="give a module for 8 tokens 9 of them: ValueError, with 8 and 9 in the message",
)
def longer_sequence(student: Subject, draw: Draw) -> None:
    module, (x,) = linformer_and_tokens(student, draw)
    T = x.shape[1] + int(draw.integers(1, 4))
    module.refuses(draw.normal(2, T, x.shape[2]), mentions=(T, x.shape[1]))


@linformer.check(
    "heads that do not divide the width are refused, with both numbers",
    points=0.25,
    after="four matrices with the right names and shapes, without bias",
    suspect="a missing test of d_model % n_heads in the constructor",
    experiment="build it with a width of 50 and 7 heads: ValueError, with 50 and 7 in the message",
)
def linformer_refuses_heads(student: Subject, draw: Draw) -> None:
    length, k, d_model, n_heads = linformer_sizes(draw)
    wrong = d_model + 1
    student.refuses_to_build(length=length, d_projected=k, d_model=wrong, n_heads=n_heads, mentions=(wrong, n_heads))


@linformer.check(
    "at no time are there T × T elements",
    points=0.5,
    after="output and weights of a full sequence",
    suspect="a product of queries with all keys before the keys are shortened",
    experiment="shorten first: (E · key) has k rows, and the scores are T × k",
)
def linformer_memory(student: Subject, draw: Draw) -> None:
    T, d_model = 197, 6
    module = student.build(length=T, d_projected=5, d_model=d_model, n_heads=2)
    peak, _ = module.cost(draw.normal(1, T, d_model))
    at_most(T * T, peak, f"elements at the peak, for {T} tokens")


@linformer.check(
    "gradients reach the tokens and all four matrices",
    points=0.25,
    after="output and weights of a full sequence",
    suspect="a detach() or .data on the way",
    experiment="call .sum().backward() on the output and print the gradient of each parameter",
)
def linformer_gradients(student: Subject, draw: Draw) -> None:
    module, (x,) = linformer_and_tokens(student, draw)
    module.agrees(x)


linformer.good_manners(linformer_and_tokens, after="output and weights of a full sequence", points=0.25)

# -------------------------------------------------------------------------------------------------- KeyValueCache

caching = Exercise("KeyValueCache", points=4, paper="Shazeer 2019, section 2.4.1")


def cache_and_calls(
    student: Subject, draw: Draw, *lengths: int, room: int | None = None
) -> tuple[Subject, list[tuple[Tensor, Tensor]]]:
    """A cache with room for `room` tokens, or a few more than come, and calls that add so many tokens each."""
    B, H, d = draw.sizes(3)
    room = sum(lengths) + 3 if room is None else room
    cache = student.fresh(batch_size=B, n_heads=H, max_length=room, d_head=d).in_turn()
    return cache, [(draw.normal(B, H, T, d), draw.normal(B, H, T, d)) for T in lengths]


def remembers(student: Subject, calls: list[tuple[Tensor, Tensor]]) -> None:
    """After each call all keys and all values so far have come back, in order."""
    came = expect_values(student(*calls), *(f"answer to call {place}" for place in range(1, len(calls) + 1)))
    for place, answer in enumerate(came, start=1):
        pair = expect_values(answer.value, f"keys after call {place}", f"values after call {place}")
        for one, parts in zip(pair, zip(*calls[:place], strict=True), strict=True):
            one.close(torch.cat(parts, dim=2))


@caching.check(
    "the first tokens come back as they are",
    points=0.5,
    suspect="what is returned: keys and values of the tokens that are in the cache, no more",
    experiment="add two tokens to a cache for five: the result has two, not five",
)
def first_tokens(student: Subject, draw: Draw) -> None:
    remembers(*cache_and_calls(student, draw, 3))


@caching.check(
    "token after token: all so far come back in order",
    points=1,
    after="the first tokens come back as they are",
    suspect="the place that is written to: behind the tokens that are there",
    experiment="add tokens one by one and print what comes back after each",
)
def token_by_token(student: Subject, draw: Draw) -> None:
    remembers(*cache_and_calls(student, draw, 1, 1, 1, 1))


@caching.check(
    "several tokens at once, behind others",
    points=0.5,
    after="the first tokens come back as they are",
    suspect="the number of tokens, which grows by T, not by 1",
    experiment="add three tokens, then two, then one: six come back",
)
def several_at_once(student: Subject, draw: Draw) -> None:
    remembers(*cache_and_calls(student, draw, 3, 2, 1, 4))


@caching.check(
    "it can be filled to the last place, and refuses one token more",
    points=0.5,
    after="the first tokens come back as they are",
    suspect="the comparison with max_length, or a message without both numbers",
    experiment="fill a cache for 5 tokens, then add one: ValueError, with 5 and 6 in the message",
)
def full_cache(student: Subject, draw: Draw) -> None:
    room = int(draw.integers(20, 30))
    remembers(*cache_and_calls(student, draw, room - 2, 1, 1, room=room))
    cache, calls = cache_and_calls(student, draw, room - 2, 1, 2, room=room)
    cache.refuses(*calls, mentions=(room, room + 1))


@caching.check(
    "a call copies only what is new",
    points=0.5,
    after="token after token: all so far come back in order",
    suspect="torch.cat, which copies the whole past with every token",
    experiment="take the memory in the constructor and write into a slice of it",
)
def copies_only_the_new(student: Subject, draw: Draw) -> None:
    cache, calls = cache_and_calls(student, draw, *[1] * 30)
    _, operations = cache.cost(*calls)
    added = sum(key.numel() + value.numel() for key, value in calls)
    at_most(4 * added, operations, f"numbers copied for {added:,} new ones")


@caching.check(
    "no gradient flows through the cache",
    points=0.25,
    after="token after token: all so far come back in order",
    suspect="keys and values that are written with their history, which then lives as long as the cache",
    experiment="add a key with requires_grad=True: what comes back must not require one; key.detach() has no history",
)
def no_gradient(student: Subject, draw: Draw) -> None:
    cache, calls = cache_and_calls(student, draw, 1, 2, 1)
    cache.agrees(*calls)


caching.good_manners(
    lambda student, draw: cache_and_calls(student, draw, 3, 1, 2),
    after="the first tokens come back as they are",
    points=0.25,
)

# ---------------------------------------------------------------------------------------------------- cached_step

cached = Exercise("cached_step", points=5, paper="Shazeer 2019, section 2.4.1; Vaswani et al. 2017, section 3.2.2")


def whole_sequence(draw: Draw, S: int, sizes: tuple[int, int, int] | None = None) -> tuple[Tensor, Tensor, Tensor, int]:
    """Tokens, the two weights and the number of heads."""
    B, n_heads, d = sizes or draw.sizes(3)
    D = n_heads * d
    return draw.normal(B, S, D), draw.normal(3 * D, D, scale=D**-0.5), draw.normal(D, D), n_heads


def heads(x: Tensor, weight_qkv: Tensor, n_heads: int) -> tuple[Tensor, Tensor, Tensor]:
    """Queries, keys and values, each (B, H, S, d)."""
    B, S, D = x.shape
    query, key, value = (x @ weight_qkv.T).view(B, S, 3, n_heads, D // n_heads).permute(2, 0, 3, 1, 4)
    return query, key, value


def full_forward(x: Tensor, weight_qkv: Tensor, weight_output: Tensor, n_heads: int) -> Tensor:
    """Causal self-attention of the whole sequence, without a cache."""
    output, _ = attended(*heads(x, weight_qkv, n_heads), True)
    return output.transpose(1, 2).flatten(2) @ weight_output.T


def new_tokens(layer: tuple[Tensor, Tensor, Tensor, int], T: int) -> tuple[Value, ...]:
    """The arguments for the last T tokens, with those before them in the cache."""
    x, weight_qkv, weight_output, n_heads = layer
    _, keys, values = heads(x[:, :-T], weight_qkv, n_heads)
    past = Supplied("cache", {"keys": keys.contiguous(), "values": values.contiguous()})
    return x[:, -T:], weight_qkv, weight_output, n_heads, past


def last_tokens_agree(student: Subject, draw: Draw, past: int, T: int) -> None:
    layer = whole_sequence(draw, past + T)
    expect(student(*new_tokens(layer, T))).close(full_forward(*layer)[:, -T:])


@cached.check(
    "the first token reads itself",
    points=0.5,
    suspect="the order of queries, keys and values in weight_qkv, or the output projection",
    experiment="with one token and an empty cache the output is its value times weight_output.T",
)
def first_token(student: Subject, draw: Draw) -> None:
    last_tokens_agree(student, draw, 0, 1)


@cached.check(
    "one new token: the last row of the full forward",
    points=1.25,
    after="the first token reads itself",
    suspect="which keys are read: those that the cache returns, all of them",
    experiment="print the shape of the scores: (B, H, 1, S), with S one more than the past",
)
def one_new_token(student: Subject, draw: Draw) -> None:
    last_tokens_agree(student, draw, int(draw.integers(5, 9)), 1)


@cached.check(
    "several new tokens: causal among themselves",
    points=1,
    after="the first token reads itself",
    suspect="the mask: new token t is at position S - T + t, and reads no later one; or the merging of the heads",
    experiment="change the last new token: the outputs of those before it must stay as they are",
)
def several_new_tokens(student: Subject, draw: Draw) -> None:
    last_tokens_agree(student, draw, int(draw.integers(5, 9)), 3)
    last_tokens_agree(student, draw, 0, 4)


@cached.check(
    "the cache is called once",
    points=0.5,
    after="the first token reads itself",
    suspect="a second call of cache, which would add the same tokens twice",
    experiment="keys, values = cache(key, value), and nothing else",
)
def called_once(student: Subject, draw: Draw) -> None:
    calls = student.calls(*new_tokens(whole_sequence(draw, 7), 2))
    if calls != 1:
        raise CheckFailed("one call of cache", f"{calls} calls")


@cached.check(
    "at no time are there S × S elements",
    points=0.5,
    after="one new token: the last row of the full forward",
    suspect="a causal mask for the whole sequence, of which the last rows are cut",
    experiment="print the shape of the mask: it has T rows",
)
def step_memory(student: Subject, draw: Draw) -> None:
    S = 197
    peak, _ = student.cost(*new_tokens(whole_sequence(draw, S, (1, 3, 5)), 1))
    at_most(S * S, peak, f"elements at the peak, for one new token after {S - 1}")


@cached.check(
    "heads that do not divide the width are refused, with both numbers",
    points=0.25,
    after="the first token reads itself",
    suspect="a missing test of D % n_heads",
    experiment="call it with a width of 10 and 3 heads: ValueError, with 10 and 3 in the message",
)
def step_refuses_heads(student: Subject, draw: Draw) -> None:
    x, weight_qkv, weight_output, _, past = new_tokens(whole_sequence(draw, 5), 1)
    assert isinstance(x, Tensor)
    wrong = 1 + x.shape[-1] // 2
    student.refuses(x, weight_qkv, weight_output, wrong, past, mentions=(x.shape[-1], wrong))


@cached.check(
    "gradients reach the new tokens and both weights",
    points=0.25,
    after="one new token: the last row of the full forward",
    suspect="a detach() or no_grad() on the way",
    experiment="call .sum().backward() on the output and print x.grad",
)
def step_gradients(student: Subject, draw: Draw) -> None:
    student.agrees(*new_tokens(whole_sequence(draw, 8), 3))


cached.good_manners(
    lambda student, draw: (student, new_tokens(whole_sequence(draw, 8), 3)),
    after="one new token: the last row of the full forward",
    points=0.25,
)

# ---------------------------------------------------------------------------------------------------- path_length

path = Exercise("path_length", points=3, paper="Vaswani et al. 2017, table 1 and section 4")


@path.check(
    "attention: one layer, however long the sequence",
    points=0.5,
    suspect="a path that grows with n",
    experiment="every token reads every other one directly: the answer is 1 for n = 2 and for n = 1,000",
)
def path_of_attention(student: Subject, draw: Draw) -> None:
    for n in (2, int(draw.integers(10, 1000))):
        expect(student("attention", n, int(draw.integers(3, 8)))).close(1)


@path.check(
    "recurrent: a step from each token to the next",
    points=0.5,
    suspect="whether tokens or steps between them are counted",
    experiment="from the first of two tokens to the second it is one step",
)
def path_of_recurrence(student: Subject, draw: Draw) -> None:
    for n in (2, int(draw.integers(10, 1000))):
        expect(student("recurrent", n, int(draw.integers(3, 8)))).close(n - 1)


def paths_are(student: Subject, kind: str, cases: dict[tuple[int, int], int]) -> None:
    """The answers for pairs of n and kernel_size; all are asked for before the first is judged."""
    answers = {case: student(kind, *case) for case in cases}
    for (n, kernel), answer in answers.items():
        expect(answer, f"the path of {kind} for n = {n}, kernel_size = {kernel},").close(cases[n, kernel])


@path.check(
    "convolution: kernel_size - 1 tokens further with every layer",
    points=0.75,
    suspect="how far one layer reaches (the token itself is one of the kernel_size), or the rounding",
    experiment="a kernel of 3 reaches 2 tokens back: 1 layer for n = 3, 2 layers for n = 4 and n = 5",
)
def path_of_convolution(student: Subject, draw: Draw) -> None:
    kernel = int(draw.integers(4, 8))
    layers = kernel + int(draw.integers(0, 4))
    reached = layers * (kernel - 1) + 1
    cases = {(kernel, kernel): 1, (kernel + 1, kernel): 2, (reached, kernel): layers, (reached + 1, kernel): layers + 1}
    paths_are(student, "convolution", cases | {(9, 2): 8})


@path.check(
    "dilated: kernel_size times as far with every layer",
    points=0.75,
    suspect="the logarithm: its base is kernel_size, it is rounded up, and floating point may miss a whole number",
    experiment="a kernel of 5 reads 125 tokens with 3 layers, and needs a fourth for 126; print math.log(125, 5)",
)
def path_of_dilation(student: Subject, draw: Draw) -> None:
    kernel, layers = (3, 6, 7)[int(draw.integers(0, 3))], int(draw.integers(2, 5))
    cases: dict[tuple[int, int], int] = {}
    for base, power in ((kernel, layers), (5, 3)):
        cases |= {(base**power, base): power, (base**power + 1, base): power + 1}
    paths_are(student, "dilated", cases)


@path.check(
    "a lone token is there already",
    points=0.25,
    after="attention: one layer, however long the sequence",
    suspect="n = 1, where nothing has to travel",
    experiment="call it with n = 1: every kind gives 0",
)
def lone_token(student: Subject, draw: Draw) -> None:
    for kind in ("recurrent", "convolution", "dilated", "attention"):
        expect(student(kind, 1, int(draw.integers(3, 8)))).close(0)


@path.check(
    "unknown kinds and kernels that reach nowhere are refused",
    points=0.25,
    after="attention: one layer, however long the sequence",
    suspect="a missing ValueError",
    experiment="call it with the kind 'pigeon', and with a convolution whose kernel_size is 1",
)
def path_refuses(student: Subject, draw: Draw) -> None:
    n = int(draw.integers(10, 100))
    student.refuses("pigeon", n, 3, mentions=("pigeon",))
    student.refuses("convolution", n, 1)
