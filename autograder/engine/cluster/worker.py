"""The worker's side: examine it before it may work, grade what it is sent, keep the results until they are known."""

from __future__ import annotations

import asyncio
import json
import logging
import multiprocessing
import threading
from concurrent.futures import BrokenExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from distributed import Scheduler, Worker, WorkerPlugin, get_worker

from autograder.engine import sandbox
from autograder.engine.cluster.order import Material, Order
from autograder.engine.cluster.spool import Spool, cache_directory
from autograder.engine.journal import job_key
from autograder.engine.pool import LocalPool
from autograder.engine.scratch import scratch
from autograder.engine.versions import versions

NAME = "lookback"
"""Of the plugin; with the digest of a material, of the resource that says that a worker takes orders for it."""

logger = logging.getLogger("distributed.lookback")


def resource(material: str) -> str:
    """What a worker has as many of as threads, once it may grade with the material of this digest."""
    return f"{NAME}-{material}"


@dataclass(frozen=True)
class Examined:
    """What was found of a worker: why it is refused, or how many it grades at a time and which results it has."""

    refused: str = ""
    threads: int = 0
    results: tuple[str, ...] = ()


class Grader(WorkerPlugin):  # type: ignore[misc]  # Dask is not typed here
    """What a worker has to grade with: processes as a single machine has them, folders with material, a spool."""

    def setup(self, worker: Worker) -> None:
        self._resources = ExitStack()
        self._folder = self._resources.enter_context(scratch())
        self._pool = self._resources.enter_context(LocalPool(worker.state.nthreads))
        self._lock = threading.Lock()
        self.spool = Spool(cache_directory() / "spool")

    def teardown(self, worker: Worker) -> None:
        self._resources.close()

    def take(self, material: Material) -> None:
        """Have the material of a class ready."""
        material.write(self._folder / material.digest)

    def grade(self, order: Order) -> str:
        """The result of an order as JSON, from the spool where an earlier attempt has left it."""
        if (known := self.spool.get(order.key)) is not None:
            return known
        logger.info("grading %s attempt %d", order.key, order.attempt)
        with TemporaryDirectory(dir=self._folder) as place:
            job = order.job(self._folder / order.material, Path(place))
            if job_key(job) != order.key:
                return json.dumps({"key": order.key, "refused": "its files or versions have changed since it began"})
            with self._lock:
                future = self._pool.submit(job)
            try:
                graded = future.result()
            except BrokenExecutor:
                return json.dumps({"key": order.key, "ended": True})
        text = json.dumps({"key": order.key, **graded.to_json(), "log": graded.log})
        if graded.verdict.status != "failed":
            self.spool.put(order.key, text)
        return text


def grade(order: Order) -> str:
    """A task: what a worker that was examined makes of an order."""
    worker = get_worker()
    grader: Grader = worker.plugins[NAME]
    try:
        return grader.grade(order)
    except OSError as error:  # its disk is full, perhaps: nobody's submission is to blame
        return json.dumps({"key": order.key, "refused": f"worker {worker.address}: {error}"})


async def examine(material: Material, unsafe: bool, dask_worker: Worker) -> Examined:
    """Whether this worker may grade with this material; if so, from now on it takes orders."""
    if refused := await asyncio.to_thread(_why_not, material, unsafe):
        return Examined(refused)
    try:
        grader = await _grader(dask_worker)
        grader.take(material)
    except OSError as error:
        return Examined(f"it cannot set up: {error}")
    threads = dask_worker.state.nthreads
    await dask_worker.set_resources(**{resource(material.digest): threads})
    return Examined("", threads, tuple(grader.spool.keys()))


async def _grader(worker: Worker) -> Grader:
    """That of a worker, from the first time on. Raises OSError where it has no place to work."""
    if NAME not in worker.plugins:
        try:
            await worker.plugin_add(Grader(), NAME, catch_errors=False)
        except OSError:
            await worker.plugin_remove(NAME)
            raise
    grader: Grader = worker.plugins[NAME]
    return grader


def call(address: str, dask_scheduler: Scheduler) -> None:
    """Send a worker that takes orders since just now those that wait: Dask looks for them when a worker joins only."""
    if (worker := dask_scheduler.workers.get(address)) is not None:
        waiting = dask_scheduler.bulk_schedule_unrunnable_after_adding_worker(worker)
        dask_scheduler.transitions(waiting, stimulus_id=f"{NAME}-{address}")


def forget(keys: list[str], dask_worker: Worker) -> None:
    """Remove results that the driver has."""
    if NAME in dask_worker.plugins:
        dask_worker.plugins[NAME].spool.forget(keys)


def _why_not(material: Material, unsafe: bool) -> str:
    """Why a class should not be graded here; empty where it may."""
    here = versions(material.assignment)
    if differing := [name for name in material.versions if here.get(name) != material.versions[name]]:
        told = (f"{name} is {here.get(name)} there and {material.versions[name]} here" for name in differing)
        return f"its verdicts would be others: {', '.join(told)}"
    if not (unsafe or sandbox.safe()):
        return f"its sandbox is only “{sandbox.tier()}”, and students' code could do what the worker can"
    if multiprocessing.current_process().daemon:
        return "it may start no processes: start it with --no-nanny, or set distributed.worker.daemon to false"
    return ""
