"""An assignment's own material: its source notebook, and the students' version as nbgrader makes it."""

from __future__ import annotations

import re
from copy import deepcopy
from pathlib import Path
from tempfile import TemporaryDirectory

from nbformat import NotebookNode
from nbgrader.converters import GenerateAssignment
from nbgrader.coursedir import CourseDirectory
from nbgrader.utils import capture_log

from autograder.course.course import Course
from autograder.course.database import make, opened
from autograder.course.errors import MaterialError
from autograder.course.notebook import read
from autograder.engine.align import checks_of
from autograder.engine.limits import Limits
from autograder.engine.notebook import Notebook, Rejected, read_notebook
from autograder.unit import bank_file, no_bank, unit_of

NEW_CELLS = "Cannot add or remove cells"
"""What nbgrader says where submissions have been recorded."""


def source_notebook(course: Course, assignment: str) -> Notebook:
    """The source notebook of an assignment as the engine reads it. Raises MaterialError where it cannot."""
    source = course.source(assignment)
    try:
        return read_notebook(source, Limits().notebook_bytes)
    except Rejected as reason:
        raise MaterialError([f"{source}: {reason}"]) from None


def has_checks(course: Course, assignment: str) -> bool:
    """Whether the assignment has checks, for which there must be a bank. Raises MaterialError where there is none."""
    checks = checks_of(source_notebook(course, assignment))
    if checks and not bank_file(unit_of(assignment)).is_file():
        raise MaterialError([no_bank(assignment)])
    return bool(checks)


def students_version(course: Course, assignment: str) -> NotebookNode:
    """The notebook as students get it. Neither the release nor the gradebook is touched."""
    with TemporaryDirectory() as folder:
        generate(course, assignment, Path(folder), record=False)
        return read(Path(folder) / assignment / course.source(assignment).name)


def generate(course: Course, assignment: str, folder: Path, *, record: bool) -> None:
    """Run nbgrader's GenerateAssignment into `folder`, and record the assignment's cells in the gradebook or not.

    Raises MaterialError where nbgrader fails.
    """
    course.source(assignment)
    if record:
        make(course)
    config = deepcopy(course.config)
    config.CourseDirectory.update(assignment_id=assignment, release_directory=str(folder))
    config.GenerateAssignment.no_database, config.SaveCells.enabled = not record, record
    made = capture_log(GenerateAssignment(coursedir=CourseDirectory(config=config), config=config))
    if not made["success"]:
        cause = _cause(made)
        if NEW_CELLS in cause:
            raise MaterialError([_new_cells(course, assignment)])
        raise MaterialError([f"nbgrader cannot make the students' version of {assignment}: {cause}"])


def _new_cells(course: Course, assignment: str) -> str:
    """What to say where cells have come or gone since the first submission was recorded."""
    now = {cell.grade_id for cell in source_notebook(course, assignment).cells if cell.grade_id}
    with opened(course) as gradebook:
        before = {
            cell.name for cell in gradebook.find_notebook(course.source(assignment).stem, assignment).source_cells
        }
    kinds = {"new": now - before, "gone": before - now}
    differing = "; ".join(f"{kind}: {', '.join(sorted(names))}" for kind, names in kinds.items() if names)
    return (
        f"{assignment} has been handed in, so nbgrader lets none of its graded cells and answers come or go or change "
        f"its kind ({differing or 'one is of another kind'}): put new checks under a grade id that is there"
    )


def _cause(made: dict[str, str]) -> str:
    """The last exception in nbgrader's log that is not its own summary."""
    text = made.get("log", "") + made.get("error", "")
    found = re.findall(r"^\s*(?:\w+\.)*(\w+(?:Error|Exception|Entry): .+)$", text, re.MULTILINE)
    causes = [line for line in found if not line.startswith("NbGraderException")] or found
    return str(causes[-1]) if causes else text.strip().splitlines()[-1]
