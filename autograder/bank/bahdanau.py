"""Unit 03: a decoder that looks back at its source."""

from __future__ import annotations

import torch
from torch import Tensor

from autograder.checks import CheckFailed, Draw, Exercise, Subject, expect, expect_values
from autograder.checks.request import Value

# -------------------------------------------------------------------------------------------------- AdditiveScore

additive = Exercise("AdditiveScore", points=5, paper="Bahdanau et al. 2015, section 3.1 and appendix A.1.2")


def state_and_source(student: Subject, draw: Draw) -> tuple[Subject, tuple[Tensor, Tensor]]:
    """A module, decoder states and source states, every axis of its own size."""
    B, S, d_state, d_source, d_attention = draw.sizes(5)
    module = student.build(d_state=d_state, d_source=d_source, d_attention=d_attention)
    return module, (draw.normal(B, d_state), draw.normal(B, S, d_source))


@additive.check(
    "three projections with the right names and shapes, without bias",
    points=0.5,
    suspect="a projection that starts from the wrong width, or bias=True",
    experiment="print({name: p.shape for name, p in module.named_parameters()})",
)
def additive_parameters(student: Subject, draw: Draw) -> None:
    d_state, d_source, d_attention = draw.sizes(3)
    student.has_the_parameters(d_state=d_state, d_source=d_source, d_attention=d_attention)


@additive.check(
    "the scores of a single source word",
    points=1,
    after="three projections with the right names and shapes, without bias",
    suspect="the order: project both, add, tanh, then the energy",
    experiment="compute module.energy(torch.tanh(module.state(s) + module.source(h))) for one state s and one word h",
)
def single_word(student: Subject, draw: Draw) -> None:
    module, (state, source) = state_and_source(student, draw)
    module.agrees(state, source[:, :1], gradients=False)


@additive.check(
    "the scores of several words, each sentence with its own state",
    points=1.25,
    after="the scores of a single source word",
    suspect="the axis along which the state is repeated: each state meets the words of its own sentence",
    experiment="compare row b of the scores with those of module(state[b : b + 1], source_states[b : b + 1])",
)
def several_words(student: Subject, draw: Draw) -> None:
    B, S, width = draw.sizes(3)
    alike = student.build(d_state=width, d_source=width, d_attention=width)
    alike.agrees(draw.normal(B, width), draw.normal(B, S, width), gradients=False)
    module, arguments = state_and_source(student, draw)
    module.agrees(*arguments, gradients=False)


@additive.check(
    "a score depends on its own word only",
    points=0.5,
    after="the scores of several words, each sentence with its own state",
    suspect="a softmax, which belongs after the mask",
    experiment="change the last source state: all scores but the last must stay as they were",
)
def own_word_only(student: Subject, draw: Draw) -> None:
    module, (state, source) = state_and_source(student, draw)
    other = torch.cat([source[:, :-1], draw.normal(*source[:, -1:].shape)], dim=1)
    before, after = (expect(module(state, words), "the scores").tensor() for words in (source, other))
    expect(after[:, :-1], "the scores of the unchanged words").close(before[:, :-1])


@additive.check(
    "a lone sentence keeps its batch axis",
    points=0.5,
    after="the scores of several words, each sentence with its own state",
    suspect="squeeze() without an axis",
    experiment="print the shape of the scores for a batch of one sentence: it should be (1, S)",
)
def lone_sentence(student: Subject, draw: Draw) -> None:
    module, (state, source) = state_and_source(student, draw)
    module.agrees(state[:1], source[:1], gradients=False)


@additive.check(
    "gradients reach the state, the source states and all three projections",
    points=0.5,
    after="the scores of several words, each sentence with its own state",
    suspect="a detach() or no_grad() on the way, or a projection that is not used",
    experiment="call .sum().backward() on the scores and print the gradient of each parameter",
)
def additive_gradients(student: Subject, draw: Draw) -> None:
    module, arguments = state_and_source(student, draw)
    module.agrees(*arguments)


additive.good_manners(
    state_and_source, after="the scores of several words, each sentence with its own state", points=0.25
)

# ------------------------------------------------------------------------------------------------------ dot_score

