"""What a verdict depends on besides the submission: the bank and the versions of what runs it."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Iterator
from functools import cache
from importlib.metadata import version
from importlib.resources import files
from importlib.resources.abc import Traversable

from autograder.unit import material_files, unit_of

PACKAGES = {"engine": "lookback-course", "torch": "torch", "numpy": "numpy", "ipykernel": "ipykernel"}


@cache
def versions(assignment: str) -> dict[str, str]:
    """Names and versions; "bank" is a digest of the checks and programs of the assignment's unit.

    Example: `versions("04_attention")["torch"]`
    """
    return {
        **{name: version(package) for name, package in PACKAGES.items()},
        "python": platform.python_version(),
        "bank": _digest(unit_of(assignment)),
    }


def _digest(unit: str) -> str:
    digest = hashlib.sha256()
    for file in _files(unit):
        digest.update(file.name.encode() + b"\0" + file.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def _files(unit: str) -> Iterator[Traversable]:
    """Found without importing the packages they are in, some of which need PyTorch."""
    for folder in ("checks", "engine", "engine/sandbox"):
        inside = files("autograder").joinpath(folder).iterdir()
        yield from sorted((f for f in inside if f.name.endswith(".py")), key=lambda f: f.name)
    yield from (file for file in material_files(unit).values() if file.is_file())
