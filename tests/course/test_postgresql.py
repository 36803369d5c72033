"""A gradebook on PostgreSQL, by nbgrader's own setting: the same loop, the same points, and what goes wrong."""

from __future__ import annotations

import csv
import json
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from nbgrader.apps.api import NbGraderAPI
from sqlalchemy import Connection, Engine, event
from typer.testing import CliRunner, Result

from autograder.cli import app
from autograder.course.course import Course
from autograder.course.errors import CourseError
from autograder.course.gradebook import recorder_of, recording
from tests.course.handed_in import nbgrader
from tests.course.postgresql import Server, programs, running
from tests.course.small import ASSIGNMENT, EXERCISES, cut_cells, grades, write_course, write_notebook
from tests.course.test_gradebook import graded
from tests.course.test_watch import LONGEST, started, until

pytestmark = [
    pytest.mark.skipif(programs() is None, reason="initdb is not installed; on Debian: apt install postgresql"),
    pytest.mark.xdist_group("postgresql"),
    pytest.mark.timeout(900),
]
RASP = "10_rasp"


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with tempfile.TemporaryDirectory() as folder, running(Path(folder)) as server:
        yield server


def on(address: str, directory: Path) -> Course:
    """The same course directory with its gradebook there."""
    configuration = directory / "nbgrader_config.py"
    lines = [line for line in configuration.read_text().splitlines() if "db_url" not in line]
    configuration.write_text("\n".join([*lines, f"c.CourseDirectory.db_url = {address!r}", ""]))
    return Course(directory)


def run(course: Course, *arguments: str) -> Result:
    return CliRunner().invoke(app, [*arguments, "--course", str(course.directory)])


def done(course: Course, *arguments: str) -> Result:
    """A command that has to do what it is asked."""
    result = run(course, *arguments)
    assert result.exit_code == 0, result.stderr
    return result


@pytest.mark.slow
def test_the_whole_loop_gives_the_points_that_sqlite_has(server: Server, course_directory: Path) -> None:
    course = on(server.new("whole_loop"), course_directory)
    assert "is empty: the first release makes its tables" in run(course, "doctor").stdout
    done(course, "release", ASSIGNMENT)
    done(course, "class", ASSIGNMENT, "--students", "4", "--seed", "3")
    run_file = course.journal / f"{ASSIGNMENT}.run"
    with started(course, "grade", ASSIGNMENT, "--workers", "1", "--seed", "3") as grader:
        until(lambda: run_file.exists() and run_file.read_bytes().count(b"\n") > 1)
        grader.kill()
    killed = run_file.stat().st_ino
    with started(course, "grade", ASSIGNMENT, "--workers", "1") as grader:
        until(lambda: run_file.stat().st_ino != killed and run_file.read_bytes().count(b"\n") > 1)
        grader.suspend()
        server.shut("whole_loop")
        grader.resume()
        assert " no longer answers (" in grader.communicate(timeout=LONGEST)[1].splitlines()[-1]
    assert grader.returncode == 2
    server.open("whole_loop")
    done(course, "grade", ASSIGNMENT)
    recorded = grades(course.database)
    due = json.loads((course.directory / "class.json").read_text())[ASSIGNMENT]["students"]
    assert {student: {n: one["grades"][f"check_{n}"][0] for n in EXERCISES} for student, one in recorded.items()} == {
        student: one["points"] for student, one in due.items()
    }
    done(course, "feedback", ASSIGNMENT)
    done(course, "report", ASSIGNMENT)
    done(course, "export", ASSIGNMENT, "--format", "nbgrader")
    done(course, "export", ASSIGNMENT)
    exported = (course.directory / "exports" / f"{ASSIGNMENT}.csv").read_text()
    scores = {row["student"]: float(row[f"{ASSIGNMENT}: score"]) for row in csv.DictReader(exported.splitlines())}
    assert scores == {student: sum(one["points"].values()) for student, one in due.items()}
    api = NbGraderAPI(coursedir=course.nbgrader, config=course.config)
    with closing(api.gradebook):
        listed = {one["student"]: one["score"] for one in api.get_submissions(ASSIGNMENT)}
    assert listed == scores
    nbgrader(course, "db", "student", "add", "zoe")
    nbgrader(course, "db", "student", "list")
    examined = run(course, "doctor").stdout
    assert re.search(r"gradebook: postgresql\+psycopg://grace:\*\*\*@.*, tables of version", examined)

    with_sqlite = on("sqlite:///gradebook.db", Path(shutil.copytree(course.directory, f"{course.directory}-sqlite")))
    done(with_sqlite, "grade", ASSIGNMENT)
    assert grades(with_sqlite.database) == recorded
    done(with_sqlite, "export", ASSIGNMENT)
    assert (with_sqlite.directory / "exports" / f"{ASSIGNMENT}.csv").read_text() == exported


