"""Right programs for unit 01, written differently.

Each stands in a notebook on its own, so it imports what the notebook does not.
"""

from __future__ import annotations

import torch

from solutions.programs import variant


@variant("rnn_step", "PyTorch's own cell, with these weights in it")
def rnn_by_torch(x, h, weight_ih, weight_hh, bias):
    cell = torch.nn.RNNCell(x.shape[1], h.shape[1], device=x.device)
    weights = {"weight_ih": weight_ih, "weight_hh": weight_hh, "bias_ih": bias, "bias_hh": torch.zeros_like(bias)}
    return torch.func.functional_call(cell, weights, (x, h))


@variant("rnn_step", "one product over input and state side by side")
def rnn_by_concatenation(x, h, weight_ih, weight_hh, bias):
    both = torch.cat([x, h], dim=1)
    return torch.addmm(bias, both, torch.cat([weight_ih, weight_hh], dim=1).t()).tanh()


@variant("rnn_step", "a loop over the batch, the hyperbolic tangent as a sigmoid")
def rnn_by_sentence(x, h, weight_ih, weight_hh, bias):
    summed = [weight_ih @ x[b] + weight_hh @ h[b] + bias for b in range(len(x))]
    return 2 * torch.sigmoid(2 * torch.stack(summed)) - 1


@variant("lstm_step", "PyTorch's own cell, with these weights in it")
def lstm_by_torch(x, state, weight_ih, weight_hh, bias):
    cell = torch.nn.LSTMCell(x.shape[1], state[0].shape[1], device=x.device)
    weights = {"weight_ih": weight_ih, "weight_hh": weight_hh, "bias_ih": torch.zeros_like(bias), "bias_hh": bias}
    return torch.func.functional_call(cell, weights, (x, state))


@variant("lstm_step", "one gate after the other")
def lstm_by_gates(x, state, weight_ih, weight_hh, bias):
    h, c = state
    D = h.size(-1)

    def gate(number):
        rows = slice(number * D, (number + 1) * D)
        return torch.nn.functional.linear(x, weight_ih[rows]) + torch.nn.functional.linear(
            h, weight_hh[rows], bias[rows]
        )

    remembered = torch.sigmoid(gate(1)) * c
    new = remembered + torch.sigmoid(gate(0)) * torch.tanh(gate(2))
    return [torch.sigmoid(gate(3)) * torch.tanh(new), new]


@variant("lstm_step", "weights with an axis for the gates, einsum")
def lstm_by_einsum(x, state, weight_ih, weight_hh, bias):
    h, c = state
    from_x = torch.einsum("bi,gdi->gbd", x, weight_ih.unflatten(0, (4, -1)))
    from_h = torch.einsum("be,gde->gbd", h, weight_hh.unflatten(0, (4, -1)))
    i, f, g, o = from_x + from_h + bias.unflatten(0, (4, 1, -1))
    c = torch.addcmul(torch.sigmoid(f) * c, torch.sigmoid(i), torch.tanh(g))
    return torch.tanh(c).mul(torch.sigmoid(o)), c


@variant("gru_step", "PyTorch's own cell, with these weights in it")
def gru_by_torch(x, h, weight_ih, weight_hh, bias_ih, bias_hh):
    cell = torch.nn.GRUCell(x.shape[1], h.shape[1], device=x.device)
    weights = {"weight_ih": weight_ih, "weight_hh": weight_hh, "bias_ih": bias_ih, "bias_hh": bias_hh}
    return torch.func.functional_call(cell, weights, (x, h))


@variant("gru_step", "one gate after the other, the step as a correction of the state")
def gru_by_gates(x, h, weight_ih, weight_hh, bias_ih, bias_hh):
    D = h.shape[1]
    parts = [
        (x @ weight_ih[k * D : (k + 1) * D].T + bias_ih[k * D : (k + 1) * D],
         h @ weight_hh[k * D : (k + 1) * D].T + bias_hh[k * D : (k + 1) * D])
        for k in range(3)
    ]  # fmt: skip
    reset = torch.sigmoid(parts[0][0] + parts[0][1])
    update = torch.sigmoid(parts[1][0] + parts[1][1])
    candidate = torch.tanh(parts[2][0] + reset * parts[2][1])
    return candidate + update * (h - candidate)


@variant("gru_step", "weights with an axis for the gates, lerp")
def gru_by_lerp(x, h, weight_ih, weight_hh, bias_ih, bias_hh):
    from_x = torch.einsum("bi,gdi->gbd", x, weight_ih.unflatten(0, (3, -1))) + bias_ih.unflatten(0, (3, 1, -1))
    from_h = torch.einsum("be,gde->gbd", h, weight_hh.unflatten(0, (3, -1))) + bias_hh.unflatten(0, (3, 1, -1))
    r, z = torch.sigmoid(from_x[:2] + from_h[:2])
    return torch.lerp(torch.tanh(from_x[2] + r * from_h[2]), h, z)


