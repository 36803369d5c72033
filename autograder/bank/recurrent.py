"""Unit 01: what a recurrent network remembers."""

from __future__ import annotations

import torch
from torch import Tensor

from autograder.checks import CheckFailed, Draw, Exercise, Subject, expect, expect_values
from autograder.checks.chance import MANY, expect_frequencies, expect_from_generator, expect_independent
from autograder.checks.compare import describe
from autograder.checks.request import Seeded, Supplied, Value

# ------------------------------------------------------------------------------------------------------- rnn_step

rnn = Exercise("rnn_step", points=3, paper="Elman 1990; torch.nn.RNN")


def cell(draw: Draw, gates: int) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]:
    """An input and a state, weights for both, and two biases; batch, input and state have their own sizes."""
    B, width, D = draw.sizes(3)
    weights = draw.normal(gates * D, width, scale=0.5), draw.normal(gates * D, D, scale=0.5)
    return draw.normal(B, width), draw.normal(B, D), *weights, draw.normal(gates * D), draw.normal(gates * D)


def vanilla(student: Subject, draw: Draw) -> tuple[Subject, tuple[Tensor, ...]]:
    *arguments, _ = cell(draw, 1)
    return student, tuple(arguments)


@rnn.check(
    "nothing comes in and nothing is remembered: the tanh of the bias",
    points=0.5,
    suspect="the bias: inside the tanh, once",
    experiment="call it with x and h of zeros and compare with bias.tanh()",
)
def only_bias(student: Subject, draw: Draw) -> None:
    x, h, weight_ih, weight_hh, bias, _ = cell(draw, 1)
    expect(student(x * 0, h * 0, weight_ih, weight_hh, bias)).close(bias.tanh().expand_as(h))


@rnn.check(
    "an input without a memory",
    points=0.5,
    suspect="the product of x with weight_ih (D, I)",
    experiment="make x a row of the identity matrix: the bias apart, a column of weight_ih is added",
)
def only_input(student: Subject, draw: Draw) -> None:
    x, h, weight_ih, weight_hh, bias, _ = cell(draw, 1)
    student.agrees(x, h * 0, weight_ih, weight_hh, bias, gradients=False)


@rnn.check(
    "a memory without an input",
    points=0.5,
    suspect="the product of h with weight_hh: its rows belong to the new state, its columns to the old one",
    experiment="make h a row of the identity matrix: the bias apart, a column of weight_hh is added",
)
def only_memory(student: Subject, draw: Draw) -> None:
    x, h, weight_ih, weight_hh, bias, _ = cell(draw, 1)
    student.agrees(x * 0, h, weight_ih, weight_hh, bias, gradients=False)


@rnn.check(
    "the next state for random numbers",
    points=0.5,
    after="nothing comes in and nothing is remembered: the tanh of the bias",
    suspect="where the tanh is taken: once, of the whole sum",
    experiment="copy the weights into nn.RNNCell, with zeros for its second bias, and compare",
)
def vanilla_numbers(student: Subject, draw: Draw) -> None:
    _, arguments = vanilla(student, draw)
    student.agrees(*arguments, gradients=False)


@rnn.check(
    "gradients reach the input, the state and all weights",
    points=0.25,
    after="the next state for random numbers",
    suspect="a detach() or no_grad() on the way: through h flows back-propagation through time",
    experiment="call .sum().backward() on the next state and print h.grad",
)
def vanilla_gradients(student: Subject, draw: Draw) -> None:
    _, arguments = vanilla(student, draw)
    student.agrees(*arguments)


rnn.good_manners(vanilla, after="the next state for random numbers", points=0.25)

# ------------------------------------------------------------------------------------------------------ lstm_step

lstm = Exercise("lstm_step", points=5, paper="Hochreiter and Schmidhuber 1997; Gers et al. 2000; torch.nn.LSTM")

OPEN = 40.0
"""The sum before the sigmoid at which a gate is open: 1 - sigmoid(40) is below the rounding of float64."""


def long_short(student: Subject, draw: Draw) -> tuple[Subject, tuple[Value, ...]]:
    """The cell holds numbers that no tanh could give."""
    x, h, weight_ih, weight_hh, bias, _ = cell(draw, 4)
    return student, (x, (h, draw.normal(*h.shape, scale=3.0)), weight_ih, weight_hh, bias)


