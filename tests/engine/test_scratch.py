"""Temporary directories: ours alone while we live, and gone after us, however we end."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from autograder.engine.scratch import PREFIX, scratch

OWNER = "from autograder.engine.scratch import scratch\nwith scratch() as own: print(own, flush=True); input()"


def owner() -> tuple[subprocess.Popen[str], Path]:
    """A process with a temporary directory, which lasts until the process reads a line."""
    process = subprocess.Popen([sys.executable, "-c", OWNER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout
    return process, Path(process.stdout.readline().strip())


def test_it_goes_when_it_is_left(own_tmpdir: Path) -> None:
    with scratch() as directory:
        deep = directory.joinpath(*["d"] * 50)
        deep.mkdir(parents=True)
        deep.chmod(0)
    assert list(own_tmpdir.iterdir()) == []


def test_that_of_the_killed_goes_and_that_of_the_living_stays(own_tmpdir: Path) -> None:
    (own_tmpdir / "lookback").mkdir()
    (own_tmpdir / f"{PREFIX}abc").mkdir()  # killed before it could lock it
    (killed, left), (alive, kept) = owner(), owner()
    killed.kill()
    killed.wait()
    with scratch() as directory:
        assert {path.name for path in own_tmpdir.iterdir()} == {"lookback", kept.name, directory.name}
        assert left != kept
    alive.communicate("\n")
    assert [path.name for path in own_tmpdir.iterdir()] == ["lookback"]
