"""Who may not take part in a cluster, and what a person is told who cannot reach one."""

from __future__ import annotations

import shutil
from contextlib import ExitStack
from pathlib import Path

import pytest

from autograder.engine.sandbox.probe import ASKED
from tests.cluster.grading import Grading, Outcome
from tests.cluster.test_deaths import check
from tests.cluster.world import ADDRESS, HUB, World, program, wait_for

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("cluster"), pytest.mark.timeout(900)]

OPEN = f"tcp://{HUB}:8790"
REFUSED = {
    f"tcp://{HUB}:8786": "--insecure",
    f"tls://{HUB}:8799": "nobody answers",
    "tls://10.0.0.99:8786": "nobody answers",
    "tls://nowhere.invalid:8786": "nobody answers",
    "tls://:x": "no address",
}


@pytest.fixture
def without_keys(tmp_path: Path) -> str:
    """A configuration that names no keys."""
    (tmp_path / "dask.yaml").write_text("{}")
    return str(tmp_path / "dask.yaml")


def refusal(world: World, course: Path, address: str, **environment: str) -> str:
    """What is said, in one line, where a cluster cannot be used."""
    run = Grading(world, course, "--cluster", address, **environment)
    run.end(2)
    lines = run.output().splitlines()
    (course / "output").unlink()
    assert len(lines) == 1, lines
    assert run.recorded() == []
    return lines[0]


def test_a_wrong_address_and_one_where_nobody_answers_are_told_in_a_line(world: World, course: Path) -> None:
    for address, told in REFUSED.items():
        line = refusal(world, course, address)
        assert told in line
        assert address in line


def test_who_has_not_the_keys_of_the_cluster_does_not_come_in(
    world: World, course: Path, without_keys: str, tmp_path: Path
) -> None:
    assert "names ca-file" in refusal(world, course, ADDRESS, DASK_CONFIG=without_keys)
    others = str(world.document.configure(tmp_path))
    assert "certificate" in refusal(world, course, ADDRESS, DASK_CONFIG=others)
    (tmp_path / "cluster.key").unlink()
    assert "cannot be read" in refusal(world, course, ADDRESS, DASK_CONFIG=others)


def test_a_network_that_is_ones_own_needs_no_keys(world: World, calm: Outcome, course: Path, without_keys: str) -> None:
    scheduler = [program("dask"), "scheduler", "--protocol", "tcp", "--host", HUB, "--port", "8790", "--no-dashboard"]
    worker = [program("dask"), "worker", OPEN, "--no-nanny", "--nthreads", "1", "--no-dashboard"]
    with ExitStack() as services:
        for host, command in ((world.hub, scheduler), (world.hosts["b"], worker)):
            services.enter_context(host.serving(*command, DASK_CONFIG=without_keys))
        run = Grading(world, course, "--cluster", OPEN, "--insecure", DASK_CONFIG=without_keys)
        check(run, calm, in_flight=0)


def test_a_worker_whose_verdicts_would_be_others_is_left_out(world: World, calm: Outcome, course: Path) -> None:
    other = world.hub.directory / "other"
    for package in ("autograder", "solutions"):
        shutil.copytree(world.document.path.parents[1] / package, other / package)
    with (other / "autograder/bank/attention.py").open("a") as bank:
        bank.write("# another version\n")
    with ExitStack() as services:
        for environment in ({"PYTHONPATH": str(other)}, {ASKED: "rlimits"}):
            services.enter_context(world.hub.serving(*world.document.unit("worker"), **environment))
        wait_for(lambda: len(world.hub.said("Registered to")) == 2, "two workers more")
        run = Grading(world, course, "--cluster", ADDRESS)
        check(run, calm, in_flight=0)
    assert "is refused: its verdicts would be others: bank is " in run.output()
    assert "is refused: its sandbox is only “rlimits”" in run.output()
    assert world.hub.begun() == []