dot = Exercise("dot_score", points=3, paper="Luong et al. 2015, section 3.1")


def equal_widths(student: Subject, draw: Draw) -> tuple[Subject, tuple[Tensor, Tensor]]:
    B, S, D = draw.sizes(3)
    return student, (draw.normal(B, D), draw.normal(B, S, D))


@dot.check(
    "one-hot states read off one number of each source state",
    points=0.5,
    suspect="the axis of the sum (the width), or something after the product",
    experiment="with state = [[0, 1, 0]] the scores are source_states[:, :, 1]",
)
def one_hot_states(student: Subject, draw: Draw) -> None:
    B, S, D = draw.sizes(3)
    which, source = draw.integers(0, D, B), draw.normal(B, S, D)
    state = torch.nn.functional.one_hot(which, D).double()
    scores = torch.stack([source[b, :, place] for b, place in enumerate(which.tolist())])
    expect(student(state, source), "the scores").close(scores)


@dot.check(
    "the scores of random states",
    points=0.75,
    after="one-hot states read off one number of each source state",
    suspect="a scale, or vectors that are normalised first",
    experiment="compare scores[0, 0] with (state[0] * source_states[0, 0]).sum()",
)
def dot_numbers(student: Subject, draw: Draw) -> None:
    _, arguments = equal_widths(student, draw)
    student.agrees(*arguments, gradients=False)


@dot.check(
    "a lone sentence keeps its batch axis",
    points=0.25,
    after="the scores of random states",
    suspect="squeeze() without an axis",
    experiment="print the shape of the scores for a batch of one sentence: it should be (1, S)",
)
def dot_lone_sentence(student: Subject, draw: Draw) -> None:
    _, (state, source) = equal_widths(student, draw)
    student.agrees(state[:1], source[:1], gradients=False)


@dot.check(
    "different widths are refused, with both numbers",
    points=0.5,
    after="the scores of random states",
    suspect="a missing comparison of the two last axes",
    experiment="call it with a state of width 3 and source states of width 5: ValueError, with 3 and 5 in the message",
)
def different_widths(student: Subject, draw: Draw) -> None:
    B, S, width = draw.sizes(3)
    narrow, wide = 20 + width, 40 + width
    student.refuses(draw.normal(B, narrow), draw.normal(B, S, wide), mentions=(narrow, wide))
    student.refuses(draw.normal(B, wide), draw.normal(B, S, narrow), mentions=(wide, narrow))


@dot.check(
    "gradients reach the state and the source states",
    points=0.25,
    after="the scores of random states",
    suspect="a detach() or a conversion through numpy on the way",
    experiment="call .sum().backward() on the scores and print state.grad and source_states.grad",
)
def dot_gradients(student: Subject, draw: Draw) -> None:
    _, arguments = equal_widths(student, draw)
    student.agrees(*arguments)


dot.good_manners(equal_widths, after="the scores of random states", points=0.25)

# ---------------------------------------------------------------------------------------------- attention_weights

weigh = Exercise("attention_weights", points=5, paper="Bahdanau et al. 2015, equation 6")


def scores_and_mask(student: Subject, draw: Draw) -> tuple[Subject, tuple[Tensor, Tensor]]:
    """The first sentence may read three words, but not its first; the second one may read that."""
    B, S = draw.sizes(2, low=5)
    allowed = draw.allowed(B, S)
    allowed[0] = False
    allowed[0, 1:4] = True
    allowed[1, 0] = True
    return student, (draw.normal(B, S), allowed)


@weigh.check(
    "equal scores: the allowed words share the weight alike",
    points=0.75,
    suspect="the axis of the softmax, or what the mask means (True: may be read)",
    experiment="with scores of zero and two of three words allowed, the weights are 0.5, 0.5 and 0",
)
def equal_scores(student: Subject, draw: Draw) -> None:
    _, (scores, allowed) = scores_and_mask(student, draw)
    mean = allowed.double() / allowed.sum(dim=-1, keepdim=True)
    expect(student(torch.full_like(scores, draw.uniform(0.5, 2.0)), allowed), "the weights").close(mean)


