"""What people do in a term: students hand in, an LMS packs it, a person grades; and the account that is kept of it.

The account, `Term.due`, is what the gradebook should hold in the end. It is counted from what `autograder class` says
that each notebook is worth, and from what was done with it; nothing that grades or records has a part in it.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from math import ceil
from pathlib import Path

from nbgrader.api import Gradebook
from typer.testing import CliRunner, Result

from autograder.cli import app
from autograder.course.course import Course
from tests.course.handed_in import entry, make_folder, make_zip
from tests.course.small import cut_cells, write_course

EXERCISES = {
    "01_recurrent": ("lstm_step", "gru_step", "sequence_cross_entropy"),
    "04_attention": ("scaled_dot_product_attention", "memory_hop"),
    "10_rasp": ("select", "aggregate", "selector_width"),
}
FIRST, SECOND, THIRD = EXERCISES
QUESTIONS = {FIRST: "question_gradient", SECOND: "question_identity", THIRD: "question_turing"}
DAY = timedelta(days=1)
WEEK = 7 * DAY
NOON = datetime(2026, 3, 8, 12)
DUE = {FIRST: NOON, SECOND: NOON + WEEK, THIRD: NOON + 2 * WEEK}
STUDENTS, SEED = 40, 5
SURNAMES = ("Moreau", "Okafor", "Sato", "Nowak")
A_DAY = 0.5
LATENESS = f"""
from math import ceil

from nbgrader.plugins import LateSubmissionPlugin


class ByTheDay(LateSubmissionPlugin):
    def late_submission_penalty(self, student_id, score, total_seconds_late):
        return {A_DAY} * ceil(total_seconds_late / 86_400)


