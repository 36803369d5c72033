"""The course directory in nbgrader's terms."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from autograder.course.course import Course
from autograder.course.errors import CourseError
from autograder.course.grade import class_seed
from tests.course.small import ASSIGNMENT, write_course


def test_everything_stands_in_the_course_directory_whatever_the_working_directory(
    course: Course, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    here, name = course.directory, f"{ASSIGNMENT}.ipynb"
    again = Course(Path("course"))
    assert again.source(ASSIGNMENT) == here / "assignments" / ASSIGNMENT / name
    assert again.released(ASSIGNMENT) == here / "release" / ASSIGNMENT / name
    assert again.submitted(ASSIGNMENT, "ada") == here / "submitted" / "ada" / ASSIGNMENT / name
    assert again.autograded(ASSIGNMENT, "ada") == here / "autograded" / "ada" / ASSIGNMENT / name
    assert again.feedback(ASSIGNMENT, "ada") == here / "feedback" / "ada" / ASSIGNMENT / f"{ASSIGNMENT}.html"
    assert again.database == f"sqlite:///{here}/gradebook.db"
    assert again.journal == here / "journal"
    assert again.course_id == "lookback"
    assert again.assignments() == [ASSIGNMENT]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ('c.CourseDirectory.db_url = "sqlite:///grades/all.db"', "sqlite:///{here}/grades/all.db"),
        ('c.CourseDirectory.db_url = "sqlite:////elsewhere/all.db"', "sqlite:////elsewhere/all.db"),
        (
            'c.CourseDirectory.db_url = "postgresql://u:secret@host/grades"',
            "postgresql://u:secret@host/grades",
        ),
        ('c.CourseDirectory.root = "."', "sqlite:///{here}/gradebook.db"),
    ],
)
def test_the_database_is_nbgraders_own_setting(course: Course, line: str, expected: str) -> None:
    with (course.directory / "nbgrader_config.py").open("a") as file:
        file.write(line + "\n")
    assert Course(course.directory).database == expected.format(here=course.directory)


def test_students_are_those_with_a_folder_for_the_assignment(course: Course) -> None:
    for student, assignment in [("ada", ASSIGNMENT), ("bela", ASSIGNMENT), ("chen", "05_other"), ("d[1]", ASSIGNMENT)]:
        (course.directory / "submitted" / student / assignment).mkdir(parents=True)
    (course.directory / "submitted" / "a_file").write_text("")
    assert course.students(ASSIGNMENT) == ["ada", "bela", "d[1]"]
    with (course.directory / "nbgrader_config.py").open("a") as file:
        file.write('c.CourseDirectory.student_id_exclude = "bela"\n')
    assert Course(course.directory).students(ASSIGNMENT) == ["ada", "d[1]"]


def test_what_is_missing_is_named_with_what_to_do(course: Course, tmp_path: Path) -> None:
    with pytest.raises(CourseError, match="nowhere is not a directory: give a course directory with --course"):
        Course(tmp_path / "nowhere")
    with pytest.raises(CourseError, match=r"nbgrader_config\.py does not exist: give a course directory"):
        Course(tmp_path)
    with pytest.raises(CourseError, match="did you mean '04_attention'"):
        course.source("04_atention")
    for outside in ("../assignments/04_attention", "*", ".", ""):
        with pytest.raises(CourseError, match="no assignment"):
            course.source(outside)
    (course.directory / "assignments").rename(course.directory / "elsewhere")
    with pytest.raises(CourseError, match="assignments does not exist"):
        course.source(ASSIGNMENT)


def test_a_configuration_that_does_not_load_is_an_error_not_a_default(course: Course) -> None:
    (course.directory / "nbgrader_config.py").write_text("c.CourseDirectory.root = (\n")
    with pytest.raises(CourseError, match=r"nbgrader_config\.py does not load \(SyntaxError"):
        Course(course.directory)


def test_an_assignment_has_one_notebook(tmp_path: Path) -> None:
    course = Course(write_course(tmp_path / "course"))
    (course.source(ASSIGNMENT).with_name("second.ipynb")).write_text("{}")
    with pytest.raises(CourseError, match=r"several notebooks \(04_attention.ipynb, second.ipynb\)"):
        course.source(ASSIGNMENT)


def test_the_seed_of_a_class_is_there_whole_or_not_at_all(course: Course) -> None:
    assert class_seed(course, ASSIGNMENT, 5) == class_seed(course, ASSIGNMENT) == 5
    path = course.journal / f"{ASSIGNMENT}.seed"
    os.link(path, path.with_name("before"))
    assert class_seed(course, ASSIGNMENT, 6) == 6
    assert path.with_name("before").read_text() == "5\n", "a kill would have left the old one, not an empty file"
    assert class_seed(course, ASSIGNMENT) == 6
