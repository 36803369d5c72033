"""A course on a real JupyterHub: two students and an instructor, accounts of the machine, nbgrader's exchange."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from autograder.course.course import Course
from autograder.course.solve import solve
from tests.hub.conftest import ASSIGNMENT, Hub, Person
from tests.hub.world import home

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("hub"), pytest.mark.timeout(900)]

COURSE = "/srv/lookback/course"
NOTEBOOK = f"{ASSIGNMENT}/{ASSIGNMENT}.ipynb"
ALL_POINTS = 30.0
WHAT_IS_THERE = """
import importlib.util, os, sys
print([name for name in ("lookback", "autograder", "solutions") if importlib.util.find_spec(name)])
for path in sys.argv[1:]:
    try:
        print(os.listdir(path))
    except PermissionError:
        print("closed")
"""


@pytest.fixture(scope="module")
def solved(root: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The notebook of a student who can do everything."""
    return json.loads(solve(Course(root), ASSIGNMENT, tmp_path_factory.mktemp("solved")).read_text(encoding="utf-8"))


def instruct(hub: Hub, program: str, *arguments: str) -> str:
    """What a command prints that the instructor runs in the course."""
    done = hub.run_as("grace", f"{COURSE}/.venv/bin/{program}", *arguments, folder=COURSE)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def exchange(person: Person, action: str) -> list[dict[str, Any]]:
    """Press one of the buttons of nbgrader's assignment list; the list as it is then."""
    data = {"course_id": "lookback", "assignment_id": ASSIGNMENT}
    answer = person.send("POST", f"assignments/{action}", data)
    assert answer["success"], answer["value"]
    return list(answer["value"])


def hand_in(person: Person, notebook: dict[str, Any]) -> None:
    """Fetch, save, submit."""
    exchange(person, "fetch")
    person.send("PUT", f"api/contents/{NOTEBOOK}", {"type": "notebook", "format": "json", "content": notebook})
    exchange(person, "submit")


def untouched(person: Person) -> dict[str, Any]:
    """The notebook as it was fetched."""
    return dict(person.get(f"api/contents/{NOTEBOOK}").json()["content"])


def test_who_is_not_of_the_course_and_who_errs_in_the_password_do_not_come_in(hub: Hub) -> None:
    assert hub("eve").log_in() == 403
    assert hub("nobody").log_in() == 403
    assert hub("ada").log_in("another horse") == 403


def test_a_week_on_the_hub(hub: Hub, solved: dict[str, Any]) -> None:
    ada, bela, grace = (hub(name) for name in ("ada", "bela", "grace"))
    assert [person.log_in() for person in (ada, bela, grace)] == [200, 200, 200]

    instruct(hub, "autograder", "release", ASSIGNMENT)
    instruct(hub, "nbgrader", "release_assignment", ASSIGNMENT)

    hand_in(ada, solved)
    exchange(bela, "fetch")
    hand_in(bela, untouched(bela))
    closed = [COURSE, home("bela"), "/srv/lookback/hub", "/srv/lookback/exchange/lookback/inbound"]
    seen = hub.run_as("ada", "/srv/lookback/students/bin/python", "-c", WHAT_IS_THERE, *closed)
    assert seen.stdout.splitlines() == ["['lookback']", *["closed"] * len(closed)], seen.stderr
    assert ada.get("formgrader/api/assignments").status_code == 404, "students have no formgrader"
    assert ada.session.get(f"{hub.address}/user/bela/api/contents", timeout=60).status_code == 403

    instruct(hub, "autograder", "collect", ASSIGNMENT)
    verdicts = json.loads(instruct(hub, "autograder", "grade", ASSIGNMENT, "--json"))
    points = {one["student"]: sum(exercise["points"] for exercise in one["exercises"]) for one in verdicts}
    assert points == {"ada": ALL_POINTS, "bela": 0.0}
    shown = {one["id"]: one["score"] for one in grace.get(f"formgrader/api/submissions/{ASSIGNMENT}").json()}
    assert sorted(shown.values()) == [0.0, ALL_POINTS]

    instruct(hub, "autograder", "feedback", ASSIGNMENT)
    instruct(hub, "nbgrader", "release_feedback", ASSIGNMENT)
    pages = {}
    for person in (ada, bela):
        exchange(person, "fetch_feedback")
        (page,) = hub.files(f"{home(person.name)}/{ASSIGNMENT}/feedback").rglob("*.html")
        pages[person.name] = page.read_text(encoding="utf-8")
    assert ": 30 of 34 points" in pages["ada"], "4 are for a person to give"
    assert ": 0 of 34 points" in pages["bela"]