@variant("unroll", "an output tensor that is filled step by step")
def unroll_by_filling(step, inputs, state):
    first, state = step(inputs[:, 0], state)
    outputs = first.new_empty(inputs.shape[0], inputs.shape[1], *first.shape[1:])
    outputs[:, 0] = first
    for t in range(1, inputs.shape[1]):
        outputs[:, t], state = step(inputs[:, t], state)
    return outputs, state


@variant("unroll", "by recursion")
def unroll_by_recursion(step, inputs, state):
    if inputs.shape[1] == 0:
        return inputs.new_empty(inputs.shape[0], 0, 0), state
    output, state = step(inputs[:, 0], state)
    rest, final = unroll_by_recursion(step, inputs[:, 1:], state)
    return (torch.cat([output[:, None], rest], dim=1) if rest.shape[1] else output[:, None]), final


@variant("unroll", "time first inside")
def unroll_time_first(step, inputs, state):
    collected = []
    for x in inputs.transpose(0, 1).unbind():
        y, state = step(x, state)
        collected += [y.unsqueeze(0)]
    return torch.cat(collected).movedim(0, 1), state


@variant("sequence_cross_entropy", "PyTorch's own loss")
def loss_by_torch(logits, targets, pad_id):
    total = torch.nn.functional.cross_entropy(logits.transpose(1, 2), targets, ignore_index=pad_id, reduction="sum")
    return total / max(1, int((targets != pad_id).sum()))


@variant("sequence_cross_entropy", "a loop over the tokens")
def loss_by_loop(logits, targets, pad_id):
    total, count = 0.0 * logits.sum(), 0
    for sentence, words in zip(logits, targets.tolist(), strict=True):
        for row, word in zip(sentence, words, strict=True):
            if word != pad_id:
                total, count = total + row.logsumexp(0) - row[word], count + 1
    return total / max(count, 1)


@variant("sequence_cross_entropy", "a weight of one or zero for each token")
def loss_by_weights(logits, targets, pad_id):
    V = logits.shape[-1]
    losses = torch.nn.functional.cross_entropy(logits.reshape(-1, V), targets.reshape(-1), reduction="none")
    real = torch.ne(targets, pad_id).flatten().to(logits.dtype)
    return torch.dot(losses, real) / torch.clamp(real.sum(), min=1)


@variant("gradient_by_distance", "a backward pass through copies of the inputs")
def gradient_by_copies(step, inputs, state):
    leaves = [x.detach().clone().requires_grad_(True) for x in inputs.unbind(1)]
    for x in leaves:
        output, state = step(x, state)
    output.sum().backward()
    return torch.stack([x.grad.square().sum(1).sqrt().mean() for x in reversed(leaves)])


@variant("gradient_by_distance", "one sentence at a time, by a vector-Jacobian product")
def gradient_by_vjp(step, inputs, state):
    def last(sequence):
        after = state
        for t in range(sequence.size(1)):
            output, after = step(sequence[:, t], after)
        return output

    output, pull_back = torch.func.vjp(last, inputs.detach())
    (gradient,) = pull_back(torch.ones_like(output))
    norms = [torch.linalg.vector_norm(sentence, dim=1) for sentence in gradient]
    return torch.flip(sum(norms) / len(norms), (0,))


@variant("sample_tokens", "the largest of the logits with Gumbel noise")
def sample_by_gumbel(step, state, first, length, temperature, generator):
    if not temperature > 0:
        raise ValueError(f"temperature={temperature}: it must be above 0")
    token, tokens = first, []
    for _ in range(length):
        logits, state = step(token, state)
        uniform = torch.rand(logits.shape, generator=generator, dtype=torch.float64).clamp_min(1e-300)
        noise = -torch.log(-torch.log(uniform)).to(logits.device)
        token = (logits.double() / temperature + noise).argmax(dim=-1)
        tokens.append(token)
    return torch.stack(tokens, dim=-1)


@variant("sample_tokens", "a uniform number looked up among the summed probabilities")
def sample_by_inversion(step, state, first, length, temperature, generator):
    if temperature <= 0:
        raise ValueError(f"{temperature} is no temperature")
    token, tokens = first, first.new_empty(len(first), length)
    for t in range(length):
        logits, state = step(token, state)
        sums = torch.softmax(logits.double() / temperature, dim=-1).cumsum(dim=-1)
        drawn = torch.rand(len(token), 1, generator=generator, dtype=torch.float64).to(sums.device) * sums[:, -1:]
        token = torch.searchsorted(sums, drawn, right=True).squeeze(1).clamp_max(logits.shape[-1] - 1)
        tokens[:, t] = token
    return tokens


@variant("sample_tokens", "one sequence's draw at a time")
def sample_one_by_one(step, state, first, length, temperature, generator):
    if temperature <= 0:
        raise ValueError(f"temperature must be positive: {temperature}")
    columns = [first]
    while len(columns) <= length:
        logits, state = step(columns[-1], state)
        scores = logits / temperature
        weights = (scores - scores.amax(dim=1, keepdim=True)).exp()
        columns.append(torch.cat([torch.multinomial(row, 1, generator=generator) for row in weights]))
    return torch.stack(columns, dim=1)[:, 1:]
