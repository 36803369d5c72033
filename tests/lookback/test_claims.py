"""Claims: two lines, a bound that is enforced, and a table at the end."""

import re

import lookback as lb
import pytest
from hypothesis import given
from hypothesis import strategies as st

FINITE = st.floats(-1e6, 1e6)


def test_a_claim_that_holds_prints_exactly_two_lines(capsys: pytest.CaptureFixture[str]) -> None:
    lb.claim("rows sum to one", 0.9941, at_least=0.9)
    assert capsys.readouterr().out == "✓ rows sum to one\n  measured 0.9941 · required at least 0.9\n"


@pytest.mark.parametrize(
    ("bounds", "required"),
    [
        ({"at_most": 0.5}, "at most 0.5"),
        ({"at_least": 0.1, "at_most": 0.5}, "at least 0.1 and at most 0.5"),
        ({"about": 0.3, "within": 0.1}, "0.3 ± 0.1"),
    ],
)
def test_the_requirement_is_spelled_out(
    bounds: dict[str, float], required: str, capsys: pytest.CaptureFixture[str]
) -> None:
    lb.claim("it is small", 0.25, **bounds)
    assert capsys.readouterr().out.splitlines()[1] == f"  measured 0.25 · required {required}"


def test_a_claim_that_does_not_hold_is_printed_and_raises(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(lb.ClaimFailed, match=r"(?s)accuracy is high.*measured 0\.5 · required at least 0\.9"):
        lb.claim("accuracy is high", 0.5, at_least=0.9)
    assert capsys.readouterr().out.startswith("✗ accuracy is high\n")


@given(measured=FINITE, low=FINITE, high=FINITE)
def test_a_claim_raises_exactly_outside_its_bounds(measured: float, low: float, high: float) -> None:
    if low <= measured <= high:
        lb.claim("between", measured, at_least=low, at_most=high)
    else:
        with pytest.raises(lb.ClaimFailed):
            lb.claim("between", measured, at_least=low, at_most=high)


@pytest.mark.parametrize("figure", [float("nan"), float("inf"), float("-inf")])
def test_a_figure_that_is_not_finite_is_an_error(figure: float) -> None:
    with pytest.raises(ValueError, match="not finite"):
        lb.claim("it converges", figure, at_most=1.0)


@pytest.mark.parametrize(
    "bounds", [{}, {"about": 1.0}, {"within": 1.0}, {"about": 1.0, "within": 0.1, "at_least": 0.0}]
)
def test_missing_or_contradicting_bounds_are_an_error(bounds: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"bound|about"):
        lb.claim("unbounded", 1.0, **bounds)


def test_the_table_lists_every_claim_once_and_escapes_html() -> None:
    for measured in (1.0, 0.25):  # the cell is run twice
        lb.claim("q < k & v", measured, at_most=2.0)
    table = lb.claims_table()
    html = table._repr_html_()
    assert [made.measured for made in table.claims if made.statement == "q < k & v"] == [0.25]
    assert len(re.findall("q &lt; k &amp; v", html)) == 1
    assert "✓ q < k & v\n  measured 0.25 · required at most 2" in repr(table)
