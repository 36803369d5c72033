"""The engine in nbgrader's own seam: `nbgrader autograde` and formgrader's button grade as `autograder grade` does.

`nbgrader_config.py` puts `Engine` in place of all that nbgrader would do with a submission, so that no student's code
runs in nbgrader's process. Nor does the engine: it has a process of its own, `python -m autograder.course.seam`, which
reads a JSON object a line, {"course", "assignment", "student", "unsafe"}, answers with {"status", "notes", "notebook"},
and ends when nbgrader does, or when nothing is asked for a while.
"""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from nbconvert.exporters.exporter import ResourcesDict
from nbformat import NotebookNode
from nbformat.v4 import new_markdown_cell, new_notebook
from nbgrader.preprocessors import NbGraderPreprocessor
from traitlets import Bool

from autograder.course.notebook import read

IDLE_SECONDS = 60.0


class Engine(NbGraderPreprocessor):  # type: ignore[misc]  # nbgrader has no types
    """Grades a submission and records it; what nbgrader then writes is the executed notebook.

    Example: `c.Autograde.autograde_preprocessors = ["autograder.course.seam.Engine"]`
    """

    unsafe = Bool(False, help="Grade where the sandbox does not hold, too.").tag(config=True)

    def preprocess(self, nb: NotebookNode, resources: ResourcesDict) -> tuple[NotebookNode, ResourcesDict]:
        """Raises RuntimeError where the grader fails: nbgrader says so and goes on with the next submission."""
        about = resources["nbgrader"]
        order = {"course": os.getcwd(), "assignment": about["assignment"], "student": about["student"]}
        answer = _ask({**order, "unsafe": self.unsafe})
        if answer["status"] == "failed":
            raise RuntimeError(" ".join(answer["notes"]))
        return _notebook(answer), resources


def _notebook(answer: dict[str, Any]) -> NotebookNode:
    """The executed notebook; of a submission that is rejected, what is wrong with it."""
    if answer["status"] == "graded":
        return read(Path(answer["notebook"]))
    told = [new_markdown_cell(note) for note in answer["notes"]]  # type: ignore[no-untyped-call]
    made: NotebookNode = new_notebook(cells=told)  # type: ignore[no-untyped-call]
    return made


_process: subprocess.Popen[str] | None = None


def _ask(order: dict[str, Any]) -> dict[str, Any]:
    """The answer of the grader's process, which is started where there is none. Raises RuntimeError."""
    global _process
    for _ in range(2):
        if _process is None or _process.poll() is not None:
            command = [sys.executable, "-P", "-m", "autograder.course.seam"]
            pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
            _process = subprocess.Popen(command, start_new_session=True, **pipes)
        assert _process.stdin is not None
        assert _process.stdout is not None
        with suppress(BrokenPipeError):
            _process.stdin.write(json.dumps(order) + "\n")
            _process.stdin.flush()
            if line := _process.stdout.readline():
                answer: dict[str, Any] = json.loads(line)
                return answer
        _process.wait()
    raise RuntimeError("the grader's process ended twice without an answer")


def serve() -> None:
    """Grade what is asked for on the standard input."""
    from autograder.course.course import Course
    from autograder.course.errors import CourseError, MaterialError
    from autograder.course.grade import check_sandbox, grade_here, jobs

    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever else is printed is no answer
    while select.select([0], [], [], IDLE_SECONDS)[0] and (line := sys.stdin.readline()):
        order = json.loads(line)
        course, assignment, student = Course(order["course"]), order["assignment"], order["student"]
        try:
            if not order["unsafe"]:
                check_sandbox()
            (job,) = jobs(course, assignment, student=student)
            verdict = grade_here(course, job).verdict
            answer = {"status": verdict.status, "notes": verdict.notes}
        except (CourseError, MaterialError) as error:
            answer = {"status": "failed", "notes": [str(error)]}
        answers.write(json.dumps({**answer, "notebook": str(course.autograded(assignment, student))}) + "\n")
        answers.flush()


if __name__ == "__main__":
    serve()
