"""Where submissions come from: a zip, a folder or nbgrader's exchange. Students wrote it: nothing is believed."""

from __future__ import annotations

import os
import stat
import struct
import unicodedata
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from copy import deepcopy
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from functools import partial
from pathlib import Path

from nbgrader.coursedir import CourseDirectory
from nbgrader.exchange import ExchangeFactory
from nbgrader.exchange.default import Exchange
from nbgrader.utils import capture_log

from autograder.course.course import Course
from autograder.course.database import make
from autograder.course.errors import CourseError, MaterialError
from autograder.course.gradebook import submission_secret, submission_time
from autograder.course.roster import utc, zone
from autograder.engine.limits import Limits
from autograder.engine.notebook import Rejected, read_bytes
from autograder.engine.scratch import scratch
from autograder.engine.text import readable

MOST_FILES = 20_000
LONGEST_NAME = 1_000
LARGEST = Limits().notebook_bytes
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
"""Python unpacks these in steps; another could fill the memory at once."""

UTC_TIMES = 0x5455
"""The field of a zip's entry that holds its time in UTC; the ordinary one is in whatever zone the writer was."""


@dataclass(frozen=True)
class Entry:
    """A file: its path with slashes, its own time in UTC, and its bytes, or Rejected.

    `trouble` is why it is not to be touched, `warning` what somebody should look at. By the `secret` feedback finds its
    way back through nbgrader's exchange.
    """

    name: str
    time: datetime | None
    read: Callable[[], bytes]
    trouble: str = ""
    warning: str = ""
    secret: bytes = b""


@contextmanager
def entries_of(course: Course, path: Path) -> Iterator[list[Entry]]:
    """The files in a zip or a folder, but for hidden ones. Raises CourseError or MaterialError where it is neither.

    Example: `with entries_of(Course("."), Path("submissions.zip")) as entries: entries[0].read()`
    """
    if path.is_dir():
        yield list(_in_folder(path))
        return
    if not path.exists():
        raise CourseError(f"{path} does not exist: give the zip of an LMS or a folder with --from")
    with _opened(path) as archive:
        yield list(_in_zip(path, archive, zone(course)))


