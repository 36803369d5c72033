"""A course directory: where everything is, in nbgrader's own terms."""

from __future__ import annotations

import os
import re
import sys
from glob import glob
from pathlib import Path

from nbgrader.coursedir import CourseDirectory
from nbgrader.utils import find_all_files
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError
from traitlets import TraitError
from traitlets.config.loader import Config, JSONFileConfigLoader, PyFileConfigLoader

from autograder.course.errors import CourseError, suggestion

CONFIGURATION = "nbgrader_config.py"


class Course:
    """A directory that holds `nbgrader_config.py` and the assignments. Everything that is made is made there.

    `config` is nbgrader's configuration, `nbgrader` its CourseDirectory, for whatever of nbgrader's is called.
    Example: `Course("demo").source("04_attention")`
    """

    def __init__(self, directory: Path | str) -> None:
        self.directory = Path(directory).resolve()
        try:
            self.config = _configuration(self.directory)
            self.nbgrader = CourseDirectory(config=self.config)
        except TraitError as error:
            raise CourseError(f"{self.directory / CONFIGURATION}: {error}") from error
        _find_tools()

    @property
    def database(self) -> str:
        """The SQLAlchemy address of the gradebook."""
        return str(self.nbgrader.db_url)

    @property
    def course_id(self) -> str:
        return str(self.nbgrader.course_id)

    @property
    def journal(self) -> Path:
        """Where verdicts are kept."""
        return Path(self.nbgrader.root) / "journal"

    def assignments(self) -> list[str]:
        """The names of all assignments."""
        return sorted(path.name for path in self._sources().glob("[!.]*") if any(path.glob("*.ipynb")))

    def source(self, assignment: str) -> Path:
        """The instructors' notebook of an assignment. Raises CourseError unless there is exactly one."""
        known = self.assignments()
        if assignment not in known:
            raise CourseError(f"no assignment {assignment!r} in {self._sources()}: {suggestion(assignment, known)}")
        notebooks = sorted((self._sources() / assignment).glob("*.ipynb"))
        if len(notebooks) > 1:
            names = ", ".join(path.name for path in notebooks)
            raise CourseError(f"{self._sources() / assignment} holds several notebooks ({names}): leave one")
        return notebooks[0]

    def place(self, assignment: str) -> Path:
        """Where the instructors' notebook of a new assignment belongs."""
        return self._path(self.nbgrader.source_directory, ".", assignment) / f"{assignment}.ipynb"

    def files(self, assignment: str) -> dict[str, Path]:
        """The other files of an assignment, such as data, by their names relative to it."""
        folder = self.source(assignment).parent
        found = find_all_files(str(folder), [*self.nbgrader.ignore, "*.ipynb"])
        return {str(path.relative_to(folder)): path for path in map(Path, sorted(found))}

    def released(self, assignment: str) -> Path:
        """The students' version."""
        return self._path(self.nbgrader.release_directory, ".", assignment) / self.source(assignment).name

    def submitted(self, assignment: str, student: str) -> Path:
        """What a student handed in. Nothing under its folder may be trusted."""
        return self._path(self.nbgrader.submitted_directory, student, assignment) / self.source(assignment).name

    def autograded(self, assignment: str, student: str) -> Path:
        """The executed notebook that formgrader opens."""
        return self._path(self.nbgrader.autograded_directory, student, assignment) / self.source(assignment).name

    def feedback(self, assignment: str, student: str) -> Path:
        """The page that the student gets."""
        name = self.source(assignment).with_suffix(".html").name
        return self._path(self.nbgrader.feedback_directory, student, assignment) / name

    def students(self, assignment: str) -> list[str]:
        """Everybody who has a folder for this assignment among the submissions."""
        where = self.nbgrader.submitted_directory
        pattern = self.nbgrader.format_path(where, "(?P<student>[^/]+)", re.escape(assignment), escape=True)
        found = (re.fullmatch(pattern, path) for path in glob(self.nbgrader.format_path(where, "*", assignment)))
        return sorted({match["student"] for match in found if match} - set(self.nbgrader.student_id_exclude.split(",")))

    def handed_in(self, assignment: str) -> list[str]:
        """The same. Raises CourseError where there is nobody."""
        if students := self.students(assignment):
            return students
        raise CourseError(f"nobody has handed in {assignment}: {self.submitted(assignment, 'STUDENT')} is the place")

    def _sources(self) -> Path:
        folder = self._path(self.nbgrader.source_directory, ".", ".")
        if not folder.is_dir():
            raise CourseError(f"{folder} does not exist: the assignments belong there, a folder each")
        return folder

    def _path(self, step: str, student: str, assignment: str) -> Path:
        return Path(self.nbgrader.format_path(step, student, assignment))


def load(path: Path) -> Config:
    """One of nbgrader's configuration files, in Python or in JSON, as it stands. Raises CourseError."""
    loader = JSONFileConfigLoader if path.suffix == ".json" else PyFileConfigLoader
    try:
        config: Config = loader(path.name, path=str(path.parent)).load_config()
    except (Exception, SystemExit) as error:  # the file is Python and may raise anything
        raise CourseError(f"{path} does not load ({type(error).__name__}: {error})") from error
    return config


def _configuration(directory: Path) -> Config:
    """nbgrader's configuration, its relative paths made absolute so that it holds in any working directory."""
    if not directory.is_dir():
        raise CourseError(f"{directory} is not a directory: give a course directory with --course")
    if not (directory / CONFIGURATION).is_file():
        raise CourseError(f"{directory / CONFIGURATION} does not exist: give a course directory with --course")
    config = load(directory / CONFIGURATION)
    section = config.CourseDirectory
    section.root = str(directory / section.get("root", "."))
    if "db_url" in section:
        section.db_url = _absolute(section.db_url, Path(section.root))
    return config


def _find_tools() -> None:
    """nbgrader starts `alembic` by its name; it is installed beside this Python, which need not be on the path."""
    folders = os.environ.get("PATH", os.defpath).split(os.pathsep)
    if (beside := str(Path(sys.executable).parent)) not in folders:
        os.environ["PATH"] = os.pathsep.join([*folders, beside])


def _absolute(address: str, root: Path) -> str:
    """A database address; the file of an SQLite database is relative to the course."""
    try:
        url = make_url(address)
    except ArgumentError:
        raise CourseError(f"db_url {address!r} is no address of a database, such as sqlite:///gradebook.db") from None
    if not url.drivername.startswith("sqlite") or not url.database or url.database.startswith((":", "file:")):
        return address
    return url.set(database=str(root / url.database)).render_as_string(hide_password=False)
