"""Peaks of memory that can be worked out by hand."""

import lookback as lb
import torch
from torch import Tensor

THOUSAND = 4_000  # bytes of a thousand numbers in float32


def chain(n: int) -> Tensor:
    """A result from `n` tensors one after the other, of which two are alive at a time."""
    x = torch.zeros(1000)
    for _ in range(n):
        x = x + 1
    return x


def test_two_operands_and_their_sum_are_alive_together() -> None:
    assert lb.peak_memory(lambda: torch.zeros(1000) + torch.ones(1000)) == 3 * THOUSAND


def test_what_has_died_does_not_count() -> None:
    assert lb.peak_memory(lambda: chain(1)) == lb.peak_memory(lambda: chain(50)) == 2 * THOUSAND


def test_views_writes_in_place_and_what_was_there_before_cost_nothing() -> None:
    x = torch.zeros(1000)
    assert lb.peak_memory(lambda: x.view(10, 100).T[2:].mul_(3)) == 0


def test_what_waits_for_the_backward_pass_counts() -> None:
    x = torch.zeros(1000, requires_grad=True)
    forward = lb.peak_memory(lambda: x.exp().exp().exp())
    with torch.no_grad():
        assert forward > lb.peak_memory(lambda: x.exp().exp().exp())
    assert lb.peak_memory(lambda: x.exp().exp().exp().sum().backward()) > forward
