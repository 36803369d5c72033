"""Limits, and how a notebook changes them."""

from __future__ import annotations

from typing import Any

import pytest

from autograder.engine.limits import Limits, WrongLimit, limits_in


def test_metadata_change_limits() -> None:
    metadata = {"lookback": {"limits": {"cell_seconds": 90, "messages": 5}}}
    assert Limits().changed(limits_in(metadata)) == Limits(cell_seconds=90, messages=5)
    assert Limits().changed(limits_in({})) == Limits()


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"cell_second": 1}, "no limit 'cell_second'; there are cell_seconds"),
        ({"cell_seconds": "60"}, "cell_seconds must be a positive number, not '60'"),
        ({"cell_seconds": True}, "positive number"),
        ({"cell_seconds": 0}, "positive number"),
        ({"cell_seconds": float("nan")}, "positive number"),
        ({"messages": 1.5}, "messages must be a positive number"),
    ],
)
def test_a_wrong_limit_is_an_error(values: dict[str, Any], reason: str) -> None:
    with pytest.raises(WrongLimit, match=reason):
        Limits().changed(values)


@pytest.mark.parametrize("lookback", [7, {"limits": 7}])
def test_limits_stand_where_they_belong(lookback: Any) -> None:
    with pytest.raises(WrongLimit, match="limits stand in the metadata as"):
        limits_in({"lookback": lookback})


def test_little_time_left_shortens_every_wait() -> None:
    assert Limits(cell_seconds=30, check_seconds=2).within(5) == Limits(cell_seconds=5, check_seconds=2)
