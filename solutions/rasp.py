"""References for unit 10: programs that are attention.

Axes: B batch, T places that ask, S places that answer, V vocabulary, D width of the residual stream, L most tokens.
Tokens are integers from 0, (B, T) int64. A selector is (B, T, S) bool: a row for each query, a column for each key.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from jaxtyping import Bool, Float, Int, Shaped
from torch import Tensor
from torch.nn import functional as F


def select(
    keys: Shaped[Tensor, "B S"], queries: Shaped[Tensor, "B T"], predicate: Callable[[Tensor, Tensor], Tensor]
) -> Bool[Tensor, "B T S"]:
    """Which keys each query selects: True at (b, t, s) where predicate(keys[b, s], queries[b, t]) holds.

    predicate compares whole tensors element by element, as torch.eq does, and broadcasts as it does; the key comes
    first. It may look at one of its arguments only. Weiss et al. 2021, section 3.

    Example: `select(tokens, tokens, torch.lt)[b, t, s]` is True where token s is less than token t.
    """
    B, T = queries.shape
    selector = predicate(keys[:, None, :], queries[:, :, None])
    return selector.expand(B, T, keys.shape[1])


def aggregate(
    selector: Bool[Tensor, "B T S"], values: Float[Tensor, "B S"] | Int[Tensor, "B S"], default: float
) -> Float[Tensor, "B T"]:
    """The mean of the values that each query selects; `default` where it selects none.

    What is not selected does not matter, even if it is infinite. The output has the type of the values; means of
    integers are float32. Weiss et al. 2021, section 3.

    Example: `aggregate(select(places, places, torch.eq), tokens.float(), 0.0)` is tokens.float().
    """
    if not values.is_floating_point():
        values = values.float()
    width = selector.sum(dim=-1)  # (B, T)
    total = values[:, None, :].masked_fill(~selector, 0.0).sum(dim=-1)
    return (total / width.clamp(min=1)).masked_fill(width == 0, default)


def selector_width(selector: Bool[Tensor, "B T S"]) -> Int[Tensor, "B T"]:
    """How many keys each query selects, int64. Weiss et al. 2021, section 3.

    Example: `selector_width(select(tokens, tokens, torch.eq))` counts for each token how often it occurs.
    """
    return selector.sum(dim=-1)


def shift(tokens: Int[Tensor, "B T"], by: int) -> Int[Tensor, "B T"]:
    """The tokens moved `by` places to the right, or to the left where by is negative.

    What is moved over the end is lost, and places into which nothing moves hold 0; both may be all of them.

    Example: `shift(torch.tensor([[7, 8, 9]]), 1)` is [[0, 7, 8]].
    """
    place = torch.arange(tokens.shape[1], device=tokens.device)
    selector = place == place[:, None] - by  # (T, S): query t selects key t - by, if there is one
    return (selector * tokens[:, None, :]).sum(dim=-1)


def reverse(tokens: Int[Tensor, "B T"]) -> Int[Tensor, "B T"]:
    """The tokens in the opposite order.

    Example: `reverse(torch.tensor([[7, 8, 9]]))` is [[9, 8, 7]].
    """
    T = tokens.shape[1]
    place = torch.arange(T, device=tokens.device)
    selector = place == T - 1 - place[:, None]
    return (selector * tokens[:, None, :]).sum(dim=-1)


def histogram(tokens: Int[Tensor, "B T"]) -> Int[Tensor, "B T"]:
    """For each token, how often it occurs in its sequence, itself included. Weiss et al. 2021, section 5.

    Example: `histogram(torch.tensor([[7, 8, 7]]))` is [[2, 1, 2]].
    """
    selector = tokens[:, None, :] == tokens[:, :, None]
    return selector.sum(dim=-1)


def sort_tokens(tokens: Int[Tensor, "B T"]) -> Int[Tensor, "B T"]:
    """The tokens of each sequence from the least to the largest. Weiss et al. 2021, section 5.

    A token goes to the place whose number is how many tokens come before it: those that are less, and those that are
    equal and stand earlier. So equal tokens go to different places, in the order in which they stood.

    Example: `sort_tokens(torch.tensor([[9, 7, 9, 8]]))` is [[7, 8, 9, 9]].
    """
    place = torch.arange(tokens.shape[1], device=tokens.device)
    key, query = tokens[:, None, :], tokens[:, :, None]
    before = (key < query) | ((key == query) & (place < place[:, None]))
    rank = before.sum(dim=-1)  # (B, T): all different
    selector = rank[:, None, :] == place[:, None]
    return (selector * tokens[:, None, :]).sum(dim=-1)


def compile_selector(
    predicate_table: Bool[Tensor, "Q K"], sharpness: float
) -> tuple[Float[Tensor, "d Q"], Float[Tensor, "d K"]]:
    """W_q and W_k, in float32, by which attention selects as the table says: True where query q selects key k.

    Queries and keys are one-hot, so a query is a column of W_q and a key is a column of W_k. In the attention of
    unit 05 the score of a pair is W_q[:, q] · W_k[:, k] / √d. Of two keys for the same query, one selected and the
    other not, the first has the larger score, by `sharpness`; two keys that the query treats alike have equal scores.
    A query that selects nothing thus reads all keys alike. How else the numbers lie is free, with d at most the
    smaller of Q and K. Raises ValueError, with the number, unless sharpness is greater than 0.
    Lindner et al. 2023, section 3.

    Example: `W_q, W_k = compile_selector(torch.eye(5, dtype=torch.bool), sharpness=10.0)` selects what is equal.
    """
    if sharpness <= 0:
        raise ValueError(f"sharpness = {sharpness} does not prefer what is selected")
    Q, K = predicate_table.shape
    d = min(Q, K)
    score = math.sqrt(d) * sharpness * predicate_table.float()
    one_hot = torch.eye(d, device=predicate_table.device)
    return (score.T, one_hot) if K <= Q else (one_hot, score)


def compile_program(name: str, vocabulary: int, max_length: int) -> dict[str, Float[Tensor, "..."]]:
    """The weights, in float32, of a Transformer that computes "shift", "histogram", "reverse" or "sort".

    It is given T tokens from 0 to vocabulary - 1, with T from 1 to max_length, puts a token of its own in front, number
    `vocabulary`, and computes, with two heads in every layer:
        x = embedding[tokens] + positions[: T + 1]  (B, T + 1, D)
        x = x + attention(x), then x = x + feed_forward(x), in layer 0, layer 1, …
        answer = (x[:, 1:] @ unembedding.T).argmax(-1)  (B, T)
    attention is unit 05's MultiHeadSelfAttention without a mask, feed_forward is unit 06's FeedForward.

    Fixed are the names and the shapes: embedding (vocabulary + 1, D), positions (max_length + 1, D), and for each
    layer i the names `layers.i.` + attention.qkv.weight (3 D, D), attention.output.weight (D, D),
    feed_forward.linear1.weight (F, D), .linear1.bias (F,), .linear2.weight (D, F), .linear2.bias (D,), and unembedding:
    (max_length + 1, D) for the histogram, whose answers are counts, and (vocabulary, D) for the others, whose answers
    are tokens. Free are D (even), F (1 or more), the number of layers (1 or more), and what each direction means.

    "shift" moves the tokens one place to the right and leaves 0 in the first. Raises ValueError, with the name, for
    any other name. Lindner et al. 2023, section 3; Weiss et al. 2021, section 5.

    Example: `compile_program("sort", vocabulary=6, max_length=8)["unembedding"].shape` is (6, D).
    """
    V, L = vocabulary, max_length
    D = 2 * (V + L + 3)
    d = D // 2  # width of a head
    token, place, mark, word, read = torch.eye(D)[:-1].split_with_sizes([V + 1, L + 1, L + 1, V, 2])  # named directions
    ids, places, count = torch.arange(V + 1), torch.arange(L + 1.0), torch.arange(1.0, L + 1)
    sharpness = 10 + math.log(L)  # all that is not selected weighs at most e^-10 of one key that is

    def head(table: Tensor, asks: Tensor, answers: Tensor, reads: Tensor, writes: Tensor) -> Tensor:
        """W_q, W_k, W_v and W_oᵀ (4, d, D): by the table, `asks` select `answers`; `reads` is written to `writes`."""
        parts = [math.sqrt(d) * sharpness * table.T.float() @ asks, answers, reads, writes]
        return torch.stack([F.pad(part, (0, 0, 0, d - len(part))) for part in parts])

    def steps(source: Tensor, low: Tensor, high: Tensor, writes: Tensor) -> tuple[Tensor, ...]:
        """Hidden units in pairs: each adds a row of `writes`, from none at source = low to all of it from high on."""
        slope = 1 / (high - low)
        rises = slope[:, None] * source
        return torch.cat([rises, rises]), torch.cat([-slope * low, -slope * high]), torch.cat([writes, -writes])

    first = (ids == V).expand(V + 1, -1)  # (Q, K): everything also selects the token in front
    lone = -token[V:], read[:1]  # what a head reads to count: with w others it finds -1 / (1 + w)
    w_low, w_high = -1 / (count + 1 / 3), -1 / (count + 2 / 3)  # w is between count - 2/3 and count - 1/3
    one_hot = mark[1:] - mark[:-1]  # the steps up to n leave mark n
    words = torch.cat([token[:1] + token[V:], token[1:V]]), word  # what a head copies; the token in front reads as 0
    number = places @ place
    same = torch.eye(L + 1)
    layers: list[tuple[list[Tensor], list[tuple[Tensor, ...]]]]  # of each the heads, and the steps
    if name == "shift":
        layers = [([head(places == places[:, None] - 1, place, place, *words)], [])]
    elif name == "histogram":
        heads = [head((ids == ids[:, None]) | first, token, token, *lone)]
        layers = [(heads, [steps(read[0], w_low, w_high, one_hot)])]
    elif name == "reverse":
        heads = [head(torch.zeros_like(same), place, place, number[None], 2 * read[:1])]  # the mean place is T / 2
        target = steps(read[0] - number, count - 5 / 3, count - 4 / 3, one_hot)  # place t is to read T - t + 1
        layers = [(heads, [target]), ([head(same, mark, place, *words)], [])]
    elif name == "sort":
        less = head((ids < ids[:, None]) | first, token, token, *lone)
        not_more = head((ids <= ids[:, None]) | first, token, token, -token[V:], read[1:])
        block = [steps(read[0], w_low, w_high, -mark[1:]), steps(read[1], w_low, w_high, mark[1:])]
        layers = [([less, not_more], block), ([head(same, place, mark, *words)], [])]
    else:
        raise ValueError(f"there is no program {name!r}")

    weights = {"embedding": token, "positions": place, "unembedding": mark if name == "histogram" else word}
    idle_head, idle_unit = torch.zeros(4, d, D), (torch.zeros(1, D), torch.zeros(1), torch.zeros(1, D))
    for i, (heads, units) in enumerate(layers):
        query, key, value, output = torch.cat([*heads, idle_head][:2], dim=1)  # each (D, D)
        hidden, bias, back = (torch.cat(parts) for parts in zip(*units, idle_unit, strict=True))
        weights |= {
            f"layers.{i}.attention.qkv.weight": torch.cat([query, key, value]),
            f"layers.{i}.attention.output.weight": output.T,
            f"layers.{i}.feed_forward.linear1.weight": hidden,
            f"layers.{i}.feed_forward.linear1.bias": bias,
            f"layers.{i}.feed_forward.linear2.weight": back.T,
            f"layers.{i}.feed_forward.linear2.bias": torch.zeros(D),
        }
    return weights
