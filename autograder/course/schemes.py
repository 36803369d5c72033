"""What the name of a file that was handed in says: whose it is, which attempt, and what the student called it.

Canvas: `lovelaceada_12345_67890_04_attention-1.ipynb`, with `_LATE` after the name where it was late: the sortable name
without spaces and marks, the id of the user, the id of the file (a later file has a higher one), the file's name.
Moodle: `Ada Lovelace_123456_assignsubmission_file_/04_attention.ipynb`, or all of that in one name: the full name and
the number of the participant in this assignment. Plain: `ada.ipynb`, `ada/04_attention.ipynb`, or as nbgrader has it
`ada/04_attention/04_attention.ipynb`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from autograder.course.course import Course
from autograder.course.errors import CourseError

CANVAS = re.compile(
    r"(?:^|/)(?P<student>[^/]+?)_(?P<late>late_)?(?P<lms_user_id>[0-9]{1,18})_(?P<attempt>[0-9]{1,18})_(?P<file>[^/]+)$",
    re.IGNORECASE,
)
MOODLE = re.compile(
    r"(?:^|/)(?P<student>[^_/]+)_(?P<lms_user_id>[0-9]{1,18})_assignsubmission_(?:file|onlinetext)"
    r"(?:_?/(?:[^/]+/)*|_)(?P<file>[^/]+)$"
)
AGAIN = re.compile(r"(?:-\d+| ?\(\d+\))$")
"""What Canvas or a browser adds to the name of a file that is there already."""


@dataclass(frozen=True)
class Claim:
    """Whose a file is, by its name. `file` is empty where its name is the student's; `attempt` 0 where none is told."""

    student: str
    file: str = ""
    lms_user_id: str = ""
    attempt: int = 0
    late: bool = False
    submitted: str = ""

    def called(self, stem: str) -> bool:
        """Whether it is the notebook of this name, or a later one of it."""
        own = self.file[: -len(".ipynb")]
        return self.is_notebook and (not self.file or stem in (own, AGAIN.sub("", own)))

    @property
    def is_notebook(self) -> bool:
        return not self.file or self.file.lower().endswith(".ipynb")


Scheme = Callable[[str], Claim | None]


def scheme_of(course: Course, assignment: str, name: str) -> Scheme:
    """The scheme of this name: a function from a file's path to what it claims, None where it is of another scheme.

    Example: `scheme_of(Course("."), "04_attention", "canvas")("lovelaceada_12_34_04_attention.ipynb").student`
    """
    if name == "plain":
        known = course.assignments()
        return lambda path: _plain(path, assignment, known)
    pattern = {"canvas": CANVAS, "moodle": MOODLE}.get(name) or _configured(course)
    return lambda path: _matched(pattern, path)


def recognised(paths: Sequence[str]) -> str:
    """The scheme that most of the notebooks are called by, Moodle's before Canvas's before the plain one."""
    notebooks = [path for path in paths if path.lower().endswith(".ipynb")]
    for name, pattern in (("moodle", MOODLE), ("canvas", CANVAS)):
        if 2 * sum(bool(pattern.search(path)) for path in notebooks) > len(notebooks):
            return name
    return "plain"


def _matched(pattern: re.Pattern[str], path: str) -> Claim | None:
    if not (match := pattern.search(path)):
        return None
    found = {group: value or "" for group, value in match.groupdict().items()}
    attempt, late = int(found.get("attempt") or 0), bool(found.get("late"))
    return Claim(
        found["student"], found["file"], found.get("lms_user_id", ""), attempt, late, found.get("timestamp", "")
    )


def _plain(path: str, assignment: str, known: Sequence[str]) -> Claim | None:
    """An assignment's name says nothing about whose a notebook is."""
    match path.split("/"):
        case [file] if file.lower().endswith(".ipynb") and (student := file[: -len(".ipynb")]) not in known:
            return Claim(student)
        case [student, file] if student not in known:
            return Claim(student, file)
        case [student, folder, file] if folder == assignment:
            return Claim(student, file)
    return None


def _configured(course: Course) -> re.Pattern[str]:
    """The pattern of nbgrader's zip_collect, its `student_id` and `file_id` by our names."""
    text = course.config.FileNameCollectorPlugin.get("named_regexp", "")
    try:
        pattern = re.compile(text.replace("?P<student_id>", "?P<student>").replace("?P<file_id>", "?P<file>"))
    except re.error as error:
        raise CourseError(f"c.FileNameCollectorPlugin.named_regexp in nbgrader_config.py is wrong: {error}") from error
    if not {"student", "file"} <= pattern.groupindex.keys():
        raise CourseError(
            "c.FileNameCollectorPlugin.named_regexp in nbgrader_config.py must name student_id and file_id"
        )
    return pattern
