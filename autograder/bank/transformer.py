"""Unit 06: the Transformer, its blocks, its training and its sampling."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from autograder.checks import CheckFailed, Draw, Exercise, Subject, expect
from autograder.checks.chance import MANY, expect_frequencies, expect_from_generator, expect_independent
from autograder.checks.request import Seeded, Supplied, Value
from autograder.checks.vectors import norm_and_vectors, takes_any_axes

HEADS = 3
"""Heads of every block here: more than a pair, no divisor of any other axis, and never their width."""


def widths(draw: Draw) -> tuple[int, int, int, int, int]:
    """B, T, S, d_model and d_hidden, all different; three heads share out d_model, which is greater than B, T and S."""
    B, T, S, d = draw.sizes(4, low=5)
    return B, T, S, HEADS * d, HEADS * d + d + 1


def far_apart(x: Tensor, low: float, high: float) -> Tensor:
    """x with every second sentence times `low`, the others times `high`: their scores dwarf a small or a large fill."""
    factors = x.new_full((len(x), 1, 1), high)
    factors[1::2] = low
    return x * factors


# ------------------------------------------------------------------------------------------------------ LayerNorm

norm = Exercise("LayerNorm", points=3, paper="Ba, Kiros and Hinton 2016, section 3")


@norm.check(
    "weight and bias, one number each for every place of a vector",
    points=0.25,
    suspect="the shapes: both have d_model numbers, whatever the sentence",
    experiment="print({name: p.shape for name, p in module.named_parameters()})",
)
def norm_parameters(student: Subject, draw: Draw) -> None:
    (d_model,) = draw.sizes(1)
    student.has_the_parameters(d_model=d_model, eps=0.5)


@norm.check(
    "a new layer only shifts and scales: weight 1, bias 0",
    points=0.5,
    after="weight and bias, one number each for every place of a vector",
    suspect="the axis of the mean and of the variance (the last one), or how weight and bias begin",
    experiment="print mean and variance of the output over the last axis: 0, and v / (v + eps) for a variance v",
)
def new_layer(student: Subject, draw: Draw) -> None:
    _, (x,) = norm_and_vectors(student, draw)
    student.fresh(d_model=x.shape[-1], eps=draw.uniform(0.3, 0.9)).agrees(x, gradients=False)


@norm.check(
    "weight scales and bias shifts what was normalised",
    points=0.5,
    after="weight and bias, one number each for every place of a vector",
    suspect="the order: normalise, times weight, plus bias",
    experiment="set weight to 2 and bias to 1: the output is twice that of a new layer, plus 1",
)
def weight_and_bias(student: Subject, draw: Draw) -> None:
    module, (x,) = norm_and_vectors(student, draw)
    module.agrees(x, gradients=False)


@norm.check(
    "a vector without variance becomes the bias",
    points=0.5,
    after="weight scales and bias shifts what was normalised",
    suspect="eps: added to the variance, under the root",
    experiment="call it with torch.ones(1, 2, d_model): do you see NaN?",
)
def constant_vector(student: Subject, draw: Draw) -> None:
    module, (x,) = norm_and_vectors(student, draw)
    flat = torch.full_like(x, draw.uniform(0.5, 2.0))
    module.agrees(flat, gradients=False)
    module.agrees(torch.cat([x[:1] * 1e-2, flat[:1], x[:1] * 1e2]))


takes_any_axes(norm, norm_and_vectors, points=0.25, after="weight scales and bias shifts what was normalised")


@norm.check(
    "gradients reach the input, the weight and the bias",
    points=0.25,
    after="weight scales and bias shifts what was normalised",
    suspect="a detach() or no_grad() around the mean or the variance",
    experiment="compare x.grad with that of torch.nn.functional.layer_norm",
)
def norm_gradients(student: Subject, draw: Draw) -> None:
    module, arguments = norm_and_vectors(student, draw)
    module.agrees(*arguments)


norm.good_manners(norm_and_vectors, after="weight scales and bias shifts what was normalised", points=0.25)

# ---------------------------------------------------------------------------------------------------- FeedForward

network = Exercise("FeedForward", points=3, paper="Vaswani et al. 2017, equation 2 (section 3.3)")


def network_and_input(student: Subject, draw: Draw, zero: tuple[str, ...] = ()) -> tuple[Subject, tuple[Tensor]]:
    """A network so wide that some of its biases are always negative, and its input."""
    B, T, d, h = draw.sizes(4)
    return student.build(zero=zero, d_model=7 * d, d_hidden=7 * h), (draw.normal(B, T, 7 * d),)


@network.check(
    "two linear maps with the right names and shapes, with a bias",
    points=0.25,
    suspect="a width that is not d_hidden, or bias=False",
    experiment="print({name: p.shape for name, p in module.named_parameters()})",
)
def network_parameters(student: Subject, draw: Draw) -> None:
    d_model, d_hidden = draw.sizes(2)
    student.has_the_parameters(d_model=d_model, d_hidden=d_hidden)


@network.check(
    "a silent hidden layer leaves the second bias",
    points=0.25,
    after="two linear maps with the right names and shapes, with a bias",
    suspect="something that is added to the network's output, or done to it",
    experiment="set linear1 to zero: every output is linear2.bias",
)
def silent_hidden_layer(student: Subject, draw: Draw) -> None:
    module, (x,) = network_and_input(student, draw, zero=("linear1",))
    module.agrees(x, gradients=False)


@network.check(
    "without biases, twice the input gives twice the output",
    points=0.5,
    after="two linear maps with the right names and shapes, with a bias",
    suspect="the activation: a ReLU",
    experiment="set both biases to zero and compare module(2 * x) with 2 * module(x)",
)
def twice_the_input(student: Subject, draw: Draw) -> None:
    module, (x,) = network_and_input(student, draw, zero=("linear1.bias", "linear2.bias"))
    one, two = module(x), module(2 * x)
    expect(two, "the output of 2 x").close(2 * expect(one).tensor(tuple(x.shape)))
    module.agrees(x, gradients=False)


@network.check(
    "random vectors",
    points=0.5,
    after="two linear maps with the right names and shapes, with a bias",
    suspect="where the activation stands: between the two maps, and nowhere else",
    experiment="compare with module.linear2(torch.relu(module.linear1(x)))",
)
def network_numbers(student: Subject, draw: Draw) -> None:
    module, (x,) = network_and_input(student, draw)
    module.agrees(x, gradients=False)


takes_any_axes(network, network_and_input, points=0.5, after="random vectors")


@network.check(
    "gradients reach the input and both maps",
    points=0.25,
    after="random vectors",
    suspect="a detach() or no_grad() on the way",
    experiment="call .sum().backward() on the output and print the gradient of each parameter",
)
def network_gradients(student: Subject, draw: Draw) -> None:
    module, arguments = network_and_input(student, draw)
    module.agrees(*arguments)


network.good_manners(network_and_input, after="random vectors", points=0.25)

# --------------------------------------------------------------------------------------------------- EncoderBlock

encoder = Exercise("EncoderBlock", points=6, paper="Vaswani et al. 2017, section 3.1; Xiong et al. 2020, section 3")


def pre_and_post(student: Subject, zero: tuple[str, ...], d_model: int, d_hidden: int) -> tuple[Subject, Subject]:
    """A pre-norm block and a post-norm block of the same widths, without the parameters named by `zero`."""
    pre, post = (
        student.build(zero=zero, d_model=d_model, n_heads=HEADS, d_hidden=d_hidden, norm_first=norm_first)
        for norm_first in (True, False)
    )
    return pre, post


def both_agree(pre: Subject, post: Subject, *arguments: Tensor, gradients: bool = False) -> None:
    """Each block returns what the reference's does."""
    pre.agrees(*arguments, gradients=gradients)
    post.agrees(*arguments, gradients=gradients)


