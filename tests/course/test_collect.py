"""Collecting: from an LMS's zip, a folder and nbgrader's exchange; nothing lost, nothing old in place of the new."""

from __future__ import annotations

import json
import struct
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autograder.course.course import Course
from autograder.course.database import opened
from autograder.engine.journal import Journal
from tests.course.handed_in import (
    CANVAS_NAMES,
    HOUR,
    MOODLE_NAMES,
    NAME,
    NOON,
    PEOPLE,
    earlier,
    entry,
    handed_in,
    make_folder,
    make_zip,
    outcomes,
    run,
    times,
    write_roster,
)
from tests.course.small import ASSIGNMENT, write_course


@pytest.mark.parametrize(("names", "scheme"), [(CANVAS_NAMES, "canvas"), (MOODLE_NAMES, "moodle")])
def test_the_zip_of_an_lms_is_recognised_and_collected(
    names: dict[str, str], scheme: str, course: Course, roster: Path, tmp_path: Path
) -> None:
    texts = {name: f"by {student}" for student, name in names.items()}
    result = run(course, "--from", make_zip(tmp_path / "all.zip", texts), "--roster", roster, "--json")
    assert result.exit_code == 0, result.stderr
    assert json.loads(result.stdout)["scheme"] == scheme
    assert outcomes(result) == {"collected": sorted(names)}
    assert handed_in(course) == {student: f"by {student}" for student in names}


def test_the_students_may_stand_in_the_gradebook(recorded_course: Course, tmp_path: Path) -> None:
    with opened(recorded_course) as gradebook:
        for student, first, last, email, lms in PEOPLE:
            gradebook.add_student(student, first_name=first, last_name=last, email=email, lms_user_id=lms or None)
    archive = make_zip(tmp_path / "all.zip", dict.fromkeys([*CANVAS_NAMES.values(), f"nemo_999_1_{NAME}"], "x"))
    result = run(recorded_course, "--from", archive, "--json")
    assert (result.exit_code, sorted(handed_in(recorded_course))) == (1, sorted(CANVAS_NAMES))
    assert "nobody in the gradebook has the LMS id 999 or the name 'nemo'" in result.stderr


def test_an_lms_needs_to_know_its_students(course: Course, tmp_path: Path) -> None:
    result = run(course, "--from", make_zip(tmp_path / "all.zip", dict.fromkeys(MOODLE_NAMES.values(), "x")), "--json")
    assert (result.exit_code, len(outcomes(result)["refused"])) == (1, len(MOODLE_NAMES))
    assert handed_in(course) == {}
    assert not (course.directory / "gradebook.db").exists()


@pytest.mark.parametrize(
    "files",
    [["{0}.ipynb"], ["{0}/{1}.ipynb", "{0}/notes.txt"], ["{0}/{1}/{1}.ipynb", "{0}/05_other/05_other.ipynb"]],
)
def test_a_folder_may_be_flat_or_have_folders(files: list[str], course: Course, tmp_path: Path) -> None:
    (course.directory / "assignments" / "05_other").mkdir()
    (course.directory / "assignments" / "05_other" / "05_other.ipynb").write_text("{}")
    texts = {file.format(student, ASSIGNMENT): f"by {student}" for student in ("ada", "zoe") for file in files}
    folder = make_folder(tmp_path / "folder", texts)
    (folder / ".DS_Store").write_text("")
    result = run(course, "--from", folder)
    assert (result.exit_code, result.stdout.splitlines()) == (0, ["2 collected (plain names)", "collected: ada, zoe"])
    assert handed_in(course) == {"ada": "by ada", "zoe": "by zoe"}
    assert times(course) == {"ada": NOON, "zoe": NOON}, "the time of the file"


def test_with_a_roster_a_plain_name_must_be_in_it(course: Course, roster: Path, tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "folder", {"ada@example.org.ipynb": "ada", "103.ipynb": "chen", "zoe.ipynb": "zoe"})
    result = run(course, "--from", folder, "--roster", roster, "--json")
    assert outcomes(result) == {"refused": ["zoe.ipynb"], "collected": ["ada", "chen"]}
    assert f"refused: zoe.ipynb: nobody in {roster} has the id, e-mail or LMS id 'zoe'\n" in result.stderr


