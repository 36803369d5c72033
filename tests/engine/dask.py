"""A Dask cluster on this machine, of real processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path


@contextmanager
def dask(log: Path, *command: str, **environment: str) -> Iterator[subprocess.Popen[bytes]]:
    """A scheduler or a worker as a process."""
    started = [Path(sys.executable).with_name("dask"), *command, "--no-dashboard"]
    with log.open("wb") as file:
        process = subprocess.Popen(started, env={**os.environ, **environment}, stdout=file, stderr=file)
        try:
            yield process
        finally:
            process.kill()
            process.wait()


@contextmanager
def cluster(folder: Path, *workers: dict[str, str], how: str = "--no-nanny") -> Iterator[str]:
    """The address of a scheduler with a worker for each of these environments."""
    known = folder / "scheduler.json"
    with ExitStack() as stack:
        place = ("--host", "127.0.0.1", "--port", "0", "--scheduler-file", str(known))
        scheduler = stack.enter_context(dask(folder / "scheduler.log", "scheduler", *place))
        while not (known.exists() and known.read_text()):
            with suppress(subprocess.TimeoutExpired):
                assert scheduler.wait(0.05) is None, (folder / "scheduler.log").read_text()
        address = str(json.loads(known.read_text())["address"])
        for number, environment in enumerate(workers):
            own = {"XDG_CACHE_HOME": str(folder / "cache"), **environment}
            log = folder / f"worker-{number}.log"
            stack.enter_context(dask(log, "worker", address, "--nthreads", "1", how, **own))
        yield address
