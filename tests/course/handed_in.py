"""What people hand in, by way of an LMS, a folder or nbgrader's exchange; and what is where afterwards."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from typer.testing import CliRunner, Result

from autograder.cli import app
from autograder.course.course import Course
from autograder.course.gradebook import submission_time
from tests.course.small import ASSIGNMENT

NAME = f"{ASSIGNMENT}.ipynb"
NOON = datetime(2026, 3, 1, 12, 0, 0)
HOUR = timedelta(hours=1)
PEOPLE = [
    ("ada", "Ada", "Lovelace", "ada@example.org", "101"),
    ("bela", "Béla", "Bartók", "bela@example.org", "102"),
    ("chen", "Chen", "Li", "chen@example.org", "103"),
    ("dana", "Dana", "van der Berg", "dana@example.org", ""),
]
CANVAS_NAMES = {
    "ada": f"lovelaceada_101_7001_{NAME}",
    "bela": f"bartókbéla_LATE_102_7002_{ASSIGNMENT}-1.ipynb",
    "dana": f"vanderbergdana_104_7004_{ASSIGNMENT} (2).ipynb",
}
MOODLE_NAMES = {
    "ada": f"Ada Lovelace_5501_assignsubmission_file_/{NAME}",
    "bela": f"Béla Bartók_5502_assignsubmission_file/week 4/{NAME}",
    "chen": f"Li Chen_5503_assignsubmission_file_{NAME}",
}


def run(course: Course, *arguments: str | Path) -> Result:
    return CliRunner().invoke(app, ["collect", ASSIGNMENT, *map(str, arguments), "--course", str(course.directory)])


def nbgrader(course: Course, *arguments: str) -> None:
    """Run one of nbgrader's own commands in the directory of the course."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    subprocess.run(
        [sys.executable, "-m", "nbgrader", *arguments],
        cwd=course.directory,
        env={**os.environ, "PATH": path},
        check=True,
    )


def outcomes(result: Result) -> dict[str, list[str]]:
    """Who, or which file where nobody knows, by what became of it; the output must be JSON and nothing else."""
    found: dict[str, list[str]] = {}
    for one in json.loads(result.stdout)["outcomes"]:
        found.setdefault(one["result"], []).append(one["student"] or one["name"])
    return found


def entry(name: str, time: datetime = NOON, **changes: Any) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name, time.timetuple()[:6])
    for attribute, value in changes.items():
        setattr(info, attribute, value)
    return info


def make_zip(path: Path, files: Mapping[str, str] | Iterable[tuple[zipfile.ZipInfo, bytes]]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        if isinstance(files, Mapping):
            files = [(entry(name), text.encode()) for name, text in files.items()]
        for info, data in files:
            archive.writestr(info, data)
    return path


def make_folder(path: Path, files: Mapping[str, str], time: datetime = NOON) -> Path:
    for name, text in files.items():
        file = path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        seconds = time.replace(tzinfo=UTC).timestamp()
        os.utime(file, (seconds, seconds))
    return path


def handed_in(course: Course) -> dict[str, str]:
    return {student: course.submitted(ASSIGNMENT, student).read_text() for student in course.students(ASSIGNMENT)}


def times(course: Course) -> dict[str, datetime | None]:
    where = {student: course.submitted(ASSIGNMENT, student).parent for student in course.students(ASSIGNMENT)}
    return {student: submission_time(folder) for student, folder in where.items()}


def earlier(course: Course, student: str) -> list[str]:
    return sorted(path.read_text() for path in (course.directory / "earlier" / student).rglob(NAME))


def write_roster(path: Path, **submitted: str) -> Path:
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "first_name", "last_name", "email", "lms_user_id", "submitted"])
        writer.writerows([*person, submitted.get(person[0], "")] for person in PEOPLE)
    return path


def submit(course: Course, student: str, time: datetime, text: str, called: str = NAME) -> Path:
    """What `nbgrader submit` leaves in the exchange."""
    moment = f"{time:%Y-%m-%d %H:%M:%S.%f} UTC"
    inbound = course.directory / "exchange" / "lookback" / "inbound"
    make_folder(inbound, {f"{student}+{ASSIGNMENT}+{moment}+{len(text)}/{called}": text})
    (folder := inbound / f"{student}+{ASSIGNMENT}+{moment}+{len(text)}").joinpath("timestamp.txt").write_text(moment)
    return folder
