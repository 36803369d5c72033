"""What to wall off and how much to allow, as data that travels to the process that forks kernels."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from autograder.engine.limits import Limits

Layer = Literal["namespaces", "user", "rlimits", "capabilities", "landlock", "seccomp"]
LAYERS: tuple[Layer, ...] = get_args(Layer)
"""In the order in which they are raised."""
SAFE_TIERS = ("namespaces+landlock+seccomp", "namespaces+seccomp", "landlock+seccomp")
"""The tiers behind which a stranger's code may run, best first. Below them are "rlimits" and "none"."""


@dataclass(frozen=True)
class Policy:
    """The walls around one student's process, and what it may use behind them. `gpu` shows it NVIDIA's devices.

    Example: `Policy(("rlimits", "landlock", "seccomp"), Limits(memory_bytes=2**31))`
    """

    layers: tuple[Layer, ...]
    limits: Limits = field(default_factory=Limits)
    gpu: bool = False

    def __post_init__(self) -> None:
        if unknown := set(self.layers) - set(LAYERS):
            raise ValueError(f"there is no layer {', '.join(sorted(unknown))}; there are {', '.join(LAYERS)}")

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> Policy:
        """What `dataclasses.asdict` and JSON made of a policy."""
        return Policy(tuple(data["layers"]), Limits(**data["limits"]), data["gpu"])


@dataclass(frozen=True)
class Place:
    """Where the process lives now, as it sees it itself; `outside` is `directory` as all other processes see it."""

    directory: Path
    home: Path
    temporary: Path
    outside: Path


def tier_of(layers: Collection[str]) -> str:
    """The name of these walls together.

    Example: `tier_of(("rlimits", "landlock", "seccomp")) == "landlock+seccomp"`
    """
    strong = [layer for layer in ("namespaces", "landlock", "seccomp") if layer in layers]
    return "+".join(strong) or ("rlimits" if "rlimits" in layers else "none")
