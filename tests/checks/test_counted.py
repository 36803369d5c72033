"""What a program makes and does, counted; and calls in turn on one object."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from autograder.checks import CheckFailed, Draw, Subject
from autograder.checks.compare import COUNTS_APART, same_answer
from autograder.checks.perform import perform
from autograder.checks.request import Answer, Request
from autograder.checks.subject import local

LEFT, RIGHT = torch.ones(2, 3, 5), torch.ones(2, 5, 7)
PRODUCT = 2 * 2 * 3 * 5 * 7


def ask(program: object, *arguments: Any, **settings: Any) -> Answer:
    return perform(Request("program", arguments, **settings), {"program": program})


def subject(program: object) -> Subject:
    answer = local({"program": program})
    return Subject(Request("program"), answer, answer, Draw(1), lambda request, answer: None)


def cost(program: Callable[..., Any], *arguments: Any) -> tuple[int, int]:
    answer = ask(program, *arguments, counted=True)
    assert answer.failure is None, answer.failure
    return answer.peak, answer.operations


@pytest.mark.parametrize(
    "product",
    [
        torch.matmul,
        torch.bmm,
        lambda a, b: torch.einsum("bij,bjk->bik", a, b),
        lambda a, b: torch.bmm(a, b, out=torch.empty(0)),
        lambda a, b: torch.stack([x @ y for x, y in zip(a, b, strict=True)]).mul_(1),
        lambda a, b: torch.baddbmm(a.new_ones(()), a, b),
        lambda a, b: nn.functional.linear(a[0], b[0].T) + nn.functional.linear(a[1], b[1].T, torch.ones(7)),
    ],
)
def test_a_product_costs_the_same_however_it_is_written(product: Callable[..., Any]) -> None:
    peak, operations = cost(product, LEFT, RIGHT)
    assert 42 <= peak <= 2 * 42 + 8
    assert PRODUCT <= operations <= PRODUCT + 2 * 42 + 8


def test_other_operations_cost_what_they_make() -> None:
    assert cost(lambda x: (x[:, :, None] * x[:, None]).sum(-1), torch.ones(3, 5)) == (75 + 15, 75 + 15)


def test_what_is_kept_counts_together_and_what_is_dropped_does_not() -> None:
    assert cost(lambda x: len([x + place for place in range(10)]), torch.ones(7))[0] == 70
    assert cost(lambda x: sum(len(x + place) for place in range(10)), torch.ones(7))[0] == 7
    assert cost(lambda x: torch.add(x, x, out=torch.empty(0)).sum(), torch.ones(7)) == (8, 8)


def test_the_graph_of_the_backward_pass_counts_as_long_as_it_lives() -> None:
    def program(x: Tensor) -> Tensor:
        for _ in range(10):
            x = x.exp()
        return x

    assert ask(program, torch.ones(7), counted=True).peak == 14
    assert ask(program, torch.ones(7), counted=True, upstream=(torch.ones(7),)).peak >= 70


def test_views_and_writes_in_place_make_nothing() -> None:
    def program(x: Tensor) -> Tensor:
        x = x.T.expand(50, 5, 3)[1:3, 2:].reshape(2, 9)[:, None]
        return x

    assert cost(lambda x: x.T.expand(50, 5, 3)[1:3, 2:], torch.ones(3, 5)) == (0, 0)
    assert cost(program, torch.ones(3, 5)) == (18, 18)  # the reshape had to copy
    assert cost(lambda x: x.mul_(2).view(15)[4:].zero_(), torch.ones(3, 5)) == (0, 0)


def test_the_backward_pass_counts() -> None:
    x, weight = torch.ones(3, 5), torch.ones(5, 7)
    upstream = (torch.ones(3, 7),)
    forward = ask(torch.matmul, x, weight, counted=True)
    both = ask(torch.matmul, x, weight, counted=True, upstream=upstream)
    assert both.operations >= 3 * forward.operations


def test_what_was_not_to_be_counted_is_not() -> None:
    answer = ask(torch.matmul, LEFT, RIGHT)
    assert (answer.peak, answer.operations) == (0, 0)


def test_sparse_tensors_are_counted_too() -> None:
    assert cost(lambda x: x.to_sparse(), torch.eye(3))[0] >= 9


def test_construction_is_not_counted() -> None:
    settings = {"in_features": 100, "out_features": 3}
    answer = ask(nn.Linear, torch.ones(2, 100).double(), construct=settings, counted=True)
    assert answer.peak == 6


def test_costs_that_are_near_are_the_same_answer_and_others_are_not() -> None:
    near, far = int(100 * COUNTS_APART), int(100 * COUNTS_APART) + 2
    assert same_answer(Answer(1, peak=100, operations=100), Answer(1, peak=near, operations=90))
    assert not same_answer(Answer(1, peak=100), Answer(1, peak=far))
    assert not same_answer(Answer(1, operations=far), Answer(1, operations=100))
    assert not same_answer(Answer(1, operations=1), Answer(1))


def test_a_subject_tells_the_cost_and_what_the_program_raised() -> None:
    assert subject(torch.matmul).cost(LEFT, RIGHT) == (42, PRODUCT)
    with pytest.raises(CheckFailed, match="RuntimeError"):
        subject(torch.matmul).cost(LEFT, LEFT)


def test_counting_does_not_import_the_compiler() -> None:
    """A second of every kernel."""
    program = (
        "import sys, torch\n"
        "from autograder.checks.counted import Cost\n"
        "with Cost() as cost: torch.ones(2, 2) @ torch.ones(2, 2)\n"
        "assert cost.operations and 'torch._dynamo' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


class Diary(nn.Module):
    """Remembers all that it was given."""

    def __init__(self) -> None:
        super().__init__()
        self.entries: list[Tensor] = []

    def forward(self, entry: Tensor, times: int) -> Tensor:
        self.entries += [entry] * times
        return torch.cat(self.entries)


def test_calls_in_turn_are_made_on_one_object_and_all_answers_come_back() -> None:
    diary = subject(Diary).fresh().in_turn()
    one, two = torch.ones(1).double(), torch.full((1,), 2.0).double()
    came = diary((one, 2), (two, 1))
    assert isinstance(came, list)
    assert [tensor.tolist() for tensor in came if isinstance(tensor, Tensor)] == [[1, 1], [1, 1, 2]]
    diary.agrees((one, 2), (two, 1))
    assert diary.cost((one, 2), (two, 1)) == (5, 5)
    diary.leaves_arguments_alone((one, 2), (two, 1))


def test_an_argument_changed_in_any_of_the_calls_is_seen() -> None:
    answer = ask(lambda x: x.mul_(2), (torch.ones(1),), (torch.zeros(1),), (torch.ones(1),), in_turn=True)
    assert answer.changed == (0, 2)


def test_an_error_in_any_of_the_calls_is_the_answer() -> None:
    answer = ask(lambda x: 1 // x, (1,), (0,), (2,), in_turn=True)
    assert answer.failure is not None
    assert answer.failure.type_name == "ZeroDivisionError"
