"""The whole course in small: a class whose points are known, graded, and compared with what it was made to have."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

from nbgrader.api import Gradebook

from autograder.course.classroom import make_class
from autograder.course.course import CONFIGURATION, Course
from autograder.course.errors import CourseError
from autograder.course.feedback import write_feedback
from autograder.course.grade import grade, jobs
from autograder.course.marks import marks_of
from autograder.course.release import release
from autograder.course.report import write_report
from autograder.course.verdicts import graded_verdicts
from autograder.engine.job import Graded
from autograder.engine.limits import Limits
from autograder.engine.pool import LocalPool

MARK = ".demonstration"
"""A file of this name says that the directory was made here and may be thrown away."""

ASSIGNMENT = "04_attention"
SEED = 4
LIMITS = Limits(cell_seconds=10)
"""Nothing in the class needs a second, but for the student who never ends."""


class Demonstration:
    """A demonstration in a directory of its own, a method for each step, in this order.

    An earlier one in the same directory is replaced, nothing else: then CourseError is raised.
    Example: `Demonstration(Course("."), Path("demo")).release()`
    """

    students = 12

    def __init__(self, origin: Course, directory: Path) -> None:
        self._course = _fresh_course(origin, directory.resolve())

    def release(self) -> Path:
        """Make the students' version."""
        return release(self._course, ASSIGNMENT)

    def hand_in(self) -> Path:
        """Make the class; the file says what it was made of."""
        self._due = make_class(self._course, ASSIGNMENT, self.students, SEED, broken=True)["students"]
        return self._course.directory / "class.json"

    def grade(self, workers: int) -> Iterator[Graded]:
        """Grade the class with the seed that its points were computed with."""
        asked = jobs(self._course, ASSIGNMENT, seed=SEED, limits=LIMITS)
        with LocalPool(workers) as pool:
            yield from grade(self._course, ASSIGNMENT, asked, pool)

    def results(self) -> dict[str, Path | str]:
        """Write feedback and report; where they and the gradebook are."""
        verdicts = list(graded_verdicts(self._course, ASSIGNMENT))
        pages = write_feedback(self._course, ASSIGNMENT, verdicts, *marks_of(self._course, ASSIGNMENT))
        return {
            "gradebook": self._course.database,
            "feedback": f"{len(pages)} pages such as {pages[0]}",
            "report": write_report(self._course, ASSIGNMENT, verdicts),
        }

    def differences(self) -> list[str]:
        """Where statuses or the gradebook's points are not what the class was made to have; a line each."""
        statuses = {verdict.student: verdict.status for verdict in graded_verdicts(self._course, ASSIGNMENT)}
        points = recorded_points(self._course, ASSIGNMENT)
        found = []
        for student, due in self._due.items():
            who, has = f"{student} ({due['description']})", points.get(student, {})
            if statuses.get(student) != due["status"]:
                found.append(f"{who}: {statuses.get(student, 'not graded')}, should be {due['status']}")
            found += [
                f"{who}: {has.get(exercise, 'no')} points for {exercise}, should be {worth:g}"
                for exercise, worth in due["points"].items()
                if has.get(exercise) != worth
            ]
        return found


def _fresh_course(origin: Course, directory: Path) -> Course:
    if directory.exists() and any(directory.iterdir()):
        if not (directory / MARK).exists():
            raise CourseError(f"{directory} holds something else than a demonstration: give another folder with --to")
        shutil.rmtree(directory)
    directory.mkdir(parents=True, exist_ok=True)
    (directory / MARK).touch()
    shutil.copy(origin.directory / CONFIGURATION, directory)
    with (directory / CONFIGURATION).open("a") as file:  # wherever the course keeps its own
        file.write('c.CourseDirectory.db_url = "sqlite:///gradebook.db"\n')
    sources = origin.nbgrader.source_directory
    shutil.copytree(origin.directory / sources, directory / sources)
    return Course(directory)


def recorded_points(course: Course, assignment: str) -> dict[str, dict[str, float | None]]:
    """What the gradebook holds: the automatic score of every student for every exercise."""
    with Gradebook(course.database, course.course_id) as gradebook:
        return {
            submission.student.id: {
                grade.name.removeprefix("check_"): grade.auto_score
                for notebook in submission.notebooks
                for grade in notebook.grades
            }
            for submission in gradebook.assignment_submissions(assignment)
        }
