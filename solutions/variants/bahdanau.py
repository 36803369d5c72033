"""Right programs for unit 03, written differently.

Each stands in a notebook on its own, so it imports what the notebook does not.
"""

from __future__ import annotations

import math

import torch
from torch import nn

from solutions.programs import variant


@variant("AdditiveScore", "one source word after the other")
class AdditiveScoreByLoop(nn.Module):
    def __init__(self, d_state, d_source, d_attention):
        super().__init__()
        self.energy = nn.Linear(d_attention, 1, bias=False)
        self.state = nn.Linear(d_state, d_attention, bias=False)
        self.source = nn.Linear(d_source, d_attention, bias=False)

    def forward(self, state, source_states):
        asking = self.state(state)
        columns = [self.energy((asking + self.source(word)).tanh()) for word in source_states.unbind(1)]
        return torch.cat(columns, dim=1)


@variant("AdditiveScore", "one matrix on state and source state side by side")
class AdditiveScoreByConcatenation(nn.Module):
    def __init__(self, d_state, d_source, d_attention):
        super().__init__()
        self.state, self.source = (nn.Linear(d, d_attention, bias=False) for d in (d_state, d_source))
        self.energy = nn.Linear(d_attention, 1, bias=False)

    def forward(self, state, source_states):
        S = source_states.shape[1]
        pairs = torch.cat([state.unsqueeze(1).expand(-1, S, -1), source_states], dim=-1)
        both = torch.cat([self.state.weight, self.source.weight], dim=1)
        return torch.einsum("bsa,a->bs", torch.tanh(pairs @ both.T), self.energy.weight[0])


@variant("AdditiveScore", "tanh from exponentials")
class AdditiveScoreByExponentials(nn.Module):
    def __init__(self, d_state, d_source, d_attention):
        super().__init__()
        self.state = nn.Linear(d_state, d_attention, False)
        self.source = nn.Linear(d_source, d_attention, False)
        self.energy = nn.Linear(d_attention, 1, False)

    def forward(self, state, source_states):
        hidden = self.source(source_states).add(self.state(state).unsqueeze(1))
        return torch.matmul(2 * torch.sigmoid(2 * hidden) - 1, self.energy.weight.squeeze(0))


@variant("dot_score", "a batched matrix product")
def dot_by_products(state, source_states):
    if state.size(1) != source_states.size(2):
        raise ValueError(f"widths differ: {state.size(1)} != {source_states.size(2)}")
    return torch.bmm(source_states, state.unsqueeze(2)).squeeze(2)


@variant("dot_score", "a sum of products")
def dot_by_sums(state, source_states):
    *_, d_source = source_states.shape
    if (d_state := state.shape[1]) != d_source:
        raise ValueError(f"the dot product needs equal widths, not {d_state} and {d_source}")
    return (state[:, None] * source_states).sum(dim=2)


@variant("attention_weights", "a mask of logarithms, its empty rows opened")
def weights_by_logarithms(scores, allowed):
    somewhere = allowed.any(dim=1, keepdim=True)
    mask = (allowed | ~somewhere).to(scores.dtype).log()
    return torch.softmax(scores + mask, dim=1) * somewhere


@variant("attention_weights", "the exponential by hand")
def weights_by_exponential(scores, allowed):
    lowest = torch.finfo(scores.dtype).min
    highest = scores.detach().masked_fill(~allowed, lowest).amax(dim=-1, keepdim=True)
    unnormalised = torch.where(allowed, scores - highest, torch.full_like(scores, -math.inf)).exp()
    total = unnormalised.sum(dim=-1, keepdim=True)
    return unnormalised / total.masked_fill(total == 0, 1.0)


@variant("attention_weights", "sentence by sentence, the allowed scores cut out")
def weights_by_sentence(scores, allowed):
    rows = []
    for row, real in zip(scores, allowed, strict=True):
        places = real.nonzero().squeeze(1)
        weights = torch.softmax(row[places], 0)
        rows.append(torch.zeros_like(row).index_put((places,), weights))
    return torch.stack(rows)


@variant("context_vector", "a batched matrix product")
def context_by_products(weights, source_states):
    return torch.bmm(weights.unsqueeze(1), source_states).squeeze(1)


@variant("context_vector", "a sum over the words")
def context_by_sums(weights, source_states):
    context = torch.zeros_like(source_states[:, 0])
    for s in range(source_states.shape[1]):
        context = context + weights[:, s, None] * source_states[:, s]
    return context


