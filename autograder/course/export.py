"""Hand the marks on: as CSV, as Canvas and Gradescope read them, or by nbgrader's own exporter."""

from __future__ import annotations

import csv
import json
import re
import unicodedata
from collections.abc import Iterable, Sequence
from io import StringIO
from pathlib import Path
from typing import Any

from nbgrader.apps import ExportApp

from autograder.course.course import Course
from autograder.course.database import opened
from autograder.course.feedback import section
from autograder.course.marks import Mark, Marks
from autograder.course.pages import plain
from autograder.course.roster import Roster, Student
from autograder.course.verdicts import load
from autograder.result import CheckResult, ExerciseResult

NUMBER = re.compile(r"[+-]?[0-9]+([.,][0-9]+)?")
STUDENT = ("student", "last_name", "first_name", "email")


def export_csv(marks: Sequence[Marks], people: Roster, to: Path) -> Path:
    """A line for each student and a column for each exercise; empty where nothing was graded.

    Example: `export_csv(marks_of(course, None), roster_of(course, None), Path("grades.csv"))`
    """
    heading = [*STUDENT]
    for one in marks:
        columns = [*one.most, "late penalty", "score", "max", "waits for a person"]
        heading += [f"{one.assignment}: {column}" for column in columns]
    lines = [heading]
    for student in everybody(marks, people):
        line = [student.id, student.last_name, student.first_name or student.name, student.email]
        for one in marks:
            line += _cells(one, one.students.get(student.id))
        lines.append(line)
    return write_table(lines, to)


def _cells(marks: Marks, mark: Mark | None) -> list[str]:
    if mark is None:
        return [""] * (len(marks.most) + 4)
    points = [number(mark.points[name]) if name in mark.points else "" for name in marks.most]
    return [*points, number(mark.penalty), number(mark.score), number(marks.max), " ".join(mark.waiting)]


def everybody(marks: Sequence[Marks], people: Roster) -> list[Student]:
    """Those of the roster, and whoever else has a mark."""
    marked = {student: Student(student) for one in marks for student in one.students}
    return [student for _, student in sorted({**marked, **people.students}.items())]


def export_gradescope(course: Course, marks: Sequence[Marks], to: Path) -> list[Path]:
    """A results file for each student, as a Gradescope autograder leaves it: ASSIGNMENT/STUDENT.json.

    Example: `export_gradescope(course, marks_of(course, "04_attention"), Path("exports/gradescope"))`
    """
    return [
        write_text(json.dumps(_results(course, one, mark), indent=2) + "\n", to / one.assignment / f"{student}.json")
        for one in marks
        for student, mark in one.students.items()
    ]


def _results(course: Course, marks: Marks, mark: Mark) -> dict[str, Any]:
    """Everything is plain text: Gradescope renders none of it."""
    verdict = load(course, marks.assignment, mark.student)
    graded = {result.name: result for result in verdict.exercises} if verdict else {}
    penalty = f"{number(mark.penalty)} points were taken off for lateness. " if mark.penalty else ""
    waiting = f"Still to be graded by a person: {', '.join(mark.waiting)}." if mark.waiting else ""
    return {
        "score": mark.score,
        "output": (penalty + waiting).strip(),
        "output_format": "text",
        "test_output_format": "text",
        "test_name_format": "text",
        "visibility": "visible",
        "stdout_visibility": "hidden",
        "tests": [_test(name, most, mark, graded.get(name)) for name, most in marks.most.items()],
    }


def _test(name: str, most: float, mark: Mark, result: ExerciseResult | None) -> dict[str, Any]:
    points = mark.points.get(name, 0.0)
    output = _told(result) if result else ""
    if result and points != result.points and name not in mark.waiting:
        output = f"A person gave {number(points)} points.\n\n{output}".strip()
    if name in mark.comments:
        output = f"Your instructor writes: {plain(mark.comments[name])}\n\n{output}".strip()
    return {
        "name": name,
        "score": points,
        "max_score": most,
        "status": "passed" if points >= most else "failed",
        "output": output,
        "visibility": "visible",
    }


def _told(result: ExerciseResult) -> str:
    """What the feedback page says of an exercise."""
    found = section(result)
    parts = [plain(result.message)] if result.message else []
    parts += [f"This looks like “{one.name}”. {one.hint}" for one, _ in found.misconceptions]
    parts += [_failure(check) for check in found.failed]
    parts += [f"Not tried: {check.name}. {plain(reason)}" for reason, checks in found.waiting for check in checks]
    parts += [f"Passed: {', '.join(check.name for check in found.passed)}."] if found.passed else []
    return "\n\n".join(parts)


def _failure(check: CheckResult) -> str:
    lines = [f"Failed: {check.name}", f"Expected: {plain(check.expected)}", f"Came: {plain(check.came)}"]
    if check.suspect:
        lines.append(f"Suspect: {check.suspect}")
    if check.experiment:
        lines.append(f"Try: {check.experiment}")
    return "\n".join(lines)


def export_nbgrader(course: Course, assignment: str | None, to: Path) -> Path:
    """What `nbgrader export` writes, by the plugin that is configured.

    Example: `export_nbgrader(course, "04_attention", Path("grades.csv"))`
    """
    to.parent.mkdir(parents=True, exist_ok=True)
    app = ExportApp(config=course.config)
    app.init_plugin()
    app.plugin_inst.to, app.plugin_inst.assignment = str(to), [assignment] if assignment else []
    with opened(course) as gradebook:
        app.plugin_inst.export(gradebook)
    return to


def number(value: float) -> str:
    """A number in full. Example: `number(0.1 + 0.2)` is "0.3"."""
    return f"{value:.10f}".rstrip("0").rstrip(".")


def harmless(cell: str) -> str:
    """A cell that no spreadsheet takes for a formula. Example: `harmless("=1+1")` is "'=1+1"."""
    first = unicodedata.normalize("NFKC", cell).lstrip()[:1]
    return f"'{cell}" if first and first in "=+-@" and not NUMBER.fullmatch(cell) else cell


def write_table(lines: Iterable[Iterable[str]], to: Path) -> Path:
    """Write a CSV file whose every cell is harmless."""
    text = StringIO()
    csv.writer(text).writerows([harmless(cell) for cell in line] for line in lines)
    return write_text(text.getvalue(), to)


def write_text(text: str, to: Path) -> Path:
    """Write a file; what stands there stays until the new one is complete."""
    to.parent.mkdir(parents=True, exist_ok=True)
    fresh = to.with_name(f".{to.name}.fresh")
    fresh.write_text(text, encoding="utf-8")
    fresh.replace(to)
    return to
