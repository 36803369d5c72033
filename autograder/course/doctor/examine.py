"""Is this machine ready to grade this course? Each finding with its remedy."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from autograder.course.doctor import configuration, course, jupyter, machine
from autograder.course.doctor.finding import Finding


def examine(directory: Path, config: Path | None = None) -> Iterator[Finding]:
    """Look at everything that grading in this course directory needs.

    config: the file that is given to nbgrader's own commands with `--config`.
    Example: `[finding.remedy for finding in examine(Path(".")) if finding.level == "problem"]`
    """
    directory = directory.resolve()
    yield from machine.examine(directory)
    yield from jupyter.examine()
    yield from configuration.examine(directory, config)
    yield from course.examine(directory)
