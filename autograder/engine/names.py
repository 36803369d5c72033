"""The names that a cell defines at its top, without running it."""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Iterator

DEFINITION = re.compile(r"^(?:async\s+def|def|class)\s+(\w+)", re.MULTILINE)


def defined_names(source: str) -> set[str]:
    """Functions, classes and assigned names; of a text that does not parse, what its lines begin to define.

    Example: `defined_names("def f(): ...\\nx = 1") == {"f", "x"}`
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # on escapes in the student's strings
            tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return set(DEFINITION.findall(source))
    return {name for statement in tree.body for name in _names(statement)}


def _names(statement: ast.stmt) -> Iterator[str]:
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        yield statement.name
    targets = statement.targets if isinstance(statement, ast.Assign) else []
    if isinstance(statement, ast.AnnAssign) and statement.value is not None:
        targets = [statement.target]
    yield from (target.id for target in targets if isinstance(target, ast.Name))
