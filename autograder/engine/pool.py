"""Grade a class on worker processes, each with its own warm parent."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool

from autograder.engine.job import Graded, Job, failed
from autograder.engine.journal import Journal, job_key
from autograder.engine.process import die_with

AHEAD = 2
"""Submissions in the pool for each worker: it need not wait for its next one while a result is recorded."""


def grade_class(jobs: Iterable[Job], *, workers: int, journal: Journal | None = None) -> Generator[Graded, None, None]:
    """Grade every job, and yield each result as it comes: first those that the journal already has.

    Nothing that a submission does stops the class: where a worker is lost, its submissions are tried once more, alone,
    and one that loses its worker again gets the status "failed" with the reason. A result is in the journal before it
    is yielded; one that failed is not, so that the next run tries it again. Closing the generator ends the workers.

    Example: `for graded in grade_class(jobs, workers=2): print(graded.verdict.student, graded.verdict.points)`
    """
    waiting: deque[Job] = deque()
    for job in jobs:
        if journal is not None and (known := journal.get(job_key(job))) is not None:
            yield known
        else:
            waiting.append(job)
    suspects: deque[Job] = deque()
    lost: deque[Job] = deque()
    for jobs_left, given_up, width, ahead in ((waiting, suspects, workers, AHEAD), (suspects, lost, 1, 1)):
        for job, graded in _graded(jobs_left, given_up, width, width * ahead):
            if journal is not None and graded.verdict.status != "failed":
                journal.record(job_key(job), graded)
            yield graded
    for job in lost:
        yield failed(job, "its worker ended twice without a verdict; the submission, or the machine, kills it")


def _graded(waiting: deque[Job], given_up: deque[Job], workers: int, most: int) -> Iterator[tuple[Job, Graded]]:
    """Results as they come, from as many pools as it takes, with `most` submissions in a pool at any time.

    What is in a pool when it breaks goes to `given_up`.
    """
    while waiting:
        others = multiprocessing.active_children()
        pool = ProcessPoolExecutor(
            min(workers, len(waiting)), multiprocessing.get_context("spawn"), _start_worker, (os.getpid(),)
        )
        running: dict[Future[Graded], Job] = {}
        try:
            while waiting or running:
                while waiting and len(running) < most:
                    running[pool.submit(work, waiting[0])] = waiting[0]
                    waiting.popleft()
                for done in wait(running, return_when=FIRST_COMPLETED).done:
                    yield running[done], done.result()
                    del running[done]
        except BrokenProcessPool:
            given_up.extend(running.values())
        except BaseException:  # interrupted, or nobody wants more: do not wait for what still runs
            for worker in multiprocessing.active_children():
                if worker not in others:
                    worker.kill()
            raise
        finally:
            pool.shutdown(cancel_futures=True)


def _start_worker(coordinator: int) -> None:
    die_with(coordinator)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # an interrupt at the terminal is for the coordinator


def work(job: Job) -> Graded:
    """Grade one submission in this process: a worker of a class, or one that stays."""
    # here, for with it come PyTorch and the bank, which the coordinator does without
    from autograder.engine.worker import grade_with_parent

    return grade_with_parent(job)
