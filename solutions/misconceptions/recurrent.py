"""Wrong programs for unit 01, each one mistake that a person would make."""

from __future__ import annotations

from functools import partial

import torch

from solutions import recurrent
from solutions.programs import edited, misconception

rnn = partial(edited, recurrent, "rnn_step")
rnn_step = [
    rnn(
        "torch.tanh(x @ weight_ih.T + h @ weight_hh.T + bias)",
        "x @ weight_ih.T + h @ weight_hh.T + bias",
        name="no tanh",
        hint="Without the tanh the state is a linear function of all inputs, and it can grow without bound.",
    ),
    rnn(
        "torch.tanh(x",
        "torch.sigmoid(x",
        name="a sigmoid instead of the tanh",
        hint="The state of a vanilla network lies between -1 and 1: its non-linearity is the tanh.",
    ),
    rnn(
        "torch.tanh(x",
        "torch.relu(x",
        name="a ReLU instead of the tanh",
        hint="nn.RNN can do that when asked to (nonlinearity='relu'), but this exercise wants the tanh.",
    ),
    rnn(
        " + bias)",
        ")",
        name="the bias is forgotten",
        hint="The sum inside the tanh has three terms: from the input, from the state, and the bias.",
    ),
    rnn(
        " + bias)",
        ") + bias",
        name="the bias outside the tanh",
        hint="The bias belongs to the sum before the tanh; outside, it pushes the state beyond -1 and 1.",
    ),
    rnn(
        " + bias)",
        " + 2 * bias)",
        name="the bias twice",
        hint="nn.RNN keeps two biases and adds both; here they are already one.",
    ),
    rnn(
        "h @ weight_hh.T",
        "h @ weight_hh",
        name="weight_hh is not transposed",
        hint="Its rows belong to the new state. States are rows of a batch, so the product is h @ weight_hh.T; the "
        "matrix is square, so nothing else would tell you.",
    ),
    rnn(
        "x @ weight_ih.T",
        "x @ weight_ih.reshape(x.shape[1], -1)",
        name="weight_ih reshaped instead of transposed",
        hint="A reshape keeps the numbers in their order, so rows and columns are torn apart: transpose with .T.",
    ),
    rnn(
        "x @ weight_ih.T + h @ weight_hh.T",
        "x @ weight_hh.T + h @ weight_ih.T",
        name="the two weights exchanged",
        hint="weight_ih (D, I) is for the input, weight_hh (D, D) for the state. With D = I nothing would crash.",
    ),
    rnn(
        "torch.tanh(x @ weight_ih.T + h @ weight_hh.T + bias)",
        "torch.tanh(x @ weight_ih.T + bias) + torch.tanh(h @ weight_hh.T)",
        name="a tanh for each part",
        hint="The tanh is taken once, of the whole sum: input and state must be able to cancel each other.",
    ),
    rnn(
        "return torch",
        "return h + torch",
        name="the old state is added",
        hint="That is a residual connection. A vanilla network replaces its state in every step, which is why it "
        "forgets.",
    ),
    rnn(
        " + h @ weight_hh.T",
        "",
        name="the state is not used",
        hint="Without W_hh h the next state knows this input and nothing before it.",
    ),
    rnn(
        "h @ weight_hh.T",
        "h[:1] @ weight_hh.T",
        name="every sentence continues from the state of the first",
        hint="Each sentence of the batch has a state of its own: keep the batch axis.",
    ),
    rnn(
        "h @ weight_hh.T",
        "h.detach() @ weight_hh.T",
        name="the state is cut from the graph",
        hint="With detach() on h no gradient goes back in time, and nothing teaches the network to remember.",
    ),
    rnn(
        "return torch.tanh(x @ weight_ih.T + h @ weight_hh.T + bias)",
        "return h.data.copy_(torch.tanh(x @ weight_ih.T + h @ weight_hh.T + bias)).clone()",
        name="the new state is written over the old one",
        hint="The caller's h must stay as it is: return a new tensor instead of filling the old one.",
    ),
    rnn(
        "return torch.tanh(x @ weight_ih.T + h @ weight_hh.T + bias)",
        "return torch.tanh((x @ weight_ih.T + h @ weight_hh.T + bias).float()).to(x.dtype)",
        name="computed in float32 whatever comes in",
        hint="The output has the type of the inputs. .float() inside loses the digits of float64.",
    ),
    rnn(
        " + bias)",
        " + bias + torch.zeros(len(bias)))",
        name="zeros on the default device",
        hint="torch.zeros(n) without device= lives on the CPU, and fails where the inputs are on a GPU.",
    ),
]

