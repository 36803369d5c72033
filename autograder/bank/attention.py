"""Unit 04: attention as an operator on queries, keys and values."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from autograder.checks import CheckFailed, Draw, Exercise, Subject, expect, expect_values
from autograder.checks.request import Value

# ---------------------------------------------------------------------------------------------------- soft_lookup

lookup = Exercise("soft_lookup", points=3, paper="Graves et al. 2014, section 3.3.1 (content addressing)")


def table(draw: Draw) -> tuple[Tensor, Tensor, Tensor]:
    """A query, keys and values; rows, width of a key and width of a value all differ."""
    m, d, n = draw.sizes(3)
    return draw.normal(d), draw.normal(m, d), draw.normal(m, n)


def table_at_a_temperature(student: Subject, draw: Draw) -> tuple[Subject, tuple[Value, ...]]:
    return student, (*table(draw), draw.uniform(0.5, 2.0))


@lookup.check(
    "a table of one row gives that row",
    points=0.5,
    suspect="what is summed: the weights times the values",
    experiment="call it with one key and one value: the weight of the only row must be 1",
)
def one_row(student: Subject, draw: Draw) -> None:
    d, n = draw.sizes(2)
    value = draw.normal(1, n)
    expect(student(draw.normal(d), draw.normal(1, d), value, 1.3)).close(value[0])


@lookup.check(
    "random tables at random temperatures",
    points=0.5,
    after="a table of one row gives that row",
    suspect="the scores before the softmax: keys · query / temperature",
    experiment="print the weights for two keys whose scores are 0 and log 3 at temperature 1: they are 1/4 and 3/4",
)
def lookup_numbers(student: Subject, draw: Draw) -> None:
    for temperature in (draw.uniform(0.3, 0.7), draw.uniform(1.5, 4.0)):
        student.agrees(*table(draw), temperature, gradients=False)


@lookup.check(
    "near temperature 0 it is a hash table",
    points=0.5,
    after="a table of one row gives that row",
    suspect="the direction of the temperature, or an exponential that overflows",
    experiment="call it at temperature 1e-9: the answer is the row whose key has the largest dot product",
)
def cold(student: Subject, draw: Draw) -> None:
    query, keys, values = table(draw)
    query = 1.5 * query / query.norm()  # so short that at temperature 1 no row wins outright
    keys[0] = query / 10  # the same direction as the query, but short: a cosine would choose it
    keys[1] += (2 - keys[1] @ query / (query @ query)) * query  # twice the query, and something across
    expect(student(query, keys, values, 1e-9)).close(values[(keys @ query).argmax()])


@lookup.check(
    "at a high temperature every row counts alike",
    points=0.25,
    after="a table of one row gives that row",
    suspect="the direction of the temperature",
    experiment="call it at temperature 1e15 and compare with values.mean(dim=0)",
)
def hot(student: Subject, draw: Draw) -> None:
    query, keys, values = table(draw)
    expect(student(query, keys, values, 1e15)).close(values.mean(dim=0))


@lookup.check(
    "a temperature that is not positive is refused",
    points=0.25,
    after="a table of one row gives that row",
    suspect="a missing test of the temperature",
    experiment="call it with temperature 0: it must raise ValueError",
)
def refuses_temperature(student: Subject, draw: Draw) -> None:
    arguments = table(draw)
    student.refuses(*arguments, 0.0)
    student.refuses(*arguments, -draw.uniform(0.5, 2.0))


@lookup.check(
    "gradients reach the query, the keys and the values",
    points=0.25,
    after="random tables at random temperatures",
    suspect="an argmax, a detach() or a conversion to numbers on the way",
    experiment="call .sum().backward() on the answer and print query.grad",
)
def lookup_gradients(student: Subject, draw: Draw) -> None:
    student.agrees(*table(draw), 0.8)


lookup.good_manners(table_at_a_temperature, after="random tables at random temperatures", points=0.25)

# ----------------------------------------------------------------------------------- scaled_dot_product_attention

attention = Exercise("scaled_dot_product_attention", points=6, paper="Vaswani et al. 2017, section 3.2.1")


def sentences(draw: Draw) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Query, key, value and a mask, every axis of its own size."""
    B, T, S, d, v = draw.sizes(5)
    return draw.normal(B, T, d), draw.normal(B, S, d), draw.normal(B, S, v), draw.allowed(B, T, S)


