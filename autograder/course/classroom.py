"""Make a class of students whose points are known: for demonstrations, benchmarks and tests."""

from __future__ import annotations

import json
import random
import re
import shutil
from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass
from functools import cache
from typing import Any

from nbformat import NotebookNode

from autograder.bank import Bank
from autograder.checks.subject import local
from autograder.course.bank import bank_of
from autograder.course.course import Course
from autograder.course.errors import CourseError
from autograder.course.material import students_version
from autograder.course.notebook import fill, grade_id, stubs, write
from solutions.programs import Program, reference

NAMES = ("ada", "bela", "chen", "dana", "emil", "farah", "gita", "hugo", "ines", "kofi", "lena", "milan")
CRASH = "import ctypes\n\nctypes.string_at(0)"
ENDLESS = "while True:\n    pass"
NOT_A_NOTEBOOK = "My answers are in the other file.\n"


@dataclass(frozen=True)
class Pupil:
    """A made student. `notebook` is None where the file is no notebook; `defined` is what it defines when it runs."""

    description: str
    notebook: NotebookNode | None
    defined: Mapping[str, str]


def make_class(course: Course, assignment: str, students: int, seed: int, *, broken: bool = False) -> dict[str, Any]:
    """Hand in for a class; write to `class.json`, and return, what each student was made to be and the points due.

    The same seed makes the same class. With `broken`, five of them are those that no class is without: one crashes, one
    never ends, one has deleted a cell, one hands in no notebook, one has done nothing. An earlier made class is
    replaced. Raises CourseError where somebody else has handed in, since nothing of theirs may be lost.
    Example: `make_class(Course("."), "04_attention", 20, seed=7)["students"]`
    """
    bank, version, draw = bank_of(course, assignment), students_version(course, assignment), random.Random(seed)
    exercises = [name for name in stubs(version) if name in bank.exercises]
    if not exercises:
        raise CourseError(f"no stub in {course.source(assignment)} defines an exercise of the bank")
    pupils = _broken(bank, version, exercises) if broken else []
    if students < max(1, len(pupils)):
        raise CourseError(f"a class of {students} is too small: {max(1, len(pupils))} students are the least")
    pupils += [_honest(bank, version, exercises, place, draw) for place in range(students - len(pupils))]
    draw.shuffle(pupils)
    _clear(course, assignment)
    due = points_due(bank, exercises, seed)
    record: dict[str, Any] = {"seed": seed, "students": {}}
    for place, pupil in enumerate(pupils):
        name = NAMES[place % len(NAMES)] + (str(place // len(NAMES) + 1) if place >= len(NAMES) else "")
        _hand_in(course, assignment, name, pupil)
        status = "graded" if pupil.notebook else "rejected"
        record["students"][name] = {"description": pupil.description, "status": status, "points": due(pupil)}
    _remember(course, assignment, record)
    return record


def made_class(course: Course, assignment: str) -> dict[str, Any] | None:
    """The record of the class that was made for this assignment, if one was."""
    record: dict[str, Any] | None = _records(course).get(assignment)
    return record


def _honest(bank: Bank, version: NotebookNode, exercises: list[str], place: int, draw: random.Random) -> Pupil:
    """The first has every reference, the next two have variants, all others one mistake or more."""
    right = {name: _programs(bank, name, "reference", "variant") for name in exercises}
    wrong = {name: made for name in exercises if (made := _programs(bank, name, "misconception"))}
    if place < 3:
        chosen = {name: made[place % len(made)] for name, made in right.items()}
    else:
        mistakes = draw.sample(sorted(wrong), draw.randint(1, max(1, len(wrong) // 2)))
        chosen = {name: draw.choice(wrong[name] if name in mistakes else right[name]) for name in exercises}
    told = [f"{p.exercise}: {p.name}" for p in chosen.values() if place < 3 or p.kind == "misconception"]
    sources = {name: program.source for name, program in chosen.items()}
    return Pupil(f"{'right' if place < 3 else 'wrong'} ({'; '.join(told)})", fill(version, sources), sources)


def _programs(bank: Bank, exercise: str, *kinds: str) -> list[Program]:
    made = [reference(bank.unit, exercise), *bank.programs]
    return [program for program in made if program.exercise == exercise and program.kind in kinds]


def _broken(bank: Bank, version: NotebookNode, exercises: list[str]) -> list[Pupil]:
    right = {name: reference(bank.unit, name).source for name in exercises}
    crash, endless, deleted = (exercises[place % len(exercises)] for place in range(3))

    def without(name: str) -> dict[str, str]:
        return {other: source for other, source in right.items() if other != name}

    shorter = fill(version, right)
    shorter.cells = [cell for cell in shorter.cells if grade_id(cell) != deleted]
    return [
        Pupil(f"crashes in {crash}", fill(version, {**right, crash: CRASH}), without(crash)),
        Pupil(f"never ends in {endless}", fill(version, {**right, endless: ENDLESS}), without(endless)),
        Pupil(f"has deleted the cell of {deleted}", shorter, without(deleted)),
        Pupil("hands in a file that is no notebook", None, {}),
        Pupil("has done nothing", deepcopy(version), {n: s for n, s in stubs(version).items() if n in exercises}),
    ]


def points_due(bank: Bank, exercises: list[str], seed: int) -> Callable[[Pupil], dict[str, float]]:
    """A function of a pupil: what the definitions earn by the bank, in this process, without notebook or engine.

    An exercise is graded once for each program in it and in the exercises that the program calls.
    Example: `points_due(bank, ["memory_hop"], seed=7)(pupil)["memory_hop"]`
    """

    @cache
    def points(exercise: str, defined: tuple[tuple[str, str], ...]) -> float:
        namespace = {name: value for name, value in vars(bank.unit).items() if name not in bank.exercises}
        for name, source in defined:
            exec(compile(source, f"<{name}>", "exec"), namespace)
        return bank.grade(exercise, local(namespace), seed).points

    def of(pupil: Pupil) -> dict[str, float]:
        if pupil.notebook is None:
            return dict.fromkeys(exercises, 0.0)
        return {name: points(name, tuple(_called(name, pupil.defined).items())) for name in exercises}

    return of


def _called(exercise: str, defined: Mapping[str, str]) -> dict[str, str]:
    """The definitions that an exercise's own mentions, directly or by way of others, and its own."""
    found, waiting = set(), {exercise}
    while waiting:
        name = waiting.pop()
        found.add(name)
        waiting |= {other for other in re.findall(r"\w+", defined.get(name, "")) if other in defined} - found
    return {name: source for name, source in defined.items() if name in found}


def _hand_in(course: Course, assignment: str, student: str, pupil: Pupil) -> None:
    path = course.submitted(assignment, student)
    path.parent.mkdir(parents=True, exist_ok=True)
    if pupil.notebook is None:
        path.write_text(NOT_A_NOTEBOOK)
    else:
        write(pupil.notebook, path)


def _clear(course: Course, assignment: str) -> None:
    made = (made_class(course, assignment) or {"students": {}})["students"]
    if others := [student for student in course.students(assignment) if student not in made]:
        who = ", ".join(others[:3]) + " and others" * (len(others) > 3)
        raise CourseError(f"{who} handed in {assignment}: make the class in a course directory of its own")
    for student in course.students(assignment):
        shutil.rmtree(course.submitted(assignment, student).parent)


def _records(course: Course) -> dict[str, Any]:
    path = course.directory / "class.json"
    records: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    return records


def _remember(course: Course, assignment: str, record: dict[str, Any]) -> None:
    text = json.dumps({**_records(course), assignment: record}, indent=2, ensure_ascii=False)
    (course.directory / "class.json").write_text(text + "\n")
