"""What students get: exactly what is theirs, the same bytes each time, and it runs on its own."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_output
from typer.testing import CliRunner, Result

from autograder.cli import app
from autograder.course.course import Course
from autograder.course.leaks import telling_lines
from autograder.course.material import generate
from tests.course.small import ASSIGNMENT, HOP, REPOSITORY, small_cells, source_of, write_course, write_notebook

FOLDER = "lookback-student"
CONDA = ("environment.yml", "environment-cuda.yml")
WHOLE = ("lectures", "docs", "pyproject.toml", "constraints.txt", *CONDA, "LICENSE")
LEFT_BEHIND = shutil.ignore_patterns("__pycache__", ".*")
LINES = telling_lines(source_of(HOP))
LECTURE = f"lectures/{ASSIGNMENT}.ipynb"


def bundle(directory: Path) -> Result:
    return CliRunner().invoke(app, ["bundle", "--course", str(directory)])


def told(result: Result) -> list[str]:
    """What the command says, behind its progress bar."""
    bar, *lines = result.stderr.splitlines()
    assert bar.startswith("files ")
    return lines


def released(directory: Path) -> Path:
    """The course in this directory, with a release of its assignment."""
    generate(Course(directory), ASSIGNMENT, directory / "release", record=False)
    return directory


@pytest.fixture
def directory(course_directory: Path) -> Path:
    """A small course that can be bundled: one lecture, one assignment, which has been released."""
    for name in WHOLE[1:]:
        (course_directory / name).symlink_to(REPOSITORY / name)
    shutil.copytree(REPOSITORY / "lectures/lookback", course_directory / "lectures/lookback", ignore=LEFT_BEHIND)
    shutil.copy(REPOSITORY / LECTURE, course_directory / "lectures")
    return released(course_directory)


@pytest.fixture
def archive(directory: Path) -> Iterator[zipfile.ZipFile]:
    """The bundle of the small course."""
    result = bundle(directory)
    assert result.exit_code == 0, result.stderr
    with zipfile.ZipFile(directory / "dist" / f"{FOLDER}.zip") as opened:
        yield opened


def test_it_says_where_it_is_and_which_assignments_are_in_it(directory: Path) -> None:
    write_notebook(directory / "assignments/05_later/05_later.ipynb", small_cells())
    result = bundle(directory)
    assert result.stdout == f"{directory / 'dist' / FOLDER}.zip\n"
    assert told(result) == [f"in it: {ASSIGNMENT}", "not in it, because not released: 05_later"]
    shutil.rmtree(directory / "release")
    assert told(bundle(directory))[0] == "in it: no assignment"


def test_what_its_readme_names_is_in_it(archive: zipfile.ZipFile) -> None:
    text = archive.read(f"{FOLDER}/README.md").decode()
    linked = set(re.findall(r"\]\(([^)#:]+)\)", text))
    named = set(re.findall(r"`((?:lectures|assignments|release)/[\w./]+)`", text))
    assert {f"{FOLDER}/{name}" for name in linked | named} <= set(archive.namelist())
    assert len(named) >= 2, "a lecture and an assignment, as examples"


def test_its_environment_is_what_the_course_says_about_students(archive: zipfile.ZipFile, root: Path) -> None:
    text = archive.read(f"{FOLDER}/pyproject.toml").decode()
    made, whole = tomllib.loads(text), tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    assert made["project"]["dependencies"] == whole["project"]["dependencies"]
    assert "optional-dependencies" not in made["project"]
    of_students = {name: where for name, where in whole["project"]["scripts"].items() if where.startswith("lookback")}
    assert made["project"]["scripts"] == of_students
    assert not re.search("autograder|solutions", text)
    for name in CONDA:
        conda = archive.read(f"{FOLDER}/{name}").decode()
        assert "-e .\n" in conda
        assert "instructor" not in conda


def test_the_same_content_is_the_same_bytes(directory: Path) -> None:
    assert bundle(directory).exit_code == 0
    path = directory / "dist" / f"{FOLDER}.zip"
    before = path.read_bytes()
    for file in (directory / "lectures").rglob("*.py"):
        os.utime(file, (0, 0))
    (directory / "lectures/lookback/__pycache__").mkdir()
    (directory / "lectures/lookback/__pycache__/plots.pyc").write_bytes(b"left behind")
    assert bundle(directory).exit_code == 0
    assert path.read_bytes() == before
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def in_lecture(directory: Path, cell: Any) -> None:
    path = directory / LECTURE
    lecture = nbformat.read(path, as_version=4)
    lecture.cells[4:4] = [cell]
    nbformat.write(lecture, path)


PLANTED = {
    "a lecture": (
        lambda directory: in_lecture(directory, new_code_cell("\n".join(LINES))),
        f"{LECTURE}: cell 5 holds {len(LINES)} lines of the solution of {HOP}: {LINES[0]!r}",
    ),
    "an output of a lecture": (
        lambda directory: in_lecture(
            directory, new_code_cell("help()", outputs=[new_output("stream", text="\n".join(LINES))])
        ),
        f"{LECTURE}: an output of cell 5 holds {len(LINES)} lines of the solution of {HOP}: {LINES[0]!r}",
    ),
    "the library": (
        lambda directory: (directory / "lectures/lookback/answers.py").write_text(source_of(HOP)),
        f"lectures/lookback/answers.py holds {len(LINES)} lines of the solution of {HOP}: {LINES[0]!r}",
    ),
    "a release that was changed": (
        lambda directory: shutil.copy(
            directory / f"assignments/{ASSIGNMENT}/{ASSIGNMENT}.ipynb", directory / f"release/{ASSIGNMENT}"
        ),
        f"assignments/{ASSIGNMENT}/{ASSIGNMENT}.ipynb: cell 3 (scaled_dot_product_attention) holds "
        "the marker 'BEGIN SOLUTION': remove it with what it marks",
    ),
    "a release that is no notebook": (
        lambda directory: (directory / f"release/{ASSIGNMENT}/{ASSIGNMENT}.ipynb").write_text("<<<<<<<"),
        "{directory}/release/04_attention/04_attention.ipynb is not a notebook (NotJSONError: Notebook does not "
        "appear to be JSON: '<<<<<<<')",
    ),
    "a file of a release": (
        lambda directory: (directory / f"release/{ASSIGNMENT}/notes.txt").write_text(LINES[0]),
        f"assignments/{ASSIGNMENT}/notes.txt holds a line of the solution of {HOP}: {LINES[0]!r}",
    ),
}


@pytest.mark.parametrize("place", list(PLANTED))
def test_what_is_wrong_is_refused_and_the_older_bundle_stands(place: str, directory: Path) -> None:
    plant, message = PLANTED[place]
    (directory / "dist").mkdir()
    (directory / "dist" / f"{FOLDER}.zip").write_text("older")
    plant(directory)
    result = bundle(directory)
    assert (result.exit_code, result.stdout) == (1, "")
    assert told(result)[0] == message.format(directory=directory)
    assert (directory / "dist" / f"{FOLDER}.zip").read_text() == "older"


def test_one_line_of_a_solution_in_a_lecture_is_chance(directory: Path) -> None:
    in_lecture(directory, new_code_cell(LINES[0]))
    assert bundle(directory).exit_code == 0


def test_a_course_without_lectures_has_no_bundle(tmp_path: Path) -> None:
    directory = write_course(tmp_path / "course")
    result = bundle(directory)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == (
        f"{directory / 'lectures'} does not exist: give the folder of the whole course with --course\n"
    )


ALONE = """
import importlib.util, json, pathlib, sys
assert not [name for name in ("autograder", "solutions") if importlib.util.find_spec(name)]
import lookback
print(pathlib.Path(lookback.__file__).parent)
cells = json.loads(pathlib.Path(sys.argv[1]).read_text())["cells"]
imports, stub, check = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"][:3]
exec(imports)
exec(stub)
try:
    exec(check)
