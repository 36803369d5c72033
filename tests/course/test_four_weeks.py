"""A term of four weeks: 40 students, three assignments, late and re-submitted work, and an appeal."""

from __future__ import annotations

import csv
import json
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from bs4 import BeautifulSoup
from typer.testing import CliRunner, Result

from autograder.cli import app
from autograder.course.course import Course
from autograder.course.pages import points as text
from tests.course.handed_in import nbgrader, outcomes
from tests.course.small import grades
from tests.course.term import DAY, DUE, EXERCISES, FIRST, QUESTIONS, SECOND, SEED, STUDENTS, THIRD, WEEK, Term

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900), pytest.mark.xdist_group("term")]
GRADING = ("--workers", "1", "--unsafe", "--json")
APPEALED = "memory_hop"
MOST = {FIRST: 15.0 + 4, SECOND: 9.0 + 4, THIRD: 10.0 + 4}


@pytest.fixture(scope="module")
def term(tmp_path_factory: pytest.TempPathFactory) -> Term:
    """The term at its end."""
    played = Term(tmp_path_factory.mktemp("term"))
    played.make_class()
    nbgrader(played.course, "db", "student", "import", str(played.roster()))
    for assignment, due in DUE.items():
        nbgrader(played.course, "db", "assignment", "add", assignment, f"--duedate={due} UTC")
    first_week(played)
    second_week(played)
    third_week(played)
    fourth_week(played)
    return played


def first_week(term: Term) -> None:
    """Canvas: two are late, one hands in something that is no notebook, one nothing."""
    done(term.run("release", FIRST))
    worst, *others, best = term.ranked(FIRST)
    nothing, something_else, *late = others[10:14]
    downloaded = DUE[FIRST] + DAY
    for student in (worst, *others, best):
        if student not in (nothing, something_else):
            term.hand_in(FIRST, student, downloaded if student in late else DUE[FIRST])
    collected = term.run("collect", FIRST, "--from", term.canvas(FIRST, downloaded, other=[something_else]), "--json")
    assert collected.exit_code == 1
    assert outcomes(collected) == {"collected": sorted(term.due[FIRST]), "refused": [something_else]}
    grade(term, FIRST)


def second_week(term: Term) -> None:
    """Two hand in the first assignment again, one better and one worse. Moodle: three are late, one file is damaged."""
    worst, *_, best = term.ranked(FIRST)
    downloaded = DUE[FIRST] + WEEK
    before = term.directory / "canvas 09.zip"
    term.hand_in(FIRST, worst, downloaded, like=best)
    term.hand_in(FIRST, best, downloaded, like=worst)
    collected = done(term.run("collect", FIRST, "--from", term.canvas(FIRST, downloaded), "--json"))
    assert {kind: len(who) for kind, who in outcomes(collected).items()} == {"replaced": 2, "unchanged": STUDENTS - 4}
    collected = term.run("collect", FIRST, "--from", before, "--json")
    assert set(outcomes(collected)["older"]) == {worst, best}
    assert len(outcomes(collected)["unchanged"]) == STUDENTS - 4
    grade(term, FIRST)
    done(term.run("release", SECOND))
    ranked = term.ranked(SECOND)
    nothing, damaged, *late = ranked[10:15]
    for student in ranked:
        if student == damaged:
            term.hand_in(SECOND, student, DUE[SECOND], text="My answers are in the other file.\n")
        elif student not in (nothing, *late):
            term.hand_in(SECOND, student, DUE[SECOND] - DAY / 24)
    for student, time in zip(late, (DAY / 24, DAY, 2.5 * DAY), strict=True):
        term.hand_in(SECOND, student, DUE[SECOND] + time)
    collect_from_moodle(term, 3, {"collected": STUDENTS - 1})
    verdicts = grade(term, SECOND)
    assert {student for student, verdict in verdicts.items() if verdict["status"] == "rejected"} == {damaged}


