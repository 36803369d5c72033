"""The owner's side of a warm parent: start it, have it fork, interrupt and end kernels."""

from __future__ import annotations

import json
import os
import secrets
import select
import socket
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Self

from autograder.engine import sandbox
from autograder.engine.limits import Limits
from autograder.engine.parent import PASSED_ON, SETTINGS
from autograder.engine.sandbox import Layer, Policy, tier_of

START_SECONDS = 120.0
"""A first start on a slow disk reads a gigabyte of libraries."""
ORDER_SECONDS = 30.0


class ParentGone(RuntimeError):
    """The warm parent cannot be used: it could not start, it died, or it does not obey. The grader's own failure."""


@dataclass(frozen=True)
class Fork:
    """A forked kernel. `handle` is a descriptor of its process, readable once that has ended; its holder closes it.

    `directory` is its own on this machine's disk, `sockets` where its sockets are, perhaps on a disk that only it sees.
    """

    pid: int
    handle: int
    directory: Path
    sockets: Path
    key: str


class WarmParent:
    """A process that has imported what notebooks need, to fork kernels from, one at a time.

    Example: `with WarmParent() as parent: fork = parent.fork(seed=7, limits=Limits())`
    """

    def __init__(self, layers: tuple[Layer, ...] | None = None) -> None:
        """`layers` are the walls around its kernels, by default all that hold on this machine."""
        self.layers = sandbox.layers() if layers is None else layers
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        environment = {name: os.environ[name] for name in PASSED_ON if name in os.environ} | SETTINGS
        launcher = sandbox.launcher() if "namespaces" in self.layers else ()
        command = [*launcher, sys.executable, "-P", "-m", "autograder.engine.parent", str(theirs.fileno())]
        self._process = subprocess.Popen(
            command,
            env=environment,
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            start_new_session=True,  # an interrupt at the terminal is for the owner alone
        )
        theirs.close()
        self._ready = False

    @property
    def tier(self) -> str:
        """The name of the walls around its kernels."""
        return tier_of(self.layers)

    @property
    def pid(self) -> int:
        return self._process.pid

    def fork(self, *, seed: int, limits: Limits, gpu: bool = False, environment: Mapping[str, str] = {}) -> Fork:
        """A new kernel behind its walls, its sockets bound within `limits.start_seconds`. Raises ParentGone."""
        self._wait_until_ready()
        key = secrets.token_hex(16)
        policy = asdict(Policy(self.layers, limits, gpu=gpu))
        order = {"key": key, "seed": seed, "policy": policy, "environment": dict(environment)}
        reading, writing = os.pipe()
        try:
            reply, handles = self._order({"fork": order}, writing)
            fork = Fork(reply["pid"], handles[0], Path(reply["directory"]), Path(), key)
            fork = replace(fork, sockets=self._wait_until_bound(fork, reading, limits.start_seconds))
        finally:
            os.close(reading)
        return fork

    def interrupt(self, fork: Fork) -> None:
        """Send SIGINT to a kernel and to what it started."""
        self._order({"interrupt": fork.pid})

    def end(self, fork: Fork) -> float:
        """Kill a kernel and all that it started, and remove its directory; the CPU seconds that they took."""
        os.close(fork.handle)
        return float(self._order({"end": fork.pid})[0]["cpu_seconds"])

    def close(self) -> None:
        """End the parent and every kernel of it."""
        self._control.close()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(ORDER_SECONDS)
        self._process.kill()
        self._process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _wait_until_ready(self) -> None:
        if self._ready:
            return
        try:
            hello, _ = self._receive(START_SECONDS)
        except OSError as error:
            raise ParentGone(f"the warm parent did not start: {error}") from None
        if "unfit" in hello:
            raise ParentGone(f"the warm parent refuses to fork: {hello['unfit']}")
        self._ready = True

    def _wait_until_bound(self, fork: Fork, reading: int, seconds: float) -> Path:
        told = "nothing"
        if select.select([reading], [], [], seconds)[0]:
            told = os.read(reading, 4096).decode(errors="replace")
        word, _, directory = told.partition(" ")
        if word != "ready":
            self.end(fork)
            raise ParentGone(f"a kernel did not start within {seconds:g} seconds: {told}")
        return Path(directory)

    def _order(self, order: dict[str, Any], *descriptors: int) -> tuple[dict[str, Any], list[int]]:
        """What the parent answers to an order, with which `descriptors` are handed over. Raises ParentGone."""
        try:
            socket.send_fds(self._control, [json.dumps(order).encode()], descriptors)
            return self._receive(ORDER_SECONDS)
        except OSError as error:
            raise ParentGone(f"the warm parent does not answer: {error}") from None
        finally:
            for descriptor in descriptors:
                os.close(descriptor)

    def _receive(self, seconds: float) -> tuple[dict[str, Any], list[int]]:
        self._control.settimeout(seconds)
        data, descriptors, _, _ = socket.recv_fds(self._control, 4096, 1)
        if not data:
            raise ConnectionError(f"it ended with status {self._process.wait(ORDER_SECONDS)}")
        return json.loads(data), descriptors