def masked_sentences(student: Subject, draw: Draw) -> tuple[Subject, tuple[Value, ...]]:
    return student, sentences(draw)


@attention.check(
    "a lone key: every output is its value",
    points=0.5,
    suspect="the product of the weights with V",
    experiment="call it with a single key and print the weights: is each of them 1?",
)
def lone_key(student: Subject, draw: Draw) -> None:
    B, T, d, v = draw.sizes(4)
    value = draw.normal(B, 1, v)
    output, weights = expect_values(student(draw.normal(B, T, d), draw.normal(B, 1, d), value), "output", "weights")
    weights.close(value.new_ones(B, T, 1))
    output.close(value.expand(B, T, v))


@attention.check(
    "a zero query looks at all keys alike",
    points=0.5,
    after="a lone key: every output is its value",
    suspect="the axis of the softmax",
    experiment="print weights.sum(dim=-1): every row must sum to 1",
)
def zero_query(student: Subject, draw: Draw) -> None:
    query, key, value, _ = sentences(draw)
    output, weights = expect_values(student(query * 0, key, value), "output", "weights")
    weights.close(value.new_full((*query.shape[:2], key.shape[1]), 1 / key.shape[1]))
    output.close(value.mean(dim=1, keepdim=True).expand(-1, query.shape[1], -1))


@attention.check(
    "output and weights for random queries, keys and values",
    points=0.5,
    after="a lone key: every output is its value",
    suspect="the scale, 1/√d with d the width of a key",
    experiment="for d = 4 divide your scores by query @ key.transpose(-2, -1): is every quotient 0.5?",
)
def attention_numbers(student: Subject, draw: Draw) -> None:
    query, key, value, _ = sentences(draw)
    student.agrees(query, key, value, gradients=False)


@attention.check(
    "a zero query with a mask looks at the allowed keys alike",
    points=0.5,
    after="a zero query looks at all keys alike",
    suspect="what the mask means (True: may look), or where it is applied (before the softmax)",
    experiment="with query = 0 and two of three keys allowed, the weights are 0.5, 0.5 and 0",
)
def zero_query_with_mask(student: Subject, draw: Draw) -> None:
    query, key, value, allowed = sentences(draw)
    output, weights = expect_values(student(query * 0, key, value, allowed), "output", "weights")
    mean = allowed.double() / allowed.sum(dim=-1, keepdim=True)
    weights.close(mean)
    output.close(mean @ value)


@attention.check(
    "what is not allowed weighs exactly zero, however low the allowed scores are",
    points=1,
    after="a lone key: every output is its value",
    suspect="a finite fill such as -1e4 or -1e9 instead of -inf, or a mask after the softmax",
    experiment="make all allowed scores about -20,000: do the forbidden keys get weight?",
)
def mask_is_absolute(student: Subject, draw: Draw) -> None:
    B, T, S, d, v = draw.sizes(5)
    allowed = draw.allowed(B, T, S)
    key = torch.eye(S, S + d, dtype=torch.float64).expand(B, S, S + d)
    for magnitude in (10.0, 2e4, 1e12):
        query = torch.where(allowed, -magnitude, magnitude) + draw.normal(B, T, S)
        query = torch.cat([query, draw.normal(B, T, d)], dim=-1) * (S + d) ** 0.5
        _, weights = expect_values(student(query, key, draw.normal(B, S, v), allowed), "output", "weights")
        weights.zero_where(~allowed)
        weights.sums_to_one()


@attention.check(
    "random inputs with a mask, output and weights",
    points=0.5,
    after="a lone key: every output is its value",
    suspect="weights that are returned before the mask, or a mask that every sentence shares",
    experiment="compare the weights that you return with the ones that you multiply by value",
)
def masked_numbers(student: Subject, draw: Draw) -> None:
    student.agrees(*sentences(draw), gradients=False)


