"""The course: its directories, its name, its gradebook, the exchange, and who runs students' code."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from nbgrader.dbutil import ALEMBIC_DIR
from nbgrader.exchange.default import Exchange
from sqlalchemy import inspect
from sqlalchemy.engine import Connection, make_url
from sqlalchemy.exc import SQLAlchemyError

from autograder.course.course import Course
from autograder.course.database import ONE_OF_ITS_TABLES, connected, shown
from autograder.course.doctor.configuration import effective
from autograder.course.doctor.finding import Finding
from autograder.course.errors import CourseError

SEAM = {
    "sanitize_preprocessors": ["nbgrader.preprocessors.ClearOutput"],
    "autograde_preprocessors": ["autograder.course.seam.Engine"],
}
EVERYBODY = stat.S_IRWXO


def examine(directory: Path) -> Iterator[Finding]:
    """All that is looked at here; of a course that cannot be opened, why."""
    try:
        course = Course(directory)
        known = course.assignments()
        for assignment in known:
            course.source(assignment)
        effective(directory)
    except CourseError as error:
        yield Finding("course", "problem", str(error), "mend that first: until then no command works here")
        return
    yield _course(course, known)
    yield _course_id(course)
    yield _gradebook(course)
    yield _seam(course)
    yield _exchange(course)


def _course(course: Course, known: list[str]) -> Finding:
    if not os.access(course.directory, os.R_OK | os.W_OK | os.X_OK):
        found = f"{course.directory} cannot be written: nothing can be released, graded or reported"
        return Finding("course", "problem", found, f"chown or chmod {course.directory}")
    return Finding("course", "ok", f"{len(known)} assignments in {course.directory}")


def _course_id(course: Course) -> Finding:
    if course.course_id:
        return Finding("course id", "ok", course.course_id)
    found = "none: the gradebook calls the course default_course, and nbgrader's exchange refuses to work"
    return Finding("course id", "note", found, "set c.CourseDirectory.course_id before the first release")


def _gradebook(course: Course) -> Finding:
    """Its file, its tables' version, whether it can be written; a gradebook that is still to be made is fine."""
    if shutil.which("alembic") is None:
        return Finding("gradebook", "problem", "nbgrader cannot find alembic, which makes it", "pip install alembic")
    url = make_url(course.database)
    path = Path(url.database) if url.drivername.startswith("sqlite") and url.database else None
    if path and not path.exists():
        return Finding("gradebook", "ok", f"{path} will be made by the first release")
    if path and not (os.access(path, os.W_OK) and os.access(path.parent, os.W_OK)):
        return Finding("gradebook", "problem", f"{path} cannot be written", f"chown or chmod {path} and {path.parent}")
    try:
        with connected(course) as connection:
            return _tables(connection, shown(course))
    except CourseError as error:
        return Finding("gradebook", "problem", str(error), "until then nothing can be recorded")
    except SQLAlchemyError as error:
        found = f"{shown(course)} cannot be read: {str(error.__cause__ or error).splitlines()[0]}"
        return Finding("gradebook", "problem", found, "put back the last copy of it; every verdict is in journal/ too")


def _tables(connection: Connection, name: str) -> Finding:
    head = ScriptDirectory(ALEMBIC_DIR).get_current_head()
    if not (tables := inspect(connection).get_table_names()):
        return Finding("gradebook", "ok", f"{name} is empty: the first release makes its tables")
    if ONE_OF_ITS_TABLES not in tables:
        return Finding("gradebook", "problem", f"{name} is no gradebook of nbgrader's", "set c.CourseDirectory.db_url")
    current = MigrationContext.configure(connection).get_current_revision()
    if current == head:
        return Finding("gradebook", "ok", f"{name}, tables of version {current}")
    if current in {script.revision for script in ScriptDirectory(ALEMBIC_DIR).walk_revisions()}:
        found = f"{name} has tables of version {current}, and nbgrader wants {head}"
        return Finding("gradebook", "problem", found, "nbgrader db upgrade, which keeps a copy")
    if current is None:
        found = (
            f"{name} has tables without a version: it is older than nbgrader 0.6, or was broken off when it was made"
        )
        return Finding("gradebook", "problem", found, "copy it, then nbgrader db upgrade; a new one, if it is empty")
    found = f"{name} has tables of version {current}, which this nbgrader does not know: it is older than the gradebook"
    return Finding("gradebook", "problem", found, "install the nbgrader that made it, or a newer one")


def _seam(course: Course) -> Finding:
    """Whether `nbgrader autograde` and the button run students' code in the sandbox."""
    autograde = course.config.Autograde
    held = [name for name, value in SEAM.items() if name in autograde and list(autograde[name]) == value]
    lines = " and ".join(f"c.Autograde.{name} = {value}" for name, value in SEAM.items() if name not in held)
    if len(held) == len(SEAM):
        return Finding("nbgrader autograde", "ok", "runs in the sandbox, as the button in formgrader does")
    if held:
        found = f"only c.Autograde.{held[0]} is set as the sandbox needs it"
        return Finding("nbgrader autograde", "problem", found, f"add {lines}")
    found = "it, and the button in formgrader, run students' code without a sandbox"
    return Finding("nbgrader autograde", "note", found, f"use autograder grade only, or add {lines}")


def _exchange(course: Course) -> Finding:
    """The directory through which nbgrader's users hand things over: it must be open to everybody."""
    config = effective(course.directory)
    root = Path(config.Exchange.get("root", Exchange.root.default_value))
    wanted = "root" in config.Exchange
    if not root.is_dir():
        remedy = f"mkdir -p {root} && chmod ugo+rwx {root}; without it, collect from a folder or a zip"
        return Finding("exchange", "problem" if wanted else "note", f"{root} does not exist", remedy)
    if course.nbgrader.groupshared or root.stat().st_mode & EVERYBODY == EVERYBODY:
        return Finding("exchange", "ok", str(root))
    found = f"{root} is not open to everybody: students can neither fetch nor submit"
    return Finding("exchange", "problem" if wanted else "note", found, f"chmod ugo+rwx {root}")