def gated_by_bias(draw: Draw, **gates: float) -> tuple[Tensor, Tensor, Tensor, tuple[Value, ...]]:
    """h, c, the bias with an axis for the gates, and arguments in which only the bias counts; gates it opens or shuts.

    The weights are zero, so that the bias alone is what comes before the gates.
    """
    x, h, weight_ih, weight_hh, bias, _ = cell(draw, 4)
    c, bias = draw.normal(*h.shape, scale=3.0), bias.view(4, -1)
    for name, value in gates.items():
        bias["ifgo".index(name)] = value
    return h, c, bias, (x, (h, c), weight_ih * 0, weight_hh * 0, bias.flatten())


@lstm.check(
    "forget gate open, input gate shut: the cell keeps what it holds",
    points=0.75,
    suspect="the order of the gates (i, f, g, o), or h and c exchanged, in the state or in what is returned",
    experiment="print the four gates: with this bias i is 0 and f is 1, so that c must come back as it was",
)
def keeps(student: Subject, draw: Draw) -> None:
    _, c, _, arguments = gated_by_bias(draw, i=-OPEN, f=OPEN)
    _, cell_state = expect_values(student(*arguments), "h", "c")
    cell_state.close(c)


@lstm.check(
    "forget gate shut, input gate open: the cell takes the candidate",
    points=0.75,
    suspect="the candidate g: the third quarter of the rows, and a tanh",
    experiment="with this bias the new c is the tanh of the bias's third quarter, whatever the old c was",
)
def takes(student: Subject, draw: Draw) -> None:
    _, c, bias, arguments = gated_by_bias(draw, i=OPEN, f=-OPEN)
    _, cell_state = expect_values(student(*arguments), "h", "c")
    cell_state.close(bias[2].tanh().expand_as(c))


@lstm.check(
    "h is the tanh of the new cell behind the output gate",
    points=0.5,
    after="forget gate shut, input gate open: the cell takes the candidate",
    suspect="h = o ⊙ tanh(c) with the new c, and o a sigmoid of the last quarter of the rows",
    experiment="compare your h with o * c.tanh() for the c that you return",
)
def lets_out(student: Subject, draw: Draw) -> None:
    _, c, bias, arguments = gated_by_bias(draw, i=OPEN, f=-OPEN)
    shown, _ = expect_values(student(*arguments), "h", "c")
    shown.close((bias[3].sigmoid() * bias[2].tanh().tanh()).expand_as(c))


@lstm.check(
    "the next state for random numbers",
    points=1,
    suspect="how weights of 4·D rows are cut into gates, or a gate that is left half open",
    experiment="copy the weights into nn.LSTMCell, with zeros for its second bias, and compare",
)
def long_short_numbers(student: Subject, draw: Draw) -> None:
    _, arguments = long_short(student, draw)
    student.agrees(*arguments, gradients=False)


@lstm.check(
    "gradients reach the input, both states and all weights",
    points=0.5,
    after="the next state for random numbers",
    suspect="a detach() on h or c: through c the gradient lasts",
    experiment="call .sum().backward() on the new c and print the gradients of the old h and c",
)
def long_short_gradients(student: Subject, draw: Draw) -> None:
    _, arguments = long_short(student, draw)
    student.agrees(*arguments)


lstm.good_manners(long_short, after="the next state for random numbers")

# ------------------------------------------------------------------------------------------------------- gru_step

gru = Exercise("gru_step", points=5, paper="Cho et al. 2014, section 2.3; torch.nn.GRU")


def gated(student: Subject, draw: Draw) -> tuple[Subject, tuple[Tensor, ...]]:
    return student, cell(draw, 3)


def half_of_each(draw: Draw, **gates: float) -> tuple[Tensor, ...]:
    """A cell whose gates the two biases open or shut together; the weights of these gates are zero."""
    x, h, weight_ih, weight_hh, bias_ih, bias_hh = cell(draw, 3)
    D = h.shape[1]
    for name, value in gates.items():
        rows = slice("rz".index(name) * D, ("rz".index(name) + 1) * D)
        weight_ih[rows], weight_hh[rows] = 0.0, 0.0
        bias_ih[rows], bias_hh[rows] = value / 2, value / 2
    return x, h, weight_ih, weight_hh, bias_ih, bias_hh


