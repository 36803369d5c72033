"""One class of the cases that people wrote about to nbgrader and otter-grader for years, graded once by the command.

Every student of it is a case; the tests that look at it carry the numbers of the list in docs/asks.md.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nbformat.v4 import new_code_cell
from nbgrader.api import Gradebook
from typer.testing import CliRunner

from autograder.cli import app
from autograder.course.course import Course
from autograder.course.material import students_version
from autograder.course.notebook import fill, write
from tests.course.small import (
    ASSIGNMENT,
    ATTENTION,
    EXERCISES,
    HOP,
    IMPORTS,
    POINTS,
    check_cell,
    small_cells,
    source_of,
    stub_cell,
    write_course,
)

RIGHT = {name: source_of(name) for name in EXERCISES}
SLOW = "import time\n\ntime.sleep(2)\n"
LIMITED = {"lookback": {"limits": {"cell_seconds": 1}}}
HIDE_ERRORS = "get_ipython().showtraceback = lambda *a, **k: None\nget_ipython().set_custom_exc((Exception,), print)\n"
SPY = """
import glob
found = []
for place in {places!r}:
    try:
        found += [open(place, "rb").read(1)]
    except OSError:
        pass
print("read", found)
"""
COPY = {"found": "mine", "place": "where", "places": "spots"}
SECRET = "nobody_may_read_this"
HIDDEN = f"### BEGIN HIDDEN TESTS\n{SECRET} = 1\n### END HIDDEN TESTS\n"
NO_POINTS = dict.fromkeys(EXERCISES, 0.0)


def without_hop(points: float = 0.0) -> dict[str, float]:
    return {**POINTS, HOP: points}


@dataclass(frozen=True)
class Class:
    """A graded class: the course, what the command printed, its verdicts by student."""

    course: Course
    stderr: str
    verdicts: dict[str, dict[str, Any]]

    def points(self, student: str) -> dict[str, float]:
        """What the gradebook holds."""
        with Gradebook(self.course.database, self.course.course_id) as gradebook:
            notebook = gradebook.find_submission_notebook(ASSIGNMENT, ASSIGNMENT, student)
            scores = {grade.name.removeprefix("check_"): grade.auto_score for grade in notebook.grades}
        return {name: scores[name] for name in EXERCISES}

    def exercise(self, student: str, name: str) -> dict[str, Any]:
        return next(found for found in self.verdicts[student]["exercises"] if found["name"] == name)

    def log(self, student: str) -> str:
        return (self.course.journal / ASSIGNMENT / f"{student}.log").read_text()


def source_cells() -> list[Any]:
    """The small notebook; memory_hop may take a second, a long training is graded by hand, a test hides some lines."""
    cells = small_cells()
    cells[4].metadata.update(LIMITED)
    training = stub_cell("training", "raise SystemError('this would take hours')")
    training.metadata.nbgrader.update(grade=True, points=1)
    training.metadata["tags"] = ["skip-execution"]
    returns = check_cell(HOP, f"{HIDDEN}float(zero)")
    returns.id = returns.metadata.nbgrader.grade_id = "returns"
    return [*cells[:-1], new_code_cell("zero = 0", id="zero"), returns, training, cells[-1]]


def hand_in(course: Course, student: str, sources: dict[str, str], change: Callable[[Any], None] | None = None) -> None:
    notebook = fill(students_version(course, ASSIGNMENT), sources)
    if change:
        change(notebook.cells)
    write(notebook, course.submitted(ASSIGNMENT, student))


def run(course: Course, command: str, *arguments: str) -> str:
    """What a command prints."""
    done = CliRunner().invoke(app, [command, ASSIGNMENT, *arguments, "--course", str(course.directory)])
    assert done.exit_code == 0, done.stderr
    return done.stdout


def defined(sources: Mapping[str, str]) -> dict[str, object]:
    """What the given cells and these answers define, in this process."""
    namespace: dict[str, object] = {}
    exec("\n".join([IMPORTS, *sources.values()]), namespace)
    return namespace


def double(cells: list[Any]) -> None:
    cells.insert(3, new_code_cell(cells[2].source, metadata=cells[2].metadata))


def split(cells: list[Any]) -> None:
    """The answer in two cells: a helper on its own, and the function."""
    cells.insert(4, new_code_cell("def helper(x):\n    return x"))
    cells[5].source = cells[5].source.replace("return ", "return helper(1) * ", 1) + "\n\nhelper(2)"


def lose_metadata(cells: list[Any]) -> None:
    """What other editors leave of a notebook: text."""
    for number, cell in enumerate(cells):
        cell.metadata, cell.id = {}, f"lost-{number}"


def graded_class(directory: Path) -> Class:
    """Let the class hand in, and grade it with the command."""
    course = Course(write_course(directory, source_cells()))
    hand_in(course, "right", RIGHT)
    hand_in(course, "untouched", {})
    hand_in(course, "partly", {**RIGHT, ATTENTION: RIGHT[ATTENTION].replace("math.sqrt(", "(")})
    hand_in(course, "noisy", {**RIGHT, HOP: f"import sys\n\nprint('a warning', file=sys.stderr)\n{RIGHT[HOP]}"})
    hand_in(course, "greedy", {**RIGHT, HOP: "huge = bytearray(2**40)"})
    hand_in(course, "slow", {ATTENTION: SLOW + RIGHT[ATTENTION], HOP: SLOW + RIGHT[HOP]})
    hand_in(course, "endless", {**RIGHT, HOP: "while True:\n    pass"})
    hand_in(course, "dies", {**RIGHT, HOP: "import os\n\nos._exit(0)"})
    hand_in(course, "hides", {name: f"{HIDE_ERRORS}\n\ndef {name}(*a, **k):\n    return 1 / 0" for name in EXERCISES})
    hand_in(course, "reuses", RIGHT, lambda cells: cells.insert(4, new_code_cell(f"{ATTENTION} = Tensor = None")))
    hand_in(course, "deletes", RIGHT, lambda cells: cells.pop(3))
    hand_in(course, "doubles", RIGHT, double)
    hand_in(course, "splits", RIGHT, split)
    hand_in(course, "broken", {})
    course.submitted(ASSIGNMENT, "broken").write_text("{")
    secrets = [str(course.directory / "gradebook.db"), str(course.source(ASSIGNMENT))]
    hand_in(course, "spies", {**RIGHT, HOP: SPY.format(places=secrets) + RIGHT[HOP]})
    copied = re.sub(r"\w+", lambda word: COPY.get(word[0], word[0]), SPY.format(places=secrets))
    hand_in(course, "copies", {**RIGHT, HOP: f"# my own work\n{copied}{RIGHT[HOP]}"})
    hand_in(course, "colab", RIGHT, lose_metadata)
    command = [Path(sys.executable).with_name("autograder"), "grade", ASSIGNMENT, "--json", "--workers", "2"]
    done = subprocess.run(
        [*command, "--seed", "3", "--course", str(course.directory)],
        env={**os.environ, "PATH": str(Path(sys.executable).parent)},  # no docker, nor anything else
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return Class(course, done.stderr, {verdict["student"]: verdict for verdict in json.loads(done.stdout)})
