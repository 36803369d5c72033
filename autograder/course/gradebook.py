"""Record verdicts in nbgrader's gradebook, as nbgrader records its own grades, but one transaction a submission."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode
from nbgrader.api import BaseCell, Grade, Gradebook, SubmittedAssignment, SubmittedNotebook
from nbgrader.preprocessors import AssignLatePenalties
from nbgrader.utils import compute_checksum, determine_grade, is_grade, is_solution, is_task, parse_utc

from autograder.course.course import Course
from autograder.course.database import alone, opened
from autograder.course.marks import of_everyone
from autograder.course.material import generate, source_notebook
from autograder.course.notebook import grade_id, write
from autograder.course.verdicts import load, save, together
from autograder.engine.align import exercises_of
from autograder.engine.job import Graded
from autograder.engine.notebook import Rejected, read_bytes
from autograder.engine.scratch import scratch
from autograder.engine.verdict import Verdict

TIMESTAMP, SECRET = "timestamp.txt", "submission_secret.txt"
"""What nbgrader's exchange leaves beside a submission: when it came, and by what feedback finds its way back."""

LONGEST_BESIDE = 1_000


@contextmanager
def recording(course: Course, assignment: str) -> Iterator[Recorder]:
    """The gradebook of a course, open for an assignment, with its cells as they are in the source notebook."""
    with scratch() as folder:
        generate(course, assignment, folder, record=True)
    with recorder_of(course, assignment) as recorder:
        yield recorder


@contextmanager
def recorder_of(course: Course, assignment: str) -> Iterator[Recorder]:
    """The gradebook of a course, open for an assignment whose cells it knows."""
    with opened(course) as gradebook:
        yield Recorder(course, assignment, gradebook)


class Recorder:
    """Writes verdicts on one assignment; recording one twice changes nothing.

    Example: `with recording(course, "04_attention") as recorder: recorder.record(verdict, notebook)`
    """

    def __init__(self, course: Course, assignment: str, gradebook: Gradebook) -> None:
        self._course, self._assignment, self._gradebook = course, assignment, gradebook
        self._notebook = course.source(assignment).stem
        cells = exercises_of(source_notebook(course, assignment))
        self._cells = {exercise: cell.grade_id for exercise, cell in cells.items()}
        recorded = gradebook.find_notebook(self._notebook, assignment)
        self._checksums = {cell.name: cell.checksum for cell in recorded.source_cells}
        named = gradebook.db.query(BaseCell.id, BaseCell.name).filter(BaseCell.notebook_id == recorded.id)
        self._names: dict[str, str] = dict(named.all())
        penalties = AssignLatePenalties(config=course.config)
        penalties.init_plugin()
        self._penalty = penalties.plugin_inst.late_submission_penalty

    def record(self, graded: Graded) -> None:
        """Grades, comments, late penalty, the executed notebook for formgrader, and the verdict itself.

        What a person has graded or written stays; it is marked for a second look where the submission is another one.
        Of a grader's own failure the verdict is kept, and no points are touched.
        """
        before = load(self._course, self._assignment, graded.verdict.student)
        verdict = together(before, graded.verdict)
        if verdict.status != "failed":
            seen = before is not None and (before.status, before.submission) == (verdict.status, verdict.submission)
            self._record(verdict, graded.notebook, seen=seen)
        save(self._course, verdict)

    def _record(self, verdict: Verdict, executed: dict[str, Any] | None, *, seen: bool) -> None:
        """In one transaction: within that of a connection, what nbgrader commits on the way waits for its end.

        Each submission has a session of its own, for one that lasts would remember all of them.
        """
        self._gradebook.db.remove()
        with alone(self._course), self._gradebook.engine.begin() as connection:
            self._gradebook.db(bind=connection, expire_on_commit=False)
            self._record_rows(verdict, executed, seen=seen)

    def _record_rows(self, verdict: Verdict, executed: dict[str, Any] | None, *, seen: bool) -> None:
        time = submission_time(self._course.submitted(self._assignment, verdict.student).parent)
        when = {"timestamp": time} if time or not seen else {}  # the time of an earlier submission is not this one's
        self._gradebook.update_or_create_student(verdict.student)
        with self._gradebook.db.no_autoflush:  # its rows refer to one another before they are in the session
            submission = self._gradebook.update_or_create_submission(self._assignment, verdict.student, **when)
        notebook = self._gradebook.find_submission_notebook(self._notebook, self._assignment, verdict.student)
        path = self._course.autograded(self._assignment, verdict.student)
        if executed is not None:
            cells = self._with_checksums(executed)
            earned = {self._cells[e.name]: e.points for e in verdict.exercises if e.name in self._cells}
            _grade(notebook, self._names, earned, cells, seen=seen)
            write(cells, path)
        else:
            _grade_nothing(notebook, verdict, seen=seen)
            path.unlink(missing_ok=True)
        stamp(path.parent, time)
        notebook.late_submission_penalty = self._late_penalty(notebook, submission)
        self._gradebook.db.commit()

    def _with_checksums(self, executed: dict[str, Any]) -> NotebookNode:
        """The engine's notebook with the checksums of the release, by which nbgrader knows an untouched answer."""
        notebook: NotebookNode = nbformat.from_dict(executed)  # type: ignore[no-untyped-call]
        for cell in notebook.cells:
            if grade_id(cell) in self._checksums:
                cell.metadata.nbgrader["checksum"] = self._checksums[grade_id(cell)]
        return notebook

    def _late_penalty(self, notebook: SubmittedNotebook, submission: SubmittedAssignment) -> float | None:
        """What nbgrader's plugin takes off for lateness, at most the score."""
        self._gradebook.db.flush()
        self._gradebook.db.refresh(notebook)
        late = submission.total_seconds_late
        penalty = self._penalty(submission.student.id, notebook.score, late) if late > 0 else None
        return None if penalty is None else min(max(0.0, penalty), notebook.score)


