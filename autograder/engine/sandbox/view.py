"""What of the file system a student's process may read: the machine's and Python's libraries, never the course."""

from __future__ import annotations

import os
import site
import sys
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

PROGRAMS = ("bin", "include", "lib", "lib32", "lib64", "libexec", "pyvenv.cfg", "sbin", "share")
"""Where programs and libraries are under each of /, /usr, /usr/local and Python's own prefixes. What else is there,
such as /usr/src, may be anybody's."""
SETTINGS = (
    *("/etc/alternatives", "/etc/fonts", "/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/ld.so.conf.d"),
    *("/etc/localtime", "/etc/mime.types", "/etc/timezone"),
)
PROCESSORS = ("/sys/devices/system/cpu", "/sys/devices/system/node")
"""Torch and OpenMP complain on the error stream where they cannot count the processors."""
LIBRARIES = ("site-packages", "dist-packages")
"""Of Python's search path, only these: a package installed with `pip -e` may put a whole course there."""
SHOWN_PACKAGES = ("lookback",)
HIDDEN_PACKAGES = ("autograder", "solutions")
"""Inside the course's checkout all is hidden anyway; here, where they are installed among the libraries."""


@dataclass(frozen=True)
class View:
    """`shown` directories and files may be read, with all that is in them, except what is `hidden` inside them.

    What is shown inside something hidden may be read again.
    """

    shown: frozenset[Path]
    hidden: frozenset[Path]

    def entries(self) -> Iterator[tuple[Path, bool]]:
        """Each path at which it changes what may be read, and whether it may from there on; the outer ones first."""
        kinds = dict.fromkeys(self.shown, True) | dict.fromkeys(self.hidden, False)
        for path in sorted(kinds):
            around = next((kinds[parent] for parent in path.parents if parent in kinds), False)
            if kinds[path] != around:
                yield path, kinds[path]

    def readable(self) -> Iterator[tuple[Path, bool]]:
        """Paths that together make up what may be read; False where only the names in a directory may be."""
        hidden = {path for path, shown in self.entries() if not shown}
        for path, shown in self.entries():
            if shown:
                yield from _without(path, hidden)


def _without(path: Path, hidden: set[Path]) -> Iterator[tuple[Path, bool]]:
    if path in hidden:
        return
    if not any(path in one.parents for one in hidden):
        yield path, True
        return
    yield path, False
    for child in sorted(path.iterdir()):
        if not child.is_symlink():  # what it leads to may be shown elsewhere, or not
            yield from _without(child, hidden)


def view(*, gpu: bool = False) -> View:
    """What this interpreter, and a process forked from it, needs to read.

    Example: `Path("/usr/lib") in view().shown`
    """
    checkout = _checkout()
    libraries = os.environ.get("LD_LIBRARY_PATH", "").split(":")
    prefixes = ("/", "/usr", "/usr/local", sys.prefix, sys.base_prefix)
    wanted = [Path(path) for path in (*SETTINGS, *PROCESSORS, *libraries) if path.startswith("/")]
    wanted += [Path(prefix, name) for prefix in prefixes for name in PROGRAMS]
    wanted += [Path(path) for path in sys.path if Path(path).name in LIBRARIES]
    wanted += [Path("/sys")] if gpu else []
    shown = {path for path in wanted if path.exists()} | _packages(SHOWN_PACKAGES)
    hidden = _packages(HIDDEN_PACKAGES) | ({checkout} if checkout else set())
    root = {Path("/")}
    return View(
        frozenset(_both(shown) - root), frozenset(path for path in _both(hidden) if _within_any(path, shown)) - root
    )


def _checkout() -> Path | None:
    """The root of the course's repository, where this package is run from it."""
    installed = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib"), *site.getsitepackages()}
    root = Path(__file__).resolve().parents[3]
    return None if root in {Path(path).resolve() for path in installed} else root


def _packages(names: tuple[str, ...]) -> set[Path]:
    found = (find_spec(name) for name in names)
    return {Path(place) for spec in found if spec for place in spec.submodule_search_locations or ()}


def _both(paths: set[Path]) -> set[Path]:
    """The paths, and what they are behind symbolic links."""
    return paths | {path.resolve() for path in paths}


def _inside(path: Path, directory: Path) -> bool:
    return directory == path.resolve() or directory in path.resolve().parents


def _within_any(path: Path, directories: set[Path]) -> bool:
    return any(_inside(path, directory.resolve()) for directory in directories)
