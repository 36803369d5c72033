"""References for unit 02: translation through one vector.

Axes: B batch, S tokens of the source, T tokens of the target, D model width, V vocabulary.
A step is a function `step(token, state) -> (logits, state)`: the previous token (B,) and the state before it go in, the
logits (B, V) of the next token and the state after it come out. A state is one tensor with the batch as its first axis.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn


class Encoder(nn.Module):
    """Read a sentence with a GRU. Cho et al. 2014, section 2.2.

    Parameters: embedding (nn.Embedding, vocab_size × d_model) and gru (nn.GRU, one layer, d_model → d_model).

    Example: `states, final = Encoder(vocab_size=200, d_model=64, pad_id=0)(source)`
    """

    def __init__(self, vocab_size: int, d_model: int, pad_id: int) -> None:
        super().__init__()
        self.pad_id = pad_id
        self.embedding = nn.Embedding(vocab_size, d_model)
        self.gru = nn.GRU(d_model, d_model, batch_first=True)

    def forward(self, source: Int[Tensor, "B S"]) -> tuple[Float[Tensor, "B S D"], Float[Tensor, "B D"]]:
        """The state after every token, zero on padding, and the state after the last real token.

        Padding stands at the end of a sentence, which has at least one real token. A sentence gets the same states
        alone and padded in a batch.
        """
        real = source != self.pad_id
        states, _ = self.gru(self.embedding(source))
        last = real.sum(dim=1) - 1
        final = states.gather(1, last[:, None, None].expand(-1, 1, states.shape[-1])).squeeze(1)
        return states * real[:, :, None], final


class Decoder(nn.Module):
    """One step of a decoder, with three inputs: the previous token, the previous state, the context.

    A GRU cell reads the token's embedding and the context, concatenated in this order; the logits are a linear map of
    the new state. Cho et al. 2014, section 2.2.

    Parameters: embedding (nn.Embedding, vocab_size × d_model), cell (nn.GRUCell, 2 d_model → d_model) and
    output (nn.Linear, d_model → vocab_size).

    Example: `logits, state = Decoder(vocab_size=200, d_model=64)(token, state, context)`
    """

    def __init__(self, vocab_size: int, d_model: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocab_size, d_model)
        self.cell = nn.GRUCell(2 * d_model, d_model)
        self.output = nn.Linear(d_model, vocab_size)

    def forward(
        self, token: Int[Tensor, "B"], state: Float[Tensor, "B D"], context: Float[Tensor, "B D"]
    ) -> tuple[Float[Tensor, "B V"], Float[Tensor, "B D"]]:
        """The logits of the next token, and the new state."""
        read = torch.cat([self.embedding(token), context], dim=-1)
        state = self.cell(read, state)
        return self.output(state), state


def shift_right(targets: Int[Tensor, "B T"], bos_id: int) -> Int[Tensor, "B T"]:
    """What the decoder reads while it learns to write targets: bos first, then every target but the last.

    Example: `shift_right(torch.tensor([[7, 8, 2]]), bos_id=1)` is `tensor([[1, 7, 8]])`.
    """
    first = torch.full_like(targets[:, :1], bos_id)
    return torch.cat([first, targets[:, :-1]], dim=1)


def teacher_forced_logits(
    decoder: Callable[[Tensor, Tensor, Tensor], tuple[Tensor, Tensor]],
    targets: Int[Tensor, "B T"],
    state: Float[Tensor, "B D"],
    context: Float[Tensor, "B D"],
    bos_id: int,
) -> Float[Tensor, "B T V"]:
    """The logits of every target, each from the true tokens before it: T steps of decoder(token, state, context).

    decoder returns the logits (B, V) of the next token and the next state. Williams and Zipser 1989, section 2.

    Example: `logits = teacher_forced_logits(Decoder(200, 64), targets, final, final, bos_id=1)`
    """
    token = torch.full_like(targets[:, 0], bos_id)
    logits = []
    for target in targets.unbind(dim=1):
        now, state = decoder(token, state, context)
        logits.append(now)
        token = target
    return torch.stack(logits, dim=1)


def greedy_decode(
    step: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]],
    state: Float[Tensor, "B ..."],
    bos_id: int,
    eos_id: int,
    pad_id: int,
    max_length: int,
) -> Int[Tensor, "B T"]:
    """Translate by taking the most likely token at every step, beginning with bos.

    step(token, state) returns the logits (B, V) of the next token and the next state; state has the batch first.
    The tokens of a sentence end with its eos, and only pad follows. T is the length of the longest sentence: it stops
    when all have ended, after max_length tokens at the latest. bos is not part of what is returned.

    Example: `tokens = greedy_decode(lambda token, state: decoder(token, state, final), final, 1, 2, 0, 40)`
    """
    token = torch.full((len(state),), bos_id, device=state.device)
    ended = torch.zeros_like(token, dtype=torch.bool)
    tokens = []
    for _ in range(max_length):
        logits, state = step(token, state)
        token = logits.argmax(dim=-1).masked_fill(ended, pad_id)
        tokens.append(token)
        ended = ended | (token == eos_id)
        if ended.all():
            break
    return torch.stack(tokens, dim=1)


def beam_search(
    step: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]],
    state: Float[Tensor, "1 ..."],
    bos_id: int,
    eos_id: int,
    max_length: int,
    width: int,
    length_penalty: float,
) -> tuple[Int[Tensor, "T"], float]:
    """Translate one sentence, keeping the `width` best hypotheses at every step; the tokens of the best, and its score.

    A hypothesis is a sequence of tokens after bos, which does not count; it has ended if its last token is eos, which
    does. The score of T tokens is the sum of their log-probabilities, divided by T ** length_penalty. At every step
    each hypothesis that has not ended is replaced by its V extensions by one token, those that have ended stay as they
    are, and of all these the `width` with the highest scores are kept. It stops when all have ended, after max_length
    steps at the latest. step(token, state) takes one row per hypothesis; the state given has one row.
    Sutskever et al. 2014, section 3.2, with a length penalty in the manner of Wu et al. 2016, section 7.

    Example: `tokens, score = beam_search(step, final[:1], 1, 2, max_length=40, width=4, length_penalty=0.6)`
    """
    tokens = torch.full((1, 1), bos_id, device=state.device)  # a row per hypothesis, from bos on, filled up with eos
    total = length = torch.zeros_like(tokens[:, 0])
    ended = torch.zeros_like(length, dtype=torch.bool)
    for _ in range(max_length):
        logits, state = step(tokens[:, -1], state)
        stay = torch.full_like(logits[0], -torch.inf).index_fill(0, length.new_tensor(eos_id), 0.0)
        more = torch.where(ended[:, None], stay, logits.log_softmax(dim=-1))
        totals, length = total[:, None] + more, length + ~ended
        scores = totals / length[:, None].to(more.dtype) ** length_penalty
        best, place = scores.flatten().topk(min(width, scores.numel()))
        place = place[best > -torch.inf]
        parent, token = place // scores.shape[1], place % scores.shape[1]
        tokens = torch.cat([tokens[parent], token[:, None]], dim=1)
        total, length, state = totals.flatten()[place], length[parent], state[parent]
        ended = token == eos_id
        if ended.all():
            break
    return tokens[0, 1 : 1 + length[0]], best[0].item()


def exact_match(predictions: Int[Tensor, "B T"], references: Int[Tensor, "B R"], eos_id: int) -> float:
    """The share of predictions that are their reference, token for token, up to eos; what follows eos does not count.

    A prediction without eos has not ended, and is wrong; every reference has one.
    Raises ValueError unless there are as many predictions as references.

    Example: `exact_match(torch.tensor([[7, 8, 2]]), torch.tensor([[7, 8, 2, 0, 0]]), eos_id=2)` is 1.0.
    """
    if len(predictions) != len(references):
        raise ValueError(f"{len(predictions)} predictions, but {len(references)} references")

    def sentence(tokens: list[int]) -> list[int] | None:
        return tokens[: tokens.index(eos_id)] if eos_id in tokens else None

    pairs = zip(predictions.tolist(), references.tolist(), strict=True)
    right = [sentence(prediction) == sentence(reference) for prediction, reference in pairs]
    return sum(right) / len(right)
