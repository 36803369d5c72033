"""Which submissions to look at together: pairs whose answers share more than the exercises ask for.

An answer is compared by its runs of tokens, whatever its author called things and however it is laid out. Runs that
also stand in what students were given, or in a program of the bank, are not counted: right answers share them by
nature. Of the others a run weighs the more the fewer students have it, and two submissions are as similar as the cosine
of their weighted runs (scikit-learn's TF-IDF). A high figure is a reason to look, and no more.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from pygments.lexers.python import PythonLexer
from pygments.token import Comment, Name, String, Text
from sklearn.feature_extraction.text import TfidfTransformer
from sklearn.preprocessing import MultiLabelBinarizer

from autograder.bank import load_bank
from autograder.course.bank import references
from autograder.course.course import Course
from autograder.course.errors import CourseError
from autograder.course.material import has_checks, source_notebook, students_version
from autograder.course.notebook import grade_id, is_stub
from autograder.engine.align import align
from autograder.engine.limits import Limits
from autograder.engine.notebook import Rejected, read_notebook

RUN = 8
"""How many tokens in a row are one run: about half a line."""

LEAST_SHARED = 10
"""Pairs that share fewer runs are not listed: two short lines that are alike say nothing."""

LONGEST_ANSWER = 20_000
"""How many characters of an answer are compared."""

BLOCK = 256
"""How many submissions are compared with all others at a time."""

Answers = Mapping[str, str]
"""The text of a student's answer cells, by the exercise."""


@dataclass(frozen=True)
class Pair:
    """Two students, how similar what is their own is, from 0 to 1, and how many runs they share in which exercise."""

    students: tuple[str, str]
    similarity: float
    shared: dict[str, int]

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def read_answers(
    course: Course, assignment: str, advance: Callable[[], None] = lambda: None
) -> tuple[dict[str, Answers], dict[str, str]]:
    """The answers of everybody who has handed in, and why those of others could not be read.

    Nothing that students wrote is run. Example: `answers, rejected = read_answers(Course("."), "04_attention")`
    """
    source = source_notebook(course, assignment)
    answers: dict[str, Answers] = {}
    rejected = {}
    for student in course.handed_in(assignment):
        try:
            submission = read_notebook(course.submitted(assignment, student), Limits().notebook_bytes)
        except Rejected as reason:
            rejected[student] = str(reason)
        else:
            steps = align(source, submission).steps
            answers[student] = {step.name: step.source for step in steps if step.role == "answer"}
        advance()
    return answers, rejected


def similar_pairs(
    course: Course,
    assignment: str,
    answers: Mapping[str, Answers],
    most: int = 20,
    advance: Callable[[], None] = lambda: None,
) -> list[Pair]:
    """The most similar pairs of those that share enough to be looked at, the first of them first.

    Example: `similar_pairs(course, "04_attention", read_answers(course, "04_attention")[0])[0].students`
    """
    given, students = _given(course, assignment), sorted(answers)

    def own(student: str) -> set[tuple[str, str]]:
        return _runs(answers[student]) - given

    def all_own() -> Iterator[set[str]]:
        for student in students:
            yield set(map(" ".join, own(student)))
            advance()

    has = MultiLabelBinarizer(sparse_output=True).fit_transform(all_own())
    enough = has.getnnz(axis=1) >= LEAST_SHARED
    students = [student for student, listed in zip(students, enough, strict=True) if listed]
    return [
        Pair(
            (students[i], students[j]),
            similarity,
            dict(Counter(exercise for exercise, _ in own(students[i]) & own(students[j]))),
        )
        for similarity, i, j in _nearest(has[enough], most)
    ]


def _nearest(has: Any, most: int) -> list[tuple[float, int, int]]:
    """The pairs of rows by similarity, then by how many runs they share; a row of `has`, sparse, is a student's runs.

    All pairs of ten thousand students are too many to keep: BLOCK rows are compared with all others at a time.
    """
    if has.shape[0] < 2:
        return []
    weighted = TfidfTransformer().fit_transform(has)
    best = np.empty((0, 4))
    for start in range(0, has.shape[0], BLOCK):
        rows = slice(start, start + BLOCK)
        cosines, shared = ((of[rows] @ of.T).toarray() for of in (weighted, has))
        i, j = np.nonzero(np.triu(shared >= LEAST_SHARED, k=start + 1))
        figures = [np.minimum(cosines[i, j], 1).round(4), shared[i, j], i + start, j]
        best = np.concatenate([best, np.stack(figures, axis=1)])
        best = best[np.lexsort((best[:, 3], best[:, 2], -best[:, 1], -best[:, 0]))[:most]]
    return [(similarity, int(i), int(j)) for similarity, _, i, j in best.tolist()]


def _given(course: Course, assignment: str) -> set[tuple[str, str]]:
    """The runs of what students were given, of the source notebook's answers and of every program of the bank."""
    found = [_released(course, assignment)]
    found += [{cell.grade_id: cell.source} for cell in source_notebook(course, assignment).cells if cell.grade_id]
    if has_checks(course, assignment):
        bank = load_bank(assignment)
        found += [references(bank), *({program.exercise: program.source} for program in bank.programs)]
    return set(chain.from_iterable(map(_runs, found)))


def _released(course: Course, assignment: str) -> Answers:
    """The answer cells as students get them."""
    return {grade_id(cell): cell.source for cell in students_version(course, assignment).cells if is_stub(cell)}


def _runs(answers: Answers) -> set[tuple[str, str]]:
    """The runs of tokens of each answer, with the exercise."""
    found = ((exercise, list(tokens(source[:LONGEST_ANSWER]))) for exercise, source in answers.items())
    return {(name, " ".join(all_[i : i + RUN])) for name, all_ in found for i in range(len(all_) - RUN + 1)}


def tokens(source: str) -> Iterator[str]:
    """What a program says, without comments, docstrings and layout, every name of the author's own being "name".

    Example: `list(tokens("total = self.sum(x)  # all"))` is `["name", "=", "self", ".", "name", "(", "name", ")"]`.
    """
    before = ["", ""]
    for kind, text in PythonLexer().get_tokens(source):
        if kind in Comment or kind in Text or kind in String.Doc:
            continue
        attribute = before[1] == "." and before[0] != "self"
        token = "name" if kind in Name and kind not in Name.Builtin and not attribute else text
        before = [before[1], token]
        yield token


def write_answers(course: Course, assignment: str, answers: Mapping[str, Answers], folder: Path) -> None:
    """A Python file for each student, and in `base/release.py` what they were given, for JPlag and Dolos.

    Raises CourseError where the folder holds something.

    Example: `write_answers(course, "04_attention", answers, Path("answers"))`
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise CourseError(f"{folder} is not empty: give a new folder with --to")
    given = _released(course, assignment)
    (folder / "base").mkdir(parents=True)
    for path, texts in {"base/release.py": given, **{f"{name}.py": theirs for name, theirs in answers.items()}}.items():
        text = "\n\n".join(f"# {exercise}\n{source}" for exercise, source in texts.items())
        (folder / path).write_text(f"{text}\n", encoding="utf-8")
