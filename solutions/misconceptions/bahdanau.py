"""Wrong programs for unit 03, each one mistake that a person would make."""

from __future__ import annotations

import math
from functools import partial

import torch
from torch import nn

from solutions import bahdanau
from solutions.programs import edited, misconception

additive = partial(edited, bahdanau, "AdditiveScore")
AdditiveScore = [
    additive(
        "torch.tanh(together)",
        "together",
        name="no tanh",
        hint="Without the tanh the score is a sum of two linear parts, and the state adds the same number to every "
        "word: it could not choose.",
    ),
    additive(
        "self.energy(torch.tanh(together))",
        "torch.tanh(self.energy(together))",
        name="the tanh outside the energy",
        hint="The tanh works on the d_attention numbers where state and source meet, before the energy sums them up.",
    ),
    additive(
        "torch.tanh(together)",
        "torch.relu(together)",
        name="a ReLU instead of tanh",
        hint="The paper's score has a tanh, which keeps every one of the d_attention numbers between -1 and 1.",
    ),
    additive(
        "torch.tanh(together)",
        "torch.sigmoid(together)",
        name="a sigmoid instead of tanh",
        hint="tanh goes from -1 to 1 through 0; a sigmoid goes from 0 to 1.",
    ),
    additive(
        "torch.tanh(together)",
        "torch.tanh(self.state(state))[:, None, :] + torch.tanh(self.source(source_states))",
        name="a tanh for each projection",
        hint="The projections are added first. With a tanh for each, state and word never meet, and the state adds "
        "the same number to every word.",
    ),
    additive(
        "[:, None, :] + self.source",
        "[:, None, :] * self.source",
        name="the projections are multiplied",
        hint="The score is called additive because the projections are added; their product is another score.",
    ),
    additive(
        "self.state(state)[:, None, :] + self.source(source_states)",
        "self.source(source_states)",
        name="the state is left out",
        hint="A score that does not see the state is the same at every step: the decoder could not look elsewhere.",
    ),
    additive(
        "self.state(state)[:, None, :]",
        "self.state(state).repeat(source_states.shape[1], 1).view(*source_states.shape[:2], -1)",
        name="states repeated along the batch, not along the source",
        hint="repeat(S, 1).view(B, S, -1) mixes the sentences. Give the state an axis of length 1 instead: "
        "state[:, None, :].",
    ),
    additive(
        "self.state(state)[:, None, :]",
        "self.state(state)[:1, None, :]",
        name="the first sentence asks for all",
        hint="Each sentence of the batch has a state of its own: keep the batch axis of state.",
    ),
    additive(
        "self.state = nn.Linear(d_state, d_attention, bias=False)",
        "self.state = nn.Linear(d_state, d_attention)",
        name="a bias in the state's projection",
        hint="None of the three projections has a bias: pass bias=False.",
    ),
    additive(
        "self.energy = nn.Linear(d_attention, 1, bias=False)",
        "self.energy = nn.Linear(d_attention, 1)",
        name="a bias in the energy",
        hint="A bias would raise every score alike, and softmax does not notice that: pass bias=False.",
    ),
    additive(
        "self.source = nn.Linear(d_source, d_attention, bias=False)",
        "self.source = nn.Linear(d_state, d_attention, bias=False)",
        name="the source projected from the state's width",
        hint="The source states have the width d_source: their projection goes from there to d_attention.",
    ),
    additive(
        "return scores.squeeze(-1)",
        "return scores",
        name="the energy's axis is kept",
        hint="The energy has one number per word, in an axis of length 1. Take it away: the scores have the axes B, S.",
    ),
    additive(
        "return scores.squeeze(-1)",
        "return scores.squeeze()",
        name="every axis of length 1 squeezed away",
        hint="squeeze() without an axis also removes the batch of a lone sentence, or the axis of a lone word: use "
        "squeeze(-1).",
    ),
    additive(
        "return scores.squeeze(-1)",
        "return scores.squeeze(-1).softmax(dim=-1)",
        name="weights returned instead of scores",
        hint="The softmax comes later, when the mask is known. Here the scores are wanted as they are.",
    ),
    additive(
        "return scores.squeeze(-1)",
        "return scores.squeeze(-1) / math.sqrt(together.shape[-1])",
        name="scaled by the root of the attention's width",
        hint="The scale 1/√d belongs to the dot product of unit 04. The additive score has none.",
    ),
    additive(
        "self.energy(torch.tanh(together))",
        "torch.tanh(together).sum(dim=-1, keepdim=True)",
        name="a plain sum instead of the energy",
        hint="The vector v of the energy says how much each of the d_attention numbers counts; a sum counts them "
        "all alike.",
    ),
    additive(
        "self.source(source_states)\n",
        "self.source(source_states).detach()\n",
        name="the source is cut from the graph",
        hint="With detach() no gradient reaches the source projection or the encoder, and alignments are not learned.",
    ),
]