def test_the_pattern_of_nbgraders_zip_collect_is_a_scheme_too(course: Course, tmp_path: Path) -> None:
    with (course.directory / "nbgrader_config.py").open("a") as file:
        pattern = r".*/(?P<student_id>\w+)-(?P<timestamp>[0-9T]+)-(?P<file_id>.+)"
        file.write(f"c.FileNameCollectorPlugin.named_regexp = {pattern!r}\nc.Exchange.timezone = 'Europe/Rome'\n")
    archive = make_zip(tmp_path / "all.zip", {f"hand-ins/ada-20260301T130000-{NAME}": "by ada"})
    result = run(course, "--from", archive, "--scheme", "nbgrader")
    assert result.exit_code == 0, result.stderr
    assert times(course) == {"ada": NOON}


def test_without_a_pattern_that_scheme_says_what_is_missing(course: Course, tmp_path: Path) -> None:
    result = run(course, "--from", make_zip(tmp_path / "all.zip", {}), "--scheme", "nbgrader")
    assert (result.exit_code, "named_regexp in nbgrader_config.py must name student_id" in result.stderr) == (2, True)


def test_the_newest_counts_and_nothing_is_lost(course: Course, tmp_path: Path) -> None:
    first = make_folder(tmp_path / "first", {"ada.ipynb": "first", "bela.ipynb": "first"})
    second = make_folder(tmp_path / "second", {"ada.ipynb": "second", "bela.ipynb": "first"}, NOON + HOUR)
    assert outcomes(run(course, "--from", first, "--json")) == {"collected": ["ada", "bela"]}
    (course.submitted(ASSIGNMENT, "ada").parent / "extra.txt").write_text("mine")
    result = run(course, "--from", second, "--json")
    assert outcomes(result) == {"replaced": ["ada"], "unchanged": ["bela"]}
    assert handed_in(course) == {"ada": "second", "bela": "first"}
    assert times(course) == {"ada": NOON + HOUR, "bela": NOON}
    assert earlier(course, "ada") == ["first"]
    assert [path.read_text() for path in (course.directory / "earlier").rglob("extra.txt")] == ["mine"]
    before = handed_in(course), times(course), earlier(course, "ada")
    assert outcomes(run(course, "--from", second, "--json")) == {"unchanged": ["ada", "bela"]}
    assert outcomes(run(course, "--from", first, "--json")) == {"older": ["ada"], "unchanged": ["bela"]}
    assert (handed_in(course), times(course), earlier(course, "ada")) == before


def test_of_several_in_one_zip_the_last_attempt_counts(course: Course, roster: Path, tmp_path: Path) -> None:
    names = {f"lovelaceada_101_{number}_{ASSIGNMENT}{suffix}.ipynb": str(number) for number, suffix in ATTEMPTS}
    result = run(course, "--from", make_zip(tmp_path / "all.zip", names), "--roster", roster, "--json")
    assert outcomes(result) == {"older": ["ada", "ada"], "collected": ["ada"]}
    assert handed_in(course) == {"ada": "7010"}
    old = make_zip(tmp_path / "old.zip", [(entry(f"lovelaceada_101_7009_{NAME}", NOON + HOUR), b"old")])
    assert outcomes(run(course, "--from", old, "--roster", roster, "--json")) == {"older": ["ada"]}
    new = make_zip(tmp_path / "new.zip", [(entry(f"lovelaceada_101_7011_{NAME}"), b"new")])
    assert outcomes(run(course, "--from", new, "--roster", roster, "--json")) == {"replaced": ["ada"]}


ATTEMPTS = [(7009, "-1"), (7010, "-2"), (7001, "")]


def test_what_stands_there_without_a_time_gives_way_but_is_kept(course: Course, tmp_path: Path) -> None:
    by_hand = course.submitted(ASSIGNMENT, "ada")
    by_hand.parent.mkdir(parents=True)
    by_hand.write_text("by hand")
    run(course, "--from", make_folder(tmp_path / "folder", {"ada.ipynb": "collected"}))
    assert (handed_in(course), earlier(course, "ada")) == ({"ada": "collected"}, ["by hand"])


