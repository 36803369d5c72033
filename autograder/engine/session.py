"""One submission in its kernels: run the cells, answer the checks, and contain whatever goes wrong to its own exercise.

A cell that raises has run. One that ends the process, floods it with output or does not end is left out from then on:
its exercise is not checked, and where the process is lost a fresh one runs all the other cells again. The process that
answers the checks holds the state after all cells, but each exercise's definition as it stood right after its own cell.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from autograder.checks.request import Answer, Request
from autograder.checks.subject import Answerer, ProgramGone
from autograder.engine.align import Step
from autograder.engine.kernel import CellRun, Died, Kernel, KernelLost
from autograder.engine.limits import Limits, limits_in
from autograder.engine.warm import WarmParent
from autograder.engine.wire import Malformed, decode_answer, encode_request


class Exhausted(Exception):
    """The submission has used up its time or its restarts; the message says which."""


class Session:
    """Runs the steps of a plan. `outputs` are those of each step that ran, by its index.

    `trouble` says of an exercise why it cannot be checked; `notes` are sentences for the instructor. `disturbed` says
    that the process ended during the last exercise after it had answered for others, whose doing it may have been.

    Example:
        session = Session(parent, plan.steps, Limits(), seed=7, device="cpu")
        session.run()
        bank.grade("soft_lookup", session.answerer("soft_lookup"), seed=7)
        session.close()
    """

    def __init__(self, parent: WarmParent, steps: Sequence[Step], limits: Limits, *, seed: int, device: str) -> None:
        self._parent, self._steps, self._limits, self._seed, self._device = parent, steps, limits, seed, device
        self._end = time.monotonic() + limits.submission_seconds
        self._kernel: Kernel | None = None
        self._kernels = 0
        self._ran: list[int] = []
        self._asked: set[str] = set()
        self.disturbed = False
        self.cpu_seconds = 0.0
        self.outputs: dict[int, list[dict[str, Any]]] = {}
        self.trouble: dict[str, str] = {}
        self.notes: list[str] = []

    def run(self) -> None:
        """Run every cell that the plan wants to run."""
        for place, step in enumerate(self._steps):
            if not step.runs:
                continue
            try:
                self._run(place)
            except Exhausted as reason:
                self._left_out(place, f"did not run: {reason}")

    def answerer(self, exercise: str) -> Answerer:
        """What answers the requests of the checks of an exercise. Raises ProgramGone where it no longer can."""
        self.disturbed = False
        own = next((step for step in self._steps if step.role == "answer" and step.name == exercise), None)
        limits = self._own_limits(own) if own else self._limits

        def answer(request: Request) -> Answer:
            try:
                kernel = self._ready()
                self._asked.add(exercise)
                data = encode_request(request)
                longest = kernel.longest_reply(data, limits)
                return decode_answer(kernel.ask(data, longest, self._timed(limits)), request, longest)
            except KernelLost as error:
                self.disturbed = isinstance(error, Died) and bool(self._asked - {exercise})
                self._drop()
                raise ProgramGone(f"the program {error}") from None
            except Malformed as error:
                self._drop()
                raise ProgramGone(f"no answer that can be read: {error}") from None
            except Exhausted as error:
                raise ProgramGone(str(error)) from None

        return answer

    def close(self) -> None:
        """End the process, and add up its CPU seconds."""
        self._drop()

    def _run(self, place: int) -> None:
        step = self._steps[place]
        kernel = self._ready()
        try:
            run = self._execute(kernel, place)
        except KernelLost as error:
            self._drop()
            self._left_out(place, str(error))
            return
        self.outputs[place] = run.outputs
        if run.interrupted:
            self._left_out(place, f"did not end within {self._own_limits(step).cell_seconds:g} seconds")
            return
        self._ran.append(place)
        if run.error:
            self.notes.append(f"{step} raised {run.error}")

    def _execute(self, kernel: Kernel, place: int) -> CellRun:
        """Run a cell, and keep what it defines if it is an answer."""
        step = self._steps[place]
        limits = self._timed(self._own_limits(step))
        run = kernel.execute(step.source, limits)
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
            self._kernel = Kernel(self._parent, self._limits, seed=self._seed, device=self._device)
            for place in list(self._ran):
                try:
                    run = self._execute(self._kernel, place)
                except KernelLost as error:
                    self._drop()
                    self._forget(place, str(error))
                    break
                if run.interrupted:
                    self._forget(place, "did not end")
        return self._kernel

    def _drop(self) -> None:
        if self._kernel is not None:
            self.cpu_seconds += self._kernel.close()
            self._kernel = None
            self._asked = set()

    def _forget(self, place: int, reason: str) -> None:
        self._ran.remove(place)
        self._left_out(place, f"{reason} when it ran again")

    def _left_out(self, place: int, reason: str) -> None:
        step = self._steps[place]
        self.notes.append(f"{step} {reason}.")
        if step.role == "answer":
            self.trouble[step.name] = f"It was not checked: its cell {reason}."

    def _own_limits(self, step: Step) -> Limits:
        return self._limits.changed(limits_in(step.metadata))

    def _timed(self, limits: Limits) -> Limits:
        """The limits, within what is left of the submission's time. Raises Exhausted."""
        left = self._end - time.monotonic()
        if left <= 0:
            raise Exhausted(f"the submission had used its {self._limits.submission_seconds:g} seconds")
        return limits.within(left)
