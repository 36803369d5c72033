"""Recording a class in small: what each submission costs stays what it is, and each is recorded once."""

from __future__ import annotations

import gc
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from nbgrader.api import Base
from sqlalchemy import event
from sqlalchemy.engine import Engine

from autograder.course.classroom import make_class
from autograder.course.course import Course
from autograder.course.grade import grade, jobs
from autograder.engine.verdict import Verdict
from tests.bench.recording import Copies, hand_in_copies, originals
from tests.course.small import ASSIGNMENT, EXERCISES, grades, write_course

STUDENTS, DIFFERENT, PART = 240, 4, 100
MOST_OBJECTS = 40
"""Verdicts and rows that may be alive at once, of which each submission has about twenty."""


def alive() -> int:
    """How many verdicts and rows of the gradebook there are."""
    gc.collect()
    return sum(issubclass(type(one), Verdict | Base) for one in gc.get_objects())


@pytest.mark.slow
def test_a_large_class_costs_each_submission_the_same(tmp_path: Path) -> None:
    course = Course(write_course(tmp_path / "course"))
    due = make_class(course, ASSIGNMENT, DIFFERENT, seed=4)["students"]
    pool = Copies(originals(course, ASSIGNMENT))
    hand_in_copies(course, STUDENTS, ASSIGNMENT)
    asked: Counter[int] = Counter()
    done: list[str] = []
    objects: dict[int, int] = {}

    def count(*_: Any) -> None:
        asked[len(done)] += 1

    event.listen(Engine, "before_cursor_execute", count)
    try:
        for found in grade(course, ASSIGNMENT, jobs(course, ASSIGNMENT), pool):
            done.append(found.verdict.student)
            if len(done) in (PART, 2 * PART):
                objects[len(done)] = alive()
    finally:
        event.remove(Engine, "before_cursor_execute", count)
    first, last = (sum(asked[STUDENTS - n - 1] for n in range(start, start + PART)) for start in (PART, 0))
    assert 0 < last < first + PART / 4  # how many rows one UPDATE takes depends on their ids, which are drawn
    assert max(objects.values()) < MOST_OBJECTS
    journal = course.journal / f"{ASSIGNMENT}.jsonl"
    sizes = [len(line) for line in journal.read_bytes().splitlines()]
    assert sum(sizes[-PART:]) == sum(sizes[-2 * PART : -PART])
    once(course.directory, journal, {name: one["points"] for name, one in due.items()}, done)


def once(directory: Path, journal: Path, due: dict[str, dict[str, float]], done: list[str]) -> None:
    """Each submission is once in the journal and once in the gradebook, with the points of the one that it copies."""
    lines = [json.loads(line)["verdict"] for line in journal.read_bytes().splitlines()]
    names = sorted(due)
    whose = {f"student-{n:05}": names[n % len(names)] for n in range(STUDENTS - len(names))} | {n: n for n in names}
    recorded = grades(f"sqlite:///{directory}/gradebook.db")
    assert sorted(v["student"] for v in lines) == sorted(done) == sorted(recorded) == sorted(whose)
    assert {v["student"]: {e["name"]: e["points"] for e in v["exercises"]} for v in lines} == {
        student: due[copied] for student, copied in whose.items()
    }
    assert {student: {n: one["grades"][f"check_{n}"][0] for n in EXERCISES} for student, one in recorded.items()} == {
        student: due[copied] for student, copied in whose.items()
    }
