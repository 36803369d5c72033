"""Programs that answer an exercise: the reference, variants (right, but different), misconceptions (wrong, named).

Each program is source text that stands on the imports and on the other references of its unit, exactly as in a
student's notebook: what is tested here and what is written into a notebook is the same text.
"""

from __future__ import annotations

import ast
import inspect
import linecache
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module
from types import ModuleType
from typing import Any, Literal, TypeVar

Kind = Literal["reference", "variant", "misconception"]
Definition = TypeVar("Definition", bound=Callable[..., Any])


@dataclass(frozen=True)
class Program:
    """One program. `exercise` is the name that `source` defines; `hint` is what a student who wrote it needs to hear.

    edit: the words of the reference that were replaced, and those that replace them, where it was made so.
    """

    exercise: str
    kind: Kind
    name: str
    source: str
    hint: str = ""
    edit: tuple[str, str] | None = None

    def load(self, unit: ModuleType) -> Any:
        """The function or class, defined in a copy of the namespace of the unit's reference module."""
        filename = f"<{self.exercise}: {self.name}>"
        linecache.cache[filename] = (len(self.source), None, self.source.splitlines(keepends=True), filename)
        namespace = dict(vars(unit))
        exec(compile(self.source, filename, "exec"), namespace)
        return namespace[self.exercise]


def variant(exercise: str, name: str) -> Callable[[Definition], Definition]:
    """Mark a definition as a right program for `exercise`, written differently."""
    return _mark(exercise, "variant", name, "")


def misconception(exercise: str, name: str, hint: str) -> Callable[[Definition], Definition]:
    """Mark a definition as a wrong program for `exercise` that a person would write."""
    return _mark(exercise, "misconception", name, hint)


def edited(unit: ModuleType, exercise: str, old: str, new: str, *, name: str, hint: str) -> Program:
    """The misconception that differs from the reference in one place.

    Example: `edited(attention, "memory_hop", "query + read", "read", name="the hop forgets the query", hint="…")`.
    Raises ValueError unless `old` stands in the reference exactly once.
    """
    source = reference(unit, exercise).source
    if source.count(old) != 1:
        raise ValueError(f"{exercise}, {name!r}: {old!r} stands {source.count(old)} times in the reference, not once")
    return Program(exercise, "misconception", name, source.replace(old, new), hint, (old, new))


def reference(unit: ModuleType, exercise: str) -> Program:
    """The reference program of `exercise`, as it stands in the unit's module."""
    return Program(exercise, "reference", "reference", inspect.getsource(getattr(unit, exercise)))


def programs(unit_name: str) -> list[Program]:
    """Every variant and misconception of a unit, in the order of the files."""
    return [
        program
        for folder in ("variants", "misconceptions")
        for program in _collect(import_module(f"solutions.{folder}.{unit_name}"))
    ]


def _collect(module: ModuleType) -> Iterator[Program]:
    for value in vars(module).values():
        if isinstance(value, Program):
            yield value
        elif isinstance(value, list) and value and all(isinstance(item, Program) for item in value):
            yield from value
        elif isinstance(program := getattr(value, "program", None), Program):
            yield program


def _mark(exercise: str, kind: Kind, name: str, hint: str) -> Callable[[Definition], Definition]:
    def mark(definition: Definition) -> Definition:
        source = _renamed(textwrap.dedent(inspect.getsource(definition)), exercise)
        definition.program = Program(exercise, kind, name, source, hint)  # type: ignore[attr-defined]
        return definition

    return mark


def _renamed(source: str, exercise: str) -> str:
    """`source` without its decorators, its definition called `exercise`."""
    definition = ast.parse(source).body[0]
    assert isinstance(definition, ast.FunctionDef | ast.ClassDef)
    lines = source.splitlines(keepends=True)[definition.lineno - 1 :]
    return "".join(lines).replace(definition.name, exercise)
