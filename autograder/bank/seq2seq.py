"""Unit 02: translation through one vector."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from autograder.checks import CheckFailed, Draw, Exercise, Subject, expect, expect_values
from autograder.checks.request import Supplied, Value
from autograder.checks.supplied import Counted

V = 17
"""The size of every vocabulary, larger than any length here."""


def marks(draw: Draw, vocab_size: int = V) -> tuple[int, int, int]:
    """Three different ids for bos, eos and pad, none of them 0."""
    first, second, third = (1 + draw.normal(vocab_size - 1).argsort()[:3]).tolist()
    return first, second, third


def words(draw: Draw, without: tuple[int, ...], *shape: int) -> Tensor:
    """Ids that are none of these."""
    others = torch.tensor([word for word in range(V) if word not in without])
    return others[draw.integers(0, len(others), *shape)]


def different_words(draw: Draw, without: tuple[int, ...], count: int, vocab_size: int = V) -> list[int]:
    """Ids that are none of these, and no two the same."""
    return [word for word in draw.normal(vocab_size).argsort().tolist() if word not in without][:count]


# -------------------------------------------------------------------------------------------------------- Encoder

encoder = Exercise("Encoder", points=5, paper="Cho et al. 2014, section 2.2")


def module_and_words(student: Subject, draw: Draw) -> tuple[Subject, Tensor, int]:
    """A module, sentences without padding, and pad. Word 0, which is no padding, begins the first sentence only."""
    B, S, d_model = draw.sizes(3, 5, 13)
    _, _, pad_id = ids = marks(draw)
    source = words(draw, (0, *ids), B, S)
    source[0, 0] = 0
    return student.build(vocab_size=V, d_model=d_model, pad_id=pad_id), source, pad_id


def sentences(student: Subject, draw: Draw) -> tuple[Subject, tuple[Tensor]]:
    """A module, and padded sentences: the first has two words, the last fills its row, the others are in between."""
    module, source, pad_id = module_and_words(student, draw)
    B, S = source.shape
    lengths = draw.integers(3, S, B)
    lengths[0], lengths[-1] = 2, S
    source[torch.arange(S) >= lengths[:, None]] = pad_id
    return module, (source,)


def states_and_final(value: Value) -> tuple[Tensor, Tensor]:
    states, final = expect_values(value, "states", "final state")
    return states.tensor(), final.tensor()


@encoder.check(
    "the embedding and the GRU have the right names and shapes",
    points=0.5,
    suspect="a table or a layer under another name, or a second layer or direction",
    experiment="print({name: p.shape for name, p in encoder.named_parameters()})",
)
def encoder_parameters(student: Subject, draw: Draw) -> None:
    student.has_the_parameters(vocab_size=V, d_model=draw.sizes(1)[0], pad_id=3)


@encoder.check(
    "one word: its state is the final state",
    points=0.5,
    after="the embedding and the GRU have the right names and shapes",
    suspect="what goes into the GRU (the embedding as it is), or the order and the axes of what comes out",
    experiment="print the shapes for a source of shape (3, 1): states (3, 1, D), final state (3, D)",
)
def one_word(student: Subject, draw: Draw) -> None:
    module, source, _ = module_and_words(student, draw)
    module.agrees(source[1:, :1], gradients=False)


@encoder.check(
    "sentences without padding: states and final state",
    points=1,
    after="one word: its state is the final state",
    suspect="batch_first, or the direction of reading",
    experiment="change one sentence of the batch: only its own states may change",
)
def encoder_numbers(student: Subject, draw: Draw) -> None:
    module, source, _ = module_and_words(student, draw)
    module.agrees(source, gradients=False)


@encoder.check(
    "with padding, the final state is the one after the last real word",
    points=0.75,
    after="one word: its state is the final state",
    suspect="states[:, -1], which is the state after the padding",
    experiment="print (source != pad_id).sum(dim=1), and compare final[0] with states[0, length - 1]",
)
def padded_final(student: Subject, draw: Draw) -> None:
    module, (source,) = sentences(student, draw)
    _, final = states_and_final(module(source))
    _, expected = states_and_final(module.expected(source))
    expect(final, "the final state").close(expected)


@encoder.check(
    "a sentence gets the same states alone and padded in a batch",
    points=0.5,
    after="one word: its state is the final state",
    suspect="padding that is read before or among the words, or one length for the whole batch",
    experiment="encode one sentence cut to its real length, then the same sentence in its batch",
)
def encoder_alone(student: Subject, draw: Draw) -> None:
    module, (source,) = sentences(student, draw)
    states, final = states_and_final(module(source))
    states_alone, final_alone = states_and_final(module(source[:1, :2]))
    expect(states[:1, :2], "the states of the padded sentence").close(states_alone)
    expect(final[:1], "the final state of the padded sentence").close(final_alone)


@encoder.check(
    "more padding than any sentence needs: the states there are zero",
    points=0.5,
    after="sentences without padding: states and final state",
    suspect="states that are not set to zero on padding, or that are cut to the longest sentence",
    experiment="append three columns of pad_id to source: the states get three columns of zeros",
)
def more_padding(student: Subject, draw: Draw) -> None:
    module, (source,) = sentences(student, draw)
    module.agrees(source[:-1], gradients=False)  # without the sentence that fills its row


@encoder.check(
    "gradients reach the embedding and the GRU",
    points=0.5,
    after="sentences without padding: states and final state",
    suspect="a detach() or no_grad() on the way",
    experiment="call .sum().backward() on the final state and print the gradient of each parameter",
)
def encoder_gradients(student: Subject, draw: Draw) -> None:
    module, (source,) = sentences(student, draw)
    module.agrees(source)


encoder.good_manners(sentences, after="with padding, the final state is the one after the last real word", points=0.25)

# -------------------------------------------------------------------------------------------------------- Decoder

decoder = Exercise("Decoder", points=4, paper="Cho et al. 2014, section 2.2")


def inputs(student: Subject, draw: Draw) -> tuple[Subject, tuple[Tensor, Tensor, Tensor]]:
    """A module, tokens, states and contexts."""
    B, d_model = draw.sizes(2, 5, 13)
    module = student.build(vocab_size=V, d_model=d_model)
    return module, (draw.integers(0, V, B), draw.normal(B, d_model), draw.normal(B, d_model))


@decoder.check(
    "the embedding, the cell and the output layer have the right names and shapes",
    points=0.5,
    suspect="the width of what the cell reads, 2 · d_model: the token's embedding and the context",
    experiment="print({name: p.shape for name, p in decoder.named_parameters()})",
)
def decoder_parameters(student: Subject, draw: Draw) -> None:
    student.has_the_parameters(vocab_size=V, d_model=draw.sizes(1)[0])


@decoder.check(
    "the token alone: state and context are zero",
    points=0.5,
    after="the embedding, the cell and the output layer have the right names and shapes",
    suspect="the order of embedding and context, or logits that do not come from the new state",
    experiment="compare with output(cell(torch.cat([embedding(token), context], dim=-1), state))",
)
def token_alone(student: Subject, draw: Draw) -> None:
    module, (token, state, context) = inputs(student, draw)
    module.agrees(token, state * 0, context * 0, gradients=False)


@decoder.check(
    "token and context: the state is zero",
    points=0.5,
    after="the embedding, the cell and the output layer have the right names and shapes",
    suspect="a context that does not reach the cell",
    experiment="change the context only: do the logits change?",
)
def token_and_context(student: Subject, draw: Draw) -> None:
    module, (token, state, context) = inputs(student, draw)
    module.agrees(token, state * 0, context, gradients=False)


@decoder.check(
    "all three inputs: logits and state",
    points=1,
    after="the token alone: state and context are zero",
    suspect="the previous state: it is the cell's second argument",
    experiment="change the state only: do the logits change?",
)
def decoder_numbers(student: Subject, draw: Draw) -> None:
    module, arguments = inputs(student, draw)
    module.agrees(*arguments, gradients=False)


@decoder.check(
    "gradients reach state, context and every parameter",
    points=0.75,
    after="all three inputs: logits and state",
    suspect="a detach() or no_grad() on the way",
    experiment="call .sum().backward() on the logits and print state.grad and context.grad",
)
def decoder_gradients(student: Subject, draw: Draw) -> None:
    module, arguments = inputs(student, draw)
    module.agrees(*arguments)


decoder.good_manners(inputs, after="all three inputs: logits and state", points=0.25)

# ---------------------------------------------------------------------------------------------------- shift_right

shift = Exercise("shift_right", points=2, paper="Sutskever et al. 2014, section 2")


def targets_and_bos(student: Subject, draw: Draw) -> tuple[Subject, tuple[Tensor, int]]:
    """Targets without bos among them; bos is neither 0 nor 1."""
    B, T = draw.sizes(2)
    bos_id = int(draw.integers(2, V, 1))
    return student, (words(draw, (bos_id,), B, T), bos_id)


@shift.check(
    "the decoder reads bos first",
    points=0.5,
    suspect="what stands in the first place: bos_id, whatever its number",
    experiment="call it with torch.tensor([[7, 8]]) and bos_id=5: the answer begins with 5",
)
def begins_with_bos(student: Subject, draw: Draw) -> None:
    _, (targets, bos_id) = targets_and_bos(student, draw)
    inputs = expect(student(targets, bos_id), "the shifted targets").tensor(tuple(targets.shape))
    expect(inputs[:, 0], "the first column").close(torch.full_like(targets[:, 0], bos_id))


@shift.check(
    "every target stands one place later, and the last is gone",
    points=1,
    suspect="the direction or the axis of the shift",
    experiment="call it with [[7, 8, 9]] and bos_id=5: the answer is [[5, 7, 8]]",
)
def shifted(student: Subject, draw: Draw) -> None:
    _, arguments = targets_and_bos(student, draw)
    student.agrees(*arguments, gradients=False)


shift.good_manners(targets_and_bos, after="the decoder reads bos first", points=0.25, floating=False)

# ------------------------------------------------------------------------------------------ teacher_forced_logits

forced = Exercise("teacher_forced_logits", points=4, paper="Williams and Zipser 1989, section 2")


def recurrence(draw: Draw, d_model: int) -> Supplied:
    """A decoder's step, with room for a context."""
    shapes = {"embedding": V, "weight_context": d_model, "weight_state": d_model, "weight_out": V}
    return Supplied("decoder", {name: draw.normal(rows, d_model, scale=0.5) for name, rows in shapes.items()})


