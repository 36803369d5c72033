"""The gradebook's database: made and opened as nbgrader does, but so that a kill cannot leave half of one."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from logging import LogRecord, getLogger
from pathlib import Path

from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from nbgrader.api import Gradebook, InvalidEntry
from nbgrader.dbutil import ALEMBIC_DIR
from sqlalchemy import create_engine, inspect
from sqlalchemy.engine import Connection, make_url
from sqlalchemy.exc import NoSuchModuleError, OperationalError

from autograder.course.course import Course
from autograder.course.errors import CourseError

ONE_OF_ITS_TABLES = "submitted_assignment"


def _is_not_raised_as_well(record: LogRecord) -> bool:
    return not str(record.msg).startswith("Rolling back session due to database error")


getLogger("tornado.application").addFilter(_is_not_raised_as_well)  # where nbgrader logs, whole, what it raises


@contextmanager
def opened(course: Course) -> Iterator[Gradebook]:
    """The gradebook of a course, made where there is none. Raises CourseError where it goes away meanwhile.

    Example: `with opened(Course(".")) as gradebook: gradebook.students`
    """
    make(course)
    try:
        with _gradebook(course) as gradebook:
            yield gradebook
    except (OperationalError, InvalidEntry) as error:
        lost = error if isinstance(error, OperationalError) else error.__context__  # nbgrader's, of a commit that fails
        if not isinstance(lost, OperationalError):
            raise
        again = "mend that and give the command again, which keeps what this one has done"
        raise CourseError(f"{shown(course)} no longer answers ({reason(lost)}): {again}") from None


def exists(course: Course) -> bool:
    """Whether there is a gradebook; to look makes none.

    Example: `exists(Course("."))`
    """
    url = make_url(course.database)
    if url.drivername.startswith("sqlite") and url.database and not Path(url.database).exists():
        return False
    with connected(course) as connection:
        return inspect(connection).has_table(ONE_OF_ITS_TABLES)


def make(course: Course) -> None:
    """Make a gradebook where there is none: first the version of the tables, then the tables.

    nbgrader makes the tables first and asks for their version, in a process of two seconds, afterwards. A gradebook of
    which that was broken off has no version for ever, and `nbgrader db upgrade` fails on it.
    """
    if exists(course):
        return
    with alone(course), connected(course) as connection:
        MigrationContext.configure(connection).stamp(ScriptDirectory(ALEMBIC_DIR), "head")
        connection.commit()
        _gradebook(course).close()


@contextmanager
def alone(course: Course) -> Iterator[None]:
    """Let one process at a time write the gradebook: two that grade at once would enter the same student twice.

    Example: `with alone(course): gradebook.update_or_create_student("ada")`
    """
    course.journal.mkdir(exist_ok=True)
    with (course.journal / "gradebook.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextmanager
def connected(course: Course) -> Iterator[Connection]:
    """A connection to the database. Raises CourseError where its driver is missing, or it does not answer.

    Example: `with connected(Course(".")) as connection: inspect(connection).get_table_names()`
    """
    try:
        engine = create_engine(course.database)
    except (ModuleNotFoundError, NoSuchModuleError) as error:
        remedy = "pip install 'psycopg[binary]', and c.CourseDirectory.db_url = \"postgresql+psycopg://…\""
        raise CourseError(f"{shown(course)} needs a driver that is not here ({error}): {remedy}") from None
    try:
        with engine.connect() as connection:
            yield connection
    except OperationalError as error:
        remedy = "see that it runs, and that user, password and name in c.CourseDirectory.db_url are right"
        raise CourseError(f"{shown(course)} cannot be used ({reason(error)}): {remedy}") from None
    finally:
        engine.dispose()


def shown(course: Course) -> str:
    """The address of the gradebook without its password. Example: `shown(Course("."))`"""
    return make_url(course.database).render_as_string(hide_password=True)


def reason(error: OperationalError) -> str:
    """What the database says, in a line. Example: `reason(error)`"""
    return " ".join(str(error.orig).split())


def _gradebook(course: Course) -> Gradebook:
    return Gradebook(course.database, course.course_id or "default_course")
