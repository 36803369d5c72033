"""Collecting what nobody should hand in: each a clear line, the others collected all the same."""

from __future__ import annotations

import os
import stat
import struct
import zipfile
from pathlib import Path

import pytest

from autograder.course.course import Course
from tests.course.handed_in import (
    MOODLE_NAMES,
    NAME,
    entry,
    handed_in,
    make_folder,
    make_zip,
    run,
)

LINK = (stat.S_IFLNK | 0o777) << 16
HOSTILE: dict[str, tuple[list[tuple[zipfile.ZipInfo, bytes]], str]] = {
    "climbs": ([(entry(f"x/../../../{NAME}"), b"{}")], "its path leads out of the zip"),
    "absolute": ([(entry("/etc/zoe.ipynb"), b"{}")], "its path leads out of the zip"),
    "windows": ([(entry("zoe\\..\\x.ipynb"), b"{}")], "its path leads out of the zip"),
    "drive": ([(entry("C:/zoe.ipynb"), b"{}")], "its path leads out of the zip"),
    "link": ([(entry("zoe.ipynb", external_attr=LINK), b"/etc/passwd")], "it is a symbolic link"),
    "fifo": ([(entry("zoe.ipynb", external_attr=stat.S_IFIFO << 16), b"")], "it is not a regular file"),
    "bomb": ([(entry("zoe.ipynb", compress_type=zipfile.ZIP_DEFLATED), bytes(2**25))], "more than 20,971,520 bytes"),
    "packed": ([(entry("zoe.ipynb", compress_type=zipfile.ZIP_BZIP2), b"{}")], "packed in a way that no LMS uses"),
    "long": ([(entry("z" * 5000 + ".ipynb"), b"{}")], "its name is too long"),
    "control": ([(entry("zoe\x1b[2J\u202e.ipynb"), b"{}")], "is no student id"),
    "dot": ([(entry("nested/of/zoe.ipynb"), b"{}")], "its name does not say whose it is"),
    "zip": ([(entry("zoe/work.zip"), b"PK")], "there is no notebook, only work.zip"),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_entry_is_a_line_and_nobody_elses_trouble(kind: str, course: Course, tmp_path: Path) -> None:
    files, reason = HOSTILE[kind]
    archive = make_zip(tmp_path / "all.zip", [*files, (entry("ada.ipynb"), b"right")])
    before = {path for path in tmp_path.rglob("*") if course.directory not in path.parents}
    result = run(course, "--from", archive, "--scheme", "plain")
    assert (result.exit_code, handed_in(course)) == (1, {"ada": "right"})
    assert result.stderr.count("\n") == 1
    assert result.stderr.startswith("refused: ")
    assert reason in result.stderr
    assert result.stderr.replace("\n", "").isprintable()
    assert {path for path in tmp_path.rglob("*") if course.directory not in path.parents} == before


def damaged(data: bytes, kind: str) -> bytes:
    """A zip of one stored notebook, whose first header and directory are changed."""
    directory = data.index(b"PK\x01\x02")
    changed = bytearray(data)
    if kind == "encrypted":
        changed[6] |= 1
        changed[directory + 8] |= 1
    elif kind == "sizes lie":
        changed[directory + 24 : directory + 28] = struct.pack("<I", 1)
    elif kind == "broken":
        changed[data.index(b"content")] ^= 255
    elif kind == "header gone":
        changed[0:4] = b"XXXX"
    return bytes(changed)


@pytest.mark.parametrize("kind", ["encrypted", "sizes lie", "broken", "header gone"])
def test_a_damaged_entry_is_a_line(kind: str, course: Course, tmp_path: Path) -> None:
    archive = make_zip(tmp_path / "all.zip", {"zoe.ipynb": "the content", "ada.ipynb": "right"})
    archive.write_bytes(damaged(archive.read_bytes(), kind))
    result = run(course, "--from", archive)
    assert (result.exit_code, handed_in(course)) == (1, {"ada": "right"})
    assert result.stderr.startswith("refused: ")
    assert result.stderr.count("\n") == 1


def test_names_in_odd_encodings_are_read(course: Course, tmp_path: Path, roster: Path) -> None:
    path = make_zip(tmp_path / "a.zip", {MOODLE_NAMES["bela"]: "x"})
    data = bytearray(path.read_bytes())
    for flags in (6, data.index(b"PK\x01\x02") + 8):
        data[flags + 1] &= ~0x08  # UTF-8 without saying so
    path.write_bytes(data)
    assert run(course, "--from", path, "--roster", roster).exit_code == 0
    assert handed_in(course) == {"bela": "x"}


@pytest.mark.parametrize("content", [b"", b"My answers are in the other file.\n", b"PK\x03\x04 and then nothing"])
def test_a_zip_that_is_none_is_one_line(content: bytes, course: Course, tmp_path: Path) -> None:
    (tmp_path / "all.zip").write_bytes(content)
    result = run(course, "--from", tmp_path / "all.zip")
    assert (result.exit_code, result.stdout, result.stderr.count("\n")) == (1, "", 1)
    assert "all.zip is no zip that can be read" in result.stderr


def test_too_many_files_are_refused_before_any_is_read(course: Course, tmp_path: Path) -> None:
    archive = make_zip(tmp_path / "all.zip", {f"{number}.ipynb": "" for number in range(20_001)})
    result = run(course, "--from", archive)
    assert (result.exit_code, handed_in(course)) == (1, {})
    assert "holds 20,001 files; at most 20,000 can be collected" in result.stderr


def test_no_link_in_a_folder_is_followed(course: Course, tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "folder", {f"ada/{NAME}": "right"})
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / NAME).write_text("secret")
    (folder / "bela").symlink_to(tmp_path / "secret")
    (folder / "chen.ipynb").symlink_to(tmp_path / "secret" / NAME)
    os.link(tmp_path / "secret" / NAME, folder / "dana.ipynb")
    os.mkfifo(folder / "emil.ipynb")
    result = run(course, "--from", folder)
    assert (result.exit_code, handed_in(course)) == (1, {"ada": "right"})
    assert [line.rpartition(": ")[2] for line in result.stderr.splitlines()] == [
        "it is a symbolic link",
        "it is a symbolic link",
        "the file is a hard link to another file",
        "the file is not a regular file",
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("name,email\n", "has no column 'id': there are name, email"),
        ("id\nada\nada\n", "line 3: 'ada' stands there twice"),
        ("id\n../ada\n", "line 2: '../ada' is no student id"),
        ("id,submitted\nada,some day\n", "line 2: 'some day' is no time"),
        ("id\n\udcff\n", "cannot be read as CSV in UTF-8"),
    ],
)
def test_a_wrong_roster_is_one_line(text: str, message: str, course: Course, tmp_path: Path) -> None:
    path = tmp_path / "students.csv"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    result = run(course, "--from", make_folder(tmp_path / "f", {"ada.ipynb": "x"}), "--roster", path)
    assert (result.exit_code, result.stderr.count("\n"), handed_in(course)) == (2, 1, {})
    assert message in result.stderr


def test_wrong_use_is_one_line(course: Course, tmp_path: Path) -> None:
    for arguments, message in (
        (["--from", tmp_path / "nowhere.zip"], "nowhere.zip does not exist: give the zip of an LMS or a folder"),
        (["--scheme", "canvas"], "--scheme goes with --from"),
        (["--from", tmp_path, "--roster", tmp_path / "none.csv"], "none.csv cannot be read"),
        ([], "nbgrader cannot collect from its exchange ("),
    ):
        result = run(course, *arguments)
        assert (result.exit_code, result.stdout, message in result.stderr) == (2, "", True), result.stderr