@weigh.check(
    "random scores with a mask",
    points=0.75,
    after="equal scores: the allowed words share the weight alike",
    suspect="where the mask is applied: to the scores, before the softmax",
    experiment="print weights.sum(dim=-1): every row must sum to 1",
)
def random_scores(student: Subject, draw: Draw) -> None:
    _, (scores, allowed) = scores_and_mask(student, draw)
    student.agrees(scores, allowed, gradients=False)
    student.agrees(scores, torch.ones_like(allowed), gradients=False)


@weigh.check(
    "what is not allowed weighs exactly zero, however low the allowed scores are",
    points=1,
    after="random scores with a mask",
    suspect="a finite fill such as -1e4 or -1e9 instead of -inf, or a mask after the softmax",
    experiment="make all allowed scores about -20,000: does padding get weight?",
)
def mask_is_absolute(student: Subject, draw: Draw) -> None:
    _, (scores, allowed) = scores_and_mask(student, draw)
    for magnitude in (10.0, 2e4, 1e12):
        apart = scores + torch.where(allowed, -magnitude, magnitude)
        weights = expect(student(apart, allowed), "the weights")
        weights.zero_where(~allowed)
        weights.sums_to_one()


@weigh.check(
    "a padded sentence weighs what it weighs alone",
    points=0.5,
    after="random scores with a mask",
    suspect="a mask that every sentence shares, or padding that is taken to be at the end",
    experiment="call it with one sentence cut to its real words, and with the same sentence among others",
)
def weighs_as_alone(student: Subject, draw: Draw) -> None:
    _, (scores, allowed) = scores_and_mask(student, draw)
    together = expect(student(scores, allowed), "the weights").tensor(tuple(scores.shape))
    row = int(draw.integers(0, len(scores)))
    real = allowed[row]
    alone = student(scores[row : row + 1, real], torch.ones(1, int(real.sum()), dtype=torch.bool))
    expect(together[row : row + 1, real], "the weights of the padded sentence").close(alone)


@weigh.check(
    "a sentence with nothing allowed gets zeros, forward and backward",
    points=0.75,
    after="random scores with a mask",
    suspect="a softmax over a row of -inf, which is NaN, or whose gradient is",
    experiment="set allowed[0] = False, call .sum().backward() on the weights and print scores.grad",
)
def nothing_allowed(student: Subject, draw: Draw) -> None:
    _, (scores, allowed) = scores_and_mask(student, draw)
    allowed[0] = False
    expect(student(scores, allowed), "the weights").zero_where(~allowed)
    student.agrees(scores, allowed)


@weigh.check(
    "scores of ±1,000 stay finite",
    points=0.25,
    after="random scores with a mask",
    suspect="an exponential without subtracting the row's maximum",
    experiment="call it with scores * 1000: do you see NaN or inf?",
)
def extreme_scores(student: Subject, draw: Draw) -> None:
    _, (scores, allowed) = scores_and_mask(student, draw)
    large = scores - 1000.0
    large[0] += 2000.0
    student.agrees(large, allowed, gradients=False)


@weigh.check(
    "gradients reach the scores",
    points=0.25,
    after="random scores with a mask",
    suspect="a detach() or a conversion through numpy on the way",
    experiment="multiply the weights by random numbers, call .sum().backward() and print scores.grad",
)
def weights_gradients(student: Subject, draw: Draw) -> None:
    _, arguments = scores_and_mask(student, draw)
    student.agrees(*arguments)


weigh.good_manners(scores_and_mask, after="random scores with a mask", points=0.25)

# ------------------------------------------------------------------------------------------------- context_vector

mix = Exercise("context_vector", points=3, paper="Bahdanau et al. 2015, equation 5")


def weights_and_source(student: Subject, draw: Draw) -> tuple[Subject, tuple[Tensor, Tensor]]:
    B, S, D = draw.sizes(3)
    return student, (draw.normal(B, S).softmax(dim=-1), draw.normal(B, S, D))


