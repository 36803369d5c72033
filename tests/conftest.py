"""What every test stands on: no network, one thread, and Jupyter settings of its own."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}

ROOT = Path(__file__).resolve().parents[1]
LOOPBACK = ("127.", "::1", "localhost")

settings.register_profile(
    "lookback",
    deadline=None,  # two busy cores are no property of what is tested
    suppress_health_check=[HealthCheck.too_slow],
    derandomize="CI" in os.environ,
)
settings.load_profile("lookback")


def _stay_offline(event: str, arguments: tuple[Any, ...]) -> None:
    """An audit hook: a test may talk to this machine only (a Unix socket's address is no tuple)."""
    if event == "socket.connect" and isinstance(arguments[1], tuple):
        host = str(arguments[1][0])
        if not host.startswith(LOOPBACK):
            raise PermissionError(f"tests run offline, but one connects to {host}")


sys.addaudithook(_stay_offline)


@pytest.fixture(scope="session")
def root() -> Path:
    """The root of the repository."""
    return ROOT


@pytest.fixture
def temporary() -> Iterator[Path]:
    """A directory for the temporary files of one test, with a short path: a socket's address has 107 bytes."""
    with tempfile.TemporaryDirectory() as directory:
        yield Path(directory)


@pytest.fixture
def own_tmpdir(temporary: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The temporary directory of the kernels of one test: other tests' parents tidy up elsewhere."""
    monkeypatch.setenv("TMPDIR", str(temporary))
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    return temporary


@pytest.fixture(scope="session", autouse=True)
def own_jupyter_settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep the settings and the history of whoever runs the tests out of the kernels and servers that they start."""
    home = tmp_path_factory.mktemp("settings")
    with pytest.MonkeyPatch.context() as patch:
        for name in ("JUPYTER_CONFIG_DIR", "IPYTHONDIR", "MPLCONFIGDIR"):
            (home / name).mkdir()
            patch.setenv(name, str(home / name))
        yield