def forcing(student: Subject, draw: Draw) -> tuple[Subject, tuple[Supplied, Tensor, Tensor, Tensor, int]]:
    """A decoder, targets without bos among them, state, context and bos."""
    B, T, d_model = draw.sizes(3, 5, 13)
    bos_id, *_ = ids = marks(draw)
    targets = words(draw, ids, B, T)
    return student, (recurrence(draw, d_model), targets, draw.normal(B, d_model), draw.normal(B, d_model), bos_id)


@forced.check(
    "the first logits come from bos",
    points=0.5,
    suspect="what the decoder reads first: bos, not the first target",
    experiment="call it with one target: the logits are decoder(bos, state, context)[0]",
)
def forced_first(student: Subject, draw: Draw) -> None:
    _, (step, targets, state, context, bos_id) = forcing(student, draw)
    student.agrees(step, targets[:, :1], state, context, bos_id, gradients=False)


@forced.check(
    "every step reads the target before, and the state that the last step left",
    points=1,
    suspect="a token or a state that is not passed on, or the axis of the stack",
    experiment="print the token and the state that go into each step",
)
def forced_numbers(student: Subject, draw: Draw) -> None:
    _, arguments = forcing(student, draw)
    student.agrees(*arguments, gradients=False)


@forced.check(
    "a target changes the logits after it, and none before",
    points=0.5,
    after="the first logits come from bos",
    suspect="a decoder that reads the word which it should predict, or its own words",
    experiment="change targets[:, 2] and look where the logits change: from place 3 on",
)
def forced_causal(student: Subject, draw: Draw) -> None:
    _, (step, targets, state, context, bos_id) = forcing(student, draw)
    t = int(draw.integers(1, targets.shape[1] - 2))
    other = targets.clone()
    other[:, t] = (targets[:, t] + 1) % V
    before, after = (expect(student(step, rows, state, context, bos_id)).tensor() for rows in (targets, other))
    if before.shape != after.shape or not torch.equal(before[:, : t + 1], after[:, : t + 1]):
        raise CheckFailed(f"the logits up to place {t} to stay when target {t} changes", "other logits")
    if not bool((before[:, t + 1 :] != after[:, t + 1 :]).any()):
        raise CheckFailed(f"the logits after place {t} to change when target {t} changes", "the same logits")


