"""`autograder grade`, ended by SIGKILL at random moments: what the gradebook holds afterwards, and what is left.

A round has five moments, one for each kind of process. `LOOKBACK_ROUNDS=4 pytest -s tests/course/test_kills.py` has
twenty, and says which.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import psutil
import pytest

from autograder.course.classroom import make_class
from autograder.course.course import Course
from tests.course.small import ASSIGNMENT, EXERCISES, grades, write_course
from tests.leftovers import left

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("kills"), pytest.mark.timeout(1200)]
RECOVERABLE = ("kernel", "parent", "worker")
"""What the engine replaces by itself. The end of the coordinator, or of everything, needs a second run."""
ROUNDS = range(int(os.environ.get("LOOKBACK_ROUNDS", 1)))
STUDENTS, SEED = 6, 3
GLANCE_SECONDS = 0.02
LONGEST_RUN = 600


class State(NamedTuple):
    """How far a run has come: how many submissions are in the journal, and what kinds of process there are."""

    graded: int
    kinds: frozenset[str]


class Moment(NamedTuple):
    """So many seconds after a run has come as far as its state of this number."""

    kind: str
    state: int
    seconds: float


class Run:
    """`autograder grade` in a process of its own, and all that it starts; `temporary` is for their files."""

    def __init__(self, course: Path, temporary: Path) -> None:
        self._journal = course / "journal" / f"{ASSIGNMENT}.jsonl"
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115 (as long-lived as the process)
        command = [Path(sys.executable).with_name("autograder"), "grade", ASSIGNMENT, "--seed", str(SEED)]
        self.process = psutil.Popen(
            [*command, "--workers", "2", "--course", str(course)],
            env={**os.environ, "TMPDIR": str(temporary)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=self._errors,
        )

    def state(self) -> State:
        """How far it has come."""
        graded = self._journal.read_bytes().count(b"\n") if self._journal.exists() else 0
        return State(graded, frozenset(self.running()))

    def running(self) -> dict[str, list[psutil.Process]]:
        """The processes of each kind. A kernel is two: one waits outside of the walls, the other is inside.

        Helpers are those that try the walls, nbgrader's, and Python's own.
        """
        found: dict[str, list[psutil.Process]] = {"coordinator": [self.process], "everything": [self.process]}
        with suppress(psutil.NoSuchProcess):
            found["everything"] += self.process.children(recursive=True)
        parents = set()
        for process in found["everything"]:
            with suppress(psutil.NoSuchProcess, psutil.ZombieProcess):
                command, above = process.cmdline(), process.ppid()
                if "autograder.engine.parent" in command:
                    kind = "kernel" if above in parents else "parent"
                    parents.add(process.pid)
                    found.setdefault(kind, []).append(process)
                elif process.pid != self.process.pid:
                    kind = "worker" if any("spawn_main" in word for word in command) else "helper"
                    found.setdefault(kind, []).append(process)
        return found

    def kill(self, moment: Moment, states: Sequence[State], draw: random.Random) -> None:
        """Kill one process of the kind, or everything, at the moment, or as soon as that state is over.

        `states` are those that a run goes through.
        """
        self._wait(lambda: self._has_come_to(moment, states))
        until, state = time.monotonic() + moment.seconds, self.state()
        self._wait(lambda: time.monotonic() > until or self.state() != state)
        found: list[psutil.Process] = []
        self._wait(lambda: bool(found.extend(self.running().get(moment.kind, [])) or found))
        print(f"{moment.kind}: {moment.seconds:.2f} s into state {moment.state} of {len(states)}, {state}")
        for process in draw.sample(found, len(found) if moment.kind == "everything" else 1):
            with suppress(psutil.NoSuchProcess):
                process.kill()

    def _has_come_to(self, moment: Moment, states: Sequence[State]) -> bool:
        state = self.state()
        return state in states[moment.state :] or state.graded > states[moment.state].graded

    def _wait(self, condition: Callable[[], bool]) -> None:
        while not condition():
            assert self.process.poll() is None, "it ended before it could be killed"
            time.sleep(GLANCE_SECONDS)

    def end(self) -> None:
        """Wait until it has graded everybody."""
        self.process.wait(LONGEST_RUN)
        self._errors.seek(0)
        assert self.process.returncode == 0, self._errors.read()


@dataclass(frozen=True)
class Calm:
    """A run that nothing disturbs: the course before it, the gradebook after it, and what it went through."""

    course: Path
    contents: dict[str, list[str]]
    states: list[State]
    moments: list[Moment]

    def moment(self, kind: str, draw: random.Random) -> Moment:
        """A moment at which there is such a process, and which is not the end of all."""
        last = STUDENTS - 2 if kind in RECOVERABLE else STUDENTS
        states = [n for n, state in enumerate(self.states[:-1]) if state.graded <= last and kind in state.kinds]
        state = draw.choice(states)  # the long and the short ones alike
        return draw.choice([moment for moment in self.moments if (moment.kind, moment.state) == (kind, state)])


@pytest.fixture(scope="module")
def calm(tmp_path_factory: pytest.TempPathFactory) -> Calm:
    made = Course(write_course(tmp_path_factory.mktemp("kills") / "made"))
    record = make_class(made, ASSIGNMENT, STUDENTS, SEED)["students"]
    course = Path(shutil.copytree(made.directory, made.directory.with_name("calm")))
    moments: list[Moment] = []
    states: list[State] = []
    with tempfile.TemporaryDirectory() as temporary:
        run = Run(course, Path(temporary))
        while run.process.poll() is None:
            state, now = run.state(), time.monotonic()
            if not states or state != states[-1]:
                states.append(state)
                since = now
            moments += [Moment(kind, len(states) - 1, now - since) for kind in state.kinds]
            time.sleep(2 * GLANCE_SECONDS)
        run.end()
        assert left(Path(temporary)) == []
    points = {
        student: {name: one["grades"][f"check_{name}"][0] for name in EXERCISES}
        for student, one in grades(f"sqlite:///{course}/gradebook.db").items()
    }
    assert points == {student: one["points"] for student, one in record.items()}
    return Calm(made.directory, contents(course), states, moments)


def contents(course: Path) -> dict[str, list[str]]:
    """Every row of every table of the gradebook. Ids are drawn anew each time: for one stands the row that has it."""
    with sqlite3.connect(course / "gradebook.db") as database:
        database.row_factory = sqlite3.Row
        tables = [name for (name,) in database.execute("select name from sqlite_master where type = 'table'")]
        rows = {table: [dict(row) for row in database.execute(f"select * from {table}")] for table in tables}
    known: dict[str, dict[str, Any]] = {}
    for row in (row for table in tables for row in rows[table] if len(str(row.get("id", ""))) == 32):
        known[row["id"]] = known.get(row["id"], {}) | {name: row[name] for name in row if name != "id"}

    def spelt_out(value: Any) -> Any:
        return {n: spelt_out(v) for n, v in known[value].items()} if value in known else value

    return {
        table: sorted(json.dumps({name: spelt_out(row[name]) for name in row}, sort_keys=True) for row in rows[table])
        for table in tables
    }


@pytest.fixture
def course(calm: Calm, tmp_path: Path) -> Path:
    """The same course, in which nothing has been graded."""
    return Path(shutil.copytree(calm.course, tmp_path / "course"))


@pytest.mark.parametrize("number", ROUNDS)
def test_a_kernel_a_parent_and_a_worker_that_are_killed_are_replaced(
    number: int, calm: Calm, course: Path, temporary: Path
) -> None:
    draw = random.Random(number)
    run = Run(course, temporary)
    for moment in sorted((calm.moment(kind, draw) for kind in RECOVERABLE), key=lambda moment: moment.state):
        run.kill(moment, calm.states, draw)
    run.end()
    assert contents(course) == calm.contents
    if left(temporary):  # that of a parent which was killed last
        run = Run(course, temporary)
        run.end()
        assert left(temporary) == []


@pytest.mark.parametrize("number", ROUNDS)
def test_a_second_run_makes_good_what_a_kill_broke_off(number: int, calm: Calm, course: Path, temporary: Path) -> None:
    draw = random.Random(number)
    for kind in draw.sample(["coordinator", "everything"], 2):
        run = Run(course, temporary)
        run.kill(calm.moment(kind, draw), calm.states, draw)
        run.process.wait(LONGEST_RUN)
    run = Run(course, temporary)
    run.end()
    assert contents(course) == calm.contents
    assert left(temporary) == []
