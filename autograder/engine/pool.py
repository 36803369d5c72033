"""Grade a class on worker processes, each with its own warm parent."""

from __future__ import annotations

import multiprocessing
import os
import signal
import traceback
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool

import torch

from autograder.bank import UnknownUnit
from autograder.engine.grading import Graded, Job, WrongSource, failed, grade_submission
from autograder.engine.journal import Journal, job_key
from autograder.engine.limits import WrongLimit
from autograder.engine.process import die_with
from autograder.engine.warm import ParentGone, WarmParent

OVERTIME_SECONDS = 120
"""How much longer than its own limit a submission may keep a worker, before the worker ends itself."""


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
    for jobs_left, given_up, width in ((waiting, suspects, workers), (suspects, lost, 1)):
        for job, graded in _graded(jobs_left, given_up, width):
            if journal is not None and graded.verdict.status != "failed":
                journal.record(job_key(job), graded)
            yield graded
    for job in lost:
        yield failed(job, "its worker ended twice without a verdict; the submission, or the machine, kills it")


def _graded(waiting: deque[Job], given_up: deque[Job], workers: int) -> Iterator[tuple[Job, Graded]]:
    """Results as they come, from as many pools as it takes. What ran in a pool when it broke goes to `given_up`."""
    while waiting:
        others = multiprocessing.active_children()
        pool = ProcessPoolExecutor(
            min(workers, len(waiting)), multiprocessing.get_context("spawn"), _start_worker, (os.getpid(),)
        )
        running: dict[Future[Graded], Job] = {}
        try:
            while waiting or running:
                while waiting and len(running) < workers:
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


_parent: WarmParent | None = None


def _start_worker(coordinator: int) -> None:
    die_with(coordinator)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # an interrupt at the terminal is for the coordinator
    torch.set_num_threads(1)


def work(job: Job) -> Graded:
    """Grade in this process, with its warm parent; with a new one where that has died.

    A submission that takes much longer than it may ends the process.
    """
    global _parent
    signal.alarm(int(job.limits.submission_seconds) + OVERTIME_SECONDS)  # unless it is turned off, it ends the worker
    try:
        for _ in range(2):
            _parent = _parent or WarmParent()
            try:
                return grade_submission(job, _parent)
            except ParentGone as error:
                reason = str(error)
                _parent.close()
                _parent = None
        return failed(job, reason)
    except (WrongSource, WrongLimit, UnknownUnit) as error:
        return failed(job, str(error))
    except Exception:  # whatever it is, the class goes on, and the verdict says it
        return failed(job, traceback.format_exc(limit=-3))
    finally:
        signal.alarm(0)
