"""The gradebook's database: made and opened as nbgrader does, but so that a kill cannot leave half of one."""

from __future__ import annotations

from pathlib import Path

from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from nbgrader.api import Gradebook
from nbgrader.dbutil import ALEMBIC_DIR
from sqlalchemy import create_engine, inspect
from sqlalchemy.engine import make_url

from autograder.course.course import Course

ONE_OF_ITS_TABLES = "submitted_assignment"


def opened(course: Course) -> Gradebook:
    """The gradebook of a course, made where there is none; whoever asks closes it.

    Example: `with opened(Course(".")) as gradebook: gradebook.students`
    """
    make(course)
    return Gradebook(course.database, course.course_id or "default_course")


def exists(course: Course) -> bool:
    """Whether there is a gradebook; to look makes none.

    Example: `exists(Course("."))`
    """
    url = make_url(course.database)
    if url.drivername.startswith("sqlite") and url.database and not Path(url.database).exists():
        return False
    engine = create_engine(course.database)
    try:
        return inspect(engine).has_table(ONE_OF_ITS_TABLES)
    finally:
        engine.dispose()


def make(course: Course) -> None:
    """Mark a new database with the version of the tables that nbgrader is about to make in it.

    nbgrader makes the tables first and asks for their version, in a process of two seconds, afterwards. A gradebook of
    which that was broken off has no version for ever, and `nbgrader db upgrade` fails on it.
    """
    engine = create_engine(course.database)
    if not inspect(engine).has_table(ONE_OF_ITS_TABLES):
        with engine.begin() as connection:
            MigrationContext.configure(connection).stamp(ScriptDirectory(ALEMBIC_DIR), "head")
    engine.dispose()
