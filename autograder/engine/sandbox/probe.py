"""Which walls does this machine give us? Each is raised in a process of its own, and then run against."""

from __future__ import annotations

import json
import os
import resource
import shutil
import socket
import stat
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from autograder.engine.sandbox import system
from autograder.engine.sandbox.policy import LAYERS, SAFE_TIERS, Layer, Place, Policy, tier_of
from autograder.engine.sandbox.remedies import remedy
from autograder.engine.sandbox.walls import FIRST_USER, enter
from autograder.engine.scratch import scratch

PROBE_SECONDS = 60.0
HEADLINES_AND_LOOPBACK = 3
BUBBLEWRAP = (
    *("bwrap", "--dev-bind", "/", "/", "--unshare-user", "--cap-add", "ALL", "--die-with-parent", "--"),
    *("env", "-u", "PWD"),  # which it sets
)
"""Gives a process a user namespace and every right in it, where AppArmor lets bubblewrap make one and Python not."""
ASKED = "LOOKBACK_LAYERS"
"""A variable of the grader's environment: the layers to try, separated by blanks, where not all of them are wanted."""


@dataclass(frozen=True)
class Wall:
    """A layer of the sandbox on this machine: whether it holds, why it does not, and what would help.

    `launcher` is how the command of the process must begin for it to hold.
    """

    layer: str
    holds: bool
    reason: str = ""
    remedy: str = ""
    launcher: tuple[str, ...] = ()


class WrongLayers(ValueError):
    """The environment asks for layers that do not exist."""


class ProbeFailed(RuntimeError):
    """The walls could not even be tried."""


class Breached(Exception):
    """A wall was raised without an error, and does not hold."""


def describe() -> tuple[Wall, ...]:
    """Every layer as it was found on this machine, tried once by each process that asks. Raises WrongLayers.

    Example: `[wall.remedy for wall in describe() if not wall.holds]`
    """
    return described(tuple(os.environ.get(ASKED, " ".join(LAYERS)).split()))


@cache
def described(asked: tuple[str, ...]) -> tuple[Wall, ...]:
    """The same where these layers are asked for."""
    if unknown := set(asked) - set(LAYERS):
        raise WrongLayers(f"{ASKED} names no layer with {', '.join(sorted(unknown))}; there are {', '.join(LAYERS)}")
    reasons = _tried(asked, ())
    launched: tuple[str, ...] = ()
    if reasons.get("namespaces") and shutil.which(BUBBLEWRAP[0]):
        with suppress(ProbeFailed):
            helped = _tried(asked, BUBBLEWRAP)
            if not helped["namespaces"]:
                reasons, launched = helped, BUBBLEWRAP
    left_out = {name: Wall(name, False, "it was not asked for", f"unset {ASKED}") for name in LAYERS}
    walls = {
        name: Wall(name, not reason, reason, remedy(name, reason), launched if name == "namespaces" else ())
        for name, reason in reasons.items()
    }
    return tuple((left_out | walls).values())


def _tried(asked: Sequence[str], launched: tuple[str, ...]) -> dict[str, str]:
    """Of each layer that is asked for "" or why it does not hold, in a process that is started like this."""
    command = [*launched, sys.executable, "-P", "-m", __package__, *asked]
    try:
        tried = subprocess.run(
            command, capture_output=True, text=True, timeout=PROBE_SECONDS, check=True, stdin=subprocess.DEVNULL
        )
    except subprocess.SubprocessError as error:
        raise ProbeFailed(f"the sandbox could not be tried: {error} {error.stderr or ''}") from None  # type: ignore[attr-defined]
    reasons: dict[str, str] = json.loads(tried.stdout)
    return reasons


def launcher() -> tuple[str, ...]:
    """How to begin the command of a process whose forks are to have walls: usually with nothing.

    Example: `subprocess.run([*launcher(), sys.executable, "-c", "…"])`
    """
    return next((wall.launcher for wall in describe() if wall.launcher), ())


