"""What the sandbox says of itself."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import psutil
import pytest

from autograder.course.doctor.examine import examine
from autograder.engine.kernel import Kernel
from autograder.engine.limits import Limits
from autograder.engine.sandbox import LAYERS, SAFE_TIERS, Policy, describe, launcher, layers, probe, safe, tier, tier_of
from autograder.engine.sandbox.remedies import remedy
from autograder.engine.warm import WarmParent
from tests.engine.sandbox.behind import ALONE, ROOT


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
    before = tier()
    monkeypatch.setenv(probe.ASKED, "rlimits capabilities")
    assert tier() == "rlimits"
    assert not safe()
    monkeypatch.setenv(probe.ASKED, "rlimits walls")
    with pytest.raises(probe.WrongLayers, match="LOOKBACK_LAYERS names no layer with walls; there are namespaces"):
        describe()
    monkeypatch.delenv(probe.ASKED)
    assert tier() == before


@pytest.fixture
def denied(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A machine that lets bubblewrap make namespaces, and nobody else."""
    try_for_real = probe._tried

    def tried(asked: Sequence[str], launched: tuple[str, ...]) -> dict[str, str]:
        return try_for_real(asked, launched) | ({} if launched else {"namespaces": "Operation not permitted"})

    monkeypatch.setattr(probe, "_tried", tried)
    probe.described.cache_clear()
    yield
    probe.described.cache_clear()


@pytest.mark.skipif(not shutil.which("bwrap"), reason="bubblewrap is not installed")
@pytest.mark.slow
def test_bubblewrap_opens_the_door_where_only_it_may(denied: None) -> None:
    if not launcher():
        pytest.skip("bubblewrap makes no namespaces here either")
    assert (launcher()[0], tier()) == ("bwrap", SAFE_TIERS[0])
    assert "holds, made by bwrap" in [finding.found for finding in examine(ROOT)]
    with WarmParent() as parent:
        kernel = Kernel(parent, Limits(), seed=1, device="cpu")
        looks = f"os.path.exists({str(ROOT / 'solutions')!r}), open('/proc/self/status').read()"
        code = f"import os\nprint(os.getpid(), {looks})"
        printed = kernel.execute(code, Limits()).outputs[0]["text"]
        kernel.close()
        assert printed.startswith("1 False")
        assert "CapEff:\t0000000000000000" in printed
        family = psutil.Process(parent.pid).children(recursive=True)
    assert psutil.wait_procs(family, 10)[1] == []


def test_without_bubblewrap_the_other_walls_hold(denied: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert launcher() == ()
    assert "namespaces" not in layers()


def test_a_policy_names_only_layers_that_exist() -> None:
    with pytest.raises(ValueError, match="no layer walls"):
        Policy(("walls",))  # type: ignore[arg-type]