@gru.check(
    "update gate at 1: the state stays",
    points=0.75,
    suspect="the sense of the update gate: h' = (1 - z) ⊙ n + z ⊙ h",
    experiment="set z to ones by hand: h must come back as it was",
)
def stays(student: Subject, draw: Draw) -> None:
    arguments = half_of_each(draw, z=OPEN)
    expect(student(*arguments), "the next state").close(arguments[1])


@gru.check(
    "update gate at 0, reset gate at 0: the candidate sees the input alone",
    points=0.75,
    suspect="what the reset gate takes away: r ⊙ (W_hn h + b_hn), the bias included",
    experiment="set r to zeros by hand: the candidate must be tanh(W_in x + b_in)",
)
def resets(student: Subject, draw: Draw) -> None:
    x, h, weight_ih, weight_hh, bias_ih, bias_hh = half_of_each(draw, r=-OPEN, z=-OPEN)
    candidate = slice(2 * h.shape[1], None)
    expected = (x @ weight_ih[candidate].T + bias_ih[candidate]).tanh()
    expect(student(x, h, weight_ih, weight_hh, bias_ih, bias_hh), "the next state").close(expected)


@gru.check(
    "update gate at 0, reset gate at 1: the candidate sees input and state",
    points=0.75,
    suspect="the candidate: a tanh of the last third of the rows, with both biases",
    experiment="set z to zeros and r to ones by hand: this is rnn_step with the last third of the weights",
)
def candidate_of_both(student: Subject, draw: Draw) -> None:
    student.agrees(*half_of_each(draw, r=OPEN, z=-OPEN), gradients=False)


@gru.check(
    "the next state for random numbers",
    points=0.75,
    after="update gate at 1: the state stays",
    suspect="the order of the rows (r, z, n), or which bias stands inside the reset gate",
    experiment="copy the weights into nn.GRUCell and compare",
)
def gated_numbers(student: Subject, draw: Draw) -> None:
    _, arguments = gated(student, draw)
    student.agrees(*arguments, gradients=False)


@gru.check(
    "gradients reach the input, the state and all weights",
    points=0.5,
    after="the next state for random numbers",
    suspect="a detach() on h, in the gates or in what is kept",
    experiment="call .sum().backward() on the next state and print h.grad",
)
def gated_gradients(student: Subject, draw: Draw) -> None:
    _, arguments = gated(student, draw)
    student.agrees(*arguments)


gru.good_manners(gated, after="the next state for random numbers")

# --------------------------------------------------------------------------------------------------------- unroll

unroll = Exercise("unroll", points=4, paper="Rumelhart, Hinton, Williams 1986 (networks unrolled in time)")


def recurrence(draw: Draw, *, pair: bool = False, memory: float = 0.4) -> tuple[Supplied, Tensor, Value]:
    """A step, inputs and a first state, which is a pair of tensors or one. memory: the size of weight_hh."""
    B, T, width, D, width_out = draw.sizes(5)
    numbers = {
        "weight_ih": draw.normal(D, width, scale=0.4),
        "weight_hh": draw.normal(D, D, scale=memory),
        "bias": draw.normal(D, scale=0.4),
        "weight_out": draw.normal(width_out, D),
    }
    step = Supplied("recurrent_pair" if pair else "recurrent", numbers)
    h, c = draw.normal(B, D), draw.normal(B, D)
    return step, draw.normal(B, T, width), (h, c) if pair else h


def sequences(student: Subject, draw: Draw) -> tuple[Subject, tuple[Value, ...]]:
    return student, recurrence(draw)


@unroll.check(
    "a sequence of one input: the step's output and its state",
    points=0.5,
    suspect="what a step returns: the output first, the next state second",
    experiment="with T = 1 compare outputs[:, 0] and the final state with what step(inputs[:, 0], state) returns",
)
def one_input(student: Subject, draw: Draw) -> None:
    step, inputs, state = recurrence(draw)
    student.agrees(step, inputs[:, :1], state, gradients=False)


