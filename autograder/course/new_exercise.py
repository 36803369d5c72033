"""Add an exercise: a skeleton of everything that it needs, in one go, each place that is to be written marked."""

from __future__ import annotations

import ast
import builtins
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from autograder.course.course import Course
from autograder.course.errors import CourseError
from autograder.course.notebook import grade_id, read, stubs
from autograder.course.skeleton import Draft, cells, empty_modules, empty_notebook, module_texts
from autograder.unit import material_files, unit_of

KINDS = ["bank", "reference", "variants", "misconceptions"]
"""The modules of a unit, in the order of `material_files`, by the names of their templates."""


def add(course: Course, assignment: str, draft: Draft, *, new_unit: bool = False) -> list[Path]:
    """Add the skeleton of an exercise to an assignment's notebook, solutions and bank; the files that changed.

    Where anything speaks against it CourseError is raised, and nothing is written.
    Example: `add(Course("."), "04_attention", Draft("cosine_lookup", signature, "Read a table.", 3))`
    """
    path, modules = _places(course, assignment)
    if new_unit:
        _check_new(course, assignment, [path, *modules])
        notebook, texts = empty_notebook(assignment), empty_modules(assignment, KINDS)
    else:
        notebook, texts = read(_existing(course, assignment)), [_python(module) for module in modules]
        _check_untouched(course, assignment)
    _check_free(course, draft.name)
    _check_imports(draft, notebook, modules[1], texts[1])
    _insert(notebook, draft)
    added = module_texts(draft, unit_of(assignment), KINDS)
    replace_all(
        {path: nbformat.writes(notebook) + "\n"}  # type: ignore[no-untyped-call]
        | {module: old.rstrip("\n") + "\n" + new for module, old, new in zip(modules, texts, added, strict=True)}
    )
    return [path, *modules]


def replace_all(texts: Mapping[Path, str]) -> None:
    """Write every file or, where one cannot be written, none. Raises CourseError then."""
    before = {path: path.read_bytes() if path.exists() else None for path in texts}
    fresh = {path: path.with_name(f".{path.name}.fresh") for path in texts}
    try:
        for path, text in texts.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            fresh[path].write_text(text, encoding="utf-8")
        for path in texts:
            fresh[path].replace(path)
    except OSError as error:
        for path, content in before.items():
            if fresh[path].is_file():
                fresh[path].unlink()
            if content is None:
                path.unlink(missing_ok=True)
            elif path.read_bytes() != content:
                path.write_bytes(content)
        raise CourseError(f"{error.filename}: {error.strerror}; nothing was added") from error


def _places(course: Course, assignment: str) -> tuple[Path, list[Path]]:
    """Where an assignment's notebook and modules are, or would be."""
    if not all((course.directory / name).is_dir() for name in ("solutions", "autograder/bank")):
        raise CourseError(
            f"{course.directory} holds no solutions/ and no autograder/bank/: "
            "exercises are added in a clone of the course's repository"
        )
    known = assignment in course.assignments()
    path = course.source(assignment) if known else course.place(assignment)
    return path, [course.directory / name for name in material_files(unit_of(assignment))]


def _existing(course: Course, assignment: str) -> Path:
    try:
        return course.source(assignment)
    except CourseError as error:
        raise CourseError(f"{error} --new-unit makes a new one") from None


def _check_untouched(course: Course, assignment: str) -> None:
    """Raise CourseError where somebody has handed in: nbgrader adds no cells to such an assignment."""
    if students := course.students(assignment):
        raise CourseError(
            f"{students[0]} has handed in {assignment}: nbgrader can add no cells to it any more; "
            "add the exercise in a clone without submissions, for the next term"
        )


def _check_new(course: Course, assignment: str, paths: list[Path]) -> None:
    """Raise CourseError unless this can be a new unit."""
    if not re.fullmatch(r"\d\d_[a-z][a-z0-9_]*", assignment):
        raise CourseError(f"{assignment!r} is no name for a unit: two digits, an underscore and a name, as 11_mamba")
    same_number = [known for known in course.assignments() if known[:3] == assignment[:3]]
    if standing := [*same_number, *(str(path) for path in paths if path.exists())]:
        raise CourseError(f"{assignment} cannot be a new unit: there is {standing[0]} already")


def _check_free(course: Course, name: str) -> None:
    """Raise CourseError where something has this name: `check("name")` finds its exercise by the name alone."""
    for assignment in course.assignments():
        notebook = read(course.source(assignment))
        taken = {*stubs(notebook), *map(grade_id, notebook.cells)}
        _, (_, reference, *_) = _places(course, assignment)
        if reference.is_file():
            taken |= _names(ast.parse(_python(reference)))
        if {name, f"check_{name}"} & taken:
            raise CourseError(f"{assignment} has {name!r} already: choose another name")


def _check_imports(draft: Draft, notebook: NotebookNode, module: Path, text: str) -> None:
    """Raise CourseError where the signature mentions what the notebook or the reference's module does not import."""
    used = draft.signature.names | (draft.constructor.names | {"nn"} if draft.constructor else set())
    first = next((cell.source for cell in notebook.cells if cell.cell_type == "code"), "")
    for where, source in (("the notebook's first code cell", first), (str(module), text)):
        if missing := sorted(used - _names(ast.parse(source)) - set(dir(builtins))):
            raise CourseError(f"{where} does not import {', '.join(missing)}, which the signature mentions: add it")


def _python(path: Path) -> str:
    """The text of a module, which must be whole: to half of one nothing can be added."""
    try:
        text = path.read_text(encoding="utf-8")
        ast.parse(text)
    except OSError as error:
        raise CourseError(f"{path}: {error.strerror}") from error
    except SyntaxError as error:
        raise CourseError(f"{path}, line {error.lineno}: {error.msg}; mend that first") from error
    return text


def _names(module: ast.Module) -> set[str]:
    """The names that a module defines or imports."""
    return {name for statement in module.body for name in _defined(statement)}


def _defined(statement: ast.stmt) -> Iterable[str]:
    match statement:
        case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
            return [name]
        case ast.Import(names=names) | ast.ImportFrom(names=names):
            return [(alias.asname or alias.name).partition(".")[0] for alias in names]
        case ast.Assign(targets=targets):
            return [target.id for target in targets if isinstance(target, ast.Name)]
        case ast.AnnAssign(target=ast.Name(id=name)):
            return [name]
    return []


def _insert(notebook: NotebookNode, draft: Draft) -> None:
    """Put the cells behind the last exercise, before the question that a person grades; what follows is renumbered."""
    about = [cell.metadata.get("nbgrader", {}) for cell in notebook.cells]
    last = max((place for place, cell in enumerate(about) if cell.get("grade")), default=0)
    tasks = (place for place, cell in enumerate(about) if place > last and cell.get("task"))
    place = next(tasks, len(about))
    numbers = [int(found[1]) for cell in notebook.cells[:place] if (found := re.match(r"## (\d+) ·", cell.source))]
    for cell in notebook.cells[place:]:
        cell.source = re.sub(r"^## (\d+) ·", lambda found: f"## {int(found[1]) + 1} ·", cell.source)
    notebook.cells[place:place] = cells(draft, max(numbers, default=0) + 1)
