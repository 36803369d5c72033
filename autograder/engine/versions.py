"""What a verdict depends on besides the submission: the bank and the versions of what runs it."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Iterator
from functools import cache
from importlib.metadata import version
from importlib.resources import files
from importlib.resources.abc import Traversable

PACKAGES = {"engine": "lookback-course", "torch": "torch", "numpy": "numpy", "ipykernel": "ipykernel"}


@cache
def versions(assignment: str) -> dict[str, str]:
    """Names and versions; "bank" is a digest of the checks and programs of the assignment's unit.

    Example: `versions("04_attention")["torch"]`
    """
    return {
        **{name: version(package) for name, package in PACKAGES.items()},
        "python": platform.python_version(),
        "bank": _digest(assignment.split("_", 1)[-1]),
    }


def _digest(unit: str) -> str:
    digest = hashlib.sha256()
    for file in _files(unit):
        digest.update(file.name.encode() + b"\0" + file.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def _files(unit: str) -> Iterator[Traversable]:
    for folder in ("autograder.checks", "autograder.engine", "autograder.engine.sandbox"):
        yield from sorted((f for f in files(folder).iterdir() if f.name.endswith(".py")), key=lambda f: f.name)
    for folder in ("autograder.bank", "solutions", "solutions.variants", "solutions.misconceptions"):
        if (file := files(folder).joinpath(f"{unit}.py")).is_file():
            yield file
