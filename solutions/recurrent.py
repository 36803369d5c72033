"""References for unit 01: what a recurrent network remembers.

Axes: B batch, T time, I width of an input, D width of the state, O width of an output, V vocabulary. The weights have
PyTorch's layout, so that those of nn.RNN, nn.LSTM and nn.GRU copy over.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import torch
from jaxtyping import Float, Int
from torch import Tensor

State: TypeAlias = Any  # whatever a step keeps between its calls: a tensor, a pair of tensors
Step: TypeAlias = Callable[[Tensor, State], tuple[Tensor, State]]  # step(x, state) -> (output, next state)


def rnn_step(
    x: Float[Tensor, "B I"],
    h: Float[Tensor, "B D"],
    weight_ih: Float[Tensor, "D I"],
    weight_hh: Float[Tensor, "D D"],
    bias: Float[Tensor, "D"],
) -> Float[Tensor, "B D"]:
    """The next state of a vanilla recurrent network, tanh(W_ih x + W_hh h + b). Elman 1990; nn.RNN.

    Example: `h = rnn_step(x, h, weight_ih, weight_hh, bias)`
    """
    return torch.tanh(x @ weight_ih.T + h @ weight_hh.T + bias)


def lstm_step(
    x: Float[Tensor, "B I"],
    state: tuple[Float[Tensor, "B D"], Float[Tensor, "B D"]],
    weight_ih: Float[Tensor, "4*D I"],
    weight_hh: Float[Tensor, "4*D D"],
    bias: Float[Tensor, "4*D"],
) -> tuple[Float[Tensor, "B D"], Float[Tensor, "B D"]]:
    """The next state (h, c) of an LSTM from the state (h, c). Gers et al. 2000; nn.LSTM.

    The rows of weights and bias are the input gate i, the forget gate f, the candidate g and the output gate o, D rows
    each; g is a tanh, the gates are sigmoids. c' = f ⊙ c + i ⊙ g and h' = o ⊙ tanh(c').

    Example: `h, c = lstm_step(x, (h, c), weight_ih, weight_hh, bias)`
    """
    h, c = state
    i, f, g, o = (x @ weight_ih.T + h @ weight_hh.T + bias).chunk(4, dim=-1)
    c = f.sigmoid() * c + i.sigmoid() * g.tanh()
    return o.sigmoid() * c.tanh(), c


def gru_step(
    x: Float[Tensor, "B I"],
    h: Float[Tensor, "B D"],
    weight_ih: Float[Tensor, "3*D I"],
    weight_hh: Float[Tensor, "3*D D"],
    bias_ih: Float[Tensor, "3*D"],
    bias_hh: Float[Tensor, "3*D"],
) -> Float[Tensor, "B D"]:
    """The next state of a GRU. Cho et al. 2014, section 2.3, in the form of nn.GRU.

    The rows of weights and biases are the reset gate r, the update gate z and the candidate n, D rows each:
    n = tanh(W_in x + b_in + r ⊙ (W_hn h + b_hn)) and h' = (1 - z) ⊙ n + z ⊙ h.

    Example: `h = gru_step(x, h, weight_ih, weight_hh, bias_ih, bias_hh)`
    """
    r_x, z_x, n_x = (x @ weight_ih.T + bias_ih).chunk(3, dim=-1)
    r_h, z_h, n_h = (h @ weight_hh.T + bias_hh).chunk(3, dim=-1)
    r, z = (r_x + r_h).sigmoid(), (z_x + z_h).sigmoid()
    n = (n_x + r * n_h).tanh()
    return (1 - z) * n + z * h


def unroll(step: Step, inputs: Float[Tensor, "B T I"], state: State) -> tuple[Float[Tensor, "B T O"], State]:
    """Run a step over a sequence: the output of every step, and the state after the last one.

    step(x, state) takes one input (B, I) and returns an output (B, O) and the next state; it is called T times, T at
    least 1. A state may be anything: it is only handed on.

    Example: `outputs, final = unroll(step, inputs, state)`
    """
    outputs = []
    for t in range(inputs.shape[1]):
        output, state = step(inputs[:, t], state)
        outputs.append(output)
    return torch.stack(outputs, dim=1), state


def sequence_cross_entropy(
    logits: Float[Tensor, "B T V"], targets: Int[Tensor, "B T"], pad_id: int
) -> Float[Tensor, ""]:
    """The mean of -log softmax(logits)[target], in nats, over the real tokens: the targets that are not pad_id.

    Every real token of the batch counts alike. A batch without a real token has the loss 0.

    Example: `sequence_cross_entropy(torch.zeros(2, 5, 7), targets, pad_id=0)` is log 7
    """
    real = targets != pad_id
    chosen = logits[real].log_softmax(dim=-1).gather(-1, targets[real][:, None])
    return -chosen.sum() / real.sum().clamp(min=1)


def gradient_by_distance(step: Step, inputs: Float[Tensor, "B T I"], state: State) -> Float[Tensor, "T"]:
    """How strongly the last output feels each input, by its distance from the end.

    Entry k is the Euclidean norm of ∂(sum of the last output's O numbers) / ∂(the input k steps before the last), its
    mean over the batch; entry 0 belongs to the last input. step is as for unroll, and is called T times.

    Example: `gradient_by_distance(step, inputs, state)[-1]` is what is left of the first input
    """
    inputs = inputs.detach().requires_grad_()
    for t in range(inputs.shape[1]):
        output, state = step(inputs[:, t], state)
    (gradient,) = torch.autograd.grad(output.sum(), inputs)
    norms: Float[Tensor, "B T"] = gradient.norm(dim=-1)
    return norms.mean(dim=0).flip(0)


def sample_tokens(
    step: Step, state: State, first: Int[Tensor, "B"], length: int, temperature: float, generator: torch.Generator
) -> Int[Tensor, "B length"]:
    """Continue B sequences by tokens that a model draws one by one; `first` itself is not among them.

    step(token, state) takes tokens (B,) and returns logits (B, V) and the next state; it is called `length` times. Each
    sequence draws its next token from softmax(logits / temperature); all of them draw from `generator`, for instance
    with one torch.multinomial(probabilities, 1, generator=generator) per step.
    Raises ValueError unless the temperature is positive.

    Example: `sample_tokens(step, state, first, length=20, temperature=0.7, generator=generator)`
    """
    if temperature <= 0:
        raise ValueError(f"the temperature must be positive, not {temperature}")
    tokens = [first]
    for _ in range(length):
        logits, state = step(tokens[-1], state)
        probabilities = (logits / temperature).softmax(dim=-1)
        tokens.append(torch.multinomial(probabilities, 1, generator=generator).squeeze(1))
    return torch.stack(tokens[1:], dim=1)