product = partial(edited, bahdanau, "dot_score")
dot_score = [
    product(
        'torch.einsum("bd,bsd->bs", state, source_states)',
        'torch.einsum("bd,bsd->bs", state, source_states) / math.sqrt(state.shape[-1])',
        name="scaled by √D",
        hint="The scale comes with the Transformer, in unit 04. This score is the dot product itself.",
    ),
    product(
        'torch.einsum("bd,bsd->bs", state, source_states)',
        "(state[:, None] * source_states).mean(dim=-1)",
        name="the mean of the products",
        hint="A dot product is the sum of the products; the mean divides it by the width.",
    ),
    product(
        'torch.einsum("bd,bsd->bs", state, source_states)',
        "torch.cosine_similarity(state[:, None], source_states, dim=-1)",
        name="cosine similarity instead of the dot product",
        hint="The dot product keeps the lengths: a longer state chooses more sharply.",
    ),
    product(
        'torch.einsum("bd,bsd->bs", state, source_states)',
        "-(state[:, None] - source_states).square().sum(dim=-1)",
        name="a negative distance instead of the dot product",
        hint="A distance also falls with the length of the source state. Sum the products, not the squared "
        "differences.",
    ),
    product(
        'torch.einsum("bd,bsd->bs", state, source_states)',
        "state[:, None] * source_states",
        name="the products are not summed",
        hint="One number per source word is wanted: sum the products over the width.",
    ),
    product(
        'torch.einsum("bd,bsd->bs", state, source_states)',
        "(state[:, None] * source_states).sum(dim=1)",
        name="summed over the words",
        hint="The sum runs over the width, the last axis; the words keep an axis of their own.",
    ),
    product(
        'torch.einsum("bd,bsd->bs", state, source_states)',
        "state @ source_states.mT",
        name="every state asks every sentence",
        hint="The product of (B, D) and (B, D, S) is (B, B, S). Each state belongs to its own sentence: "
        "state[:, None] @ …, or einsum.",
    ),
    product(
        'torch.einsum("bd,bsd->bs", state, source_states)',
        'torch.einsum("bd,sd->bs", state, source_states[0])',
        name="every state asks the first sentence",
        hint="Each sentence of the batch has source states of its own: keep the batch axis in the product.",
    ),
    product(
        'torch.einsum("bd,bsd->bs", state, source_states)',
        "(source_states @ state[:, :, None]).squeeze()",
        name="every axis of length 1 squeezed away",
        hint="squeeze() without an axis also removes the batch of a lone sentence: use squeeze(-1).",
    ),
    product(
        'torch.einsum("bd,bsd->bs", state, source_states)',
        'torch.einsum("bd,bsd->bs", state, source_states).softmax(dim=-1)',
        name="weights returned instead of scores",
        hint="The softmax comes later, when the mask is known. Here the scores are wanted as they are.",
    ),
    product(
        'torch.einsum("bd,bsd->bs", state, source_states)',
        'torch.einsum("bd,bsd->bs", state, source_states.detach())',
        name="the source is cut from the graph",
        hint="With detach() no gradient reaches the encoder through the scores, and alignments are not learned.",
    ),
    product(
        'torch.einsum("bd,bsd->bs", state, source_states)',
        "source_states.mul_(state[:, None]).sum(dim=-1)",
        name="the source states are multiplied in place",
        hint="An operation in place changes the caller's source states: the next step of the decoder would see others.",
    ),
    product(
        "    if state.shape[-1] != source_states.shape[-1]:\n"
        '        raise ValueError(f"a state of width {state.shape[-1]} and source states of width '
        '{source_states.shape[-1]}")\n',
        "",
        name="different widths are left to PyTorch",
        hint="PyTorch's error speaks of an einsum. Compare the widths first and raise ValueError with both numbers.",
    ),
    product(
        "    if state.shape[-1] != source_states.shape[-1]:\n"
        '        raise ValueError(f"a state of width {state.shape[-1]} and source states of width '
        '{source_states.shape[-1]}")\n',
        "    width = min(state.shape[-1], source_states.shape[-1])\n"
        "    state, source_states = state[..., :width], source_states[..., :width]\n",
        name="the wider one is cut off",
        hint="Cutting to the smaller width gives numbers that mean nothing. Raise ValueError with both widths.",
    ),
]