@unroll.check(
    "the output of every step, batch first and in order",
    points=0.75,
    suspect="the axis along which the outputs are stacked, or a state that is not handed on",
    experiment="print the shape of the outputs: it should be (B, T, O)",
)
def every_output(student: Subject, draw: Draw) -> None:
    step, inputs, state = recurrence(draw)
    outputs, _ = expect_values(student(step, inputs, state), "outputs", "final state")
    expected, _ = expect_values(student.expected(step, inputs, state), "outputs", "final state")
    outputs.close(expected.value)


@unroll.check(
    "the state after the last step",
    points=0.5,
    suspect="which state is returned: the one that the last step gave",
    experiment="unroll a sequence in two halves, the second from where the first ended: the same final state?",
)
def final_state(student: Subject, draw: Draw) -> None:
    step, inputs, state = recurrence(draw)
    _, final = expect_values(student(step, inputs, state), "outputs", "final state")
    _, expected = expect_values(student.expected(step, inputs, state), "outputs", "final state")
    final.close(expected.value)


@unroll.check(
    "a state of two tensors is handed on whole",
    points=0.5,
    after="a sequence of one input: the step's output and its state",
    suspect="code that takes the state apart, or expects a tensor",
    experiment="call it with a step whose state is (h, c), as that of an LSTM",
)
def state_of_two(student: Subject, draw: Draw) -> None:
    student.agrees(*recurrence(draw, pair=True), gradients=False)


@unroll.check(
    "one call of the step for each input",
    points=0.5,
    after="the output of every step, batch first and in order",
    suspect="a step that is called once for its output and again for its state",
    experiment="count the calls: T inputs take T of them",
)
def calls_of_unroll(student: Subject, draw: Draw) -> None:
    expect_calls(student, recurrence(draw))


def expect_calls(student: Subject, arguments: tuple[Supplied, Tensor, Value]) -> None:
    T = arguments[1].shape[1]
    if (calls := student.calls(*arguments)) != T:
        raise CheckFailed(f"{T} calls of the step for {T} inputs", f"{calls} calls")


@unroll.check(
    "gradients reach every input and the first state",
    points=0.5,
    after="the output of every step, batch first and in order",
    suspect="a detach() between the steps, which cuts back-propagation through time",
    experiment="call outputs[:, -1].sum().backward() and print inputs.grad[:, 0]",
)
def unroll_gradients(student: Subject, draw: Draw) -> None:
    student.agrees(*recurrence(draw))
    student.agrees(*recurrence(draw, pair=True))


unroll.good_manners(sequences, after="the output of every step, batch first and in order", points=0.25)

# ----------------------------------------------------------------------------------------- sequence_cross_entropy

loss = Exercise("sequence_cross_entropy", points=5, paper="Goodfellow et al. 2016, sections 5.5 and 10.2.1")


def sentences(draw: Draw) -> tuple[Tensor, Tensor, int]:
    """Logits, targets without padding, and an id of padding that is not 0: that is a word, and the last target."""
    B, T, V = draw.sizes(3)
    pad_id = int(draw.integers(1, V, 1))
    words = draw.integers(0, V - 1, B, T)
    words[-1, -1] = 0
    return draw.normal(B, T, V), words + (words >= pad_id), pad_id


def padded_sentences(draw: Draw) -> tuple[Tensor, Tensor, int]:
    """The same with padding anywhere. The first sentence has one real token, and not at its beginning; the others have
    two or more: so no other mean and no cut after so many tokens gives the same number.
    """
    logits, targets, pad_id = sentences(draw)
    real = draw.allowed(*targets.shape)
    real[0] = torch.arange(targets.shape[1]) == draw.integers(1, targets.shape[1], 1)
    return logits, targets.where(real, pad_id), pad_id


def typical_sentences(student: Subject, draw: Draw) -> tuple[Subject, tuple[Value, ...]]:
    return student, padded_sentences(draw)


@loss.check(
    "a model that knows nothing loses log V",
    points=0.5,
    suspect="the logarithm, its sign, or the axis of the softmax: the last one, V",
    experiment="call it with logits of zeros: every token has the probability 1/V",
)
def knows_nothing(student: Subject, draw: Draw) -> None:
    logits, targets, pad_id = sentences(draw)
    uniform = logits[:, :, :1].expand_as(logits).contiguous()
    expect(student(uniform, targets, pad_id), "the loss").close(torch.tensor(float(logits.shape[2])).double().log())


