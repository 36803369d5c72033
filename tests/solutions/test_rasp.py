"""Programs of unit 10: what is written in RASP, what is compiled, and what Python says, must be one."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from itertools import product

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from autograder.bank.rasp import Machine
from solutions import rasp

INTERPRETED: dict[str, Callable[[Tensor], Tensor]] = {
    "shift": lambda tokens: rasp.shift(tokens, 1),
    "histogram": rasp.histogram,
    "reverse": rasp.reverse,
    "sort": rasp.sort_tokens,
}
PYTHON: dict[str, Callable[[list[int]], list[int]]] = {
    "shift": lambda row: [0, *row[:-1]],
    "histogram": lambda row: [row.count(token) for token in row],
    "reverse": lambda row: row[::-1],
    "sort": sorted,
}
NAMES = pytest.mark.parametrize("name", INTERPRETED)


@cache
def compiled(name: str, vocabulary: int, max_length: int) -> Machine:
    weights = rasp.compile_program(name, vocabulary, max_length)
    return Machine({**weights}, name, vocabulary, max_length)


@NAMES
@pytest.mark.parametrize(("vocabulary", "max_length"), [(1, 1), (1, 6), (2, 1), (2, 8), (4, 4), (6, 3)])
def test_the_weights_agree_with_the_interpreter_on_every_input(name: str, vocabulary: int, max_length: int) -> None:
    machine = compiled(name, vocabulary, max_length)
    for T in range(1, max_length + 1):
        tokens = torch.tensor(list(product(range(vocabulary), repeat=T)))
        assert torch.equal(machine(tokens), INTERPRETED[name](tokens))


@NAMES
@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_and_on_longer_ones(name: str, data: st.DataObject) -> None:
    vocabulary, max_length = data.draw(st.sampled_from([(2, 30), (5, 20), (11, 24)]))
    row = data.draw(st.lists(st.integers(0, vocabulary - 1), min_size=1, max_size=max_length))
    tokens = torch.tensor([row])
    assert torch.equal(compiled(name, vocabulary, max_length)(tokens), INTERPRETED[name](tokens))


@NAMES
def test_one_token_that_differs_is_not_drowned_by_a_hundred(name: str) -> None:
    tokens = torch.full((100, 100), 2) - torch.eye(100, dtype=torch.int64)
    assert torch.equal(compiled(name, 3, 100)(tokens), INTERPRETED[name](tokens))


@NAMES
@settings(max_examples=50, deadline=None)
@given(row=st.lists(st.integers(0, 30), min_size=1, max_size=15))
def test_the_interpreter_agrees_with_python(name: str, row: list[int]) -> None:
    assert INTERPRETED[name](torch.tensor([row]))[0].tolist() == PYTHON[name](row)


@given(row=st.lists(st.integers(0, 30), min_size=1, max_size=12), by=st.integers(-15, 15))
def test_shifts_agree_with_python(row: list[int], by: int) -> None:
    expected = [row[t - by] if 0 <= t - by < len(row) else 0 for t in range(len(row))]
    assert rasp.shift(torch.tensor([row]), by)[0].tolist() == expected


@settings(max_examples=30, deadline=None)
@given(data=st.data(), sharpness=st.floats(0.5, 40.0))
def test_a_compiled_selector_scores_as_its_table_says(data: st.DataObject, sharpness: float) -> None:
    Q, K = data.draw(st.tuples(st.integers(1, 6), st.integers(1, 6)))
    bits = data.draw(st.lists(st.booleans(), min_size=Q * K, max_size=Q * K))
    table = torch.tensor(bits).view(Q, K)
    W_q, W_k = rasp.compile_selector(table, sharpness)
    torch.testing.assert_close(W_q.T @ W_k / len(W_q) ** 0.5, sharpness * table.float())
