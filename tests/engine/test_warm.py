"""The warm parent: what it refuses to be, and what is left when it or its owner is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from autograder.engine.limits import Limits
from autograder.engine.parent import PASSED_ON
from autograder.engine.scratch import PREFIX
from autograder.engine.warm import ParentGone, WarmParent

UNFIT = {
    "it has 2 threads": "threading.Thread(target=threading.Event().wait, daemon=True).start()",
    "imported solutions.attention": "sys.modules['solutions.attention'] = None",
    "imported autograder.bank": "sys.modules['autograder.bank'] = None",
    "initialised CUDA": "torch.cuda.is_initialized = lambda: True",
}


@pytest.mark.parametrize("reason", UNFIT)
def test_it_refuses_to_fork_what_would_hang_or_tell(reason: str) -> None:
    code = f"""
        import sys, threading, types
        from autograder.engine.parent import check_fit
        torch = sys.modules["torch"] = types.SimpleNamespace(cuda=types.SimpleNamespace(is_initialized=lambda: False))
        check_fit()
        {UNFIT[reason]}
        check_fit()
    """
    run = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, timeout=60)
    assert run.stderr.splitlines()[-1].startswith("autograder.engine.parent.Unfit")
    assert reason in run.stderr


def test_it_refuses_an_environment_with_more_than_it_needs(tmp_path: Path) -> None:
    code = "from autograder.engine.parent import preload; preload()"
    environment = {name: os.environ[name] for name in PASSED_ON if name in os.environ} | {"AWS_SECRET": "x"}
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, timeout=60)
    assert "Unfit: its environment holds AWS_SECRET, which students need not see" in run.stderr


def test_the_refusal_reaches_the_owner(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("autograder.engine.warm.SETTINGS", {"AWS_SECRET": "x"})
    with WarmParent() as parent, pytest.raises(ParentGone, match="refuses to fork: its environment holds AWS_SECRET"):
        parent.fork(seed=1, limits=Limits())


OWNER = """
    import sys
    from autograder.engine.kernel import Kernel
    from autograder.engine.limits import Limits
    from autograder.engine.warm import WarmParent
    parent = WarmParent()
    kernel = Kernel(parent, Limits(), seed=1, device="cpu")
    print(parent.pid, kernel._fork.pid, kernel._fork.directory, flush=True)
    sys.stdin.read()
"""


@pytest.mark.slow
def test_everything_dies_with_the_owner() -> None:
    owner, parent, kernel, directory = _owner()
    owner.kill()
    assert _gone(parent, kernel)
    assert not directory.exists()


@pytest.mark.slow
def test_a_kernel_dies_with_its_parent_and_the_next_parent_tidies_up(own_tmpdir: Path) -> None:
    owner, parent, kernel, directory = _owner()
    parent.kill()
    owner.kill()
    assert _gone(parent, kernel)
    assert directory.exists()
    with WarmParent() as next_parent:
        fork = next_parent.fork(seed=1, limits=Limits())
        assert fork.directory.exists()
        assert not directory.exists()
        next_parent.end(fork)
    assert not list(own_tmpdir.glob(f"{PREFIX}*"))


@pytest.mark.slow
def test_a_parent_that_is_gone_is_the_graders_failure() -> None:
    with WarmParent() as parent:
        os.kill(parent.pid, signal.SIGKILL)
        with pytest.raises(ParentGone, match="did not start"):
            parent.fork(seed=1, limits=Limits())


def test_a_long_path_for_temporary_files_is_refused_in_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    long = tmp_path / ("x" * 100)
    long.mkdir()
    monkeypatch.setenv("TMPDIR", str(long))
    with WarmParent(()) as parent, pytest.raises(ParentGone, match="set TMPDIR to a shorter path"):
        parent.fork(seed=1, limits=Limits())
    assert list(long.iterdir()) == []


def _owner() -> tuple[subprocess.Popen[str], psutil.Process, psutil.Process, Path]:
    """A process that owns a warm parent and a kernel, those two, and the kernel's directory."""
    owner = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(OWNER)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert owner.stdout is not None
    parent, kernel, directory = owner.stdout.readline().split()
    return owner, psutil.Process(int(parent)), psutil.Process(int(kernel)), Path(directory)


def _gone(*processes: psutil.Process) -> bool:
    """Whether they end, of themselves, within ten seconds."""
    with suppress(psutil.NoSuchProcess):
        return not psutil.wait_procs(processes, timeout=10)[1]
    return True