@loss.check(
    "random logits, no padding",
    points=0.5,
    after="a model that knows nothing loses log V",
    suspect="whose probability is taken: that of the target at the same place",
    experiment="compare with F.cross_entropy(logits[0, :1], targets[0, :1]) for a batch of one token",
)
def loss_numbers(student: Subject, draw: Draw) -> None:
    student.agrees(*sentences(draw), gradients=False)


@loss.check(
    "the mean over the real tokens of the whole batch",
    points=1,
    after="a model that knows nothing loses log V",
    suspect="what the sum is divided by: the number of targets that are not pad_id",
    experiment="give one sentence one real token and another one three: the mean divides by four",
)
def mean_over_real(student: Subject, draw: Draw) -> None:
    for _ in range(2):
        student.agrees(*padded_sentences(draw), gradients=False)


@loss.check(
    "padding never matters: neither what the model says there nor how much of it there is",
    points=0.75,
    after="a model that knows nothing loses log V",
    suspect="padding that is counted, in the sum or in what it is divided by",
    experiment="append a column of padding to the batch: the loss must stay as it was",
)
def padding_never_matters(student: Subject, draw: Draw) -> None:
    logits, targets, pad_id = padded_sentences(draw)
    expected = student.expected(logits, targets, pad_id)
    B, T, V = logits.shape
    other = logits.where((targets != pad_id)[:, :, None], draw.normal(B, T, V, scale=30.0))
    expect(student(other, targets, pad_id), "the loss with other logits at the padding").close(expected)
    longer = torch.cat([logits, draw.normal(B, 3, V)], dim=1), torch.cat([targets, targets.new_full((B, 3), pad_id)], 1)
    expect(student(*longer, pad_id), "the loss with three columns of padding more").close(expected)


@loss.check(
    "logits in the thousands stay finite",
    points=0.5,
    after="the mean over the real tokens of the whole batch",
    suspect="an exponential without subtracting the maximum, or the logarithm of a probability that is 0",
    experiment="use log_softmax (or logsumexp) instead of softmax and log",
)
def extreme_logits(student: Subject, draw: Draw) -> None:
    logits, targets, pad_id = padded_sentences(draw)
    student.agrees(logits + 1000, targets, pad_id, gradients=False)
    unlikely = logits.scatter_add(2, targets[:, :, None], logits.new_full((*targets.shape, 1), -1000.0))
    student.agrees(unlikely, targets, pad_id, gradients=False)


@loss.check(
    "a batch of padding only has the loss 0",
    points=0.25,
    after="the mean over the real tokens of the whole batch",
    suspect="a division by zero real tokens, which is NaN",
    experiment="call it with targets that are all pad_id",
)
def nothing_real(student: Subject, draw: Draw) -> None:
    logits, targets, pad_id = padded_sentences(draw)
    expect(student(logits, torch.full_like(targets, pad_id), pad_id), "the loss").close(logits.new_zeros(()))


@loss.check(
    "the gradient: softmax less one at the target, nothing at the padding",
    points=0.75,
    after="the mean over the real tokens of the whole batch",
    suspect="a detach() or a conversion to a Python number on the way",
    experiment="call .backward() on the loss and print logits.grad where the targets are padding",
)
def loss_gradients(student: Subject, draw: Draw) -> None:
    student.agrees(*padded_sentences(draw))


loss.good_manners(typical_sentences, after="the mean over the real tokens of the whole batch", points=0.25)

# ------------------------------------------------------------------------------------------- gradient_by_distance

fading = Exercise("gradient_by_distance", points=4, paper="Bengio, Simard, Frasconi 1994; Pascanu et al. 2013")


@fading.check(
    "a sequence of one input: one norm",
    points=0.5,
    suspect="the gradient of the sum of the output's numbers, its norm over the input's numbers, the mean of the batch",
    experiment="with a linear step of weight W (O, I) the norm is that of W.sum(dim=0), for each sentence",
)
def one_distance(student: Subject, draw: Draw) -> None:
    step, inputs, state = recurrence(draw)
    student.agrees(step, inputs[:, :1], state, gradients=False)