lstm = partial(edited, recurrent, "lstm_step")
lstm_step = [
    lstm(
        "i, f, g, o = (x",
        "i, f, o, g = (x",
        name="the rows read as i, f, o, g",
        hint="PyTorch's order is i, f, g, o: the candidate is the third quarter. Other libraries have other orders.",
    ),
    lstm(
        "i, f, g, o = (x",
        "f, i, g, o = (x",
        name="input and forget gate exchanged",
        hint="The first quarter of the rows is the input gate, the second the forget gate.",
    ),
    lstm(
        "return o.sigmoid() * c.tanh(), c",
        "return c, o.sigmoid() * c.tanh()",
        name="(c, h) returned",
        hint="The state is (h, c), in that order, both in what comes and in what is returned.",
    ),
    lstm(
        "h, c = state",
        "c, h = state",
        name="the state taken as (c, h)",
        hint="The state is (h, c), in that order: h goes through the weights, c only through the gates.",
    ),
    lstm(
        "o.sigmoid() * c.tanh(), c",
        "o.sigmoid() * c, c",
        name="h without the tanh of the cell",
        hint="h = o ⊙ tanh(c): the cell may grow large, and the tanh keeps h between -1 and 1.",
    ),
    lstm(
        "g.tanh()",
        "g.sigmoid()",
        name="a sigmoid for the candidate",
        hint="The candidate is a tanh, so that it can lower the cell as well as raise it; the gates are sigmoids.",
    ),
    lstm(
        "return o.sigmoid()",
        "return o.tanh()",
        name="a tanh for the output gate",
        hint="A gate lets through between nothing and all: a sigmoid. A tanh could turn the sign of h.",
    ),
    lstm(
        "f.sigmoid() * c + i.sigmoid()",
        "f.sigmoid() * c + (1 - f.sigmoid())",
        name="the input gate tied to the forget gate",
        hint="Coupled gates are a GRU's idea. In an LSTM i has rows of its own: it can keep and add, or do neither.",
    ),
    lstm(
        "f.sigmoid() * c + i",
        "c + i",
        name="no forget gate",
        hint="That is the LSTM of 1997. Since Gers et al. (2000) the old cell is multiplied by the forget gate.",
    ),
    lstm(
        "f.sigmoid() * c",
        "(f + 1).sigmoid() * c",
        name="one added to the forget gate",
        hint="A forget bias of 1 belongs into the weights when they are initialised. Added in the step as well it "
        "counts twice, and weights copied from elsewhere mean something else.",
    ),
    lstm(
        "c = f.sigmoid() * c + i.sigmoid() * g.tanh()",
        "c = (f.sigmoid() * c + i.sigmoid() * g.tanh()).tanh()",
        name="the cell squashed by a tanh",
        hint="c is the memory and is never squashed: only what leaves it as h is. A tanh in each step makes it fade.",
    ),
    lstm(
        "    c = f.sigmoid() * c + i.sigmoid() * g.tanh()\n    return o.sigmoid() * c.tanh(), c",
        "    return o.sigmoid() * c.tanh(), f.sigmoid() * c + i.sigmoid() * g.tanh()",
        name="h from the old cell",
        hint="h = o ⊙ tanh(c) with the new c. From the old one, h would be a step late.",
    ),
    lstm(
        "f.sigmoid() * c + i",
        "f.sigmoid() * h + i",
        name="the forget gate on h",
        hint="The forget gate multiplies the old cell c: h has already been through the output gate and a tanh.",
    ),
    lstm(
        "f.sigmoid() * c + i",
        "f.sigmoid() * c.detach() + i",
        name="the cell is cut from the graph",
        hint="Through c the gradient travels without being multiplied by W_hh; with detach() that path is lost.",
    ),
    lstm(
        "h @ weight_hh.T",
        "h.detach() @ weight_hh.T",
        name="h is cut from the graph",
        hint="With detach() on h the gates of earlier steps never learn what the later ones need.",
    ),
    lstm(
        " + bias).chunk",
        ").chunk",
        name="the bias is forgotten",
        hint="The sum before the gates has three terms: from the input, from h, and the bias.",
    ),
    lstm(
        " + bias).chunk",
        " + 2 * bias).chunk",
        name="the bias twice",
        hint="nn.LSTM keeps two biases and adds both; here they are already one.",
    ),
    lstm(
        "c = f.sigmoid() * c + i.sigmoid() * g.tanh()",
        "c.data.mul_(f.sigmoid()).add_(i.sigmoid() * g.tanh())",
        name="the cell is changed in place",
        hint="c *= … changes the caller's tensor: whoever starts again from the old state finds another one.",
    ),
    lstm(
        "return o.sigmoid() * c.tanh(), c",
        "return o.sigmoid() * c.tanh()",
        name="only h is returned",
        hint="The next step needs both: return (h, c).",
    ),
    lstm(
        ".chunk(4, dim=-1)",
        ".unflatten(-1, (-1, 4)).unbind(-1)",
        name="the rows of the gates taken in turn",
        hint="The first D rows are all of gate i, the next D all of f: chunk(4, dim=-1), not every fourth row.",
    ),
    lstm(
        "h @ weight_hh.T",
        "h @ weight_hh.reshape(h.shape[1], -1)",
        name="weight_hh reshaped instead of transposed",
        hint="A reshape keeps the numbers in their order, so rows and columns are torn apart: transpose with .T.",
    ),
]

