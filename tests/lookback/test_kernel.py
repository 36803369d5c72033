"""The kernel `lookback`, installed by the command and started by Jupyter."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
import torch
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import start_new_kernel
from lookback.command import main

ASK = """
import os, subprocess, sys
import lookback as lb
lb.pick_device()
tell = "import os; print('a process of it:', os.environ['LOOKBACK_DEVICE'])"
print(subprocess.run([sys.executable, "-c", tell], capture_output=True, text=True).stdout, end="")
print("modules beside the notebook:", "" in sys.path)
"""
HERE = "cuda" if torch.cuda.is_available() else "cpu"


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Path:
    """Where it is, on a path where Jupyter looks for kernels."""
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "share/jupyter"))
    assert main(["kernel", "--prefix", str(tmp_path)]) == 0
    path = tmp_path / "share/jupyter/kernels/lookback"
    assert capsys.readouterr().out == f"installed {path}\n"
    return path


def printed(folder: Path, code: str) -> str:
    """What a cell prints in the installed kernel, or what it raises."""
    told: list[str] = []

    def show(message: dict[str, dict[str, str]]) -> None:
        told.append(message["content"].get("text") or message["content"].get("evalue") or "")

    manager, client = start_new_kernel(kernel_name="lookback", cwd=str(folder))
    try:
        client.execute_interactive(code, output_hook=show, timeout=60)
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
    return "".join(told)


@pytest.mark.slow
@pytest.mark.parametrize(("asked", "device"), [("", HERE), ("auto", HERE), ("cpu", "cpu")])
def test_it_chooses_the_device_when_it_starts(
    asked: str, device: str, installed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOOKBACK_DEVICE", asked)
    (tmp_path / "random.py").write_text("raise SystemExit('a file of the student, not the module')")
    assert printed(tmp_path, ASK) == (
        f"device: {device}\na process of it: {device}\nmodules beside the notebook: True\n"
    )


@pytest.mark.slow
def test_it_starts_with_a_device_that_does_not_exist_and_says_so_in_a_cell(
    installed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOOKBACK_DEVICE", "tpu")
    assert "LOOKBACK_DEVICE is 'tpu'; valid values are auto, cpu, cuda" in printed(tmp_path, ASK)


def test_it_runs_this_python_and_may_be_installed_again(installed: Path) -> None:
    assert main(["kernel", "--prefix", str(installed.parents[3])]) == 0
    found = KernelSpecManager().get_kernel_spec("lookback")
    assert (found.resource_dir, found.display_name, found.language) == (str(installed), "Lookback", "python")
    assert found.argv[0] == sys.executable


def test_it_is_installed_for_the_user_unless_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "data"))
    assert main(["kernel"]) == 0
    assert capsys.readouterr().out == f"installed {tmp_path / 'data/kernels/lookback'}\n"
    assert (tmp_path / "data/kernels/lookback/kernel.json").is_file()


def test_where_it_cannot_be_installed_a_line_says_why(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "share").write_text("a file")
    assert main(["kernel", "--prefix", str(tmp_path)]) == 2
    told = capsys.readouterr()
    assert (told.out, told.err.count("\n")) == ("", 1)
    assert told.err.startswith(f"lookback kernel: {tmp_path}")
    assert "Not a directory" in told.err


def test_two_places_are_one_too_many(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["kernel", "--prefix", os.curdir, "--sys-prefix"])
    assert ended.value.code == 2
    assert "not allowed with argument --prefix" in capsys.readouterr().err