@fading.check(
    "a step that forgets everything: only distance 0 is felt",
    points=0.75,
    suspect="the order: entry 0 belongs to the last input, the last entry to the first input",
    experiment="print the norms of a step that ignores its state: all but entry 0 are zero",
)
def no_memory(student: Subject, draw: Draw) -> None:
    student.agrees(*recurrence(draw, memory=0.0), gradients=False)


@fading.check(
    "the norm at every distance",
    points=1,
    after="a sequence of one input: one norm",
    suspect="which output is differentiated (the last), or how a batch becomes one number (the mean of norms)",
    experiment="call it with a batch of one, then with the same sentence twice: the numbers must not change",
)
def every_distance(student: Subject, draw: Draw) -> None:
    student.agrees(*recurrence(draw), gradients=False)


@fading.check(
    "a state of two tensors",
    points=0.5,
    after="a sequence of one input: one norm",
    suspect="code that takes the state apart, or expects a tensor",
    experiment="call it with a step whose state is (h, c), as that of an LSTM",
)
def distance_with_two(student: Subject, draw: Draw) -> None:
    student.agrees(*recurrence(draw, pair=True), gradients=False)


@fading.check(
    "one call of the step for each input",
    points=0.5,
    after="the norm at every distance",
    suspect="a fresh unrolling for each distance: T² steps where T do",
    experiment="count the calls: one backward pass gives the gradients of all inputs",
)
def calls_of_gradient(student: Subject, draw: Draw) -> None:
    expect_calls(student, recurrence(draw))


fading.good_manners(sequences, after="the norm at every distance", points=0.25)

# -------------------------------------------------------------------------------------------------- sample_tokens

sampling = Exercise("sample_tokens", points=5, paper="Graves 2013, section 2 (prediction and generation)")

PROFILE = (8.0, 4.0, 2.0, 1.0, 1.0)
"""Odds of the tokens where frequencies are judged: far apart at every temperature that is drawn."""


def signposts(draw: Draw) -> tuple[Tensor, Tensor, Tensor]:
    """For every state and token the token that follows and the state that follows, and a shuffled list of the tokens.

    Neither ever follows itself, and in another state another token follows: so a program that forgets to hand on the
    token or the state takes another way from every start.
    """
    N, V = sorted(draw.sizes(2, low=5))
    state, place = torch.arange(N)[:, None], torch.arange(V)[None, :]
    shuffled = draw.normal(V).argsort()  # the token at each place
    following = shuffled[(place + 1 + state) % V]
    successor = (state + 1 + place % (N - 1)) % N
    order = shuffled.argsort()  # the place of each token
    return following[:, order], successor[:, order], shuffled


def walk(draw: Draw, *, gap: float, spread: float, count: int) -> tuple[Value, ...]:
    """A step whose best token is `gap` above all others, which lie `spread` apart, with `count` starts and a length."""
    following, successor, tokens = signposts(draw)
    N, V = following.shape
    logits = draw.normal(N, V, V, scale=spread)
    best = logits.amax(dim=-1, keepdim=True) + gap
    logits = logits.scatter(-1, following[:, :, None], best)
    length = int(draw.integers(4, 8))
    step = Supplied("automaton", {"logits": logits, "successor": successor})
    return step, draw.integers(0, N, count), tokens[draw.integers(0, V, count)], length


def without_choice(student: Subject, draw: Draw) -> tuple[Subject, tuple[Value, ...]]:
    """One token is certain in every state, at any temperature."""
    count = int(draw.integers(9, 12))
    return student, (*walk(draw, gap=300.0, spread=1.0, count=count), draw.uniform(0.5, 2.0), draw.generator())


@sampling.check(
    "where one token is certain, the tokens follow one another",
    points=1,
    suspect="what the next step gets: the token just drawn, and the state that the last step returned",
    experiment="print the tokens and the states that your code passes to step; `first` is passed, and not returned",
)
def certain_tokens(student: Subject, draw: Draw) -> None:
    _, arguments = without_choice(student, draw)
    student.agrees(*arguments, gradients=False)


@sampling.check(
    "one call of the step for each token",
    points=0.5,
    after="where one token is certain, the tokens follow one another",
    suspect="a step after the last token, or a step for each sequence of the batch",
    experiment="count the calls: `length` tokens take `length` of them",
)
def calls_of_sampling(student: Subject, draw: Draw) -> None:
    _, arguments = without_choice(student, draw)
    length = arguments[3]
    if (calls := student.calls(*arguments)) != length:
        raise CheckFailed(f"{length} calls of the step for {length} tokens", f"{calls} calls")


