"""The course in nbgrader's own terms. What is not said here is nbgrader's default."""

from pathlib import Path

c = get_config()  # noqa: F821 (nbgrader provides it)

c.CourseDirectory.course_id = "lookback"
c.CourseDirectory.root = str(Path(__file__).resolve().parent)
c.CourseDirectory.source_directory = "assignments"

# Students' code runs in the kernels of `autograder grade`, also with `nbgrader autograde` and from formgrader.
c.Autograde.sanitize_preprocessors = ["nbgrader.preprocessors.ClearOutput"]
c.Autograde.autograde_preprocessors = ["autograder.course.seam.Engine"]
