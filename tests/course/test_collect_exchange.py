"""Collecting from nbgrader's exchange: what nbgrader would choose, and nothing that a link points to."""

from __future__ import annotations

import os
from copy import deepcopy
from pathlib import Path

from nbgrader.coursedir import CourseDirectory
from nbgrader.exchange import ExchangeFactory
from nbgrader.utils import notebook_hash

from autograder.course.course import Course
from autograder.course.database import opened
from autograder.course.feedback import write_feedback
from tests.course.handed_in import HOUR, NAME, NOON, earlier, handed_in, outcomes, run, submit, times
from tests.course.small import ASSIGNMENT
from tests.course.verdicts import rejected


def test_nbgraders_exchange_is_collected_as_nbgrader_would(exchange_course: Course) -> None:
    course = exchange_course
    submit(course, "ada", NOON, "first")
    submit(course, "ada", NOON + HOUR, "second")
    submit(course, "bela+b", NOON, "bela's")
    assert outcomes(run(course, "--json")) == {"collected": ["ada", "bela+b"]}
    assert handed_in(course) == {"ada": "second", "bela+b": "bela's"}
    assert times(course) == {"ada": NOON + HOUR, "bela+b": NOON}
    submit(course, "ada", NOON + 2 * HOUR, "the third")
    assert outcomes(run(course, "--json")) == {"replaced": ["ada"], "unchanged": ["bela+b"]}
    assert (handed_in(course)["ada"], earlier(course, "ada")) == ("the third", ["second"])


def test_who_hands_in_for_another_is_named(exchange_course: Course) -> None:
    with (exchange_course.directory / "nbgrader_config.py").open("a") as file:
        file.write("c.ExchangeCollect.check_owner = True\n")
    folder = submit(exchange_course, "ada", NOON, "hers?")
    result = run(Course(exchange_course.directory))
    assert f"it belongs to {folder.owner()}, who may have handed it in for ada" in result.stdout


def test_nbgraders_own_setting_for_the_due_date_is_kept(exchange_course: Course) -> None:
    with (exchange_course.directory / "nbgrader_config.py").open("a") as file:
        file.write("c.ExchangeCollect.before_duedate = True\n")
    with opened(exchange_course) as gradebook:
        gradebook.update_or_create_assignment(ASSIGNMENT, duedate=NOON)
    submit(exchange_course, "ada", NOON - HOUR, "in time")
    submit(exchange_course, "ada", NOON + HOUR, "late")
    run(Course(exchange_course.directory))
    assert handed_in(exchange_course) == {"ada": "in time"}


def test_a_hostile_folder_in_the_exchange_is_its_students_trouble(exchange_course: Course, tmp_path: Path) -> None:
    course = exchange_course
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / NAME).write_text("another's")
    honest = submit(course, "ada", NOON, "right")
    submit(course, "bela", NOON, "x").joinpath(NAME).unlink()
    (folder := submit(course, "chen", NOON, "x")).joinpath(NAME).unlink()
    folder.joinpath(NAME).symlink_to(tmp_path / "secret" / NAME)
    honest.with_name(honest.name.replace("ada", "dana")).symlink_to(tmp_path / "secret")
    os.truncate(submit(course, "emil", NOON, "x") / NAME, 2**32)
    (folder := submit(course, "fay", NOON, "x")).joinpath(NAME).unlink()
    os.mkfifo(folder / NAME)
    result = run(course)
    assert (result.exit_code, handed_in(course)) == (1, {"ada": "right"})
    assert len(result.stderr.splitlines()) == 5
    assert result.stderr.count("it is a symbolic link") == 2


def test_feedback_finds_its_way_back_through_the_exchange(exchange_course: Course) -> None:
    """nbgrader files a page under a hash of the secret that it left with the submission; others cannot guess it."""
    course = exchange_course
    submit(course, "ada", NOON, "no notebook").joinpath("submission_secret.txt").write_text("a secret")
    run(course)
    (page,) = write_feedback(course, ASSIGNMENT, [rejected("ada")])
    config = deepcopy(course.config)
    config.CourseDirectory.assignment_id = ASSIGNMENT
    ExchangeFactory(config=config).ReleaseFeedback(coursedir=CourseDirectory(config=config), config=config).start()
    (given,) = (course.directory / "exchange/lookback/feedback").iterdir()
    assert given.stem == notebook_hash(secret="a secret", notebook_id=ASSIGNMENT)
    assert given.read_text() == page.read_text()
