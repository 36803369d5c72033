"""The driver's side: a pool whose workers are elsewhere, and may come, go, freeze and be cut off at any time."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import BrokenExecutor, Future
from contextlib import suppress
from dataclasses import replace
from typing import Any, Self

from distributed import Client, KilledWorker
from distributed.client import FutureCancelledError

from autograder.engine.cluster.address import ClusterError, Target
from autograder.engine.cluster.order import Material, Order
from autograder.engine.cluster.worker import Examined, call, examine, forget, grade, resource
from autograder.engine.job import Graded, Job, failed
from autograder.engine.limits import OVERTIME_SECONDS
from autograder.engine.pool import AHEAD

GLANCE_SECONDS = 1.0
"""How often to look for new workers."""
EXAMINE_SECONDS = 60.0
"""How long a worker may take to say what it is."""
PATIENCE_SECONDS = 600.0
"""How long a scheduler may be away."""
LEAVE_SECONDS = 10.0
MOST_KILLS = 3
"""How often Dask may give a submission up, each time after several workers have died with it, until it is a suspect."""


class ClusterPool:
    """Workers of a Dask cluster that have been examined. To open it waits for the first of them.

    What a worker, the scheduler or the network loses is sent again, without end while a worker is away, and for
    PATIENCE_SECONDS while the scheduler is: then the results raise ClusterError, as opening does where there is no
    cluster or none of its workers is fit. `tell` gets a sentence on whatever a person may have to mend.

    Example: `with ClusterPool(Address("tls://grader:8786"), Material.of(job)) as pool: pool.submit(job).result()`
    """

    def __init__(
        self, target: Target, material: Material, *, unsafe: bool = False, tell: Callable[[str], None] = print
    ) -> None:
        self._target, self._material, self._unsafe, self._tell = target, material, unsafe, tell
        self._resource = resource(material.digest)
        self._workers: dict[str, Examined] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._submitted: set[Future[Graded]] = set()
        self._delivered: list[str] = []
        self._client: Client | None = None
        self._dashboard = ""
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="cluster", daemon=True)
        self._thread.start()
        try:
            self._wait_for(self._open())
        except BaseException:
            self.close()
            raise

    @property
    def room(self) -> int:
        return AHEAD * max(1, self._threads())

    @property
    def where(self) -> str:
        """The cluster and its dashboard, where there is one."""
        return f"{self._target}, dashboard {self._dashboard}" if self._dashboard else str(self._target)

    def submit(self, job: Job) -> Future[Graded]:
        """The result to come, however often the job has to be sent. Raises ClusterError, too."""
        future = asyncio.run_coroutine_threadsafe(self._grade(job), self._loop)
        self._submitted.add(future)
        future.add_done_callback(self._submitted.discard)
        return future

    def close(self) -> None:
        """Take leave of the cluster. What still runs there goes on, into the spool of its worker."""
        for future in list(self._submitted):
            future.cancel()
        self._wait_for(self._leave())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _wait_for(self, coroutine: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(coroutine, self._loop).result()

    def _threads(self) -> int:
        return sum(worker.threads for worker in list(self._workers.values()))

    async def _open(self) -> None:
        self._connecting = asyncio.Lock()
        client = self._client = await self._target.connect()
        try:
            await client.run_on_scheduler(resource, self._material.digest)
        except ImportError as error:
            raise ClusterError(f"the scheduler of {self._target} runs where there is no autograder ({error})") from None
        except OSError as error:
            raise ClusterError(f"the scheduler of {self._target} has ended ({error}): give the command again") from None
        with suppress(KeyError):  # raised where the scheduler has none
            self._dashboard = client.dashboard_link or ""
        self._tell(f"grading on {self.where}")
        await self._glance()
        if not self._workers:
            self._tell(f"{self._target} has no workers yet: waiting for the first")
        while not self._threads():
            if self._workers and all(worker.refused for worker in self._workers.values()):
                raise ClusterError(f"{self._target} has no worker that may grade")
            await asyncio.sleep(GLANCE_SECONDS)
            await self._glance()
        self._spawn(self._look())

    async def _leave(self) -> None:
        for task in self._tasks:
            task.cancel()
        if self._client is not None:
            if self._client.status == "running":
                with suppress(OSError, TimeoutError):
                    await asyncio.wait_for(self._client.run(forget, self._delivered, on_error="ignore"), LEAVE_SECONDS)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._client.close(), LEAVE_SECONDS)
        await self._target.close()

    async def _look(self) -> None:
        """Look after the workers until the scheduler is given up."""
        with suppress(ClusterError):  # whoever waits for a result is told
            while True:
                await asyncio.sleep(GLANCE_SECONDS)
                await self._glance()

    async def _glance(self) -> None:
        """Examine the workers that have come, or come back, and leave out those that have gone."""
        client = await self._connected()
        try:
            there = (await client.scheduler.identity(n_workers=-1))["workers"]
        except (OSError, TimeoutError):  # the scheduler has gone; the next glance waits for it
            return
        for gone in self._workers.keys() - there.keys():
            del self._workers[gone]
        for address, about in there.items():
            known = self._workers.get(address)
            if known is None or (known.threads and self._resource not in about["resources"]):
                self._workers[address] = Examined()
                self._spawn(self._examine(client, address))

    async def _examine(self, client: Client, address: str) -> None:
        asked = client.run(examine, self._material, self._unsafe, workers=[address], on_error="return")
        found: Examined | Exception
        try:
            found = (await asyncio.wait_for(asked, EXAMINE_SECONDS))[address]
            if isinstance(found, Examined) and not found.refused:
                await client.run_on_scheduler(call, address)
        except (OSError, TimeoutError, KeyError):
            self._workers.pop(address, None)  # it went away; if it is still there, the next glance asks again
            return
        if isinstance(found, OSError):
            self._workers.pop(address, None)
            return
        if isinstance(found, Exception):
            found = Examined(f"it cannot be examined: {type(found).__name__}: {found}")
        if found.refused:
            self._tell(f"worker {address} is refused: {found.refused}")
        self._workers[address] = found

    async def _connected(self) -> Client:
        """The client, once the scheduler answers. Raises ClusterError."""
        assert self._client is not None
        async with self._connecting:
            if self._client.status == "running":
                return self._client
            self._tell(f"{self._target} does not answer: waiting for it; what has been graded is kept")
            until = self._loop.time() + PATIENCE_SECONDS
            while self._client.status != "running":
                if self._loop.time() > until:
                    raise ClusterError(f"{self._target} has been away for {PATIENCE_SECONDS:g} seconds")
                await asyncio.sleep(GLANCE_SECONDS)
                if self._client.status == "closed":
                    with suppress(ClusterError):
                        self._client = await self._target.connect()
            self._workers.clear()
            self._tell(f"{self._target} is back")
            return self._client

    async def _grade(self, job: Job) -> Graded:
        order = Order.of(job, self._material.digest)
        longest = (AHEAD + 1) * (job.limits.submission_seconds + OVERTIME_SECONDS)
        attempt = kills = 0
        while True:
            attempt += 1
            client = await self._connected()
            holders = [address for address, worker in self._workers.items() if order.key in worker.results]
            future = client.submit(
                grade,
                replace(order, attempt=attempt),
                key=f"{self._resource}-{order.key}-{attempt}-{client.id}",
                resources={self._resource: 1},
                workers=holders or None,
                allow_other_workers=bool(holders),
            )
            try:
                found = json.loads(await asyncio.wait_for(_text(future), longest))
            except FutureCancelledError:  # the scheduler has gone, and what it knew with it
                continue
            except KilledWorker as error:
                kills += 1
                if kills == MOST_KILLS:
                    raise BrokenExecutor(str(error)) from None
                continue
            except (OSError, TimeoutError):  # the way to the result was lost, or there is none
                continue
            return self._result(job, order.key, found)

    def _result(self, job: Job, key: str, found: dict[str, Any]) -> Graded:
        """What a worker answered. Raises BrokenExecutor where its process ended with the job."""
        if found["key"] != key:
            return failed(job, "a worker answered with the result of another submission")
        if found.get("ended"):
            raise BrokenExecutor("the process that graded it has ended")
        if reason := found.get("refused"):
            return failed(job, reason)
        self._delivered.append(key)
        return Graded.from_json(found, found["log"])

    def _spawn(self, coroutine: Coroutine[Any, Any, None]) -> None:
        task = self._loop.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


async def _text(future: Any) -> str:
    """What a task of an asynchronous client returns."""
    text: str = await future
    return text