weigh = partial(edited, bahdanau, "attention_weights")
attention_weights = [
    weigh(
        "scores.masked_fill(~allowed, -math.inf)",
        "scores",
        name="the mask is used for nothing but empty sentences",
        hint="Padding gets weight unless its score is -inf before the softmax.",
    ),
    weigh(
        "scores.masked_fill(~allowed, -math.inf).softmax(dim=-1)",
        "scores.softmax(dim=-1) * allowed",
        name="masked after the softmax, not renormalised",
        hint="Weights taken away after the softmax leave rows that sum to less than 1. Mask the scores, before the "
        "softmax.",
    ),
    weigh(
        "scores.masked_fill(~allowed, -math.inf).softmax(dim=-1)",
        "scores.softmax(dim=-1) * allowed\n    weights = weights / weights.sum(dim=-1, keepdim=True)",
        name="masked after the softmax, then renormalised",
        hint="In exact arithmetic that is right. But where a padding score is far above the real ones, their weights "
        "underflow to 0 and the division is 0/0. Mask the scores, before the softmax.",
    ),
    weigh(
        "-math.inf",
        "-1e9",
        name="a finite fill, -1e9",
        hint="Scores below any finite fill can be learned, and then padding is read. Fill with -inf.",
    ),
    weigh(
        "-math.inf",
        "-1e4",
        name="a finite fill, -1e4",
        hint="Real scores near -20,000 lose against a fill of -1e4, and padding is read. Fill with -inf.",
    ),
    weigh(
        "scores.masked_fill(~allowed, -math.inf)",
        "(scores * allowed)",
        name="scores multiplied by the mask",
        hint="A score of 0 still gets the weight e⁰. Padding needs the score -inf.",
    ),
    weigh(
        "scores.masked_fill(~allowed, -math.inf)",
        "(scores + allowed)",
        name="the boolean mask added to the scores",
        hint="An added mask holds 0 and -inf; this one is True and False, and adding it only adds 1.",
    ),
    weigh(
        "scores.masked_fill(~allowed,",
        "scores.masked_fill(allowed,",
        name="the mask upside down",
        hint="allowed is True on real words: fill where it is False.",
    ),
    weigh(
        "scores.masked_fill(~allowed,",
        "scores.masked_fill(~allowed[:1],",
        name="every sentence gets the mask of the first",
        hint="Each sentence of the batch has padding of its own: keep the batch axis of allowed.",
    ),
    weigh(
        "scores.masked_fill(~allowed,",
        "scores.masked_fill(torch.arange(scores.shape[1], device=scores.device) >= allowed.sum(-1, keepdim=True),",
        name="padding taken to be at the end",
        hint="The mask says where padding is, not only how much of it there is: use allowed itself.",
    ),
    weigh(
        "softmax(dim=-1)",
        "softmax(dim=0)",
        name="softmax over the batch",
        hint="Each sentence shares out its weight over its own words: the softmax runs over the last axis.",
    ),
    weigh(
        "scores.masked_fill(~allowed, -math.inf).softmax(dim=-1)",
        "scores.masked_fill(~allowed, -math.inf).flatten().softmax(dim=0).view_as(scores)",
        name="one softmax over the whole batch",
        hint="Each sentence has a weight of 1 to share out, and sentences know nothing of each other: dim=-1.",
    ),
    weigh(
        "softmax(dim=-1)",
        "sigmoid()",
        name="a sigmoid for each word",
        hint="Sigmoids do not compete: the weights of a sentence must sum to 1.",
    ),
    weigh(
        "scores.masked_fill(~allowed, -math.inf).softmax(dim=-1)",
        "scores.masked_fill(~allowed, -math.inf).exp()\n"
        "    weights = weights / weights.sum(dim=-1, keepdim=True).masked_fill(~allowed.any(-1, keepdim=True), 1.0)",
        name="exponential without subtracting the maximum",
        hint="exp(1000) is infinite. Subtract each row's maximum first (softmax does): the weights stay the same.",
    ),
    weigh(
        "return weights.masked_fill(~allowed.any(dim=-1, keepdim=True), 0.0)",
        "return weights",
        name="NaN from a sentence with nothing allowed",
        hint="softmax over a row of -inf is 0/0. Set the weights of such a row to zero after the softmax.",
    ),
    weigh(
        "return weights.masked_fill(~allowed.any(dim=-1, keepdim=True), 0.0)",
        "return weights.nan_to_num(1 / scores.shape[-1])",
        name="an empty sentence is read evenly",
        hint="Where nothing may be read nothing is read: such a row is zeros.",
    ),
    weigh(
        "scores.masked_fill(~allowed, -math.inf)",
        "(scores + torch.zeros_like(scores).masked_fill(~allowed, -math.inf))",
        name="zeros forward, NaN backward",
        hint="With an added mask the gradient of an empty row is NaN, and one empty sentence ruins every parameter. "
        "masked_fill on the scores stops it, or leave one place of such a row open.",
    ),
    weigh(
        "scores.masked_fill(",
        "scores.masked_fill_(",
        name="the scores are filled in place",
        hint="masked_fill_ with an underscore changes the caller's scores. Without it you get a new tensor.",
    ),
    weigh(
        "scores.masked_fill(~allowed, -math.inf).softmax(dim=-1)",
        "torch.where(allowed, scores, torch.full(scores.shape, -math.inf, dtype=scores.dtype)).softmax(dim=-1)",
        name="a tensor made on the default device",
        hint="torch.full without device= lives on the CPU, and on a GPU the call fails. torch.full_like does not.",
    ),
    weigh(
        "softmax(dim=-1)",
        "softmax(dim=-1, dtype=torch.float32).to(scores.dtype)",
        name="computed in float32 whatever comes in",
        hint="The weights have the type of the scores. float32 inside loses the digits of float64.",
    ),
    weigh(
        "return weights.masked",
        "return weights.detach().masked",
        name="the weights are cut from the graph",
        hint="Without a gradient through the weights nobody learns where to look.",
    ),
]