gru = partial(edited, recurrent, "gru_step")
gru_step = [
    gru(
        "return (1 - z) * n + z * h",
        "return z * n + (1 - z) * h",
        name="the update gate the other way round",
        hint="In PyTorch z = 1 keeps the old state: (1 - z) ⊙ n + z ⊙ h. Cho et al. (2014) have it so too, Chung "
        "et al. (2014) the other way round.",
    ),
    gru(
        "    r, z = (r_x",
        "    z, r = (r_x",
        name="reset and update gate exchanged",
        hint="The first third of the rows is the reset gate, the second the update gate.",
    ),
    gru(
        "n = (n_x + r * n_h).tanh()",
        "n = (n_x + (r * h) @ weight_hh[2 * h.shape[1] :].T + bias_hh[2 * h.shape[1] :]).tanh()",
        name="the state is reset before the product",
        hint="That is the form printed in Cho et al. (2014). PyTorch's resets after the product: r ⊙ (W_hn h + b_hn).",
    ),
    gru(
        "n = (n_x + r * n_h).tanh()",
        "b = bias_hh[2 * h.shape[1] :]\n    n = (n_x + r * (n_h - b) + b).tanh()",
        name="b_hn outside the reset gate",
        hint="The reset gate multiplies W_hn h + b_hn. That is why this step takes two biases.",
    ),
    gru(
        "(n_x + r * n_h)",
        "(r * (n_x + n_h))",
        name="the reset gate on the input too",
        hint="The reset gate takes the state away, so that the input can start afresh; it leaves the input alone.",
    ),
    gru(
        "(n_x + r * n_h)",
        "(r * n_x + n_h)",
        name="the reset gate on the input instead of the state",
        hint="What is reset is the memory: r multiplies W_hn h + b_hn, not W_in x + b_in.",
    ),
    gru(
        "(n_x + r * n_h)",
        "(n_x + n_h)",
        name="no reset gate",
        hint="The candidate is tanh(W_in x + b_in + r ⊙ (W_hn h + b_hn)).",
    ),
    gru(
        "n = (n_x + r * n_h).tanh()",
        "n = (n_x + r * n_h).sigmoid()",
        name="a sigmoid for the candidate",
        hint="The candidate is a tanh, like the state of a vanilla network; only the gates are sigmoids.",
    ),
    gru(
        "(1 - z) * n + z * h",
        "n + z * h",
        name="the candidate added in full",
        hint="The new state is a mean of the candidate and the old state: the weights 1 - z and z sum to one.",
    ),
    gru(
        "return (1 - z) * n + z * h",
        "return n",
        name="the update gate is not used",
        hint="Without z ⊙ h the state is replaced in every step, as in a vanilla network.",
    ),
    gru(
        "h @ weight_hh.T + bias_hh)",
        "h @ weight_hh.T)",
        name="bias_hh is forgotten",
        hint="Both biases count: bias_ih with the input, bias_hh with the state.",
    ),
    gru(
        "x @ weight_ih.T + bias_ih)",
        "x @ weight_ih.T)",
        name="bias_ih is forgotten",
        hint="Both biases count: bias_ih with the input, bias_hh with the state.",
    ),
    gru(
        "r_x, z_x, n_x = (x @ weight_ih.T + bias_ih)",
        "bias_ih, bias_hh = bias_hh, bias_ih\n    r_x, z_x, n_x = (x @ weight_ih.T + bias_ih)",
        name="the two biases exchanged",
        hint="In the gates they only add up, but in the candidate bias_hh is reset and bias_ih is not.",
    ),
    gru(
        "h @ weight_hh.T",
        "h.detach() @ weight_hh.T",
        name="the state is cut from the gates",
        hint="With detach() on h the gates never learn what to remember; only the path z ⊙ h is left.",
    ),
    gru(
        "(1 - z) * n + z * h",
        "(1 - z) * n + z * h.detach()",
        name="the kept state is cut from the graph",
        hint="z ⊙ h is the path on which the gradient lasts; with detach() it is lost.",
    ),
    gru(
        "return (1 - z) * n + z * h",
        "return h.data.mul_(z).add_((1 - z) * n).clone()",
        name="the state is changed in place",
        hint="h *= z changes the caller's tensor: whoever starts again from the old state finds another one.",
    ),
    gru(
        "h @ weight_hh.T",
        "h @ weight_hh.reshape(h.shape[1], -1)",
        name="weight_hh reshaped instead of transposed",
        hint="A reshape keeps the numbers in their order, so rows and columns are torn apart: transpose with .T.",
    ),
]

