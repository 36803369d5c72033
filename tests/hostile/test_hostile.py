"""Every hostile submission through the engine: its points, its bound, and what is left of it."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import psutil
import pytest

from autograder.engine.grading import grade_submission
from autograder.engine.job import Graded, Job
from autograder.engine.limits import MIB, Limits
from autograder.engine.warm import WarmParent
from tests.engine.notebooks import Cells, code, source_notebook, submitted, written
from tests.hostile.case import BOTH, RIGHT, WRONG, Case
from tests.hostile.families import endings, escape, judge, notebooks, outputs, resources

CASES = [case for family in (escape, resources, endings, judge, outputs, notebooks) for case in family.CASES]
LIMITS = Limits(
    cell_seconds=2, check_seconds=2, interrupt_seconds=0.5, memory_bytes=1024 * MIB, processes=64, disk_bytes=64 * MIB
)
SLACK_SECONDS = 10
"""For a machine that does other things as well."""
OWN_CELL = 2
UNWANTED = ('"text/html"', '"application/javascript"', '"image/svg+xml"', '"text/latex"', '"text/markdown"')
"""What no output in the executed notebook may hold."""
SHARED_PLACES = ("/", "/tmp", "/var/tmp", "/dev/shm", "/home", "/etc", "/usr/lib")


@pytest.fixture
def mark(tmp_path: Path) -> str:
    """The beginning of the names of files that an attack leaves."""
    return f"hostile{uuid4().hex}"


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_hostile_submission(case: Case, parent: WarmParent, tmp_path: Path, book: Path, port: int, mark: str) -> None:
    def filled(source: str) -> str:
        return source.replace("@BOOK@", str(book)).replace("@PORT@", str(port)).replace("@MARK@", mark)

    def grade(job: Job) -> tuple[Graded, float]:
        start = time.monotonic()
        return grade_submission(job, parent), time.monotonic() - start

    source = written(tmp_path / "source.ipynb", source_notebook())
    submission = tmp_path / "submission.ipynb"
    if case.write:
        case.write(submission)
    else:
        sources = {"own": filled(case.own), "first": filled(case.first), "second": filled(case.second)}
        written(submission, cells(replace(case, **sources)))  # type: ignore[arg-type]  # each of them is a source
    graded, seconds = grade(Job("04_attention", "eve", source, submission, seed=7, limits=LIMITS))

    verdict = graded.verdict
    found = tuple(exercise.points for exercise in verdict.exercises)
    shown = [cell.get("outputs", []) for cell in (graded.notebook or {"cells": []})["cells"]]
    text = json.dumps([verdict.to_json(), shown], ensure_ascii=False)
    assert found == case.points, verdict.notes
    assert seconds < case.seconds + SLACK_SECONDS
    assert case.says in text
    assert "BREACH" not in text, text
    assert not any(word in json.dumps(shown) for word in UNWANTED), shown
    assert psutil.Process(parent.pid).children() == []
    assert not [path for place in SHARED_PLACES for path in Path(place).glob(f"{mark}*")]

    honest = written(tmp_path / "honest.ipynb", submitted())
    sibling, _ = grade(Job("04_attention", "ada", source, honest, seed=7, limits=LIMITS))
    assert tuple(exercise.points for exercise in sibling.verdict.exercises) == BOTH, sibling.verdict.notes


def cells(case: Case) -> Cells:
    """The notebook that the case hands in."""
    made = submitted(case.first, case.second)
    if case.change:
        return case.change(made)
    return [*made[:OWN_CELL], code(case.own), *made[OWN_CELL:]] if case.own else made


def test_the_answers_that_cheat_are_wrong_and_the_others_are_right() -> None:
    """Else a case could pass for another reason than the one that it is there for."""
    assert WRONG.keys() == RIGHT.keys()
    assert len({case.name for case in CASES}) == len(CASES)
