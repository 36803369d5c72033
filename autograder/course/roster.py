"""Who is who: the students of a course, and which of them a learning management system means."""

from __future__ import annotations

import csv
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from io import StringIO
from pathlib import Path

from dateutil.parser import parse
from dateutil.tz import gettz

from autograder.course.course import Course
from autograder.course.database import exists, opened
from autograder.course.errors import CourseError
from autograder.course.pages import plain

LARGEST = 2**24
LONGEST_ID = 128
"""As long as nbgrader's database has room for."""

HEADINGS = {
    "email_address": "email",
    "full_name": "name",
    "id_number": "id",
    "identifier": "lms_user_id",
    "last_modified_(submission)": "submitted",
    "lms_id": "lms_user_id",
}
"""Columns by other names, those of Moodle's grading worksheet among them."""


@dataclass(frozen=True)
class Student:
    """A student as nbgrader's table has them; `submitted` is when one assignment was handed in, in UTC."""

    id: str
    name: str = ""
    first_name: str = ""
    last_name: str = ""
    email: str = ""
    lms_user_id: str = ""
    submitted: datetime | None = None

    @property
    def full_name(self) -> str:
        return self.name or f"{self.first_name} {self.last_name}".strip()

    @property
    def names(self) -> set[str]:
        """What a name in any order of its words is compared by."""
        words = self.full_name.split()
        return {compared("".join(words[i:] + words[:i])) for i in range(len(words))}


class Unknown(Exception):
    """Nobody, or more than one, of a roster is meant; the message says which and what would help."""


class Roster:
    """The students of a course. `where` says where they stand, for messages."""

    def __init__(self, students: Iterable[Student], where: str) -> None:
        self.students = {student.id: student for student in students}
        self.where = where

    def by_id(self, name: str) -> Student:
        """Who has this id, else this address or id of the LMS. Raises Unknown."""
        if name in self.students:
            return self.students[name]
        return self._one(
            [s for s in self.students.values() if name and name.lower() in (s.email.lower(), s.lms_user_id.lower())],
            f"the id, e-mail or LMS id {plain(name)!r}",
        )

    def by_name(self, name: str, lms_user_id: str, *, trusted: bool) -> Student:
        """Who has this id in the LMS and this name.

        A trusted id is enough, and so is a name whose id nobody has noted. One that is not, such as Moodle's number of
        a participant in one assignment, only tells people of the same name apart. Raises Unknown.
        """
        called = [student for student in self.students.values() if compared(name) in student.names]
        meant = [student for student in self.students.values() if student.lms_user_id == lms_user_id]
        if trusted:
            found = meant or [student for student in called if not student.lms_user_id]
        else:
            found = [student for student in called if student in meant] or called
        return self._one(found, f"the LMS id {lms_user_id} or the name {plain(name)!r}")

    def _one(self, found: list[Student], sought: str) -> Student:
        if not found:
            raise Unknown(f"nobody in {self.where} has {sought}")
        if len(found) > 1:
            raise Unknown(f"{', '.join(s.id for s in found)} in {self.where} all have {sought}: add lms_user_id")
        return found[0]


def roster_of(course: Course, file: Path | None) -> Roster:
    """The students in a CSV file, by default those in the gradebook.

    Example: `roster_of(Course("."), Path("students.csv")).by_id("ada").email`
    """
    return Roster(read_roster(course, file), str(file)) if file else Roster(_in_gradebook(course), "the gradebook")


def read_roster(course: Course, file: Path) -> Iterator[Student]:
    """The students in a CSV file with a column `id`, and whichever others of Student's there are.

    Example: `[student.id for student in read_roster(Course("."), Path("students.csv"))]`
    """
    seen: set[str] = set()
    for line, row in rows(file, needed="id", headings=HEADINGS):
        known = {column: value for column, value in row.items() if column in Student.__dataclass_fields__}
        if not valid_id(student := known["id"]) or student in seen:
            wrong = "stands there twice" if student in seen else "is no student id"
            raise CourseError(f"{file}, line {line}: {plain(student)!r} {wrong}")
        seen.add(student)
        known["lms_user_id"] = known.get("lms_user_id", "").removeprefix("Participant ")
        submitted = known.pop("submitted", "").strip("-")  # a dash is Moodle's for nothing handed in
        try:
            yield Student(**known, submitted=moment(course, submitted) if submitted else None)
        except (ValueError, OverflowError) as error:
            raise CourseError(f"{file}, line {line}: {plain(submitted)!r} is no time ({error})") from error


def rows(file: Path, *, needed: str, headings: Mapping[str, str]) -> Iterator[tuple[int, dict[str, str]]]:
    """The lines of a CSV file by their columns, with their numbers. Raises CourseError where it is no such file."""
    heading, *lines = table(file)
    columns = [re.sub(r"\s+", "_", column.strip().lower()) for column in heading]
    columns = [headings.get(column, column) for column in columns]
    if needed not in columns:
        raise CourseError(f"{file} has no column {needed!r}: there are {', '.join(map(plain, columns))}")
    for number, line in enumerate(lines, 2):
        if any(line):
            yield number, dict(zip(columns, [cell.strip() for cell in line], strict=False))


def table(file: Path) -> list[list[str]]:
    """The cells of a CSV file, whose columns are parted by commas or semicolons; at least one line."""
    try:
        if file.stat().st_size > LARGEST:
            raise CourseError(f"{file} has more than {LARGEST:,} bytes: that is no list of students")
        text = file.read_text(encoding="utf-8-sig")
        first = text.partition("\n")[0]
        found = list(csv.reader(StringIO(text), delimiter=";" if first.count(";") > first.count(",") else ","))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise CourseError(f"{file} cannot be read as CSV in UTF-8 ({error})") from error
    if not found:
        raise CourseError(f"{file} is empty: its first line names the columns")
    return found


def moment(course: Course, text: str) -> datetime:
    """A time as somebody wrote it, in UTC; without a zone it is in the course's, nbgrader's `Exchange.timezone`."""
    found = parse(text)
    return utc(found if found.tzinfo else found.replace(tzinfo=zone(course)))


def zone(course: Course) -> tzinfo:
    """The time zone of the course."""
    name = course.config.Exchange.get("timezone", "UTC")
    found: tzinfo | None = gettz(name)
    if found is None:
        raise CourseError(f"c.Exchange.timezone = {name!r} in nbgrader_config.py is no time zone")
    return found


def utc(time: datetime) -> datetime:
    """In UTC and without a zone, as nbgrader keeps times."""
    return time.astimezone(UTC).replace(tzinfo=None)


def valid_id(name: str) -> bool:
    """Whether a folder may have this name, and nbgrader take it for a student."""
    return 0 < len(name) <= LONGEST_ID and name.isprintable() and name[0] not in "." and not {"/", "\\"} & set(name)


def compared(name: str) -> str:
    """A name as Canvas writes it: letters and digits only, in lower case."""
    return re.sub(r"[\W_]", "", unicodedata.normalize("NFKC", name).casefold())


def _in_gradebook(course: Course) -> Iterator[Student]:
    if not exists(course):
        return
    with opened(course) as gradebook:
        for one in gradebook.students:
            texts = (one.first_name, one.last_name, one.email, one.lms_user_id)
            first, last, email, lms_user_id = (text or "" for text in texts)
            yield Student(one.id, "", first, last, email, lms_user_id)
