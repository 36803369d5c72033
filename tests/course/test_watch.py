"""`autograder watch`, beside a grader that runs, was killed, has ended, or never was."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from typer.testing import CliRunner, Result

from autograder.cli import app
from autograder.course.course import Course
from tests.course.small import ASSIGNMENT, HOP, small_cells, stub, write_notebook

AUTOGRADER = Path(sys.executable).with_name("autograder")
WAITS = f"{stub(HOP)}\n\nimport time\n\ntime.sleep(25)"
LONGEST = 200


def started(course: Course, *command: str) -> psutil.Popen:
    """A command in a process of its own, its output and its errors in one pipe each."""
    arguments = [AUTOGRADER, *command, "--course", course.directory]
    return psutil.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def until(condition: Callable[[], bool]) -> None:
    """Wait for what another process does."""
    end = time.monotonic() + LONGEST
    while not condition():
        assert time.monotonic() < end, "it did not come to that"
        time.sleep(0.02)


def glance(course: Course) -> Result:
    return CliRunner().invoke(app, ["watch", ASSIGNMENT, "--json", "--course", str(course.directory)])


@pytest.fixture
def run_file(course: Course) -> Path:
    """Three have handed in: the first no notebook, the last one that takes its time. What a run of them leaves."""
    write_notebook(course.submitted(ASSIGNMENT, "bela"), small_cells())
    write_notebook(course.submitted(ASSIGNMENT, "chen"), small_cells({HOP: WAITS}))
    course.submitted(ASSIGNMENT, "ada").parent.mkdir(parents=True)
    course.submitted(ASSIGNMENT, "ada").write_text("My answers are in the other file.\n")
    return course.journal / f"{ASSIGNMENT}.run"


def watcher(course: Course, run_file: Path) -> psutil.Popen:
    """A watcher that has found the run."""
    process = started(course, "watch", ASSIGNMENT)
    until(lambda: str(run_file) in [file.path for file in process.open_files()])
    return process


def test_before_the_first_run_nobody_is_grading(course: Course) -> None:
    result = glance(course)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == f"nobody is grading {ASSIGNMENT}: autograder grade {ASSIGNMENT} does\n"


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_run_is_watched_to_its_end_or_to_its_kill(course: Course, run_file: Path) -> None:
    grade = ("grade", ASSIGNMENT, "--workers", "1", "--seed", "7")
    with started(course, *grade) as grader:
        until(lambda: run_file.exists() and run_file.read_bytes().count(b"\n") == 3)
        running = glance(course)
        watching = watcher(course, run_file)
        grader.kill()
        output, errors = watching.communicate(timeout=LONGEST)
    now = json.loads(running.stdout)
    assert (running.exit_code, now["running"], now["where"]) == (0, True, "1 worker here")
    assert (now["done"], now["known"], now["total"], now["statuses"]) == (2, 0, 3, {"rejected": 1, "graded": 1})
    assert [(one["student"], one["status"]) for one in now["last"]] == [("ada", "rejected")]
    assert "it is no JSON" in now["last"][0]["note"]
    assert now["seconds_left"] > 0
    assert (watching.returncode, output) == (1, "")
    assert "1 worker here" in errors
    broken_off = f"the run was broken off after 2 of 3: autograder grade {ASSIGNMENT} goes on from there\n"
    assert errors.endswith(broken_off)
    killed = glance(course)
    assert (killed.exit_code, json.loads(killed.stdout)["running"], killed.stderr) == (1, False, broken_off)

    write_notebook(course.submitted(ASSIGNMENT, "chen"), small_cells())
    earlier = run_file.stat().st_ino
    with started(course, *grade) as grader:
        until(lambda: run_file.stat().st_ino != earlier)
        grader.suspend()
        watching = watcher(course, run_file)
        grader.resume()
        assert (watching.communicate(timeout=LONGEST)[0], watching.returncode) == (grader.communicate()[0], 0)
    ended = glance(course)
    assert (ended.exit_code, ended.stdout) == (2, "")
    assert "nobody is grading" in ended.stderr