over = partial(edited, recurrent, "unroll")
unroll = [
    over(
        "torch.stack(outputs, dim=1)",
        "torch.stack(outputs)",
        name="time first",
        hint="Batch first: stack the outputs along axis 1, so that their shape is (B, T, O).",
    ),
    over(
        "torch.stack(outputs, dim=1)",
        "torch.stack(outputs).reshape(len(inputs), inputs.shape[1], -1)",
        name="time and batch exchanged by a reshape",
        hint="From (T, B, O) to (B, T, O) takes a transpose. A reshape gives the shape, and puts one sentence's "
        "outputs into another's rows.",
    ),
    over(
        "inputs.shape[1]):",
        "inputs.shape[1])[::-1]:",
        name="from the last input to the first",
        hint="A sequence is read from its first input on.",
    ),
    over(
        "for t in range(inputs.shape[1]):\n        output, state = step(inputs[:, t], state)",
        "for t in range(inputs.shape[0]):\n        output, state = step(inputs[t], state)",
        name="a loop over the batch",
        hint="The first axis is the batch. A step takes all sentences at one time: inputs[:, t].",
    ),
    over(
        "return torch.stack(outputs, dim=1), state",
        "return outputs[-1], state",
        name="the last output only",
        hint="Return the outputs of all steps, with the axes B, T, O.",
    ),
    over(
        "outputs.append(output)",
        "outputs.append(state[0] if isinstance(state, tuple) else state)",
        name="the states instead of the outputs",
        hint="What a step shows and what it keeps are two things: collect the first of the two values that it returns.",
    ),
    over(
        "output, state = step(inputs[:, t], state)",
        "output = step(inputs[:, t], state)[0]\n        state = step(inputs[:, t], state)[1]",
        name="the step is called twice for each input",
        hint="One call returns both: output, state = step(x, state). Two cost twice as much, and differ where a step "
        "draws random numbers.",
    ),
    over(
        "        outputs.append(output)\n",
        "        outputs.append(output)\n"
        "        state = tuple(s.detach() for s in state) if isinstance(state, tuple) else state.detach()\n",
        name="the state is detached after every step",
        hint="That is truncated back-propagation with a length of one: no output teaches an earlier input.",
    ),
    over(
        "step(inputs[:, t], state)",
        "step(inputs[:, t], state)\n        state = state.clone()",
        name="a state that must be a tensor",
        hint="A state may be anything, such as the pair (h, c) of an LSTM: hand it on, and do nothing else with it.",
    ),
    over(
        "torch.stack(outputs, dim=1), state",
        "torch.stack(outputs, dim=1), state[-1:] if isinstance(state, tuple) else state",
        name="a part of the final state",
        hint="A state may have several parts, and the next step needs all of them: return it whole.",
    ),
    over(
        "return torch.stack(outputs, dim=1), state",
        "return state, torch.stack(outputs, dim=1)",
        name="the final state first",
        hint="Return the outputs first and the final state second, as step itself does.",
    ),
    over(
        "range(inputs.shape[1])",
        "range(inputs.shape[1] - 1)",
        name="the last input is left out",
        hint="range(T) already ends before T: with T - 1 the last input is never read.",
    ),
]


@misconception(
    "unroll",
    "every step starts from the first state",
    hint="The state that a step returns goes into the next one: that is the whole of recurrence.",
)
def unroll_without_memory(step, inputs, state):
    outputs = []
    for t in range(inputs.shape[1]):
        output, final = step(inputs[:, t], state)
        outputs.append(output)
    return torch.stack(outputs, dim=1), final


@misconception("unroll", "the first state is returned", hint="Return the state after the last step, not the one given.")
def unroll_with_first_state(step, inputs, state):
    outputs, current = [], state
    for t in range(inputs.shape[1]):
        output, current = step(inputs[:, t], current)
        outputs.append(output)
    return torch.stack(outputs, dim=1), state


@misconception(
    "unroll",
    "outputs on the default device, in the default type",
    hint="torch.zeros(B, T, O) is float32 and on the CPU, whatever the step returns. Collect the outputs in a list and "
    "stack them.",
)
def unroll_into_zeros(step, inputs, state):
    B, T, _ = inputs.shape
    outputs = None
    for t in range(T):
        output, state = step(inputs[:, t], state)
        outputs = torch.zeros(B, T, output.shape[-1]) if outputs is None else outputs
        outputs[:, t] = output
    return outputs, state


