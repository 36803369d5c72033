"""Commands for what came of it: feedback, report."""

from __future__ import annotations

import typer

from autograder.cli.app import HERE, CourseOption, Name, app


@app.command(epilog="Example: autograder feedback 04_attention")
def feedback(name: Name, course: CourseOption = HERE) -> None:
    """Write a page for each graded student: every check, what to suspect, what to try."""
    from autograder.course.course import Course
    from autograder.course.feedback import write_feedback
    from autograder.course.verdicts import graded_verdicts

    here = Course(course)
    for path in write_feedback(here, name, graded_verdicts(here, name)):
        typer.echo(path)


@app.command(epilog="Example: autograder report 04_attention")
def report(name: Name, course: CourseOption = HERE) -> None:
    """Write the page about the class: points, exercises, misconceptions, who needs help."""
    from autograder.course.course import Course
    from autograder.course.report import write_report
    from autograder.course.verdicts import graded_verdicts

    here = Course(course)
    typer.echo(write_report(here, name, graded_verdicts(here, name)))
