"""Unit 05: self-attention, positions, masks and heads."""

from __future__ import annotations

import torch
from torch import Tensor

from autograder.checks import Draw, Exercise, Subject, expect, expect_values
from autograder.checks.request import Supplied, Value

UNEVEN = ((14, 5), (22, 7), (16, 3), (25, 6), (20, 9))
"""Widths, and numbers of heads that do not divide them and share no digit with them."""

# ------------------------------------------------------------------------------------------------------ fused_qkv

fused = Exercise("fused_qkv", points=4, paper="Vaswani et al. 2017, section 3.2.2; nn.MultiheadAttention")


def heads_of_tokens(draw: Draw) -> tuple[Tensor, Tensor, int]:
    """Tokens, a weight for queries, keys and values, and the number of heads; every axis of its own size."""
    B, T, H, d = draw.sizes(4)
    return draw.normal(B, T, H * d), draw.normal(3 * H * d, H * d), H


def fusable(student: Subject, draw: Draw) -> tuple[Subject, tuple[Value, ...]]:
    return student, heads_of_tokens(draw)


@fused.check(
    "with one head: the first rows make queries, the next keys, the last values",
    points=0.75,
    suspect="how the product is cut into three: along its last axis, D numbers each",
    experiment="print (x @ weight.T).shape, and compare the keys with x @ weight[D : 2 * D].T",
)
def one_fused_head(student: Subject, draw: Draw) -> None:
    x, weight, _ = heads_of_tokens(draw)
    student.agrees(x, weight, 1, gradients=False)


@fused.check(
    "a block of rows makes one head of one role, and nothing else",
    points=0.75,
    suspect="the order of the axes: roles first, then heads, then the d numbers of a head",
    experiment="set weight to zero but for the rows of one head: only that head's keys should differ from zero",
)
def block_by_block(student: Subject, draw: Draw) -> None:
    x, weight, H = heads_of_tokens(draw)
    B, T, D = x.shape
    d = D // H
    for role, head in ((0, H - 1), (1, int(draw.integers(0, H - 1))), (2, int(draw.integers(1, H)))):
        start = role * D + head * d
        alone = torch.zeros_like(weight)
        alone[start : start + d] = weight[start : start + d]
        for which, came in enumerate(expect_values(student(x, alone, H), "queries", "keys", "values")):
            expected = x.new_zeros(B, H, T, d)
            if which == role:
                expected[:, head] = x @ weight[start : start + d].T
            came.close(expected)


@fused.check(
    "queries, keys and values of several heads",
    points=1,
    suspect="a reshape that mixes tokens and heads: split the last axis first, then move the axes",
    experiment="compare query[:, h] with x @ weight[h * d : (h + 1) * d].T for each head h",
)
def several_fused_heads(student: Subject, draw: Draw) -> None:
    student.agrees(*heads_of_tokens(draw), gradients=False)


@fused.check(
    "heads that do not divide the width are refused",
    points=0.5,
    after="with one head: the first rows make queries, the next keys, the last values",
    suspect="a missing test of D % n_heads",
    experiment="call it with a width of 10 and 4 heads: it must raise ValueError with both numbers",
)
def refuses_uneven_heads(student: Subject, draw: Draw) -> None:
    D, n_heads = UNEVEN[int(draw.integers(0, len(UNEVEN)))]
    student.refuses(draw.normal(2, 3, D), draw.normal(3 * D, D), n_heads, mentions=(D, n_heads))


@fused.check(
    "gradients reach the tokens and the weight",
    points=0.25,
    after="queries, keys and values of several heads",
    suspect="a detach() or a conversion to numbers on the way",
    experiment="call .sum().backward() on the keys and print weight.grad",
)
def fused_gradients(student: Subject, draw: Draw) -> None:
    student.agrees(*heads_of_tokens(draw))


fused.good_manners(fusable, after="queries, keys and values of several heads", points=0.25)

# ---------------------------------------------------------------------------------------------------- merge_heads

merge = Exercise("merge_heads", points=2, paper="Vaswani et al. 2017, section 3.2.2 (Concat)")


def mergeable(student: Subject, draw: Draw) -> tuple[Subject, tuple[Tensor]]:
    return student, (draw.normal(*draw.sizes(4)),)