@attention.check(
    "a query that may look nowhere gets zeros, forward and backward",
    points=0.5,
    after="random inputs with a mask, output and weights",
    suspect="a softmax over a row of -inf, which is NaN",
    experiment="give one query a mask of False only, and look at its weights and at query.grad",
)
def blind_query(student: Subject, draw: Draw) -> None:
    query, key, value, allowed = sentences(draw)
    allowed[:, 0] = False
    output, weights = expect_values(student(query, key, value, allowed), "output", "weights")
    weights.zero_where(~allowed)
    output.zero_where(~allowed.any(-1, keepdim=True).expand(-1, -1, value.shape[-1]))
    student.agrees(query, key, value, allowed)


@attention.check(
    "scores of ±1,000 stay finite",
    points=0.25,
    after="random inputs with a mask, output and weights",
    suspect="an exponential without subtracting the row's maximum",
    experiment="call it with query * 1000: do you see NaN or inf?",
)
def extreme_scores(student: Subject, draw: Draw) -> None:
    query, key, value, allowed = sentences(draw)
    student.agrees(query * 1000, key, value, gradients=False)
    student.agrees(query * 1000, key, value, allowed, gradients=False)


@attention.check(
    "gradients reach query, key and value",
    points=0.25,
    after="output and weights for random queries, keys and values",
    suspect="a detach(), .data, no_grad() or a conversion through numpy on the way",
    experiment="call .sum().backward() on the output and print query.grad, key.grad and value.grad",
)
def attention_gradients(student: Subject, draw: Draw) -> None:
    query, key, value, allowed = sentences(draw)
    student.agrees(query, key, value)
    student.agrees(query, key, value, allowed)


attention.good_manners(masked_sentences, after="random inputs with a mask, output and weights")

# ----------------------------------------------------------------------------------------------------- saturation

saturation = Exercise("saturation", points=3, paper="Vaswani et al. 2017, footnote 4")

CALLS = 8
"""Calls of the program on which a mean is judged."""

REFERENCE_CALLS = 32
"""Calls of the reference that give the mean and the deviation to judge by."""

DEVIATIONS = 6.0
"""Standard errors by which two means may differ: chance exceeds that less than once in ten million checks."""


def width_and_length(draw: Draw) -> tuple[int, int]:
    """A width d and a number of keys, so far apart that one cannot pass for the other."""
    return int(draw.integers(13, 18)), int(draw.integers(31, 38))


def means_agree(student: Subject, draw: Draw, which: int, what: str, *, scaled: bool) -> None:
    """The mean of one of the two numbers, over calls that draw for themselves, is the reference's."""
    d, n_keys = width_and_length(draw)

    def mean_and_deviation(program: Callable[..., Value], calls: int) -> tuple[float, float]:
        returned = [program(d, n_keys, scaled, draw.generator()) for _ in range(calls)]
        numbers = [expect_values(value, "entropy", "gradient norm")[which].number() for value in returned]
        deviation, mean = torch.std_mean(torch.tensor(numbers, dtype=torch.float64))
        return float(mean), float(deviation)

    expected, deviation = mean_and_deviation(student.expected, REFERENCE_CALLS)
    allowed = DEVIATIONS * deviation * (1 / CALLS + 1 / REFERENCE_CALLS) ** 0.5
    came, _ = mean_and_deviation(student, CALLS)
    if not abs(came - expected) <= allowed:
        settings = f"the mean of {CALLS} calls with d = {d}, n_keys = {n_keys}, scaled = {scaled}"
        raise CheckFailed(f"{what} of {expected:.3f} ± {allowed:.3f}, {settings}", f"{came:.3f}")


@saturation.check(
    "everything is drawn from the generator",
    points=0.5,
    suspect="a draw without generator=generator",
    experiment="call it twice with generators of one seed, then with another seed",
)
def drawn_from_generator(student: Subject, draw: Draw) -> None:
    d, n_keys = width_and_length(draw)
    first, second = draw.generator(), draw.generator()
    numbers = [
        expect_values(student(d, n_keys, True, generator), "entropy", "gradient norm")[0].number()
        for generator in (first, first, second)
    ]
    if numbers[0] != numbers[1]:
        raise CheckFailed("the same numbers from generators of the same seed", f"{numbers[0]} and then {numbers[1]}")
    if numbers[0] == numbers[2]:
        raise CheckFailed("other numbers from a generator of another seed", f"{numbers[0]} both times")


