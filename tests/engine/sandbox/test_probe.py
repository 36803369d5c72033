"""What the sandbox says of itself."""

from __future__ import annotations

import pytest

from autograder.engine.sandbox import LAYERS, SAFE_TIERS, Policy, describe, layers, probe, safe, tier, tier_of
from autograder.engine.sandbox.remedies import remedy
from tests.engine.sandbox.behind import ALONE


def test_the_tier_is_that_of_the_layers_that_hold() -> None:
    assert tier() == tier_of(layers())
    assert safe() == (tier() in SAFE_TIERS)
    assert [wall.layer for wall in describe()] == list(LAYERS)
    assert {wall.layer for wall in describe() if wall.holds} == set(layers())


def test_what_does_not_hold_has_a_reason_and_a_remedy() -> None:
    assert all(bool(wall.reason) == bool(wall.remedy) == (not wall.holds) for wall in describe())
    assert all(remedy(layer, "Operation not permitted") for layer in LAYERS)


@pytest.mark.parametrize(
    ("held", "name"),
    [
        (LAYERS, "namespaces+landlock+seccomp"),
        (("namespaces", "seccomp"), "namespaces+seccomp"),
        (ALONE, "landlock+seccomp"),
        (("rlimits", "landlock"), "landlock"),
        (("rlimits", "user"), "rlimits"),
        ((), "none"),
    ],
)
def test_a_tier_has_the_name_of_its_strong_walls(held: tuple[str, ...], name: str) -> None:
    assert tier_of(held) == name


def test_the_environment_can_leave_layers_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(probe.ASKED, "rlimits capabilities")
    describe.cache_clear()
    assert tier() == "rlimits"
    assert not safe()
    monkeypatch.setenv(probe.ASKED, "rlimits walls")
    describe.cache_clear()
    with pytest.raises(probe.WrongLayers, match="LOOKBACK_LAYERS names no layer with walls; there are namespaces"):
        describe()
    describe.cache_clear()


def test_a_policy_names_only_layers_that_exist() -> None:
    with pytest.raises(ValueError, match="no layer walls"):
        Policy(("walls",))  # type: ignore[arg-type]
