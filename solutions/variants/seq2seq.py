"""Right programs for unit 02, written differently.

Each stands in a notebook on its own, so it imports what the notebook does not.
"""

from __future__ import annotations

import torch
from torch import nn

from solutions.programs import variant


@variant("Encoder", "packed sequences")
class PackedEncoder(nn.Module):
    def __init__(self, vocab_size, d_model, pad_id):
        super().__init__()
        self.embedding = nn.Embedding(vocab_size, d_model, padding_idx=pad_id)
        self.gru = nn.GRU(input_size=d_model, hidden_size=d_model, batch_first=True)
        self.pad_id = pad_id

    def forward(self, source):
        lengths = (source != self.pad_id).sum(1).cpu()
        packed = nn.utils.rnn.pack_padded_sequence(self.embedding(source), lengths, True, enforce_sorted=False)
        outputs, hidden = self.gru(packed)
        outputs, _ = nn.utils.rnn.pad_packed_sequence(outputs, batch_first=True, total_length=source.shape[1])
        return outputs, hidden[0]


@variant("Encoder", "one sentence at a time")
class EncoderBySentence(nn.Module):
    def __init__(self, vocab_size, d_model, pad_id):
        super().__init__()
        self.embedding = nn.Embedding(vocab_size, d_model)
        self.gru = nn.GRU(d_model, d_model, batch_first=True)
        self.pad = pad_id

    def forward(self, source):
        everything, finals = [], []
        for sentence in source:
            words = sentence[sentence.ne(self.pad)]
            states, final = self.gru(self.embedding(words).unsqueeze(0))
            rest = states.new_zeros(source.shape[1] - len(words), states.shape[2])
            everything.append(torch.cat([states[0], rest]))
            finals.append(final[0, 0])
        return torch.stack(everything), torch.stack(finals)


@variant("Encoder", "the gates by hand, a state that waits at padding")
class EncoderByGates(nn.Module):
    def __init__(self, vocab_size, d_model, pad_id):
        super().__init__()
        self.embedding = nn.Embedding(vocab_size, d_model)
        self.gru = nn.GRU(d_model, d_model)
        self.pad_id, self.d_model = pad_id, d_model

    def forward(self, source):
        real = (source != self.pad_id).unsqueeze(-1)
        h = self.embedding.weight.new_zeros(len(source), self.d_model)
        states = []
        for s in range(source.shape[1]):
            x = self.embedding(source[:, s])
            r_x, z_x, n_x = nn.functional.linear(x, self.gru.weight_ih_l0, self.gru.bias_ih_l0).chunk(3, dim=1)
            r_h, z_h, n_h = nn.functional.linear(h, self.gru.weight_hh_l0, self.gru.bias_hh_l0).chunk(3, dim=1)
            z = torch.sigmoid(z_x + z_h)
            new = (1 - z) * torch.tanh(n_x + torch.sigmoid(r_x + r_h) * n_h) + z * h
            h = torch.where(real[:, s], new, h)
            states.append(h.masked_fill(~real[:, s], 0.0))
        return torch.stack(states, 1), h


@variant("Decoder", "the gates by hand")
class DecoderByGates(nn.Module):
    def __init__(self, vocab_size, d_model):
        super().__init__()
        self.output = nn.Linear(d_model, vocab_size)
        self.cell = nn.GRUCell(d_model * 2, d_model)
        self.embedding = nn.Embedding(vocab_size, d_model)

    def forward(self, token, state, context):
        from_token, from_context = self.cell.weight_ih.split(context.shape[1], dim=1)
        x = self.embedding.weight[token] @ from_token.T + context @ from_context.T + self.cell.bias_ih
        h = state @ self.cell.weight_hh.T + self.cell.bias_hh
        (r_x, z_x, n_x), (r_h, z_h, n_h) = x.chunk(3, 1), h.chunk(3, 1)
        candidate = (n_x + (r_x + r_h).sigmoid() * n_h).tanh()
        following = candidate + (z_x + z_h).sigmoid() * (state - candidate)
        return following @ self.output.weight.T + self.output.bias, following


