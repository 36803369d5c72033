"""Unit 10: programs that are attention.

What is compiled is graded by what it computes: the judge runs the weights in its own layers, so directions, widths and
the number of layers are the program's own affair.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from itertools import product

import torch
from torch import Tensor

from autograder.checks import CheckFailed, Draw, Exercise, Subject, expect, expect_values
from autograder.checks.compare import describe
from autograder.checks.request import Supplied, Value
from solutions.self_attention import MultiHeadSelfAttention
from solutions.transformer import FeedForward

# --------------------------------------------------------------------------------------------------------- select

choosing = Exercise("select", points=3, paper="Weiss et al. 2021, section 3")

EQUAL, LESS = Supplied("equal", {}), Supplied("less", {})


def keys_and_queries(draw: Draw, n_keys: int = 5, n_queries: int = 5) -> tuple[Tensor, Tensor]:
    """Keys (B, S) below n_keys and queries (B, T) below n_queries. The greatest key stands first, and every other
    value is somewhere."""
    B, S, T = draw.sizes(3, low=5)
    keys, queries = draw.integers(0, n_keys, B, S), draw.integers(0, n_queries, B, T)
    keys[:, 0] = n_keys - 1
    keys[:, -1] = 0
    queries[:, 0] = n_queries - 1
    queries[:, -1] = 1
    return keys, queries


def table_of_pairs(draw: Draw) -> tuple[Tensor, Tensor, Supplied]:
    """Keys, queries, and a predicate that is a table of its own for them."""
    keys, queries = keys_and_queries(draw, n_keys=5, n_queries=7)
    return keys, queries, Supplied("look_up", {"table": draw.allowed(7, 5)})


def selecting(student: Subject, draw: Draw) -> tuple[Subject, tuple[Value, ...]]:
    return student, table_of_pairs(draw)


@choosing.check(
    "a row for each query, a column for each key",
    points=0.75,
    suspect="the new axes: keys become (B, 1, S) and queries (B, T, 1)",
    experiment="call it with 2 keys and 3 queries: the selector must be (B, 3, 2)",
)
def equal_pairs(student: Subject, draw: Draw) -> None:
    student.agrees(*keys_and_queries(draw), EQUAL, gradients=False)


@choosing.check(
    "the key is the predicate's first argument",
    points=0.75,
    suspect="the order of the arguments: predicate(key, query)",
    experiment="select(keys, queries, torch.lt) for the key 1 and the query 2 must be True",
)
def ordered_pairs(student: Subject, draw: Draw) -> None:
    student.agrees(*keys_and_queries(draw), LESS, gradients=False)


@choosing.check(
    "any predicate of the two",
    points=0.5,
    suspect="a comparison of your own instead of the predicate that was given",
    experiment="call it with lambda key, query: (key + query) % 3 == 0",
)
def looked_up_pairs(student: Subject, draw: Draw) -> None:
    student.agrees(*table_of_pairs(draw), gradients=False)


@choosing.check(
    "a predicate that looks at the key alone",
    points=0.5,
    after="a row for each query, a column for each key",
    suspect="what came of the predicate was (B, 1, S): it must be expanded to all queries",
    experiment="call it with lambda key, query: key == 0, and print the shape",
)
def one_sided(student: Subject, draw: Draw) -> None:
    keys, queries = keys_and_queries(draw, n_keys=4)
    of_key = Supplied("of_key", {"list": torch.tensor([False, True, False, True])})
    student.agrees(keys, queries, of_key, gradients=False)


choosing.good_manners(selecting, after="any predicate of the two", points=0.25, floating=False)

# ------------------------------------------------------------------------------------------------------ aggregate

averaging = Exercise("aggregate", points=5, paper="Weiss et al. 2021, section 3")


def selected_values(draw: Draw) -> tuple[Tensor, Tensor, float]:
    """A selector with two keys or more in each row, but for one empty row in each sequence; values; a default."""
    B, T, S = draw.sizes(3, low=5)
    selector = draw.allowed(B, T, S)
    selector[torch.arange(B), draw.integers(0, T, B)] = False
    return selector, draw.normal(B, S) + 3.0, draw.uniform(-3.0, -2.0)


def without_empty_rows(draw: Draw) -> tuple[Tensor, Tensor, float]:
    B, T, S = draw.sizes(3, low=5)
    return draw.allowed(B, T, S), draw.normal(B, S) + 3.0, draw.uniform(-3.0, -2.0)


@averaging.check(
    "one key selected: its value",
    points=0.75,
    suspect="which axis is averaged over: the keys, the last of the selector",
    experiment="select one key per query and print the output: it should be values, reordered",
)
def one_selected(student: Subject, draw: Draw) -> None:
    B, T, S = draw.sizes(3, low=5)
    chosen = draw.integers(0, S, B, T)
    chosen[:, 0] = 0
    values = draw.normal(B, S)
    values[:, 0] = 0.0  # a mean of zero is not the default
    selector = torch.zeros(B, T, S, dtype=torch.bool).scatter(-1, chosen[..., None], True)
    expect(student(selector, values, draw.uniform(2.0, 3.0))).close(values.gather(1, chosen))


@averaging.check(
    "several: their mean",
    points=0.75,
    suspect="what the sum is divided by: how many this query selects",
    experiment="select the values 2 and 4 of three: the answer is 3",
)
def several_selected(student: Subject, draw: Draw) -> None:
    student.agrees(*without_empty_rows(draw), gradients=False)


@averaging.check(
    "none: the default",
    points=0.75,
    suspect="a division of zero by zero, or a zero in the place of the default",
    experiment="call it with torch.zeros(1, 1, 3, dtype=torch.bool) and default=-1.0",
)
def none_selected(student: Subject, draw: Draw) -> None:
    student.agrees(*selected_values(draw), gradients=False)


@averaging.check(
    "what is not selected does not matter, even if it is infinite",
    points=0.75,
    after="several: their mean",
    suspect="a product of selector and values: 0 · ∞ is not a number",
    experiment="set an unselected value to float('inf')",
)
def infinite_values(student: Subject, draw: Draw) -> None:
    selector, values, default = without_empty_rows(draw)
    place = int(draw.integers(0, values.shape[1]))
    selector[:, 1:, place] = False
    selector[:, 1:, (place + 1) % values.shape[1]] = True
    selector[:, 0, place] = True
    values[:, place] = torch.inf  # which query 0 selects, and the others do not
    student.agrees(selector, values, default, gradients=False)


@averaging.check(
    "means of integers are float32",
    points=0.5,
    after="several: their mean",
    suspect="a division that rounds, or a masked_fill that cannot hold the default",
    experiment="average the tokens 1 and 2: 1.5",
)
def integer_values(student: Subject, draw: Draw) -> None:
    selector, values, default = selected_values(draw)
    values = draw.integers(1, 9, *values.shape)  # no mean is zero
    values[:, ::2] += 100  # far apart, so that means are hardly ever whole
    student.agrees(selector, values, default, gradients=False)


@averaging.check(
    "gradients reach the values, and an empty row sends none",
    points=0.75,
    after="none: the default",
    suspect="0 / 0 replaced only afterwards: its gradient is not a number",
    experiment="call .sum().backward() on the output for a selector with an empty row, and print values.grad",
)
def aggregate_gradients(student: Subject, draw: Draw) -> None:
    student.agrees(*selected_values(draw))


averaging.good_manners(lambda student, draw: (student, selected_values(draw)), after="none: the default", points=0.25)

# ------------------------------------------------------------------------------------------------- selector_width

counting = Exercise("selector_width", points=2, paper="Weiss et al. 2021, section 3")


def wide_selector(draw: Draw) -> Tensor:
    """A selector of ten keys at most, whose rows select different numbers of them: none, all, and those in between."""
    B, T, S = draw.sizes(3, low=5, high=10)
    selector = draw.allowed(B, T, S)
    selector[:, 0], selector[:, 1] = False, True
    return selector


@counting.check(
    "how many keys each query selects",
    points=1,
    suspect="the axis: that of the keys is the last",
    experiment="for a selector (B, 3, 2) the answer has the shape (B, 3)",
)
def widths(student: Subject, draw: Draw) -> None:
    student.agrees(wide_selector(draw), gradients=False)


@counting.check(
    "long sequences too",
    points=0.5,
    after="how many keys each query selects",
    suspect="a count that stops at some number",
    experiment="select all of 300 keys",
)
def long_widths(student: Subject, draw: Draw) -> None:
    selector = torch.ones(2, 3, 300 + int(draw.integers(0, 9)), dtype=torch.bool)
    selector[1, 2, :7] = False
    student.agrees(selector, gradients=False)


counting.good_manners(
    lambda student, draw: (student, (wide_selector(draw),)),
    after="how many keys each query selects",
    points=0.25,
    floating=False,
)

# ---------------------------------------------------------------------------------------------------------- shift

shifting = Exercise("shift", points=3, paper="Weiss et al. 2021, section 3")


def rows_of_tokens(draw: Draw, low: int = 5, high: int = 13) -> Tensor:
    """Tokens (B, T) from 1 on; in a row all are different, and the greatest stands first, the least second."""
    B, T = draw.sizes(2, low, high)
    ascending = 1 + draw.integers(1, 5, B, T).cumsum(dim=1)
    order = torch.stack([draw.normal(T - 2).argsort() + 1 for _ in range(B)])
    order[0] = torch.arange(1, T - 1)
    places = torch.cat([torch.full((B, 1), T - 1), torch.zeros(B, 1, dtype=torch.int64), order], dim=1)
    return ascending.gather(1, places)


@shifting.check(
    "to the right",
    points=0.75,
    suspect="the direction, what stands in the places that become free (0), or what happens at the end (it is lost)",
    experiment="shift(torch.tensor([[7, 8, 9]]), 1) is [[0, 7, 8]]",
)
def to_the_right(student: Subject, draw: Draw) -> None:
    tokens = rows_of_tokens(draw)
    for by in (1, 3):
        student.agrees(tokens, by, gradients=False)


@shifting.check(
    "to the left",
    points=0.5,
    suspect="a slice such as tokens[:, :-by] with a negative by",
    experiment="shift(torch.tensor([[7, 8, 9]]), -1) is [[8, 9, 0]]",
)
def to_the_left(student: Subject, draw: Draw) -> None:
    tokens = rows_of_tokens(draw)
    for by in (-2, -3):
        student.agrees(tokens, by, gradients=False)


@shifting.check(
    "not at all",
    points=0.25,
    after="to the right",
    suspect="tokens[:, :-0], which is empty",
    experiment="shift(tokens, 0) is tokens",
)
def nowhere(student: Subject, draw: Draw) -> None:
    student.agrees(rows_of_tokens(draw), 0, gradients=False)


@shifting.check(
    "beyond either end",
    points=0.75,
    after="to the right",
    suspect="a number of free places that is larger than the sequence",
    experiment="shift(torch.tensor([[7, 8, 9]]), 5) is [[0, 0, 0]]",
)
def beyond(student: Subject, draw: Draw) -> None:
    tokens = rows_of_tokens(draw)
    T = tokens.shape[1]
    for by in (T, T + 2, -T, -T - 2):
        student.agrees(tokens, by, gradients=False)


@shifting.check(
    "a lone token, and long sequences",
    points=0.25,
    after="to the right",
    suspect="a length that is built in",
    experiment="shift(torch.arange(1, 31)[None], 2)",
)
def shifted_lengths(student: Subject, draw: Draw) -> None:
    student.agrees(rows_of_tokens(draw)[:, :1], 1, gradients=False)
    student.agrees(rows_of_tokens(draw, 25, 41), 2, gradients=False)


shifting.good_manners(
    lambda student, draw: (student, (rows_of_tokens(draw), 2)), after="to the right", points=0.25, floating=False
)

# -------------------------------------------------------------------------------------------------------- reverse

reversing = Exercise("reverse", points=2, paper="Weiss et al. 2021, section 3")


@reversing.check(
    "last things first",
    points=1,
    suspect="the place that is read: T - 1 - t, as places begin with 0",
    experiment="reverse(torch.tensor([[7, 8, 9]])) is [[9, 8, 7]]",
)
def reversed_rows(student: Subject, draw: Draw) -> None:
    student.agrees(rows_of_tokens(draw), gradients=False)


@reversing.check(
    "one token, two tokens, and many",
    points=0.5,
    after="last things first",
    suspect="a length that is built in",
    experiment="reverse(torch.arange(30)[None])",
)
def reversed_lengths(student: Subject, draw: Draw) -> None:
    tokens = rows_of_tokens(draw)
    for T in (1, 2):
        student.agrees(tokens[:, :T], gradients=False)
    student.agrees(rows_of_tokens(draw, 25, 41), gradients=False)


reversing.good_manners(
    lambda student, draw: (student, (rows_of_tokens(draw),)), after="last things first", points=0.25, floating=False
)

# ------------------------------------------------------------------------------------------------------ histogram

occurring = Exercise("histogram", points=2, paper="Weiss et al. 2021, section 5")


def repeated_tokens(draw: Draw, low: int = 5, high: int = 13) -> Tensor:
    """Tokens (B, T) of which all, or all but the middle one, stand twice in their row, and in no other row.

    They are not in order, and none has its like beside it.
    """
    tokens = rows_of_tokens(draw, low, high)
    B, T = tokens.shape
    half = tokens[:, : (T + 1) // 2] + 50 * torch.arange(B).flip(0)[:, None]
    return torch.cat([half, half[:, : T // 2]], dim=1)


@occurring.check(
    "how often each token occurs in its sequence",
    points=1,
    suspect="what is counted: the tokens of the same sequence that are equal to this one, itself included",
    experiment="histogram(torch.tensor([[7, 8, 7]])) is [[2, 1, 2]]",
)
def occurrences(student: Subject, draw: Draw) -> None:
    tokens = repeated_tokens(draw)
    tokens[:, 2] = tokens[:, 0]
    tokens[1] = tokens[0]  # two sequences with the same tokens are two sequences
    tokens[1, -1] = 999
    student.agrees(tokens, gradients=False)


@occurring.check(
    "one token, and more than ten that are equal",
    points=0.5,
    after="how often each token occurs in its sequence",
    suspect="a count that stops at some number",
    experiment="histogram(torch.full((1, 30), 7)) is 30 everywhere",
)
def many_occurrences(student: Subject, draw: Draw) -> None:
    T = int(draw.integers(15, 30))
    tokens = torch.full((2, T), 4)
    tokens[0, ::5] = 3
    student.agrees(tokens, gradients=False)
    student.agrees(tokens[:, :1], gradients=False)


occurring.good_manners(
    lambda student, draw: (student, (repeated_tokens(draw),)),
    after="how often each token occurs in its sequence",
    points=0.25,
    floating=False,
)

# ---------------------------------------------------------------------------------------------------- sort_tokens

sorting = Exercise("sort_tokens", points=4, paper="Weiss et al. 2021, section 5")


@sorting.check(
    "different tokens, the least first",
    points=1,
    suspect="whose place is whose: the token of rank r goes to place r, so place r reads the key whose rank is r",
    experiment="sort_tokens(torch.tensor([[9, 7, 8]])) is [[7, 8, 9]]: print the ranks, 2, 0 and 1",
)
def different_tokens(student: Subject, draw: Draw) -> None:
    tokens = rows_of_tokens(draw)
    tokens[0] = tokens[0].sort().values.roll(1)  # a rotation of three places or more is not its own inverse
    tokens[1, :3] = torch.tensor([120, 93, 101])  # in a dictionary they would stand in another order
    student.agrees(tokens, gradients=False)


@sorting.check(
    "equal tokens get places of their own",
    points=1.75,
    suspect="equal tokens with equal ranks: among them, those that stand earlier come first",
    experiment="sort_tokens(torch.tensor([[9, 7, 9]])): are the ranks 1, 0, 2?",
)
def equal_tokens(student: Subject, draw: Draw) -> None:
    tokens = repeated_tokens(draw)
    tokens[1, :3] = torch.tensor([1200, 930, 1010])
    student.agrees(tokens, gradients=False)
    student.agrees(torch.full_like(tokens, 6), gradients=False)


@sorting.check(
    "one token, 0 among the tokens, and long sequences",
    points=0.75,
    after="different tokens, the least first",
    suspect="a length or a vocabulary that is built in, or a 0 that is taken for nothing",
    experiment="sort_tokens(torch.tensor([[100, 0, 20]])) is [[0, 20, 100]]",
)
def sorted_lengths(student: Subject, draw: Draw) -> None:
    student.agrees(rows_of_tokens(draw)[:, :1], gradients=False)
    long = rows_of_tokens(draw, 25, 41)
    student.agrees(long - long.min(), gradients=False)
    student.agrees(100 * rows_of_tokens(draw), gradients=False)


sorting.good_manners(
    lambda student, draw: (student, (repeated_tokens(draw),)),
    after="different tokens, the least first",
    points=0.25,
    floating=False,
)

# ----------------------------------------------------------------------------------------------- compile_selector

selector = Exercise("compile_selector", points=5, paper="Lindner et al. 2023, section 3")


def random_table(draw: Draw, *, more_keys: bool) -> Tensor:
    """A table (Q, K), other than square, whose first rows select two keys, all but one, all, and none."""
    few, many = sorted(draw.sizes(2, low=5))
    Q, K = (few, many) if more_keys else (many, few)
    table = draw.allowed(Q, K)
    table[:4] = torch.tensor([[False], [True], [True], [False]])
    table[0, :2], table[1, 0] = True, False
    return table


def scores(came: Value, table: Tensor) -> Tensor:
    """The scores (Q, K) that unit 05 makes of W_q and W_k, whose shapes are as they should be."""
    expectations = expect_values(came, "W_q", "W_k")
    width = next((len(one.value) for one in expectations if isinstance(one.value, Tensor) and one.value.dim()), 1)
    W_q, W_k = (one.tensor((width, n)) for one, n in zip(expectations, table.shape, strict=True))
    for weight, name in ((W_q, "W_q"), (W_k, "W_k")):
        if weight.dtype != torch.float32:
            raise CheckFailed(f"{name} in float32", describe(weight))
    return W_q.T @ W_k / math.sqrt(max(width, 1))


def prefers(student: Subject, table: Tensor, sharpness: float) -> None:
    """Scores, less the mean of each row, which no softmax sees, are `sharpness` times the table, less the same."""
    came, expected = scores(student(table, sharpness), table), sharpness * table.float()
    centred = came - came.mean(dim=1, keepdim=True)
    expect(centred, "the scores, less the mean of each row,").close(expected - expected.mean(dim=1, keepdim=True))


@selector.check(
    "the order of the scores: what is selected before what is not",
    points=0.75,
    suspect="which of the two is the query's: W_q has a column for each row of the table",
    experiment="print (W_q.T @ W_k) for a table with more columns than rows",
)
def ordered_scores(student: Subject, draw: Draw) -> None:
    for more_keys in (True, False):
        table = random_table(draw, more_keys=more_keys)
        came = scores(student(table, draw.uniform(3.0, 5.0)), table)
        lowest = came.where(table, torch.inf).min(dim=1, keepdim=True).values
        wrong = (~table & (came >= lowest)).nonzero().tolist()
        if wrong or not bool(came.isfinite().all()):
            pair = tuple(wrong[0]) if wrong else ()
            raise CheckFailed(
                "every selected key to score higher than every other one",
                f"key {pair[1]}, not selected by query {pair[0]}, scores as high" if pair else "scores without end",
            )


@selector.check(
    "the scores are apart by the sharpness, and equal otherwise",
    points=1.5,
    suspect="the √d by which unit 05 divides, or a sharpness that is in both matrices",
    experiment="print W_q.T @ W_k / W_q.shape[0] ** 0.5: a table of sharpness and 0, but for a number in each row",
)
def exact_scores(student: Subject, draw: Draw) -> None:
    prefers(student, random_table(draw, more_keys=False), draw.uniform(2.0, 3.0))
    prefers(student, random_table(draw, more_keys=False), draw.uniform(20.0, 30.0))


@selector.check(
    "more keys than queries",
    points=0.75,
    suspect="which side is one-hot, or a transpose that is missing or too much",
    experiment="call it with a table (2, 5): W_q has 2 columns, W_k has 5",
)
def more_keys_than_queries(student: Subject, draw: Draw) -> None:
    prefers(student, random_table(draw, more_keys=True), draw.uniform(5.0, 9.0))


@selector.check(
    "no head is wider than it must be",
    points=0.75,
    after="the order of the scores: what is selected before what is not",
    suspect="which side is one-hot: the one with fewer rows or columns is enough",
    experiment="call it with tables (2, 5) and (5, 2): both matrices have 2 rows",
)
def narrow_heads(student: Subject, draw: Draw) -> None:
    for more_keys in (True, False):
        table = random_table(draw, more_keys=more_keys)
        W_q, _ = expect_values(student(table, 2.0), "W_q", "W_k")
        if len(W_q.tensor()) > min(table.shape):
            raise CheckFailed(f"at most {min(table.shape)} rows in W_q and W_k", f"{len(W_q.tensor())}")


@selector.check(
    "in the attention of unit 05 it reads what is selected",
    points=0.5,
    after="the order of the scores: what is selected before what is not",
    suspect="a sharpness that does not reach the weights",
    experiment="print (W_q.T @ W_k / W_q.shape[0] ** 0.5).softmax(-1) for a sharpness of 30",
)
def selected_mean(student: Subject, draw: Draw) -> None:
    table = draw.allowed(17, 11)
    table[0] = torch.arange(11) != int(draw.integers(0, 11))  # one wide row
    weights = scores(student(table, 30.0), table).softmax(dim=-1)
    expect(weights, "the weights").close(table / table.sum(dim=1, keepdim=True))


@selector.check(
    "a sharpness of zero or less is refused",
    points=0.25,
    after="the order of the scores: what is selected before what is not",
    suspect="a missing test at the beginning",
    experiment="compile_selector(table, -1.5) must raise ValueError with -1.5 in the message",
)
def refuses_bluntness(student: Subject, draw: Draw) -> None:
    table = random_table(draw, more_keys=True)
    student.refuses(table, -1.5, mentions=("-1.5",))
    student.refuses(table, 0.0, mentions=("0.0",))


selector.good_manners(
    lambda student, draw: (student, (random_table(draw, more_keys=True), 4.0)),
    after="the order of the scores: what is selected before what is not",
    points=0.25,
    floating=False,
)

# ------------------------------------------------------------------------------------------------ compile_program

program = Exercise("compile_program", points=14, paper="Lindner et al. 2023, section 3; Weiss et al. 2021, section 5")

SMALL = ((3, 5), (5, 3))
"""Vocabularies and lengths of which every input is tried: 363 of the first, 155 of the second."""


def moved(tokens: Tensor) -> Tensor:
    return torch.cat([torch.zeros_like(tokens[:, :1]), tokens[:, :-1]], dim=1)


ANSWERS: dict[str, Callable[[Tensor], Tensor]] = {
    "shift": moved,
    "histogram": lambda tokens: (tokens[:, None] == tokens[:, :, None]).sum(dim=-1),
    "reverse": lambda tokens: tokens.flip(1),
    "sort": lambda tokens: tokens.sort(dim=1).values,
}
"""What each program is to compute."""


class Machine:
    """Weights, checked for names, types and shapes, in the layers of units 05 and 06."""

    def __init__(self, weights: Value, name: str, vocabulary: int, max_length: int) -> None:
        if not isinstance(weights, dict):
            raise CheckFailed("a dict of tensors by name", describe(weights))
        embedding = weights.get("embedding")
        if not isinstance(embedding, Tensor) or embedding.dim() != 2 or embedding.shape[1] % 2 or not embedding.numel():
            raise CheckFailed(f"embedding to be ({vocabulary + 1}, D), D even", describe(embedding))
        D = embedding.shape[1]
        n_layers = max(1, len({key.split(".")[1] for key in weights if key.startswith("layers.")}))
        answers = max_length + 1 if name == "histogram" else vocabulary
        shapes: dict[str, tuple[int, ...]] = {
            "embedding": (vocabulary + 1, D),
            "positions": (max_length + 1, D),
            "unembedding": (answers, D),
        }
        for i in range(n_layers):
            bias = weights.get(f"layers.{i}.feed_forward.linear1.bias")
            F = len(bias) if isinstance(bias, Tensor) and bias.dim() else 1
            shapes |= {
                f"layers.{i}.attention.qkv.weight": (3 * D, D),
                f"layers.{i}.attention.output.weight": (D, D),
                f"layers.{i}.feed_forward.linear1.weight": (F, D),
                f"layers.{i}.feed_forward.linear1.bias": (F,),
                f"layers.{i}.feed_forward.linear2.weight": (D, F),
                f"layers.{i}.feed_forward.linear2.bias": (D,),
            }
        self.weights = {key: self._weight(weights, key, shape) for key, shape in shapes.items()}
        if more := sorted(weights.keys() - shapes.keys()):
            raise CheckFailed("no other names than those of the machine", f"also {', '.join(more[:5])}")
        self.layers = [self._layer(i, D) for i in range(n_layers)]

    def __call__(self, tokens: Tensor) -> Tensor:
        """The answer to each token, (B, T)."""
        embedding = self.weights["embedding"]
        in_front = torch.full_like(tokens[:, :1], len(embedding) - 1)
        x = embedding[torch.cat([in_front, tokens], dim=1)] + self.weights["positions"][: tokens.shape[1] + 1]
        with torch.no_grad():
            for attention, feed_forward in self.layers:
                x = x + attention(x)[0]
                x = x + feed_forward(x)
        return (x[:, 1:] @ self.weights["unembedding"].T).argmax(dim=-1)

    def _weight(self, weights: dict[str, Value], key: str, shape: tuple[int, ...]) -> Tensor:
        if key not in weights:
            raise CheckFailed(f"a tensor {key} of shape {shape}", f"only {', '.join(sorted(weights)[:12])}")
        tensor = expect(weights[key], key).tensor(shape)
        if tensor.dtype != torch.float32 or not bool(tensor.isfinite().all()):
            raise CheckFailed(f"{key} in float32, all its numbers finite", describe(tensor))
        return tensor

    def _layer(self, i: int, D: int) -> tuple[MultiHeadSelfAttention, FeedForward]:
        start = f"layers.{i}."
        own = {key.removeprefix(start): tensor for key, tensor in self.weights.items() if key.startswith(start)}
        attention = MultiHeadSelfAttention(D, n_heads=2)
        feed_forward = FeedForward(D, len(own["feed_forward.linear1.bias"]))
        for part, module in (("attention.", attention), ("feed_forward.", feed_forward)):
            state = {key.removeprefix(part): tensor for key, tensor in own.items() if key.startswith(part)}
            module.load_state_dict(state)
        return attention, feed_forward


def all_inputs(vocabulary: int, max_length: int) -> Iterator[Tensor]:
    """Every sequence, as one batch for each length."""
    for T in range(1, max_length + 1):
        yield torch.tensor(list(product(range(vocabulary), repeat=T)))


def hard_inputs(draw: Draw, vocabulary: int, max_length: int) -> Iterator[Tensor]:
    """Sequences of nearly the greatest lengths: one token throughout, one that differs, all in order, and random."""
    for T in (max_length // 2, max_length - 1, max_length):
        same = torch.full((3, T), vocabulary - 2)
        same[0, 0] = same[1, T // 2] = same[2, -1] = 1
        ascending = (torch.arange(T) * vocabulary // T)[None]
        yield torch.cat([same, ascending, ascending.flip(1), draw.integers(0, vocabulary, 6, T)])


def computes(student: Subject, name: str, vocabulary: int, max_length: int, inputs: Iterator[Tensor]) -> None:
    """The weights give the right answer to every input; the first that they do not is shown."""
    machine = Machine(student(name, vocabulary, max_length), name, vocabulary, max_length)
    for tokens in inputs:
        came, expected = machine(tokens), ANSWERS[name](tokens)
        for row in (came != expected).any(dim=1).nonzero()[:1, 0].tolist():
            shown = tokens[row].tolist()
            raise CheckFailed(
                f"the {name} of {shown if len(shown) < 9 else f'{len(shown)} tokens'} to be {expected[row].tolist()}",
                f"{came[row].tolist()} (vocabulary {vocabulary}, at most {max_length} tokens)",
            )


@program.check(
    "the weights have the names, the shapes and the type that the machine expects",
    points=1,
    suspect="a name, a transposed matrix, or the row for the token in front",
    experiment="print({name: tuple(tensor.shape) for name, tensor in compile_program('shift', 5, 3).items()})",
)
def names_and_shapes(student: Subject, draw: Draw) -> None:
    for vocabulary, max_length in SMALL:
        Machine(student("shift", vocabulary, max_length), "shift", vocabulary, max_length)


def check_program(name: str, short: float, long: float, suspect: str, experiment: str, far: str) -> None:
    """Add two checks of a program: all short inputs, then long ones."""

    @program.check(f"{name}: every short input", points=short, suspect=suspect, experiment=experiment)
    def every(student: Subject, draw: Draw) -> None:
        for vocabulary, max_length in SMALL:
            computes(student, name, vocabulary, max_length, all_inputs(vocabulary, max_length))

    @program.check(
        f"{name}: long inputs",
        points=long,
        after=f"{name}: every short input",
        suspect=far,
        experiment="raise the sharpness by 10: if that helps, what is not selected weighs too much all together",
    )
    def longest(student: Subject, draw: Draw) -> None:
        vocabulary, max_length = 7, int(draw.integers(40, 60))
        computes(student, name, vocabulary, max_length, hard_inputs(draw, vocabulary, max_length))


check_program(
    "shift",
    1.5,
    0.5,
    suspect="the place that is read (one to the left), or what the token in front reads as (0)",
    experiment="print the attention weights of layer 0 for [1, 2]: query 1 reads place 0, query 2 place 1",
    far="a sharpness that is enough for a few keys",
)
check_program(
    "histogram",
    2,
    0.75,
    suspect="a selector without the token in front, or how a weight of 1 / (1 + w) becomes the count w",
    experiment="print what the head has read for [1, 1, 2]: 1/3, 1/3, 1/2",
    far="thresholds without room for what leaks through the softmax, or a sharpness for a few keys",
)
check_program(
    "reverse",
    2.5,
    0.75,
    suspect="the place that is read: with the token in front at 0, place t reads T + 1 - t",
    experiment="print what layer 0 leaves for two tokens: T = 2 at every place, then the targets 2 and 1",
    far="a length that is taken from max_length, or a sharpness for a few keys",
)
check_program(
    "sort",
    3.25,
    1,
    suspect="equal tokens: those that are less and those that are not more both count",
    experiment="take [1, 0, 1]: token 1 has one token below it and three not above it, so it fills places 2 and 3",
    far="thresholds without room for what leaks through the softmax, or a sharpness for a few keys",
)


@program.check(
    "another name is refused",
    points=0.75,
    after="the weights have the names, the shapes and the type that the machine expects",
    suspect="an else that takes every other name for the last program",
    experiment="compile_program('dance', 5, 3) must raise ValueError with the name",
)
def refuses_other_names(student: Subject, draw: Draw) -> None:
    student.refuses("dance", 5, 3, mentions=("dance",))
    student.refuses("shuffle", 3, 5, mentions=("shuffle",))