@merge.check(
    "of one token the heads stand side by side, in order",
    points=0.5,
    suspect="the order of the output: all d numbers of head 0, then those of head 1",
    experiment="call it with a tensor of ones times the number of the head: one token is 0, 0, …, 1, 1, …",
)
def one_merged_token(student: Subject, draw: Draw) -> None:
    B, H, d = draw.sizes(3)
    x = draw.normal(B, H, 1, d)
    expect(student(x)).close(torch.cat(list(x.unbind(1)), dim=-1))


@merge.check(
    "several tokens keep their own heads",
    points=0.5,
    suspect="a reshape without moving the axis of the heads behind that of the tokens first",
    experiment="fill x[:, :, t] with the number t: token t of the output must hold nothing but t",
)
def several_merged_tokens(student: Subject, draw: Draw) -> None:
    _, (x,) = mergeable(student, draw)
    student.agrees(x, gradients=False)


@merge.check(
    "gradients reach every head",
    points=0.25,
    after="several tokens keep their own heads",
    suspect="a detach() or a copy through numbers on the way",
    experiment="call .sum().backward() on the output and print x.grad",
)
def merge_gradients(student: Subject, draw: Draw) -> None:
    _, (x,) = mergeable(student, draw)
    student.agrees(x)


merge.good_manners(mergeable, after="several tokens keep their own heads", points=0.25)

# ---------------------------------------------------------------------------------------------------- causal_mask

mask = Exercise("causal_mask", points=4, paper="Vaswani et al. 2017, section 3.2.3")


@mask.check(
    "one token may look at itself",
    points=0.5,
    suspect="a mask that forbids the diagonal, has another sense (True: allowed) or another type (boolean)",
    experiment="print causal_mask(1): it should be tensor([[True]])",
)
def one_token(student: Subject, draw: Draw) -> None:
    expect(student(1), "the mask of one token").close(torch.ones(1, 1, dtype=torch.bool))


@mask.check(
    "without a cache: itself and the past",
    points=1,
    suspect="the diagonal, or the triangle that is kept: the first row has one True, the last only True",
    experiment="print causal_mask(3): row t should begin with t + 1 times True",
)
def square(student: Subject, draw: Draw) -> None:
    for T in draw.sizes(2):
        student.agrees(T, gradients=False)
        student.agrees(T, T, gradients=False)


@mask.check(
    "one new token sees the whole cache",
    points=0.5,
    suspect="where the queries stand among the keys: they are the last ones",
    experiment="print causal_mask(1, 4): it should be four times True",
)
def one_new_token(student: Subject, draw: Draw) -> None:
    (S,) = draw.sizes(1)
    expect(student(1, S), "the mask of one new token").close(torch.ones(1, S, dtype=torch.bool))


@mask.check(
    "several new tokens and a cache",
    points=1,
    suspect="the shift of the diagonal by S - T",
    experiment="print causal_mask(2, 5): rows of four and of five times True",
)
def several_new_tokens(student: Subject, draw: Draw) -> None:
    (T,) = draw.sizes(1, 5, 7)
    for cached in (int(draw.integers(2, 5)), int(draw.integers(9, 13))):  # fewer than the queries, and more
        student.agrees(T, T + cached, gradients=False)


@mask.check(
    "fewer keys than queries are refused",
    points=0.5,
    after="without a cache: itself and the past",
    suspect="a missing comparison of S with T",
    experiment="call causal_mask(5, 3): it must raise ValueError with both numbers",
)
def refuses_few_keys(student: Subject, draw: Draw) -> None:
    T, S = int(draw.integers(15, 20)), int(draw.integers(2, 5))
    student.refuses(T, S, mentions=(T, S))


@mask.check(
    "it is made on the device that is asked for",
    points=0.5,
    after="without a cache: itself and the past",
    suspect="a tensor made without device=device",
    experiment='print causal_mask(2, 2, "meta").device',
)
def mask_device(student: Subject, draw: Draw) -> None:
    T, cached = draw.sizes(2)
    student.runs_elsewhere(T, None, "meta")
    student.runs_elsewhere(T, T + cached, "meta")


# ------------------------------------------------------------------------------------------- sinusoidal_positions

sinusoidal = Exercise("sinusoidal_positions", points=4, paper="Vaswani et al. 2017, section 3.5")


def length_and_width(draw: Draw) -> tuple[int, int]:
    """A length and an even width, of at least six columns."""
    length, pairs = draw.sizes(2)
    return 30 + length, 2 * pairs


