"""Build the course site: lectures, assignments as students get them, guides, reference.

Run: python site/build.py build/site
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from importlib.resources import files
from pathlib import Path
from tempfile import TemporaryDirectory

import typer
from nbformat import NotebookNode
from sphinx.cmd.build import main as sphinx

from autograder.course.course import Course
from autograder.course.errors import MaterialError
from autograder.course.material import students_version
from autograder.course.notebook import write
from autograder.course.release import given_away

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
SHOWN = ("README.md", "LICENSE", "docs/*.md", "docs/*.png", "lectures/*.ipynb", "autograder/engine/*.schema.json")
MATHJAX = ("tex-chtml.js", "output/chtml/fonts/woff-v2/*")  # all that the pages ask for, of 24 MB


def build(target: Path) -> None:
    """Build the site in TARGET/html; the rest of TARGET is Sphinx's own. A warning is an error."""
    with TemporaryDirectory() as folder:
        source = Path(folder) / "site"
        try:
            gather(source)
        except MaterialError as error:
            sys.exit(str(error))
        sys.exit(sphinx(["-W", "--keep-going", "-d", f"{target}/doctrees", str(source), f"{target}/html"]))


def gather(source: Path) -> None:
    """Bring together what the site shows, under the paths that it has in the repository."""
    shutil.copytree(HERE, source)
    copy(ROOT, SHOWN, source)
    copy(Path(str(files("sphinx-mathjax-offline"))) / "static/mathjax", MATHJAX, source / "_static/mathjax")
    describe_commands(source / "reference/autograder.md")
    course = Course(ROOT)
    for name in course.assignments():
        write(released(course, name), source / "assignments" / name / f"{name}.ipynb")


def copy(folder: Path, patterns: tuple[str, ...], target: Path) -> None:
    for pattern in patterns:
        for path in folder.glob(pattern):
            to = target / path.relative_to(folder)
            to.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, to)


def describe_commands(page: Path) -> None:
    """Write the page about the commands, from the app itself."""
    options = ["--name", "autograder", "--title", "The commands of `autograder`", "--output", str(page)]
    command = [sys.executable, "-m", "typer", "autograder.cli", "utils", "docs", *options]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def released(course: Course, name: str) -> NotebookNode:
    """An assignment as students get it. Raises MaterialError where it would give something away."""
    version = students_version(course, name)
    if found := given_away(course, name, version):
        raise MaterialError([f"{name}: {finding}" for finding in found])
    return version


if __name__ == "__main__":
    typer.run(build)
