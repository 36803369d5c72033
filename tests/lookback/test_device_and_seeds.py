"""The device can be overridden, and a seed fixes every random stream."""

import random
import subprocess
import sys

import lookback as lb
import numpy as np
import pytest
import torch


def test_cpu_can_be_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOOKBACK_DEVICE", "cpu")
    assert lb.pick_device() == torch.device("cpu")


@pytest.mark.parametrize("asked", ["", "auto"])
@pytest.mark.parametrize("available", [True, False])
def test_cuda_is_taken_when_it_is_there(monkeypatch: pytest.MonkeyPatch, asked: str, available: bool) -> None:
    monkeypatch.setenv("LOOKBACK_DEVICE", asked)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: available)
    assert lb.pick_device().type == ("cuda" if available else "cpu")


def test_an_unknown_device_names_the_valid_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOOKBACK_DEVICE", "tpu")
    with pytest.raises(ValueError, match="'tpu'; valid values are auto, cpu, cuda"):
        lb.pick_device()


def test_cuda_without_cuda_is_a_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOOKBACK_DEVICE", "cuda")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(RuntimeError, match="no CUDA device"):
        lb.pick_device()


def test_the_device_is_printed_once_per_process() -> None:
    code = "import lookback as lb; lb.pick_device(); lb.pick_device()"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={"LOOKBACK_DEVICE": "cpu"}
    )
    assert done.stdout == "device: cpu\n"


def test_importing_starts_no_thread_and_loads_no_plotting() -> None:
    code = (
        "import threading, sys, lookback\n"
        "print(threading.active_count(), 'datasets' in sys.modules, 'matplotlib.pyplot' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "1 False False\n"


def draw(seed: int) -> tuple[float, float, float, float]:
    """One number from every stream after seeding."""
    generator = lb.seed_everything(seed)
    own = torch.rand(1, generator=generator).item()
    return random.random(), float(np.random.rand()), torch.rand(1).item(), own


def test_a_seed_fixes_every_stream() -> None:
    first, again, other = draw(7), draw(7), draw(8)
    assert first == again
    assert all(a != b for a, b in zip(first, other, strict=True))


@pytest.mark.parametrize("seed", [-1, 2**32])
def test_a_seed_outside_the_range_is_an_error(seed: int) -> None:
    with pytest.raises(ValueError, match=str(seed)):
        lb.seed_everything(seed)