@saturation.check(
    "the entropy with the scale",
    points=0.75,
    after="everything is drawn from the generator",
    suspect="what the entropy is divided by, log(n_keys)",
    experiment="give it constant logits: uniform weights have relative entropy 1",
)
def entropy_with_scale(student: Subject, draw: Draw) -> None:
    means_agree(student, draw, 0, "an entropy", scaled=True)


@saturation.check(
    "the entropy without the scale",
    points=0.75,
    after="everything is drawn from the generator",
    suspect="logits that are scaled when scaled is False",
    experiment="print logits.std() for scaled=False: it is about √d",
)
def entropy_without_scale(student: Subject, draw: Draw) -> None:
    means_agree(student, draw, 0, "an entropy", scaled=False)


@saturation.check(
    "the norm of the Jacobian, with the scale and without",
    points=1,
    after="everything is drawn from the generator",
    suspect="the Jacobian of softmax: diag(weights) - weights · weightsᵀ, its norm taken for each query",
    experiment="compare it for one query with torch.func.jacrev(torch.softmax)",
)
def norm_of_jacobian(student: Subject, draw: Draw) -> None:
    means_agree(student, draw, 1, "a norm", scaled=True)
    means_agree(student, draw, 1, "a norm", scaled=False)


# ------------------------------------------------------------------------------------------------- CrossAttention

cross = Exercise("CrossAttention", points=6, paper="Vaswani et al. 2017, section 3.2.3; Bahdanau et al. 2015")


def two_sequences(student: Subject, draw: Draw) -> tuple[Subject, tuple[Tensor, Tensor, Tensor]]:
    """A module, queries, data, and which of the data are real."""
    B, T, S, d_query, d_data, d_model = draw.sizes(6)
    module = student.build(d_query=d_query, d_data=d_data, d_model=d_model)
    return module, (draw.normal(B, T, d_query), draw.normal(B, S, d_data), draw.allowed(B, S))


@cross.check(
    "three projections with the right names and shapes, without bias",
    points=0.5,
    suspect="a projection that starts from the wrong width, or bias=True",
    experiment="print({name: p.shape for name, p in module.named_parameters()})",
)
def cross_parameters(student: Subject, draw: Draw) -> None:
    d_query, d_data, d_model = draw.sizes(3)
    student.has_the_parameters(d_query=d_query, d_data=d_data, d_model=d_model)


@cross.check(
    "a lone vector of data: every output is its value",
    points=0.75,
    after="three projections with the right names and shapes, without bias",
    suspect="where the values come from: self.value(data)",
    experiment="with one vector of data the weights are 1 and the output is self.value(data)",
)
def lone_vector(student: Subject, draw: Draw) -> None:
    module, (x, data, _) = two_sequences(student, draw)
    module.agrees(x, data[:, :1], gradients=False)


@cross.check(
    "output and weights for random sequences",
    points=1.25,
    after="three projections with the right names and shapes, without bias",
    suspect="which projection makes the queries and which the keys, or a second scale",
    experiment="compare your scores with self.query(x) @ self.key(data).transpose(-2, -1) / d_model**0.5",
)
def cross_numbers(student: Subject, draw: Draw) -> None:
    B, T, S, width = draw.sizes(4)
    alike = student.build(d_query=width, d_data=width, d_model=width)
    alike.agrees(draw.normal(B, T, width), draw.normal(B, S, width), gradients=False)
    module, (x, data, _) = two_sequences(student, draw)
    module.agrees(x, data, gradients=False)


