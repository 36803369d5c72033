"""Made classes: deterministic, right about their points, and never in anybody's way."""

from __future__ import annotations

import json
from pathlib import Path

import nbformat
import pytest

from autograder.checks.subject import local
from autograder.course.classroom import NAMES, Pupil, made_class, make_class, points_due
from autograder.course.course import Course
from autograder.course.errors import CourseError
from autograder.course.notebook import read, stubs
from tests.course.small import ASSIGNMENT, ATTENTION, EXERCISES, HOP, POINTS, bank, source_of, write_course

SEED = 3


def files(course: Course) -> dict[str, bytes]:
    folder = course.directory / "submitted"
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_the_same_seed_makes_the_same_class(course: Course, tmp_path: Path) -> None:
    other = Course(write_course(tmp_path / "other"))
    one, two = make_class(course, ASSIGNMENT, 7, SEED), make_class(other, ASSIGNMENT, 7, SEED)
    assert one == two
    assert files(course) == files(other)
    third = make_class(other, ASSIGNMENT, 5, SEED + 1)
    assert len(other.students(ASSIGNMENT)) == 5, "the earlier class is replaced"
    assert third != one
    assert (
        made_class(other, ASSIGNMENT) == third == json.loads((other.directory / "class.json").read_text())[ASSIGNMENT]
    )


def test_the_record_says_what_each_student_should_get(course: Course) -> None:
    record = make_class(course, ASSIGNMENT, 12, SEED, broken=True)["students"]
    assert list(record) == list(NAMES)
    kinds = {one["description"].split(" (")[0]: name for name, one in record.items()}
    crashes, endless, deleted = (
        f"crashes in {ATTENTION}",
        f"never ends in {HOP}",
        f"has deleted the cell of {ATTENTION}",
    )
    text, idle = "hands in a file that is no notebook", "has done nothing"
    assert kinds.keys() == {"right", "wrong", crashes, endless, deleted, text, idle}
    full, nothing = POINTS, dict.fromkeys(EXERCISES, 0.0)
    for one in record.values():
        kind = one["description"].split(" (")[0]
        assert one["status"] == ("rejected" if kind == text else "graded")
        assert kind != "right" or one["points"] == full
        assert kind != "wrong" or sum(one["points"].values()) < sum(full.values())
    assert record[kinds[crashes]]["points"] == record[kinds[deleted]]["points"] == {**full, ATTENTION: 0.0}
    assert record[kinds[endless]]["points"] == {**full, HOP: 0.0}
    assert record[kinds[idle]]["points"] == record[kinds[text]]["points"] == nothing


def test_the_points_are_those_of_the_notebooks_own_cells(course: Course) -> None:
    for name, one in make_class(course, ASSIGNMENT, 6, SEED)["students"].items():
        namespace = {key: value for key, value in vars(bank().unit).items() if key not in bank().exercises}
        for source in stubs(read(course.submitted(ASSIGNMENT, name))).values():
            exec(source, namespace)
        assert one["points"] == {e: bank().grade(e, local(namespace), SEED).points for e in EXERCISES}, name


def test_who_calls_a_wrong_function_of_their_own_loses_points_too() -> None:
    hop = """def memory_hop(query, input_memory, output_memory):
    scaled = query[:, None] * math.sqrt(query.shape[-1])
    read, weights = scaled_dot_product_attention(scaled, input_memory, output_memory)
    return query + read[:, 0], weights[:, 0]
"""
    right = source_of(ATTENTION)
    due = points_due(bank(), [HOP], SEED)
    assert due(Pupil("", nbformat.v4.new_notebook(), {ATTENTION: right, HOP: hop}))[HOP] == POINTS[HOP]
    wrong = right.replace("softmax(dim=-1)", "softmax(dim=-2)")
    assert wrong != right
    assert due(Pupil("", nbformat.v4.new_notebook(), {ATTENTION: wrong, HOP: hop}))[HOP] < POINTS[HOP]


def test_real_submissions_are_never_replaced(course: Course) -> None:
    make_class(course, ASSIGNMENT, 3, SEED)
    path = course.submitted(ASSIGNMENT, "zoe")
    path.parent.mkdir(parents=True)
    path.write_text("weeks of work")
    before = files(course)
    with pytest.raises(CourseError, match="zoe handed in 04_attention: make the class in"):
        make_class(course, ASSIGNMENT, 3, SEED + 1)
    assert files(course) == before


def test_too_small_a_class_is_refused_before_anything_is_written(course: Course) -> None:
    with pytest.raises(CourseError, match="5 students are the least"):
        make_class(course, ASSIGNMENT, 4, SEED, broken=True)
    assert not (course.directory / "submitted").exists()