cross_entropy = partial(edited, recurrent, "sequence_cross_entropy")
sequence_cross_entropy = [
    cross_entropy(
        "real = targets != pad_id",
        "real = targets == targets",
        name="padding counts like other tokens",
        hint="A target that is pad_id is no word to predict: leave it out of the sum and of the mean.",
    ),
    cross_entropy(
        "real.sum().clamp(min=1)",
        "real.numel()",
        name="divided by all places, padding included",
        hint="Divide by the number of real tokens: else the loss falls when a batch gets more padding.",
    ),
    cross_entropy(
        "real.sum().clamp(min=1)",
        "len(targets)",
        name="divided by the number of sentences",
        hint="That is the loss of a sentence, which grows with its length. Divide by the number of real tokens.",
    ),
    cross_entropy(
        " / real.sum().clamp(min=1)",
        "",
        name="the sum instead of the mean",
        hint="A sum depends on the size of the batch; divide by the number of real tokens.",
    ),
    cross_entropy(
        "real = targets != pad_id",
        "real = targets != 0",
        name="padding taken to be 0",
        hint="The id of padding is given: compare with pad_id.",
    ),
    cross_entropy(
        "real = targets != pad_id",
        "real = targets == pad_id",
        name="the mask upside down",
        hint="The mean runs over the targets that are not padding.",
    ),
    cross_entropy(
        "real = targets != pad_id",
        "ends = torch.arange(targets.shape[1], device=targets.device)\n"
        "    real = ends < (targets != pad_id).sum(dim=1, keepdim=True)",
        name="as many places from the front as there are real tokens",
        hint="That is right only while all padding stands at the end. Ask each target whether it is pad_id.",
    ),
    cross_entropy(
        "return -chosen",
        "return chosen",
        name="without the minus",
        hint="The loss is minus the logarithm of the probability: positive, and smaller for a better model.",
    ),
    cross_entropy(
        "log_softmax(dim=-1)",
        "softmax(dim=-1)",
        name="the probability without its logarithm",
        hint="The loss is -log p, not -p: a sure and wrong model must pay without bound.",
    ),
    cross_entropy(
        "log_softmax(dim=-1)",
        "softmax(dim=-1).log()",
        name="the logarithm of a softmax",
        hint="Where the softmax underflows to 0, its logarithm is -inf. log_softmax never forms the small number.",
    ),
    cross_entropy(
        "logits[real].log_softmax(dim=-1)",
        "(logits - logits.exp().sum(dim=-1, keepdim=True).log())[real]",
        name="exponential without subtracting the maximum",
        hint="exp(1000) is infinite. Subtract the largest logit first (log_softmax does): the loss stays the same.",
    ),
    cross_entropy(
        "logits[real].log_softmax(dim=-1)",
        "logits.log_softmax(dim=1)[real]",
        name="softmax over the time",
        hint="At each place the probabilities of the V tokens sum to one: the softmax runs over the last axis.",
    ),
    cross_entropy(
        "chosen = logits[real]",
        "logits = logits.reshape(len(logits), logits.shape[2], -1).transpose(1, 2)\n    chosen = logits[real]",
        name="time and vocabulary exchanged by a reshape",
        hint="F.cross_entropy wants (B, V, T): that is a transpose of (B, T, V). A reshape gives the shape and mixes "
        "the numbers.",
    ),
    cross_entropy(
        "return -chosen.sum() / real.sum().clamp(min=1)",
        "return (-chosen.sum() / real.sum().clamp(min=1)).exp()",
        name="the perplexity",
        hint="exp(loss) is the perplexity, good to report; the loss itself stays in nats.",
    ),
    cross_entropy(
        "return -chosen.sum() / real.sum().clamp(min=1)",
        "return -chosen.sum() / real.sum().clamp(min=1) / 0.6931471805599453",
        name="in bits",
        hint="The loss is in nats: the natural logarithm, without dividing by log 2.",
    ),
    cross_entropy(
        ".clamp(min=1)",
        "",
        name="NaN from a batch of padding",
        hint="Zero by zero is NaN. Where there is no real token the loss is 0: divide by at least 1.",
    ),
    cross_entropy(
        "chosen = logits[real]",
        "chosen = logits.detach()[real]",
        name="the logits are cut from the graph",
        hint="With detach() the loss has no gradient, and nothing is learned.",
    ),
]


@misconception(
    "sequence_cross_entropy",
    "the mean of the sentences' means",
    hint="Every real token counts alike. A mean over sentences gives the words of a short one more weight.",
)
def loss_by_sentence(logits, targets, pad_id):
    real = targets != pad_id
    ids = targets.where(real, torch.zeros_like(targets))
    losses = -logits.log_softmax(dim=-1).gather(-1, ids[:, :, None]).squeeze(-1) * real
    return (losses.sum(dim=1) / real.sum(dim=1).clamp(min=1)).mean()