@contextmanager
def shut_before(server: Server, database: str, number: int) -> Iterator[Iterator[int]]:
    """Cuts all connections to a database before this one of the statements that follow; yields what counts them."""
    statements = count(1)

    def statement(connection: Connection, *_: Any) -> None:
        if connection.engine.url.database == database and next(statements) == number:
            server.shut(database)

    event.listen(Engine, "before_cursor_execute", statement)
    try:
        yield statements
    finally:
        event.remove(Engine, "before_cursor_execute", statement)


def test_wherever_a_connection_is_cut_it_is_one_line_and_the_next_run_goes_on(
    server: Server, course: Course, capfd: pytest.CaptureFixture[str]
) -> None:
    name = "cut_anywhere"
    course = on(server.new(name), course.directory)
    with recording(course, ASSIGNMENT), recorder_of(course, ASSIGNMENT) as recorder:
        recorder.record(graded(course, "whole"))
    whole = grades(course.database)["whole"]
    for number in count(1):
        student, told = f"cut-{number}", ""
        cut = graded(course, student)
        with shut_before(server, name, number) as statements:
            try:
                with recorder_of(course, ASSIGNMENT) as recorder:
                    recorder.record(cut)
            except CourseError as error:
                told = str(error)
        if not told:
            assert next(statements) <= number, "it was cut, and nothing said so"
            break
        assert re.search("no longer answers|cannot be used", told)
        server.open(name)
        assert student not in grades(course.database)
        with recorder_of(course, ASSIGNMENT) as recorder:
            recorder.record(cut)
        assert grades(course.database)[student] == whole
    assert number > 20
    assert capfd.readouterr().err == ""


@pytest.mark.slow
def test_two_assignments_are_graded_at_once(server: Server, tmp_path: Path) -> None:
    directory, cells = write_course(tmp_path / "course"), cut_cells(RASP, ["select", "aggregate"])
    write_notebook(directory / "assignments" / RASP / f"{RASP}.ipynb", cells)
    course = on(server.new("two_at_once"), directory)
    for assignment in (ASSIGNMENT, RASP):
        done(course, "class", assignment, "--students", "3", "--seed", "3")
    both = [started(course, "grade", name, "--workers", "1", "--seed", "3") for name in (ASSIGNMENT, RASP)]
    told = [one.communicate(timeout=LONGEST) for one in both]
    assert [one.returncode for one in both] == [0, 0], told
    due = json.loads((course.directory / "class.json").read_text())
    for assignment in (ASSIGNMENT, RASP):
        students, recorded = due[assignment]["students"], grades(course.database, assignment)
        assert {
            student: {name: one["grades"][f"check_{name}"][0] for name in students[student]["points"]}
            for student, one in recorded.items()
        } == {student: one["points"] for student, one in students.items()}


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("postgresql+psycopg://grace:wrong@/postgres?host={folder}", "password authentication failed"),
        ("postgresql+psycopg://grace:wrong@/postgres?host={folder}/nowhere", "Is the server running"),
        (
            "postgresql+psycopg2://grace:wrong@/postgres?host={folder}",
            "a driver that is not here (No module named",
        ),
        ("frobsql://grace:wrong@/postgres", "a driver that is not here (Can't load plugin"),
    ],
)
def test_a_gradebook_that_cannot_be_used_gets_one_line(
    server: Server, course_directory: Path, address: str, message: str
) -> None:
    course = on(address.format(folder=server.folder), course_directory)
    write_notebook(course.submitted(ASSIGNMENT, "ada"), [])
    for command in ("grade", "export"):
        result = run(course, command, ASSIGNMENT)
        assert (result.exit_code, result.stdout) == (2, "")
        assert message in result.stderr
        assert "c.CourseDirectory.db_url" in result.stderr
        assert "wrong" not in result.stderr
        assert result.stderr.rstrip().count("\n") == 0
