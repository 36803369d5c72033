"""The skeleton of an exercise, from what its author says of it: cells, programs, checks; and that of a unit."""

from __future__ import annotations

import builtins
import keyword
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from autograder.course.errors import CourseError
from autograder.course.pages import points
from autograder.course.signature import UNKNOWN, Signature, sizes_line, wrapped

LONGEST_ABOUT = 100
PARAMETERS_POINTS = MANNERS_POINTS = 0.25
LEAST_FOR_MANNERS = 2
KERNEL = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}


@dataclass(frozen=True)
class Draft:
    """What its author says of an exercise. It is a module where there is a `constructor`, else a function."""

    name: str
    signature: Signature
    about: str
    points: float
    constructor: Signature | None = None

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", self.name) or keyword.iskeyword(self.name):
            raise CourseError(f"{self.name!r} cannot be a name in Python: use letters, digits and underscores")
        if self.name == "check" or hasattr(builtins, self.name):
            raise CourseError(f"{self.name!r} is a name that every notebook has already: choose another")
        if self.name[0].isupper() != (self.constructor is not None):
            raise CourseError(f"{self.name!r}: a module has a capital and --init, a function has neither")
        if self.points % PARAMETERS_POINTS:
            raise CourseError(f"{self.points:g} points cannot be shared out among checks: give whole ones or quarters")
        if not 0 < len(self.about.strip()) <= LONGEST_ABOUT or re.search(r'["\\\n]', self.about):
            raise CourseError(
                f"--about is one line of at most {LONGEST_ABOUT} characters, without quotes or backslashes"
            )

    @property
    def words(self) -> list[str]:
        """The name in small letters, word by word."""
        return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", self.name).lower().split("_")


def cells(draft: Draft, number: int) -> list[NotebookNode]:
    """The exercise in the notebook: its text, stub, checks and hints."""
    slug, title = "-".join(draft.words), " ".join(draft.words).capitalize()
    body = "### BEGIN SOLUTION\nraise NotImplementedError\n### END SOLUTION"
    about = {**_about(draft, ""), "number": number, "title": title, "body": body}
    stub = {**_graded_as(draft.name), "solution": True, "locked": False}
    check = {**_graded_as(f"check_{draft.name}"), "grade": True, "points": _number(draft.points)}
    return [
        _text(slug, _rendered("text.md", about)),
        _code(f"stub-{slug}", _rendered("definition.py", about), nbgrader=stub),
        _code(f"check-{slug}", _rendered("check.py", about), nbgrader=check),
        _text(f"stuck-{slug}", _rendered("hints.md", about), tags=["hints"]),
    ]


def module_texts(draft: Draft, unit: str, kinds: list[str]) -> list[str]:
    """What is added to the modules of a unit. Example: `module_texts(draft, "attention", ["variants"])`"""
    about = _about(draft, unit)
    return [_rendered(f"{kind}.py", about) for kind in kinds]


def empty_notebook(assignment: str) -> NotebookNode:
    """The notebook of a unit without exercises: title, imports, and the question at its end."""
    number, _, name = assignment.partition("_")
    about = {"number": number, "title": name.replace("_", " ").capitalize()}
    task = {**_graded_as(f"question_{name}"), "task": True, "points": 4}
    made = [
        _text("title", _rendered("unit/title.md", about)),
        _code("imports", _rendered("unit/imports.py", about), nbgrader=_graded_as("imports")),
        _text("question", _rendered("unit/question.md", about), nbgrader=task),
    ]
    metadata = {"kernelspec": KERNEL, "language_info": {"name": "python"}}
    found: NotebookNode = new_notebook(cells=made, metadata=metadata)  # type: ignore[no-untyped-call]
    return found


def empty_modules(assignment: str, kinds: list[str]) -> list[str]:
    """The modules of a unit without exercises: what they are about, and their imports."""
    number, _, name = assignment.partition("_")
    return [_rendered(f"unit/{kind}.py", {"number": number, "module": name}) for kind in kinds]


def _about(draft: Draft, module: str) -> dict[str, Any]:
    """What the templates say about an exercise."""
    signature, constructor = draft.signature, draft.constructor
    is_module, construct = constructor is not None, constructor.parameters if constructor else ()
    parameters = [*signature.parameters, *construct]
    floating = "Float" in signature.names
    manners = MANNERS_POINTS if draft.points >= LEAST_FOR_MANNERS and any(one.axes for one in parameters) else 0
    spent = manners * (3 if floating else 2) + (PARAMETERS_POINTS if is_module else 0)
    arguments = [parameter.drawn for parameter in signature.parameters]
    keywords = [f"{parameter.name}={parameter.drawn}" for parameter in construct]
    variable = "_".join(draft.words)
    numbers = "numbers and gradients on random inputs" if floating else "numbers on random inputs"
    shared = [f"{variable}_ready", f'after="{numbers}"', f"points={manners}", *["floating=False"] * (not floating)]
    return {
        "name": draft.name,
        "module": module,
        "variable": variable,
        "is_module": is_module,
        "about": draft.about.strip().rstrip(".") + ".",
        "points": _number(draft.points),
        "constructor": constructor and constructor.header("__init__", method=True, indent=4),
        "header": signature.header("forward" if is_module else draft.name, method=is_module, indent=4 * is_module),
        "bare_constructor": constructor and constructor.bare_header("__init__", method=True),
        "bare_header": signature.bare_header("forward" if is_module else draft.name, method=is_module),
        "floating": floating,
        "numbers": numbers,
        "numbers_points": points(draft.points - spent),
        "parameters_points": PARAMETERS_POINTS,
        "manners": manners and wrapped(f"{variable}_exercise.good_manners(", shared, ")"),
        "unknown": [parameter.name for parameter in parameters if parameter.drawn == UNKNOWN],
        "sizes": sizes_line(parameters),
        "construct_sizes": sizes_line(construct),
        "build": wrapped("module = student.build(", keywords, ")", indent=4),
        "arguments": wrapped("arguments = (", arguments, ",)" if len(arguments) == 1 else ")", indent=4, literal=True),
        "has_parameters": wrapped("student.has_the_parameters(", keywords, ")", indent=4),
    }


def _graded_as(name: str) -> dict[str, Any]:
    """nbgrader's metadata of a locked cell; its kind is to be added."""
    return {"schema_version": 3, "grade_id": name, "grade": False, "solution": False, "task": False, "locked": True}


def _text(name: str, source: str, **metadata: Any) -> NotebookNode:
    made: NotebookNode = new_markdown_cell(source.strip("\n"), id=name, metadata=metadata)  # type: ignore[no-untyped-call]
    return made


def _code(name: str, source: str, **metadata: Any) -> NotebookNode:
    made: NotebookNode = new_code_cell(source.strip("\n"), id=name, metadata=metadata)  # type: ignore[no-untyped-call]
    return made


def _number(value: float) -> float | int:
    """A whole number of points without a decimal point."""
    return int(value) if value == int(value) else value


def _rendered(template: str, about: Mapping[str, Any]) -> str:
    return _environment.get_template(f"{template}.j2").render(about)


_environment = Environment(
    loader=PackageLoader("autograder.course", "templates/exercise"),
    undefined=StrictUndefined,
    keep_trailing_newline=True,
    trim_blocks=True,
    lstrip_blocks=True,
)