@sinusoidal.check(
    "position 0 is 0, 1, 0, 1, …",
    points=0.5,
    suspect="where positions begin (at 0), and which columns are sines (the even ones)",
    experiment="print sinusoidal_positions(1, 6)",
)
def first_position(student: Subject, draw: Draw) -> None:
    _, d_model = length_and_width(draw)
    expect(student(1, d_model), "the row of position 0").close(torch.tensor([[0.0, 1.0] * (d_model // 2)]))


@sinusoidal.check(
    "two columns: the sine and the cosine of the position",
    points=0.75,
    suspect="the first frequency, which is 1: a wavelength of 2π positions",
    experiment="compare sinusoidal_positions(9, 2)[:, 0] with torch.arange(9).sin()",
)
def two_columns(student: Subject, draw: Draw) -> None:
    length, _ = length_and_width(draw)
    student.agrees(length, 2, gradients=False)


@sinusoidal.check(
    "the slowest pair of columns",
    points=0.75,
    after="position 0 is 0, 1, 0, 1, …",
    suspect="the exponent, which is 2i / d_model for the pair of columns 2i and 2i + 1",
    experiment="the last pair's wavelength is 2π · 10,000^((d_model - 2) / d_model) positions: print yours",
)
def slowest_pair(student: Subject, draw: Draw) -> None:
    length, d_model = length_and_width(draw)
    angle = torch.arange(length).double() / 10_000 ** ((d_model - 2) / d_model)
    expected = torch.stack([angle.sin(), angle.cos()], dim=1).float()
    table = expect(student(length, d_model)).tensor((length, d_model))
    expect(table[:, -2:], "the last two columns").close(expected)


@sinusoidal.check(
    "the whole table",
    points=1,
    suspect="the order of the columns: each sine is followed by its cosine",
    experiment="print the first row of sinusoidal_positions(2, 4) after the zeroth: sin 1, cos 1, sin 0.01, cos 0.01",
)
def whole_table(student: Subject, draw: Draw) -> None:
    student.agrees(*length_and_width(draw), gradients=False)


@sinusoidal.check(
    "an odd width is refused",
    points=1,
    after="two columns: the sine and the cosine of the position",
    suspect="a missing test of d_model % 2",
    experiment="call sinusoidal_positions(4, 5): it must raise ValueError with the width",
)
def refuses_odd_table(student: Subject, draw: Draw) -> None:
    odd = 2 * int(draw.integers(10, 40)) + 1
    student.refuses(3, odd, mentions=(odd,))


# --------------------------------------------------------------------------------------------------------- rotary

rotary = Exercise("rotary", points=5, paper="Su et al. 2021, section 3.2.2, equation 34")


def turning(draw: Draw) -> tuple[Tensor, Tensor]:
    """Queries of a few heads (B, H, T, d), H < T, and positions out of order that do not begin at 0."""
    B, pairs, *others = draw.sizes(4)
    H, T = sorted(others)
    positions = 20 + draw.normal(50).argsort()[:T]
    return draw.normal(B, H, T, 2 * pairs), positions


def turned(student: Subject, draw: Draw) -> tuple[Subject, tuple[Value, ...]]:
    return student, turning(draw)


@rotary.check(
    "position 0 turns nothing",
    points=0.25,
    suspect="where positions begin, or something added to x: a rotation only turns it",
    experiment="call it with positions of zeros and compare the output with x",
)
def turns_nothing(student: Subject, draw: Draw) -> None:
    x, positions = turning(draw)
    expect(student(x, positions * 0)).close(x)


@rotary.check(
    "one pair turns by its position",
    points=0.75,
    suspect="the rotation: (a, b) becomes (a cos - b sin, a sin + b cos), both from the old a and b",
    experiment="call it with x = [[1, 0]] and position 1: it should give cos 1 and sin 1",
)
def one_pair(student: Subject, draw: Draw) -> None:
    B, T = draw.sizes(2)
    student.agrees(draw.normal(B, T, 2), torch.arange(T), gradients=False)


@rotary.check(
    "several pairs, each at its own speed",
    points=0.75,
    after="position 0 turns nothing",
    suspect="which numbers are a pair (2i and 2i + 1), or the exponents of the frequencies (-2i / d)",
    experiment="turn x = [[1, 0, 0, 0]] and x = [[0, 0, 1, 0]] by position 1: which numbers change?",
)
def several_pairs(student: Subject, draw: Draw) -> None:
    x, _ = turning(draw)
    student.agrees(x[0, 0], torch.arange(x.shape[2]), gradients=False)


@rotary.check(
    "any positions, in any order",
    points=1,
    after="position 0 turns nothing",
    suspect="positions that are made inside, such as torch.arange(T): with a cache the first query is not at 0",
    experiment="call it for one token at position 7, and for eight tokens at 0 to 7: the last ones must agree",
)
def any_positions(student: Subject, draw: Draw) -> None:
    x, positions = turning(draw)
    student.agrees(x[0], positions, gradients=False)


@rotary.check(
    "another base",
    points=0.5,
    after="position 0 turns nothing",
    suspect="10,000 written where base belongs",
    experiment="with base 1 all pairs turn at the same speed",
)
def another_base(student: Subject, draw: Draw) -> None:
    x, positions = turning(draw)
    student.agrees(x[0], positions, 100.0 * draw.uniform(2.0, 9.0), gradients=False)


@rotary.check(
    "any axes may stand before the tokens",
    points=0.5,
    after="several pairs, each at its own speed",
    suspect="an axis that is counted from the front: the tokens are the axis before the last",
    experiment="call it with tensors of shape (T, d), (B, T, d) and (B, H, T, d)",
)
def any_axes(student: Subject, draw: Draw) -> None:
    x, positions = turning(draw)
    for tokens in (x[0, 0], x[0], x):
        student.agrees(tokens, positions, gradients=False)


@rotary.check(
    "an odd width is refused",
    points=0.25,
    after="one pair turns by its position",
    suspect="a missing test of the width",
    experiment="call it with x of width 3: it must raise ValueError with the width",
)
def refuses_odd_width(student: Subject, draw: Draw) -> None:
    odd = 2 * int(draw.integers(10, 40)) + 1
    student.refuses(draw.normal(2, 3, odd), torch.arange(3), mentions=(odd,))


@rotary.check(
    "gradients reach x",
    points=0.25,
    after="any positions, in any order",
    suspect="a detach() or a conversion through numpy on the way",
    experiment="call .sum().backward() on the output and print x.grad",
)
def rotary_gradients(student: Subject, draw: Draw) -> None:
    student.agrees(*turning(draw))


rotary.good_manners(turned, after="any positions, in any order", points=0.25)

# ----------------------------------------------------------------------------------------- MultiHeadSelfAttention

layer = Exercise("MultiHeadSelfAttention", points=8, paper="Vaswani et al. 2017, section 3.2.2")


def tokens(draw: Draw, d_model: int, B: int, T: int) -> Tensor:
    """Tokens so long that scores have a standard deviation of about 1 under the weights that `build` draws."""
    return draw.normal(B, T, d_model, scale=1.4 / d_model**0.5)


def layer_and_tokens(student: Subject, draw: Draw, n_heads: int | None = None) -> tuple[Subject, Tensor]:
    """A layer of `n_heads` heads or of several, and a batch for it; every axis of its own size."""
    B, T, H, d = draw.sizes(4)
    module = student.build(d_model=H * d, n_heads=n_heads or H)
    return module, tokens(draw, H * d, B, T)


def uneven_mask(draw: Draw, *shape: int) -> Tensor:
    """A mask that is not its own transpose; each key is allowed to some query."""
    while True:
        allowed = draw.allowed(*shape)
        if bool((allowed != allowed.mT).any() and allowed.any(dim=-2).all()):
            return allowed


def masked_layer(student: Subject, draw: Draw) -> tuple[Subject, tuple[Tensor, Tensor]]:
    """A layer, tokens, and a mask for each sequence."""
    module, x = layer_and_tokens(student, draw)
    B, T, _ = x.shape
    return module, (x, uneven_mask(draw, B, T, T))


@layer.check(
    "two projections with the right names and shapes, without bias",
    points=0.5,
    suspect="bias=True, a projection for each head, or other names",
    experiment="print({name: p.shape for name, p in module.named_parameters()})",
)
def layer_parameters(student: Subject, draw: Draw) -> None:
    H, d = draw.sizes(2)
    student.has_the_parameters(d_model=H * d, n_heads=H)


@layer.check(
    "a lone token reads itself: its value, then the output projection",
    points=1,
    after="two projections with the right names and shapes, without bias",
    suspect="which rows of qkv make the values (the last D), or the output projection",
    experiment="for one token compare the output with module.output(module.qkv(x)[..., 2 * D :])",
)
def lone_token(student: Subject, draw: Draw) -> None:
    module, x = layer_and_tokens(student, draw)
    module.agrees(x[:, :1], gradients=False)


@layer.check(
    "tokens that are all alike are read alike",
    points=0.5,
    after="two projections with the right names and shapes, without bias",
    suspect="the axis of the softmax (the keys), or heads that are merged without moving their axis back",
    experiment="give every token the same vector: weights are 1 / T, and all outputs are the same",
)
def alike_tokens(student: Subject, draw: Draw) -> None:
    module, x = layer_and_tokens(student, draw)
    module.agrees(x[:, :1].expand_as(x), gradients=False)


@layer.check(
    "one head: output and weights",
    points=0.75,
    after="two projections with the right names and shapes, without bias",
    suspect="which rows of qkv make queries and which keys, or the scale",
    experiment="with one head compare the weights with those of your scaled_dot_product_attention from unit 04",
)
def one_head(student: Subject, draw: Draw) -> None:
    module, x = layer_and_tokens(student, draw, n_heads=1)
    module.agrees(x, gradients=False)


@layer.check(
    "several heads: output and weights of each",
    points=1.25,
    after="two projections with the right names and shapes, without bias",
    suspect="the split into heads, or the scale: √d with d = D / H, the width of one head",
    experiment="compute one head in a loop, from its own rows of qkv, and compare its weights with weights[:, h]",
)
def several_heads(student: Subject, draw: Draw) -> None:
    module, x = layer_and_tokens(student, draw)
    module.agrees(x, gradients=False)


@layer.check(
    "one mask for all sequences",
    points=0.75,
    after="two projections with the right names and shapes, without bias",
    suspect="what the mask means (True: may look), or where it is applied (the scores, before the softmax)",
    experiment="pass a causal mask and print weights[0, 0]: what stands above the diagonal?",
)
def shared_mask(student: Subject, draw: Draw) -> None:
    module, x = layer_and_tokens(student, draw)
    T = x.shape[1]
    module.agrees(x, uneven_mask(draw, T, T), gradients=False)


@layer.check(
    "a mask for each sequence",
    points=0.75,
    after="two projections with the right names and shapes, without bias",
    suspect="a mask (B, T, T) that meets scores (B, H, T, T) without an axis for the heads",
    experiment="print the shapes of the scores and of the mask just before masked_fill",
)
def own_masks(student: Subject, draw: Draw) -> None:
    module, arguments = masked_layer(student, draw)
    module.agrees(*arguments, gradients=False)


@layer.check(
    "what is not allowed weighs exactly zero, however low the allowed scores are",
    points=0.5,
    after="one mask for all sequences",
    suspect="a finite fill such as -1e4 or -1e9 instead of -inf, or a mask after the softmax",
    experiment="allow each token one key only and multiply x by 1e7: is every weight 0 or 1?",
)
def mask_is_absolute(student: Subject, draw: Draw) -> None:
    module, x = layer_and_tokens(student, draw)
    B, T, _ = x.shape
    alone = torch.zeros(B, T, T, dtype=torch.bool).scatter(-1, draw.integers(0, T, B, T, 1), True)
    for magnitude in (1.0, 1e3, 1e7):  # scores of about ±1, ±1e6 and ±1e14, of which half are negative
        module.agrees(x * magnitude, alone, gradients=False)


@layer.check(
    "a token that may look nowhere gets zeros, forward and backward",
    points=0.5,
    after="a mask for each sequence",
    suspect="a softmax over a row of -inf, which is NaN",
    experiment="forbid one token everything, and look at its weights and at the gradient of x",
)
def blind_token(student: Subject, draw: Draw) -> None:
    module, (x, allowed) = masked_layer(student, draw)
    allowed[:, int(draw.integers(0, x.shape[1]))] = False
    module.agrees(x, allowed)


@layer.check(
    "large scores stay finite",
    points=0.25,
    after="several heads: output and weights of each",
    suspect="an exponential without subtracting the row's maximum",
    experiment="call it with x * 1000: do you see NaN or inf?",
)
def large_scores(student: Subject, draw: Draw) -> None:
    module, (x, allowed) = masked_layer(student, draw)
    for arguments in ((x * 1000,), (x * 1000, allowed)):
        _, weights = expect_values(module(*arguments), "output", "weights")
        weights.sums_to_one()


@layer.check(
    "gradients reach the tokens and both projections",
    points=0.25,
    after="several heads: output and weights of each",
    suspect="a detach() or no_grad() on the way, or a projection that is not used",
    experiment="call .sum().backward() on the output and print the gradient of each parameter",
)
def layer_gradients(student: Subject, draw: Draw) -> None:
    module, (x, allowed) = masked_layer(student, draw)
    module.agrees(x)
    module.agrees(x, allowed)


@layer.check(
    "heads that do not divide the width are refused",
    points=0.25,
    after="two projections with the right names and shapes, without bias",
    suspect="a missing test of d_model % n_heads in the constructor",
    experiment="print(10 // 4): a layer of width 10 with 4 heads must raise ValueError with both numbers",
)
def refuses_uneven_layer(student: Subject, draw: Draw) -> None:
    d_model, n_heads = UNEVEN[int(draw.integers(0, len(UNEVEN)))]
    student.refuses_to_build(d_model=d_model, n_heads=n_heads, mentions=(d_model, n_heads))


layer.good_manners(masked_layer, after="a mask for each sequence", points=0.25)

# ----------------------------------------------------------------------------------------------- equivariance_gap

gap = Exercise("equivariance_gap", points=3, paper="Zaheer et al. 2017, section 2 (permutation equivariance)")


def layer_to_permute(draw: Draw, *, treats_alike: bool = False) -> tuple[Supplied, Tensor]:
    """A layer over an even number of tokens with another width than its input's, and an input.

    Its outputs stay away from ±1, by which a difference could be divided unseen.
    treats_alike: the layer makes no difference between tokens.
    """
    B, half, D, E = draw.sizes(4)
    T = 2 * half
    mixed = draw.normal(T, T, scale=T**-0.5)
    alike = torch.eye(T, dtype=torch.float64) - 0.5 / T
    tensors = {"tokens": alike if treats_alike else mixed, "features": draw.normal(D, E, scale=D**-0.5)}
    return Supplied("mixing", tensors), draw.normal(B, T, D)


def exchanged_halves(T: int) -> Tensor:
    """The permutation of an even number of tokens that exchanges the halves: it moves all, and is its own inverse."""
    return torch.arange(T).roll(T // 2)


def cycle(draw: Draw, T: int) -> Tensor:
    """A permutation that moves every token round one circle of T ≥ 3: not its own inverse."""
    order = draw.normal(T).argsort()
    return torch.empty_like(order).scatter(0, order, order.roll(1))


def mixed_tokens(student: Subject, draw: Draw) -> tuple[Subject, tuple[Value, ...]]:
    f, x = layer_to_permute(draw)
    return student, (f, x, cycle(draw, x.shape[1]))


def agrees_for_either_sign(student: Subject, f: Supplied, x: Tensor, permutation: Tensor) -> None:
    """The gap of f and of -f, one of which has its largest difference below zero."""
    other = Supplied(f.name, {"tokens": f.tensors["tokens"], "features": -f.tensors["features"]})
    student.agrees(f, x, permutation, gradients=False)
    student.agrees(other, x, permutation, gradients=False)


@gap.check(
    "a layer that treats all tokens alike has no gap",
    points=0.5,
    suspect="what is compared: the outputs in the new order with the outputs of the inputs in the new order",
    experiment="call it with lambda x: 2 * x: the gap is 0",
)
def no_gap(student: Subject, draw: Draw) -> None:
    f, x = layer_to_permute(draw, treats_alike=True)
    for permutation in (exchanged_halves(x.shape[1]), cycle(draw, x.shape[1])):
        expect(student(f, x, permutation), "the gap").close(0.0)


@gap.check(
    "a layer that mixes tokens, whose halves change places",
    points=1,
    suspect="the axis that is permuted (1, the tokens), or something else than the largest absolute difference",
    experiment="for f = lambda x: x.cumsum(dim=1), x = [[[1.], [2.]]] and a swap the gap is 2, and the same for -f",
)
def gap_of_exchanged_halves(student: Subject, draw: Draw) -> None:
    f, x = layer_to_permute(draw)
    agrees_for_either_sign(student, f, x, exchanged_halves(x.shape[1]))


@gap.check(
    "a permutation that is not its own inverse",
    points=1,
    suspect="one side that is permuted, and the other that is put back",
    experiment="take three tokens and the permutation 1, 2, 0: print x[:, permutation] and f(x)[:, permutation]",
)
def gap_of_a_cycle(student: Subject, draw: Draw) -> None:
    f, x = layer_to_permute(draw)
    agrees_for_either_sign(student, f, x, cycle(draw, x.shape[1]))


gap.good_manners(mixed_tokens, after="a permutation that is not its own inverse", points=0.25, floating=False)
