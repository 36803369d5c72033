"""The worlds to test walls in, and something to attack."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engine.sandbox.behind import WORLDS, World, missing, open_way


@pytest.fixture(params=WORLDS, ids=str)
def world(request: pytest.FixtureRequest) -> World:
    found: World = request.param
    if reason := missing(found):
        pytest.skip(f"this machine lacks {reason}")
    return found


@pytest.fixture
def gradebook(tmp_path: Path) -> Iterator[Path]:
    """A file that belongs to everybody, as open to attack as it can be."""
    path = tmp_path / "gradebook.db"
    path.write_text("ada: 3")
    path.chmod(0o666)
    open_way(tmp_path)
    before = path.stat()
    yield path
    after = path.stat()
    assert path.read_text() == "ada: 3"
    assert (after.st_mode, after.st_uid, after.st_mtime_ns) == (before.st_mode, before.st_uid, before.st_mtime_ns)
