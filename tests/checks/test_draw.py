"""Draws: fresh for every seed and name, equal for equal ones, never of a size that hides a mistake."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from autograder.checks import Draw

seeds = st.integers(0, 2**63)


@given(seeds, st.integers(1, 6))
def test_sizes_differ_and_none_is_a_multiple_of_another_or_a_power_of_two(seed: int, count: int) -> None:
    sizes = Draw(seed).sizes(count)
    assert len(set(sizes)) == count
    assert all(one % other for one in sizes for other in sizes if one != other)
    assert all(size.bit_count() > 1 for size in sizes)


@given(seeds, st.integers(3, 7))
def test_every_row_of_a_mask_allows_two_and_forbids_and_not_all_are_the_same(seed: int, width: int) -> None:
    mask = Draw(seed).allowed(3, 4, width)
    assert (mask.sum(dim=-1) >= 2).all()
    assert not mask.all(dim=-1).any()
    assert (mask != mask[:1]).any()


@given(seeds)
def test_draws_depend_on_the_seed_and_on_the_names_and_on_nothing_else(seed: int) -> None:
    torch.manual_seed(0)
    one = Draw(seed, "exercise", "check").normal(3)
    torch.manual_seed(1)
    assert torch.equal(one, Draw(seed, "exercise", "check").normal(3))
    assert not torch.equal(one, Draw(seed, "exercise", "other check").normal(3))
    assert not torch.equal(one, Draw(seed + 1, "exercise", "check").normal(3))
    assert not torch.equal(one, Draw(seed, "exercisecheck").normal(3))
