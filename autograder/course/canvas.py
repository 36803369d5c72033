"""The gradebook of Canvas: read one that it exported, and write one that it imports."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from autograder.course.errors import CourseError
from autograder.course.export import everybody, number, write_table
from autograder.course.marks import Marks
from autograder.course.pages import plain
from autograder.course.roster import Roster, Student, Unknown, compared, table

COLUMNS = ("Student", "ID", "SIS User ID", "SIS Login ID", "Section")
POINTS = "    Points Possible"
WITH_ID = re.compile(r"(.*) \((\d+)\)")


@dataclass(frozen=True)
class CanvasGradebook:
    """What Canvas exported: its assignments as their columns are headed, and a line for each student, by COLUMNS."""

    assignments: list[str]
    students: list[dict[str, str]]

    def heading(self, assignment: str) -> str:
        """The column of an assignment, with Canvas's id; without one Canvas asks which assignment is meant."""
        named = {heading: match[1] for heading in self.assignments if (match := WITH_ID.fullmatch(heading))}
        found = [heading for heading, title in named.items() if compared(title) == compared(assignment)]
        return found[0] if len(found) == 1 else assignment


def read_canvas(file: Path) -> CanvasGradebook:
    """The gradebook that Canvas exported as CSV. Raises CourseError where it is none.

    Example: `read_canvas(Path("2026-03-01_Grades-DL.csv")).heading("04_attention")`
    """
    heading, *lines = table(file)
    if missing := [column for column in ("Student", "ID", "Section") if column not in heading]:
        raise CourseError(f"{file} is no gradebook of Canvas: it has no column {missing[0]!r}. Export it there as CSV")
    rows = [dict(zip(heading, line, strict=False)) for line in lines]
    students = [{c: row.get(c, "") for c in COLUMNS} for row in rows if row.get("ID", "").strip()]
    return CanvasGradebook(heading[heading.index("Section") + 1 :], students)


def export_canvas(marks: Sequence[Marks], people: Roster, to: Path, exported: Path | None) -> list[str]:
    """Write a CSV file to import into Canvas's gradebook; what in it does not fit is returned, a line each.

    With a gradebook that Canvas exported the lines are its students, and the columns have its ids.
    Example: `export_canvas(marks, roster_of(course, None), Path("canvas.csv"), Path("grades.csv"))`
    """
    notes: list[str] = []
    if exported:
        gradebook = read_canvas(exported)
        headings = [gradebook.heading(one.assignment) for one in marks]
        logins = _logins(people, marks)
        rows = [(student, row) for row in gradebook.students if (student := _meant(row, people, logins))]
        there = {student for student, _ in rows}
        strangers = [s for s in dict.fromkeys(s for one in marks for s in one.students) if s not in there]
        notes += [f"{plain(student)} has a mark, but is not in {exported}" for student in strangers]
        notes += [
            f"no column of {exported} is called {one.assignment}: Canvas will ask which assignment it is"
            for one, heading in zip(marks, headings, strict=True)
            if heading == one.assignment
        ]
    else:
        headings = [one.assignment for one in marks]
        rows = [(student.id, _row(student)) for student in everybody(marks, people)]
    lines = [[*COLUMNS, *headings], [POINTS, "", "", "", "", *(number(one.max) for one in marks)]]
    for student, row in rows:
        earned = [one.students.get(student) for one in marks]
        lines.append([*row.values(), *("" if mark is None else number(mark.score) for mark in earned)])
    write_table(lines, to)
    return notes


def _logins(people: Roster, marks: Sequence[Marks]) -> dict[str, str]:
    """Our students by what may be their login: the id, or the e-mail."""
    by_email = {student.email: student.id for student in people.students.values() if student.email}
    ids = [*people.students, *(student for one in marks for student in one.students)]
    return by_email | {student: student for student in ids}


def _meant(row: dict[str, str], people: Roster, logins: dict[str, str]) -> str | None:
    """Which of our students a line of Canvas's is, by the login or SIS id, else by Canvas's id or the name."""
    for column in ("SIS Login ID", "SIS User ID"):
        if row[column] in logins:
            return logins[row[column]]
    try:
        return people.by_name(row["Student"], row["ID"], trusted=True).id
    except Unknown:
        return None


def _row(student: Student) -> dict[str, str]:
    name = f"{student.last_name}, {student.first_name}" if student.last_name else student.full_name or student.id
    values = (name, student.lms_user_id, "", student.id, "")
    return dict(zip(COLUMNS, values, strict=True))
