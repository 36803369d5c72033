"""`autograder grade` on the hub, as a process, and what comes of it."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.cluster.world import World, program, wait_for
from tests.course.small import ASSIGNMENT, grades

SEED = 3
LONGEST_RUN = 300


@dataclass(frozen=True)
class Outcome:
    """What is kept of a class that was graded, by student: the journal's verdicts and notebooks, and the gradebook."""

    journal: dict[str, Any]
    gradebook: dict[str, Any]


class Grading:
    """The command on a copy of the class."""

    def __init__(self, world: World, course: Path, *options: str, **environment: str) -> None:
        self.world, self.course = world, course
        self._journal = course / "journal" / f"{ASSIGNMENT}.jsonl"
        self._before = {host: len(host.begun()) for host in world.hosts.values()}
        self.start(*options, **environment)

    def start(self, *options: str, **environment: str) -> None:
        """Run the command, or run it again."""
        command = [program("autograder"), "grade", ASSIGNMENT, "--seed", str(SEED), "--course", str(self.course)]
        inside = self.world.hub.inside(*command, *options, part=["--net"])
        with (self.course / "output").open("ab") as output:
            self.process = subprocess.Popen(
                inside,
                env=self.world.hub.environment | environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )

    def recorded(self) -> list[dict[str, Any]]:
        """The lines of the journal that are whole."""
        lines = self._journal.read_bytes().splitlines(keepends=True) if self._journal.exists() else []
        return [json.loads(line) for line in lines if line.endswith(b"\n")]

    def wait_for_share(self, share: float, of: Outcome) -> None:
        """Return once so much of the class is in the journal."""
        self.wait_until(lambda: len(self.recorded()) >= share * len(of.journal), f"{share:.0%} of the class")

    def wait_until(self, condition: Callable[[], object], what: str) -> None:
        wait_for(lambda: condition() or self.over, what)
        assert not self.over, f"it ended before {what}: {self.output()}"

    @property
    def over(self) -> bool:
        return self.process.poll() is not None

    def ends_within(self, seconds: float) -> bool:
        """Wait so long, or until it has ended."""
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(seconds)
        return self.over

    def output(self) -> str:
        return (self.course / "output").read_text(encoding="utf-8")

    def end(self, code: int = 0) -> None:
        """Wait until it has ended, as a rule because it has graded everybody."""
        self.process.wait(LONGEST_RUN)
        assert self.process.returncode == code, self.output()

    def outcome(self) -> Outcome:
        """What is kept, but for times. Raises AssertionError where a submission is in the journal twice."""
        journal: dict[str, Any] = {}
        for line in self.recorded():
            verdict = {name: value for name, value in line["verdict"].items() if not name.endswith("_seconds")}
            student = verdict["student"]
            assert student not in journal, f"{student} was recorded twice"
            journal[student] = {"verdict": verdict, "notebook": line["notebook"]}
        return Outcome(journal, grades(f"sqlite:///{self.course}/gradebook.db"))

    def begun(self) -> list[str]:
        """The keys of what workers have begun since the command was first run, each as often as they have."""
        return [key for host, before in self._before.items() for key in host.begun()[before:]]
