"""Clusters that are made for a class: by a real Slurm, and by a real Dask gateway."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path

import pytest

from autograder.course.course import Course
from autograder.course.material import students_version
from autograder.course.notebook import fill, write
from tests.course.small import ASSIGNMENT, EXERCISES, POINTS, source_of, write_course

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("cluster")]
BIN = Path(sys.executable).parent
SLURM = """
ClusterName=lookback
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller}
SlurmdPort={daemon}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge/socket
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SchedulerType=sched/builtin
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
MpiDefault=none
ReturnToService=2
NodeName={host} NodeAddr=127.0.0.1 CPUs=1 RealMemory=2000 State=UNKNOWN
PartitionName=all Nodes=ALL Default=YES State=UP
"""
GATEWAY = """
import sys
c.DaskGateway.backend_class = "dask_gateway_server.backends.local.UnsafeLocalBackend"
c.DaskGateway.authenticator_class = "dask_gateway_server.auth.SimpleAuthenticator"
c.DaskGateway.address = "127.0.0.1:{api}"
c.Proxy.address = "127.0.0.1:{web}"
c.Proxy.tcp_address = "127.0.0.1:{scheduler}"
c.UnsafeLocalBackend.clusters_directory = "{folder}"
c.ClusterConfig.environment = {{"DASK_DISTRIBUTED__WORKER__DAEMON": "False", "XDG_CACHE_HOME": "{folder}/cache"}}
c.ClusterConfig.scheduler_cmd = [sys.executable, "-m", "distributed.cli.dask_scheduler"]
c.ClusterConfig.worker_cmd = [sys.executable, "-m", "distributed.cli.dask_worker"]
"""


def ports(number: int) -> list[int]:
    """Ports that nobody had when we asked."""
    with ExitStack() as stack:
        found = [stack.enter_context(closing(socket.socket())) for _ in range(number)]
        for one in found:
            one.bind(("127.0.0.1", 0))
        return [int(one.getsockname()[1]) for one in found]


@contextmanager
def running(*command: str | Path, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A server in the foreground, ended with all that it started."""
    with log.open("wb") as file:
        process = subprocess.Popen(command, stdout=file, stderr=file, start_new_session=True)
        try:
            yield process
        finally:
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(10)
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@pytest.fixture
def folder(temporary: Path) -> Path:
    """A directory with a short name, for the sockets in it."""
    return temporary


@pytest.fixture
def slurm(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A Slurm of one node with one core, and what Dask's configuration says of it."""
    missing = [name for name in ("munged", "slurmctld", "slurmd") if shutil.which(name) is None]
    if missing or os.getuid() != 0:
        pytest.skip(f"NO SLURM HERE: {' '.join(missing) or 'it'} needs root and Debian's slurm-wlm")
    controller, daemon = ports(2)
    for name in ("munge", "state", "spool"):
        (folder / name).mkdir(mode=0o700)
    (folder / "munge" / "key").write_bytes(os.urandom(1024))
    (folder / "munge" / "key").chmod(0o400)
    host = socket.gethostname().partition(".")[0]
    configuration = folder / "slurm.conf"
    configuration.write_text(SLURM.format(host=host, controller=controller, daemon=daemon, folder=folder))
    monkeypatch.setenv("SLURM_CONF", str(configuration))
    for name, value in {"CORES": "1", "MEMORY": "1GB", "INTERFACE": "lo"}.items():
        monkeypatch.setenv(f"DASK_JOBQUEUE__SLURM__{name}", value)
    for name in ("SHARED_TEMP_DIRECTORY", "LOG_DIRECTORY"):
        monkeypatch.setenv(f"DASK_JOBQUEUE__SLURM__{name}", str(folder))
    keys = [f"--{name}-file={folder}/munge/{name}" for name in ("key", "pid", "log", "seed")]
    munge = ["munged", "--foreground", "--force", f"--socket={folder}/munge/socket", *keys]
    with (
        running(*munge, log=folder / "munged.log"),
        running("slurmctld", "-D", log=folder / "controller.log"),
        running("slurmd", "-D", log=folder / "daemon.log"),
    ):
        yield


@pytest.fixture
def gateway(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A gateway whose clusters are processes here, and what Dask's configuration says of it."""
    api, web, scheduler = ports(3)
    configuration = folder / "gateway.py"
    configuration.write_text(GATEWAY.format(api=api, web=web, scheduler=scheduler, folder=folder))
    monkeypatch.setenv("DASK_GATEWAY__ADDRESS", f"http://127.0.0.1:{web}")
    monkeypatch.setenv("DASK_GATEWAY__PROXY_ADDRESS", f"gateway://127.0.0.1:{scheduler}")
    log = folder / "gateway.log"
    with running(BIN / "dask-gateway-server", "--config", str(configuration), log=log) as server:
        while b"server started" not in log.read_bytes():
            with suppress(subprocess.TimeoutExpired):
                assert server.wait(0.1) is None, log.read_text()
        yield


def grade(directory: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [BIN / "autograder", "grade", ASSIGNMENT, "--json", "--workers", "1", *options]
    return subprocess.run(command, cwd=directory, capture_output=True, text=True, check=False, timeout=250)


@pytest.mark.parametrize("made_by", ["slurm", "gateway"])
def test_a_class_on_a_cluster_that_is_made_for_it(made_by: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    request.getfixturevalue(made_by)
    course = Course(write_course(tmp_path / "course"))
    right = {name: source_of(name) for name in EXERCISES}
    for student, answers in {"ada": right, "bob": {}}.items():
        write(fill(students_version(course, ASSIGNMENT), answers), course.submitted(ASSIGNMENT, student))
    result = grade(course.directory, f"--{made_by}")
    assert result.returncode == 0, result.stderr
    points = {v["student"]: sum(e["points"] for e in v["exercises"]) for v in json.loads(result.stdout)}
    assert points == {"ada": sum(POINTS.values()), "bob": 0.0}
    if made_by == "slurm":
        queue = ["squeue", "--noheader", "--states=PENDING,RUNNING"]
        assert subprocess.run(queue, capture_output=True, check=True).stdout == b"", "its jobs are given back"


@pytest.mark.parametrize(
    ("option", "setting", "says"),
    [
        ("--slurm", ("DASK_JOBQUEUE__SLURM__CORES", ""), "the cluster by Slurm cannot be made"),
        ("--gateway", ("DASK_GATEWAY__ADDRESS", "http://127.0.0.1:9"), "the cluster by the gateway cannot be made"),
    ],
)
def test_a_cluster_that_cannot_be_made_is_one_sentence(
    option: str, setting: tuple[str, str], says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    course = Course(write_course(tmp_path / "course"))
    write(students_version(course, ASSIGNMENT), course.submitted(ASSIGNMENT, "ada"))
    monkeypatch.setenv(*setting)
    result = grade(course.directory, option)
    assert result.returncode == 2
    (line,) = result.stderr.splitlines()
    assert says in line