@forced.check(
    "one step for each target",
    points=0.5,
    after="the first logits come from bos",
    suspect="a loop that runs once too often, or stops before the last target",
    experiment="count the calls of decoder: there are as many as targets",
)
def forced_calls(student: Subject, draw: Draw) -> None:
    _, (step, targets, state, context, bos_id) = forcing(student, draw)
    expect(student.calls(step, targets, state, context, bos_id), "the number of steps").close(targets.shape[1])


@forced.check(
    "gradients flow back through all steps to state and context",
    points=0.75,
    after="every step reads the target before, and the state that the last step left",
    suspect="a detach() or no_grad() on the way",
    experiment="call .sum().backward() on the last logits and print state.grad",
)
def forced_gradients(student: Subject, draw: Draw) -> None:
    _, arguments = forcing(student, draw)
    student.agrees(*arguments)


forced.good_manners(forcing, after="the first logits come from bos", points=0.25)

# -------------------------------------------------------------------------------------------------- greedy_decode

greedy = Exercise("greedy_decode", points=6, paper="Sutskever et al. 2014, section 3.2")


def spelling(draw: Draw, lengths: list[int], ids: tuple[int, int, int], gap: float = 0.1) -> tuple[Supplied, Tensor]:
    """A step that spells a sentence of each length, eos counted, and its states at the beginning.

    The next word depends on the sentence, the place and the word before. The logits of two words differ by `gap` or
    more; eos is as good as certain at its place and impossible elsewhere, and pad is less likely still.
    """
    _, eos_id, pad_id = ids
    B, places = len(lengths), max(lengths) + 2
    logits = draw.normal(B, places, V, V).argsort(dim=-1).double() * gap
    logits[..., eos_id], logits[..., pad_id] = -100.0, -200.0
    for sentence, length in zip(logits, lengths, strict=True):
        sentence[length - 1, :, eos_id] = 100.0
    states = torch.arange(B * places).view(B, places)
    following = torch.cat([states[:, 1:], states[:, -1:]], dim=1)
    tables = {"logits": logits.flatten(0, 1), "successor": following.flatten()[:, None].repeat(1, V)}
    return Supplied("automaton", tables), states[:, 0]


