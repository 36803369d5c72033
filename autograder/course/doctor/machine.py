"""The machine: Python, packages, the GPU, the sandbox, disks."""

from __future__ import annotations

import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

from packaging.requirements import Requirement
from packaging.version import Version

from autograder.course.doctor.finding import Finding
from autograder.engine.gpu import NoDevice, listing

OLDEST_PYTHON, NEWEST_PYTHON = (3, 11), (3, 13)
LEAST_FREE_DISK = 2**30
LEAST_FREE_FILES = 10_000
CONSTRAINTS = Path(__file__).parents[3] / "constraints.txt"
"""The tested versions, where this is a checkout."""
INSTALL = "pip install -c constraints.txt -e '.[instructor]'"


def examine(directory: Path) -> Iterator[Finding]:
    """All that is looked at here."""
    yield _python()
    yield _packages()
    yield _versions()
    yield _nbgrader()
    yield _gpu()
    yield _sandbox()
    yield from _walls()
    yield from _disks(directory)


def _python() -> Finding:
    found = platform.python_version()
    oldest, newest = (".".join(map(str, one)) for one in (OLDEST_PYTHON, NEWEST_PYTHON))
    if sys.version_info < OLDEST_PYTHON:
        return Finding("python", "problem", found, f"install {oldest} or newer")
    if sys.version_info[:2] > NEWEST_PYTHON:
        return Finding("python", "note", f"{found} is newer than what was tested", f"make PYTHON=python{newest}")
    return Finding("python", "ok", found)


def _packages() -> Finding:
    needed = [Requirement(line) for line in requires("lookback-course") or []]
    missing = [
        n.name for n in needed if (not n.marker or n.marker.evaluate({"extra": "instructor"})) and not _has(n.name)
    ]
    if missing:
        return Finding("packages", "problem", f"missing: {', '.join(missing)}", INSTALL)
    return Finding("packages", "ok", "all that an instructor needs")


def _has(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _pinned() -> dict[str, str]:
    """The tested version of each package, nothing where this is no checkout."""
    lines = CONSTRAINTS.read_text().splitlines() if CONSTRAINTS.exists() else []
    found = (Requirement(line) for text in lines if (line := text.split("#")[0].strip()))
    return {one.name: str(one.specifier).removeprefix("==") for one in found}


def _versions() -> Finding:
    if not (pinned := _pinned()):
        return Finding("versions", "note", "no checkout, so no tested versions to compare with")
    found = {name: _has(name) for name in pinned}
    other = [f"{name} {v}, not {pinned[name]}" for name, v in found.items() if v and v.split("+")[0] != pinned[name]]
    if other:
        return Finding("versions", "note", f"other than tested: {'; '.join(other)}", INSTALL)
    return Finding("versions", "ok", "as tested together")


def _nbgrader() -> Finding:
    """Its gradebook and its preprocessors are what the autograder writes and replaces."""
    found, tested = _has("nbgrader"), _pinned().get("nbgrader")
    if not found or not tested or Version(found) == Version(tested):
        return Finding("nbgrader", "ok" if found else "problem", found or "missing", "" if found else INSTALL)
    age = "older" if Version(found) < Version(tested) else "newer"
    return Finding("nbgrader", "note", f"{found} is {age} than {tested}, which was tested", INSTALL)


def _gpu() -> Finding:
    import torch

    listed = _nvidia_smi()
    if torch.cuda.is_available():
        names = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
        return Finding("gpu", "ok", f"{', '.join(names)}; CUDA {torch.version.cuda}{_slices(listed)}")
    if not listed:
        return Finding("gpu", "note", "none; everything runs on the CPU")
    if torch.version.cuda is None:
        found = f"{listed[0]}, but PyTorch {torch.__version__} is built for the CPU"
        return Finding(
            "gpu", "note", found, "install the CUDA build of PyTorch, or go on without: grading needs no GPU"
        )
    found = f"{listed[0]}, but PyTorch for CUDA {torch.version.cuda} cannot use it"
    remedy = (
        "nvidia-smi shows the newest CUDA that the driver knows: renew the driver, or install PyTorch for that CUDA"
    )
    return Finding("gpu", "note", found, remedy)


def _nvidia_smi() -> list[str]:
    """What the driver lists: a line for each GPU, and one for each slice of it that MIG has made."""
    try:
        return [line.split(" (UUID")[0].strip() for line in listing() if "UUID" in line]
    except NoDevice:
        return []


def _slices(listed: list[str]) -> str:
    slices = [line for line in listed if line.startswith("MIG ")]
    return f"; {len(slices)} MIG slices, of which a process sees one" if slices else ""


def _sandbox() -> Finding:
    from autograder.engine.sandbox import safe, tier

    if safe():
        return Finding("sandbox", "ok", tier())
    remedy = "what the walls below say; or grade on a machine, or as a user, that has nothing to lose, with --unsafe"
    return Finding("sandbox", "problem", f"{tier()}: students' code could do what you can", remedy)


def _walls() -> Iterator[Finding]:
    """Each layer of the sandbox."""
    from autograder.engine.sandbox import describe

    for wall in describe():
        subject = f"sandbox: {wall.layer}"
        holds = f"holds, made by {wall.launcher[0]}" if wall.launcher else "holds"
        yield Finding(subject, "ok", holds) if wall.holds else Finding(subject, "note", wall.reason, wall.remedy)


def _disks(directory: Path) -> Iterator[Finding]:
    """Each file system that grading writes to."""
    places = {"course": directory, "journal": directory / "journal", "temporary files": Path(tempfile.gettempdir())}
    systems: dict[int, list[str]] = {}
    for name, path in places.items():
        if path.is_dir():
            systems.setdefault(path.stat().st_dev, []).append(name)
    yield from (_disk(places[names[0]], f"disk: {', '.join(names)}") for names in systems.values())


def _disk(path: Path, subject: str) -> Finding:
    free, system = shutil.disk_usage(path).free, os.statvfs(path)
    if free < LEAST_FREE_DISK:
        return Finding(subject, "problem", f"{free / 2**20:.0f} MiB free", f"free a GiB or more on the disk of {path}")
    if system.f_files and system.f_favail < LEAST_FREE_FILES:
        found = f"room for {system.f_favail:,} more files (inodes)"
        return Finding(subject, "problem", found, f"remove small files from the disk of {path}; df -i shows it")
    return Finding(subject, "ok", f"{free / 2**30:.0f} GiB free")