def has_the_blocks_parameters(student: Subject, draw: Draw) -> None:
    """The parameters of both kinds of block."""
    _, _, _, d_model, d_hidden = widths(draw)
    for norm_first in (True, False):
        student.has_the_parameters(d_model=d_model, n_heads=HEADS, d_hidden=d_hidden, norm_first=norm_first)


def refuses_heads(student: Subject, draw: Draw) -> None:
    """No block is built whose heads cannot share out its width."""
    d_model = 10 * int(draw.integers(2, 9)) + 1
    student.refuses_to_build(d_model=d_model, n_heads=10, d_hidden=7, norm_first=True, mentions=(d_model, 10))


SILENT_ATTENTION = ("self_attn.out_proj", "multihead_attn.out_proj")
SILENT_NETWORK = ("linear2",)


def encoder_blocks(
    student: Subject, draw: Draw, zero: tuple[str, ...] = ()
) -> tuple[Subject, Subject, tuple[Tensor, Tensor]]:
    """A pre-norm block, a post-norm block, their input and a mask with a row for every query."""
    B, T, _, d_model, d_hidden = widths(draw)
    pre, post = pre_and_post(student, zero, d_model, d_hidden)
    return pre, post, (draw.normal(B, T, d_model), draw.allowed(B, T, T))


def masked_block(student: Subject, draw: Draw) -> tuple[Subject, tuple[Tensor, Tensor]]:
    pre, _, arguments = encoder_blocks(student, draw)
    return pre, arguments


@encoder.check(
    "parameters with the names of nn.TransformerEncoderLayer",
    points=0.5,
    suspect="one norm where there are two, or a projection without a bias",
    experiment="compare block.state_dict().keys() with those of nn.TransformerEncoderLayer(d_model, n_heads, d_hidden)",
)
def encoder_parameters(student: Subject, draw: Draw) -> None:
    has_the_blocks_parameters(student, draw)


@encoder.check(
    "with silent sublayers a pre-norm block is the identity",
    points=0.5,
    after="parameters with the names of nn.TransformerEncoderLayer",
    suspect="a norm on the residual path, or a missing residual connection",
    experiment="set self_attn.out_proj and linear2 to zero: is the output of a pre-norm block its input?",
)
def encoder_identity(student: Subject, draw: Draw) -> None:
    pre, _, (x, _) = encoder_blocks(student, draw, zero=SILENT_ATTENTION + SILENT_NETWORK)
    expect(pre(x)).close(x)


@encoder.check(
    "with silent sublayers a post-norm block is its two norms, one after the other",
    points=0.5,
    after="parameters with the names of nn.TransformerEncoderLayer",
    suspect="where the norms stand: after each sum",
    experiment="set self_attn.out_proj and linear2 to zero and compare with norm2(norm1(x))",
)
def encoder_norms(student: Subject, draw: Draw) -> None:
    _, post, (x, _) = encoder_blocks(student, draw, zero=SILENT_ATTENTION + SILENT_NETWORK)
    post.agrees(x, gradients=False)


@encoder.check(
    "the network alone, attention silent",
    points=0.5,
    after="parameters with the names of nn.TransformerEncoderLayer",
    suspect="what the network reads, its activation (a ReLU), and what its output is added to",
    experiment="set self_attn.out_proj to zero: a pre-norm block is x + linear2(relu(linear1(norm2(x))))",
)
def encoder_network(student: Subject, draw: Draw) -> None:
    pre, post, (x, _) = encoder_blocks(student, draw, zero=SILENT_ATTENTION)
    both_agree(pre, post, x)


@encoder.check(
    "a lone token, the network silent",
    points=0.75,
    after="parameters with the names of nn.TransformerEncoderLayer",
    suspect="what attention reads (the normalised input in a pre-norm block), and what its output is added to",
    experiment="with one token the weights are 1: attention is out_proj(value projection)",
)
def encoder_lone_token(student: Subject, draw: Draw) -> None:
    pre, post, (x, _) = encoder_blocks(student, draw, zero=SILENT_NETWORK)
    both_agree(pre, post, x[:, :1])


@encoder.check(
    "the whole block, pre-norm and post-norm",
    points=0.75,
    after="a lone token, the network silent",
    suspect="batch_first=True, the number of heads, or what query, key and value are",
    experiment="load the block's state_dict into nn.TransformerEncoderLayer(…, batch_first=True).eval() and compare",
)
def encoder_numbers(student: Subject, draw: Draw) -> None:
    pre, post, (x, _) = encoder_blocks(student, draw)
    both_agree(pre, post, x)


@encoder.check(
    "the whole block with a mask of its own for every sentence",
    points=0.75,
    after="a lone token, the network silent",
    suspect="the mask: turned round for nn.MultiheadAttention, and repeated so that a sentence's heads are neighbours",
    experiment="print torch.tensor([0, 1]).repeat(3) and torch.tensor([0, 1]).repeat_interleave(3)",
)
def encoder_mask(student: Subject, draw: Draw) -> None:
    pre, _, arguments = encoder_blocks(student, draw)
    pre.agrees(*arguments, gradients=False)