def third_week(term: Term) -> None:
    """A folder: a stranger is refused. A person grades answers on the second, and two of those hand in again."""
    done(term.run("release", THIRD))
    ranked = term.ranked(THIRD)
    nothing, late = ranked[20:22]
    for student in ranked:
        if student != nothing:
            term.hand_in(THIRD, student, DUE[THIRD] + (3 * DAY if student == late else -DAY))
    inbox = term.folder(THIRD, "inbox", list(term.due[THIRD]))
    (inbox / "stranger.ipynb").write_text("{}")
    collected = term.run("collect", THIRD, "--from", inbox, "--roster", term.directory / "students.csv", "--json")
    assert collected.exit_code == 1
    assert outcomes(collected) == {"collected": sorted(term.due[THIRD]), "refused": ["stranger.ipynb"]}
    grade(term, THIRD)

    worst, second, *_, best = term.ranked(SECOND)
    for place, student in enumerate(term.ranked(SECOND)[:6]):
        term.give(SECOND, student, QUESTIONS[SECOND], place / 2, f"Reason {place} is missing.")
    term.hand_in(SECOND, worst, DUE[SECOND] + 6 * DAY, like=best)
    term.hand_in(SECOND, second, DUE[SECOND] + 5 * DAY, text="This time it is the wrong file.\n")
    collect_from_moodle(term, 7, {"replaced": 2, "unchanged": STUDENTS - 3})
    grade(term, SECOND)


def fourth_week(term: Term) -> None:
    """The last of the third assignment is late, an old file turns up, a student appeals, answers are graded."""
    ranked = term.ranked(THIRD)
    last, twice = ranked[20], ranked[0]
    term.hand_in(THIRD, last, DUE[THIRD] + 5 * DAY)
    old = term.folder(THIRD, "old", [twice])
    term.hand_in(THIRD, twice, DUE[THIRD] + 4 * DAY, like=ranked[-1])
    inbox = term.folder(THIRD, "new", [last, twice])
    assert outcomes(done(term.run("collect", THIRD, "--from", inbox, "--json"))) == {
        "collected": [last],
        "replaced": [twice],
    }
    assert outcomes(done(term.run("collect", THIRD, "--from", old, "--json"))) == {"older": [twice]}
    grade(term, THIRD)

    due = term.due[SECOND]
    appellant = next(s for s in due if due[s].waiting and not due[s].by_hand and due[s].points[APPEALED] == 0.0)
    term.give(SECOND, appellant, APPEALED, 2.5, "You are right: the text can be read like this.")
    regraded = done(term.run("grade", SECOND, "--exercise", APPEALED, "--yes", *GRADING))
    assert f"{APPEALED}: no points change" in regraded.stderr
    grade(term, SECOND)

    for student in term.ranked(FIRST)[:20]:
        if student in term.due[FIRST]:
            term.give(FIRST, student, QUESTIONS[FIRST], 3.0, "Well seen.")
    for assignment in EXERCISES:
        grade(term, assignment)
        for command in ("feedback", "report", "export"):
            done(term.run(command, assignment))


def collect_from_moodle(term: Term, days: int, expected: Mapping[str, int]) -> None:
    zipped, worksheet = term.moodle(SECOND, DUE[SECOND] + days * DAY)
    collected = done(term.run("collect", SECOND, "--from", zipped, "--roster", worksheet, "--json"))
    assert {kind: len(who) for kind, who in outcomes(collected).items()} == expected


def grade(term: Term, assignment: str) -> dict[str, Any]:
    """The verdicts by student; all who have handed in have one."""
    graded = done(term.run("grade", assignment, "--seed", str(SEED), *GRADING))
    verdicts = {verdict["student"]: verdict for verdict in json.loads(graded.stdout)}
    assert verdicts.keys() == term.due[assignment].keys()
    return verdicts


def done(result: Result) -> Result:
    assert result.exit_code == 0, result.output
    return result