@variant("AttentionDecoder", "a class for the scores, and the cell's equations")
class AttentionDecoderByEquations(nn.Module):
    class Score(nn.Module):
        def __init__(self, d_model, d_attention):
            super().__init__()
            self.state = nn.Linear(d_model, d_attention, bias=False)
            self.source = nn.Linear(d_model, d_attention, bias=False)
            self.energy = nn.Linear(d_attention, 1, bias=False)

        def forward(self, state, source_states):
            return self.energy(torch.tanh(self.state(state).unsqueeze(1) + self.source(source_states)))[..., 0]

    def __init__(self, vocab_size, d_model, d_attention):
        super().__init__()
        self.score = self.Score(d_model, d_attention)
        self.embedding = nn.Embedding(vocab_size, d_model)
        self.cell = nn.GRUCell(2 * d_model, d_model)
        self.output = nn.Linear(2 * d_model, vocab_size)

    def forward(self, token, state, source_states, allowed):
        scores = torch.where(allowed, self.score(state, source_states), -torch.inf)
        empty = ~allowed.any(dim=1, keepdim=True)
        weights = torch.softmax(scores, dim=1).masked_fill(empty, 0)
        context = (weights.unsqueeze(-1) * source_states).sum(dim=1)
        read = torch.cat([self.embedding(token), context], 1)
        from_input = nn.functional.linear(read, self.cell.weight_ih, self.cell.bias_ih).chunk(3, dim=1)
        from_state = nn.functional.linear(state, self.cell.weight_hh, self.cell.bias_hh).chunk(3, dim=1)
        reset = (from_input[0] + from_state[0]).sigmoid()
        update = (from_input[1] + from_state[1]).sigmoid()
        proposal = (from_input[2] + reset * from_state[2]).tanh()
        following = (1 - update) * proposal + update * state
        return self.output(torch.cat([following, context], 1)), following, weights


@variant("AttentionDecoder", "sentence by sentence, padding cut off")
class AttentionDecoderBySentence(nn.Module):
    def __init__(self, vocab_size, d_model, d_attention):
        super().__init__()
        names = {"state": d_model, "source": d_model}
        self.score = nn.ModuleDict({name: nn.Linear(width, d_attention, bias=False) for name, width in names.items()})
        self.score["energy"] = nn.Linear(d_attention, 1, bias=False)
        self.embedding, self.cell = nn.Embedding(vocab_size, d_model), nn.GRUCell(2 * d_model, d_model)
        self.output = nn.Linear(2 * d_model, vocab_size)

    def look_back(self, state, source_states, allowed):
        places = allowed.nonzero().squeeze(1)
        seen = source_states[places]
        hidden = torch.tanh(self.score["state"](state) + self.score["source"](seen))
        weights = torch.softmax(hidden @ self.score["energy"].weight[0], dim=0)
        return weights @ seen, torch.zeros_like(source_states[:, 0]).index_put((places,), weights)

    def forward(self, token, state, source_states, allowed):
        sentences = zip(state, source_states, allowed, strict=True)
        contexts, weights = zip(*(self.look_back(*sentence) for sentence in sentences), strict=True)
        context = torch.stack(contexts)
        state = self.cell(torch.hstack([self.embedding(token), context]), state)
        of_state, of_context = self.output.weight.chunk(2, dim=1)
        logits = state @ of_state.T + context @ of_context.T + self.output.bias
        return logits, state, torch.stack(weights)


@variant("initial_state", "a table of modes")
def initial_by_table(final, mode, projection=None):
    def projected():
        if projection is None:
            raise ValueError("there is no projection to project with")
        return torch.nn.functional.linear(final, projection).tanh()

    modes = {"zeros": lambda: final.new_zeros(final.shape), "final": final.clone, "projected": projected}
    if mode not in modes:
        raise ValueError(f"{mode!r} is not one of {', '.join(modes)}")
    return modes[mode]()


@variant("initial_state", "a match statement")
def initial_by_match(final, mode, projection=None):
    match mode:
        case "projected" if projection is not None:
            return torch.einsum("df,bf->bd", projection, final).tanh()
        case "final":
            return final
        case "zeros":
            return 0 * final
        case _:
            raise ValueError(f"not {mode}, but zeros, final, or projected and a projection")


@variant("alignment_error_rate", "a matrix of links")
def rate_by_links(weights, gold):
    if not gold.any():
        raise ValueError("no gold links")
    made = torch.nn.functional.one_hot(weights.argmax(-1), weights.shape[-1]).bool()
    made &= gold.any(-1, keepdim=True)
    return (1.0 - 2.0 * (made & gold).sum() / (made.sum() + gold.sum())).item()


@variant("alignment_error_rate", "sets of links")
def rate_by_sets(weights, gold):
    sure = {tuple(link) for link in gold.nonzero().tolist()}
    if not sure:
        raise ValueError("there is nothing to align")
    positions = {(b, t) for b, t, _ in sure}
    best = weights.argmax(dim=2).tolist()
    made = {(b, t, best[b][t]) for b, t in positions}
    return 1 - (len(made & sure) + len(made & sure)) / (len(made) + len(sure))
