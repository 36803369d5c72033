"""Grade an exercise inside the student's own kernel, as plain nbgrader does."""

from __future__ import annotations

import os
import secrets
from pkgutil import iter_modules

from IPython.core.getipython import get_ipython

from autograder import bank
from autograder.bank import Bank, load_bank
from autograder.checks.subject import local
from autograder.result import CheckResult


def check_in_notebook(name: str) -> float:
    """See `autograder.check`. Raises ValueError for an unknown exercise, RuntimeError outside IPython."""
    shell = get_ipython()
    if shell is None:
        raise RuntimeError("check() grades the definitions of a running notebook, and there is none")
    seed = int(os.environ.get("LOOKBACK_SEED") or secrets.randbelow(2**31))
    result = _bank_of(name).grade(name, local(shell.user_ns), seed)
    for found in result.checks:
        if found.tried and not found.passed:
            print(_sentence(found))
    print(f"{result.points:g} of {result.max:g} points, seed {seed}")
    return float(result.points)


def _bank_of(exercise: str) -> Bank:
    for module in iter_modules(bank.__path__):
        if exercise in (found := load_bank(module.name)).exercises:
            return found
    raise ValueError(f"no bank of checks knows the exercise {exercise!r}")


def _sentence(found: CheckResult) -> str:
    named = f" This looks like “{found.misconception.name}”: {found.misconception.hint}" if found.misconception else ""
    return (
        f"✗ {found.name}: expected {found.expected}, came {found.came}. "
        f"Suspect {found.suspect}. Try this: {found.experiment}.{named}"
    )