@mix.check(
    "all the weight on one word: the context is its state",
    points=0.75,
    suspect="what is summed: each word's state times its weight, over the words of its own sentence",
    experiment="with weights = [[0, 1, 0]] the context is source_states[:, 1]",
)
def one_word(student: Subject, draw: Draw) -> None:
    B, S, D = draw.sizes(3)
    which, source = draw.integers(0, S, B), draw.normal(B, S, D)
    weights = torch.nn.functional.one_hot(which, S).double()
    context = torch.stack([source[b, place] for b, place in enumerate(which.tolist())])
    expect(student(weights, source), "the context").close(context)


@mix.check(
    "random weights",
    points=0.5,
    after="all the weight on one word: the context is its state",
    suspect="a choice of the best word where a sum belongs",
    experiment="compare context[0] with sum(w * h for w, h in zip(weights[0], source_states[0]))",
)
def context_numbers(student: Subject, draw: Draw) -> None:
    _, arguments = weights_and_source(student, draw)
    student.agrees(*arguments, gradients=False)


@mix.check(
    "no weight at all: the context is zero",
    points=0.25,
    after="all the weight on one word: the context is its state",
    suspect="weights that are normalised a second time",
    experiment="call it with weights of zero",
)
def no_weight(student: Subject, draw: Draw) -> None:
    _, (weights, source) = weights_and_source(student, draw)
    weights[0] = 0.0
    student.agrees(weights, source, gradients=False)


@mix.check(
    "a lone sentence keeps its batch axis",
    points=0.25,
    after="all the weight on one word: the context is its state",
    suspect="squeeze() without an axis",
    experiment="print the shape of the context for a batch of one sentence: it should be (1, D)",
)
def context_lone_sentence(student: Subject, draw: Draw) -> None:
    _, (weights, source) = weights_and_source(student, draw)
    student.agrees(weights[:1], source[:1], gradients=False)


@mix.check(
    "gradients reach the weights and the source states",
    points=0.5,
    after="random weights",
    suspect="an argmax or a detach() on the way",
    experiment="call .sum().backward() on the context and print weights.grad",
)
def context_gradients(student: Subject, draw: Draw) -> None:
    _, arguments = weights_and_source(student, draw)
    student.agrees(*arguments)


mix.good_manners(weights_and_source, after="random weights", points=0.25)

# ----------------------------------------------------------------------------------------------- AttentionDecoder

decoder = Exercise("AttentionDecoder", points=7, paper="Bahdanau et al. 2015, section 3.1 and appendix A.2.2")


def one_step(student: Subject, draw: Draw) -> tuple[Subject, tuple[Tensor, Tensor, Tensor, Tensor]]:
    """A decoder, and tokens, states, source states and a mask for one step."""
    B, S, vocab_size, d_model, d_attention = draw.sizes(5)
    module = student.build(vocab_size=vocab_size, d_model=d_model, d_attention=d_attention)
    state, source = draw.normal(B, d_model), draw.normal(B, S, d_model)
    return module, (draw.integers(0, vocab_size, B), state, source, draw.allowed(B, S))


def logits_state_weights(value: Value) -> tuple[Tensor, Tensor, Tensor]:
    logits, state, weights = expect_values(value, "logits", "next state", "weights")
    return logits.tensor(), state.tensor(), weights.tensor()


@decoder.check(
    "embedding, score, cell and output with the right names and shapes",
    points=0.5,
    suspect="the width of what the cell and the output read (2 d_model), or a bias in the score",
    experiment="print({name: p.shape for name, p in decoder.named_parameters()})",
)
def decoder_parameters(student: Subject, draw: Draw) -> None:
    vocab_size, d_model, d_attention = draw.sizes(3)
    student.has_the_parameters(vocab_size=vocab_size, d_model=d_model, d_attention=d_attention)


@decoder.check(
    "a single source word: logits and next state",
    points=1.25,
    after="embedding, score, cell and output with the right names and shapes",
    suspect="what the cell reads, [embedding; context], or what the output reads, [next state; context]",
    experiment="with one source word its weight is 1 and the context is its state: compute the step by hand",
)
def single_source_word(student: Subject, draw: Draw) -> None:
    module, (token, state, source, allowed) = one_step(student, draw)
    module.agrees(token, state, source[:, :1], torch.ones_like(allowed[:, :1]), gradients=False)