def several_lengths(draw: Draw) -> list[int]:
    """Four lengths; neither the first sentence nor the last is the shortest or the longest."""
    shortest, second, third, longest = sorted(draw.sizes(4))
    return [second, shortest, longest, third]


def small_decoder(student: Subject, draw: Draw) -> tuple[Subject, tuple[Value, ...]]:
    B, d_model = draw.sizes(2)
    return student, (recurrence(draw, d_model), draw.normal(B, d_model), *marks(draw), 7)


@greedy.check(
    "the first word is the most likely one after bos",
    points=0.75,
    suspect="the first token (bos_id, whatever its number), or the axis of the argmax",
    experiment="call it with max_length=1 and compare with step(bos, state)[0].argmax(dim=-1)",
)
def greedy_first(student: Subject, draw: Draw) -> None:
    ids = marks(draw)
    step, state = spelling(draw, [5] * 12, ids)
    student.agrees(step, state, *ids, 1, gradients=False)


@greedy.check(
    "one sentence, word by word, up to its eos",
    points=1.25,
    after="the first word is the most likely one after bos",
    suspect="the word or the state that goes into the next step, or where the loop ends",
    experiment="print the token and the state before each step",
)
def greedy_sentence(student: Subject, draw: Draw) -> None:
    ids = marks(draw)
    length = int(draw.integers(8, 13))
    step, state = spelling(draw, [length], ids)
    student.agrees(step, state, *ids, length + 3, gradients=False)


@greedy.check(
    "several sentences: after an eos only padding, up to the longest",
    points=1.5,
    after="the first word is the most likely one after bos",
    suspect="a sentence that is not remembered as ended, or a batch that ends with its first one",
    experiment="decode sentences of 2 and 5 tokens together: the first has three pads after its eos",
)
def greedy_batch(student: Subject, draw: Draw) -> None:
    ids = marks(draw)
    lengths = several_lengths(draw)
    step, state = spelling(draw, lengths, ids)
    student.agrees(step, state, *ids, max(lengths) + 3, gradients=False)


