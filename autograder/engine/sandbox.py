"""The walls around a student's process. `enter` is called once, in the forked child, before it becomes a kernel."""

from __future__ import annotations

import resource
from pathlib import Path

TIER = "none"
"""The name of the walls that hold on this machine: it stands in every verdict."""


def enter(directory: Path, memory_bytes: int) -> None:
    """Raise the walls, for good. `directory` is all that the student's process may write to.

    It may return in another process than it was called in: a child of the caller, which then waits for that child.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_DATA, (memory_bytes, memory_bytes))