@decoder.check(
    "the weights of several words come from the previous state",
    points=1,
    after="embedding, score, cell and output with the right names and shapes",
    suspect="which state asks: the one that came in, before the cell",
    experiment="compare the weights with those of AdditiveScore on the state that you pass in",
)
def weights_of_the_step(student: Subject, draw: Draw) -> None:
    module, (token, state, source, allowed) = one_step(student, draw)
    everything = torch.ones_like(allowed)
    _, _, weights = logits_state_weights(module(token, state, source, everything))
    _, _, expected = logits_state_weights(module.expected(token, state, source, everything))
    expect(weights, "the weights").close(expected)


@decoder.check(
    "a step over several words with a mask",
    points=1,
    after="embedding, score, cell and output with the right names and shapes",
    suspect="the mask, or a context that is not made with the weights that you return",
    experiment="recompute the context from the weights that you return, and the logits from that",
)
def masked_step(student: Subject, draw: Draw) -> None:
    module, arguments = one_step(student, draw)
    module.agrees(*arguments, gradients=False)


@decoder.check(
    "what stands in the padding never matters",
    points=0.75,
    after="a step over several words with a mask",
    suspect="a mask that is applied after the softmax, or not as -inf",
    experiment="fill the padding of the source states with other numbers and compare the logits",
)
def padding_never_matters(student: Subject, draw: Draw) -> None:
    module, (token, state, source, allowed) = one_step(student, draw)
    other = torch.where(allowed[:, :, None], source, draw.normal(*source.shape, scale=30.0))
    logits, following, _ = logits_state_weights(module(token, state, source, allowed))
    other_logits, other_following, weights = logits_state_weights(module(token, state, other, allowed))
    expect(other_logits, "the logits").close(logits)
    expect(other_following, "the next state").close(following)
    expect(weights, "the weights").zero_where(~allowed)


@decoder.check(
    "a padded sentence is decoded as it is alone",
    points=0.75,
    after="a step over several words with a mask",
    suspect="one mask for the whole batch, or states that meet the words of another sentence",
    experiment="call the decoder with one sentence cut to its real words, and with the same sentence padded",
)
def decoded_as_alone(student: Subject, draw: Draw) -> None:
    module, (token, state, source, allowed) = one_step(student, draw)
    row = int(draw.integers(0, len(token)))
    one, real = slice(row, row + 1), allowed[row]
    together = logits_state_weights(module(token, state, source, allowed))
    alone = module(token[one], state[one], source[one, real], torch.ones(1, int(real.sum()), dtype=torch.bool))
    for came, value, what in zip(together, logits_state_weights(alone), ("logits", "next state"), strict=False):
        expect(came[one], f"the {what} of the padded sentence").close(value)


@decoder.check(
    "a sentence with nothing allowed: zero weights and no NaN, forward and backward",
    points=0.5,
    after="a step over several words with a mask",
    suspect="a softmax over a row of -inf, which is NaN",
    experiment="set allowed[0] = False and print the logits of sentence 0",
)
def nothing_to_read(student: Subject, draw: Draw) -> None:
    module, (token, state, source, allowed) = one_step(student, draw)
    allowed[0] = False
    module.agrees(token, state, source, allowed)


@decoder.check(
    "gradients reach the states and every parameter",
    points=0.5,
    after="a step over several words with a mask",
    suspect="a detach() or an argmax on the way",
    experiment="call .sum().backward() on the logits and print the gradient of each parameter",
)
def decoder_gradients(student: Subject, draw: Draw) -> None:
    module, arguments = one_step(student, draw)
    module.agrees(*arguments)


decoder.good_manners(one_step, after="a step over several words with a mask", points=0.25)

# -------------------------------------------------------------------------------------------------- initial_state

start = Exercise("initial_state", points=3, paper="Bahdanau et al. 2015, appendix A.2.2")


def projected(student: Subject, draw: Draw) -> tuple[Subject, tuple[Tensor, str, Tensor]]:
    B, D, F = draw.sizes(3)
    return student, (draw.normal(B, F), "projected", draw.normal(D, F))


