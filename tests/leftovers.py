"""What is left of a command that was given a temporary directory of its own in TMPDIR."""

from __future__ import annotations

import os
from pathlib import Path

import psutil

SECONDS = 10.0
MADE_BY_TORCH = "torchinductor_"


def left(temporary: Path) -> list[str]:
    """What is in the directory once no process has it as its own. Raises AssertionError where one does not end."""
    ours = [process for process in psutil.process_iter(["environ"]) if _belongs(process, temporary)]
    alive = psutil.wait_procs(ours, SECONDS)[1]
    assert alive == []
    return [name for name in os.listdir(temporary) if not name.startswith(MADE_BY_TORCH)]


def _belongs(process: psutil.Process, temporary: Path) -> bool:
    return (process.info["environ"] or {}).get("TMPDIR") == str(temporary)
