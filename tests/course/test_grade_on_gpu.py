"""`grade --device cuda` where the GPU is only listed: CUDA does not work there, and every verdict says so."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from autograder.cli import app
from autograder.course.course import Course
from autograder.engine.gpu import lease
from autograder.engine.verdict import ON_THE_CPU
from tests.course.small import ASSIGNMENT, EXERCISES, small_cells, source_of, write_notebook
from tests.engine.drivers import GPUS, gpu_line, install


def grade(course: Course, *arguments: str) -> Result:
    return CliRunner().invoke(app, ["grade", ASSIGNMENT, *arguments, "--course", str(course.directory)])


def hand_in(course: Course, *students: str) -> None:
    right = small_cells({name: source_of(name) for name in EXERCISES})
    for student in students:
        write_notebook(course.submitted(ASSIGNMENT, student), right)


@pytest.mark.parametrize(
    ("told", "reason"),
    [(["No devices found."], "nvidia-smi lists no GPU: No devices found"), ([], "nvidia-smi lists no GPU")],
)
def test_no_class_is_graded_on_the_cpu_where_there_is_no_gpu_at_all(
    told: list[str], reason: str, course: Course, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    hand_in(course, "ada")
    install(monkeypatch, tmp_path / "bin", *told)
    refused = grade(course, "--device", "cuda")
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert refused.stderr == f"there is no CUDA device here: {reason}; grade with --device cpu\n"
    assert not (course.directory / "gradebook.db").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("--slots-per-gpu 2", "--slots-per-gpu goes with --device cuda"),
        ("--device cuda --slots-per-gpu 0", "Invalid value for '--slots-per-gpu'"),
        ("--device cuda --slots-per-gpu half", "Invalid value for '--slots-per-gpu'"),
    ],
)
def test_slots_that_make_no_sense_are_wrong_use(arguments: str, message: str, course: Course) -> None:
    hand_in(course, "ada")
    refused = grade(course, *arguments.split())
    assert (refused.exit_code, refused.stdout, refused.stderr.count("\n")) == (2, "", 1)
    assert message in refused.stderr


@pytest.mark.slow
def test_who_gets_no_gpu_is_graded_on_the_cpu_with_the_reason(
    recorded_course: Course, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, own_tmpdir: Path
) -> None:
    course = recorded_course
    install(monkeypatch, tmp_path / "bin", gpu_line(0, GPUS[0]))
    hand_in(course, "ada")
    with lease(GPUS[:1], 2), lease(GPUS[:1], 2):  # as another grader would
        busy = grade(course, "--device", "cuda", "--slots-per-gpu", "2", "--workers", "1", "--seed", "3")
    assert busy.exit_code == 0, busy.stderr
    assert "1 on the CPU instead of a GPU: all 2 slots of the GPUs were in use.\n" in busy.stdout
    hand_in(course, "bob", "cy")
    run = grade(course, "--device", "cuda", "--workers", "1", "--json")
    assert run.exit_code == 0, run.stderr
    verdicts = {verdict["student"]: verdict for verdict in json.loads(run.stdout)}
    assert {name: (verdict["device"], len(verdict["notes"])) for name, verdict in verdicts.items()} == dict.fromkeys(
        ("ada", "bob", "cy"), ("cpu", 1)
    )
    assert all(sum(e["points"] for e in verdict["exercises"]) == 9 for verdict in verdicts.values())
    reasons = {name: verdict["notes"][0].removeprefix(ON_THE_CPU) for name, verdict in verdicts.items()}
    assert reasons["ada"] == "all 2 slots of the GPUs were in use.", "it is in the journal, and not graded again"
    assert reasons["bob"].startswith(f"CUDA cannot be used on {GPUS[0]}: ")
    assert reasons["cy"] == reasons["bob"]
    assert reasons["bob"] in (course.journal / ASSIGNMENT / "bob.log").read_text()
