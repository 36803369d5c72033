"""One warm parent for all tests of a worker process: it takes seconds to start, and a fork of it a tenth."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch
from hypothesis import settings

from autograder.engine.grading import grade_submission
from autograder.engine.job import Graded, Job
from autograder.engine.kernel import Kernel
from autograder.engine.limits import Limits
from autograder.engine.warm import WarmParent
from tests.engine.notebooks import Cells, source_notebook, written

torch.set_num_threads(1)
settings.register_profile("shared machine", deadline=None)
settings.load_profile("shared machine")
WAIT = "import ctypes, time; ctypes.CDLL(None).prctl(15, b'in_progress'); time.sleep(0.5)"
"""A student's process takes this name and waits, so that others see that the moment has come."""
LIMITS = Limits(cell_seconds=3, check_seconds=3)

Grade = Callable[..., Graded]


@contextmanager
def meanwhile(act: Callable[[psutil.Process], object]) -> Iterator[None]:
    """Do something to the process that waits, once, as soon as one does."""
    over = threading.Event()

    def watch() -> None:
        while not over.is_set():
            for process in psutil.Process().children(recursive=True):
                with suppress(psutil.NoSuchProcess):
                    if process.name() == "in_progress":
                        act(process)
                        return

    with ThreadPoolExecutor() as pool:
        watching = pool.submit(watch)
        try:
            yield
        finally:
            over.set()
        watching.result()


@pytest.fixture(scope="session")
def parent() -> Iterator[WarmParent]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COURSE_TOKEN", "a secret of the owner")
        with WarmParent() as parent:
            yield parent


@pytest.fixture
def kernel(parent: WarmParent) -> Iterator[Kernel]:
    kernel = Kernel(parent, LIMITS, seed=7, device="cpu")
    yield kernel
    kernel.close()


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return written(tmp_path / "source.ipynb", source_notebook())


@pytest.fixture
def grade(parent: WarmParent, source: Path, tmp_path: Path) -> Grade:
    """Grade a notebook of these cells."""

    def graded(cells: Cells, **changes: Any) -> Graded:
        submission = written(tmp_path / "submission.ipynb", cells)
        job = Job("04_attention", "ada", source, submission, seed=7, **{"limits": LIMITS, **changes})
        return grade_submission(job, parent)

    return graded
