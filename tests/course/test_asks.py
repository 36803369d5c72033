"""What instructors have asked of nbgrader and otter-grader for years, a test for each, by its number in that list.

One class is graded once, by the command, and every student of it is one of the cases that people wrote about.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from nbformat.v4 import new_code_cell
from nbgrader.api import Gradebook
from typer.testing import CliRunner

from autograder.cli import app
from autograder.course.course import Course
from autograder.course.grade import grade, jobs
from autograder.course.material import students_version
from autograder.course.notebook import fill, grade_id, read, write
from autograder.engine.limits import Limits
from autograder.engine.sandbox import safe, tier
from tests.course.small import (
    ASSIGNMENT,
    ATTENTION,
    EXERCISES,
    HOP,
    POINTS,
    check_cell,
    small_cells,
    source_of,
    stub_cell,
    write_course,
)

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("asks")]
walls = pytest.mark.skipif(not safe(), reason="there is no sandbox on this machine")

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
    """The small notebook; memory_hop may take a second, a long training is graded by hand, a test returns points."""
    cells = small_cells()
    cells[4].metadata.update(LIMITED)
    training = stub_cell("training", "raise SystemError('this would take hours')")
    training.metadata.nbgrader.update(grade=True, points=1)
    training.metadata["tags"] = ["skip-execution"]
    returns = check_cell(HOP, "float(zero)")
    returns.id = returns.metadata.nbgrader.grade_id = "returns"
    return [*cells[:-1], new_code_cell("zero = 0", id="zero"), returns, training, cells[-1]]


def hand_in(course: Course, student: str, sources: dict[str, str], change: Callable[[Any], None] | None = None) -> None:
    notebook = fill(students_version(course, ASSIGNMENT), sources)
    if change:
        change(notebook.cells)
    write(notebook, course.submitted(ASSIGNMENT, student))


def double(cells: list[Any]) -> None:
    cells.insert(3, new_code_cell(cells[2].source, metadata=cells[2].metadata))


def split(cells: list[Any]) -> None:
    """The answer in two cells: a helper on its own, and the function."""
    cells.insert(4, new_code_cell("def helper(x):\n    return x"))
    cells[5].source = cells[5].source.replace("return ", "return helper(1) * ", 1) + "\n\nhelper(2)"


@pytest.fixture(scope="module")
def graded(tmp_path_factory: pytest.TempPathFactory) -> Class:
    course = Course(write_course(tmp_path_factory.mktemp("asks") / "course", source_cells()))
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
    command = [Path(sys.executable).with_name("autograder"), "grade", ASSIGNMENT, "--json", "--workers", "2"]
    done = subprocess.run(
        [*command, "--seed", "3", "--course", str(course.directory)],
        env={**os.environ, "PATH": str(Path(sys.executable).parent)},  # no docker, nor anything else
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return Class(course, done.stderr, {verdict["student"]: verdict for verdict in json.loads(done.stdout)})


def test_ask_1_submissions_are_graded_at_once_into_one_gradebook(recorded_course: Course) -> None:
    course = recorded_course
    hand_in(course, "ada", {**RIGHT, HOP: "while True:\n    pass"})
    hand_in(course, "bela", RIGHT)
    run = grade(course, ASSIGNMENT, jobs(course, ASSIGNMENT, limits=Limits(cell_seconds=250)), workers=2)
    assert next(run).verdict.student == "bela", "while ada's still runs"
    run.close()
    assert Class(course, "", {}).points("bela") == POINTS


def test_ask_2_progress_is_shown_and_every_cell_is_timed(graded: Class) -> None:
    assert "grading" in graded.stderr
    assert f"{len(graded.verdicts)}/{len(graded.verdicts)}" in graded.stderr
    timed = [line for line in graded.log("right").splitlines() if " s  Cell " in line]
    assert any(f"({HOP}) ran" in line for line in timed)
    seconds = [float(line.split(" s  ")[0]) for line in timed]
    assert seconds == sorted(seconds)


def test_ask_3_memory_is_limited(graded: Class) -> None:
    assert graded.points("greedy") == without_hop()
    assert "MemoryError" in graded.exercise("greedy", HOP)["message"]


def test_ask_4_one_cell_may_have_a_limit_of_its_own(graded: Class) -> None:
    assert graded.points("slow") == without_hop()
    assert graded.exercise("slow", HOP)["message"].endswith("its cell did not end within 1 seconds.")


@pytest.mark.parametrize("student", ["endless", "dies"])
def test_ask_5_an_interrupted_submission_is_graded_and_has_a_notebook_with_the_reason(
    student: str, graded: Class
) -> None:
    assert graded.verdicts[student]["status"] == "graded"
    assert HOP in " ".join(graded.verdicts[student]["notes"])
    assert len(read(graded.course.autograded(ASSIGNMENT, student)).cells) > len(EXERCISES)


def test_ask_6_what_is_heavy_and_graded_by_hand_is_not_run(graded: Class) -> None:
    cells = read(graded.course.autograded(ASSIGNMENT, "right")).cells
    (training,) = [cell for cell in cells if grade_id(cell) == "training"]
    assert (training.execution_count, training.outputs) == (None, [])


def test_ask_7_one_bad_notebook_stops_nobody_and_is_listed_at_the_end(graded: Class) -> None:
    assert graded.points("broken") == NO_POINTS
    assert graded.points("right") == POINTS
    assert "broken: Rejected: the file is not a notebook" in graded.stderr
    again = CliRunner().invoke(app, ["grade", ASSIGNMENT, "--course", str(graded.course.directory)])
    assert "failed: broken" in again.stdout


def test_ask_8_a_short_submission_takes_no_minutes(graded: Class) -> None:
    assert graded.verdicts["right"]["cpu_seconds"] < 10


def test_ask_9_a_timeout_leaves_everybody_their_scores(graded: Class) -> None:
    assert all(verdict["status"] in ("graded", "rejected") for verdict in graded.verdicts.values())
    assert graded.points("endless") == without_hop(), "and the one who ran into it all others of his"


def test_ask_12_no_container_is_built_or_started(graded: Class) -> None:
    assert shutil.which("docker", path=str(Path(sys.executable).parent)) is None, "what the class was graded with"
    assert {verdict["tier"] for verdict in graded.verdicts.values()} == {tier()}


@walls
def test_ask_16_students_code_never_sees_the_gradebook(graded: Class) -> None:
    (spy,) = [c for c in read(graded.course.autograded(ASSIGNMENT, "spies")).cells if grade_id(c) == HOP]
    assert [output.text for output in spy.outputs] == ["read []\n"]


@walls
def test_ask_17_the_sandbox_needs_no_daemon(graded: Class) -> None:
    assert graded.verdicts["right"]["tier"] != "none"


def test_ask_21_hiding_errors_earns_nothing(graded: Class) -> None:
    assert graded.points("hides") == NO_POINTS


def test_ask_24_stderr_is_no_verdict(graded: Class) -> None:
    assert graded.points("noisy") == POINTS


def test_ask_25_partial_credit_comes_with_a_reason(graded: Class) -> None:
    found = graded.exercise("partly", ATTENTION)
    assert 0 < found["points"] < found["max"]
    assert any(check["expected"] and check["came"] for check in found["checks"] if not check["passed"])


def test_ask_26_a_score_of_zero_is_zero(graded: Class) -> None:
    assert graded.points("untouched") == NO_POINTS
    assert graded.exercise("right", "returns")["points"] == 0, "a test cell that returns 0.0"


def test_ask_27_one_cell_holds_many_checks(graded: Class) -> None:
    checks = graded.exercise("partly", ATTENTION)["checks"]
    assert len({check["name"] for check in checks}) == len(checks) > 2
    assert sum(check["points"] for check in checks) == graded.exercise("partly", ATTENTION)["points"]


def test_ask_29_every_lost_point_has_evidence(graded: Class) -> None:
    lost = [e for v in graded.verdicts.values() for e in v["exercises"] if e["points"] < e["max"]]
    assert len(lost) > 10
    for exercise in lost:
        failed = [check for check in exercise["checks"] if check["tried"] and not check["passed"]]
        assert exercise["message"] or all(check["expected"] and check["came"] for check in failed), exercise
        assert exercise["message"] or failed


def test_ask_32_a_name_that_is_used_again_does_not_matter(graded: Class) -> None:
    assert graded.points("reuses")[ATTENTION] == POINTS[ATTENTION]


def test_ask_33_deleted_graded_cells_are_put_back(graded: Class) -> None:
    assert graded.points("deletes") == POINTS
    assert f"check_{ATTENTION} was deleted: taken from the assignment." in graded.verdicts["deletes"]["notes"]


@pytest.mark.parametrize("student", ["doubles", "splits"])
def test_ask_34_doubled_and_split_cells_count(student: str, graded: Class) -> None:
    assert graded.points(student) == POINTS