@pytest.mark.parametrize("assignment", EXERCISES)
def test_the_gradebook_is_what_it_should_be(term: Term, assignment: str) -> None:
    recorded = grades(term.course.database, assignment)
    assert recorded.keys() == term.due[assignment].keys()
    for student, due in term.due[assignment].items():
        cells = {name: name if name == QUESTIONS[assignment] else f"check_{name}" for name in due.points}
        assert recorded[student]["grades"] == {
            cells[name]: (points, due.given.get(name), name in due.waiting) for name, points in due.points.items()
        }, student
        written = {name: comment for name, (_, comment) in recorded[student]["comments"].items() if comment}
        assert written == {name: comment for name, (_, comment) in due.by_hand.items()}
        assert recorded[student]["submission"]["penalty"] == due.penalty, student


def test_the_export_agrees(term: Term) -> None:
    for assignment, everyone in term.due.items():
        lines = table((term.course.directory / "exports" / f"{assignment}.csv").read_text())
        assert lines.keys() == set(term.students)
        for student, line in lines.items():
            found = {column.removeprefix(f"{assignment}: "): cell for column, cell in line.items() if ":" in column}
            waiting = found.pop("waits for a person").split()
            most = found.pop("max")
            if student not in everyone:
                assert not waiting
                assert set(found.values()) | {most} == {""}, "nothing was handed in: no cell is zero"
                continue
            due = everyone[student]
            expected = {**due.earned, "late penalty": due.penalty, "score": due.score}
            assert {column: float(cell) for column, cell in found.items()} == pytest.approx(expected), student
            assert (set(waiting), float(most)) == (due.waiting, MOST[assignment])


def test_the_pages_agree(term: Term) -> None:
    """The report has the engine's points, a page what counts."""
    for assignment, everyone in term.due.items():
        report = soup(term.course.directory / "report" / f"{assignment}.html")
        rows = {row.th.get_text(strip=True): row for row in report.select("table.everyone tbody tr")}
        assert rows.keys() == everyone.keys()
        for student, due in everyone.items():
            shown = [cell.get_text(strip=True) for cell in rows[student].select("td")]
            page = soup(term.course.feedback(assignment, student))
            said = {one.h2.get_text(strip=True): one for one in page.select("section.exercise")}
            points = {name: due.points[name] for name in EXERCISES[assignment]}
            if due.readable:
                assert [float(cell) for cell in shown] == [sum(points.values()), *points.values()], student
                total = page.select_one(".total strong").get_text()
                assert total.split()[::2] == [text(due.score), text(MOST[assignment])], student
                earned = {name: one.header.span.get_text().split()[-4] for name, one in said.items()}
                undecided = dict.fromkeys(due.waiting - due.by_hand.keys(), "–")
                assert earned == {name: text(worth) for name, worth in due.earned.items()} | undecided, student
                assert bool(due.penalty) == (f"less {text(due.penalty)} for handing in late" in page.get_text())
            else:
                assert shown[:2] == ["–", "rejected"]
            for name, (_, comment) in due.by_hand.items():
                assert comment in said[name].get_text()


def test_every_command_once_more_changes_nothing(term: Term) -> None:
    """What is in the journal, a file of its own for each assignment, is not graded again."""
    before = everything(term.course)
    for said, result in term.said:
        again = CliRunner().invoke(app, said)
        assert again.exit_code == result.exit_code, said
        if said[0] == "collect":
            assert outcomes(again).keys() <= {"unchanged", "older", "refused"}
    after = everything(term.course)
    assert [name for name in before.keys() | after.keys() if before.get(name) != after.get(name)] == []


def everything(course: Course) -> dict[str, Any]:
    """All files of a course but what tells of a run while it lasts, and all rows of its gradebook."""
    there = (path for path in course.directory.rglob("*") if path.is_file())
    files = [path for path in there if path.name != "gradebook.db" and path.suffix != ".run"]
    with closing(sqlite3.connect(course.directory / "gradebook.db")) as database:
        return {str(path): path.read_bytes() for path in files} | {"rows": list(database.iterdump())}


def table(text: str) -> dict[str, dict[str, str]]:
    """The lines of a CSV file by student."""
    return {line.pop("student"): line for line in csv.DictReader(StringIO(text))}


def soup(path: Path) -> BeautifulSoup:
    return BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")
