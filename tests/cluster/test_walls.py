"""A student's program on a worker reaches neither the cluster nor the host."""

from __future__ import annotations

import json
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from nbformat.v4 import new_code_cell

from autograder.course.course import Course
from autograder.course.material import students_version
from autograder.course.notebook import fill, write
from tests.cluster.grading import Grading
from tests.cluster.probes import LISTEN, probe, socket_of, targets
from tests.cluster.world import ADDRESS, World, program, wait_for
from tests.course.small import ASSIGNMENT, EXERCISES, POINTS, source_of, write_course
from tests.engine.sandbox.behind import ORDINARY

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("cluster"), pytest.mark.timeout(900)]


def test_a_students_program_reaches_neither_the_cluster_nor_the_host(world: World) -> None:
    course = Course(write_course(world.hub.directory / "walls"))
    with ExitStack() as listening:
        for host in (world.hub, *world.hosts.values()):
            name = socket_of(host.directory)
            listening.enter_context(host.running(program("python"), "-c", LISTEN, name))
            wait_for(Path(name).exists, "somebody who listens")
        for host in world.hosts.values():
            wait_for(lambda host=host: host.said("Registered to"), "a worker")
            assert {process.uids().real for process in host.dask()} == {ORDINARY}
        for student in ("ada", "bob", "chen", "dan"):
            notebook = fill(students_version(course, ASSIGNMENT), {name: source_of(name) for name in EXERCISES})
            notebook.cells.insert(1, new_code_cell(probe(world)))
            write(notebook, course.submitted(ASSIGNMENT, student))
        run = Grading(world, course.directory, "--cluster", ADDRESS)
        run.end()
        outside = [json.loads(host.run(program("python"), "-c", probe(world))) for host in world.hosts.values()]
    assert {name for told in outside for name in told if told[name] == "reached"} == targets(world).keys()
    for line in run.recorded():
        verdict = line["verdict"]
        assert verdict["status"] == "graded"
        assert {exercise["name"]: exercise["points"] for exercise in verdict["exercises"]} == POINTS
        inside = json.loads(printed(line["notebook"]))
        assert inside.keys() == targets(world).keys()
        assert "reached" not in inside.values(), inside
    assert len(run.recorded()) == 4


def printed(notebook: dict[str, Any]) -> str:
    """What the first cell that prints has printed."""
    outputs = [output for cell in notebook["cells"] for output in cell.get("outputs", [])]
    return "".join(next(output["text"] for output in outputs if output["output_type"] == "stream"))