@start.check(
    "zeros in the shape of the final state, or the final state as it is",
    points=0.75,
    suspect="the shape, or something done to the final state",
    experiment='print initial_state(final, "zeros", None) and initial_state(final, "final", None)',
)
def zeros_and_final(student: Subject, draw: Draw) -> None:
    _, (final, _, projection) = projected(student, draw)
    expect(student(final, "zeros", None), "the initial state").close(torch.zeros_like(final))
    expect(student(final, "zeros", projection), "the initial state").close(torch.zeros_like(final))
    expect(student(final, "final", None), "the initial state").close(final)


@start.check(
    "the projection of the final state",
    points=0.75,
    after="zeros in the shape of the final state, or the final state as it is",
    suspect="the side on which the matrix stands, or the tanh",
    experiment="compare row 0 with torch.tanh(projection @ final[0])",
)
def projection_numbers(student: Subject, draw: Draw) -> None:
    _, (final, mode, projection) = projected(student, draw)
    square = draw.normal(final.shape[1], final.shape[1])
    student.agrees(final, mode, square, gradients=False)
    student.agrees(final, mode, projection, gradients=False)


@start.check(
    "an unknown mode is refused, and the message names the choices",
    points=0.25,
    after="zeros in the shape of the final state, or the final state as it is",
    suspect="an else that takes every other word for the last mode",
    experiment='call it with mode "last": ValueError, with zeros, final and projected in the message',
)
def unknown_mode(student: Subject, draw: Draw) -> None:
    _, (final, _, projection) = projected(student, draw)
    for mode in ("last", "project"):
        student.refuses(final, mode, projection, mentions=("zeros", "final", "projected"))


@start.check(
    "“projected” without a projection is refused",
    points=0.25,
    after="the projection of the final state",
    suspect="a missing test of projection",
    experiment='call initial_state(final, "projected", None): it must raise ValueError',
)
def missing_projection(student: Subject, draw: Draw) -> None:
    _, (final, mode, _) = projected(student, draw)
    student.refuses(final, mode, None)


@start.check(
    "gradients reach the final state and the projection",
    points=0.25,
    after="the projection of the final state",
    suspect="a detach() on the way",
    experiment="call .sum().backward() on the initial state and print final.grad",
)
def start_gradients(student: Subject, draw: Draw) -> None:
    _, (final, mode, projection) = projected(student, draw)
    student.agrees(final, mode, projection)
    student.agrees(final, "final", None)


start.good_manners(projected, after="the projection of the final state", points=0.25)

# -------------------------------------------------------------------------------------------- alignment_error_rate

rate = Exercise("alignment_error_rate", points=4, paper="Och and Ney 2003, section 5")

SINGLE_ROUNDING = 1e-6
"""How far a rate may be off: the quotient may be taken in float32. One link changes it by 1e-3 at least."""


def links(*places: Tensor, width: int) -> Tensor:
    """Gold that links every target word (B, T) to each of these source words."""
    return torch.stack([torch.nn.functional.one_hot(place, width) for place in places]).sum(dim=0).bool()


def weights_on(best: Tensor, width: int, draw: Draw) -> Tensor:
    """Weights (B, T, width) that are largest at `best`, all different in their row, and all below a half."""
    noise = draw.normal(*best.shape, width).scatter(-1, best[:, :, None], torch.inf)
    ranks = noise.argsort(dim=-1).argsort(dim=-1).double() + width
    return ranks / ranks.sum(dim=-1, keepdim=True)


def two_places(draw: Draw) -> tuple[Tensor, Tensor, int]:
    """Two different source words for every target word, each (B, T), and the number of source words.

    The first two target words have the same ones, so that no link for each source word can come out right.
    """
    B, T, S = draw.sizes(3, low=5)
    order = draw.normal(B, T, S).argsort(dim=-1)
    order[:, 1] = order[:, 0]
    first, second = order[..., :2].unbind(-1)
    return first, second, S


def rates_are(student: Subject, *cases: tuple[Tensor, Tensor, float]) -> None:
    """The rate of every case: weights, gold and what to expect. All are asked for before the first is judged."""
    rates = [(expect(student(weights, gold), "the rate"), expected) for weights, gold, expected in cases]
    for rate, expected in rates:
        if not abs(rate.number() - expected) <= SINGLE_ROUNDING:
            raise CheckFailed(f"a rate of {expected:.6g}", f"{rate.number():.6g}")