@cross.check(
    "what stands in the padding never matters",
    points=1,
    after="a lone vector of data: every output is its value",
    suspect="the mask of the data: its axes, its sense, or that it is not passed on",
    experiment="fill the padding of data with other numbers and compare the outputs",
)
def padding_never_matters(student: Subject, draw: Draw) -> None:
    module, (x, data, real) = two_sequences(student, draw)
    other = torch.where(real[:, :, None], data, draw.normal(*data.shape, scale=30.0))
    before, _ = expect_values(module(x, data, real), "output", "weights")
    after, weights = expect_values(module(x, other, real), "output", "weights")
    after.close(before.tensor())
    weights.zero_where(~real[:, None, :].expand(-1, x.shape[1], -1))


@cross.check(
    "a padded sentence gives what it gives alone",
    points=1,
    after="output and weights for random sequences",
    suspect="padding that takes weight, or one mask for the whole batch",
    experiment="call the module with one sentence cut to its real length, and with the same sentence padded",
)
def padded_as_alone(student: Subject, draw: Draw) -> None:
    module, (x, data, real) = two_sequences(student, draw)
    module.agrees(x, data, real, gradients=False)
    row = int(draw.integers(0, len(x)))
    alone, _ = expect_values(module(x[row : row + 1], data[row : row + 1, real[row]]), "output", "weights")
    together, _ = expect_values(module(x, data, real), "output", "weights")
    expect(together.tensor()[row : row + 1], "the output of the padded sentence").close(alone.tensor())


@cross.check(
    "a sentence of padding only gives zeros",
    points=0.25,
    after="what stands in the padding never matters",
    suspect="a softmax over a row of -inf, which is NaN",
    experiment="set real[0] = False and print the output of sentence 0",
)
def nothing_real(student: Subject, draw: Draw) -> None:
    module, (x, data, real) = two_sequences(student, draw)
    real[0] = False
    output, _ = expect_values(module(x, data, real), "output", "weights")
    expect(output.tensor()[0], "the output of the empty sentence").zero_where(torch.ones_like(output.tensor()[0]) > 0)


@cross.check(
    "gradients reach both sequences and all three projections",
    points=0.5,
    after="output and weights for random sequences",
    suspect="a detach() or no_grad() on the way, or a projection that is not used",
    experiment="call .sum().backward() on the output and print the gradient of each parameter",
)
def cross_gradients(student: Subject, draw: Draw) -> None:
    module, (x, data, real) = two_sequences(student, draw)
    module.agrees(x, data)
    module.agrees(x, data, real)


cross.good_manners(two_sequences, after="a padded sentence gives what it gives alone", points=0.25)

# ----------------------------------------------------------------------------------------------------- memory_hop

hop = Exercise("memory_hop", points=3, paper="Sukhbaatar et al. 2015, section 2.1")


def memories(student: Subject, draw: Draw) -> tuple[Subject, tuple[Tensor, Tensor, Tensor]]:
    B, M, D = draw.sizes(3)
    return student, (draw.normal(B, D), draw.normal(B, M, D), draw.normal(B, M, D))


@hop.check(
    "one fact: it is read whole and added to the query",
    points=0.5,
    suspect="the sum u + o at the end of the hop",
    experiment="with one fact the next query is query + output_memory[:, 0]",
)
def one_fact(student: Subject, draw: Draw) -> None:
    B, D = draw.sizes(2)
    query, fact = draw.normal(B, D), draw.normal(B, 1, D)
    following, weights = expect_values(student(query, draw.normal(B, 1, D), fact), "next query", "weights")
    weights.close(query.new_ones(B, 1))
    following.close(query + fact[:, 0])


@hop.check(
    "facts that all look alike are read alike",
    points=0.5,
    after="one fact: it is read whole and added to the query",
    suspect="the axis of the softmax, or which memory is read",
    experiment="give every fact the same input memory: the weights are 1/M",
)
def alike_facts(student: Subject, draw: Draw) -> None:
    _, (query, input_memory, output_memory) = memories(student, draw)
    same = input_memory[:, :1].expand_as(input_memory)
    following, weights = expect_values(student(query, same, output_memory), "next query", "weights")
    weights.close(query.new_full(input_memory.shape[:2], 1 / input_memory.shape[1]))
    following.close(query + output_memory.mean(dim=1))


