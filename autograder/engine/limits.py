"""Every limit of the engine in one place. A source notebook may change them for itself and for one cell."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

KIB, MIB, GIB = 2**10, 2**20, 2**30
OVERTIME_SECONDS = 120
"""How much longer than its own limit a submission may keep a worker, before the worker ends itself."""


class WrongLimit(ValueError):
    """A source notebook sets a limit that does not exist, or sets it to no positive number."""


@dataclass(frozen=True)
class Limits:
    """Seconds are wall-clock seconds; bytes and messages are of one cell unless they say otherwise.

    Example: `Limits(cell_seconds=5).changed({"check_seconds": 2})`
    """

    cell_seconds: float = 30.0
    """How long one cell may run."""
    check_seconds: float = 10.0
    """How long the program may take for one request of a check."""
    submission_seconds: float = 300.0
    """How long the cells and checks of one submission may take together."""
    start_seconds: float = 20.0
    """How long a warm kernel may take to start."""
    interrupt_seconds: float = 2.0
    """How long a cell may take to end after an interrupt, before its kernel is killed."""
    restarts: int = 16
    """How many kernels may be started again for one submission."""
    memory_bytes: int = 4 * GIB
    """How much memory the student's process may allocate; each of its processes, where it starts others."""
    disk_bytes: int = 256 * MIB
    """How much all files of the submission may hold; without namespaces only `file_bytes` is enforced."""
    file_bytes: int = 128 * MIB
    """How large one file may become."""
    cpu_seconds: float = 600.0
    """How many CPU seconds a process may use."""
    processes: int = 96
    """How many processes and threads there may be; without namespaces there is no second process at all."""
    open_files: int = 256
    """How many files a process may have open."""
    notebook_bytes: int = 20 * MIB
    """How large a submitted file may be."""
    files_bytes: int = 64 * MIB
    """How large the other files of an assignment may be together, each of which every process gets."""
    output_bytes: int = 16 * MIB
    """How much a cell may print or show before it counts as a flood."""
    messages: int = 10_000
    """How many messages a cell may send before it counts as a flood."""
    kept_bytes: int = 256 * KIB
    """How much of a cell's output is kept in the executed notebook."""
    reply_bytes: int = 8 * MIB
    """How large an answer to a request may always be; to a large request it may be larger."""

    def changed(self, values: Mapping[str, Any]) -> Limits:
        """These limits with some of them replaced. Raises WrongLimit."""
        types = {field.name: int if field.type == "int" else (int, float) for field in fields(self)}
        for name, value in values.items():
            if name not in types:
                raise WrongLimit(f"there is no limit {name!r}; there are {', '.join(types)}")
            if isinstance(value, bool) or not isinstance(value, types[name]) or not 0 < value < float("inf"):
                raise WrongLimit(f"the limit {name} must be a positive number, not {value!r}")
        return replace(self, **values)

    def within(self, seconds: float) -> Limits:
        """These limits where only so many seconds are left for everything."""
        return replace(
            self, cell_seconds=min(self.cell_seconds, seconds), check_seconds=min(self.check_seconds, seconds)
        )


def limits_in(metadata: Mapping[str, Any]) -> Mapping[str, Any]:
    """The limits that the metadata of a notebook or of a cell set: {"lookback": {"limits": {"cell_seconds": 60}}}."""
    ours = metadata.get("lookback", {})
    found = ours.get("limits", {}) if isinstance(ours, dict) else None
    if not isinstance(found, dict):
        raise WrongLimit('limits stand in the metadata as {"lookback": {"limits": {"cell_seconds": 60}}}')
    return found
