"""The floors of the house: cli → course → engine → bank → checks, solutions → lookback. Nothing imports upward."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

FLOORS = {
    "lookback": 0,
    "autograder.result": 0,
    "autograder.unit": 0,
    "solutions": 1,
    "autograder.checks": 1,
    "autograder.bank": 2,
    "autograder.engine": 3,
    "autograder.plain": 3,
    "autograder.course": 4,
    "autograder.console": 5,
    "autograder.cli": 6,
}
KNOWS_NBGRADER = "autograder.course"


def floor_of(module: str) -> str | None:
    """The part of the house that `module` belongs to; None for what is not ours or is on no floor."""
    return next((part for part in FLOORS if module == part or module.startswith(part + ".")), None)


def imports(module: str, source: str, *, is_package: bool = False) -> Iterator[str]:
    """Every module that `source` imports: by statement, relatively, or by `import_module("…")`."""
    package = module.split(".") if is_package else module.split(".")[:-1]
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            origin = ".".join([*base, *([node.module] if node.module else [])])
            yield from (f"{origin}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Call) and "import" in ast.unparse(node.func) and node.args:
            texts = [part.value for part in ast.walk(node.args[0]) if isinstance(part, ast.Constant)]
            yield from (text.rstrip(".") for text in texts[:1] if isinstance(text, str))


def forbidden(module: str, source: str, *, is_package: bool = False) -> list[str]:
    """What `module` imports and may not: a higher floor, a neighbour on its own floor, or nbgrader."""
    own = floor_of(module)
    found = []
    for name in imports(module, source, is_package=is_package):
        other = floor_of(name)
        upward = own and other and other != own and FLOORS[other] >= FLOORS[own]
        if upward or (name.split(".")[0] == "nbgrader" and own != KNOWS_NBGRADER):
            found.append(name)
    return found


def modules(root: Path) -> Iterator[tuple[str, Path]]:
    for base, package in ((root / "lectures", "lookback"), (root, "solutions"), (root, "autograder")):
        for path in sorted((base / package).rglob("*.py")):
            yield ".".join(path.relative_to(base).with_suffix("").parts).removesuffix(".__init__"), path


def test_nothing_imports_upward(root: Path) -> None:
    wrong = {
        module: found
        for module, path in modules(root)
        if (found := forbidden(module, path.read_text(encoding="utf-8"), is_package=path.name == "__init__.py"))
    }
    assert not wrong


def test_every_module_is_on_a_floor(root: Path) -> None:
    homeless = [module for module, _ in modules(root) if floor_of(module) is None]
    assert set(homeless) <= {"autograder", "autograder.__main__"}


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("lookback.claims", "import autograder.checks"),
        ("lookback.claims", "from solutions import attention"),
        ("solutions.attention", "from autograder.checks import Exercise"),
        ("autograder.checks.compare", "import solutions.programs"),
        ("autograder.bank.attention", "from ..engine import grade"),
        ("autograder.engine.judge", "def later():\n    from nbgrader.api import Gradebook"),
        ("autograder.engine.judge", "from autograder import course"),
        ("autograder.checks.compare", "import_module(f'autograder.bank.{name}')"),
        ("autograder.cli", "import nbgrader"),
    ],
)
def test_a_forbidden_import_is_found(module: str, source: str) -> None:
    assert forbidden(module, source)


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("autograder.course.material", "from nbgrader.converters import GenerateAssignment"),
        ("autograder.course.release", "from . import pages"),
        ("autograder.bank", "from solutions.programs import programs"),
        ("autograder.engine.judge", "import torch, autograder.checks.request"),
    ],
)
def test_a_permitted_import_is_not(module: str, source: str) -> None:
    assert not forbidden(module, source)
