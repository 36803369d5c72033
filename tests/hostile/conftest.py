"""A grader that is open to attack: a file, a port, and a parent of kernels for each kind of walls."""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from autograder.engine.sandbox import LAYERS, Layer, describe, layers
from autograder.engine.warm import WarmParent

torch.set_num_threads(1)
WORLDS: dict[str, tuple[Layer, ...]] = {
    "with namespaces": LAYERS,
    "without namespaces": ("rlimits", "capabilities", "landlock", "seccomp"),
}


@pytest.fixture(scope="session", params=WORLDS)
def parent(request: pytest.FixtureRequest) -> Iterator[WarmParent]:
    wanted = WORLDS[request.param]
    if missing := [wall for wall in describe() if wall.layer in set(wanted) - {"user"} and not wall.holds]:
        pytest.skip(f"this machine lacks {missing}")
    directory = tempfile.mkdtemp(prefix="hostile-")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TMPDIR", directory)
        patch.setenv("HOSTILE_MARK", "the grader's secret")
        with WarmParent(tuple(layer for layer in wanted if layer in layers())) as parent:
            yield parent
    left = [name for name in os.listdir(directory) if not name.startswith("torchinductor_")]  # made by importing torch
    shutil.rmtree(directory)
    assert left == []


@pytest.fixture
def book(tmp_path: Path) -> Iterator[Path]:
    """A gradebook, which stays as it is."""
    path = tmp_path / "gradebook.db"
    path.write_text("ada: 3")
    before = path.stat()
    yield path
    after = path.stat()
    assert path.read_text() == "ada: 3"
    assert (after.st_ino, after.st_mode, after.st_mtime_ns) == (before.st_ino, before.st_mode, before.st_mtime_ns)


@pytest.fixture
def port() -> Iterator[int]:
    """A port of this machine, on which nothing comes in."""
    with socket.socket() as stream, socket.socket(type=socket.SOCK_DGRAM) as datagram:
        stream.bind(("127.0.0.1", 0))
        number: int = stream.getsockname()[1]
        datagram.bind(("127.0.0.1", number))
        stream.listen()
        for listening in (stream, datagram):
            listening.setblocking(False)
        yield number
        with pytest.raises(BlockingIOError):
            stream.accept()
        with pytest.raises(BlockingIOError):
            datagram.recv(1)