@encoder.check(
    "what is forbidden never matters, however large the scores",
    points=0.5,
    after="the whole block with a mask of its own for every sentence",
    suspect="a mask that is not passed on, or that adds a finite number such as -1e9 instead of -inf",
    experiment="multiply the input of a post-norm block by 1e6 and change a token that nobody may look at",
)
def encoder_forbidden(student: Subject, draw: Draw) -> None:
    _, post, (x, _) = encoder_blocks(student, draw)
    real = draw.allowed(*x.shape[:2])
    x = torch.where(real[:, :, None], x, 10 * x)  # what is forbidden scores highest for every second query or so
    post.agrees(far_apart(x, 3e2, 1e6), real[:, None, :].repeat(1, x.shape[1], 1), gradients=False)


@encoder.check(
    "heads that cannot share out the width are refused",
    points=0.25,
    after="parameters with the names of nn.TransformerEncoderLayer",
    suspect="a missing test: nn.MultiheadAttention raises AssertionError, without the numbers",
    experiment="call EncoderBlock(10, 3, 20, True): ValueError, with 10 and 3 in the message",
)
def encoder_refuses(student: Subject, draw: Draw) -> None:
    refuses_heads(student, draw)


@encoder.check(
    "gradients reach the input and every parameter",
    points=0.25,
    after="the whole block, pre-norm and post-norm",
    suspect="a detach() or no_grad() on the way, or a parameter that is not used",
    experiment="call .sum().backward() on the output and print the gradient of each parameter",
)
def encoder_gradients(student: Subject, draw: Draw) -> None:
    pre, post, arguments = encoder_blocks(student, draw)
    both_agree(pre, post, *arguments, gradients=True)


encoder.good_manners(masked_block, after="the whole block with a mask of its own for every sentence", points=0.25)

# --------------------------------------------------------------------------------------------------- DecoderBlock

decoder = Exercise("DecoderBlock", points=7, paper="Vaswani et al. 2017, section 3.1; Xiong et al. 2020, section 3")


def decoder_blocks(
    student: Subject, draw: Draw, zero: tuple[str, ...] = ()
) -> tuple[Subject, Subject, tuple[Tensor, Tensor, Tensor]]:
    """A pre-norm block, a post-norm block, their input, a memory, and which of the memory is real."""
    B, T, S, d_model, d_hidden = widths(draw)
    pre, post = pre_and_post(student, zero, d_model, d_hidden)
    return pre, post, (draw.normal(B, T, d_model), draw.normal(B, S, d_model), draw.allowed(B, S))


def block_with_padding(student: Subject, draw: Draw) -> tuple[Subject, tuple[Tensor, Tensor, Tensor]]:
    pre, _, arguments = decoder_blocks(student, draw)
    return pre, arguments


@decoder.check(
    "parameters with the names of nn.TransformerDecoderLayer",
    points=0.5,
    suspect="a norm or an attention that is missing: there are three sublayers",
    experiment="compare block.state_dict().keys() with those of nn.TransformerDecoderLayer(d_model, n_heads, d_hidden)",
)
def decoder_parameters(student: Subject, draw: Draw) -> None:
    has_the_blocks_parameters(student, draw)


@decoder.check(
    "with silent sublayers a pre-norm block is the identity",
    points=0.5,
    after="parameters with the names of nn.TransformerDecoderLayer",
    suspect="a norm on the residual path, or a missing residual connection",
    experiment="set both out_proj and linear2 to zero: is the output of a pre-norm block its input?",
)
def decoder_identity(student: Subject, draw: Draw) -> None:
    pre, _, (x, memory, _) = decoder_blocks(student, draw, zero=SILENT_ATTENTION + SILENT_NETWORK)
    expect(pre(x, memory)).close(x)


@decoder.check(
    "with silent sublayers a post-norm block is its three norms, one after the other",
    points=0.5,
    after="parameters with the names of nn.TransformerDecoderLayer",
    suspect="where the norms stand: after each sum, norm1, norm2 and then norm3",
    experiment="set both out_proj and linear2 to zero and compare with norm3(norm2(norm1(x)))",
)
def decoder_norms(student: Subject, draw: Draw) -> None:
    _, post, (x, memory, _) = decoder_blocks(student, draw, zero=SILENT_ATTENTION + SILENT_NETWORK)
    post.agrees(x, memory, gradients=False)


@decoder.check(
    "the network alone, both attentions silent",
    points=0.25,
    after="parameters with the names of nn.TransformerDecoderLayer",
    suspect="what the network reads, its activation (a ReLU), and what its output is added to",
    experiment="set both out_proj to zero: a pre-norm block is x + linear2(relu(linear1(norm3(x))))",
)
def decoder_network(student: Subject, draw: Draw) -> None:
    pre, post, (x, memory, _) = decoder_blocks(student, draw, zero=SILENT_ATTENTION)
    both_agree(pre, post, x, memory)


@decoder.check(
    "one target token and one vector of memory, the network silent",
    points=0.75,
    after="parameters with the names of nn.TransformerDecoderLayer",
    suspect="the order (first self-attention, then the memory), or where keys and values of the second one come from",
    experiment="with one vector of memory its weight is 1: x plays no part in what multihead_attn returns",
)
def decoder_lone_token(student: Subject, draw: Draw) -> None:
    pre, post, (x, memory, _) = decoder_blocks(student, draw, zero=SILENT_NETWORK)
    both_agree(pre, post, x[:, :1], memory[:, :1])


@decoder.check(
    "the whole block, pre-norm and post-norm",
    points=0.75,
    after="one target token and one vector of memory, the network silent",
    suspect="the mask of self-attention, or batch_first=True",
    experiment="load the block's state_dict into nn.TransformerDecoderLayer(…, batch_first=True).eval() and compare",
)
def decoder_numbers(student: Subject, draw: Draw) -> None:
    pre, post, (x, memory, _) = decoder_blocks(student, draw)
    both_agree(pre, post, x, memory)


@decoder.check(
    "a later token never matters, however large the scores",
    points=0.75,
    after="parameters with the names of nn.TransformerDecoderLayer",
    suspect="the mask of self-attention: True, or -inf, above the diagonal, where nn.MultiheadAttention may not look",
    experiment="with norm_first=False, multiply x by 1e6 and change its last token: only the last output may change",
)
def decoder_is_causal(student: Subject, draw: Draw) -> None:
    _, post, (x, memory, _) = decoder_blocks(student, draw)
    post.agrees(far_apart(x, 3e2, 1e6), memory, gradients=False)