def layers() -> tuple[Layer, ...]:
    """The layers that hold on this machine.

    Example: `Policy(layers())`
    """
    held = {wall.layer for wall in describe() if wall.holds}
    return tuple(layer for layer in LAYERS if layer in held)


def tier() -> str:
    """The name of the walls that hold on this machine: the best of SAFE_TIERS, or "rlimits", or "none".

    Example: `tier() in SAFE_TIERS`
    """
    return tier_of(layers())


def safe() -> bool:
    """Whether a stranger's code may run on this machine."""
    return tier() in SAFE_TIERS


def probe(candidates: Sequence[Layer]) -> dict[Layer, str]:
    """Try each candidate on top of those that held: "" or the reason why it does not."""
    reasons: dict[Layer, str] = {}
    for layer in candidates:
        held = tuple(name for name, reason in reasons.items() if not reason)
        reasons[layer] = _try(Policy((*held, layer)))
    return reasons


def _try(policy: Policy) -> str:
    """Why these walls do not hold, found out in a child."""
    reading, writing = os.pipe()
    with scratch() as base:
        directory = base / "probe"
        directory.mkdir()
        child = os.fork()
        if not child:
            _run_against(policy, directory, writing)
        os.close(writing)
        with os.fdopen(reading, "rb") as pipe:
            told = pipe.read(4096).decode(errors="replace")
        os.waitpid(child, 0)
    return "" if told == "holds" else told or "the process ended without a word"


def _run_against(policy: Policy, directory: Path, writing: int) -> None:
    """In the child: raise the walls and try to do what they forbid."""
    told = "holds"
    try:
        place = enter(policy, directory)
        (place.home / "file").write_text("written")
        for layer in policy.layers:
            ATTEMPTS[layer](place)
        _need_libraries()
    except (OSError, Breached) as error:
        told = str(error) or type(error).__name__
    except BaseException as error:  # the probe itself is wrong: say so, and never call that a wall
        told = repr(error)
    finally:
        os.write(writing, told.encode()[:4096])
        os._exit(0)


def _need_libraries() -> None:
    for package in ("ctypes", "lookback"):
        if (spec := find_spec(package)) and spec.origin:
            Path(spec.origin).read_bytes()


def _attempt_namespaces(_: Place) -> None:
    if os.getpid() != 1:
        raise Breached("other processes can be seen")
    if Path(__file__).exists():
        raise Breached("the course can be seen")
    if len(Path("/proc/net/dev").read_text().splitlines()) > HEADLINES_AND_LOOPBACK:
        raise Breached("there is a network")


def _attempt_user(_: Place) -> None:
    if os.getuid() < FIRST_USER:
        raise Breached("it shares its user with others")


def _attempt_rlimits(_: Place) -> None:
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_CPU, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        raise Breached("a limit could be raised again")


def _attempt_capabilities(_: Place) -> None:
    if system.capabilities():
        raise Breached("it has capabilities")


def _attempt_landlock(place: Place) -> None:
    with suppress(PermissionError, FileNotFoundError):
        Path(__file__).read_bytes()
        raise Breached("the course can be read")
    with suppress(PermissionError):
        os.mknod(place.home / "device", stat.S_IFCHR)  # number 0:0, which Linux lets everybody make
        raise Breached("it made a device")


def _attempt_seccomp(_: Place) -> None:
    with suppress(PermissionError):
        system.unshare(system.CLONE_NEWUSER)
        raise Breached("it made a namespace")
    with suppress(OSError):
        socket.socket(socket.AF_INET).close()
        raise Breached("it made a socket for the network")


ATTEMPTS: dict[Layer, Callable[[Place], None]] = {
    "namespaces": _attempt_namespaces,
    "user": _attempt_user,
    "rlimits": _attempt_rlimits,
    "capabilities": _attempt_capabilities,
    "landlock": _attempt_landlock,
    "seccomp": _attempt_seccomp,
}
