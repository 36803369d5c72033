"""A cluster of two hosts, a class to grade on it, and how that class is graded where nothing happens."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from nbformat.v4 import new_code_cell

from autograder.course.classroom import make_class
from autograder.course.course import Course
from autograder.course.gradebook import recording
from autograder.course.notebook import read, write
from tests.cluster.document import Document
from tests.cluster.grading import SEED, Grading, Outcome
from tests.cluster.world import World
from tests.course.small import ASSIGNMENT, write_course
from tests.engine.conftest import WAIT

STUDENTS = 21
LIMITS = {"lookback": {"limits": {"cell_seconds": 5}}}
"""A worker is frozen for longer than that."""


@pytest.fixture(scope="session")
def world(root: Path) -> Iterator[World]:
    """The cluster of docs/cluster.md. What CI can install must be there; no machine can be made to allow networks."""
    if lacking := missing():
        give_up = pytest.fail if os.environ.get("CI") else pytest.skip
        give_up(f"NO CLUSTER IS TESTED: {lacking}")
    if reason := forbidden():
        pytest.skip(
            f"NO CLUSTER IS TESTED: networks cannot be made here ({reason}); as root in a container: --privileged"
        )
    with tempfile.TemporaryDirectory() as place, World(Path(place), Document(root / "docs/cluster.md")) as world:
        yield world


def missing() -> str:
    """What a cluster needs and this machine has not."""
    lacking = [name for name in ("ip", "nsenter", "openssl", "setpriv", "unshare") if not shutil.which(name)]
    return f"{', '.join(lacking)} missing (apt install iproute2 util-linux openssl)" if lacking else ""


def forbidden() -> str:
    """Why hosts with networks of their own cannot be made here."""
    links = "ip link add bridge type bridge && ip link add one type veth peer name two"
    command = [*"unshare --net --mount --pid --fork sh -c".split(), links]
    tried = subprocess.run(command, capture_output=True, text=True, check=False)
    return " ".join(tried.stderr.split()) if tried.returncode else ""


@pytest.fixture(scope="session")
def handed_in(world: World) -> Path:
    """A course in which a class has handed in. Every notebook waits half a second, so that there is work in flight."""
    course = Course(write_course(world.hub.directory / "handed_in"))
    source = read(course.source(ASSIGNMENT))
    source.metadata.update(LIMITS)
    write(source, course.source(ASSIGNMENT))
    made = make_class(course, ASSIGNMENT, STUDENTS, SEED, broken=True)["students"]
    for student, about in made.items():
        path = course.submitted(ASSIGNMENT, student)
        if about["description"].startswith("never ends"):
            shutil.rmtree(path.parents[1])
        elif about["status"] == "graded":
            notebook = read(path)
            notebook.cells.insert(1, new_code_cell(WAIT))  # what stands behind the last answer does not run
            write(notebook, path)
    with recording(course, ASSIGNMENT):
        return course.directory


@pytest.fixture(scope="session")
def calm(world: World, handed_in: Path) -> Outcome:
    """How the class is graded on one machine."""
    run = Grading(world, shutil.copytree(handed_in, handed_in.with_name("calm")), "--workers", "2")
    run.end()
    return run.outcome()


@pytest.fixture
def course(handed_in: Path, request: pytest.FixtureRequest) -> Path:
    """The same class, not graded yet. A file beside the assignment is another one, so that no spool has its results."""
    directory = Path(shutil.copytree(handed_in, handed_in.with_name(request.node.name)))
    (directory / "assignments" / ASSIGNMENT / "name.txt").write_text(request.node.name)
    return directory
