"""References for unit 03: a decoder that looks back at its source.

Axes: B batch, T target words, S source words, V vocabulary, D model width, F width of the encoder's final state.
d_state, d_source and d_attention are the widths of a decoder state, of a source state and of the space where they meet.
A mask is called allowed and is True on real source words.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn


class AdditiveScore(nn.Module):
    """How well each source word fits the decoder's state: energy · tanh(state + source), each a projection.

    In the paper's letters vᵀ tanh(W s + U h), one number for every source state h.
    Parameters, none with a bias: state (d_state → d_attention), source (d_source → d_attention), energy
    (d_attention → 1). Bahdanau, Cho and Bengio 2015, section 3.1 and appendix A.1.2.
    """

    def __init__(self, d_state: int, d_source: int, d_attention: int) -> None:
        super().__init__()
        self.state = nn.Linear(d_state, d_attention, bias=False)
        self.source = nn.Linear(d_source, d_attention, bias=False)
        self.energy = nn.Linear(d_attention, 1, bias=False)

    def forward(
        self, state: Float[Tensor, "B d_state"], source_states: Float[Tensor, "B S d_source"]
    ) -> Float[Tensor, "B S"]:
        """The scores, one for each source word."""
        together = self.state(state)[:, None, :] + self.source(source_states)
        scores: Tensor = self.energy(torch.tanh(together))
        return scores.squeeze(-1)


def dot_score(state: Float[Tensor, "B D"], source_states: Float[Tensor, "B S D"]) -> Float[Tensor, "B S"]:
    """The dot product of the state with every source state of its sentence, without a scale.

    Raises ValueError, with both widths in the message, unless they are equal. Luong, Pham and Manning 2015,
    section 3.1.
    """
    if state.shape[-1] != source_states.shape[-1]:
        raise ValueError(f"a state of width {state.shape[-1]} and source states of width {source_states.shape[-1]}")
    return torch.einsum("bd,bsd->bs", state, source_states)


def attention_weights(scores: Float[Tensor, "B S"], allowed: Bool[Tensor, "B S"]) -> Float[Tensor, "B S"]:
    """Softmax over the allowed scores of each sentence; what is not allowed weighs exactly zero.

    A sentence with nothing allowed gets zeros, and zeros for its gradient. Bahdanau et al. 2015, equation 6.
    """
    weights = scores.masked_fill(~allowed, -math.inf).softmax(dim=-1)
    return weights.masked_fill(~allowed.any(dim=-1, keepdim=True), 0.0)


def context_vector(weights: Float[Tensor, "B S"], source_states: Float[Tensor, "B S D"]) -> Float[Tensor, "B D"]:
    """The sum of each sentence's source states, each times its weight. Bahdanau et al. 2015, equation 5."""
    return torch.einsum("bs,bsd->bd", weights, source_states)


class AttentionDecoder(nn.Module):
    """One step of a decoder that looks back at the source states before it writes a word.

    The previous state is compared with every source state by additive scores; softmax over the allowed ones gives the
    weights and these the context; a GRU cell reads [embedding; context] and makes the next state; the logits are a
    linear map of [next state; context]. Source states have the width d_model.

    Parameters: embedding (vocab_size vectors of d_model); score.state and score.source (d_model → d_attention) and
    score.energy (d_attention → 1), without a bias; cell (an nn.GRUCell, 2 d_model → d_model); output (2 d_model →
    vocab_size). Bahdanau et al. 2015, section 3.1 and appendix A.2.2, with a simpler output layer.
    """

    def __init__(self, vocab_size: int, d_model: int, d_attention: int) -> None:
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

    def forward(
        self,
        token: Int[Tensor, "B"],
        state: Float[Tensor, "B D"],
        source_states: Float[Tensor, "B S D"],
        allowed: Bool[Tensor, "B S"],
    ) -> tuple[Float[Tensor, "B V"], Float[Tensor, "B D"], Float[Tensor, "B S"]]:
        """The logits of the next word after token, the next state, and the weights of the source words.

        A sentence with nothing allowed has weights and a context of zero.
        """
        together = self.score["state"](state)[:, None, :] + self.score["source"](source_states)
        scores = self.score["energy"](torch.tanh(together)).squeeze(-1)
        weights = scores.masked_fill(~allowed, -math.inf).softmax(dim=-1)
        weights = weights.masked_fill(~allowed.any(dim=-1, keepdim=True), 0.0)
        context = torch.einsum("bs,bsd->bd", weights, source_states)
        following = self.cell(torch.cat([self.embedding(token), context], dim=-1), state)
        return self.output(torch.cat([following, context], dim=-1)), following, weights


def initial_state(
    final: Float[Tensor, "B F"], mode: str, projection: Float[Tensor, "D F"] | None = None
) -> Float[Tensor, "B D"]:
    """The state that a decoder starts from, made of the encoder's final state.

    mode "zeros": zeros in the shape of final. "final": final as it is. "projected": tanh(projection · final), with
    the matrix on the left of each column. Only "projected" uses the projection.
    Raises ValueError for any other mode, with the three modes in the message, and for "projected" without a
    projection. Bahdanau et al. 2015, appendix A.2.2, has the last of the three.
    """
    if mode == "zeros":
        return torch.zeros_like(final)
    if mode == "final":
        return final
    if mode != "projected":
        raise ValueError(f"mode is {mode!r}; it must be 'zeros', 'final' or 'projected'")
    if projection is None:
        raise ValueError("mode 'projected' needs a projection")
    return torch.tanh(final @ projection.T)


def alignment_error_rate(weights: Float[Tensor, "B T S"], gold: Bool[Tensor, "B T S"]) -> float:
    """One minus the F-score of the links that attention makes, over all sentences together.

    gold is True where target word t is a translation of source word s. A target position counts if gold links it to
    some source word: padding, the end of the sentence and words that translate nothing do not. Each position that
    counts makes one link, to the source word with the largest weight. With A links made, G in gold, and H in both,
    the rate is 1 - 2 H / (A + G). Raises ValueError if gold holds no link.
    Och and Ney 2003, section 5, where every gold link is sure.
    """
    counts = gold.any(dim=-1)
    made, true = int(counts.sum()), int(gold.sum())
    if true == 0:
        raise ValueError("gold holds no link, so there is nothing to be wrong about")
    right = gold.gather(-1, weights.argmax(dim=-1, keepdim=True)).squeeze(-1)
    return 1 - 2 * int(right.sum()) / (made + true)
