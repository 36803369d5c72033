"""Run code behind walls: in a process with one thread, as whoever runs the tests or as an ordinary user."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from autograder.engine.limits import Limits
from autograder.engine.sandbox import LAYERS, Layer, Policy, describe, enter, system, walls
from autograder.engine.sandbox.view import View

ROOT = Path(__file__).resolve().parents[3]
ORDINARY = 61_000
SECONDS = 60

TRY = """
import errno
def attempt(action, *arguments):
    try:
        action(*arguments)
    except OSError as error:
        return errno.errorcode.get(error.errno, type(error).__name__)
    return "done"
"""
CALL = (
    TRY
    + """
import ctypes, os
from autograder.engine.sandbox.syscalls import numbers
library = ctypes.CDLL(None, use_errno=True)
def call(name, *arguments):
    if library.syscall(ctypes.c_long(numbers().get(name, name)), *map(ctypes.c_long, arguments)) < 0:
        raise OSError(ctypes.get_errno(), name)
"""
)


@dataclass(frozen=True)
class World:
    """The walls that a test runs behind, and the user that raises them."""

    layers: tuple[Layer, ...]
    ordinary: bool

    @property
    def isolated(self) -> bool:
        return "namespaces" in self.layers

    def __str__(self) -> str:
        return f"{'with' if self.isolated else 'without'} namespaces, {'ordinary user' if self.ordinary else 'as I am'}"


ALONE: tuple[Layer, ...] = ("rlimits", "capabilities", "landlock", "seccomp")
WORLDS = [
    World(LAYERS if os.getuid() == 0 else ("namespaces", *ALONE), ordinary=False),
    World(ALONE, ordinary=False),
    *([World(("namespaces", *ALONE), ordinary=True), World(ALONE, ordinary=True)] if os.getuid() == 0 else []),
]


def missing(world: World) -> str:
    """Why this machine does not have the world's walls, "" where it has."""
    found = [f"{wall.layer}: {wall.reason}" for wall in describe() if wall.layer in world.layers and not wall.holds]
    return "; ".join(found)


def start(world: World, code: str, *arguments: str, limits: Limits, view: View | None = None) -> subprocess.Popen[str]:
    """Run `code` behind the walls. It finds `place` and `arguments`, and its error stream is its output."""
    order = {"layers": world.layers, "ordinary": world.ordinary, "code": code, "arguments": arguments}
    order["limits"] = vars(limits)
    order["view"] = [sorted(map(str, paths)) for paths in (view.shown, view.hidden)] if view else None
    command = [sys.executable, "-m", "tests.engine.sandbox.behind", json.dumps(order)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=ROOT)


def run(
    world: World, code: str, *arguments: str, limits: Limits | None = None, view: View | None = None
) -> tuple[int, str]:
    """How the code ended behind the walls, and what it printed."""
    with start(world, code, *arguments, limits=limits or Limits(), view=view) as process:
        output = process.communicate(timeout=SECONDS)[0]
    return process.returncode, output.strip()


def become_ordinary(needed: Sequence[str]) -> None:
    """Become an ordinary user for whom these paths can be reached, even in a home that is closed to others."""
    show([path for path in sorted(map(Path, needed)) if closed(path)])
    os.setgroups([])
    os.setresgid(ORDINARY, ORDINARY, ORDINARY)
    os.setresuid(ORDINARY, ORDINARY, ORDINARY)
    system.prctl(system.PR_SET_DUMPABLE, 1)  # as it is after a login


def show(paths: Sequence[Path]) -> None:
    """Show this process, in a mount namespace of its own, these paths in directories that everybody may enter."""
    system.unshare(system.CLONE_NEWNS)
    system.mount("none", Path("/"), "", system.MS_REC | system.MS_PRIVATE)
    aside = {path: Path(tempfile.mkdtemp()) for path in paths}
    for path, place in aside.items():
        system.mount(path, place, "", system.MS_BIND | system.MS_REC)
    for outermost in {closed(path)[-1] for path in aside}:
        system.mount("tmpfs", outermost, "tmpfs", 0, "mode=755")
    for path, place in aside.items():
        path.mkdir(parents=True, exist_ok=True)
        system.mount(place, path, "", system.MS_BIND | system.MS_REC)
        system.umount(place)
        place.rmdir()


def closed(path: Path) -> list[Path]:
    """The directories above a path that others may not enter, the innermost first."""
    return [parent for parent in path.parents if not parent.stat().st_mode & 1]


def open_way(directory: Path) -> None:
    """Let every user of the machine get to what is in this directory, as far as the directories are ours."""
    for path in (directory, *directory.parents):
        if path.stat().st_uid == os.getuid() and path.parent != path:
            path.chmod(path.stat().st_mode | 0o055)


def main() -> None:
    order = json.loads(sys.argv[1])
    if order["ordinary"]:
        become_ordinary([sys.base_prefix])
    if order["view"]:
        shown, hidden = (frozenset(map(Path, paths)) for paths in order["view"])
        vars(walls)["view"] = lambda **_: View(shown, hidden)
    base = Path(tempfile.mkdtemp())
    directory = base / "kernel"
    directory.mkdir()
    place = enter(Policy(tuple(order["layers"]), Limits(**order["limits"])), directory)
    os.chdir(place.home)
    try:
        exec(order["code"], {"place": place, "arguments": order["arguments"]})
    except BaseException:
        traceback.print_exc(limit=0)
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