@hop.check(
    "next query and weights for random memories",
    points=0.75,
    after="one fact: it is read whole and added to the query",
    suspect="what the query is compared with (the input memory), and that there is no scale",
    experiment="compare weights.log() with the dot products: their differences are the same for all facts",
)
def hop_numbers(student: Subject, draw: Draw) -> None:
    _, arguments = memories(student, draw)
    student.agrees(*arguments, gradients=False)


@hop.check(
    "gradients reach the query and both memories",
    points=0.5,
    after="next query and weights for random memories",
    suspect="a choice by argmax, or a detach() on the way",
    experiment="call .sum().backward() on the next query and print input_memory.grad",
)
def hop_gradients(student: Subject, draw: Draw) -> None:
    _, arguments = memories(student, draw)
    student.agrees(*arguments)


hop.good_manners(memories, after="next query and weights for random memories", points=0.25)

# ------------------------------------------------------------------------------------------------- key_value_read

read = Exercise("key_value_read", points=3, paper="Miller et al. 2016, section 3.1")


def keyed_memories(student: Subject, draw: Draw) -> tuple[Subject, tuple[Tensor, Tensor, Tensor, Tensor]]:
    B, M, D = draw.sizes(3)
    return student, (draw.normal(B, D), draw.normal(B, M, D), draw.normal(B, M, D), draw.normal(D, D))


@read.check(
    "one fact: its value is read, and the sum is updated",
    points=0.5,
    suspect="the update: the matrix times (query + read)",
    experiment="with one fact and the identity as update, the next query is query + values[:, 0]",
)
def one_keyed_fact(student: Subject, draw: Draw) -> None:
    B, D = draw.sizes(2)
    query, value, update = draw.normal(B, D), draw.normal(B, 1, D), draw.normal(D, D)
    following, weights = expect_values(student(query, draw.normal(B, 1, D), value, update), "next query", "weights")
    weights.close(query.new_ones(B, 1))
    following.close(torch.stack([update @ (query[b] + value[b, 0]) for b in range(B)]))


@read.check(
    "the weights come from the keys alone",
    points=0.5,
    suspect="what the query is compared with: the keys",
    experiment="change the values and print the weights: they must stay as they were",
)
def keys_alone(student: Subject, draw: Draw) -> None:
    _, (query, keys, values, update) = keyed_memories(student, draw)
    _, weights = expect_values(student(query, keys, values, update), "next query", "weights")
    _, other = expect_values(student(query, keys, values * -3.0, update * 2.0), "next query", "weights")
    other.close(weights.tensor())
    _, alike = expect_values(student(query, keys[:, :1].expand_as(keys), values, update), "next query", "weights")
    alike.close(query.new_full(keys.shape[:2], 1 / keys.shape[1]))


@read.check(
    "next query and weights for random memories",
    points=0.75,
    after="one fact: its value is read, and the sum is updated",
    suspect="what is read (the values), or the side on which the update stands",
    experiment="compare with update @ (query[0] + weights[0] @ values[0]) for the first story of the batch",
)
def read_numbers(student: Subject, draw: Draw) -> None:
    _, arguments = keyed_memories(student, draw)
    student.agrees(*arguments, gradients=False)


@read.check(
    "gradients reach the query, the keys, the values and the update",
    points=0.5,
    after="next query and weights for random memories",
    suspect="a choice by argmax, or a detach() on the way",
    experiment="call .sum().backward() on the next query and print keys.grad",
)
def read_gradients(student: Subject, draw: Draw) -> None:
    _, arguments = keyed_memories(student, draw)
    student.agrees(*arguments)


read.good_manners(keyed_memories, after="next query and weights for random memories", points=0.25)

# -------------------------------------------------------------------------------------------------- MemoryNetwork

network = Exercise("MemoryNetwork", points=6, paper="Sukhbaatar et al. 2015, sections 2.2 and 4.1")


def stories(student: Subject, draw: Draw, n_hops: int = 3) -> tuple[Subject, tuple[Tensor, Tensor]]:
    """A network, and facts and questions without padding; there is room for more facts than there are."""
    B, M, W, Q, d_model = draw.sizes(5)
    module = student.build(zero_rows=("words",), vocab_size=17, d_model=d_model, n_hops=n_hops, max_facts=M + 3)
    return module, (draw.integers(1, 17, B, M, W), draw.integers(1, 17, B, Q))


