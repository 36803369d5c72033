"""One submission in its kernels: run the cells, answer the checks, and contain whatever goes wrong to its own exercise.

A cell that raises has run. One that ends the process, takes all its memory, floods it with output or does not end is
left out from then on: its exercise is not checked, and where the process is lost a fresh one runs all the other cells
again. Where a process ends, the machine may have killed it: only what ends a second one is held to be the cause. The
process that answers the checks holds the state after all cells, but each exercise's definition as it stood right after
its own cell.
"""

from __future__ import annotations

import time
from collections import defaultdict, deque
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, TypeAlias

from autograder.bank import requests_of
from autograder.checks.request import Answer, Request
from autograder.checks.subject import Answerer, ProgramGone
from autograder.engine.align import Step
from autograder.engine.kernel import CellRun, Died, Kernel, KernelLost, OutOfMemory
from autograder.engine.limits import Limits, limits_in
from autograder.engine.warm import ParentGone, WarmParent
from autograder.engine.wire import Malformed, decode_answer, encode_request

Script: TypeAlias = Sequence[tuple[Request, bytes]]
"""Requests, and each as it is sent."""


@lru_cache(maxsize=64)
def script_of(assignment: str, exercise: str, seed: int) -> Script:
    """What a right program is asked in the checks of one exercise: the same for a whole class."""
    return [(request, encode_request(request)) for request in requests_of(assignment, exercise, seed)]


class Exhausted(Exception):
    """The submission has used up its time or its restarts; the message says which."""


