"""Grade a class in a pool: worker processes of this machine, each with its own warm parent, or a cluster's."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Future, ProcessPoolExecutor, wait
from typing import Protocol, Self

from autograder.engine.job import Graded, Job, failed
from autograder.engine.journal import Journal, job_key
from autograder.engine.process import die_with

AHEAD = 2
"""Submissions in the pool for each worker: it need not wait for its next one while a result is recorded."""


class Pool(Protocol):
    """Where submissions are graded, any number at a time; it wants at most `room` of them. `where` tells a person.

    A future raises BrokenExecutor where the process that graded has ended, perhaps by the submission.
    """

    @property
    def room(self) -> int: ...

    @property
    def where(self) -> str: ...

    def submit(self, job: Job) -> Future[Graded]: ...


def grade_class(jobs: Iterable[Job], pool: Pool, *, journal: Journal | None = None) -> Generator[Graded, None, None]:
    """Grade every job, and yield each result as it comes: first those that the journal already has.

    Nothing that a submission does stops the class: where a worker is lost, its submissions are tried once more, alone,
    and one that loses its worker again gets the status "failed" with the reason. A result is in the journal before it
    is yielded; one that failed is not, so that the next run tries it again.

    Example: `for graded in grade_class(jobs, LocalPool(2)): print(graded.verdict.student, graded.verdict.points)`
    """
    waiting: deque[Job] = deque()
    for job in jobs:
        if journal is not None and (known := journal.get(job_key(job))) is not None:
            yield known
        else:
            waiting.append(job)
    suspects: deque[Job] = deque()
    lost: deque[Job] = deque()
    for jobs_left, given_up, alone in ((waiting, suspects, False), (suspects, lost, True)):
        for job, graded in _graded(jobs_left, given_up, pool, alone=alone):
            if journal is not None and graded.verdict.status != "failed":
                journal.record(job_key(job), graded)
            yield graded
    for job in lost:
        yield failed(job, "its worker ended twice without a verdict; the submission, or the machine, kills it")


def _graded(waiting: deque[Job], given_up: deque[Job], pool: Pool, *, alone: bool) -> Iterator[tuple[Job, Graded]]:
    """Results as they come. Those whose worker ended go to `given_up`."""
    running: dict[Future[Graded], Job] = {}
    while waiting or running:
        while waiting and len(running) < (1 if alone else pool.room):
            running[pool.submit(waiting[0])] = waiting[0]
            waiting.popleft()
        for done in wait(running, return_when=FIRST_COMPLETED).done:
            job = running.pop(done)
            try:
                graded = done.result()
            except BrokenExecutor:
                given_up.append(job)
            else:
                yield job, graded


class LocalPool:
    """Worker processes of this machine, started as they are needed. To close it does not wait for what still runs.

    Example: `with LocalPool(workers=2) as pool: pool.submit(job).result().verdict.points`
    """

    def __init__(self, workers: int) -> None:
        self._workers = workers
        self._running: set[Future[Graded]] = set()
        self._others = multiprocessing.active_children()
        self._executor = self._started()

    @property
    def room(self) -> int:
        return self._workers * AHEAD

    @property
    def where(self) -> str:
        return f"{self._workers} worker{'s' if self._workers > 1 else ''} here"

    def submit(self, job: Job) -> Future[Graded]:
        """The result to come. All that is in the pool raises BrokenExecutor where one of its processes ends."""
        try:
            future = self._executor.submit(work, job)
        except BrokenExecutor:
            self._executor.shutdown()
            self._executor = self._started()
            future = self._executor.submit(work, job)
        self._running.add(future)
        future.add_done_callback(self._running.discard)
        return future

    def close(self) -> None:
        """End the workers."""
        if self._running:
            for worker in multiprocessing.active_children():
                if worker not in self._others:
                    worker.kill()
        self._executor.shutdown(cancel_futures=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _started(self) -> ProcessPoolExecutor:
        spawn = multiprocessing.get_context("spawn")
        return ProcessPoolExecutor(self._workers, spawn, _start_worker, (os.getpid(),))


def _start_worker(coordinator: int) -> None:
    die_with(coordinator)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # an interrupt at the terminal is for the coordinator


def work(job: Job) -> Graded:
    """Grade one submission in this process: a worker of a class, or one that stays."""
    # here, for with it come PyTorch and the bank, which the coordinator does without
    from autograder.engine.worker import grade_with_parent

    return grade_with_parent(job)
