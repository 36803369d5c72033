"""A real Dask cluster on this machine: the same verdicts as a pool of its own, and nothing taken on trust."""

from __future__ import annotations

import os
import signal
import tracemalloc
from dataclasses import replace
from pathlib import Path

import pytest
from distributed import Client
from hypothesis import given
from hypothesis import strategies as st

from autograder.engine.cluster.address import Address, ClusterError, configured
from autograder.engine.cluster.order import Material, Order
from autograder.engine.cluster.pool import ClusterPool
from autograder.engine.cluster.spool import KEPT_SECONDS, Spool
from autograder.engine.job import Graded, Job
from autograder.engine.journal import job_key
from autograder.engine.notebook import Rejected
from autograder.engine.pool import LocalPool, grade_class
from autograder.engine.sandbox.probe import ASKED
from autograder.engine.verdict import ON_THE_CPU
from tests.engine.dask import cluster
from tests.engine.drivers import install
from tests.engine.test_pool import KILL_THE_WORKER, jobs

BARE = {ASKED: "rlimits"}
"""The environment of a worker whose sandbox does not hold."""


def comparable(found: Graded) -> tuple[object, ...]:
    """All of a result but its times."""
    return replace(found.verdict, wall_seconds=0.0, cpu_seconds=0.0), found.notebook


@pytest.fixture
def class_(tmp_path: Path, source: Path) -> list[Job]:
    """Right, wrong, broken and unreadable work, with a file beside it."""
    data = tmp_path / "data.txt"
    data.write_text("beside")
    read = "assert open('data.txt').read() == 'beside'"
    made = jobs(tmp_path, source, {"ada": read, "bob": "x =", "cy": None, "dan": None, "eva": "1 / 0"})
    link, missing = tmp_path / "link.ipynb", replace(made[0], student="fay", submission=None)
    link.symlink_to(source)
    made.append(missing)
    made.append(replace(made[0], student="gus", submission=link))
    return [replace(job, files={"data.txt": data}) for job in made]


@pytest.mark.slow
def test_a_cluster_gives_the_verdicts_of_this_machine(tmp_path: Path, class_: list[Job]) -> None:
    with LocalPool(2) as pool:
        here = {found.verdict.student: comparable(found) for found in grade_class(class_, pool)}
    told: list[str] = []
    with (
        cluster(tmp_path, {}, BARE) as address,
        ClusterPool(Address(address), Material.of(class_[0]), tell=told.append) as pool,
    ):
        there = {found.verdict.student: comparable(found) for found in grade_class(class_, pool)}
        (left,) = tmp_path.glob("cache/lookback/spool")
        assert len(list(left.iterdir())) == len(class_), "the driver may not have them yet"
    assert there == here
    assert set(here) == {"ada", "bob", "cy", "dan", "eva", "fay", "gus"}
    assert list(left.iterdir()) == [], "the driver has them"
    (refused,) = (text for text in told if "is refused" in text)
    assert "its sandbox is only “rlimits”" in refused


@pytest.mark.slow
def test_a_submission_that_kills_its_process_fails_alone(tmp_path: Path, source: Path) -> None:
    class_ = jobs(tmp_path, source, {"ada": None, "eve": KILL_THE_WORKER, "bob": None})
    with (
        cluster(tmp_path, BARE) as address,
        ClusterPool(Address(address), Material.of(class_[0]), unsafe=True) as pool,
    ):
        found = {graded.verdict.student: graded.verdict for graded in grade_class(class_, pool)}
    assert {name: verdict.status for name, verdict in found.items()} == {
        "ada": "graded",
        "eve": "failed",
        "bob": "graded",
    }
    assert "its worker ended twice without a verdict" in found["eve"].notes[0]


