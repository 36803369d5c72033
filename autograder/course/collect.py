"""Collect what was handed in: find out whose each notebook is, and put the newest of each student in its place."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from autograder.course.course import Course
from autograder.course.receipts import Receipt, Submissions, digest, submissions, text_of
from autograder.course.roster import Roster, Student, Unknown, moment, roster_of, valid_id
from autograder.course.schemes import Claim, recognised, scheme_of
from autograder.course.sources import Entry, entries_of, exchange_entries
from autograder.engine.notebook import Rejected

Result = Literal["collected", "replaced", "unchanged", "older", "refused"]


@dataclass(frozen=True)
class Outcome:
    """What became of one file: `student` is empty where nobody knows whose it is; times are in UTC."""

    result: Result
    student: str
    name: str
    submitted: str | None = None
    reason: str = ""


@dataclass(frozen=True)
class Collection:
    """What came of a run: the scheme that the files were called by, and an outcome for each that counts."""

    scheme: str
    outcomes: list[Outcome]

    @property
    def refused(self) -> list[Outcome]:
        return [outcome for outcome in self.outcomes if outcome.result == "refused"]


@dataclass(frozen=True)
class _File:
    """A file whose student is known. `submitted` is when, as far as anybody knows."""

    entry: Entry
    claim: Claim
    student: Student
    submitted: str | None

    @property
    def order(self) -> tuple[int, str]:
        return self.claim.attempt, text_of(self.entry.time) or ""


def collect(
    course: Course,
    assignment: str,
    source: Path | None = None,
    *,
    scheme: str | None = None,
    roster: Path | None = None,
) -> Collection:
    """Collect from a zip or a folder, without one from nbgrader's exchange. A second run changes nothing.

    Without a scheme the one that fits the names is taken; without a roster the students are those in the gradebook.
    Example: `collect(Course("."), "04_attention", Path("submissions.zip")).refused`
    """
    course.source(assignment)
    people = roster_of(course, roster)
    with entries_of(course, source) if source else exchange_entries(course, assignment) as entries:
        others = set(course.assignments()) - {assignment}  # whose folders nbgrader's layout has beside this one's
        ours = [entry for entry in entries if not others & set(entry.name.split("/")[:-1])]
        named = scheme or (recognised([entry.name for entry in ours]) if source else "plain")
        sorter = _Sorter(course, assignment, named, people, strict=roster is not None)
        outcomes = list(sorter.sort(ours))
        with submissions(course, assignment) as kept:
            for files in sorter.files.values():
                outcomes += _of_student(course, assignment, files, kept)
    return Collection(named, sorted(outcomes, key=lambda outcome: (outcome.student, outcome.name)))


class _Sorter:
    """Finds out whose files are."""

    def __init__(self, course: Course, assignment: str, scheme: str, people: Roster, *, strict: bool) -> None:
        self.files: defaultdict[str, list[_File]] = defaultdict(list)
        self._course, self._name, self._people, self._strict = course, scheme, people, strict
        self._scheme = scheme_of(course, assignment, scheme)

    def sort(self, entries: list[Entry]) -> Iterator[Outcome]:
        """Fill `files`; what cannot be anybody's is refused."""
        for entry in entries:
            try:
                if file := self._file(entry):
                    self.files[file.student.id].append(file)
            except (Rejected, Unknown, ValueError, OverflowError) as reason:
                yield Outcome("refused", "", entry.name, reason=str(reason))

    def _file(self, entry: Entry) -> _File | None:
        """None where it is neither a notebook nor anybody's."""
        if entry.trouble:
            raise Rejected(entry.trouble)
        claim = self._scheme(entry.name)
        if claim is None:
            if entry.name.lower().endswith(".ipynb"):
                raise Rejected(f"its name does not say whose it is (scheme: {self._name})")
            return None
        if claim.submitted:
            entry = replace(entry, time=moment(self._course, claim.submitted))
        student = self._student(claim)
        time = student.submitted
        if time is None and (claim.late or self._name not in ("canvas", "moodle")):
            time = entry.time
        return _File(entry, claim, student, text_of(time))

    def _student(self, claim: Claim) -> Student:
        """Whose name stands in an LMS's file must be known; a plain name is the id itself, unless there is a roster."""
        if claim.lms_user_id:
            return self._people.by_name(claim.student, claim.lms_user_id, trusted=self._name == "canvas")
        try:
            return self._people.by_id(claim.student)
        except Unknown:
            if self._strict:
                raise
        if not valid_id(claim.student):
            raise Rejected(f"{claim.student!r} is no student id")
        return Student(claim.student)


def _of_student(course: Course, assignment: str, files: list[_File], kept: Submissions) -> Iterator[Outcome]:
    """Choose the newest notebook among a student's files and put it in its place, unless a newer one is there."""
    student, stem = files[0].student.id, course.source(assignment).stem
    notebooks = [file for file in files if file.claim.is_notebook]
    called = [file for file in notebooks if file.claim.called(stem)]
    chosen = called or notebooks
    if not chosen:
        names = ", ".join(sorted(file.claim.file for file in files))
        yield Outcome("refused", student, files[0].entry.name, reason=f"there is no notebook, only {names}")
        return
    if not called and (reason := _unclear(course, assignment, notebooks)):
        yield Outcome("refused", student, notebooks[0].entry.name, reason=reason)
        return
    *older, newest = sorted(chosen, key=lambda file: file.order)
    for file in older:
        yield Outcome("older", student, file.entry.name, file.submitted, "a newer one came with it")
    yield _place(newest, kept)


def _unclear(course: Course, assignment: str, notebooks: list[_File]) -> str:
    """Why notebooks that are not called like the assignment's cannot be taken for it."""
    stem = course.source(assignment).stem
    others = [name for name in course.assignments() if name != assignment]
    if of := [name for name in others if any(file.claim.called(name) for file in notebooks)]:
        return f"it is called like the notebook of {of[0]}"
    names = sorted({file.claim.file for file in notebooks})
    return f"none of {', '.join(names)} is called {stem}.ipynb" if len(names) > 1 else ""


def _place(file: _File, kept: Submissions) -> Outcome:
    """What is there already stays unless this one is newer."""
    student, name = file.student.id, file.entry.name
    result: Result
    try:
        data = file.entry.read()
    except Rejected as refused:
        return Outcome("refused", student, name, file.submitted, str(refused))
    there = text_of(file.entry.time or file.student.submitted)
    receipt = Receipt(student, digest(data), name, file.submitted, there, file.claim.attempt)
    present = kept.present(student)
    if present and present.digest == receipt.digest:
        if receipt.newer(present):
            kept.note(receipt)
        corrected = file.student.submitted and file.submitted and kept.correct(student, file.submitted)
        result, reason = "unchanged", "its time was corrected" if corrected else ""
    elif present and not receipt.newer(present):
        result, reason = "older", "what was collected before is newer"
    elif aside := kept.put(receipt, data, file.entry.secret):
        result, reason = "replaced", f"the one before is in {aside}"
    else:
        result, reason = "collected", ""
    told = "; ".join(part for part in (reason, file.entry.warning) if part)
    return Outcome(result, student, name, file.submitted, told)
