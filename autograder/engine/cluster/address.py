"""Where a cluster is and how to come to it: an address, a Dask configuration, Slurm, a gateway."""

from __future__ import annotations

import ipaddress
import signal
import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import dask
import yaml
from distributed import Client, Security
from distributed.comm.addressing import parse_address, parse_host_port

CONNECT_SECONDS = 10.0
"""How long a scheduler may take to answer."""
KEPT_MESSAGES = 10
"""How many of the last messages Dask keeps for whoever looks for a fault in it, each with a whole submission."""
ENCRYPTED = ("tls", "wss", "gateway")
PORT = 8786
"""A Dask scheduler's."""


class ClusterError(Exception):
    """The cluster cannot be used; the message says why and what to do."""


class Target(Protocol):
    """A cluster that one can connect to, more than once where the connection is lost."""

    async def connect(self) -> Client: ...

    async def close(self) -> None: ...


@dataclass(frozen=True)
class Address:
    """A scheduler that runs. Raises ClusterError where the way to it would be open to others, and where it is away.

    Who can speak to a scheduler can run programs on its workers, and reads what they are sent.
    Example: `await Address("tls://grader:8786").connect()`
    """

    address: str
    insecure: bool = False

    def __post_init__(self) -> None:
        try:
            scheme, place = parse_address(self.address)
            host, _ = parse_host_port(place, PORT)
        except ValueError as error:
            raise ClusterError(f"{self.address!r} is no address such as tls://grader:8786 ({error})") from None
        if not (self.insecure or scheme in ENCRYPTED or _is_loopback(host)):
            raise ClusterError(
                f"{self.address} is neither encrypted nor does it ask who comes, and who comes can run programs: "
                "use tls:// with certificates in Dask's configuration, or say --insecure in a network that is yours"
            )

    async def connect(self) -> Client:
        return await _client(self.address, self.address)

    async def close(self) -> None:
        """The scheduler is somebody else's."""

    def __str__(self) -> str:
        return self.address


@dataclass
class Made:
    """A cluster that is made for this class by dask-jobqueue or dask-gateway, of so many workers, and ended after it.

    What is asked of Slurm and of a gateway stands in Dask's configuration, as their own documents say.
    Example: `await slurm(workers=16).connect()`
    """

    by: str
    workers: int
    make: Callable[[], Awaitable[Any]]
    refuses: tuple[type[Exception], ...]
    cluster: Any = None

    async def connect(self) -> Client:
        if self.cluster is None:
            try:
                self.cluster = await self.make()
                await _awaited(self.cluster.scale(self.workers))
            except self.refuses as error:
                raise ClusterError(f"{self} cannot be made: {_short(error)}") from error
        return await _client(self.cluster, str(self))

    async def close(self) -> None:
        """Give it back."""
        if self.cluster is not None:
            await _awaited(self.cluster.close())

    def __str__(self) -> str:
        return f"the cluster by {self.by}"


def slurm(workers: int) -> Made:
    """Encrypted, with certificates of its own; its workers may start processes, which Dask's own may not.

    To be called in the main thread: dask-jobqueue takes the interrupt for itself when it is imported.
    """
    interrupted = signal.getsignal(signal.SIGINT)
    from dask_jobqueue import SLURMCluster

    signal.signal(signal.SIGINT, interrupted)
    before = dask.config.get("jobqueue.slurm.job-script-prologue")
    prologue = [*before, "export DASK_DISTRIBUTED__WORKER__DAEMON=False"]
    shared = dask.config.get("jobqueue.slurm.shared-temp-directory") or str(Path.home())
    return Made(
        "Slurm",
        workers,
        lambda: SLURMCluster(
            asynchronous=True, security=True, job_script_prologue=prologue, shared_temp_directory=shared
        ),
        (OSError, RuntimeError, ValueError),
    )


def gateway(workers: int) -> Made:
    """At the gateway that Dask's configuration names."""
    from dask_gateway import Gateway, GatewayClusterError, GatewayServerError

    refuses = (OSError, ValueError, GatewayClusterError, GatewayServerError)
    return Made("the gateway", workers, lambda: Gateway(asynchronous=True).new_cluster(), refuses)


def configured(path: Path, *, insecure: bool = False) -> Address:
    """The scheduler that a Dask configuration file names, with all else that the file sets. Raises ClusterError."""
    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise ClusterError(f"{path} is no Dask configuration: {' '.join(str(error).split())}") from None
    if not isinstance(found, dict) or not isinstance(found.get("scheduler-address"), str):
        raise ClusterError(f"{path} does not say where the cluster is: scheduler-address: tls://grader:8786")
    dask.config.update(dask.config.config, found)
    return Address(found["scheduler-address"], insecure)


async def _client(target: Any, told: str) -> Client:
    where = "distributed.comm.tls in Dask's configuration names ca-file, client.cert and client.key"
    dask.config.set({"distributed.admin.low-level-log-length": KEPT_MESSAGES})
    try:
        security = {"security": Security()} if isinstance(target, str) else {}
        client = Client(target, asynchronous=True, timeout=CONNECT_SECONDS, set_as_default=False, **security)
    except OSError as error:
        raise ClusterError(f"the keys to {told} cannot be read: {_short(error)}; {where}") from error
    try:
        return await client
    except (OSError, TimeoutError) as error:
        ask = "is its scheduler running, and with these keys?"
        raise ClusterError(f"nobody answers at {told}: {ask} ({_short(error)})") from error
    except (TypeError, ValueError, RuntimeError) as error:
        await client.close()
        raise ClusterError(f"{told} cannot be connected to: {_short(error)}; {where}") from error


async def _awaited(result: Any) -> None:
    """Some of these methods are coroutines and some are not."""
    if hasattr(result, "__await__"):
        await result


def _is_loopback(host: str) -> bool:
    """Whether all addresses of a host are of this machine alone."""
    with suppress(OSError):
        found = {str(place[0]) for *_, place in socket.getaddrinfo(host, None)}
        return all(ipaddress.ip_address(address.partition("%")[0]).is_loopback for address in found)
    return False


def _short(error: BaseException) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
