"""Comparison: rounding passes, anything else is found and described."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from autograder.checks.compare import difference, same_answer, tolerance
from autograder.checks.request import Answer, Failure, Value

numbers = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=6)


@given(numbers, st.sampled_from([torch.float32, torch.float64]))
def test_rounding_passes_and_a_thousand_times_as_much_does_not(values: list[float], dtype: torch.dtype) -> None:
    expected = torch.tensor(values, dtype=dtype)
    assert difference(expected * (1 + torch.finfo(dtype).eps), expected) is None
    wrong = expected.clone()
    wrong[-1] += 1000 * tolerance(expected)
    assert difference(wrong, expected) is not None


@given(numbers)
def test_a_sum_in_another_order_passes(values: list[float]) -> None:
    terms = torch.tensor(values, dtype=torch.float64)
    assert difference(terms.sum(), terms.flip(0).cumsum(0)[-1]) is None


@pytest.mark.parametrize(
    ("came", "expected", "words"),
    [
        (torch.zeros(2, 3), torch.zeros(3, 2), "shape (2, 3)"),
        (torch.zeros(2), torch.zeros(2).double(), "float32"),
        (torch.tensor([1.0, float("nan")]), torch.tensor([1.0, 2.0]), "nan"),
        (torch.tensor([1.0, 5.0]), torch.tensor([1.0, 2.0]), "5"),
        (None, torch.zeros(2), "None"),
        ((torch.zeros(2),), (torch.zeros(2), torch.zeros(1)), "1 values"),
        ({"a": 1.0}, {"b": 1.0}, "the names a"),
        (True, 1.0, "True"),
        ("text", 3, "text"),
        (torch.tensor([True, False]), torch.tensor([True, True]), "differ"),
    ],
)
def test_a_difference_is_described(came: Value, expected: Value, words: str) -> None:
    found = difference(came, expected)
    assert found is not None
    assert words in found[1]


def test_the_worst_place_is_named() -> None:
    expected = torch.zeros(2, 3)
    came = expected.clone()
    came[1, 2] = 4.0
    assert difference(came, expected, "the weights") == ("the weights[1, 2] = 0", "4 (1 of 6 numbers differ)")


@pytest.mark.parametrize(
    "expected", [1.5, 0.1, torch.tensor([1.0, float("nan"), float("-inf")]), [1, "a", None], {"a": True}]
)
def test_a_value_equals_itself(expected: Value) -> None:
    assert difference(expected, expected) is None


def test_a_number_may_come_as_a_tensor_without_axes_and_a_list_as_a_tuple() -> None:
    assert difference(torch.tensor(0.25), 0.25) is None
    assert difference([1.0, 2.0], (1.0, 2.0)) is None


def test_answers_are_the_same_only_with_the_same_error_and_the_same_gradients() -> None:
    one = Answer(failure=Failure("RuntimeError", "shapes 2 and 3"))
    assert same_answer(one, Answer(failure=Failure("RuntimeError", "shapes 2 and 3")))
    assert not same_answer(one, Answer(failure=Failure("RuntimeError", "shapes 2 and 4")))
    assert not same_answer(one, Answer(None))
    gradient: tuple[Tensor | None, ...] = (torch.ones(2), None)
    assert same_answer(Answer(1.0, None, (), gradient), Answer(1.0, None, (), gradient))
    assert not same_answer(Answer(1.0, None, (), gradient), Answer(1.0, None, (), (None, None)))
    assert not same_answer(Answer(1.0, None, (0,)), Answer(1.0))