def logits_and_weights(value: Value) -> tuple[Tensor, Tensor]:
    logits, weights = expect_values(value, "logits", "weights")
    return logits.tensor(), weights.tensor()


@network.check(
    "the embeddings have the right names and shapes",
    points=0.5,
    suspect="n_hops + 1 tables of words and as many of ages: neighbouring hops share one",
    experiment="print({name: p.shape for name, p in network.named_parameters()})",
)
def network_parameters(student: Subject, draw: Draw) -> None:
    vocab_size, d_model, n_hops, max_facts = draw.sizes(4)
    student.has_the_parameters(vocab_size=vocab_size, d_model=d_model, n_hops=n_hops, max_facts=max_facts)


@network.check(
    "one hop over one fact",
    points=1,
    after="the embeddings have the right names and shapes",
    suspect="which table embeds the question (the first) and which one gives the answer (the last)",
    experiment="with one fact its weight is 1: the logits are words[1] times (question + output memory)",
)
def one_hop_one_fact(student: Subject, draw: Draw) -> None:
    network, (facts, question) = stories(student, draw, n_hops=1)
    network.agrees(facts[:, :1], question, gradients=False)


@network.check(
    "one hop over several facts",
    points=1,
    after="the embeddings have the right names and shapes",
    suspect="the ages: 0 for the last fact, and counted back from there",
    experiment="exchange the first and the last fact: the weights change, since the ages stay with the places",
)
def one_hop(student: Subject, draw: Draw) -> None:
    network, (facts, question) = stories(student, draw, n_hops=1)
    network.agrees(facts, question, gradients=False)


@network.check(
    "several hops: logits and weights",
    points=1,
    after="one hop over one fact",
    suspect="which memories a hop uses: it looks in memory k and reads memory k + 1",
    experiment="copy words[0] and ages[0] into all tables: does every hop then use the same memories?",
)
def several_hops(student: Subject, draw: Draw) -> None:
    network, arguments = stories(student, draw)
    network.agrees(*arguments, gradients=False)


@network.check(
    "padding words change nothing",
    points=0.75,
    after="one hop over one fact",
    suspect="padding (word 0) that is embedded as something other than zero, or counted in a mean",
    experiment="append a column of zeros to facts and to question, and compare the logits",
)
def padding_words(student: Subject, draw: Draw) -> None:
    network, (facts, question) = stories(student, draw)
    logits, weights = logits_and_weights(network(facts, question))
    longer = torch.cat([facts, torch.zeros_like(facts)], dim=-1), torch.cat([question, torch.zeros_like(question)], -1)
    padded_logits, padded_weights = logits_and_weights(network(*longer))
    expect(padded_logits, "the logits with padding").close(logits)
    expect(padded_weights, "the weights with padding").close(weights)


@network.check(
    "too many facts are refused",
    points=0.5,
    after="the embeddings have the right names and shapes",
    suspect="a missing comparison of the number of facts with max_facts",
    experiment="call the network with max_facts + 1 facts: it must raise ValueError with both numbers",
)
def too_many_facts(student: Subject, draw: Draw) -> None:
    n_facts, max_facts = 12 + int(draw.integers(0, 8)), 3 + int(draw.integers(0, 8))
    network = student.build(zero_rows=("words",), vocab_size=17, d_model=5, n_hops=2, max_facts=max_facts)
    network.refuses(draw.integers(1, 17, 2, n_facts, 4), draw.integers(1, 17, 2, 3), mentions=(n_facts, max_facts))


@network.check(
    "gradients reach every table",
    points=0.5,
    after="several hops: logits and weights",
    suspect="a detach() between the hops, or hops that share what they should not",
    experiment="call .sum().backward() on the logits and print the gradient of each table",
)
def network_gradients(student: Subject, draw: Draw) -> None:
    network, arguments = stories(student, draw)
    network.agrees(*arguments)


network.good_manners(stories, after="several hops: logits and weights", points=0.25)