except AssertionError as found:
    print(found)
"""


@pytest.mark.slow
def test_the_whole_bundle_holds_what_students_need_and_runs_on_its_own(root: Path, tmp_path: Path) -> None:
    """Installed as its README says, where there is all that it needs, but neither autograder nor solutions."""
    course = write_course(tmp_path / "course")
    shutil.copy(root / f"assignments/{ASSIGNMENT}/{ASSIGNMENT}.ipynb", course / "assignments" / ASSIGNMENT)
    for name in WHOLE:
        (course / name).symlink_to(root / name)
    result = bundle(released(course))
    assert result.exit_code == 0, result.stderr
    with zipfile.ZipFile(course / "dist" / f"{FOLDER}.zip") as archive:
        archive.extractall(tmp_path)
    folder = tmp_path / FOLDER
    library = [path for path in (root / "lectures/lookback").rglob("*") if "__pycache__" not in path.parts]
    expected = {str(path.relative_to(root)) for path in [*library, *(root / "lectures").glob("*.ipynb")]}
    expected |= {"README.md", "LICENSE", "pyproject.toml", "constraints.txt", *CONDA}
    expected |= {f"assignments/{ASSIGNMENT}/{ASSIGNMENT}.ipynb"}
    assert {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()} == {
        name for name in expected if not (root / name).is_dir()
    }

    python = tmp_path / "environment" / "bin" / "python"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", python.parents[1]], check=True)
    (site,) = python.parents[1].glob("lib/python*/site-packages")
    (site / "needs.pth").write_text(sysconfig.get_path("purelib"))  # whose own .pth files are not followed
    (options,) = re.findall(r"^\.venv/bin/pip install (.+)$", (folder / "README.md").read_text(), re.MULTILINE)
    offline = ["--no-deps", "--no-index", "--no-build-isolation", *options.split()]
    pip = [sys.executable, "-m", "pip", "--python", str(python), "install", *offline]
    installed = subprocess.run(pip, cwd=folder, capture_output=True, text=True, check=False)
    assert installed.returncode == 0, installed.stdout + installed.stderr

    alone = [str(python), "-c", ALONE, f"assignments/{ASSIGNMENT}/{ASSIGNMENT}.ipynb"]
    shown = subprocess.run(alone, cwd=folder, capture_output=True, text=True, check=False)
    where, *told = shown.stdout.splitlines()
    assert (shown.returncode, where) == (0, str(folder / "lectures/lookback")), shown.stderr
    assert "✗ cold: the row of the best key" in told