mix = partial(edited, bahdanau, "context_vector")
context_vector = [
    mix(
        'torch.einsum("bs,bsd->bd", weights, source_states)',
        'torch.einsum("bs,bsd->bd", weights, source_states) / weights.shape[1]',
        name="the weighted mean of the words",
        hint="The weights share out a total of 1 already; dividing by the number of words divides twice.",
    ),
    mix(
        'torch.einsum("bs,bsd->bd", weights, source_states)',
        "source_states.mean(dim=1)",
        name="the weights are not used",
        hint="A plain mean is the same at every step. The weights say how much of each word is read.",
    ),
    mix(
        'torch.einsum("bs,bsd->bd", weights, source_states)',
        'torch.einsum("bs,bsd->bd", weights.softmax(dim=-1), source_states)',
        name="a second softmax",
        hint="The weights come out of a softmax; another one makes them nearly equal.",
    ),
    mix(
        'torch.einsum("bs,bsd->bd", weights, source_states)',
        'torch.einsum("bs,bsd->bd", weights / weights.sum(dim=-1, keepdim=True), source_states)',
        name="the weights are normalised again",
        hint="A sentence with nothing to read has weights of zero, and zero over zero is NaN. Use them as they are.",
    ),
    mix(
        'torch.einsum("bs,bsd->bd", weights, source_states)',
        "source_states[torch.arange(len(weights), device=weights.device), weights.argmax(dim=-1)]",
        name="only the word with the largest weight",
        hint="A hard choice has no gradient for the weights, so nothing teaches the decoder where to look.",
    ),
    mix(
        'torch.einsum("bs,bsd->bd", weights, source_states)',
        "(weights[:, :, None] * source_states).amax(dim=1)",
        name="the maximum instead of the sum",
        hint="The context is the sum of the weighted source states over the words.",
    ),
    mix(
        'torch.einsum("bs,bsd->bd", weights, source_states)',
        "weights[:, :, None] * source_states",
        name="the words are not summed",
        hint="One vector per sentence is wanted: sum the weighted source states over the words.",
    ),
    mix(
        'torch.einsum("bs,bsd->bd", weights, source_states)',
        "weights @ source_states[0]",
        name="every sentence reads the first",
        hint="Each sentence of the batch has source states of its own: keep the batch axis in the product.",
    ),
    mix(
        'torch.einsum("bs,bsd->bd", weights, source_states)',
        "(weights[:, None] @ source_states).squeeze()",
        name="every axis of length 1 squeezed away",
        hint="squeeze() without an axis also removes the batch of a lone sentence: use squeeze(1).",
    ),
    mix(
        'torch.einsum("bs,bsd->bd", weights, source_states)',
        'torch.einsum("bs,bsd->bd", weights.detach(), source_states)',
        name="the weights are cut from the graph",
        hint="Without a gradient through the weights the scores never learn where to look.",
    ),
    mix(
        'torch.einsum("bs,bsd->bd", weights, source_states)',
        "source_states.mul_(weights[:, :, None]).sum(dim=1)",
        name="the source states are weighted in place",
        hint="An operation in place changes the caller's source states: the next step of the decoder would see others.",
    ),
]

