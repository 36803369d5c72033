"""What students get: the lectures with their library, the released assignments, and what installs them."""

from __future__ import annotations

import tomllib
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tomli_w
from nbformat import NotebookNode
from nbgrader.utils import find_all_files

from autograder.course.bank import bank_of
from autograder.course.course import Course
from autograder.course.errors import CourseError, MaterialError
from autograder.course.leaks import Secret, leaks, leaks_of_file
from autograder.course.material import has_checks
from autograder.course.notebook import read
from autograder.course.release import Progress, secrets_of, solutions_of, unwatched
from autograder.unit import bank_file, unit_of

NAME = "lookback-student"
LIBRARY = "lookback"
COPIED = {"README.md": "docs/students.md", "LICENSE": "LICENSE", "constraints.txt": "constraints.txt"}
MANIFEST, CONDA = "pyproject.toml", ("environment.yml", "environment-cuda.yml")
LONG_AGO = (1980, 1, 1, 0, 0, 0)
"""The time of every file in the bundle: the same content makes the same bytes."""


@dataclass(frozen=True)
class Part:
    """Files of the bundle by their names in it, and what they may not hold. `outputs`: the notebooks may have some."""

    files: dict[str, Path]
    secrets: Sequence[Secret]
    outputs: bool


def bundle(course: Course, progress: Progress = unwatched) -> Path:
    """Pack `dist/lookback-student.zip` in the course directory.

    In it are all lectures, the assignments that have been released, as they stand in the release directory, and nothing
    of the autograder. Raises MaterialError where something in it would give a solution away.
    Example: `bundle(Course("."))`
    """
    folder = course.directory
    for name in ("lectures", f"lectures/{LIBRARY}", MANIFEST, *CONDA, *COPIED.values()):
        if not (folder / name).exists():
            raise CourseError(f"{folder / name} does not exist: give the folder of the whole course with --course")
    parts = list(_parts(course))
    with progress("files", sum(len(part.files) for part in parts)) as advance:
        found = [leak for part in parts for leak in _leaks(part, advance)]
    if found:
        raise MaterialError(found)
    content = {name: path.read_bytes() for part in parts for name, path in part.files.items()}
    content |= {MANIFEST: students_manifest(folder / MANIFEST), **{name: _conda(folder / name) for name in CONDA}}
    return _pack(content, folder / "dist" / f"{NAME}.zip")


def released(course: Course) -> list[str]:
    """The assignments that have been released."""
    return [name for name in course.assignments() if course.released(name).exists()]


def students_manifest(path: Path) -> bytes:
    """What `pyproject.toml` says about students: the library, what it needs, and no extra.

    Example: `students_manifest(Path("pyproject.toml"))`
    """
    manifest = tomllib.loads(path.read_text(encoding="utf-8"))
    project = {key: value for key, value in manifest["project"].items() if key != "optional-dependencies"}
    project["scripts"] = _of_library(project.get("scripts", {}), by_value=True)
    setuptools = manifest["tool"]["setuptools"]
    tools: dict[str, Any] = {
        "package-dir": _of_library(setuptools["package-dir"]),
        "packages": {"find": {"where": ["lectures"], "include": [f"{LIBRARY}*"]}},
        "package-data": _of_library(setuptools.get("package-data", {})),
    }
    kept = {"build-system": manifest["build-system"], "project": project, "tool": {"setuptools": tools}}
    return tomli_w.dumps(kept).encode()


def _of_library(table: dict[str, Any], *, by_value: bool = False) -> dict[str, Any]:
    """The entries whose key, or value, is of the library."""
    return {key: value for key, value in table.items() if (value if by_value else key).startswith(LIBRARY)}


def _conda(path: Path) -> bytes:
    return path.read_bytes().replace(b"-e .[instructor]", b"-e .")


def _parts(course: Course) -> Iterator[Part]:
    """The lectures and all that goes with them, then the released assignments."""
    folder = course.directory
    lectures = {f"lectures/{path.name}": path for path in (folder / "lectures").glob("*.ipynb")}
    library = dict(_files(folder / "lectures" / LIBRARY, f"lectures/{LIBRARY}"))
    copied = {name: folder / origin for name, origin in COPIED.items()}
    yield Part(lectures | library | copied, _taught(course), outputs=True)
    for name in released(course):
        files = dict(_files(course.released(name).parent, f"assignments/{name}"))
        yield Part(files, secrets_of(course, name), outputs=False)


def _files(folder: Path, name: str) -> Iterator[tuple[str, Path]]:
    """All files in a folder but those that programs leave behind."""
    hidden = [".*", "__pycache__", "*.pyc"]
    for path in map(Path, find_all_files(str(folder), hidden)):
        yield f"{name}/{path.relative_to(folder).as_posix()}", path


def _taught(course: Course) -> list[Secret]:
    """The solutions of all assignments: two lines of one of them in one cell of a lecture are no chance."""
    units = [name for name in course.assignments() if bank_file(unit_of(name)).is_file() and has_checks(course, name)]
    return [secret for name in units for secret in solutions_of(bank_of(course, name), enough=2)]


def _leaks(part: Part, advance: Callable[[], None]) -> Iterator[str]:
    for name, path in part.files.items():
        if path.suffix == ".ipynb":
            yield from (f"{name}: {leak}" for leak in leaks(_notebook(path), part.secrets, outputs=part.outputs))
        else:
            yield from leaks_of_file(path, name, part.secrets)
        advance()


def _notebook(path: Path) -> NotebookNode:
    try:
        return read(path)
    except ValueError as error:
        raise MaterialError([str(error)]) from error


def _pack(content: dict[str, bytes], target: Path) -> Path:
    """Write a zip file with this content; what stands there stays until it is complete."""
    target.parent.mkdir(exist_ok=True)
    fresh = target.with_suffix(".fresh")
    with zipfile.ZipFile(fresh, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in sorted(content.items()):
            about = zipfile.ZipInfo(f"{NAME}/{name}", LONG_AGO)
            about.compress_type, about.external_attr = zipfile.ZIP_DEFLATED, 0o100644 << 16
            archive.writestr(about, data)
    fresh.replace(target)
    return target
