"""Align the cells of a submission with those of its source: what runs, in which order, and what was repaired.

Structure, given cells, checks, points and tags come from the source, and from the submission only what the student was
to write. A cell of the source is found in the submission by nbgrader's id; then by the notebook's own id of the cell or
by its text; an answer also by the name that the cell defines, or else by its place. A cell of the student's own stays
behind the cell of the source that it stood behind.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any, Literal

from autograder.engine.names import defined_names
from autograder.engine.notebook import Cell, Notebook

Role = Literal["text", "given", "answer", "task", "check", "test", "explore", "own", "double"]
"""A graded cell is a "check" where it calls ours, which the judge answers; any other is a "test" and runs."""
CHECK = "check_"
CHECK_CALL = re.compile(r"\bcheck\(\s*[\"']")
AFTER_THE_LAST_ANSWER = "after the last answer"
SKIPPED_TAG = "skip-execution"
HIDDEN = re.compile(r"^[^\S\n]*### BEGIN HIDDEN TESTS.*?### END HIDDEN TESTS[^\n]*\n?", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Step:
    """One cell of the aligned notebook.

    `name` is nbgrader's id, for an answer the exercise; `number` the place in the submission, from 1, or None where the
    cell is only in the source. It runs unless `skipped` says why it does not. `metadata` are the source's.
    """

    role: Role
    kind: str
    source: str
    name: str = ""
    number: int | None = None
    cell_id: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    skipped: str = ""

    @property
    def runs(self) -> bool:
        return self.kind == "code" and not self.skipped

    def __str__(self) -> str:
        place = f"Cell {self.number}" if self.number else "A cell"
        return f"{place} ({self.name})" if self.name else place


@dataclass(frozen=True)
class Plan:
    """Every cell in the order of the source; sentences on repairs and on what does not run; what has no answer.

    The first `repaired` of the notes are on repairs.
    """

    steps: list[Step]
    notes: list[str]
    missing: list[str]
    repaired: int


def exercises_of(source: Notebook) -> dict[str, Cell]:
    """The cells that grade an exercise each, checks and tests, by the names of the exercises, in order."""
    return {
        cell.grade_id if role == "test" else cell.grade_id.removeprefix(CHECK): cell
        for cell in source.cells
        if (role := _role(cell)) in ("check", "test")
    }


def checks_of(source: Notebook) -> list[str]:
    """The names of the exercises that the judge checks, in order."""
    return [name for name, cell in exercises_of(source).items() if _role(cell) == "check"]


def without_hidden_tests(source: str) -> str:
    """The text of a check cell as a student may see it."""
    return HIDDEN.sub("", source)


def align(source: Notebook, submission: Notebook) -> Plan:
    """Example: `align(source, submission).steps[3].source` is what runs in place of the fourth cell."""
    found = _Match(source.cells, submission.cells)
    found.by_grade_id()
    found.by_cell_id_or_text()
    found.by_name()
    found.by_place()
    steps = list(_steps(source.cells, submission.cells, found))
    if list(exercises_of(source)) == checks_of(source) != []:
        steps = _without_the_rest(steps)
    repairs = [*found.notes, *_repairs(source.cells, submission.cells, found)]
    missing = [cell.grade_id for i, cell in enumerate(source.cells) if _role(cell) == "answer" and i not in found.place]
    return Plan(steps, [*repairs, *_not_run(steps)], missing, len(repairs))


class _Match:
    """Which cell of the submission (its index) stands for which cell of the source (its index)."""

    def __init__(self, source: Sequence[Cell], submission: Sequence[Cell]) -> None:
        self.source, self.submission = source, submission
        self.place: dict[int, int] = {}
        self.doubles: dict[int, int] = {}
        self.notes: list[str] = []
        self._names = [defined_names(cell.source) if cell.kind == "code" else set() for cell in submission]

    def by_grade_id(self) -> None:
        for i, cell in enumerate(self.source):
            same = [j for j in self._free() if cell.grade_id and self.submission[j].grade_id == cell.grade_id]
            if len(same) > 1:
                others = [j for j in same if j != self._best(same)]
                self.doubles |= dict.fromkeys(others, i)
                taken = f"took {self._called(self._best(same))}" if _role(cell) in ("answer", "task") else "took none"
                self.notes.append(f"{cell.grade_id} stands {len(same)} times in the notebook: {taken}.")
            if same:
                self.place[i] = self._best(same)

    def by_cell_id_or_text(self) -> None:
        same_id: Callable[[Cell, Cell], bool] = lambda a, b: a.cell_id != "" and a.cell_id == b.cell_id  # noqa: E731
        same_text: Callable[[Cell, Cell], bool] = lambda a, b: (  # noqa: E731
            a.kind == b.kind and without_hidden_tests(a.source).strip() == b.source.strip() != ""
        )
        for same in (same_id, same_text):
            for i, cell in self._lost():
                if (j := next((j for j in self._free() if same(cell, self.submission[j])), None)) is not None:
                    self.place[i] = j

    def by_name(self) -> None:
        """An answer that has no cell yet, or only an unchanged stub, is the changed cell that defines its name."""
        for i, cell in enumerate(self.source):
            if _role(cell) != "answer" or (i in self.place and self._changed(self.place[i])):
                continue
            defining = [j for j in self._free() if cell.grade_id in self._names[j]]
            if i in self.place:
                defining = [j for j in defining if self._changed(j)]
            if defining:
                if i in self.place:
                    self.doubles[self.place[i]] = i
                self.place[i] = self._best(defining)
                self.notes.append(f"{cell.grade_id}: took {self._called(self.place[i])}, which defines it.")

    def by_place(self) -> None:
        """An answer that is still lost is the only code cell between its neighbours."""
        for i, cell in self._lost():
            if _role(cell) != "answer":
                continue
            before = max((j for k, j in self.place.items() if k < i), default=-1)
            after = min((j for k, j in self.place.items() if k > i), default=len(self.submission))
            between = [j for j in self._free() if before < j < after and self.submission[j].kind == "code"]
            if len(between) == 1:
                self.place[i] = between[0]
                self.notes.append(f"{cell.grade_id}: took {self._called(between[0])}, which stands in its place.")

    def _lost(self) -> Iterator[tuple[int, Cell]]:
        return ((i, cell) for i, cell in enumerate(self.source) if i not in self.place)

    def _free(self) -> list[int]:
        taken = {*self.place.values(), *self.doubles}
        return [j for j in range(len(self.submission)) if j not in taken]

    def _best(self, places: Sequence[int]) -> int:
        """The last changed one, or else the last."""
        return max(places, key=lambda j: (self._changed(j), j))

    def _changed(self, j: int) -> bool:
        return "raise NotImplementedError" not in self.submission[j].source

    def _called(self, j: int) -> str:
        return f"cell {j + 1}{'' if self._changed(j) else ', an unchanged stub'}"


def _steps(source: Sequence[Cell], submission: Sequence[Cell], found: _Match) -> Iterator[Step]:
    index = {j: i for i, j in found.place.items()}
    behind: dict[int, list[Step]] = {}
    anchor = -1
    for j, cell in enumerate(submission):
        anchor = index.get(j, anchor)
        if j not in index:
            double = found.doubles.get(j)
            role: Role = "own" if double is None else "double"
            skipped = "" if double is None else "stands twice"
            step = Step(role, cell.kind, cell.source, "", j + 1, f"own-{j + 1}", {}, skipped)
            behind.setdefault(anchor, []).append(step)
    yield from behind.get(-1, [])
    before = -1
    for i, cell in enumerate(source):
        before = i if i in found.place else before
        lost = before < i and _role(cell) == "given" and _is_theirs(cell)
        replaced = lost and any(own.kind == "code" for own in behind.get(before, []))  # by what stands in its place
        if (given := _step(cell, i, submission, found)) is not None and not replaced:
            yield given
        yield from behind.get(i, [])


def _without_the_rest(steps: Sequence[Step]) -> list[Step]:
    """The steps, of which none runs after the last answer: where the judge checks, no point can depend on it."""
    last = max((place for place, step in enumerate(steps) if step.role == "answer"), default=-1)
    return [
        replace(step, skipped=AFTER_THE_LAST_ANSWER) if place > last and step.runs else step
        for place, step in enumerate(steps)
    ]


def _step(cell: Cell, i: int, submission: Sequence[Cell], found: _Match) -> Step | None:
    role, j = _role(cell), found.place.get(i)
    text = submission[j].source if _is_theirs(cell) and j is not None else cell.source
    if j is None and cell.nbgrader.get("solution"):
        return None  # what stands in the source may be the solution
    skipped = {"check": "checked by the judge", "explore": "only to explore"}.get(role, "")
    if SKIPPED_TAG in cell.tags:
        skipped = skipped or f"tagged {SKIPPED_TAG} in the assignment"
    text = without_hidden_tests(text) if role == "check" else text
    return Step(
        role, cell.kind, text, cell.grade_id, None if j is None else j + 1, cell.cell_id, cell.metadata, skipped
    )


def _is_theirs(cell: Cell) -> bool:
    """Whether students may change the cell."""
    role = _role(cell)
    return role in ("answer", "task", "explore") or (role == "given" and not cell.nbgrader.get("locked"))


def _role(cell: Cell) -> Role:
    about = cell.nbgrader
    if about.get("grade") and not about.get("solution") and cell.kind == "code":
        return "check" if CHECK_CALL.search(cell.source) else "test"
    if about.get("task") or (about.get("solution") and cell.kind != "code"):
        return "task"
    if about.get("solution"):
        return "answer"
    if "explore" in cell.tags:
        return "explore"
    return "given" if cell.kind == "code" else "text"


def _repairs(source: Sequence[Cell], submission: Sequence[Cell], found: _Match) -> Iterator[str]:
    for i, cell in enumerate(source):
        j = found.place.get(i)
        if j is None and cell.grade_id:
            taken = "it has no answer" if _role(cell) in ("answer", "task") else "taken from the assignment"
            yield f"{cell.grade_id} was deleted: {taken}."
        elif j is not None and submission[j].kind != cell.kind:
            now = submission[j].kind
            yield f"{cell.grade_id or f'cell {j + 1}'} was turned from {cell.kind} into {now}: taken as {cell.kind}."
    known = [j for i, j in sorted(found.place.items()) if source[i].grade_id]
    if any(one > other for one, other in pairwise(known)):
        yield "The cells stand in another order than in the assignment: they ran in the assignment's."


def _not_run(steps: Sequence[Step]) -> Iterator[str]:
    """Which of the student's own code cells did not run. Of the assignment's own it is known which do not."""
    places = [str(step.number) for step in steps if step.role == "own" and step.kind == "code" and step.skipped]
    if places:
        yield f"Not run: cells {', '.join(places)} ({AFTER_THE_LAST_ANSWER})."