decoder = partial(edited, bahdanau, "AttentionDecoder")
AttentionDecoder = [
    decoder(
        "torch.cat([self.embedding(token), context], dim=-1)",
        "torch.cat([context, self.embedding(token)], dim=-1)",
        name="the cell reads context first",
        hint="The columns of the cell's weights belong to [embedding; context] in this order. Trained from scratch the "
        "other order works as well, with given weights it does not.",
    ),
    decoder(
        "torch.cat([following, context], dim=-1)",
        "torch.cat([context, following], dim=-1)",
        name="the output reads context first",
        hint="The columns of the output's weights belong to [next state; context] in this order.",
    ),
    decoder(
        "torch.cat([following, context], dim=-1)",
        "torch.cat([state, context], dim=-1)",
        name="the logits come from the old state",
        hint="The old state has not read the token yet. The logits come from the next state.",
    ),
    decoder(
        "torch.cat([following, context], dim=-1)",
        "torch.cat([following, self.embedding(token)], dim=-1)",
        name="the output reads the embedding, not the context",
        hint="The output sees what was just looked at: [next state; context].",
    ),
    decoder(
        "self.output(torch.cat([following, context], dim=-1)), following, weights",
        "self.output(torch.cat([following, context], dim=-1)), state, weights",
        name="the state is handed on unchanged",
        hint="Return the state that the cell made, or the decoder stays at its first step for ever.",
    ),
    decoder(
        "self.output(torch.cat([following, context], dim=-1)), following, weights",
        "following, self.output(torch.cat([following, context], dim=-1)), weights",
        name="the state first, then the logits",
        hint="The step returns the logits first, then the next state, then the weights.",
    ),
    decoder(
        "self.output(torch.cat([following, context], dim=-1)), following, weights",
        "self.output(torch.cat([following, context], dim=-1)).softmax(dim=-1), following, weights",
        name="probabilities returned instead of logits",
        hint="The cross-entropy takes logits and has a softmax of its own.",
    ),
    decoder(
        "self.output(torch.cat([following, context], dim=-1)), following, weights",
        "self.output(torch.cat([following, context], dim=-1)), following, scores",
        name="scores returned instead of weights",
        hint="What you return (and plot) must be what the context was made with: the weights after mask and softmax.",
    ),
    decoder(
        "self.cell(torch.cat([self.embedding(token), context], dim=-1), state)",
        "self.cell(state, torch.cat([self.embedding(token), context], dim=-1))",
        name="the cell's arguments exchanged",
        hint="nn.GRUCell takes the input first and the state second.",
    ),
    decoder(
        "torch.cat([self.embedding(token), context], dim=-1), state)",
        "torch.cat([self.embedding(token), context], dim=-1), context)",
        name="the context in place of the state",
        hint="The cell reads the context and keeps the state: it needs both, each in its own place.",
    ),
    decoder(
        "torch.cat([self.embedding(token), context], dim=-1), state)",
        "torch.cat([self.embedding(token), torch.zeros_like(context)], dim=-1), state)",
        name="the cell does not read the context",
        hint="The state must hear what was looked at, or the next look cannot depend on it.",
    ),
    decoder(
        "torch.tanh(together)",
        "together",
        name="no tanh in the score",
        hint="Without the tanh the state adds the same number to every word, and the weights are the same at every "
        "step.",
    ),
    decoder(
        'self.score["state"](state)[:, None, :] + self.score["source"](source_states)',
        'self.score["source"](source_states)',
        name="the score does not see the state",
        hint="A score without the state is the same at every step: the decoder could not look elsewhere.",
    ),
    decoder(
        'self.score["state"](state)[:, None, :]',
        'self.score["state"](self.embedding(token))[:, None, :]',
        name="the token asks instead of the state",
        hint="The state knows the whole sentence so far, the token only the last word: two equal words would look at "
        "the same place.",
    ),
    decoder(
        "scores.masked_fill(~allowed, -math.inf)",
        "scores",
        name="padding is not masked",
        hint="Padding gets weight unless its scores are -inf before the softmax.",
    ),
    decoder(
        "scores.masked_fill(~allowed, -math.inf)",
        "(scores * allowed)",
        name="scores multiplied by the mask",
        hint="A score of 0 still gets the weight e⁰. Padding needs the score -inf.",
    ),
    decoder(
        "scores.masked_fill(~allowed, -math.inf).softmax(dim=-1)",
        "scores.softmax(dim=-1) * allowed",
        name="masked after the softmax, not renormalised",
        hint="Weights taken away after the softmax leave rows that sum to less than 1. Mask the scores, before the "
        "softmax.",
    ),
    decoder(
        "scores.masked_fill(~allowed,",
        "scores.masked_fill(allowed,",
        name="the mask upside down",
        hint="allowed is True on real words: fill where it is False.",
    ),
    decoder(
        "scores.masked_fill(~allowed,",
        "scores.masked_fill(~allowed[:1],",
        name="every sentence gets the mask of the first",
        hint="Each sentence of the batch has padding of its own: keep the batch axis of allowed.",
    ),
    decoder(
        "        weights = weights.masked_fill(~allowed.any(dim=-1, keepdim=True), 0.0)\n",
        "",
        name="NaN from a sentence with nothing allowed",
        hint="softmax over a row of -inf is 0/0. Set the weights of such a row to zero after the softmax.",
    ),
    decoder(
        'torch.einsum("bs,bsd->bd", weights, source_states)',
        'torch.einsum("bs,bsd->bd", weights.detach(), source_states)',
        name="the weights are cut from the graph",
        hint="Without a gradient through the weights the scores never learn where to look.",
    ),
    decoder(
        'torch.einsum("bs,bsd->bd", weights, source_states)',
        "source_states[torch.arange(len(weights), device=weights.device), weights.argmax(dim=-1)]",
        name="only the word with the largest weight",
        hint="A hard choice has no gradient, so nothing teaches the decoder where to look.",
    ),
    decoder(
        'torch.einsum("bs,bsd->bd", weights, source_states)',
        'torch.einsum("bs,bsd->bd", allowed.to(state.dtype) / allowed.sum(-1, keepdim=True).clamp_min(1), '
        "source_states)",
        name="the context is the mean of the source",
        hint="A mean is one vector for the whole sentence, the bottleneck of unit 02 again. Weigh the source states.",
    ),
    decoder(
        "return self.output(torch.cat([following, context], dim=-1))",
        "return self.output(nn.functional.dropout(torch.cat([following, context], dim=-1), 0.1))",
        name="dropout that is never switched off",
        hint="F.dropout(x, p) drops in evaluation too, unless training=self.training is passed. This decoder has none.",
    ),
    decoder(
        "nn.GRUCell(2 * d_model, d_model)",
        "nn.GRUCell(d_model, d_model)",
        name="a cell that is too narrow for the context",
        hint="The cell reads embedding and context side by side: its input is 2 d_model wide.",
    ),
    decoder(
        "self.output = nn.Linear(2 * d_model, vocab_size)",
        "self.output = nn.Linear(2 * d_model, vocab_size, bias=False)",
        name="no bias in the output",
        hint="The output layer is an ordinary nn.Linear; only the score's projections have no bias.",
    ),
]


