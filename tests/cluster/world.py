"""A hub and two hosts on one machine, each with a network, processes and files of its own, and Dask on them.

A host lives as long as its first process, and that as long as the process that made it: whatever happens to a test,
no process, address or namespace stays.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Self

import psutil

from tests.cluster.document import Document
from tests.engine.sandbox.behind import ORDINARY, ROOT

HUB, HOSTS = "10.0.0.1", {"a": "10.0.0.2", "b": "10.0.0.3"}
ADDRESS = f"tls://{HUB}:8786"
GLANCE_SECONDS = 0.05
LONGEST_WAIT = 240
DIE_WITH_PARENT = ("setpriv", "--pdeathsig", "KILL")
APART = ("unshare", "--net", "--pid", "--fork", "--mount", "--mount-proc", *DIE_WITH_PARENT)
FIRST = 'ip link set lo up; for path; do mount -t tmpfs tmpfs "$path"; done; echo ready; exec sleep infinity'
SUPERVISED = 'while cd "$0"; do "$@"; sleep 1; done'
"""As a service manager does it: whatever ends is started again after a second."""
ORDINARILY = f"""
import os, sys
sys.path.insert(0, {str(ROOT)!r})
from tests.engine.sandbox.behind import become_ordinary
become_ordinary([sys.base_prefix, sys.prefix, {str(ROOT)!r}])
os.execv(sys.argv[1], sys.argv[1:])
"""
"""As `User=` of a unit does it."""
PARENT, IN_PROGRESS = "autograder.engine.parent", "in_progress"
NOTICED = {"DASK_DISTRIBUTED__SCHEDULER__WORKER_TTL": "15s", "DASK_DISTRIBUTED__COMM__TIMEOUTS__TCP": "15s"}
"""A test does not wait as long as docs/cluster.md does for who says nothing."""


class Host:
    """A machine as far as its network, its processes and its directory go; of `hidden` it sees nothing."""

    def __init__(self, directory: Path, hidden: Sequence[Path] = ()) -> None:
        self.directory, self.log = directory, directory / "log"
        for name in ("tmp", "cache"):
            (directory / name).mkdir(parents=True, exist_ok=True)
            os.chown(directory / name, ORDINARY, ORDINARY)
        first = ["sh", "-ec", FIRST, "first", *map(str, hidden)]
        with self.log.open("ab") as log:
            command = [*DIE_WITH_PARENT, *APART, *first]
            self._outer = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
        assert self._outer.stdout
        assert self._outer.stdout.readline() == "ready\n"
        (self._first,) = psutil.Process(self._outer.pid).children()
        self._services: list[subprocess.Popen[bytes]] = []

    @property
    def environment(self) -> dict[str, str]:
        own = {"TMPDIR": str(self.directory / "tmp"), "XDG_CACHE_HOME": str(self.directory / "cache")}
        return {**os.environ, **NOTICED, "DASK_CONFIG": str(self.directory.parent / "dask.yaml"), **own}

    @property
    def network(self) -> str:
        """What `ip link … netns` calls it."""
        return str(self._first.pid)

    def inside(self, *command: str, part: Sequence[str] = ("--net", "--pid", "--mount")) -> list[str]:
        """How to run a command on the host, or in a part of it only."""
        return [*DIE_WITH_PARENT, "nsenter", f"--target={self.network}", *part, "--", *command]

    def run(self, *command: str) -> str:
        """What a command prints on the host."""
        return run(self.inside(*command), self.environment)

    def ip(self, arguments: str) -> None:
        """Change its network."""
        run(self.inside("ip", *arguments.split(), part=["--net"]), self.environment)

    @contextmanager
    def running(self, *command: str, **environment: str) -> Iterator[None]:
        """A command, and again whenever it ends, for a while."""
        with self.log.open("ab") as log:
            supervised = self.inside("sh", "-c", SUPERVISED, str(self.directory), *command)
            own = {**self.environment, **environment}
            service = subprocess.Popen(supervised, env=own, stdout=log, stderr=log)
        self._services.append(service)
        try:
            yield
        finally:
            self._services.remove(service)
            for process in [psutil.Process(service.pid), *psutil.Process(service.pid).children(recursive=True)]:
                with suppress(psutil.NoSuchProcess):
                    process.kill()
            service.wait()

    @contextmanager
    def serving(self, *command: str, **environment: str) -> Iterator[None]:
        """The same, as an ordinary user."""
        with self.running(program("python"), "-c", ORDINARILY, *command, HOME=str(self.directory), **environment):
            yield

    def processes(self) -> list[psutil.Process]:
        """All that run on the host, but for its first."""
        roots = [self._outer.pid, *(service.pid for service in self._services)]
        found = [process for root in roots for process in psutil.Process(root).children(recursive=True)]
        return [process for process in found if process != self._first and is_alive(process)]

    def having(self, word: str) -> list[psutil.Process]:
        """Those with this word in their command."""
        found = []
        for process in self.processes():
            with suppress(psutil.NoSuchProcess, psutil.ZombieProcess):
                found += [process] * (word in process.cmdline())
        return found

    def dask(self) -> list[psutil.Process]:
        """The scheduler, or the workers."""
        return [process for process in self.having(program("dask")) if process.name() != "sh"]

    def said(self, pattern: str) -> list[str]:
        """What its programs have said of this kind, from the first on."""
        return re.findall(pattern, self.log.read_text(encoding="utf-8"))

    def begun(self) -> list[str]:
        """The keys of the submissions that its workers have begun, each as often as they have."""
        return self.said(r"grading (\w+) attempt \d+")

    def at_work(self) -> bool:
        """Whether a submission is in the middle of the cell that waits."""
        return any(process.name() == IN_PROGRESS for process in self.kernels())

    def kernels(self) -> list[psutil.Process]:
        """The students' processes."""
        return [process for process in self.having(PARENT) if PARENT in above(process)]

    def orphans(self) -> list[psutil.Process]:
        """Processes of the engine that no worker owns."""
        return [process for process in self.having(PARENT) if program("dask") not in above(process)]

    def close(self) -> None:
        """Kill everything on it."""
        self._first.kill()
        self._outer.wait()


