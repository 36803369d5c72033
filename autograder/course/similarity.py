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

from pygments.lexers.python import PythonLexer
from pygments.token import Comment, Name, String, Text
from sklearn.feature_extraction.text import TfidfVectorizer

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
    course: Course, assignment: str, answers: Mapping[str, Answers], advance: Callable[[], None] = lambda: None
) -> list[Pair]:
    """All pairs that share enough to be looked at, the most similar first.

    Example: `similar_pairs(course, "04_attention", read_answers(course, "04_attention")[0])[0].students`
    """
    given = _given(course, assignment)
    own = {}
    for student, theirs in answers.items():
        if len(runs := _runs(theirs) - given) >= LEAST_SHARED:
            own[student] = sorted(runs)
        advance()
    if len(own) < 2:
        return []
    weighted = TfidfVectorizer(analyzer=list).fit_transform(own.values())
    cosines = (weighted @ weighted.T).tocoo()
    students = list(own)
    pairs = []
    for i, j, cosine in zip(cosines.row, cosines.col, cosines.data, strict=True):
        if i < j:
            shared = Counter(exercise for exercise, _ in set(own[students[i]]) & set(own[students[j]]))
            if shared.total() >= LEAST_SHARED:
                pairs.append(Pair((students[i], students[j]), round(min(float(cosine), 1.0), 4), dict(shared)))
    return sorted(pairs, key=lambda pair: (-pair.similarity, -sum(pair.shared.values()), pair.students))


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