@sampling.check(
    "near temperature 0 the best token is taken",
    points=0.5,
    after="where one token is certain, the tokens follow one another",
    suspect="the direction of the temperature, or an exponential that overflows",
    experiment="call it at temperature 1e-9 and compare with the argmax of the logits",
)
def cold_tokens(student: Subject, draw: Draw) -> None:
    count = int(draw.integers(100, 120))  # so many that chance never finds all of the best tokens
    student.agrees(*walk(draw, gap=0.1, spread=0.1, count=count), 1e-9, draw.generator(), gradients=False)


def crowd(draw: Draw, count: int = MANY) -> tuple[Tensor, tuple[Supplied, Tensor, Tensor]]:
    """Logits (V,), and a step that gives these whatever the token, with `count` equal starts."""
    logits = torch.tensor(PROFILE).double().log()[draw.normal(len(PROFILE)).argsort()]
    V = len(logits)
    step = Supplied("automaton", {"logits": logits.expand(1, V, V), "successor": torch.zeros(1, V, dtype=torch.int64)})
    return logits, (step, torch.zeros(count, dtype=torch.int64), draw.integers(0, V, 1).expand(count))


def drawn(value: Value, count: int, length: int, vocab_size: int) -> Tensor:
    """Tokens of the vocabulary, int64 (count, length)."""
    tokens = expect(value, "the tokens").tensor((count, length))
    if tokens.dtype is not torch.int64 or not bool(((tokens >= 0) & (tokens < vocab_size)).all()):
        raise CheckFailed(f"tokens from 0 to {vocab_size - 1}, of type int64", describe(value))
    return tokens


@sampling.check(
    "tokens come as often as softmax(logits / temperature) says",
    points=1,
    after="where one token is certain, the tokens follow one another",
    suspect="where the temperature divides (the logits), or a draw that all sequences share",
    experiment="let 8,000 sequences draw one token and compare torch.bincount with the probabilities",
)
def frequencies(student: Subject, draw: Draw) -> None:
    for temperature in (draw.uniform(0.4, 0.55), draw.uniform(1.8, 2.4)):
        logits, arguments = crowd(draw)
        tokens = drawn(student(*arguments, 1, temperature, draw.generator()), MANY, 1, len(logits))
        expect_frequencies(tokens[:, 0], (logits / temperature).softmax(dim=0))


@sampling.check(
    "one token's draw tells nothing about the next",
    points=0.5,
    after="where one token is certain, the tokens follow one another",
    suspect="a generator that starts afresh in every step",
    experiment="let 8,000 sequences draw two tokens: how often are both the same?",
)
def independent_draws(student: Subject, draw: Draw) -> None:
    logits, arguments = crowd(draw)
    tokens = drawn(student(*arguments, 2, 1.0, draw.generator()), MANY, 2, len(logits))
    expect_independent(tokens[:, 0], tokens[:, 1], logits.softmax(dim=0))


@sampling.check(
    "everything is drawn from the generator",
    points=0.5,
    after="where one token is certain, the tokens follow one another",
    suspect="a draw without generator=generator",
    experiment="call it twice with generators of one seed, then with another seed",
)
def drawn_from_generator(student: Subject, draw: Draw) -> None:
    logits, arguments = crowd(draw, count=200)

    def tokens(generator: Seeded) -> Tensor:
        return drawn(student(*arguments, 3, 1.0, generator), 200, 3, len(logits))

    expect_from_generator(tokens, draw)


@sampling.check(
    "a temperature that is not positive is refused",
    points=0.25,
    after="where one token is certain, the tokens follow one another",
    suspect="a missing test of the temperature",
    experiment="call it with temperature 0: it must raise ValueError",
)
def refuses_temperature(student: Subject, draw: Draw) -> None:
    _, (*arguments, _, _) = without_choice(student, draw)
    student.refuses(*arguments, 0.0, draw.generator())
    student.refuses(*arguments, -draw.uniform(0.5, 2.0), draw.generator())


sampling.good_manners(without_choice, after="where one token is certain, the tokens follow one another", points=0.25)