def test_the_download_of_an_lms_says_who_is_newer_and_never_who_is_late(
    course: Course, tmp_path: Path, roster: Path
) -> None:
    names = {**MOODLE_NAMES, "dana": "Dana van der Berg_5504_assignsubmission_file_/" + NAME}
    monday = make_zip(tmp_path / "monday.zip", [(entry(name), b"monday") for name in names.values()])
    tuesday = make_zip(
        tmp_path / "tuesday.zip", [(entry(name, NOON + 24 * HOUR), b"tuesday") for name in names.values()]
    )
    told = run(course, "--from", tuesday, "--roster", roster)
    assert set(times(course).values()) == {None}
    assert "in time, for all anybody knows: ada, bela, chen, dana (--roster may have a column submitted)" in told.stdout
    assert set(outcomes(run(course, "--from", monday, "--roster", roster, "--json"))) == {"older"}
    known = write_roster(tmp_path / "times.csv", ada="2026-03-01 13:00 +01:00", bela="2026-03-01T11:30:00Z")
    result = run(course, "--from", tuesday, "--roster", known, "--json")
    assert outcomes(result) == {"unchanged": ["ada", "bela", "chen", "dana"]}
    assert times(course) == {"ada": NOON, "bela": NOON - HOUR / 2, "chen": None, "dana": None}


def test_canvas_says_who_was_late(course: Course, tmp_path: Path, roster: Path) -> None:
    run(course, "--from", make_zip(tmp_path / "a.zip", dict.fromkeys(CANVAS_NAMES.values(), "x")), "--roster", roster)
    assert times(course) == {"ada": None, "bela": NOON, "dana": None}


def test_times_in_a_zip_are_in_the_zone_of_the_course_unless_they_are_in_utc(course: Course, tmp_path: Path) -> None:
    with (course.directory / "nbgrader_config.py").open("a") as file:
        file.write("c.Exchange.timezone = 'Europe/Rome'\n")
    stamp = struct.pack("<HHBi", 0x5455, 5, 1, int((NOON + HOUR).replace(tzinfo=UTC).timestamp()))
    nobody_knows = entry("chen.ipynb", datetime(1980, 1, 1))
    files = [(entry("ada.ipynb"), b"a"), (entry("bela.ipynb", extra=stamp), b"b"), (nobody_knows, b"c")]
    assert run(course, "--from", make_zip(tmp_path / "all.zip", files)).exit_code == 0
    assert times(course) == {"ada": NOON - HOUR, "bela": NOON + HOUR, "chen": None}


def test_moodles_own_worksheet_is_a_roster(course: Course, tmp_path: Path) -> None:
    worksheet = tmp_path / "Grades.csv"
    worksheet.write_text(
        "\ufeffIdentifier;Full name;ID number;Email address;Last modified (submission)\n"
        "Participant 5501;Ada Lovelace;s1;a@example.org;Sunday, 1 March 2026, 12:00 PM\n"
        "Participant 5502;Ada Lovelace;s2;b@example.org;-\n"
    )
    names = [f"Ada Lovelace_{number}_assignsubmission_file_/{NAME}" for number in (5502, 5501)]
    archive = make_zip(tmp_path / "all.zip", {name: name for name in names})
    assert run(course, "--from", archive, "--roster", worksheet).exit_code == 0
    assert handed_in(course) == {"s1": names[1], "s2": names[0]}, "two of the same name"
    assert times(course) == {"s1": NOON, "s2": None}


def test_two_of_the_same_name_are_not_guessed(course: Course, tmp_path: Path) -> None:
    roster = tmp_path / "students.csv"
    roster.write_text('id,name\nli1,Chen Li\nli2,"Li, Chen"\n')
    result = run(course, "--from", make_zip(tmp_path / "a.zip", {MOODLE_NAMES["chen"]: "x"}), "--roster", roster)
    assert (result.exit_code, handed_in(course)) == (1, {})
    assert "li1, li2" in result.stderr
    assert "add lms_user_id" in result.stderr