@variant("Decoder", "a layer's own functions, a row at a time")
class DecoderByRow(nn.Module):
    def __init__(self, vocab_size, d_model):
        super().__init__()
        self.embedding = nn.Embedding(vocab_size, d_model)
        self.cell = nn.GRUCell(d_model + d_model, d_model)
        self.output = nn.Linear(d_model, vocab_size)

    def forward(self, token, state, context):
        rows = [torch.cat((self.embedding(t), c)) for t, c in zip(token, context, strict=True)]
        states = torch.stack([self.cell(row, h) for row, h in zip(rows, state, strict=True)])
        return nn.functional.linear(states, self.output.weight, self.output.bias), states


@variant("shift_right", "a copy that is filled in two steps")
def shift_by_filling(targets, bos_id):
    inputs = torch.empty_like(targets)
    inputs[:, 0] = bos_id
    inputs[:, 1:] = targets[:, :-1]
    return inputs


@variant("shift_right", "padding on the left")
def shift_by_padding(targets, bos_id):
    return torch.nn.functional.pad(targets, (1, -1), value=bos_id)


@variant("shift_right", "rolled, then the first column replaced")
def shift_by_rolling(targets, bos_id):
    first = torch.arange(targets.size(1), device=targets.device) == 0
    return targets.roll(1, dims=1).masked_fill(first, bos_id)


@variant("teacher_forced_logits", "the shifted targets, step by step")
def forced_by_index(decoder, targets, state, context, bos_id):
    inputs = torch.cat([targets.new_full((len(targets), 1), bos_id), targets], 1)
    columns = []
    for t in range(targets.shape[1]):
        logits, state = decoder(inputs[:, t], state, context)
        columns.append(logits.unsqueeze(1))
    return torch.cat(columns, dim=1)


@variant("teacher_forced_logits", "by recursion on the length")
def forced_by_recursion(decoder, targets, state, context, bos_id):
    def rest(t, token, state):
        if t == targets.shape[1]:
            return []
        logits, state = decoder(token, state, context)
        return [logits, *rest(t + 1, targets[:, t], state)]

    return torch.stack(rest(0, torch.full_like(targets[:, 0], bos_id), state)).transpose(0, 1)


@variant("greedy_decode", "a tensor of padding that is filled")
def greedy_by_filling(step, state, bos_id, eos_id, pad_id, max_length):
    B = state.shape[0]
    tokens = torch.full((B, max_length), pad_id, device=state.device)
    token = torch.full((B,), bos_id, device=state.device)
    going = torch.ones(B, dtype=torch.bool, device=state.device)
    length = 0
    while going.any() and length < max_length:
        scores, state = step(token, state)
        token = torch.where(going, scores.max(dim=1).indices, token)
        tokens[:, length] = torch.where(going, token, tokens[:, length])
        going = going & (token != eos_id)
        length += 1
    return tokens[:, :length]


@variant("greedy_decode", "sentences that have ended leave the batch")
def greedy_by_leaving(step, state, bos_id, eos_id, pad_id, max_length):
    sentences = [[] for _ in range(len(state))]
    alive = list(range(len(state)))
    token = torch.tensor([bos_id] * len(state), device=state.device)
    for _ in range(max_length):
        logits, state = step(token, state)
        chosen = torch.log_softmax(logits, 1).argmax(1)
        for b, word in zip(alive, chosen.tolist(), strict=True):
            sentences[b].append(word)
        stays = [row for row, word in enumerate(chosen.tolist()) if word != eos_id]
        if not stays:
            break
        alive, token, state = [alive[row] for row in stays], chosen[stays], state[stays]
    longest = max(map(len, sentences))
    rows = [sentence + [pad_id] * (longest - len(sentence)) for sentence in sentences]
    return torch.tensor(rows, device=state.device)