@misconception(
    "sequence_cross_entropy",
    "shifted inside the loss",
    hint="Logits and targets already stand side by side: logits[:, t] is the prediction of targets[:, t]. A second "
    "shift trains a model to predict the token after the next.",
)
def loss_shifted(logits, targets, pad_id):
    logits, targets = logits[:, :-1], targets[:, 1:]
    real = targets != pad_id
    chosen = logits[real].log_softmax(dim=-1).gather(-1, targets[real][:, None])
    return -chosen.sum() / real.sum().clamp(min=1)


@misconception(
    "sequence_cross_entropy",
    "padding taken out of the vocabulary",
    hint="Only targets that are padding are left out. The logit of padding stays in the softmax, like any other.",
)
def loss_without_pad_logit(logits, targets, pad_id):
    real = targets != pad_id
    others = torch.arange(logits.shape[-1], device=logits.device) != pad_id
    chosen = logits[real].masked_fill(~others, -1e30).log_softmax(dim=-1).gather(-1, targets[real][:, None])
    return -chosen.sum() / real.sum().clamp(min=1)


@misconception(
    "sequence_cross_entropy",
    "the maximum is subtracted in place",
    hint="logits -= … changes the caller's tensor, and autograd refuses it on a leaf. Write logits = logits - ….",
)
def loss_in_place(logits, targets, pad_id):
    logits.data -= logits.detach().amax(dim=-1, keepdim=True)
    real = targets != pad_id
    chosen = logits[real].log_softmax(dim=-1).gather(-1, targets[real][:, None])
    return -chosen.sum() / real.sum().clamp(min=1)


@misconception(
    "sequence_cross_entropy",
    "places counted on the default device",
    hint="torch.arange(n) without device= lives on the CPU, and fails where the logits are on a GPU.",
)
def loss_on_default_device(logits, targets, pad_id):
    rows = logits.flatten(0, 1).log_softmax(dim=-1)
    ids = targets.flatten()
    losses = rows.gather(1, (torch.arange(len(ids)) * 0 + ids)[:, None])[:, 0]
    real = ids != pad_id
    return -losses[real].sum() / real.sum().clamp(min=1)


@misconception(
    "sequence_cross_entropy",
    "the loss in float32 whatever comes in",
    hint="The loss has the type of the logits. .float() inside loses the digits of float64.",
)
def loss_in_single(logits, targets, pad_id):
    real = targets != pad_id
    chosen = logits[real].float().log_softmax(dim=-1).gather(-1, targets[real][:, None])
    return (-chosen.sum() / real.sum().clamp(min=1)).to(logits.dtype)


fading = partial(edited, recurrent, "gradient_by_distance")
gradient_by_distance = [
    fading(
        ".flip(0)",
        "",
        name="by time instead of by distance",
        hint="Entry 0 belongs to the last input. The gradient comes in the order of time: flip it.",
    ),
    fading(
        "output.sum(), inputs)\n",
        "output.sum(), inputs)\n    gradient = gradient.sum(dim=0, keepdim=True)\n",
        name="the norm of the batch's sum",
        hint="Gradients of different sentences cancel in a sum. Take each sentence's norm, then the mean.",
    ),
    fading(
        ".mean(dim=0)",
        ".sum(dim=0)",
        name="the sum over the batch",
        hint="The norms of the sentences are averaged, so that the numbers do not depend on the size of the batch.",
    ),
    fading(
        "gradient.norm(dim=-1)",
        "gradient.square().sum(dim=-1)",
        name="the square of the norm",
        hint="The Euclidean norm has a square root; without it every rate of decay comes out doubled.",
    ),
    fading(
        "gradient.norm(dim=-1)",
        "gradient.abs().sum(dim=-1)",
        name="the sum of absolute values",
        hint="The norm asked for is the Euclidean one: the root of the sum of squares.",
    ),
    fading(
        "gradient.norm(dim=-1)",
        "gradient.abs().mean(dim=-1)",
        name="the mean of absolute values",
        hint="The Euclidean norm over the I numbers of an input does not divide by I.",
    ),
    fading(
        "gradient.norm(dim=-1)",
        "gradient.sum(dim=-1).abs()",
        name="the sum of the gradient's numbers",
        hint="Numbers of both signs cancel in a sum. Take the norm over the last axis.",
    ),
    fading(
        "output.sum(), inputs",
        "output.mean(), inputs",
        name="the mean of the output",
        hint="The mean divides by B and O: the sum of the last output is differentiated, and only norms are averaged.",
    ),
    fading(
        "output.sum(), inputs",
        "output.square().sum(), inputs",
        name="the square of the output",
        hint="Differentiate the sum of the output itself: with a square the numbers depend on how large the output is.",
    ),
    fading(
        "(gradient,) = torch.autograd.grad(output.sum(), inputs)",
        "gradient = torch.autograd.grad(output.sum(), inputs)[0] / inputs.norm(dim=-1, keepdim=True).detach()",
        name="relative to the size of the input",
        hint="The norm of the gradient alone is asked for, not divided by the norm of the input.",
    ),
    fading(
        "norms.mean(dim=0).flip(0)",
        "norms.mean(dim=0).flip(0) / norms.mean(dim=0)[-1]",
        name="relative to distance 0",
        hint="Return the norms as they are; divide by the first one when you plot, if you like.",
    ),
    fading(
        "norms.mean(dim=0).flip(0)",
        "norms.mean(dim=0).flip(0)[1:]",
        name="without distance 0",
        hint="The last input is one of the T inputs, at distance 0: it is the entry to compare the others with.",
    ),
    fading(
        "gradient.norm(dim=-1)",
        "gradient.norm(dim=1)",
        name="the norm over the time",
        hint="The axes are B, T, I: the norm runs over I, the mean over B, and T is left.",
    ),
    fading(
        "        output, state = step(inputs[:, t], state)\n",
        "        output, state = step(inputs[:, t], state)\n"
        "        state = tuple(s.detach() for s in state) if isinstance(state, tuple) else state.detach()\n",
        name="the state is detached after every step",
        hint="Back-propagation through time runs through the state; detached, nothing is felt beyond distance 0.",
    ),
]