c.AssignLatePenalties.plugin_class = ByTheDay
"""


@dataclass
class Due:
    """What the gradebook should hold of a submission: the engine's points, None where it gives none, and a person's."""

    points: dict[str, float | None]
    days_late: int
    by_hand: dict[str, tuple[float, str]] = field(default_factory=dict)
    waiting: set[str] = field(default_factory=set)

    @property
    def earned(self) -> dict[str, float]:
        """What counts: a person's points before the engine's."""
        return {**{name: points or 0.0 for name, points in self.points.items()}, **self.given}

    @property
    def given(self) -> dict[str, float]:
        return {exercise: points for exercise, (points, _) in self.by_hand.items()}

    @property
    def penalty(self) -> float:
        return min(A_DAY * self.days_late, sum(self.earned.values()))

    @property
    def readable(self) -> bool:
        """Whether it is a notebook: of another file the answer in words is worth 0 without a person."""
        return None in self.points.values()

    @property
    def score(self) -> float:
        return sum(self.earned.values()) - self.penalty


@dataclass(frozen=True)
class Handed:
    """The last file of a student, when it was handed in, and how many came before it."""

    text: str
    time: datetime
    attempt: int


class Term:
    """A course of three assignments and 40 students, and everything that was done with it.

    Example: `term.hand_in(FIRST, "ada", NOON)`, `term.run("collect", FIRST, "--from", term.canvas(FIRST, NOON))`
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.said: list[tuple[tuple[str, ...], Result]] = []
        for name in ("course", "class"):  # the made class is in a course directory of its own
            for assignment, exercises in EXERCISES.items():
                write_course(directory / name, cut_cells(assignment, exercises), assignment)
        with (directory / "course" / "nbgrader_config.py").open("a") as file:
            file.write(LATENESS)
        self.course, self._class = Course(directory / "course"), Course(directory / "class")
        self.due: dict[str, dict[str, Due]] = {assignment: {} for assignment in EXERCISES}
        self._handed: dict[str, dict[str, Handed]] = {assignment: {} for assignment in EXERCISES}

    def run(self, command: str, *arguments: str | Path, at: Course | None = None) -> Result:
        """Run a command of the autograder, and remember it."""
        said = (command, *map(str, arguments), "--course", str((at or self.course).directory))
        self.said.append((said, CliRunner().invoke(app, said)))
        return self.said[-1][1]

    def make_class(self) -> None:
        """Have students, and a notebook of each for every assignment."""
        for assignment in EXERCISES:
            made = self.run("class", assignment, "--students", str(STUDENTS), "--seed", str(SEED), at=self._class)
            assert made.exit_code == 0, made.stderr
        self._made = json.loads((self._class.directory / "class.json").read_text())
        self.students: list[str] = sorted(self._made[FIRST]["students"])

    def ranked(self, assignment: str) -> list[str]:
        """The students, those whose notebooks are worth least first."""
        return sorted(self.students, key=lambda student: (sum(self._worth(assignment, student).values()), student))

    def _worth(self, assignment: str, student: str) -> dict[str, float]:
        points: dict[str, float] = self._made[assignment]["students"][student]["points"]
        return points

    def hand_in(self, assignment: str, student: str, time: datetime, *, like: str = "", text: str = "") -> None:
        """A student hands in, or hands in again, their notebook, that of somebody `like` them, or no notebook at all.

        What a person gave to an earlier one stays, and waits for that person.
        """
        before = self._handed[assignment].get(student)
        own = self._class.submitted(assignment, like or student).read_text()
        self._handed[assignment][student] = Handed(text or own, time, before.attempt + 1 if before else 0)
        days_late = max(0, ceil((time - DUE[assignment]) / DAY))
        question = QUESTIONS[assignment]
        by_hand = self.due[assignment][student].by_hand if before else {}
        nothing = dict.fromkeys((*EXERCISES[assignment], question), 0.0)
        points = nothing if text else {**self._worth(assignment, like or student), question: None}
        waiting = {name for name, earned in points.items() if earned is None or name in by_hand}
        self.due[assignment][student] = Due(points, days_late, by_hand, waiting)

    def give(self, assignment: str, student: str, exercise: str, points: float, comment: str) -> None:
        """A person gives points and writes a comment, as in formgrader."""
        cell = exercise if exercise == QUESTIONS[assignment] else f"check_{exercise}"
        with Gradebook(self.course.database, self.course.course_id) as gradebook:
            grade = gradebook.find_grade(cell, assignment, assignment, student)
            grade.manual_score, grade.needs_manual_grade = points, False
            gradebook.find_comment(exercise, assignment, assignment, student).manual_comment = comment
            gradebook.db.commit()
        self.due[assignment][student].by_hand[exercise] = points, comment
        self.due[assignment][student].waiting.discard(exercise)

    def roster(self) -> Path:
        """The students, as the course and Canvas know them."""
        lines = [["id", "first_name", "last_name", "email", "lms_user_id"]]
        for number, student in enumerate(self.students):
            lines.append([student, *self._name(student), f"{student}@example.org", str(100 + number)])
        return self._write_table("students.csv", lines)

    def canvas(self, assignment: str, downloaded: datetime, *, other: Sequence[str] = ()) -> Path:
        """The zip of Canvas, whose times are those of the download; `other` students have handed in something else."""
        files = {}
        for student, handed in self._handed[assignment].items():
            late = handed.time > DUE[assignment]
            again = f"-{handed.attempt}" if handed.attempt else ""
            files[self._canvas_name(student, f"{assignment}{again}.ipynb", handed.attempt, late=late)] = handed.text
        files |= {self._canvas_name(student, "answers.pdf"): "%PDF-1.7" for student in other}
        entries = [(entry(name, downloaded), text.encode()) for name, text in files.items()]
        return make_zip(self.directory / f"canvas {downloaded:%d}.zip", entries)

    def _canvas_name(self, student: str, file: str, attempt: int = 0, *, late: bool = False) -> str:
        first_name, last_name = self._name(student)
        number = 100 + self.students.index(student)
        mark = "LATE_" if late else ""
        return f"{last_name}{first_name}_".lower() + f"{mark}{number}_{7000 + 100 * attempt + number}_{file}"

    def moodle(self, assignment: str, downloaded: datetime) -> tuple[Path, Path]:
        """Moodle's zip and its grading worksheet, where the times are."""
        lines = [["Identifier", "Full name", "ID number", "Email address", "Last modified (submission)"]]
        entries = []
        for number, student in enumerate(self.students, 5500):
            handed, name = self._handed[assignment].get(student), " ".join(self._name(student))
            time = f"{handed.time:%A, %d %B %Y, %I:%M %p}" if handed else "-"
            lines.append([f"Participant {number}", name, student, f"{student}@example.org", time])
            if handed:
                path = f"{name}_{number}_assignsubmission_file_/{assignment}.ipynb"
                entries.append((entry(path, downloaded), handed.text.encode()))
        made = make_zip(self.directory / f"moodle {downloaded:%d}.zip", entries)
        return made, self._write_table(f"worksheet {downloaded:%d}.csv", lines)

    def folder(self, assignment: str, name: str, students: Sequence[str]) -> Path:
        """A folder with what these students have handed in, and when."""
        for student in students:
            handed = self._handed[assignment][student]
            make_folder(self.directory / name, {f"{student}.ipynb": handed.text}, handed.time)
        return self.directory / name

    def _name(self, student: str) -> tuple[str, str]:
        """First and last name: ada2 is Ada Okafor."""
        first_name = student.rstrip("234")
        return first_name.capitalize(), SURNAMES[int(student.removeprefix(first_name) or 1) - 1]

    def _write_table(self, name: str, lines: Sequence[Sequence[str]]) -> Path:
        with (self.directory / name).open("w", newline="") as file:
            csv.writer(file).writerows(lines)
        return self.directory / name