@variant("greedy_decode", "everything decoded, then cut after eos")
def greedy_by_cutting(step, state, bos_id, eos_id, pad_id, max_length):
    tokens = torch.full((len(state), 1), bos_id, dtype=torch.long, device=state.device)
    while tokens.shape[1] <= max_length and not (tokens == eos_id).any(1).all():
        logits, state = step(tokens[:, -1], state)
        tokens = torch.cat([tokens, logits.argmax(-1, keepdim=True)], 1)
    tokens = tokens[:, 1:]
    is_eos = (tokens == eos_id).int()
    before = is_eos.cumsum(1) - is_eos  # how many eos stand before each place
    return tokens.masked_fill(before > 0, pad_id)


@variant("beam_search", "lists that are sorted, a step for each hypothesis")
def beam_by_sorting(step, state, bos_id, eos_id, max_length, width, length_penalty):
    def score(hypothesis):
        words, total, _ = hypothesis
        return total / len(words) ** length_penalty

    def has_ended(hypothesis):
        return hypothesis[0][-1:] == [eos_id]

    beam = [([], 0.0, state)]
    for _ in range(max_length):
        candidates = [hypothesis for hypothesis in beam if has_ended(hypothesis)]
        for words, total, h in [hypothesis for hypothesis in beam if not has_ended(hypothesis)]:
            last = torch.tensor([words[-1] if words else bos_id], device=state.device)
            logits, following = step(last, h)
            for word, p in enumerate(logits[0].log_softmax(0).tolist()):
                candidates.append(([*words, word], total + p, following))
        beam = sorted(candidates, key=score, reverse=True)[:width]
        if all(map(has_ended, beam)):
            break
    return torch.tensor(beam[0][0], device=state.device), score(beam[0])


@variant("beam_search", "those that have ended are kept aside")
def beam_with_two_sets(step, state, bos_id, eos_id, max_length, width, length_penalty):
    finished = []  # (score, tokens, None) of those that have ended and are still in the beam
    prefixes, sums = [[]], torch.zeros(1, device=state.device)
    for length in range(1, max_length + 1):
        last = torch.tensor([prefix[-1] if prefix else bos_id for prefix in prefixes], device=state.device)
        logits, state = step(last, state)
        V = logits.shape[1]
        sums = (sums.unsqueeze(1) + torch.log_softmax(logits, -1)).flatten()
        values, places = sums.topk(min(width, len(sums)))
        found = [
            (value / length**length_penalty, [*prefixes[place // V], place % V], place)
            for value, place in zip(values.tolist(), places.tolist(), strict=True)
        ]
        ranked = sorted([*finished, *found], key=lambda candidate: candidate[0], reverse=True)[:width]
        finished = [candidate for candidate in ranked if candidate[1][-1] == eos_id]
        going = [candidate for candidate in ranked if candidate[1][-1] != eos_id]
        if not going:
            break
        kept = torch.tensor([place for _, _, place in going], device=state.device)
        prefixes, sums, state = [tokens for _, tokens, _ in going], sums[kept], state[kept // V]
    score, best, _ = ranked[0]
    return torch.tensor(best, device=state.device), score


@variant("exact_match", "padded to one length, compared as tensors")
def match_by_tensors(predictions, references, eos_id):
    if predictions.shape[0] != references.shape[0]:
        raise ValueError(f"{predictions.shape[0]} and {references.shape[0]} sentences")
    longest = max(predictions.shape[1], references.shape[1])

    def up_to_eos(tokens):
        tokens = torch.nn.functional.pad(tokens, (0, longest - tokens.shape[1]), value=eos_id)
        ended = (tokens == eos_id).long().cumsum(1).clamp(max=1).bool()
        return tokens.masked_fill(ended, eos_id)

    has_ended = (predictions == eos_id).any(1)
    return ((up_to_eos(predictions) == up_to_eos(references)).all(1) & has_ended).double().mean().item()


@variant("exact_match", "token by token")
def match_by_token(predictions, references, eos_id):
    if len(predictions) != len(references):
        raise ValueError(f"got {len(predictions)} predictions and {len(references)} references")
    right = 0
    for prediction, reference in zip(predictions, references, strict=True):
        for one, other in zip(prediction, reference, strict=False):
            if one != other:
                break
            if one == eos_id:
                right += 1
                break
    return right / len(references)