@misconception(
    "AttentionDecoder",
    "looks back after the step, not before",
    hint="Here the previous state asks, and the cell reads the context (Bahdanau et al.). Asking with the next state, "
    "after the cell, is Luong's order.",
)
class LooksBackAfter(nn.Module):
    def __init__(self, vocab_size, d_model, d_attention):
        super().__init__()
        self.embedding = nn.Embedding(vocab_size, d_model)
        self.score = nn.ModuleDict(
            {
                "state": nn.Linear(d_model, d_attention, bias=False),
                "source": nn.Linear(d_model, d_attention, bias=False),
                "energy": nn.Linear(d_attention, 1, bias=False),
            }
        )
        self.cell = nn.GRUCell(2 * d_model, d_model)
        self.output = nn.Linear(2 * d_model, vocab_size)

    def look_back(self, state, source_states, allowed):
        hidden = torch.tanh(self.score["state"](state)[:, None] + self.score["source"](source_states))
        scores = self.score["energy"](hidden).squeeze(-1).masked_fill(~allowed, -math.inf)
        weights = scores.softmax(dim=-1).masked_fill(~allowed.any(dim=-1, keepdim=True), 0.0)
        return torch.einsum("bs,bsd->bd", weights, source_states), weights

    def forward(self, token, state, source_states, allowed):
        context, _ = self.look_back(state, source_states, allowed)
        state = self.cell(torch.cat([self.embedding(token), context], dim=-1), state)
        context, weights = self.look_back(state, source_states, allowed)
        return self.output(torch.cat([state, context], dim=-1)), state, weights


