"""The unit of an assignment, by its name alone: its bank is found without being imported."""

from __future__ import annotations

import re
from importlib.resources import files
from importlib.resources.abc import Traversable


def unit_of(assignment: str) -> str:
    """The name that an assignment's bank and solutions have too: `unit_of("05_self_attention") == "self_attention"`.

    It is the assignment's name without the number in front; a name without a number is its own.
    """
    return re.sub(r"^\d+_", "", assignment)


def bank_file(unit: str) -> Traversable:
    """Where a unit's checks are, or would be."""
    return files("autograder").joinpath("bank", f"{unit}.py")


def material_files(unit: str) -> dict[str, Traversable]:
    """A unit's checks and programs, by their paths in the repository; not all of them need exist.

    Example: `material_files("attention")["solutions/variants/attention.py"]`
    """
    found = {f"autograder/bank/{unit}.py": bank_file(unit)}
    for folder in ((), ("variants",), ("misconceptions",)):
        found["/".join(("solutions", *folder, f"{unit}.py"))] = files("solutions").joinpath(*folder, f"{unit}.py")
    return found


def no_bank(assignment: str) -> str:
    """What to say where an assignment has no bank."""
    return f"no bank of checks for {assignment!r}: autograder/bank/{unit_of(assignment)}.py does not exist"
