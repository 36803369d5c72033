"""A driver that is not there: programs called nvidia-smi, for tests of what counts GPUs without having one."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

GPUS = ("GPU-00000000-0000-0000-0000-00000000000a", "GPU-00000000-0000-0000-0000-00000000000b")
PARTS = ("MIG-00000000-0000-0000-0000-00000000000c", "MIG-00000000-0000-0000-0000-00000000000d")


def gpu_line(number: int, uuid: str) -> str:
    return f"GPU {number}: NVIDIA A100-SXM4-40GB (UUID: {uuid})"


def part_line(number: int, uuid: str) -> str:
    return f"  MIG 1g.5gb      Device  {number}: (UUID: {uuid})"


def install(patch: pytest.MonkeyPatch, directory: Path, *lines: str, code: int = 0, hangs: bool = False) -> None:
    """Put first on the path an nvidia-smi that prints these lines, and ends with this code if it ends at all."""
    directory.mkdir(exist_ok=True)
    (directory / "listed").write_text("".join(f"{line}\n" for line in lines))
    ending = "exec sleep 600" if hangs else f"exit {code}"
    program = directory / "nvidia-smi"
    program.write_text(f'#!/bin/sh\n[ "$1" = -L ] && cat {directory}/listed\n{ending}\n')
    program.chmod(0o755)
    patch.setenv("PATH", f"{directory}:{os.environ['PATH']}")
    patch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
