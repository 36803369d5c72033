"""What the gradebook holds of an assignment: points, a person's before the engine's, comments, and lateness."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from nbgrader.api import (
    Assignment,
    BaseCell,
    Comment,
    Grade,
    Gradebook,
    GradeCell,
    Notebook,
    Student,
    SubmittedAssignment,
    SubmittedNotebook,
    TaskCell,
)
from sqlalchemy.orm import Query

from autograder.course.course import Course
from autograder.course.database import exists, opened
from autograder.course.errors import CourseError
from autograder.course.material import source_notebook
from autograder.engine.align import exercises_of


@dataclass
class Mark:
    """What one student has. `waiting` are the exercises that a person has still to grade, `by_hand` those that one has.

    `comments` are a person's, by the exercise or the cell.
    """

    student: str
    submitted: datetime | None
    penalty: float
    points: dict[str, float] = field(default_factory=dict)
    waiting: list[str] = field(default_factory=list)
    by_hand: list[str] = field(default_factory=list)
    comments: dict[str, str] = field(default_factory=dict)

    @property
    def score(self) -> float:
        """As nbgrader counts: the points without what lateness costs, at least nothing."""
        return max(0.0, sum(self.points.values()) - self.penalty)


@dataclass(frozen=True)
class Marks:
    """One assignment: the most points of each exercise, in the order of the notebook, and a mark for each student."""

    assignment: str
    most: dict[str, float]
    students: dict[str, Mark]

    @property
    def max(self) -> float:
        return sum(self.most.values())


def marks_of(course: Course, assignment: str | None) -> list[Marks]:
    """The marks of one assignment or of all that have been graded. Raises CourseError where there are none.

    Example: `marks_of(Course("."), "04_attention")[0].students["ada"].score`
    """
    asked = course.assignments() if assignment is None else [course.source(assignment).parent.name]
    if exists(course):
        with opened(course) as gradebook:
            found = [_marks(course, gradebook, name) for name in asked]
            if graded := [marks for marks in found if marks.students]:
                return graded
    raise CourseError(f"nothing has been graded yet: run `autograder grade {assignment or 'NAME'}` first")


def _marks(course: Course, gradebook: Gradebook, assignment: str) -> Marks:
    """Three queries of the grades and comments, however many students there are."""
    names = _names(course, assignment)
    most = {
        name: most
        for kind in (GradeCell, TaskCell)
        for name, most in gradebook.db.query(kind.name, kind.max_score)
        .join(Notebook, kind.notebook_id == Notebook.id)
        .join(Assignment, Notebook.assignment_id == Assignment.id)
        .filter(Assignment.name == assignment)
    }
    columns = Grade.score, Grade.needs_manual_grade, Grade.manual_score, Grade.extra_credit
    students: dict[str, Mark] = {}
    for student, submitted, penalty, cell, score, waits, manual_score, extra_credit in of_everyone(
        gradebook, assignment, Grade, *columns
    ):
        mark = students.setdefault(student, Mark(student, submitted, penalty or 0.0))
        name = names.get(cell, cell)
        mark.points[name] = score
        if waits:
            mark.waiting.append(name)
        if manual_score is not None or extra_credit:
            mark.by_hand.append(name)
    for student, *_, cell, comment in of_everyone(gradebook, assignment, Comment, Comment.manual_comment):
        if comment and student in students:
            students[student].comments[names.get(cell, cell)] = comment
    order = [*(cell for cell in names if cell in most), *sorted(most.keys() - names.keys())]
    return Marks(assignment, {names.get(cell, cell): most[cell] for cell in order}, students)


def of_everyone(gradebook: Gradebook, assignment: str, kind: Any, *columns: Any) -> Query[Any]:
    """Columns of the grades or comments of all students, after who, when, the penalty for lateness and which cell.

    Example: `of_everyone(gradebook, "04_attention", Grade, Grade.auto_score)`
    """
    found: Query[Any] = (
        gradebook.db.query(
            Student.id,
            SubmittedAssignment.timestamp,
            SubmittedNotebook.late_submission_penalty,
            BaseCell.name,
            *columns,
        )
        .select_from(kind)
        .join(BaseCell, kind.cell_id == BaseCell.id)
        .join(SubmittedNotebook, kind.notebook_id == SubmittedNotebook.id)
        .join(SubmittedAssignment, SubmittedNotebook.assignment_id == SubmittedAssignment.id)
        .join(Assignment, SubmittedAssignment.assignment_id == Assignment.id)
        .join(Student, SubmittedAssignment.student_id == Student.id)
        .filter(Assignment.name == assignment)
        .order_by(Student.id)
    )
    return found


def _names(course: Course, assignment: str) -> dict[str, str]:
    """What the graded cells are called as exercises, in the order of the notebook."""
    source = source_notebook(course, assignment)
    called = {cell.grade_id: name for name, cell in exercises_of(source).items()}
    return {cell.grade_id: called.get(cell.grade_id, cell.grade_id) for cell in source.cells if cell.grade_id}
