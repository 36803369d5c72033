"""Grading of one exercise: points, gates, and a program that goes away."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from autograder.checks import Draw, Exercise, Subject, expect
from autograder.checks.diagnosis import Rival, Witness
from autograder.checks.request import Answer, Request
from autograder.checks.subject import ProgramGone, local
from autograder.result import Diagnosis, ExerciseResult

Program = Callable[[Tensor], object]


def make_exercise() -> Exercise:
    exercise = Exercise("double", points=4, paper="none")

    @exercise.check("zero stays zero", points=1, suspect="a constant", experiment="call it with 0")
    def zero(student: Subject, draw: Draw) -> None:
        expect(student(draw.normal(3) * 0)).close(draw.normal(3) * 0)

    @exercise.check("numbers", points=1, after="zero stays zero", suspect="the factor", experiment="call it with 1")
    def numbers(student: Subject, draw: Draw) -> None:
        student.agrees(draw.normal(5))

    @exercise.check("large numbers", points=0.5, after="numbers", suspect="an overflow", experiment="call it with 1e9")
    def large(student: Subject, draw: Draw) -> None:
        student.agrees(draw.normal(5, scale=1e9))

    exercise.good_manners(lambda student, draw: (student, (draw.normal(4),)), after="zero stays zero")
    return exercise


def grade(program: Program, *, mistakes: dict[str, Program] | None = None, seed: int = 3) -> ExerciseResult:
    reference = Witness(local({"double": lambda x: 2 * x}))
    rivals = [
        Rival(Diagnosis(name, "hint"), Witness(local({"double": wrong}))) for name, wrong in (mistakes or {}).items()
    ]
    return make_exercise().grade(local({"double": program}), reference, seed, rivals)


def passed(result: ExerciseResult) -> dict[str, bool]:
    return {check.name: check.passed for check in result.checks}


def test_a_right_program_gets_every_point() -> None:
    assert grade(lambda x: x + x).points == 4


def test_a_failed_check_says_what_was_expected_what_came_and_what_to_try() -> None:
    found = grade(lambda x: 3 * x).checks[1]
    assert not found.passed
    assert (found.suspect, found.experiment) == ("the factor", "call it with 1")
    assert found.expected.startswith("the output[")
    assert "5 of 5 numbers differ" in found.came


def test_a_check_waits_for_the_one_before_it_and_says_for_which() -> None:
    result = grade(lambda x: x + 1)
    assert result.points == 0
    assert [check.tried for check in result.checks] == [True, False, False, False, False, False]
    assert {check.came for check in result.checks[1:]} == {"not tried, because “zero stays zero” failed"}


@pytest.mark.parametrize(
    ("program", "lost"),
    [
        (lambda x: x.mul_(2), "the caller's tensors stay as they were"),
        (lambda x: (x * 2).double(), "float32 in, float32 out"),
        (lambda x: x * torch.full((len(x),), 2), "it runs on the device of its inputs"),
    ],
)
def test_bad_manners_are_found(program: Program, lost: str) -> None:
    result = grade(program)
    assert not passed(result)[lost]
    assert passed(result)["zero stays zero"]


def test_a_detached_output_is_a_cut_path() -> None:
    result = grade(lambda x: x.detach() * 2)
    assert [check.came for check in result.checks if check.name == "numbers"] == ["no gradient: the path back is cut"]


def test_a_program_that_is_gone_fails_the_rest_and_says_why() -> None:
    asked: list[Request] = []

    def answer(request: Request) -> Answer:
        asked.append(request)
        if len(asked) > 1:
            raise ProgramGone("the program did not answer within 10 s")
        return Answer(torch.zeros(3).double())

    result = make_exercise().grade(answer, Witness(local({"double": lambda x: 2 * x})), 3)
    assert result.points == 1
    assert len(asked) == 2
    assert result.checks[1].came == "the program did not answer within 10 s"
    assert not any(check.tried for check in result.checks[2:])


def test_a_known_mistake_is_named_on_every_check_that_it_fails() -> None:
    result = grade(lambda x: 3 * x, mistakes={"triples": lambda x: x * 3, "squares": lambda x: x * x})
    named = {check.name: check.misconception and check.misconception.name for check in result.checks}
    assert named["numbers"] == "triples"
    assert named["zero stays zero"] is None


@pytest.mark.parametrize(
    "mistakes",
    [
        {"squares": lambda x: x * x},
        {"triples": lambda x: x * 3, "triples too": lambda x: x + x + x},
    ],
    ids=["an unknown mistake", "two names for one behaviour"],
)
def test_no_name_is_better_than_a_wrong_one(mistakes: dict[str, Program]) -> None:
    assert not any(check.misconception for check in grade(lambda x: 3 * x, mistakes=mistakes).checks)


def test_two_mistakes_are_each_named_where_they_show() -> None:
    def both(x: Tensor) -> Tensor:
        return (2 * x.clamp(max=1e6)).to(torch.float64)

    result = grade(both, mistakes={"clamps": lambda x: 2 * x.clamp(max=1e6), "widens": lambda x: (2 * x).double()})
    named = {check.name: check.misconception.name for check in result.checks if check.misconception}
    assert named == {"large numbers": "clamps", "float32 in, float32 out": "widens"}
