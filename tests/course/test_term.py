"""What docs/term.md promises: where things are after a week, an appeal, and a gradebook that was lost."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from autograder.cli import app
from autograder.course.course import Course
from autograder.course.material import students_version
from autograder.course.notebook import fill, write
from tests.course.small import ASSIGNMENT, HOP, REPOSITORY, grades, source_of, write_course

GUIDE = REPOSITORY / "docs/term.md"
MADE = "release|submitted|autograded|feedback|journal|report"


def run(course: Course, command: str, *arguments: str) -> Result:
    result = CliRunner().invoke(app, [command, ASSIGNMENT, *arguments, "--course", str(course.directory)])
    assert result.exit_code == 0, result.stderr
    return result


def grade(course: Course, *arguments: str) -> Result:
    return run(course, "grade", "--workers", "1", "--unsafe", *arguments)


@pytest.fixture(scope="module")
def week(tmp_path_factory: pytest.TempPathFactory) -> Course:
    """A week: Ada solves one exercise, Bela none."""
    course = Course(write_course(tmp_path_factory.mktemp("week") / "course"))
    for student, sources in (("ada", {HOP: source_of(HOP)}), ("bela", {})):
        write(fill(students_version(course, ASSIGNMENT), sources), course.submitted(ASSIGNMENT, student))
    run(course, "release")
    grade(course)
    run(course, "feedback")
    run(course, "report")
    return course


@pytest.mark.slow
def test_everything_is_where_the_guide_says(week: Course) -> None:
    named = set(re.findall(rf"`((?:{MADE})/[^`\s]*)`", GUIDE.read_text(encoding="utf-8")))
    assert len(named) >= 9
    for name in named:
        assert (week.directory / name.replace("STUDENT", "ada")).exists(), name


def test_git_ignores_every_place_with_data_of_students() -> None:
    _, _, about = GUIDE.read_text(encoding="utf-8").partition("## Students' data")
    ignored = (REPOSITORY / ".gitignore").read_text().splitlines()
    (sentence,) = re.findall(r"Personal data are in (.*?); git ignores", about, re.DOTALL)
    places = re.findall(r"`(\w+/)`", sentence)
    assert len(places) >= 5
    assert {f"/{place}" for place in places} <= set(ignored)
    assert any(line.startswith("gradebook.db") for line in ignored)


@pytest.mark.slow
def test_an_appeal_looks_again_and_records_nothing(week: Course) -> None:
    before = grades(week.database)
    shown = grade(week, "--student", "ada", "--exercise", HOP, "--no")
    assert f"{HOP}: no points change" in shown.stderr
    assert "nothing was recorded" in shown.stderr
    assert grades(week.database) == before


@pytest.mark.slow
def test_a_lost_gradebook_comes_back_from_the_journal(week: Course) -> None:
    before, journal = grades(week.database), week.directory / "journal" / f"{ASSIGNMENT}.jsonl"
    verdicts = journal.read_bytes()
    Path(week.database.removeprefix("sqlite:///")).unlink()
    grade(week)
    assert grades(week.database) == before
    assert journal.read_bytes() == verdicts, "nothing was run again"
