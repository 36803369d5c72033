"""What is wrong with a source notebook: cells that nbgrader, the bank or the reference know otherwise."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator, Mapping

from autograder.bank import Bank
from autograder.course.bank import references
from autograder.course.errors import suggestion
from autograder.course.leaks import place
from autograder.engine.align import CHECK
from autograder.engine.notebook import Cell, Notebook

CHECKED = re.compile(r"\bcheck\(\s*[\"']([^\"']*)[\"']")
Definition = ast.FunctionDef | ast.ClassDef


def faults(source: Notebook, bank: Bank | None) -> list[str]:
    """What must be mended before the notebook is released, a line each. Without a bank only nbgrader's ids are read.

    Example: `faults(source_notebook(course, "04_attention"), bank_of(course, "04_attention"))`
    """
    cells = [(place(number, cell.grade_id), cell) for number, cell in enumerate(source.cells, 1) if cell.grade_id]
    found = [*_doubles(source)]
    if bank is not None:
        found += [fault for where, cell in cells if _is_check(cell) for fault in _of_check(where, cell, bank)]
        found += [fault for where, cell in cells if _is_stub(cell) for fault in _of_stub(where, cell, bank)]
        found += _without_each_other([cell for _, cell in cells], bank)
    return found


def _doubles(source: Notebook) -> Iterator[str]:
    for grade_id, times in Counter(cell.grade_id for cell in source.cells if cell.grade_id).items():
        if times > 1:
            numbers = [str(number) for number, cell in enumerate(source.cells, 1) if cell.grade_id == grade_id]
            yield f"cells {', '.join(numbers)} have one grade_id, {grade_id!r}: give each its own"


def _of_check(where: str, cell: Cell, bank: Bank) -> Iterator[str]:
    """What is wrong with a graded cell, if it is the check of an exercise."""
    name, called = cell.grade_id.removeprefix(CHECK), CHECKED.findall(cell.source)
    exercise, call = bank.exercises.get(name), f'check("{name}")'
    if not called and not exercise:
        return  # a test cell, which nbgrader scores
    if not called:
        yield f"{where} has no check: put {call} between ### BEGIN HIDDEN TESTS and ### END HIDDEN TESTS"
    for other in called:
        if other not in bank.exercises:
            yield f"{where} checks {other!r}, which the bank does not have: {suggestion(other, list(bank.exercises))}"
        elif CHECK + other != cell.grade_id:
            yield f"{where} checks {other!r}: write {call}, or give it the grade_id {CHECK + other!r}"
    if exercise and cell.nbgrader.get("points") != exercise.points:
        points = cell.nbgrader.get("points")
        yield f"{where} has {points} points, its checks in the bank {exercise.points:g}: set its points to that"
    if not cell.nbgrader.get("locked"):
        yield f"{where} is not locked: lock it, so that students cannot change it"


def _of_stub(where: str, cell: Cell, bank: Bank) -> Iterator[str]:
    """What is wrong with a cell that students write, if it defines an exercise."""
    try:
        body = ast.parse(cell.source).body
    except SyntaxError as error:
        if cell.grade_id in bank.exercises:
            yield f"{where} is no Python: {error.msg} (line {error.lineno})"
        return
    defined = [node for node in body if isinstance(node, Definition) and node.name in bank.exercises]
    if defined and cell.grade_id not in [node.name for node in defined]:
        yield f"{where} defines {defined[0].name}: its grade_id must be {defined[0].name!r}"
    sources = references(bank)
    for node in defined:
        (right,) = (other for other in ast.parse(sources[node.name]).body if isinstance(other, Definition))
        yield from _differences(where, _signatures(node), _signatures(right))


def _differences(where: str, stub: Mapping[str, str], right: Mapping[str, str]) -> Iterator[str]:
    for name in dict.fromkeys([*right, *stub]):
        if name not in stub:
            yield f"{where} has no {name}, but the reference defines {name}{right[name]}: add it to the stub"
        elif name not in right:
            yield f"{where} has {name}{stub[name]}, which the reference does not define: take it out of the stub"
        elif stub[name] != right[name]:
            yield f"{where} begins with {name}{stub[name]}, the reference with {name}{right[name]}: make them one"


def _signatures(definition: Definition) -> dict[str, str]:
    """The signature of a function, or of each method of a class, by name."""
    inside = definition.body if isinstance(definition, ast.ClassDef) else [definition]
    return {
        node.name: f"({ast.unparse(node.args)})" + (f" -> {ast.unparse(node.returns)}" if node.returns else "")
        for node in inside
        if isinstance(node, ast.FunctionDef)
    }


def _without_each_other(cells: list[Cell], bank: Bank) -> Iterator[str]:
    """Exercises that are checked but that no cell asks for, and the other way round."""
    asked = {cell.grade_id for cell in cells if _is_stub(cell)} & bank.exercises.keys()
    checked = {cell.grade_id.removeprefix(CHECK) for cell in cells if _is_check(cell)} & bank.exercises.keys()
    yield from (f"{name} is checked, but no stub has its grade_id: add one" for name in sorted(checked - asked))
    yield from (f"{name} has a stub, but no check: add a cell {CHECK + name}" for name in sorted(asked - checked))


def _is_check(cell: Cell) -> bool:
    return cell.kind == "code" and bool(cell.nbgrader.get("grade")) and not cell.nbgrader.get("solution")


def _is_stub(cell: Cell) -> bool:
    return cell.kind == "code" and bool(cell.nbgrader.get("solution"))
