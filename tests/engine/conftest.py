"""One warm parent for all tests of a worker process: it takes seconds to start, and a fork of it a tenth."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import settings

from autograder.engine.grading import Graded, Job, grade_submission
from autograder.engine.kernel import Kernel
from autograder.engine.limits import Limits
from autograder.engine.warm import WarmParent
from tests.engine.notebooks import Cells, source_notebook, written

torch.set_num_threads(1)
settings.register_profile("shared machine", deadline=None)
settings.load_profile("shared machine")
LIMITS = Limits(cell_seconds=3, check_seconds=3)

Grade = Callable[..., Graded]


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


@pytest.fixture
def own_tmpdir(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A short path for the kernels of one test: other tests' parents tidy up elsewhere."""
    with tempfile.TemporaryDirectory() as directory:
        monkeypatch.setenv("TMPDIR", directory)
        yield Path(directory)