@greedy.check(
    "it stops after max_length tokens",
    points=0.75,
    after="the first word is the most likely one after bos",
    suspect="a loop that counts bos, or one step too many or too few",
    experiment="call it with max_length=4 on a step that never says eos: the answer has 4 columns",
)
def greedy_stops(student: Subject, draw: Draw) -> None:
    ids = marks(draw)
    lengths = several_lengths(draw)
    step, state = spelling(draw, lengths, ids)
    student.agrees(step, state, *ids, max(lengths) - 1, gradients=False)


@greedy.check(
    "no step is taken once all sentences have ended",
    points=1,
    after="the first word is the most likely one after bos",
    suspect="a loop that always runs to max_length",
    experiment="count the calls of step: as many as the longest sentence has tokens",
)
def greedy_calls(student: Subject, draw: Draw) -> None:
    ids = marks(draw)
    lengths = several_lengths(draw)
    step, state = spelling(draw, lengths, ids)
    expect(student.calls(step, state, *ids, 3 * max(lengths)), "the number of steps").close(max(lengths))


greedy.good_manners(
    small_decoder, after="the first word is the most likely one after bos", points=0.375, floating=False
)

# ---------------------------------------------------------------------------------------------------- beam_search

beam = Exercise("beam_search", points=6, paper="Sutskever et al. 2014, section 3.2; Wu et al. 2016, section 7")


def finds(student: Subject, arguments: tuple[Value, ...], best: tuple[list[int], float]) -> None:
    """The program finds these tokens with this score, which is judged in float32: some write it as a number."""
    tokens, score = expect_values(student(*arguments), "tokens", "score")
    expect(tokens.value, "the tokens").close(torch.tensor(best[0]))
    expect(torch.tensor(score.number()), "the score").close(torch.tensor(best[1]))


def finds_what_the_reference_finds(student: Subject, *arguments: Value) -> None:
    tokens, score = expect_values(student.expected(*arguments), "tokens", "score")
    finds(student, arguments, (tokens.tensor().tolist(), score.number()))


def scripted(
    draw: Draw, bos_id: int, eos_id: int, script: Mapping[tuple[int, ...], Mapping[int, float]], vocab_size: int = V
) -> tuple[Supplied, Tensor]:
    """A step that gives the words after each of these beginnings these probabilities, and its state at the beginning.

    All other words share what is left nearly evenly, as all words do off the script, but eos is rare unless the script
    names it. A constant is added to the logits of every step.
    """
    places = {beginning: number for number, beginning in enumerate(script, start=1)}
    lost = len(script) + 1
    logits = draw.normal(lost + 1, vocab_size, vocab_size).argsort(dim=-1).double() / (2 * vocab_size)
    logits[..., eos_id] = -9.0
    successor = torch.full((lost + 1, vocab_size), lost)
    for beginning, probabilities in script.items():
        state, token = (places[beginning[:-1]], beginning[-1]) if beginning else (0, bos_id)
        successor[state, token] = places[beginning]
        left = logits[state, token].exp()
        left[list(probabilities)] = 0.0
        row = left / left.sum() * (1 - sum(probabilities.values()))
        for word, probability in probabilities.items():
            row[word] = probability
        logits[state, token] = row.log() + draw.uniform(1.0, 3.0)
    return Supplied("automaton", {"logits": logits, "successor": successor}), torch.tensor([0])


def best_of_all(
    step: Supplied, state: Tensor, bos_id: int, eos_id: int, max_length: int, penalty: float
) -> list[tuple[float, list[int]]]:
    """The two best of all sentences that end in eos or have max_length tokens, each with its score."""
    ranked, tokens, sums = list[tuple[float, list[int]]](), torch.tensor([[bos_id]]), torch.zeros(1)
    for length in range(1, max_length + 1):
        logits, state = Counted(step)(tokens[:, -1], state)
        count, vocab_size = logits.shape
        sums = (sums[:, None] + logits.log_softmax(dim=-1)).flatten()
        word = torch.arange(vocab_size).repeat(count)
        tokens = torch.cat([tokens.repeat_interleave(vocab_size, 0), word[:, None]], dim=1)
        state = state.repeat_interleave(vocab_size, 0)
        over = (word == eos_id) | (length == max_length)
        ranked += zip((sums[over] / length**penalty).tolist(), tokens[over, 1:].tolist(), strict=True)
        tokens, sums, state = tokens[~over], sums[~over], state[~over]
    return sorted(ranked, reverse=True)[:2]


