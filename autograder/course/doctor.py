"""Is this machine ready to grade this course? Each finding with its remedy."""

from __future__ import annotations

import platform
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Literal

from packaging.requirements import Requirement

from autograder.course.course import Course
from autograder.course.errors import CourseError

OLDEST_PYTHON = (3, 11)
LEAST_FREE_DISK = 2**30
CONSTRAINTS = Path(__file__).parents[2] / "constraints.txt"
"""The tested versions, where this is a checkout."""

Level = Literal["ok", "note", "problem"]


@dataclass(frozen=True)
class Finding:
    """What was found. A "note" does not keep anybody from grading, a "problem" does."""

    subject: str
    level: Level
    found: str
    remedy: str = ""


def examine(directory: Path) -> Iterator[Finding]:
    """Look at everything that grading in this course directory needs.

    Example: `[finding.remedy for finding in examine(Path(".")) if finding.level == "problem"]`
    """
    looks: tuple[Callable[[], Finding], ...] = (_python, _packages, _versions, _kernel, _gpu, _sandbox)
    yield from (look() for look in looks)
    yield from _walls()
    yield _disk(directory)
    yield _configuration(directory)


def _python() -> Finding:
    fine = sys.version_info >= OLDEST_PYTHON
    oldest = ".".join(map(str, OLDEST_PYTHON))
    return Finding(
        "python", "ok" if fine else "problem", platform.python_version(), "" if fine else f"install {oldest}"
    )


def _packages() -> Finding:
    needed = [Requirement(line) for line in requires("lookback-course") or []]
    missing = [
        n.name for n in needed if (not n.marker or n.marker.evaluate({"extra": "instructor"})) and not _has(n.name)
    ]
    if missing:
        return Finding("packages", "problem", f"missing: {', '.join(missing)}", "pip install -e '.[instructor]'")
    return Finding("packages", "ok", "all that an instructor needs")


def _has(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _versions() -> Finding:
    if not CONSTRAINTS.exists():
        return Finding("versions", "note", "no checkout, so no tested versions to compare with")
    lines = (line.split("#")[0].strip() for line in CONSTRAINTS.read_text().splitlines())
    pinned = {one.name: str(one.specifier).removeprefix("==") for one in (Requirement(line) for line in lines if line)}
    found = {name: _has(name) for name in pinned}
    other = [f"{name} {v}, not {pinned[name]}" for name, v in found.items() if v and v.split("+")[0] != pinned[name]]
    if other:
        remedy = "pip install -c constraints.txt -e '.[instructor]'"
        return Finding("versions", "note", f"other than tested: {'; '.join(other)}", remedy)
    return Finding("versions", "ok", "as tested together")


def _kernel() -> Finding:
    from jupyter_client.kernelspec import KernelSpecManager

    kernels = KernelSpecManager().find_kernel_specs()
    if "python3" not in kernels:
        return Finding("kernel", "problem", "no kernel python3", f"{sys.executable} -m ipykernel install --sys-prefix")
    return Finding("kernel", "ok", ", ".join(sorted(kernels)))


def _gpu() -> Finding:
    import torch

    if not torch.cuda.is_available():
        return Finding("gpu", "note", "none; everything runs on the CPU")
    names = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    return Finding("gpu", "ok", ", ".join(names))


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


def _disk(directory: Path) -> Finding:
    free = shutil.disk_usage(directory if directory.exists() else Path.cwd()).free
    if free < LEAST_FREE_DISK:
        return Finding("disk", "problem", f"{free / 2**20:.0f} MiB free", "free a GiB or more")
    return Finding("disk", "ok", f"{free / 2**30:.0f} GiB free")


def _configuration(directory: Path) -> Finding:
    try:
        course = Course(directory)
        known = course.assignments()
        for assignment in known:
            course.source(assignment)
    except CourseError as error:
        return Finding("course", "problem", str(error), "see `autograder release --help`")
    if shutil.which("alembic") is None:
        return Finding("course", "problem", "nbgrader cannot find alembic", "pip install alembic")
    return Finding("course", "ok", f"{len(known)} assignments, gradebook {course.database}")
