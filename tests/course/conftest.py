from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from autograder.course.course import Course
from autograder.course.gradebook import recording
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