def hidden_sentence(draw: Draw) -> tuple[Supplied, Tensor, int, int]:
    """A step, its state, bos and eos. The best sentence has three tokens if the length penalty is 0.9 or more: its
    first and its second are not the likeliest, and eos alone has the greater sum.
    """
    bos_id, eos_id, _ = ids = marks(draw, 6)
    a, b, c = different_words(draw, ids, 3, 6)
    script = {
        (): {eos_id: draw.uniform(0.4, 0.43), a: draw.uniform(0.36, 0.39)},
        (a,): {b: draw.uniform(0.44, 0.47), c: draw.uniform(0.4, 0.43)},
        (a, b): {},
        (a, c): {eos_id: draw.uniform(0.85, 0.95)},
    }
    return *scripted(draw, bos_id, eos_id, script, 6), bos_id, eos_id


def any_model(draw: Draw) -> tuple[Supplied, Tensor, int, int]:
    """A step whose tables are random, its state, bos and eos."""
    logits, successor = draw.normal(7, 5, 5, scale=1.5), draw.integers(0, 7, 7, 5)
    bos_id, eos_id, _ = marks(draw, 5)
    return Supplied("automaton", {"logits": logits, "successor": successor}), torch.tensor([0]), bos_id, eos_id


def with_a_clear_winner(
    draw: Draw, model: Callable[[Draw], tuple[Supplied, Tensor, int, int]]
) -> tuple[tuple[Value, ...], tuple[list[int], float]]:
    """Arguments with a beam for all sentences, and the best sentence with its score; no other is nearly as good."""
    while True:
        step, state, bos_id, eos_id = model(draw)
        max_length, penalty = 4, draw.uniform(0.9, 1.1)
        (score, tokens), (runner_up, _) = best_of_all(step, state, bos_id, eos_id, max_length, penalty)
        if score - runner_up > 1e-3:
            return (step, state, bos_id, eos_id, max_length, 2_000, penalty), (tokens, score)


def walk(step: Supplied, state: Tensor, bos_id: int, eos_id: int, max_length: int) -> tuple[list[int], float]:
    """The most likely word at every step up to eos, and the sum of their log-probabilities."""
    tokens, total = [bos_id], 0.0
    while len(tokens) <= max_length and tokens[-1] != eos_id:
        logits, state = Counted(step)(torch.tensor(tokens[-1:]), state)
        log_probability, word = logits[0].log_softmax(dim=0).max(dim=0)
        tokens.append(int(word))
        total += float(log_probability)
    return tokens[1:], total


def small_search(student: Subject, draw: Draw) -> tuple[Subject, tuple[Value, ...]]:
    (d_model,) = draw.sizes(1)
    bos_id, eos_id, _ = marks(draw)
    return student, (recurrence(draw, d_model), draw.normal(1, d_model), bos_id, eos_id, 4, 3, 0.7)


@beam.check(
    "a beam of one is greedy search, with its score",
    points=1.25,
    suspect="the score: log_softmax of the logits, summed, divided by T ** length_penalty, eos counted in T",
    experiment="call it with width=1 and length_penalty=0, and compare with the sum of the chosen log-probabilities",
)
def beam_of_one(student: Subject, draw: Draw) -> None:
    ids = bos_id, eos_id, _ = marks(draw)
    for length, max_length in ((7, 10), (12, 9)):
        step, state = spelling(draw, [length], ids, gap=2.0)  # so sharp that greedy search is the best
        penalty = draw.uniform(0.4, 0.8)
        tokens, total = walk(step, state, bos_id, eos_id, max_length)
        arguments = (step, state, bos_id, eos_id, max_length, 1, penalty)
        finds(student, arguments, (tokens, total / len(tokens) ** penalty))