@decoder.check(
    "a memory with padding",
    points=0.75,
    after="the whole block, pre-norm and post-norm",
    suspect="real, which is True on real tokens: nn.MultiheadAttention wants it the other way round",
    experiment="call the block with one sentence cut to its real tokens, and with the same sentence padded",
)
def decoder_padding(student: Subject, draw: Draw) -> None:
    pre, _, arguments = decoder_blocks(student, draw)
    pre.agrees(*arguments, gradients=False)


@decoder.check(
    "what stands in the memory's padding never matters, however large the scores",
    points=0.5,
    after="a memory with padding",
    suspect="padding that is not masked, or whose scores are only lowered by a finite number such as -1e9",
    experiment="fill the padding of memory with numbers about 1e12 and compare the outputs",
)
def decoder_ignores_padding(student: Subject, draw: Draw) -> None:
    _, post, (x, memory, real) = decoder_blocks(student, draw)
    memory = torch.where(real[:, :, None], memory, 10 * memory)  # padding scores highest for every second query or so
    post.agrees(x, far_apart(memory, 1e4, 1e12), real, gradients=False)


@decoder.check(
    "heads that cannot share out the width are refused",
    points=0.25,
    after="parameters with the names of nn.TransformerDecoderLayer",
    suspect="a missing test: nn.MultiheadAttention raises AssertionError, without the numbers",
    experiment="call DecoderBlock(10, 3, 20, True): ValueError, with 10 and 3 in the message",
)
def decoder_refuses(student: Subject, draw: Draw) -> None:
    refuses_heads(student, draw)


@decoder.check(
    "gradients reach the input, the memory and every parameter",
    points=0.75,
    after="the whole block, pre-norm and post-norm",
    suspect="a detach() or no_grad() on the way, or a parameter that is not used",
    experiment="call .sum().backward() on the output and print memory.grad",
)
def decoder_gradients(student: Subject, draw: Draw) -> None:
    pre, post, arguments = decoder_blocks(student, draw)
    both_agree(pre, post, *arguments, gradients=True)


decoder.good_manners(block_with_padding, after="a memory with padding", points=0.25)

# ---------------------------------------------------------------------------------------------------- Transformer

whole = Exercise("Transformer", points=7, paper="Vaswani et al. 2017, sections 3.1 and 3.4")

SOURCE_WORDS, TARGET_WORDS = 43, 47
"""Sizes of the two vocabularies: greater than any other axis, so that none passes for them."""


def translator(
    student: Subject, draw: Draw, n_layers: int, *, padded: bool = False, zero: tuple[str, ...] = ()
) -> tuple[Subject, tuple[Tensor, Tensor]]:
    """A model, sources and targets; with `padded`, sources of different lengths, the first one whole.

    Padding is never word 0, which begins every source. The longer of source and target fills the table of positions.
    """
    B, T, S, d_model, d_hidden = widths(draw)
    pad_id = int(draw.integers(1, SOURCE_WORDS))
    module = student.build(
        zero=zero,
        source_vocab_size=SOURCE_WORDS,
        target_vocab_size=TARGET_WORDS,
        d_model=d_model,
        n_heads=HEADS,
        d_hidden=d_hidden,
        n_layers=n_layers,
        max_length=max(S, T),
        pad_id=pad_id,
    )
    source, target = words(draw, SOURCE_WORDS, pad_id, B, S), words(draw, TARGET_WORDS, pad_id, B, T)
    source[:, 0] = 0
    if padded:
        lengths = torch.cat([torch.tensor([S, S - 2]), draw.integers(1, S, B - 2)])
        source = source.masked_fill(torch.arange(S) >= lengths[:, None], pad_id)
    return module, (source, target)


def words(draw: Draw, vocab_size: int, pad_id: int, *shape: int) -> Tensor:
    """Tokens that are not padding."""
    tokens = draw.integers(0, vocab_size, *shape)
    return tokens.masked_fill(tokens == pad_id, 0)


def earlier_logits_stay(model: Callable[[Tensor], Value], tokens: Tensor, vocab_size: int) -> None:
    """Another last token changes the last logits only. The model gets both batches of tokens as one."""
    last = tokens[:, -1:]
    other = torch.cat([tokens[:, :-1], torch.where(last == 0, vocab_size - 1, 0)], dim=1)
    both = expect(model(torch.cat([tokens, other])), "the logits")
    before, after = both.tensor((2 * len(tokens), tokens.shape[1], vocab_size)).chunk(2)
    expect(after[:, :-1], "the logits before the changed token").close(before[:, :-1])


def small_translator(student: Subject, draw: Draw) -> tuple[Subject, tuple[Tensor, Tensor]]:
    return translator(student, draw, n_layers=1, padded=True)


@whole.check(
    "parameters with the right names and shapes",
    points=0.5,
    suspect="a norm that is missing, an output layer that is too many, or one table of positions for each language",
    experiment="print({name: p.shape for name, p in model.named_parameters()})",
)
def whole_parameters(student: Subject, draw: Draw) -> None:
    _, T, S, d_model, d_hidden = widths(draw)
    student.has_the_parameters(
        source_vocab_size=SOURCE_WORDS,
        target_vocab_size=TARGET_WORDS,
        d_model=d_model,
        n_heads=HEADS,
        d_hidden=d_hidden,
        n_layers=2,
        max_length=S + T,
        pad_id=2,
    )


@whole.check(
    "with silent layers: embedding, position, norm and the logits",
    points=1,
    after="parameters with the right names and shapes",
    suspect="the factor √d_model at the embedding, or what the logits are made with (target_embedding.weight)",
    experiment="set all layers to zero and compare with decoder_norm(√d_model · embedding + position) @ the embeddings",
)
def silent_layers(student: Subject, draw: Draw) -> None:
    model, arguments = translator(student, draw, n_layers=1, zero=("encoder_layers", "decoder_layers"))
    model.agrees(*arguments, gradients=False)