@misconception(
    "gradient_by_distance",
    "the sum of all outputs is differentiated",
    hint="Only the last output is asked: in the sum of all outputs every input is near to some output.",
)
def gradient_of_all_outputs(step, inputs, state):
    inputs, total = inputs.detach().requires_grad_(), 0.0
    for t in range(inputs.shape[1]):
        output, state = step(inputs[:, t], state)
        total = total + output.sum()
    (gradient,) = torch.autograd.grad(total, inputs)
    return gradient.norm(dim=-1).mean(dim=0).flip(0)


@misconception(
    "gradient_by_distance",
    "the final state instead of the last output",
    hint="The last output is differentiated. A state is opaque: it may be a pair, and it need not be what is shown.",
)
def gradient_of_state(step, inputs, state):
    inputs = inputs.detach().requires_grad_()
    for t in range(inputs.shape[1]):
        _, state = step(inputs[:, t], state)
    (gradient,) = torch.autograd.grad(state.sum(), inputs)
    return gradient.norm(dim=-1).mean(dim=0).flip(0)


@misconception(
    "gradient_by_distance",
    "unrolled again for each distance",
    hint="One backward pass gives the gradient at every input. T of them cost T times as much.",
)
def gradient_again_and_again(step, inputs, state):
    norms = []
    for distance in range(inputs.shape[1]):
        leaves, now = inputs.detach().requires_grad_(), state
        for t in range(inputs.shape[1]):
            output, now = step(leaves[:, t], now)
        (gradient,) = torch.autograd.grad(output.sum(), leaves)
        norms.append(gradient[:, -1 - distance].norm(dim=-1).mean())
    return torch.stack(norms)


