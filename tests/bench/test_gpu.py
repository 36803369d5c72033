"""The bench of GPUs where there is none."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.bench.gpu import main
from tests.engine.drivers import GPUS, gpu_line, install


def test_without_a_gpu_it_says_so_and_goes_on(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["gpu"])
    install(monkeypatch, tmp_path / "bin", "No devices found.")
    main()
    assert capsys.readouterr().out == "no GPU was measured: nvidia-smi lists no GPU: No devices found\n"


@pytest.mark.slow
def test_where_cuda_does_not_work_it_says_why(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str], own_tmpdir: Path
) -> None:
    monkeypatch.setattr(sys, "argv", ["gpu"])
    install(monkeypatch, tmp_path / "bin", gpu_line(0, GPUS[0]))
    main()
    told = capsys.readouterr().out
    assert told.startswith("no GPU was measured: ")
    assert "AssertionError" in told or "RuntimeError" in told
    assert told.count("\n") == 1
