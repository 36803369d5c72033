"""A class on worker processes: nothing that one submission does reaches another."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from autograder.engine.job import Job
from autograder.engine.journal import Journal
from autograder.engine.limits import Limits
from autograder.engine.pool import LocalPool, grade_class
from autograder.engine.sandbox.probe import ASKED
from autograder.engine.scratch import PREFIX
from tests.engine.conftest import LIMITS, WAIT, meanwhile
from tests.engine.notebooks import FIRST, answer, submitted, written

pytestmark = pytest.mark.slow

KILL_THE_WORKER = """
import os, psutil, signal
kernel = psutil.Process()
os.kill(kernel.parent().ppid(), signal.SIGKILL)
"""


def jobs(tmp_path: Path, source: Path, answers: dict[str, str | None]) -> list[Job]:
    return [
        Job("04_attention", name, source, written(tmp_path / f"{name}.ipynb", submitted(text)), seed=7, limits=LIMITS)
        for name, text in answers.items()
    ]


def nothing_left(own_tmpdir: Path) -> bool:
    """Whether every process of the engine ends, of itself, within ten seconds, and its directories are gone."""
    ours = [p for p in psutil.process_iter(["cmdline", "environ", "uids"]) if is_ours(p, own_tmpdir)]
    return not psutil.wait_procs(ours, timeout=10)[1] and not list(own_tmpdir.glob(f"{PREFIX}*"))


def is_ours(process: psutil.Process, own_tmpdir: Path) -> bool:
    about = process.info  # of another user's process the environment cannot be read
    if "autograder.engine.parent" not in (about["cmdline"] or ()) or about["uids"].real != os.getuid():
        return False
    return bool(about["environ"].get("TMPDIR") == str(own_tmpdir))


def test_a_submission_that_kills_its_worker_fails_alone(
    tmp_path: Path, source: Path, own_tmpdir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(ASKED, "rlimits")  # behind the other walls it could not
    class_ = jobs(tmp_path, source, {"ada": None, "eve": KILL_THE_WORKER, "bob": None, "cy": "x =", "dan": None})
    class_.append(Job("04_attention", "fay", source, None, seed=7))
    with LocalPool(2) as pool:
        found = {graded.verdict.student: graded.verdict for graded in grade_class(class_, pool)}
    assert {name: (v.status, v.points) for name, v in found.items()} == {
        **dict.fromkeys(("ada", "bob", "dan"), ("graded", 9.0)),
        "eve": ("failed", 0),
        "cy": ("graded", 6.0),
        "fay": ("missing", 0.0),
    }
    assert "its worker ended twice without a verdict" in found["eve"].notes[0]
    assert nothing_left(own_tmpdir)


def warm_parent(kernel: psutil.Process) -> psutil.Process:
    """The warm parent of a kernel."""
    return [above for above in kernel.parents() if "autograder.engine.parent" in above.cmdline()][-1]


@pytest.mark.parametrize("who", ["parent", "worker"])
def test_what_the_machine_kills_is_replaced(who: str, tmp_path: Path, source: Path, own_tmpdir: Path) -> None:
    def kill(kernel: psutil.Process) -> None:
        parent = warm_parent(kernel)
        (parent if who == "parent" else parent.parent()).kill()

    class_ = jobs(tmp_path, source, {"ada": f"{WAIT}\n{answer(FIRST)['source']}", "bob": None})
    with meanwhile(kill), LocalPool(1) as pool:
        found = [graded.verdict for graded in grade_class(class_, pool)]
    assert {verdict.student: (verdict.status, verdict.points) for verdict in found} == dict.fromkeys(
        ("ada", "bob"), ("graded", 9.0)
    )
    assert nothing_left(own_tmpdir)


def test_a_class_that_nobody_waits_for_ends(tmp_path: Path, source: Path, own_tmpdir: Path) -> None:
    endless, quick = jobs(tmp_path, source, {"ada": "while True: pass", "bob": None})
    with LocalPool(2) as pool:
        run = grade_class([replace(endless, limits=Limits(cell_seconds=250)), quick], pool)
        assert next(run).verdict.student == "bob"
    assert nothing_left(own_tmpdir)


def test_what_the_journal_has_is_not_graded_again(tmp_path: Path, source: Path) -> None:
    class_ = jobs(tmp_path, source, {"ada": None, "cy": "x ="})
    with Journal(tmp_path / "journal.jsonl") as journal, LocalPool(1) as pool:
        first = next(grade_class(class_, pool, journal=journal))
    with Journal(tmp_path / "journal.jsonl") as journal, LocalPool(1) as pool:
        second = list(grade_class(class_, pool, journal=journal))
    with Journal(tmp_path / "journal.jsonl") as journal, LocalPool(1) as pool:
        third = list(grade_class(class_, pool, journal=journal))
    assert second[0] == first
    assert {graded.verdict.student for graded in second} == {"ada", "cy"}
    assert third == second


def test_a_wrong_assignment_fails_with_the_reason_and_is_not_journaled(tmp_path: Path, source: Path) -> None:
    source.write_text("{}")
    class_ = jobs(tmp_path, source, {"ada": None})
    with Journal(tmp_path / "journal.jsonl") as journal, LocalPool(1) as pool:
        (graded,) = grade_class(class_, pool, journal=journal)
        assert graded.verdict.status == "failed"
        assert "the file is JSON, but not a notebook" in graded.verdict.notes[0]
    assert (tmp_path / "journal.jsonl").read_bytes().strip() == b""
