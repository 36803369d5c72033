"""Two classes at once on one cluster: neither waits for the other, and none gets what is the other's."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.cluster.grading import Grading, Outcome
from tests.cluster.world import ADDRESS, World
from tests.course.small import ASSIGNMENT

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("cluster"), pytest.mark.timeout(900)]


def test_two_classes_are_graded_at_once(world: World, calm: Outcome, course: Path) -> None:
    other = Path(shutil.copytree(course, course.with_name("other_class")))
    (other / "assignments" / ASSIGNMENT / "name.txt").write_text("other")
    one, two = (Grading(world, directory, "--cluster", ADDRESS) for directory in (course, other))
    one.wait_for_share(0.4, calm)
    two.wait_for_share(0.2, calm)
    assert not one.over, "the other class had to wait"
    for run in (one, two):
        run.end()
        assert run.outcome() == calm
    assert sorted(one.begun()) == sorted(line["key"] for run in (one, two) for line in run.recorded())