def _grade(
    notebook: SubmittedNotebook,
    names: Mapping[str, str],
    earned: Mapping[str, float],
    executed: NotebookNode,
    *,
    seen: bool,
) -> None:
    """`earned` are the points of graded cells. An answer for a person to grade that was deleted earns none.

    `names` are those of cells by their ids: to ask each grade for its cell's would be a query each.
    """
    there = {grade_id(cell): cell for cell in executed.cells if grade_id(cell)}
    scores: dict[str, float | None] = {
        name: 0.0 for grade in notebook.grades if (name := names[grade.cell_id]) not in there
    }
    for name, cell in there.items():
        if is_task(cell):
            scores[name] = None
        elif is_grade(cell) and is_solution(cell):
            scores[name], _ = determine_grade(cell)
    scores |= earned
    for grade in notebook.grades:
        name = names[grade.cell_id]
        if name in scores and not (seen and grade.auto_score == scores[name]):
            grade.auto_score = scores[name]
            grade.needs_manual_grade = grade.manual_score is not None or grade.auto_score is None
    answered = {
        name
        for name, cell in there.items()
        if not is_solution(cell) or cell.metadata.nbgrader.get("checksum") != compute_checksum(cell)
    }
    for comment in notebook.comments:
        comment.auto_comment = None if names[comment.cell_id] in answered else "No response."


def _grade_nothing(notebook: SubmittedNotebook, verdict: Verdict, *, seen: bool) -> None:
    """Zero everywhere: there is no notebook, or none that can be read."""
    for grade in notebook.grades:
        if not (seen and grade.auto_score == 0.0):
            grade.auto_score, grade.needs_manual_grade = 0.0, grade.manual_score is not None
    for comment in notebook.comments:
        comment.auto_comment = " ".join(verdict.notes) or None


@dataclass(frozen=True)
class Change:
    """A student's points for one exercise: in the gradebook, None where there are none; now; and those of a person."""

    student: str
    before: float | None
    now: float
    by_hand: float | None


def changes(course: Course, assignment: str, exercise: str, now: Mapping[str, float]) -> list[Change]:
    """What recording these points would change, a student each, those who gain or lose nothing left out.

    Example: `changes(Course("."), "04_attention", "memory_hop", {"ada": 3.0})`
    """
    cell = exercises_of(source_notebook(course, assignment))[exercise].grade_id
    with opened(course) as gradebook:
        grades = of_everyone(gradebook, assignment, Grade, Grade.auto_score, Grade.manual_score)
        recorded = {student: scores for student, _, _, name, *scores in grades if name == cell}
    found = []
    for student, points in sorted(now.items()):
        before, by_hand = recorded.get(student, (None, None))
        if before != points:
            found.append(Change(student, before, points, by_hand))
    return found


def submission_time(folder: Path) -> datetime | None:
    """When it was handed in, by nbgrader's timestamp.txt; None where that is missing or says nothing."""
    text = _beside(folder / TIMESTAMP).decode(errors="replace").strip()
    try:
        return parse_utc(text) if text else None
    except (ValueError, OverflowError):
        return None


def submission_secret(folder: Path) -> bytes:
    """By what nbgrader's exchange gives feedback back; empty where the submission did not come from there."""
    return _beside(folder / SECRET)


def _beside(path: Path) -> bytes:
    """A file in a student's folder; b"" where it is missing, a link, a pipe or large."""
    try:
        return read_bytes(path, LONGEST_BESIDE)
    except Rejected:
        return b""


def stamp(folder: Path, time: datetime | None) -> None:
    """Leave the time of submission, in UTC, where nbgrader looks for it."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / TIMESTAMP).unlink(missing_ok=True)  # nbgrader leaves it read-only
    if time:
        (folder / TIMESTAMP).write_text(f"{time} UTC\n")