@pytest.mark.slow
def test_a_worker_without_a_gpu_grades_on_its_cpu(
    tmp_path: Path, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(monkeypatch, tmp_path / "bin", "No devices found.")
    (job,) = jobs(tmp_path, source, {"ada": None})
    job = replace(job, device="cuda", slots_per_gpu=2)
    with cluster(tmp_path, {}) as address, ClusterPool(Address(address), Material.of(job)) as pool:
        verdict = pool.submit(job).result().verdict
    assert (verdict.device, verdict.points) == ("cpu", 9.0)
    assert verdict.notes == [f"{ON_THE_CPU}nvidia-smi lists no GPU: No devices found."]


@pytest.mark.slow
def test_a_result_that_no_driver_took_is_not_graded_again(tmp_path: Path, source: Path) -> None:
    (job,) = jobs(tmp_path, source, {"ada": None})
    with cluster(tmp_path, {}) as address:
        material = Material.of(job)
        with ClusterPool(Address(address), material) as pool:
            first = pool.submit(job).result()
            (kept,) = tmp_path.glob("cache/lookback/spool/*.json")
            text = kept.read_text()
        kept.write_text(text)  # as if the driver had been killed before it could say that it has it
        with ClusterPool(Address(address), material) as pool:
            second = pool.submit(job).result()
    assert second == first, "times, too"


@pytest.mark.slow
def test_the_driver_keeps_no_submission_that_is_graded(tmp_path: Path, source: Path) -> None:
    (job,) = jobs(tmp_path, source, {"ada": None})
    (tmp_path / "ada.ipynb").write_text(" " * 2**18)
    class_ = [replace(job, student=f"ada{number}") for number in range(60)]
    with cluster(tmp_path, {}) as address, ClusterPool(Address(address), Material.of(job)) as pool:
        tracemalloc.start()
        try:
            held = [tracemalloc.get_traced_memory()[0] for _ in grade_class(class_, pool)]
        finally:
            tracemalloc.stop()
    assert max(held[40:]) - min(held[20:40]) < 2**21  # eight of them


@pytest.mark.slow
def test_other_material_and_no_processes_of_its_own_are_refused(tmp_path: Path, source: Path) -> None:
    (job,) = jobs(tmp_path, source, {"ada": None})
    material = Material.of(job)
    told: list[str] = []
    with cluster(tmp_path, {}, how="--nanny") as address:
        with pytest.raises(ClusterError, match="has no worker that may grade"):
            ClusterPool(Address(address), material, tell=told.append)
        assert "start it with --no-nanny" in told[-1]
        other = replace(material, versions={**material.versions, "bank": "0123", "torch": "1.0"})
        with pytest.raises(ClusterError, match="has no worker that may grade"):
            ClusterPool(Address(address), other, tell=told.append)
    assert f"torch is {material.versions['torch']} there and 1.0 here" in told[-1]
    assert f"bank is {material.versions['bank']} there and 0123 here" in told[-1]


@pytest.mark.slow
def test_a_worker_that_cannot_keep_results_is_refused(tmp_path: Path, source: Path) -> None:
    (tmp_path / "cache" / "lookback").mkdir(parents=True)
    (tmp_path / "cache" / "lookback" / "spool").symlink_to(tmp_path)
    (job,) = jobs(tmp_path, source, {"ada": None})
    told: list[str] = []
    with cluster(tmp_path, {}) as address:
        for _ in range(2):
            with pytest.raises(ClusterError, match="has no worker that may grade"):
                ClusterPool(Address(address), Material.of(job), tell=told.append)
            assert "is refused: it cannot set up: " in told[-1]
            assert "belongs to somebody else" in told[-1]


def test_an_address_must_be_one_that_only_we_can_use(tmp_path: Path) -> None:
    for unencrypted in ("tcp://10.0.0.1:8786", "10.0.0.1:8786", "ws://10.0.0.1:8786", "tcp://no.such.host.invalid:1"):
        with pytest.raises(ClusterError, match=r"neither encrypted nor does it ask .* say --insecure"):
            Address(unencrypted)
        Address(unencrypted, insecure=True)
    for fine in ("tcp://127.0.0.1:8786", "tcp://localhost:8786", "tcp://[::1]:8786", "tls://10.0.0.1:8786"):
        assert str(Address(fine)) == fine
    with pytest.raises(ClusterError, match="is no address such as tls://grader:8786"):
        Address("tcp://grader:eight")
    file = tmp_path / "cluster.yaml"
    for text, message in (
        ("scheduler-address: tcp://10.0.0.1:8786", "neither encrypted"),
        ("distributed: {}", "does not say where the cluster is"),
        ("a: [", "is no Dask configuration"),
    ):
        file.write_text(text)
        with pytest.raises(ClusterError, match=message):
            configured(file)
    with pytest.raises(ClusterError, match="No such file"):
        configured(tmp_path / "missing.yaml")


def test_nobody_at_the_address_is_one_sentence(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("autograder.engine.cluster.address.CONNECT_SECONDS", 0.5)
    material = Material.of(Job("04_attention", "ada", source, None, seed=7))
    with pytest.raises(
        ClusterError, match=r"nobody answers at tcp://127\.0\.0\.1:9: is its scheduler running, and with these keys\?"
    ):
        ClusterPool(Address("tcp://127.0.0.1:9"), material)


class ItsEnd(Address):
    """A scheduler that ends as soon as somebody has connected to it."""

    async def connect(self) -> Client:
        client = await super().connect()
        os.kill(await client.run_on_scheduler(os.getpid), signal.SIGKILL)
        return client


@pytest.mark.slow
def test_a_scheduler_that_ends_at_once_is_one_sentence(tmp_path: Path, source: Path) -> None:
    material = Material.of(Job("04_attention", "ada", source, None, seed=7))
    with cluster(tmp_path) as address, pytest.raises(ClusterError, match=r"has ended \(.*\): give the command again"):
        ClusterPool(ItsEnd(address), material)


def test_an_order_is_the_same_job_elsewhere(tmp_path: Path, class_: list[Job]) -> None:
    material = Material.of(class_[0])
    material.write(tmp_path / "there")
    for job in class_:
        order = Order.of(job, material.digest)
        place = tmp_path / job.student
        place.mkdir()
        found = order.job(tmp_path / "there", place)
        assert job_key(found) == order.key == job_key(job)
        assert isinstance(found.submission, Rejected) == (job.student == "gus")
    changed = replace(material, source=material.source + b" ")
    assert len({material.digest, changed.digest, replace(material, files={}).digest}) == 3


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["put", "forget"]), st.text())))
def test_a_spool_holds_what_was_put_last(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, str, str]]
) -> None:
    spool, held = Spool(tmp_path_factory.mktemp("spool") / "spool"), dict[str, str]()
    for key, what, text in steps:
        if what == "put":
            spool.put(key, text)
            held[key] = text
        else:
            spool.forget([key])
            held.pop(key, None)
    assert {key: spool.get(key) for key in "abc"} == {key: held.get(key) for key in "abc"}
    assert sorted(spool.keys()) == sorted(held)


def test_a_spool_is_private_and_does_not_grow_for_ever(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool")
    spool.put("old", "1")
    spool.put("new", "2")
    old = tmp_path / "spool" / "old.json"
    os.utime(old, (0, old.stat().st_mtime - KEPT_SECONDS - 1))
    assert Spool(tmp_path / "spool").keys() == ["new"]
    assert (tmp_path / "spool").stat().st_mode & 0o777 == 0o700
    (tmp_path / "link").symlink_to(tmp_path / "spool")
    with pytest.raises(PermissionError, match="belongs to somebody else"):
        Spool(tmp_path / "link")
