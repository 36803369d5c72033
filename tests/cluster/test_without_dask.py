"""Where Dask is not installed: a class is graded here, and a cluster is one clear line."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from autograder.course.course import Course
from autograder.course.material import students_version
from autograder.course.notebook import fill, write
from tests.course.small import ASSIGNMENT, EXERCISES, POINTS, source_of, write_course

WITHOUT = """
import sys
sys.modules |= dict.fromkeys(("dask", "distributed", "dask_jobqueue", "dask_gateway"))
from autograder.cli import main
main()
"""


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    course = Course(write_course(tmp_path / "course"))
    right = {name: source_of(name) for name in EXERCISES}
    write(fill(students_version(course, ASSIGNMENT), right), course.submitted(ASSIGNMENT, "ada"))
    return course.directory


def grade(directory: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", WITHOUT, "grade", ASSIGNMENT, *options]
    return subprocess.run(command, cwd=directory, capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_a_class_is_graded_here(directory: Path) -> None:
    result = grade(directory, "--json")
    assert result.returncode == 0, result.stderr
    (verdict,) = json.loads(result.stdout)
    assert sum(exercise["points"] for exercise in verdict["exercises"]) == sum(POINTS.values())


@pytest.mark.parametrize("options", [("--cluster", "tcp://127.0.0.1:8786"), ("--slurm",), ("--gateway",)])
def test_a_cluster_says_what_to_install(directory: Path, options: tuple[str, ...]) -> None:
    result = grade(directory, *options)
    assert result.returncode == 2
    assert result.stdout == ""
    assert result.stderr == "a cluster needs Dask: pip install -c constraints.txt -e '.[cluster]', or grade here\n"


def test_one_place_at_a_time(directory: Path) -> None:
    result = grade(directory, "--slurm", "--gateway")
    assert result.returncode == 2
    assert result.stderr == "--cluster, --slurm and --gateway are three places to grade in: choose one\n"