start = partial(edited, bahdanau, "initial_state")
initial_state = [
    start(
        "torch.tanh(final @ projection.T)",
        "final @ projection.T",
        name="no tanh",
        hint="A GRU's states lie between -1 and 1; the tanh puts the first one there too.",
    ),
    start(
        "torch.tanh(final @ projection.T)",
        "torch.tanh(final) @ projection.T",
        name="the tanh before the projection",
        hint="The tanh comes last, so that the state lies between -1 and 1.",
    ),
    start(
        "torch.tanh(final @ projection.T)",
        "torch.tanh(final @ projection)",
        name="the projection transposed",
        hint="The projection (D, F) stands to the left of a column. For rows in a batch that is final @ projection.T.",
    ),
    start(
        "torch.tanh(final @ projection.T)",
        "torch.tanh(final.detach() @ projection.T)",
        name="the encoder is cut from the graph",
        hint="With detach() the encoder does not learn what the decoder should start from.",
    ),
    start(
        "torch.zeros_like(final)",
        "torch.zeros(final.shape)",
        name="zeros of the default type on the default device",
        hint="torch.zeros(shape) is float32 on the CPU. torch.zeros_like(final) has final's type and device.",
    ),
    start(
        "torch.zeros_like(final)",
        "torch.zeros_like(final[0])",
        name="one state of zeros for the whole batch",
        hint="Each sentence starts from a state of its own: the axes are B, D.",
    ),
    start(
        "        return final\n",
        "        return torch.tanh(final)\n",
        name="a tanh on the final state",
        hint="Mode 'final' hands the encoder's state over as it is.",
    ),
    start(
        "        return final\n",
        "        return final.flip(0)\n",
        name="the batch backwards",
        hint="Each sentence starts from its own final state: keep the order of the batch.",
    ),
    start(
        "    if mode != \"projected\":\n        raise ValueError(f\"mode is {mode!r}; it must be 'zeros', 'final' or "
        "'projected'\")\n",
        "",
        name="every other mode projects",
        hint="A misspelt mode should be an error, not one of the three: raise ValueError that names them.",
    ),
    start(
        "raise ValueError(f\"mode is {mode!r}; it must be 'zeros', 'final' or 'projected'\")",
        'raise ValueError(f"unknown mode {mode!r}")',
        name="an error that does not name the choices",
        hint="Whoever misspelt a mode wants to read the right spellings: put the three modes into the message.",
    ),
    start(
        "raise ValueError(f\"mode is {mode!r}; it must be 'zeros', 'final' or 'projected'\")",
        "raise KeyError(f\"mode is {mode!r}; it must be 'zeros', 'final' or 'projected'\")",
        name="a KeyError for an unknown mode",
        hint="A wrong argument is a ValueError, also where the modes are kept in a dictionary.",
    ),
    start(
        "raise ValueError(\"mode 'projected' needs a projection\")",
        "return torch.tanh(final)",
        name="a missing projection is passed over",
        hint="Mode “projected” without a projection is a mistake of the caller: raise ValueError.",
    ),
]

