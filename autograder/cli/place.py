"""Where a class is graded: on this machine, or on the cluster that the command line names."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from autograder.course.errors import CourseError, MaterialError

if TYPE_CHECKING:
    from autograder.engine.cluster.address import Target
    from autograder.engine.job import Job
    from autograder.engine.pool import Pool

EXTRA = ("dask", "distributed", "dask_jobqueue", "dask_gateway")


@dataclass(frozen=True)
class Place:
    """What the options of a command say about it. Raises CourseError where they contradict one another."""

    workers: int
    cluster: str | None
    slurm: bool
    gateway: bool
    insecure: bool
    unsafe: bool

    def __post_init__(self) -> None:
        if sum((self.cluster is not None, self.slurm, self.gateway)) > 1:
            raise CourseError("--cluster, --slurm and --gateway are three places to grade in: choose one")

    @contextmanager
    def pool(self, job: Job) -> Iterator[Pool]:
        """A pool for the class that this job is one of.

        Raises CourseError where there is none to be had, MaterialError where one is lost for good.
        """
        if self.cluster is None and not self.slurm and not self.gateway:
            from autograder.course.grade import check_gpu, check_sandbox
            from autograder.engine.pool import LocalPool

            if not self.unsafe:
                check_sandbox()
            if job.device == "cuda":
                check_gpu()
            with LocalPool(self.workers) as workers:
                yield workers
        else:
            with self._cluster(job) as cluster:
                yield cluster

    @contextmanager
    def _cluster(self, job: Job) -> Iterator[Pool]:
        try:
            from autograder.engine.cluster.address import ClusterError
            from autograder.engine.cluster.order import Material
            from autograder.engine.cluster.pool import ClusterPool
        except ModuleNotFoundError as error:
            raise _missing(error) from None
        from autograder.console import error_console

        def tell(text: str) -> None:
            error_console.print(text, soft_wrap=True)

        with ExitStack() as stack:
            try:
                pool = ClusterPool(self._target(), Material.of(job), unsafe=self.unsafe, tell=tell)
                stack.enter_context(pool)
            except ClusterError as error:
                raise CourseError(str(error)) from error
            try:
                yield pool
            except ClusterError as error:
                left = "what has been graded is recorded: run it again, and it goes on"
                raise MaterialError([f"{error}; {left}"]) from error

    def _target(self) -> Target:
        from autograder.engine.cluster.address import Address, configured, gateway, slurm

        if self.cluster is None:
            try:
                return slurm(self.workers) if self.slurm else gateway(self.workers)
            except ModuleNotFoundError as error:
                raise _missing(error) from None
        if Path(self.cluster).suffix in (".yaml", ".yml"):
            return configured(Path(self.cluster), insecure=self.insecure)
        return Address(self.cluster, self.insecure)


def _missing(error: ModuleNotFoundError) -> Exception:
    """What to tell of a module that is not there: of Dask's how to get it."""
    if str(error.name).partition(".")[0] not in EXTRA:
        return error
    return CourseError("a cluster needs Dask: pip install -c constraints.txt -e '.[cluster]', or grade here")
