"""Whatever dies while a class is graded: nothing is lost, only what was in flight is done again, and nothing stays."""

from __future__ import annotations

from itertools import cycle
from pathlib import Path

import pytest

from autograder.engine.pool import AHEAD
from tests.cluster.grading import Grading, Outcome
from tests.cluster.world import ADDRESS, World, frozen, is_alive, wait_for

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("cluster"), pytest.mark.timeout(900)]

EVERY_SECONDS = 5
FROZEN_SECONDS = 7
"""Longer than a cell may take, and less than the scheduler waits for a word."""


def check(run: Grading, calm: Outcome, *, in_flight: int) -> None:
    """Everybody once, as where nothing happens; only what was in flight is done again; no sandbox without a worker."""
    run.end()
    assert run.outcome() == calm
    begun, whole = run.begun(), {line["key"] for line in run.recorded()}
    print(f"{len(begun)} begun for {len(whole)} submissions, {in_flight} interrupted")
    assert set(begun) == whole
    assert len(begun) - len(whole) <= in_flight * AHEAD, run.output()
    for host in run.world.hosts.values():
        wait_for(lambda host=host: not host.kernels(), "the end of every kernel")
        assert not host.orphans()


def test_a_worker_is_killed_every_five_seconds(world: World, calm: Outcome, course: Path) -> None:
    """On one host after the other, at its third submission or a later one: else nothing would get on."""
    run, killed = Grading(world, course, "--cluster", ADDRESS), 0
    begun = {host: len(host.begun()) for host in world.hosts.values()}
    for host in cycle(begun):
        wait_for(lambda host=host: run.over or (len(host.begun()) > begun[host] + 2 and host.at_work()), "its turn")
        if run.over:
            break
        (worker,) = host.dask()
        started = worker.children(recursive=True)
        worker.kill()
        killed, begun[host] = killed + 1, len(host.begun())
        wait_for(lambda started=started: not any(map(is_alive, started)), "the end of all that the worker started")
        run.ends_within(EVERY_SECONDS)
    assert killed > 1
    check(run, calm, in_flight=killed)


def test_a_host_is_cut_off_and_comes_back(world: World, calm: Outcome, course: Path) -> None:
    run = Grading(world, course, "--cluster", ADDRESS)
    run.wait_for_share(0.2, calm)
    losses = world.losses()
    world.cut("a")
    try:
        run.wait_for_share(0.6, calm)
        run.wait_until(lambda: world.losses() > losses, "the scheduler's notice")
    finally:
        world.join("a")
    check(run, calm, in_flight=1)


def test_a_worker_is_frozen_for_a_moment(world: World, calm: Outcome, course: Path) -> None:
    """The scheduler does not notice; no program is held to have taken so long."""
    run, host = Grading(world, course, "--cluster", ADDRESS), world.hosts["a"]
    run.wait_until(host.at_work, "a submission on the host")
    with frozen(host):
        run.ends_within(FROZEN_SECONDS)
    check(run, calm, in_flight=0)


def test_a_worker_is_frozen_until_it_is_given_up(world: World, calm: Outcome, course: Path) -> None:
    run, host = Grading(world, course, "--cluster", ADDRESS), world.hosts["a"]
    run.wait_for_share(0.2, calm)
    run.wait_until(host.at_work, "a submission on the host")
    losses = world.losses()
    with frozen(host):
        run.wait_until(lambda: world.losses() > losses, "the scheduler's notice")
    check(run, calm, in_flight=1)


def test_the_scheduler_is_killed(world: World, calm: Outcome, course: Path) -> None:
    run = Grading(world, course, "--cluster", ADDRESS)
    run.wait_for_share(0.5, calm)
    (scheduler,) = world.hub.dask()
    scheduler.kill()
    check(run, calm, in_flight=2)


def test_the_driver_is_killed(world: World, calm: Outcome, course: Path) -> None:
    run = Grading(world, course, "--cluster", ADDRESS)
    run.wait_for_share(0.5, calm)
    run.process.kill()
    run.process.wait()
    run.start("--cluster", ADDRESS)
    check(run, calm, in_flight=2)