def test_an_id_that_the_lms_gave_to_another_is_no_match_by_name(course: Course, tmp_path: Path, roster: Path) -> None:
    archive = make_zip(tmp_path / "a.zip", {f"lovelaceada_555_1_{NAME}": "of another Ada"})
    assert run(course, "--from", archive, "--roster", roster).exit_code == 1
    assert handed_in(course) == {}


def test_which_notebook_is_meant(course: Course, tmp_path: Path) -> None:
    (course.directory / "assignments" / "05_other").mkdir()
    (course.directory / "assignments" / "05_other" / "05_other.ipynb").write_text("{}")
    files = {
        f"ada/{NAME}": "right",
        "ada/draft.ipynb": "wrong",
        "bela/my answers.ipynb": "the only one",
        "chen/one.ipynb": "?",
        "chen/two.ipynb": "?",
        "dana/answers.pdf": "?",
        "dana/work.zip": "?",
        "emil/05_other.ipynb": "of another assignment",
        NAME: "whose?",
    }
    result = run(course, "--from", make_folder(tmp_path / "folder", files))
    assert handed_in(course) == {"ada": "right", "bela": "the only one"}
    assert result.exit_code == 1
    assert result.stderr.splitlines() == [
        f"refused: {NAME}: its name does not say whose it is (scheme: plain)",
        f"refused: chen, chen/one.ipynb: none of one.ipynb, two.ipynb is called {NAME}",
        "refused: dana, dana/answers.pdf: there is no notebook, only answers.pdf, work.zip",
        "refused: emil, emil/05_other.ipynb: it is called like the notebook of 05_other",
    ]


def test_a_half_written_receipt_is_no_trouble(course: Course, tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "folder", {"ada.ipynb": "first"})
    run(course, "--from", folder)
    receipts = course.journal / f"{ASSIGNMENT}.collected.jsonl"
    with receipts.open("a") as file:
        file.write('{"student": "ada", "dig')
    make_folder(folder, {"ada.ipynb": "second"}, NOON + HOUR)
    for result in ("replaced", "unchanged"):
        assert outcomes(run(course, "--from", folder, "--json")) == {result: ["ada"]}
    assert receipts.read_text().count("\n") == 3


@settings(max_examples=10, deadline=None)
@given(versions=st.lists(st.tuples(st.integers(0, 3), st.sampled_from("abcde")), min_size=1, max_size=5))
def test_in_whatever_order_the_newest_stays_and_every_one_before_is_kept(
    versions: list[tuple[int, str]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("order")
    course, present = Course(write_course(folder / "course")), None
    kept: list[str] = []
    for number, (hours, text) in enumerate(versions):
        source = make_folder(folder / str(number), {"ada.ipynb": text}, NOON + hours * HOUR)
        if present is None or hours > present[0]:
            kept += [present[1]] if present and text != present[1] else []
            present = hours, text
        for _ in range(2):
            assert run(course, "--from", source).exit_code == 0
            assert handed_in(course) == {"ada": present[1]}
            assert earlier(course, "ada") == sorted(kept)


def test_a_run_that_was_killed_is_made_good_by_the_next(
    course: Course, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed when the one before was out of the way, and the new one not yet in its place."""
    run(course, "--from", make_folder(tmp_path / "first", {"ada.ipynb": "first"}))
    folder = make_folder(tmp_path / "second", {"ada.ipynb": "second"}, NOON + HOUR)

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Path, "rename", killed)
        assert run(course, "--from", folder).exit_code == 130
    assert (handed_in(course), earlier(course, "ada")) == ({}, ["first"])
    assert run(course, "--from", folder).exit_code == 0
    assert (handed_in(course), earlier(course, "ada")) == ({"ada": "second"}, ["first"])


def test_while_an_assignment_is_graded_nothing_is_collected(course: Course, tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "folder", {"ada.ipynb": "x"})
    with Journal(course.journal / f"{ASSIGNMENT}.jsonl"):
        result = run(course, "--from", folder)
        assert (result.exit_code, handed_in(course)) == (2, {})
        assert f"{ASSIGNMENT} is being graded or collected by another process: wait for it" in result.stderr
    assert run(course, "--from", folder).exit_code == 0