class World:
    """A scheduler on the hub and a worker on each host, all as docs/cluster.md sets them up.

    Example: `with World(place, document) as world: world.cut("a")`
    """

    def __init__(self, place: Path, document: Document) -> None:
        self.place, self.document = place, document
        self.hosts: dict[str, Host] = {}
        self._services = ExitStack()
        document.configure(place)
        place.chmod(0o755)
        os.chown(place / "cluster.key", 0, ORDINARY)
        (place / "cluster.key").chmod(0o640)
        self.hub = Host(place / "hub")
        try:
            self._build()
        except BaseException:
            self.close()
            raise

    def _build(self) -> None:
        for line in ("link add bridge type bridge", f"addr add {HUB}/24 dev bridge", "link set bridge up"):
            self.hub.ip(line)
        for name in HOSTS:
            (self.place / name).mkdir()
        for name, address in HOSTS.items():
            others = [self.place / other for other in ("hub", *HOSTS) if other != name]
            host = self.hosts[name] = Host(self.place / name, others)
            self.hub.ip(f"link add to-{name} type veth peer name out netns {host.network}")
            self.hub.ip(f"link set to-{name} master bridge up")
            host.ip(f"addr add {address}/24 dev out")
            host.ip("link set out up")
        self._services.enter_context(self.hub.serving(*self.document.unit("scheduler")))
        for host in self.hosts.values():
            self._services.enter_context(host.serving(*self.document.unit("worker")))

    def cut(self, name: str) -> None:
        """Cut a host off."""
        self.hub.ip(f"link set to-{name} down")

    def join(self, name: str) -> None:
        """Let it come back."""
        self.hub.ip(f"link set to-{name} up")

    def losses(self) -> int:
        """How many workers have gone, as the scheduler sees it."""
        return len(self.hub.said("Remove worker"))

    def close(self) -> None:
        self._services.close()
        for host in (*self.hosts.values(), self.hub):
            host.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def above(process: psutil.Process) -> set[str]:
    """The words in the commands of the processes that one comes from."""
    found: set[str] = set()
    for ancestor in process.parents():
        with suppress(psutil.NoSuchProcess, psutil.ZombieProcess):
            found |= set(ancestor.cmdline())
    return found


def run(command: Sequence[str], environment: Mapping[str, str]) -> str:
    """What a command prints. Raises AssertionError where it fails."""
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def is_alive(process: psutil.Process) -> bool:
    """Whether it runs; the first process of a host clears nothing away, so that zombies stay."""
    with suppress(psutil.NoSuchProcess):
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    return False


@contextmanager
def frozen(host: Host) -> Iterator[None]:
    """Stop the worker of a host and all that it started, for a while."""
    (worker,) = host.dask()
    worker.suspend()
    stopped = [worker, *worker.children(recursive=True)]
    for process in stopped:
        process.suspend()
    try:
        yield
    finally:
        for process in reversed(stopped):
            with suppress(psutil.NoSuchProcess):
                process.resume()


def program(name: str) -> str:
    """A program of the environment that the tests run in."""
    return str(Path(sys.executable).with_name(name))


def wait_for(condition: Callable[[], object], what: str) -> None:
    """Return as soon as it is true. Raises AssertionError where that does not happen."""
    until = time.monotonic() + LONGEST_WAIT
    while not condition():
        assert time.monotonic() < until, f"waited for {what}"
        time.sleep(GLANCE_SECONDS)