@rate.check(
    "0 where every word looks at its translation, 1 where none does",
    points=1,
    suspect="the axis of the argmax (the source words), or a rate that was not subtracted from 1",
    experiment="make weights and gold the same permutation matrix: the rate is 0",
)
def right_and_wrong(student: Subject, draw: Draw) -> None:
    place, other, S = two_places(draw)
    gold = links(place, width=S)
    rates_are(
        student,
        (gold.double(), gold, 0.0),
        (weights_on(place, S, draw), gold, 0.0),
        (weights_on(other, S, draw), gold, 1.0),
    )


@rate.check(
    "a share of the words is wrong",
    points=0.75,
    after="0 where every word looks at its translation, 1 where none does",
    suspect="H, which counts twice above the line: in the links made and in the gold ones",
    experiment="with one of four words wrong and one gold link each, the rate is 1 - 2 · 3 / (4 + 4) = 0.25",
)
def a_share_is_wrong(student: Subject, draw: Draw) -> None:
    place, other, S = two_places(draw)
    T = place.shape[1]
    wrong = torch.arange(T) < T // 2
    weights, gold = weights_on(other.where(wrong, place), S, draw), links(place, width=S)
    rates_are(student, (weights, gold, T // 2 / T), (weights.float(), gold, T // 2 / T))


@rate.check(
    "a word that translates two",
    points=0.75,
    after="0 where every word looks at its translation, 1 where none does",
    suspect="G, the number of links in gold, which is not the number of words",
    experiment="with one target word, two gold links and a right guess the rate is 1 - 2 · 1 / (1 + 2) = 1/3",
)
def two_links(student: Subject, draw: Draw) -> None:
    place, second, S = two_places(draw)
    rates_are(student, (weights_on(place, S, draw), links(place, second, width=S), 1 / 3))


@rate.check(
    "positions that gold links to nothing do not count",
    points=0.5,
    after="0 where every word looks at its translation, 1 where none does",
    suspect="padding and end marks among the links made",
    experiment="add rows to weights and rows of False to gold: the rate must stay as it is",
)
def unlinked_positions(student: Subject, draw: Draw) -> None:
    place, other, S = two_places(draw)
    B, T = place.shape
    gold = links(place, width=S)
    gold[0, 1], gold[:, -1] = False, False  # a word that translates nothing, and the end marks
    wrong = torch.arange(T) < 1
    rates_are(student, (weights_on(other.where(wrong, place), S, draw), gold, B / (B * (T - 1) - 1)))


@rate.check(
    "links are counted over all sentences together",
    points=0.5,
    after="positions that gold links to nothing do not count",
    suspect="a mean of the sentences' rates",
    experiment="one right sentence of eight words, one wrong one of two: the rate is 2 / 10, not 1 / 2",
)
def counted_together(student: Subject, draw: Draw) -> None:
    place, other, S = two_places(draw)
    T = place.shape[1]
    place, other = place[:2], other[:2]
    gold = links(place, width=S)
    gold[1, 2:] = False
    best = torch.stack([place[0], other[1]])
    rates_are(student, (weights_on(best, S, draw), gold, 2 / (T + 2)))


@rate.check(
    "gold without a link is refused",
    points=0.25,
    after="a share of the words is wrong",
    suspect="a division of zero by zero",
    experiment="call it with gold that is False everywhere: it must raise ValueError",
)
def no_links(student: Subject, draw: Draw) -> None:
    place, _, S = two_places(draw)
    student.refuses(weights_on(place, S, draw), torch.zeros(*place.shape, S, dtype=torch.bool))


@rate.check(
    "the caller's tensors stay as they were",
    points=0.25,
    after="a share of the words is wrong",
    suspect="an operation in place (a trailing underscore, or an assignment to a part) on an argument",
    experiment="clone the arguments before the call and compare them with torch.equal after it",
)
def rate_untouched(student: Subject, draw: Draw) -> None:
    place, other, S = two_places(draw)
    gold = links(place, width=S)
    gold[:, -1] = False
    student.leaves_arguments_alone(weights_on(other, S, draw), gold)