@whole.check(
    "one layer on each side",
    points=1,
    after="with silent layers: embedding, position, norm and the logits",
    suspect="what the decoder reads (the encoder's output after encoder_norm), or pre-norm against post-norm",
    experiment="compare with nn.TransformerEncoderLayer and nn.TransformerDecoderLayer, norm_first=True, step by step",
)
def one_layer(student: Subject, draw: Draw) -> None:
    model, arguments = translator(student, draw, n_layers=1)
    model.agrees(*arguments, gradients=False)


@whole.check(
    "two layers on each side",
    points=1,
    after="one layer on each side",
    suspect="a layer that is used twice or left out; every decoder layer reads the same memory, the last one",
    experiment="print how often each layer is called: register_forward_hook counts",
)
def two_layers(student: Subject, draw: Draw) -> None:
    model, arguments = translator(student, draw, n_layers=2)
    model.agrees(*arguments, gradients=False)


@whole.check(
    "sources of different lengths, padded",
    points=0.75,
    after="one layer on each side",
    suspect="the mask of the source's padding, in the encoder and in the cross-attention, made from pad_id",
    experiment="translate one sentence alone, and the same sentence padded in a batch, and compare the logits",
)
def padded_source(student: Subject, draw: Draw) -> None:
    model, arguments = translator(student, draw, n_layers=2, padded=True)
    model.agrees(*arguments, gradients=False)


@whole.check(
    "a later target token never changes earlier logits",
    points=0.75,
    after="one layer on each side",
    suspect="the mask of the decoder's self-attention",
    experiment="change the last target token: only the last logits may change",
)
def whole_is_causal(student: Subject, draw: Draw) -> None:
    model, (source, target) = translator(student, draw, n_layers=1)
    earlier_logits_stay(lambda tokens: model(source.repeat(2, 1), tokens), target, TARGET_WORDS)


@whole.check(
    "a source or a target that is too long is refused, with both numbers",
    points=0.5,
    after="with silent layers: embedding, position, norm and the logits",
    suspect="a missing comparison of S and of T with max_length",
    experiment="call a model of max_length 20 with 23 source tokens, then with 23 target tokens",
)
def whole_refuses(student: Subject, draw: Draw) -> None:
    longest = int(draw.integers(20, 25))
    model = student.build(
        source_vocab_size=SOURCE_WORDS,
        target_vocab_size=TARGET_WORDS,
        d_model=HEADS,
        n_heads=HEADS,
        d_hidden=5,
        n_layers=1,
        max_length=longest,
        pad_id=0,
    )
    long, short = draw.integers(1, SOURCE_WORDS, 2, longest + 7), draw.integers(1, SOURCE_WORDS, 2, 6)
    model.refuses(long, short, mentions=(longest + 7, longest))
    model.refuses(short, long, mentions=(longest + 7, longest))


@whole.check(
    "gradients reach every parameter, those of the encoder among them",
    points=0.75,
    after="one layer on each side",
    suspect="a memory that is detached, or a table whose gradient has one part where it needs two",
    experiment="call .sum().backward() on the logits and print the gradient of each parameter",
)
def whole_gradients(student: Subject, draw: Draw) -> None:
    model, arguments = translator(student, draw, n_layers=1, padded=True)
    model.agrees(*arguments)


whole.good_manners(small_translator, after="sources of different lengths, padded", points=0.25)

# ----------------------------------------------------------------------------------------- DecoderOnlyTransformer

language = Exercise("DecoderOnlyTransformer", points=6, paper="Radford et al. 2019, section 2.3")

WORDS = 43
"""Size of the vocabulary: greater than any other axis, and than the table of positions."""


def language_model(
    student: Subject, draw: Draw, n_layers: int = 1, zero: tuple[str, ...] = ()
) -> tuple[Subject, tuple[Tensor]]:
    """A model, and tokens that fill the table of positions."""
    B, T, _, d_model, d_hidden = widths(draw)
    model = student.build(
        zero=zero, vocab_size=WORDS, d_model=d_model, n_heads=HEADS, d_hidden=d_hidden, n_layers=n_layers, max_length=T
    )
    return model, (draw.integers(0, WORDS, B, T),)


@language.check(
    "parameters with the right names and shapes",
    points=0.5,
    suspect="the final norm, or an output layer of its own: the embedding serves twice",
    experiment="print({name: p.shape for name, p in model.named_parameters()})",
)
def language_parameters(student: Subject, draw: Draw) -> None:
    _, T, _, d_model, d_hidden = widths(draw)
    student.has_the_parameters(
        vocab_size=WORDS, d_model=d_model, n_heads=HEADS, d_hidden=d_hidden, n_layers=2, max_length=T
    )


@language.check(
    "with silent layers: embedding, position, norm and the logits",
    points=1,
    after="parameters with the right names and shapes",
    suspect="the position, which goes by place and not by token, or the final norm",
    experiment="set every layer to zero and compare with norm(embedding + position) @ embedding.weight.T",
)
def language_silent_layers(student: Subject, draw: Draw) -> None:
    model, arguments = language_model(student, draw, zero=("layers",))
    model.agrees(*arguments, gradients=False)


@language.check(
    "one layer, a lone token",
    points=0.5,
    after="parameters with the right names and shapes",
    suspect="the order inside a layer: pre-norm, and both residual connections",
    experiment="compare with nn.TransformerEncoderLayer(…, norm_first=True) on the embedded token",
)
def language_lone_token(student: Subject, draw: Draw) -> None:
    model, (tokens,) = language_model(student, draw)
    model.agrees(tokens[:, :1], gradients=False)


@language.check(
    "one layer, several tokens",
    points=1,
    after="one layer, a lone token",
    suspect="the mask: a token looks at itself and at what stands before it",
    experiment="print the mask for three tokens, and say which way round your layer wants it",
)
def language_tokens(student: Subject, draw: Draw) -> None:
    model, arguments = language_model(student, draw)
    model.agrees(*arguments, gradients=False)


@language.check(
    "two layers",
    points=0.75,
    after="one layer, several tokens",
    suspect="one layer that is used twice, or a mask for the first layer only",
    experiment="print how often each layer is called: register_forward_hook counts",
)
def language_two_layers(student: Subject, draw: Draw) -> None:
    model, arguments = language_model(student, draw, n_layers=2)
    model.agrees(*arguments, gradients=False)


@language.check(
    "a later token never changes earlier logits",
    points=0.75,
    after="one layer, a lone token",
    suspect="a mask that is missing or turned round, or a mean over the sentence",
    experiment="change the last token: only the last logits may change",
)
def language_is_causal(student: Subject, draw: Draw) -> None:
    model, (tokens,) = language_model(student, draw)
    earlier_logits_stay(model, tokens, WORDS)