def _opened(path: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(path)
    except (zipfile.BadZipFile, OSError, NotImplementedError, ValueError, struct.error) as error:
        raise MaterialError([f"{path} is no zip that can be read ({error}): download it again"]) from None


def _in_zip(path: Path, archive: zipfile.ZipFile, zone: tzinfo) -> Iterator[Entry]:
    infos = archive.infolist()
    if len(infos) > MOST_FILES:
        raise MaterialError([f"{path} holds {len(infos):,} files; at most {MOST_FILES:,} can be collected"])
    for info in infos:
        name = _name(info)
        if not info.is_dir() and not _hidden(name):
            yield Entry(name, _time(info, zone), partial(_read, archive, info), _trouble(name, info))


def _name(info: zipfile.ZipInfo) -> str:
    """The name of an entry. Many programs write UTF-8 without saying so."""
    name = info.filename
    if not info.flag_bits & 0x800:
        with suppress(UnicodeError):
            name = name.encode("cp437").decode()
    return unicodedata.normalize("NFC", name)


def _trouble(name: str, info: zipfile.ZipInfo) -> str:
    """Why an entry is not to be touched."""
    kind = stat.S_IFMT(info.external_attr >> 16)
    if len(name) > LONGEST_NAME:
        return "its name is too long"
    if name.startswith("/") or "\\" in name or ":" in name.partition("/")[0][:2] or ".." in name.split("/"):
        return "its path leads out of the zip"
    if kind not in (0, stat.S_IFREG):
        return "it is a symbolic link" if kind == stat.S_IFLNK else "it is not a regular file"
    if info.flag_bits & 1:
        return "it is encrypted"
    if info.compress_type not in METHODS:
        return "it is packed in a way that no LMS uses"
    return ""


def _read(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    """The bytes of an entry, whatever size it says it has."""
    too_large = Rejected(f"the file has more than {LARGEST:,} bytes")
    if info.file_size > LARGEST:
        raise too_large
    try:
        with archive.open(info) as file:
            data = file.read(LARGEST + 1)
    except (zipfile.BadZipFile, OSError, EOFError, ValueError, RuntimeError, NotImplementedError, zlib.error) as error:
        raise Rejected(f"it cannot be unpacked ({error})") from None
    if len(data) > LARGEST:
        raise too_large
    return data


def _time(info: zipfile.ZipInfo, zone: tzinfo) -> datetime | None:
    """When an entry was last changed; 1980 is what is written where nobody knows."""
    extra = info.extra
    try:
        while len(extra) >= 4:
            field, size = struct.unpack_from("<HH", extra)
            if field == UTC_TIMES and size >= 5 and extra[4] & 1:
                return datetime.fromtimestamp(struct.unpack_from("<i", extra, 5)[0], UTC).replace(tzinfo=None)
            extra = extra[4 + size :]
        return utc(datetime(*info.date_time, tzinfo=zone)) if info.date_time[0] > 1980 else None
    except (struct.error, ValueError, OverflowError):
        return None


def _in_folder(path: Path) -> Iterator[Entry]:
    """No link is followed: one is an entry that has trouble."""
    count = 0
    for folder, folders, files in os.walk(path):
        folders[:] = sorted(name for name in folders if not _hidden(name))
        links = [name for name in folders if os.path.islink(os.path.join(folder, name))]
        for name in sorted([*(name for name in files if not _hidden(name)), *links]):
            if (count := count + 1) > MOST_FILES:
                raise MaterialError([f"{path} holds more than {MOST_FILES:,} files: give a folder of submissions"])
            yield _file(Path(folder) / name, path)


def _file(path: Path, root: Path) -> Entry:
    """nbgrader's timestamp.txt beside a student's notebook goes before the time of the file."""
    told = None if path.parent == root else submission_time(path.parent)
    time = told or datetime.fromtimestamp(path.lstat().st_mtime, UTC).replace(tzinfo=None)
    trouble = "it is a symbolic link" if path.is_symlink() else ""
    name = readable(unicodedata.normalize("NFC", str(path.relative_to(root))))
    return Entry(name, time, partial(read_bytes, path, LARGEST), trouble)


def _hidden(name: str) -> bool:
    """What systems and editors leave; `..` is not hidden but hostile."""
    parts = name.split("/")
    return ".." not in parts and any(part.startswith(".") or part == "__MACOSX" for part in parts)


@contextmanager
def exchange_entries(course: Course, assignment: str) -> Iterator[list[Entry]]:
    """The submissions that nbgrader's Collect would copy from the exchange, as it is configured, a notebook each.

    nbgrader chooses; its own copying would follow links, and one student's folder could stop it for everybody.
    """
    chosen: list[Path] = []
    with scratch() as folder:
        make(course)
        config = deepcopy(course.config)
        config.CourseDirectory.update(assignment_id=assignment, submitted_directory=str(folder))
        collect = ExchangeFactory(config=config).Collect(coursedir=CourseDirectory(config=config), config=config)
        if isinstance(collect, Exchange):
            collect.do_copy = lambda source, destination, log=None: chosen.append(Path(source))
        done = capture_log(collect)
        if not done["success"]:
            lines = [line for line in done.get("log", "").splitlines() if "[CRITICAL]" in line] or [done["error"]]
            why = lines[-1].strip().rpartition("] ")[2].splitlines()[-1]
            raise CourseError(f"nbgrader cannot collect from its exchange ({why}): give a zip or a folder with --from")
        notebook = course.source(assignment).name
        found = [_handed_in(path, notebook, check_owner=collect.check_owner) for path in chosen]
        yield found or list(_in_folder(folder))


def _handed_in(folder: Path, notebook: str, *, check_owner: bool) -> Entry:
    """A submission of the exchange: student+assignment+time+random. Who may write there may write any name."""
    student = folder.name.rsplit("+", 3)[0]
    trouble = "it is a symbolic link" if folder.is_symlink() else ""
    owner = _owner(folder) if check_owner else student
    warning = f"it belongs to {owner}, who may have handed it in for {student}" if owner != student else ""
    read = partial(read_bytes, folder / notebook, LARGEST)
    return Entry(f"{student}/{notebook}", submission_time(folder), read, trouble, warning, submission_secret(folder))


def _owner(folder: Path) -> str:
    try:
        return folder.owner()
    except KeyError:
        return "an unknown user"
