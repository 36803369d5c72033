"""Where a submission is graded: on a device that is only listed and yet works, and on the CPU, with the reason."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest

from autograder.engine import placement
from autograder.engine.gpu import devices, lease
from autograder.engine.grading import grade_submission
from autograder.engine.job import Job
from autograder.engine.limits import Limits
from autograder.engine.placement import placed
from autograder.engine.verdict import ON_THE_CPU
from autograder.engine.warm import WarmParent
from tests.engine.conftest import LIMITS
from tests.engine.drivers import GPUS, gpu_line, install
from tests.engine.notebooks import FIRST, answer, submitted, written

VARIABLES = "LOOKBACK_DEVICE", "CUDA_VISIBLE_DEVICES", "PYTORCH_ALLOC_CONF"
SHOWN = f"import os\nprint([os.environ.get(name) for name in {VARIABLES}])"

Driver = Callable[..., None]


@pytest.fixture
def driver(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, own_tmpdir: Path) -> Driver:
    """Make a driver that lists these GPUs, each of which works if its kernel can run `probe`."""

    def made(*gpus: str, probe: str = "pass", hangs: bool = False) -> None:
        install(monkeypatch, tmp_path / "bin", *(gpu_line(n, gpu) for n, gpu in enumerate(gpus)), hangs=hangs)
        monkeypatch.setattr(placement, "PROBE", probe)
        monkeypatch.setattr(placement, "_listed", cache(devices))
        monkeypatch.setattr(placement, "_probed", {})

    return made


@pytest.fixture
def job(source: Path, tmp_path: Path) -> Job:
    submission = written(tmp_path / "submission.ipynb", submitted(f"{SHOWN}\n{answer(FIRST)['source']}"))
    return Job("04_attention", "ada", source, submission, seed=7, limits=LIMITS, device="cuda", slots_per_gpu=2)


def reason(job: Job, parent: WarmParent) -> str:
    with placed(job, parent) as place:
        assert (place.device, dict(place.environment)) == ("cpu", {})
        assert place.reason.startswith(ON_THE_CPU)
        assert place.reason.endswith(".")
        return place.reason.removeprefix(ON_THE_CPU)


@pytest.mark.slow
def test_a_kernel_has_its_device_and_its_share_and_the_slot_is_given_back(
    driver: Driver, parent: WarmParent, job: Job
) -> None:
    driver(GPUS[0])
    with placed(job, parent) as place, lease(GPUS[:1], 2), placed(job, parent) as no_place:
        graded = grade_submission(replace(job, device=place.device), parent, place.environment)
    assert (graded.verdict.device, graded.verdict.points, place.reason) == ("cuda", 9.0, "")
    assert no_place.reason == f"{ON_THE_CPU}all 2 slots of the GPUs were in use."
    assert graded.notebook
    (shown,) = [shown for cell in graded.notebook["cells"] for shown in cell.get("outputs", [])]
    assert shown["text"] == f"['cuda', '{GPUS[0]}', 'per_process_memory_fraction:0.500000']\n"
    with lease(GPUS[:1], 2), lease(GPUS[:1], 2):
        pass  # both are free again


def test_no_slot_is_taken_for_the_cpu(driver: Driver, parent: WarmParent, job: Job, own_tmpdir: Path) -> None:
    driver(GPUS[0])
    with placed(replace(job, device="cpu"), parent) as place:
        assert (place.device, place.reason) == ("cpu", "")
    assert not list(own_tmpdir.iterdir())


@pytest.mark.parametrize(
    ("probe", "words"),
    [
        ("raise AssertionError('Torch not compiled with CUDA enabled')", "AssertionError: Torch not compiled"),
        ("import os; os._exit(1)", "the process that tried ended the process"),
        ("while True: pass", "the process that tried did not end within 0.5 seconds"),
        ("import signal; signal.signal(2, signal.SIG_IGN)\nwhile True: pass", "did not end within 0.5 seconds"),
    ],
)
def test_a_device_on_which_cuda_fails_is_not_used(
    probe: str, words: str, driver: Driver, parent: WarmParent, job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(placement, "PROBE_LIMITS", Limits(cell_seconds=0.5, interrupt_seconds=0.5))
    driver(GPUS[0], probe=probe)
    told = reason(job, parent)
    assert told.startswith(f"CUDA cannot be used on {GPUS[0]}: ")
    assert words in told
    with lease(GPUS[:1], 2), lease(GPUS[:1], 2):
        pass  # nothing holds a slot of it


def test_each_submission_tries_one_device_until_one_works_and_what_is_known_is_not_tried_again(
    driver: Driver, parent: WarmParent, job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    driver(*GPUS, probe=f"import os\nassert os.environ['CUDA_VISIBLE_DEVICES'] == '{GPUS[1]}'")
    assert GPUS[0] in reason(job, parent)
    with placed(job, parent) as place:
        assert place.environment["CUDA_VISIBLE_DEVICES"] == GPUS[1]
    monkeypatch.setattr(placement, "PROBE", "1 / 0")
    with placed(job, parent) as place, placed(job, parent) as other:
        assert {one.environment["CUDA_VISIBLE_DEVICES"] for one in (place, other)} == {GPUS[1]}
        assert "all 2 slots" in reason(job, parent)
    monkeypatch.setattr(placement, "BELIEVED_SECONDS", -1.0)
    assert "ZeroDivisionError" in reason(job, parent)


def test_a_device_that_failed_is_tried_again_later(
    driver: Driver, parent: WarmParent, job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    driver(GPUS[0], probe="1 / 0")
    told = reason(job, parent)
    monkeypatch.setattr(placement, "PROBE", "pass")
    assert reason(job, parent) == told
    monkeypatch.setattr(placement, "BELIEVED_SECONDS", -1.0)
    with placed(job, parent) as place:
        assert place.device == "cuda"


def test_a_machine_without_a_gpu_grades_on_the_cpu(
    driver: Driver, parent: WarmParent, job: Job, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    driver()
    assert reason(job, parent) == "nvidia-smi lists no GPU."
    monkeypatch.setenv("PATH", str(tmp_path))
    assert reason(job, parent).startswith("nvidia-smi, which lists the GPUs, cannot be run")