sample = partial(edited, recurrent, "sample_tokens")
sample_tokens = [
    sample(
        "(logits / temperature).softmax(dim=-1)",
        "(logits * temperature).softmax(dim=-1)",
        name="multiplied by the temperature",
        hint="A low temperature must sharpen the choice: divide the logits by it.",
    ),
    sample(
        "(logits / temperature).softmax(dim=-1)",
        "logits.softmax(dim=-1) / temperature",
        name="the temperature has no effect",
        hint="Divide the logits, before the softmax. Dividing the probabilities changes nothing, since the draw only "
        "looks at their ratios.",
    ),
    sample(
        "(logits / temperature).softmax(dim=-1)",
        "(logits / temperature).softmax(dim=-1).softmax(dim=-1)",
        name="a softmax of the softmax",
        hint="Softmax once: probabilities lie between 0 and 1, and a second softmax makes them nearly equal.",
    ),
    sample(
        "(logits / temperature).softmax(dim=-1)",
        "(logits / temperature).exp()",
        name="exponential without subtracting the maximum",
        hint="exp(1000) is infinite. Subtract the largest logit first (softmax does): the ratios stay the same.",
    ),
    sample(
        "torch.multinomial(probabilities, 1, generator=generator).squeeze(1)",
        "probabilities.argmax(dim=-1)",
        name="the best token instead of a drawn one",
        hint="An argmax gives the same text every time, and it is what a temperature near 0 does. Draw from the "
        "probabilities.",
    ),
    sample(
        "torch.multinomial(probabilities, 1, generator=generator).squeeze(1)",
        "torch.multinomial(probabilities, 1).squeeze(1)",
        name="the generator is not used",
        hint="Pass generator=generator to the draw: the tokens must depend on it, and not on the global random stream.",
    ),
    sample(
        "torch.multinomial(probabilities, 1, generator=generator).squeeze(1)",
        "torch.multinomial(probabilities[:1], len(first), True, generator=generator).squeeze(0)",
        name="all sequences draw from the first one's probabilities",
        hint="Each sequence of the batch has a state and so probabilities of its own: draw one token per row.",
    ),
    sample(
        "torch.multinomial(probabilities, 1, generator=generator).squeeze(1)",
        "torch.multinomial(probabilities, 1, generator=generator.manual_seed(0)).squeeze(1)",
        name="the generator is seeded again in every step",
        hint="With the same seed in each step the draws repeat each other. Draw on from the generator as it is.",
    ),
    sample(
        "step(tokens[-1], state)",
        "step(first, state)",
        name="the first token goes into every step",
        hint="Feed the token that was just drawn into the next step: that is what makes it a language model's text.",
    ),
    sample(
        "logits, state = step",
        "logits, _ = step",
        name="the state is not handed on",
        hint="The state that a step returns goes into the next one; without it the model knows one token only.",
    ),
    sample(
        "tokens[1:]",
        "tokens[:-1]",
        name="the first token returned, the last one lost",
        hint="`first` is what the sequence continues, and no part of the continuation: return what was drawn.",
    ),
    sample(
        "tokens[1:]",
        "tokens",
        name="the first token returned as well",
        hint="`first` is what the sequence continues: return the `length` tokens that were drawn, and not it.",
    ),
    sample(
        "torch.stack(tokens[1:], dim=1)",
        "torch.stack(tokens[1:])",
        name="time first",
        hint="Batch first: stack the tokens along axis 1, so that their shape is (B, length).",
    ),
    sample(
        ".squeeze(1)",
        "",
        name="tokens with an axis of 1 too many",
        hint="torch.multinomial(…, 1) returns (B, 1); a step takes tokens (B,): squeeze the axis away.",
    ),
    sample(
        "if temperature <= 0:",
        "if temperature < 0:",
        name="a temperature of zero is accepted",
        hint="At temperature 0 the division gives inf or NaN. Say so with ValueError.",
    ),
    sample(
        "if temperature <= 0:",
        "if temperature == 0:",
        name="a negative temperature is accepted",
        hint="Below 0 the worst token is preferred. Say so with ValueError.",
    ),
    sample(
        "    return torch.stack(tokens[1:], dim=1)",
        "    step(tokens[-1], state)\n    return torch.stack(tokens[1:], dim=1)",
        name="a step after the last token",
        hint="Nobody asks what follows the last token: `length` tokens take `length` steps.",
    ),
    sample(
        "tokens.append(torch.multinomial(probabilities, 1, generator=generator).squeeze(1))",
        "tokens.append(first.copy_(torch.multinomial(probabilities, 1, generator=generator).squeeze(1)).clone())",
        name="the tokens are written over the first ones",
        hint="The caller's `first` must stay as it is: make new tensors for new tokens.",
    ),
]


@misconception(
    "sample_tokens",
    "one step for each sequence",
    hint="A step takes all sequences at one time. A loop over the batch calls it B times as often.",
)
def sample_by_sequence(step, state, first, length, temperature, generator):
    if temperature <= 0:
        raise ValueError(f"the temperature must be positive, not {temperature}")
    rows = []
    for b in range(len(first)):
        token, own = first[b : b + 1], state[b : b + 1]
        for _ in range(length):
            logits, own = step(token, own)
            probabilities = (logits / temperature).softmax(dim=-1)
            token = torch.multinomial(probabilities, 1, generator=generator).squeeze(1)
            rows.append(token)
    return torch.stack(rows).reshape(len(first), length)


@misconception(
    "sample_tokens",
    "tokens collected on the default device",
    hint="torch.zeros(B, length) without device= lives on the CPU. Use first.new_empty(B, length), or stack a list.",
)
def sample_on_default_device(step, state, first, length, temperature, generator):
    if temperature <= 0:
        raise ValueError(f"the temperature must be positive, not {temperature}")
    tokens, token = torch.zeros(len(first), length, dtype=torch.int64), first
    for t in range(length):
        logits, state = step(token, state)
        probabilities = (logits / temperature).softmax(dim=-1)
        token = torch.multinomial(probabilities, 1, generator=generator).squeeze(1)
        tokens[:, t] = token
    return tokens


@misconception(
    "sample_tokens",
    "every token drawn after one step",
    hint="The second token depends on the first one drawn: one step, one draw, then the next step.",
)
def sample_at_once(step, state, first, length, temperature, generator):
    if temperature <= 0:
        raise ValueError(f"the temperature must be positive, not {temperature}")
    logits, _ = step(first, state)
    probabilities = (logits / temperature).softmax(dim=-1)
    return torch.multinomial(probabilities, length, replacement=True, generator=generator)