@beam.check(
    "a beam of two leaves the trap that greedy search falls into",
    points=1,
    after="a beam of one is greedy search, with its score",
    suspect="hypotheses that are all copies of one, or that get the state of another",
    experiment="print all hypotheses after each step: are they different, and does each carry its own state?",
)
def beam_of_two(student: Subject, draw: Draw) -> None:
    bos_id, eos_id, _ = ids = marks(draw)
    a, b, c = different_words(draw, ids, 3)
    script = {(): {a: 0.5, b: 0.35}, (a,): {}, (b,): {c: 0.9}, (b, c): {eos_id: 0.95}}
    step, state = scripted(draw, bos_id, eos_id, script)
    finds_what_the_reference_finds(student, step, state, bos_id, eos_id, 6, 2, 0.0)


@beam.check(
    "a beam keeps the best `width` of all extensions, and no more",
    points=0.75,
    after="a beam of one is greedy search, with its score",
    suspect="extensions that are chosen for each hypothesis by itself instead of among all",
    experiment="print how many hypotheses there are after each step: never more than width",
)
def beam_is_narrow(student: Subject, draw: Draw) -> None:
    bos_id, eos_id, _ = ids = marks(draw)
    a, b, c, d, e = different_words(draw, ids, 5)
    script = {
        (): {a: 0.6, b: 0.3},
        (a,): {c: 0.45, d: 0.4},  # 0.27 and 0.24, before (b, e) with 0.21
        (b,): {e: 0.7},
        (a, c): {eos_id: 0.5},
        (a, d): {},
        (b, e): {eos_id: 0.95},  # 0.2, the best sentence
    }
    step, state = scripted(draw, bos_id, eos_id, script)
    for width in (2, 3):
        finds_what_the_reference_finds(student, step, state, bos_id, eos_id, 6, width, 0.0)


@beam.check(
    "a beam that is wide enough finds the best of all sentences",
    points=1.25,
    after="a beam of one is greedy search, with its score",
    suspect="a search that stops at the first eos, loses what has ended, or cannot be wider than its candidates",
    experiment="call it with a vocabulary of 3, max_length=2 and width=100: it should go through all 7 sentences",
)
def beam_is_exhaustive(student: Subject, draw: Draw) -> None:
    for model in (hidden_sentence, any_model, any_model):
        arguments, best = with_a_clear_winner(draw, model)
        finds(student, arguments, best)


@beam.check(
    "the length penalty counts whenever hypotheses are compared",
    points=0.5,
    suspect="hypotheses that are kept by their sum, and only at the end compared by their score",
    experiment="with length_penalty=1, print the scores of those that were kept and of those that were not",
)
def beam_penalty(student: Subject, draw: Draw) -> None:
    bos_id, eos_id, _ = ids = marks(draw)
    a, b, c = different_words(draw, ids, 3)
    script = {
        (): {a: 0.55, eos_id: 0.3},
        (a,): {b: 0.5, c: 0.4},  # by the sum eos is before (a, c), by the mean it is behind
        (a, b): {},
        (a, c): {eos_id: 0.95},
    }
    step, state = scripted(draw, bos_id, eos_id, script)
    finds_what_the_reference_finds(student, step, state, bos_id, eos_id, 6, 2, 1.0)


@beam.check(
    "no step is taken once all hypotheses have ended",
    points=0.5,
    after="a beam of one is greedy search, with its score",
    suspect="a loop that always runs to max_length, or hypotheses that are extended after their eos",
    experiment="count the calls of step on a model that says eos after one word",
)
def beam_calls(student: Subject, draw: Draw) -> None:
    bos_id, eos_id, _ = marks(draw)
    logits = draw.normal(2, V, V).argsort(dim=-1).double() / V
    logits[:, :, eos_id] = torch.tensor([-30.0, 30.0])[:, None]  # every sentence is a word and eos
    step = Supplied("automaton", {"logits": logits, "successor": torch.ones(2, V, dtype=torch.int64)})
    width = 3
    calls = student.calls(step, torch.tensor([0]), bos_id, eos_id, 12, width, 0.5)
    if not calls <= 2 * width:
        raise CheckFailed(f"at most one call for each hypothesis of 2 steps, {2 * width} together", f"{calls} calls")


beam.good_manners(small_search, after="a beam of one is greedy search, with its score", points=0.375, floating=False)


# ---------------------------------------------------------------------------------------------------- exact_match

exact = Exercise("exact_match", points=3, paper="Rajpurkar et al. 2016, section 6.1 (exact match)")


