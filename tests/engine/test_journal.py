"""The journal: what was recorded is there after any kind of end."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from autograder.engine.job import Graded, Job, failed
from autograder.engine.journal import Journal, JournalInUse, job_key


@pytest.fixture
def job(tmp_path: Path) -> Job:
    for name in ("source", "submission"):
        (tmp_path / name).write_text(name)
    return Job("04_attention", "ada", tmp_path / "source", tmp_path / "submission", seed=7)


def graded(job: Job, text: str) -> Graded:
    verdict = replace(failed(job, text).verdict, wall_seconds=0.1, cpu_seconds=0.1)
    return Graded(verdict, {"cells": [], "text": text})


def test_what_was_recorded_last_comes_back(job: Job, tmp_path: Path) -> None:
    path = tmp_path / "deep" / "journal.jsonl"
    with Journal(path) as journal:
        assert journal.get("a") is None
        for key, text in (("a", "one"), ("b", "two"), ("a", "three — “ü”")):
            journal.record(key, graded(job, text))
    with Journal(path) as journal:
        assert journal.get("a") == graded(job, "three — “ü”")
        assert journal.get("b") == graded(job, "two")


def test_an_unfinished_last_line_is_ignored_and_the_journal_goes_on(job: Job, tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    with Journal(path) as journal:
        journal.record("a", graded(job, "one"))
        whole = path.stat().st_size
        journal.record("b", graded(job, "two"))
    data = path.read_bytes()
    for length in (whole, whole + 1, (whole + len(data)) // 2, len(data) - 1):
        path.write_bytes(data[:length])
        with Journal(path) as journal:
            assert journal.get("a") == graded(job, "one")
            assert journal.get("b") is None
            journal.record("c", graded(job, "three"))
        with Journal(path) as journal:
            assert journal.get("c") == graded(job, "three")


def test_a_recorded_verdict_is_on_the_disk_before_the_next(job: Job, tmp_path: Path) -> None:
    with Journal(tmp_path / "journal.jsonl") as journal:
        journal.record("a", graded(job, "one"))
        assert (tmp_path / "journal.jsonl").read_bytes().endswith(b"}\n")


def test_only_one_process_writes(tmp_path: Path) -> None:
    with Journal(tmp_path / "journal.jsonl"), pytest.raises(JournalInUse, match="another autograder is grading"):
        Journal(tmp_path / "journal.jsonl")
    Journal(tmp_path / "journal.jsonl").close()


def test_the_key_changes_with_whatever_the_verdict_depends_on(job: Job, tmp_path: Path) -> None:
    (tmp_path / "other").write_text("other")
    changes = [
        {},
        {"student": "bob"},
        {"seed": 8},
        {"exercises": ("soft_lookup",)},
        {"submission": None},
        {"submission": tmp_path / "other"},
        {"submission": tmp_path / "nothing there"},
        {"source": tmp_path / "other"},
        {"device": "cuda"},
        {"limits": job.limits.changed({"cell_seconds": 1})},
    ]
    keys = [job_key(replace(job, **change)) for change in changes]  # type: ignore[arg-type]
    assert len(set(keys)) == len(changes)
    assert job_key(job) == keys[0]
    assert job_key(replace(job, device="cuda", slots_per_gpu=4)) == job_key(replace(job, device="cuda"))
