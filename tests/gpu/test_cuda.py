"""What only a machine with a GPU can show: elsewhere these tests say that they were skipped."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from autograder.bank import load_bank
from autograder.checks import perform as performing
from autograder.checks.elsewhere import DeviceMismatch
from autograder.checks.request import Answer, Failure, Request
from autograder.checks.subject import Answerer
from autograder.course.course import Course
from autograder.course.material import students_version
from autograder.course.notebook import fill, stubs, write
from autograder.engine.gpu import devices, lease
from autograder.engine.job import Job
from autograder.engine.kernel import Kernel
from autograder.engine.limits import Limits
from autograder.engine.pool import LocalPool, grade_class
from autograder.engine.verdict import Verdict
from autograder.engine.warm import WarmParent
from solutions.programs import Program, reference
from tests.course.small import REPOSITORY
from tests.engine.notebooks import FIRST, answer, source_notebook, submitted, written

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.slow,
    pytest.mark.timeout(1800),
    pytest.mark.skipif(
        not torch.cuda.is_available(),
        reason=f"NO GPU: PyTorch {torch.__version__} sees no CUDA device, so nothing of CUDA is shown here",
    ),
]
ASSIGNMENTS = sorted(path.name for path in (REPOSITORY / "assignments").iterdir())
SEED = 20_141
SHARES = min(8, os.cpu_count() or 1)
LIMITS = Limits(cell_seconds=120)
WORK = "x = torch.ones(1000, 1000, device='cuda')\nfor _ in range(500):\n    x = (x @ x).tanh()\n"
HOARD = "hoard = []\nwhile True:\n    hoard.append(torch.empty(2**26, dtype=torch.uint8, device='cuda'))\n"


def graded(jobs: Iterable[Job], device: str, shares: int = SHARES) -> dict[str, Verdict]:
    """The verdicts of a class on this device, by student."""
    class_ = [replace(job, device=device, slots_per_gpu=shares) for job in jobs]
    with LocalPool(shares) as pool:
        return {found.verdict.student: found.verdict for found in grade_class(class_, pool)}


def programs_of(assignment: str) -> list[Program]:
    bank = load_bank(assignment)
    return [*(reference(bank.unit, name) for name in bank.exercises), *bank.programs]


@pytest.mark.parametrize("assignment", ASSIGNMENTS)
def test_every_program_has_the_points_that_it_has_on_the_cpu(assignment: str, tmp_path: Path) -> None:
    """As many notebooks as an exercise has programs, each with another program of every exercise."""
    course, version = Course(REPOSITORY), students_version(Course(REPOSITORY), assignment)
    programs: dict[str, list[str]] = {name: [] for name in stubs(version)}
    for program in programs_of(assignment):
        programs[program.exercise].append(program.source)
    jobs = []
    for number in range(max(map(len, programs.values()))):
        path = tmp_path / f"{number}.ipynb"
        write(fill(version, {name: some[number % len(some)] for name, some in programs.items() if some}), path)
        jobs.append(Job(assignment, str(number), course.source(assignment), path, SEED))
    cpu, cuda = graded(jobs, "cpu"), graded(jobs, "cuda")
    assert [verdict.notes for verdict in cuda.values() if verdict.device != "cuda"] == []
    assert {name: verdict.exercises for name, verdict in cuda.items()} == {
        name: verdict.exercises for name, verdict in cpu.items()
    }


def on_the_gpu(namespace: Mapping[str, Any]) -> Answerer:
    """Answers as a program in this process does, where another device is meant on the GPU, not on a stand-in."""

    def answered(request: Request) -> Answer:
        found = performing.perform(request, namespace)
        if request.elsewhere and found.failure and "same device" in found.failure.message:
            return replace(found, failure=Failure(DeviceMismatch.__name__, found.failure.message))
        return found

    return answered


@pytest.mark.parametrize("assignment", ASSIGNMENTS)
def test_a_stand_in_for_another_device_tells_what_a_gpu_tells(assignment: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program fails the checks of devices where it fails on a GPU. A generator of numbers stays on the CPU, which a
    stand-in allows and a GPU does not: what it ends says nothing of the program.
    """
    bank, programs = load_bank(assignment), programs_of(assignment)
    expected = {program: points(assignment, program, bank.answerer(program)) for program in programs}
    monkeypatch.setattr(performing, "there", lambda tensor: tensor.cuda())
    monkeypatch.setattr(performing, "moved", lambda module: module.cuda())
    monkeypatch.setattr(performing, "elsewhere", nullcontext)
    wrong = []
    for program, by_stand_in in expected.items():
        namespace = vars(bank.unit) | {program.exercise: program.load(bank.unit)}
        by_gpu = points(assignment, program, on_the_gpu(namespace))
        if by_gpu != by_stand_in and not (by_gpu > by_stand_in and "generator" in program.source):
            wrong.append(f"{program.exercise}, {program.name}: {by_gpu:g} by a GPU, {by_stand_in:g} by a stand-in")
    assert wrong == []


def points(assignment: str, program: Program, answerer: Answerer) -> float:
    return load_bank(assignment).grade(program.exercise, answerer, SEED).points


def test_a_student_who_takes_all_memory_fails_alone(tmp_path: Path) -> None:
    source = written(tmp_path / "source.ipynb", source_notebook())
    honest = [f"{name}{number}" for number in range(3) for name in ("ada", "bob")]
    cells = {"eve": HOARD, **dict.fromkeys(honest, f"{WORK}\n{answer(FIRST)['source']}")}
    jobs = [
        Job("04_attention", name, source, written(tmp_path / f"{name}.ipynb", submitted(text)), SEED, limits=LIMITS)
        for name, text in cells.items()
    ]
    found = graded(jobs, "cuda", shares=2)
    right = {name: (verdict.device, verdict.points) for name, verdict in found.items() if name != "eve"}
    assert right == dict.fromkeys(honest, ("cuda", 9.0))
    assert (found["eve"].device, found["eve"].points) == ("cuda", 6.0)
    assert any("OutOfMemoryError" in note for note in found["eve"].notes), found["eve"].notes


@pytest.fixture(scope="module")
def parent() -> Iterator[WarmParent]:
    with WarmParent() as parent:
        yield parent


@pytest.mark.parametrize("shares", [1, 4])
def test_a_kernel_sees_one_device_and_takes_its_share(shares: int, parent: WarmParent) -> None:
    with lease(devices(), shares) as slot:
        kernel = Kernel(parent, LIMITS, seed=7, device="cuda", environment=slot.environment)
        try:
            seen = kernel.execute("import torch\n(torch.cuda.device_count(), torch.cuda.is_initialized())", LIMITS)
            assert seen.result == "(1, False)"
            share = kernel.execute("round(torch.cuda.get_per_process_memory_fraction(), 2)", LIMITS)
            assert share.result == str(round(1 / shares, 2))
            take = "taken = torch.empty(int({} * torch.cuda.mem_get_info()[1]), dtype=torch.uint8, device='cuda')"
            assert kernel.execute(take.format(0.7 / shares), LIMITS).error == ""
            assert kernel.execute(take.format(0.7 / shares), LIMITS).error.startswith("OutOfMemoryError")
        finally:
            kernel.close()