def pairs(draw: Draw) -> tuple[Tensor, Tensor, Tensor, int]:
    """Predictions that are their references, the references, how many words each has, and eos.

    No word occurs twice in a sentence. References are padded with pad; predictions are wider, and after their eos come
    other words and a second eos.
    """
    B, S, more = draw.sizes(3, 5, 13)
    _, eos_id, pad_id = ids = marks(draw)
    lengths = draw.integers(3, S, B)
    lengths[0], lengths[-1] = 3, S
    references = torch.stack([torch.tensor([*different_words(draw, ids, S), pad_id]) for _ in range(B)])
    place = torch.arange(S + 1)
    references[place == lengths[:, None]] = eos_id
    references[place > lengths[:, None]] = pad_id
    predictions = words(draw, ids, B, S + 1 + more)
    predictions[:, : S + 1] = torch.where(place <= lengths[:, None], references, predictions[:, : S + 1])
    predictions[:, -1] = eos_id
    return predictions, references, lengths, eos_id


def numbered_pairs(student: Subject, draw: Draw) -> tuple[Subject, tuple[Value, ...]]:
    predictions, references, _, eos_id = pairs(draw)
    return student, (predictions, references, eos_id)


@exact.check(
    "equal up to eos is a match, whatever follows",
    points=0.5,
    suspect="tokens after the first eos that are compared too",
    experiment="compare [[7, 8, 2, 9]] with [[7, 8, 2, 0, 0]], eos being 2: the answer is 1.0",
)
def equal_up_to_eos(student: Subject, draw: Draw) -> None:
    predictions, references, _, eos_id = pairs(draw)
    expect(student(predictions, references, eos_id), "the share").close(1.0)


@exact.check(
    "one wrong word, or two exchanged, make a sentence wrong",
    points=1,
    after="equal up to eos is a match, whatever follows",
    suspect="words that are counted instead of sentences, or what the number is divided by",
    experiment="with one of four sentences wrong the answer is 0.75",
)
def wrong_words(student: Subject, draw: Draw) -> None:
    predictions, references, _, eos_id = pairs(draw)
    predictions[0, 0] = references[0, 1]
    predictions[1, :2] = references[1, :2].flip(0)
    expect(student(predictions, references, eos_id), "the share").close(1 - 2 / len(references))


@exact.check(
    "a sentence that is too short or too long is wrong",
    points=0.5,
    after="equal up to eos is a match, whatever follows",
    suspect="a comparison that ends with the shorter of the two",
    experiment="compare [[7, 2, 8]] and [[7, 8, 9, 2]] with [[7, 8, 2]], eos being 2: the answer is 0.0 both times",
)
def wrong_length(student: Subject, draw: Draw) -> None:
    predictions, references, lengths, eos_id = pairs(draw)
    predictions[0, lengths[0] - 1] = eos_id
    predictions[1, lengths[1]] = references[1, 0]
    predictions[1, lengths[1] + 1] = eos_id
    expect(student(predictions, references, eos_id), "the share").close(1 - 2 / len(references))


@exact.check(
    "a prediction without eos has not ended",
    points=0.5,
    after="equal up to eos is a match, whatever follows",
    suspect="a prediction that was cut before its eos and counts as right",
    experiment="compare [[7, 8]] with [[7, 8, 2]], eos being 2: the answer is 0.0",
)
def no_eos(student: Subject, draw: Draw) -> None:
    _, references, lengths, eos_id = pairs(draw)
    cut = references[:, : int(lengths.max())].clone()  # the longest sentence, the last one, has lost its eos
    cut[0, 0] = references[0, 1]  # and the first one is wrong, so that not all that ended are right
    expect(student(cut, references, eos_id), "the share").close(1 - 2 / len(references))


@exact.check(
    "as many predictions as references, or ValueError",
    points=0.25,
    after="equal up to eos is a match, whatever follows",
    suspect="a missing comparison of the two lengths",
    experiment="call it with three predictions and two references",
)
def refuses_counts(student: Subject, draw: Draw) -> None:
    predictions, references, _, eos_id = pairs(draw)
    few = 2
    student.refuses(predictions, references[:few], eos_id, mentions=(len(predictions), few))


exact.good_manners(numbered_pairs, after="equal up to eos is a match, whatever follows", points=0.125, floating=False)