@language.check(
    "more tokens than positions are refused, with both numbers",
    points=0.25,
    after="with silent layers: embedding, position, norm and the logits",
    suspect="a missing comparison of T with max_length",
    experiment="call a model of max_length 20 with 23 tokens: ValueError, with 20 and 23 in the message",
)
def language_refuses(student: Subject, draw: Draw) -> None:
    longest = int(draw.integers(20, 25))
    model = student.build(vocab_size=WORDS, d_model=HEADS, n_heads=HEADS, d_hidden=5, n_layers=1, max_length=longest)
    model.refuses(draw.integers(0, WORDS, 2, longest + 7), mentions=(longest + 7, longest))


@language.check(
    "gradients reach every parameter",
    points=0.5,
    after="one layer, several tokens",
    suspect="a detach() or no_grad() on the way, or a second embedding that was copied",
    experiment="call .sum().backward() on the logits and print the gradient of each parameter",
)
def language_gradients(student: Subject, draw: Draw) -> None:
    model, arguments = language_model(student, draw)
    model.agrees(*arguments)


language.good_manners(language_model, after="one layer, several tokens", points=0.25)

# ---------------------------------------------------------------------------------------------------- warmup_rate

schedule = Exercise("warmup_rate", points=2, paper="Vaswani et al. 2017, equation 3 (section 5.3)")

SINGLE_ROUNDING = 1e-5
"""How far a rate may be off, relative to it: it may be computed in float32. Misconceptions are off by 1e-3 or more."""


def rates_are(student: Subject, *cases: tuple[int, int, int, float]) -> None:
    """The rate of every case: step, d_model, warmup, what to expect. All are asked for before the first is judged."""
    rates = [(expect(student(*case[:3]), "the rate"), case) for case in cases]
    for rate, (step, d_model, warmup, expected) in rates:
        if not abs(rate.number() - expected) <= SINGLE_ROUNDING * expected:
            settings = f"step {step}, d_model = {d_model}, warmup = {warmup}"
            raise CheckFailed(f"a rate of {expected:.6g} at {settings}", f"{rate.number():.6g}")


def width_and_warmup(draw: Draw) -> tuple[int, int]:
    """Two numbers of which neither is near the other."""
    return int(draw.integers(50, 90)), int(draw.integers(300, 700))


@schedule.check(
    "the highest rate is that of step `warmup`: 1/√(d_model · warmup)",
    points=0.5,
    suspect="an exponent: -0.5 for d_model, -0.5 for the step, -1.5 for warmup",
    experiment="print both arguments of min for step = warmup: they are equal",
)
def highest_rate(student: Subject, draw: Draw) -> None:
    d_model, warmup = width_and_warmup(draw)
    rates_are(student, (warmup, d_model, warmup, (d_model * warmup) ** -0.5))


