"""Asks 1 to 15: scale, speed, robustness of the run."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from packaging.version import Version
from typer.testing import CliRunner

from autograder.cli import app
from autograder.course.course import Course
from autograder.course.notebook import grade_id, read
from autograder.engine.sandbox import tier
from autograder.engine.versions import PACKAGES, versions
from tests.course.asks import NO_POINTS, RIGHT, Class, hand_in, without_hop
from tests.course.small import ASSIGNMENT, ATTENTION, EXERCISES, HOP, POINTS, small_cells, write_course

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("asks")]
PATIENT = {"lookback": {"limits": {"cell_seconds": 250}}}


@dataclass(frozen=True)
class Stream:
    """What `grade --stream` printed first, of a class whose other student runs for minutes."""

    course: Course
    first: dict[str, Any]
    running: bool


@pytest.fixture(scope="module")
def stream(tmp_path_factory: pytest.TempPathFactory, made_gradebook: Path) -> Iterator[Stream]:
    """Graded as in a hub's pod, without namespaces."""
    cells = small_cells()
    cells[4].metadata.update(PATIENT)
    course = Course(write_course(tmp_path_factory.mktemp("stream") / "course", cells))
    shutil.copy(made_gradebook, course.directory)
    hand_in(course, "ada", {**RIGHT, HOP: "while True:\n    pass"})
    hand_in(course, "bela", RIGHT)
    command = [Path(sys.executable).with_name("autograder"), "grade", ASSIGNMENT, "--stream", "--workers", "2"]
    environment = {**os.environ, "LOOKBACK_LAYERS": "user rlimits capabilities landlock seccomp"}
    with subprocess.Popen([*command, "--course", course.directory], env=environment, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        yield Stream(course, json.loads(line), process.poll() is None)
        process.terminate()


def test_ask_1_submissions_are_graded_at_once_into_one_gradebook(stream: Stream) -> None:
    assert stream.first["student"] == "bela", "while ada's still runs"
    assert Class(stream.course, "", {}).points("bela") == POINTS


def test_ask_2_progress_is_shown_and_every_cell_is_timed(asked: Class) -> None:
    assert "grading" in asked.stderr
    assert f"{len(asked.verdicts)}/{len(asked.verdicts)}" in asked.stderr
    timed = [line for line in asked.log("right").splitlines() if " s  Cell " in line]
    assert any(f"({HOP}) ran" in line for line in timed)
    seconds = [float(line.split(" s  ")[0]) for line in timed]
    assert seconds == sorted(seconds)


def test_ask_3_memory_is_limited(asked: Class) -> None:
    assert asked.points("greedy") == without_hop()
    assert "MemoryError" in asked.exercise("greedy", HOP)["message"]


def test_ask_4_one_cell_may_have_a_limit_of_its_own(asked: Class) -> None:
    assert asked.points("slow") == without_hop()
    assert asked.exercise("slow", HOP)["message"].endswith("its cell did not end within 1 seconds.")


@pytest.mark.parametrize("student", ["endless", "dies"])
def test_ask_5_an_interrupted_submission_is_graded_and_has_a_notebook_with_the_reason(
    student: str, asked: Class
) -> None:
    assert asked.verdicts[student]["status"] == "graded"
    assert HOP in " ".join(asked.verdicts[student]["notes"])
    assert len(read(asked.course.autograded(ASSIGNMENT, student)).cells) > len(EXERCISES)


def test_ask_6_what_is_heavy_and_graded_by_hand_is_not_run(asked: Class) -> None:
    cells = read(asked.course.autograded(ASSIGNMENT, "right")).cells
    (training,) = [cell for cell in cells if grade_id(cell) == "training"]
    assert (training.execution_count, training.outputs) == (None, [])


def test_ask_7_one_bad_notebook_stops_nobody_and_is_listed_at_the_end(asked: Class) -> None:
    assert asked.points("broken") == NO_POINTS
    assert asked.points("right") == POINTS
    assert "broken: Rejected: the file is not a notebook" in asked.stderr
    again = CliRunner().invoke(app, ["grade", ASSIGNMENT, "--course", str(asked.course.directory)])
    assert "failed: broken" in again.stdout


def test_ask_8_a_short_submission_takes_no_minutes(asked: Class) -> None:
    assert asked.verdicts["right"]["cpu_seconds"] < 10


def test_ask_9_a_timeout_leaves_everybody_their_scores(asked: Class) -> None:
    assert all(verdict["status"] in ("graded", "rejected") for verdict in asked.verdicts.values())
    assert asked.points("endless") == without_hop(), "and the one who ran into it all others of his"


def test_ask_10_an_endless_loop_is_named_and_the_other_cells_are_graded(asked: Class) -> None:
    assert asked.exercise("endless", HOP)["message"].endswith("its cell did not end within 1 seconds.")
    assert asked.points("endless")[ATTENTION] == POINTS[ATTENTION]


def test_ask_11_a_program_may_read_each_verdict_as_it_comes(stream: Stream) -> None:
    assert (stream.first["status"], [found["name"] for found in stream.first["exercises"]]) == (
        "graded",
        list(EXERCISES),
    )
    assert stream.running, "and the class was not through"


def test_ask_12_no_container_is_built_or_started(asked: Class) -> None:
    assert shutil.which("docker", path=str(Path(sys.executable).parent)) is None, "what the class was graded with"
    assert {verdict["tier"] for verdict in asked.verdicts.values()} == {tier()}


@pytest.mark.skipif("landlock+seccomp" not in tier(), reason="this machine has no Landlock")
def test_ask_13_a_pod_of_a_hub_that_may_make_no_namespace_is_enough(stream: Stream) -> None:
    assert stream.first["tier"] == "landlock+seccomp"


def test_ask_14_every_assignment_is_graded_in_the_one_environment_of_the_course(root: Path) -> None:
    found = [versions(path.name) for path in (root / "assignments").iterdir() if path.is_dir()]
    assert len(found) == 10
    assert len({tuple(one[name] for name in (*PACKAGES, "python")) for one in found}) == 1, (
        "and nothing is built for it"
    )
    assert len({one["bank"] for one in found}) == len(found), "they differ in their checks only"


def test_ask_15_the_environment_is_locked_and_every_verdict_names_it(root: Path, asked: Class) -> None:
    pinned = dict(line.split("==") for line in (root / "constraints.txt").read_text().splitlines() if "==" in line)
    for name in ("torch", "numpy", "ipykernel"):
        assert {Version(v["versions"][name]).public for v in asked.verdicts.values()} == {pinned[name]}