class Session:
    """Runs the steps of a plan, with `files` in the working directory. `outputs` are those of each step that ran.

    `environment` is what the processes find in theirs besides what all do. `tests` are how the test cells ended, by
    name; `trouble` says of an exercise why it cannot be checked; `notes` are sentences for the instructor, `log` is
    what happened when.

    Example:
        session = Session(parent, plan.steps, Limits(), seed=7, device="cpu")
        session.run()
        bank.grade("soft_lookup", session.answerer("soft_lookup"), seed=7)
        session.close()
    """

    def __init__(
        self,
        parent: WarmParent,
        steps: Sequence[Step],
        limits: Limits,
        *,
        seed: int,
        device: str,
        environment: Mapping[str, str] = {},
        files: Mapping[str, bytes] = {},
    ) -> None:
        self._parent, self._steps, self._limits, self._seed, self._device = parent, steps, limits, seed, device
        self._environment, self._files = environment, files
        self._start = time.monotonic()
        self._end = self._start + limits.submission_seconds
        self._kernel: Kernel | None = None
        self._kernels = 0
        self._ran: list[int] = []
        self._endings: set[int | str] = set()
        self.cpu_seconds = 0.0
        self.outputs: dict[int, list[dict[str, Any]]] = {}
        self.trouble: dict[str, str] = {}
        self.tests: dict[str, CellRun] = {}
        self.notes: list[str] = []
        self.log: list[str] = []

    def run(self) -> None:
        """Run every cell that the plan wants to run."""
        for place, step in enumerate(self._steps):
            if not step.runs:
                continue
            try:
                self._run(place)
            except Exhausted as reason:
                self._left_out(place, f"did not run: {reason}")

    def answerer(self, exercise: str, script: Script = ()) -> Answerer:
        """What answers the requests of the checks of an exercise. Raises ProgramGone where it no longer can.

        script: the requests that a right program meets. They are sent in one message, since each message costs a
        millisecond; where the program does not survive them they are asked one by one, to see which it was.
        """
        own = next((step for step in self._steps if step.role == "answer" and step.name == exercise), None)
        limits = self._own_limits(own) if own else self._limits
        known: dict[bytes, deque[Answer]] = defaultdict(deque)

        def ask(requests: Sequence[Request], encoded: Sequence[bytes]) -> list[Answer]:
            kernel = self._ready()
            longest = [kernel.longest_reply(data, limits) for data in encoded]
            replies = kernel.ask(encoded, longest, self._timed(limits))
            return [decode_answer(*answer) for answer in zip(replies, requests, longest, strict=True)]

        def ask_ahead() -> None:
            encoded = [data for _, data in script]
            try:
                answers = ask([request for request, _ in script], encoded)
            except (KernelLost, Malformed) as error:
                self._ended(exercise, error)
                return
            for data, answer in zip(encoded, answers, strict=True):
                known[data].append(answer)

        def answer(request: Request) -> Answer:
            nonlocal script
            data = encode_request(request)
            try:
                if script:
                    ask_ahead()
                    script = ()
                return known[data].popleft() if known[data] else ask([request], [data])[0]
            except KernelLost as error:
                if self._ended(exercise, error):
                    return answer(request)
                raise ProgramGone(f"the program {error}") from None
            except Malformed as error:
                self._drop()
                raise ProgramGone(f"no answer that can be read: {error}") from None
            except Exhausted as error:
                raise ProgramGone(str(error)) from None

        return answer

    def event(self, text: str) -> None:
        """Add a line to the log."""
        self.log.append(f"{time.monotonic() - self._start:9.3f} s  {text}")

    def close(self) -> None:
        """End the process, and add up its CPU seconds."""
        self._drop()

    def _run(self, place: int) -> None:
        step = self._steps[place]
        kernel = self._ready()
        try:
            run = self._execute(kernel, place)
        except KernelLost as error:
            if self._ended(place, error):
                self._run(place)
            else:
                self._left_out(place, str(error))
            return
        self.outputs[place] = run.outputs
        if run.interrupted:
            self._left_out(place, f"did not end within {self._own_limits(step).cell_seconds:g} seconds")
            return
        self._ran.append(place)
        self.event(f"{step} {f'raised {run.error}' if run.error else 'ran'}")
        if step.role == "test":
            self.tests[step.name] = run
        elif run.error:
            self.notes.append(f"{step} raised {run.error}")

    def _execute(self, kernel: Kernel, place: int) -> CellRun:
        """Run a cell, and keep what it defines if it is an answer."""
        step = self._steps[place]
        limits = self._timed(self._own_limits(step))
        run = kernel.execute(step.source, limits)
        if run.error.startswith("MemoryError") and kernel.execute(_allocation(limits), limits).error:
            raise OutOfMemory  # it keeps what the cells and checks that follow need
        if step.role == "answer" and not kernel.keep(step.name, limits) and run.error:
            self.trouble[step.name] = f"Its cell does not define it, for it raised {run.error}"
        return run

    def _ready(self) -> Kernel:
        """A kernel in which every cell has run that could. Raises Exhausted."""
        while self._kernel is None:
            if self._kernels > self._limits.restarts:
                raise Exhausted(f"its process was lost {self._kernels} times")
            self._kernels += 1
            self._timed(self._limits)
            self._kernel = Kernel(
                self._parent, self._limits, seed=self._seed, device=self._device, environment=self._environment
            )
            self._prepare(self._kernel)
            for place in list(self._ran):
                try:
                    run = self._execute(self._kernel, place)
                except KernelLost as error:
                    if not self._ended(place, error):
                        self._forget(place, str(error))
                    break
                if run.interrupted:
                    self._forget(place, "did not end")
        return self._kernel

    def _prepare(self, kernel: Kernel) -> None:
        """Put the files in place, before anything of the student runs. Raises ParentGone."""
        try:
            if self._files:
                kernel.put(self._files, self._limits)
        except KernelLost as error:
            self._drop()
            raise ParentGone(f"a kernel did not take the files of the assignment: it {error}") from None
        self.event(f"process {self._kernels} started")

    def _drop(self) -> None:
        kernel, self._kernel = self._kernel, None  # first, for a parent that is gone cannot end it
        if kernel is not None:
            self.cpu_seconds += kernel.close()
            self.event(f"process {self._kernels} ended")

    def _ended(self, where: int | str, error: Exception) -> bool:
        """Drop the process that a step, by its place, or an exercise has lost; whether to try that once more."""
        self._drop()
        again = isinstance(error, Died) and where not in self._endings
        self._endings.add(where)
        if again:
            what = self._steps[where] if isinstance(where, int) else where
            self.event(f"{what} {error}, and is tried once more: the machine may have killed it")
        return again

    def _forget(self, place: int, reason: str) -> None:
        self._ran.remove(place)
        self._left_out(place, f"{reason} when it ran again")

    def _left_out(self, place: int, reason: str) -> None:
        step = self._steps[place]
        self.notes.append(f"{step} {reason}.")
        self.event(self.notes[-1])
        if step.role in ("answer", "test"):
            self.trouble[step.name] = f"It was not checked: its cell {reason}."

    def _own_limits(self, step: Step) -> Limits:
        return self._limits.changed(limits_in(step.metadata))

    def _timed(self, limits: Limits) -> Limits:
        """The limits, within what is left of the submission's time. Raises Exhausted."""
        left = self._end - time.monotonic()
        if left <= 0:
            raise Exhausted(f"the submission had used its {self._limits.submission_seconds:g} seconds")
        return limits.within(left)


def _allocation(limits: Limits) -> str:
    """A cell that asks for most of the memory that a process may have, and raises where others hold it."""
    return f"__import__('builtins').bytes({limits.memory_bytes * 3 // 4}); None"
