from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from autograder.course.course import Course
from autograder.course.gradebook import recording
from tests.course.asks import Class, graded_class
from tests.course.handed_in import write_roster
from tests.course.small import ASSIGNMENT, write_course


@pytest.fixture
def course_directory(tmp_path: Path) -> Path:
    """The directory of the small course."""
    return write_course(tmp_path / "course")


@pytest.fixture
def course(course_directory: Path) -> Course:
    """The small course, in a directory of its own."""
    return Course(course_directory)


@pytest.fixture(scope="session")
def made_gradebook(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The gradebook of the small course, without students: nbgrader needs seconds to make a new one."""
    course = Course(write_course(tmp_path_factory.mktemp("made") / "course"))
    with recording(course, ASSIGNMENT):
        return course.directory / "gradebook.db"


@pytest.fixture
def recorded_course(course: Course, made_gradebook: Path) -> Course:
    """The small course with a gradebook that knows its assignment."""
    shutil.copy(made_gradebook, course.directory)
    return course


@pytest.fixture
def roster(tmp_path: Path) -> Path:
    """The students of a course as a CSV file."""
    return write_roster(tmp_path / "students.csv")


@pytest.fixture
def exchange_course(recorded_course: Course) -> Course:
    """A course with an exchange of its own."""
    root = recorded_course.directory / "exchange"
    root.mkdir(mode=0o777)
    with (recorded_course.directory / "nbgrader_config.py").open("a") as file:
        file.write(f"c.Exchange.root = {str(root)!r}\nc.ExchangeCollect.check_owner = False\n")
    return Course(recorded_course.directory)


@pytest.fixture(scope="session")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Class:
    """The graded class of the asks."""
    return graded_class(tmp_path_factory.mktemp("asks") / "course")