@schedule.check(
    "up to `warmup` it rises in proportion to the step",
    points=0.5,
    after="the highest rate is that of step `warmup`: 1/√(d_model · warmup)",
    suspect="min: the smaller of the two lines counts",
    experiment="print the rate of steps 1, 2 and 3: it doubles and triples",
)
def rising_rate(student: Subject, draw: Draw) -> None:
    d_model, warmup = width_and_warmup(draw)
    highest = (d_model * warmup) ** -0.5
    steps = (warmup // 5, warmup // 3, warmup // 2)
    rates_are(student, *((step, d_model, warmup, highest * step / warmup) for step in steps))


@schedule.check(
    "after `warmup` it falls as 1/√step",
    points=0.5,
    after="the highest rate is that of step `warmup`: 1/√(d_model · warmup)",
    suspect="a rate that stays, or falls along a straight line",
    experiment="print the rate of steps 4 · warmup and warmup: the first is half of the second",
)
def falling_rate(student: Subject, draw: Draw) -> None:
    d_model, warmup = width_and_warmup(draw)
    rates_are(student, *((step, d_model, warmup, (d_model * step) ** -0.5) for step in (2 * warmup, 9 * warmup)))


@schedule.check(
    "the first step is step 1, and it learns",
    points=0.25,
    after="the highest rate is that of step `warmup`: 1/√(d_model · warmup)",
    suspect="a count from 0",
    experiment="print warmup_rate(1, 64, 400): it is 1/400 of the highest rate",
)
def first_step(student: Subject, draw: Draw) -> None:
    d_model, warmup = width_and_warmup(draw)
    rates_are(student, (1, d_model, warmup, d_model**-0.5 * warmup**-1.5), (1, d_model, 1, d_model**-0.5))


@schedule.check(
    "a step before the first is refused",
    points=0.25,
    after="the highest rate is that of step `warmup`: 1/√(d_model · warmup)",
    suspect="a missing test: 0 ** -0.5 is a division by zero",
    experiment="call it with step 0: it must raise ValueError",
)
def refuses_step(student: Subject, draw: Draw) -> None:
    d_model, warmup = width_and_warmup(draw)
    student.refuses(0, d_model, warmup)
    student.refuses(-int(draw.integers(1, 9)), d_model, warmup)


# ----------------------------------------------------------------------------------- label_smoothed_cross_entropy

smoothed = Exercise(
    "label_smoothed_cross_entropy", points=4, paper="Szegedy et al. 2016, section 7; Vaswani et al. 2017, section 5.4"
)


def logits_and_targets(draw: Draw) -> tuple[Tensor, Tensor, int]:
    """Logits, targets with padding at the end of every sentence but the first, and the padding's number."""
    B, T, V = draw.sizes(3, low=5)
    pad_id = int(draw.integers(1, V))
    lengths = torch.cat([torch.tensor([T]), draw.integers(2, T, B - 1)])
    targets = words(draw, V, pad_id, B, T).masked_fill(torch.arange(T) >= lengths[:, None], pad_id)
    return draw.normal(B, T, V, scale=2.0), targets, pad_id


def smoothed_loss(student: Subject, draw: Draw) -> tuple[Subject, tuple[Tensor, Tensor, float, int]]:
    logits, targets, pad_id = logits_and_targets(draw)
    return student, (logits, targets, draw.uniform(0.2, 0.4), pad_id)


@smoothed.check(
    "without smoothing it is the cross-entropy of the real tokens",
    points=0.5,
    suspect="the mean, which is over real tokens, or the axis of the softmax (the vocabulary)",
    experiment="compare with torch.nn.functional.cross_entropy(logits.mT, targets, ignore_index=pad_id)",
)
def without_smoothing(student: Subject, draw: Draw) -> None:
    logits, targets, pad_id = logits_and_targets(draw)
    student.agrees(logits, targets, 0.0, pad_id, gradients=False)


@smoothed.check(
    "where every token is equally likely the loss is log V, whatever the smoothing",
    points=0.5,
    suspect="mass that does not add up to 1",
    experiment="add up the mass on all tokens: (1 - smoothing) + V · smoothing / V",
)
def equally_likely(student: Subject, draw: Draw) -> None:
    _, (logits, targets, smoothing, pad_id) = smoothed_loss(student, draw)
    level = draw.normal(*logits.shape[:2], 1).expand_as(logits)
    log_size = torch.tensor(logits.shape[-1], dtype=torch.float64).log()
    expect(student(level, targets, smoothing, pad_id), "the loss").close(log_size)


@smoothed.check(
    "random logits, smoothed",
    points=0.75,
    after="without smoothing it is the cross-entropy of the real tokens",
    suspect="where the mass goes: all V tokens share it alike, the target and padding among them",
    experiment="compare with torch.nn.functional.cross_entropy(…, label_smoothing=smoothing, ignore_index=pad_id)",
)
def smoothed_numbers(student: Subject, draw: Draw) -> None:
    _, arguments = smoothed_loss(student, draw)
    student.agrees(*arguments, gradients=False)


@smoothed.check(
    "the gradient is the probabilities minus the smoothed targets",
    points=0.5,
    after="random logits, smoothed",
    suspect="a detach() on the way, or a part of the loss that is only shown",
    experiment="print logits.grad for one real token: softmax(logits) minus the mass, over the number of real tokens",
)
def smoothed_gradients(student: Subject, draw: Draw) -> None:
    _, arguments = smoothed_loss(student, draw)
    student.agrees(*arguments)


@smoothed.check(
    "more padding changes nothing",
    points=0.5,
    after="without smoothing it is the cross-entropy of the real tokens",
    suspect="padding that is counted, in the sum or in the mean",
    experiment="append five columns of padding to the targets, and any logits: the loss must stay as it is",
)
def more_padding(student: Subject, draw: Draw) -> None:
    _, (logits, targets, smoothing, pad_id) = smoothed_loss(student, draw)
    more = draw.normal(*logits[:, :5].shape, scale=2.0)
    longer = torch.cat([logits, more], dim=1), torch.cat([targets, torch.full_like(targets[:, :5], pad_id)], dim=1)
    alone = expect(student(logits, targets, smoothing, pad_id), "the loss").tensor(())
    expect(student(*longer, smoothing, pad_id), "the loss with more padding").close(alone)


@smoothed.check(
    "without a real token the loss is 0, and so are its gradients",
    points=0.25,
    after="random logits, smoothed",
    suspect="a division by the number of real tokens, which is 0",
    experiment="call it with targets that are all padding: do you see NaN?",
)
def nothing_real(student: Subject, draw: Draw) -> None:
    _, (logits, targets, smoothing, pad_id) = smoothed_loss(student, draw)
    student.agrees(logits, torch.full_like(targets, pad_id), smoothing, pad_id)


@smoothed.check(
    "a smoothing that is no share is refused",
    points=0.25,
    after="without smoothing it is the cross-entropy of the real tokens",
    suspect="a missing test: the mass on the target would be negative, or more than 1",
    experiment="call it with smoothing 1.5 and with -0.5: it must raise ValueError",
)
def refuses_smoothing(student: Subject, draw: Draw) -> None:
    logits, targets, pad_id = logits_and_targets(draw)
    student.refuses(logits, targets, 1 + draw.uniform(0.1, 2.0), pad_id)
    student.refuses(logits, targets, -draw.uniform(0.1, 2.0), pad_id)


smoothed.good_manners(smoothed_loss, after="random logits, smoothed", points=0.25)

# ------------------------------------------------------------------------------------------------------- generate

generating = Exercise("generate", points=5, paper="Fan et al. 2018, section 5.4 (top-k sampling)")

PROFILE = (9.0, 6.0, 4.0, 3.0, 2.0)
"""Odds of the tokens where frequencies are judged: no two are equal, and they are apart at every temperature drawn.

They are rolled, so that no token's number is its rank.
"""


def winding(draw: Draw, *, gap: float, spread: float, count: int) -> tuple[Value, ...]:
    """A model whose best token is `gap` above all others, which lie `spread` apart, `count` prompts, and a length.

    What is best depends on all the tokens so far and their places: a program that passes on less takes another way.
    """
    N, V = sorted(draw.sizes(2, low=5))
    shuffled = draw.normal(V).argsort()
    following = shuffled[(torch.arange(V)[None, :] + 1 + torch.arange(N)[:, None]) % V]
    logits = draw.normal(N, V, V, scale=spread)
    logits = logits.scatter(-1, following[:, :, None], logits.amax(dim=-1, keepdim=True) + gap)
    prompt = draw.integers(0, V, count, int(draw.integers(2, 5)))
    return Supplied("language_model", {"logits": logits}), prompt, int(draw.integers(4, 8))


def without_choice(student: Subject, draw: Draw) -> tuple[Subject, tuple[Value, ...]]:
    """One token is certain at every place, at any temperature."""
    count = int(draw.integers(9, 12))
    arguments = winding(draw, gap=100.0, spread=1.0, count=count)
    return student, (*arguments, draw.uniform(0.5, 2.0), None, draw.generator())


@generating.check(
    "where one token is certain, the tokens follow one another",
    points=0.75,
    suspect="the logits of the last place, [:, -1], from all the tokens so far",
    experiment="print what your code passes to the model in each step: the prompt, then one token more each time",
)
def certain_tokens(student: Subject, draw: Draw) -> None:
    _, arguments = without_choice(student, draw)
    student.agrees(*arguments, gradients=False)


@generating.check(
    "one call of the model for each new token",
    points=0.5,
    after="where one token is certain, the tokens follow one another",
    suspect="a call after the last token, or a call for each prompt of the batch",
    experiment="count the calls: max_new_tokens tokens take as many of them",
)
def calls_of_model(student: Subject, draw: Draw) -> None:
    _, arguments = without_choice(student, draw)
    length = arguments[2]
    if (calls := student.calls(*arguments)) != length:
        raise CheckFailed(f"{length} calls of the model for {length} new tokens", f"{calls} calls")


@generating.check(
    "near temperature 0 the best token is taken",
    points=0.25,
    after="where one token is certain, the tokens follow one another",
    suspect="the direction of the temperature, or an exponential that overflows",
    experiment="call it at temperature 1e-9 and compare with the argmax of the logits",
)
def cold_tokens(student: Subject, draw: Draw) -> None:
    count = int(draw.integers(100, 120))  # so many that chance never finds all of the best tokens
    arguments = winding(draw, gap=0.1, spread=0.1, count=count)
    student.agrees(*arguments, 1e-9, None, draw.generator(), gradients=False)


@generating.check(
    "with top_k = 1 the best token is taken, however hot it is",
    points=0.75,
    after="where one token is certain, the tokens follow one another",
    suspect="top_k: all tokens below the top_k-th best are left out",
    experiment="call it with top_k=1 at temperature 100 and compare with the argmax of the logits",
)
def best_token(student: Subject, draw: Draw) -> None:
    count = int(draw.integers(100, 120))
    arguments = winding(draw, gap=0.1, spread=0.1, count=count)
    student.agrees(*arguments, draw.uniform(5.0, 50.0), 1, draw.generator(), gradients=False)


def crowd(draw: Draw, count: int = MANY) -> tuple[Tensor, tuple[Supplied, Tensor]]:
    """Logits (V,), and a model that gives these whatever the tokens, with `count` equal prompts."""
    V = len(PROFILE)
    logits = torch.tensor(PROFILE).double().log().roll(int(draw.integers(1, V)))
    return logits, (
        Supplied("language_model", {"logits": logits.expand(1, V, V)}),
        draw.integers(0, V, 1, 2).expand(count, 2),
    )


def new_tokens(value: Value, prompt: Tensor, count: int) -> Tensor:
    """What was returned after the prompt: `count` tokens for each."""
    tokens = expect(value, "the tokens").tensor((len(prompt), prompt.shape[1] + count))
    return tokens[:, prompt.shape[1] :].long()


@generating.check(
    "tokens come as often as softmax(logits / temperature) says",
    points=0.5,
    after="where one token is certain, the tokens follow one another",
    suspect="where the temperature divides (the logits), or a draw that all prompts share",
    experiment="continue 8,000 prompts by one token and compare torch.bincount with the probabilities",
)
def frequencies(student: Subject, draw: Draw) -> None:
    cases = []
    for temperature in (draw.uniform(0.4, 0.55), draw.uniform(1.8, 2.4)):
        logits, (model, prompt) = crowd(draw)
        tokens = new_tokens(student(model, prompt, 1, temperature, None, draw.generator()), prompt, 1)
        cases.append((tokens[:, 0], (logits / temperature).softmax(dim=0)))
    for tokens, probabilities in cases:
        expect_frequencies(tokens, probabilities)


@generating.check(
    "only the top_k most likely tokens come, as often as they should",
    points=0.75,
    after="where one token is certain, the tokens follow one another",
    suspect="how many are kept, and that their probabilities are made to sum to 1 again",
    experiment="with odds of 9, 6, 4, 3 and 2 and top_k = 3 the shares are 9/19, 6/19 and 4/19",
)
def frequencies_of_the_best(student: Subject, draw: Draw) -> None:
    cases = []
    for top_k in (2, 3):
        logits, (model, prompt) = crowd(draw)
        temperature = draw.uniform(2.5, 3.5)
        tokens = new_tokens(student(model, prompt, 1, temperature, top_k, draw.generator()), prompt, 1)
        kept = logits >= logits.sort(descending=True).values[top_k - 1]
        cases.append((tokens[:, 0], (logits / temperature).masked_fill(~kept, -torch.inf).softmax(dim=0)))
    for tokens, probabilities in cases:
        expect_frequencies(tokens, probabilities)


@generating.check(
    "a top_k greater than the vocabulary keeps all tokens",
    points=0.25,
    after="where one token is certain, the tokens follow one another",
    suspect="topk, which cannot return more values than there are",
    experiment="call it with top_k = V + 3",
)
def generous_top_k(student: Subject, draw: Draw) -> None:
    logits, (model, prompt) = crowd(draw)
    value = student(model, prompt, 1, 1.0, len(logits) + int(draw.integers(1, 9)), draw.generator())
    expect_frequencies(new_tokens(value, prompt, 1)[:, 0], logits.softmax(dim=0))


@generating.check(
    "one token's draw tells nothing about the next",
    points=0.25,
    after="where one token is certain, the tokens follow one another",
    suspect="a generator that starts afresh in every step",
    experiment="continue 8,000 prompts by two tokens: how often are both the same?",
)
def independent_draws(student: Subject, draw: Draw) -> None:
    logits, (model, prompt) = crowd(draw)
    tokens = new_tokens(student(model, prompt, 2, 1.0, None, draw.generator()), prompt, 2)
    expect_independent(tokens[:, 0], tokens[:, 1], logits.softmax(dim=0))


@generating.check(
    "everything is drawn from the generator",
    points=0.25,
    after="where one token is certain, the tokens follow one another",
    suspect="a draw without generator=generator",
    experiment="call it twice with generators of one seed, then with another seed",
)
def drawn_from_generator(student: Subject, draw: Draw) -> None:
    _, (model, prompt) = crowd(draw, count=200)

    def tokens(generator: Seeded) -> Tensor:
        return new_tokens(student(model, prompt, 3, 1.0, None, generator), prompt, 3)

    expect_from_generator(tokens, draw)


@generating.check(
    "a temperature that is not positive and a top_k below 1 are refused",
    points=0.25,
    after="where one token is certain, the tokens follow one another",
    suspect="a missing test at the beginning",
    experiment="call it with temperature 0, then with top_k=0: it must raise ValueError",
)
def refuses_nonsense(student: Subject, draw: Draw) -> None:
    _, (model, prompt, length, temperature, _, generator) = without_choice(student, draw)
    student.refuses(model, prompt, length, 0.0, None, generator)
    student.refuses(model, prompt, length, -draw.uniform(0.5, 2.0), None, generator)
    student.refuses(model, prompt, length, temperature, 0, generator)


generating.good_manners(
    without_choice, after="where one token is certain, the tokens follow one another", points=0.25, floating=False
)