rate = partial(edited, bahdanau, "alignment_error_rate")
alignment_error_rate = [
    rate(
        "1 - 2 * int(right.sum()) / (made + true)",
        "2 * int(right.sum()) / (made + true)",
        name="the F-score itself",
        hint="An error rate is 0 where everything is right: subtract from 1.",
    ),
    rate(
        "1 - 2 * int(right.sum()) / (made + true)",
        "1 - int(right.sum()) / made",
        name="only the precision",
        hint="The share of wrong links forgets the gold links that were not found. Divide by the links of both sides, "
        "A + G.",
    ),
    rate(
        "1 - 2 * int(right.sum()) / (made + true)",
        "1 - int(right.sum()) / true",
        name="only the recall",
        hint="The share of gold links that were not found forgets how many links were made. Divide by the links of "
        "both sides, A + G.",
    ),
    rate(
        "1 - 2 * int(right.sum()) / (made + true)",
        "1 - int(right.sum()) / (made + true)",
        name="hits counted once",
        hint="A link in both sets counts in A and in G, so it counts twice above the line as well: 2 H.",
    ),
    rate(
        "1 - 2 * int(right.sum()) / (made + true)",
        "1 - int(right.sum()) / (made + true - int(right.sum()))",
        name="intersection over union",
        hint="H / (A + G - H) is the Jaccard index. The alignment error rate divides 2 H by A + G.",
    ),
    rate(
        "made, true = int(counts.sum()), int(gold.sum())",
        "made, true = counts.numel(), int(gold.sum())",
        name="padding counts as links made",
        hint="A position that gold links to nothing (padding, the end mark) makes no link.",
    ),
    rate(
        "right = gold.gather(-1, weights.argmax(dim=-1, keepdim=True)).squeeze(-1)",
        "right = gold.gather(-2, weights.argmax(dim=-2, keepdim=True)).squeeze(-2)",
        name="a link for each source word",
        hint="Each target word links to its best source word: the argmax runs over the last axis, the source.",
    ),
    rate(
        "right = gold.gather(-1, weights.argmax(dim=-1, keepdim=True)).squeeze(-1)",
        "right = gold & (weights > 0.5)",
        name="links where the weight is above a half",
        hint="With the weight spread over several words none may reach a half. The link goes to the largest weight.",
    ),
    rate(
        "right = gold.gather(-1, weights.argmax(dim=-1, keepdim=True)).squeeze(-1)",
        "right = gold.gather(-1, weights.argmin(dim=-1, keepdim=True)).squeeze(-1)",
        name="links to the smallest weight",
        hint="The link goes to the source word with the largest weight: argmax.",
    ),
    rate(
        "right = gold.gather(-1, weights.argmax(dim=-1, keepdim=True)).squeeze(-1)",
        "right = gold[:, 1:].gather(-1, weights[:, :-1].argmax(dim=-1, keepdim=True)).squeeze(-1)",
        name="shifted by one word",
        hint="Row t of the weights belongs to row t of gold. If your rows begin with the begin mark, cut it off first.",
    ),
    rate(
        '    if true == 0:\n        raise ValueError("gold holds no link, so there is nothing to be wrong about")\n',
        "    if true == 0:\n        return 0.0\n",
        name="no gold links count as no errors",
        hint="Without gold links nothing was measured; a perfect score would hide that. Raise ValueError.",
    ),
]


@misconception(
    "alignment_error_rate",
    "the share of weight that is off the gold links",
    hint="That is a soft measure of its own. The alignment error rate counts links: the argmax of each row.",
)
def soft_rate(weights, gold):
    counts = gold.any(dim=-1)
    made, true = int(counts.sum()), int(gold.sum())
    if true == 0:
        raise ValueError("gold holds no link")
    return 1 - 2 * float((weights * gold).sum()) / (made + true)


@misconception(
    "alignment_error_rate",
    "the mean of the sentences' rates",
    hint="In a mean of rates a sentence of three words counts as much as one of thirty. Count the links of all "
    "sentences, then divide once.",
)
def mean_of_rates(weights, gold):
    if not gold.any():
        raise ValueError("gold holds no link")
    rates = []
    for own_weights, own_gold in zip(weights, gold, strict=True):
        counts = own_gold.any(dim=-1)
        if not counts.any():
            continue
        right = own_gold.gather(-1, own_weights.argmax(dim=-1, keepdim=True))
        rates.append(1 - 2 * int(right.sum()) / (int(counts.sum()) + int(own_gold.sum())))
    return sum(rates) / len(rates)
