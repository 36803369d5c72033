"""Requests performed on programs in this process."""

from __future__ import annotations

from typing import Any, cast

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from autograder.checks.perform import perform
from autograder.checks.request import Abstract, Answer, Opaque, Request, Seeded, Supplied, Value


def ask(program: object, *arguments: Value, **settings: object) -> Answer:
    return perform(Request("program", arguments, **settings), {"program": program})  # type: ignore[arg-type]


class Scale(nn.Module):
    """x times a weight, plus positions that are made with or without the device of x."""

    def __init__(self, width: int, *, careful: bool = True) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.register_buffer("offset", torch.zeros(width))
        self.careful = careful

    def forward(self, x: Tensor) -> Tensor:
        places = torch.arange(x.shape[-1], device=x.device if self.careful else None)
        return x * self.weight + self.offset + places


def test_what_a_function_returns_comes_back_as_data() -> None:
    answer = ask(lambda x: (x + 1, {"half": 0.5}, [None, "text", object()]), torch.zeros(2))
    output = answer.output
    assert isinstance(output, tuple)
    assert isinstance(output[0], Tensor)
    assert torch.equal(output[0], torch.ones(2))
    assert output[1:] == ({"half": 0.5}, [None, "text", Opaque("object")])


@pytest.mark.parametrize("error", [ValueError("3 and 7"), SystemExit(2), MemoryError(), AssertionError()])
def test_whatever_the_program_raises_is_in_the_answer(error: BaseException) -> None:
    def program() -> None:
        raise error

    failure = ask(program).failure
    assert failure is not None
    assert (failure.type_name, failure.message) == (type(error).__name__, str(error))


def test_an_error_whose_message_raises_is_still_an_answer() -> None:
    class Broken(Exception):
        def __str__(self) -> str:
            raise ZeroDivisionError

    def program() -> None:
        raise Broken

    failure = ask(program).failure
    assert failure is not None
    assert "ZeroDivisionError" in failure.message


def test_a_missing_definition_is_a_name_error() -> None:
    failure = perform(Request("absent"), {}).failure
    assert failure is not None
    assert (failure.type_name, failure.message) == ("NameError", "absent is not defined")


def test_a_change_in_place_is_seen_and_does_not_reach_the_sender() -> None:
    sent = torch.ones(3)
    assert ask(lambda x, y: x.mul_(2) + y, sent, torch.ones(3)).changed == (0,)
    assert torch.equal(sent, torch.ones(3))


@given(st.lists(st.floats(width=64, allow_nan=True), min_size=1, max_size=5))
def test_arguments_left_alone_are_never_reported(numbers: list[float]) -> None:
    assert ask(lambda x: x * 2, torch.tensor(numbers, dtype=torch.float64)).changed == ()


def test_gradients_of_arguments_and_parameters_come_back() -> None:
    x, upstream = torch.randn(2, 3).double(), torch.randn(2, 3).double()
    state = {"weight": torch.randn(3), "offset": torch.randn(3)}
    answer = ask(Scale, x, construct={"width": 3}, state=state, upstream=(upstream,))
    assert torch.allclose(answer.argument_gradients[0], upstream * state["weight"].double())  # type: ignore[arg-type]
    assert torch.allclose(answer.parameter_gradients["weight"], (upstream * x).sum(0))  # type: ignore[arg-type]


def test_tensors_inside_a_tuple_count_like_others() -> None:
    state = torch.ones(3), torch.full((3,), 2.0)
    assert ask(lambda x, pair: pair[1].mul_(2) + x, torch.ones(3), state).changed == (1,)
    answer = ask(lambda x, pair: x * pair[0] * pair[1], torch.ones(3), state, upstream=(torch.ones(3),))
    assert [gradient[0].item() for gradient in answer.argument_gradients if gradient is not None] == [2.0, 2.0, 1.0]


def test_a_module_is_loaded_in_the_type_that_was_asked_for() -> None:
    for dtype in (torch.float32, torch.float64):
        name = str(dtype).removeprefix("torch.")
        output = ask(Scale, torch.ones(3, dtype=dtype), construct={"width": 3}, dtype=name).output
        assert isinstance(output, Tensor)
        assert output.dtype == dtype


@pytest.mark.parametrize(
    "forgetful",
    [
        lambda x: x + torch.arange(len(x)),
        lambda x: x @ torch.zeros(3, 3),
        lambda x: torch.cat([x, torch.zeros(1, 3)]),
        lambda x: nn.functional.embedding(torch.zeros(3, dtype=torch.int64), x),
    ],
)
def test_a_tensor_on_the_default_device_is_found_without_a_gpu(forgetful: object) -> None:
    failure = ask(forgetful, torch.ones(3, 3), elsewhere=True).failure
    assert failure is not None
    assert failure.type_name == "DeviceMismatch"


@pytest.mark.parametrize(
    "careful",
    [
        lambda x: x + torch.arange(len(x), device=x.device),
        lambda x: x + torch.arange(len(x)).to(x.device),
        lambda x: torch.where(x > 0, x, torch.tensor(0.0)),
        lambda x: x[[0, 1]] + x.new_zeros(3),
        lambda x: x[torch.arange(2)],
        lambda x: x.masked_fill(torch.ones_like(x, dtype=torch.bool), 0.0),
    ],
)
def test_what_runs_on_a_gpu_passes_without_one(careful: object) -> None:
    answer = ask(careful, torch.ones(3, 3), elsewhere=True)
    assert isinstance(answer.output, Abstract), answer
    assert answer.output.device == "meta"


def test_a_module_that_forgets_the_device_is_found_and_a_careful_one_is_not() -> None:
    careful = ask(Scale, torch.ones(2, 3), construct={"width": 3, "careful": True}, elsewhere=True)
    forgetful = ask(Scale, torch.ones(2, 3), construct={"width": 3, "careful": False}, elsewhere=True)
    assert isinstance(careful.output, Abstract), careful
    assert forgetful.failure is not None
    assert forgetful.failure.type_name == "DeviceMismatch"


def test_the_switches_of_torch_are_at_their_defaults_inside_and_restored_outside() -> None:
    torch.set_default_dtype(torch.float64)
    torch.set_grad_enabled(False)
    try:
        output = ask(lambda: (str(torch.zeros(1).dtype), torch.is_grad_enabled())).output
        assert output == ("torch.float32", True)
        assert torch.get_default_dtype() == torch.float64
        assert not torch.is_grad_enabled()
    finally:
        torch.set_default_dtype(torch.float32)
        torch.set_grad_enabled(True)


def test_a_generator_is_made_from_its_seed_and_the_global_stream_is_left_alone() -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    first, second = (
        ask(lambda g: torch.rand(2, generator=g) + 0 * torch.rand(2), Seeded(seed)).output for seed in (1, 2)
    )
    assert isinstance(first, Tensor)
    assert isinstance(second, Tensor)
    assert not torch.equal(first, second)
    assert torch.equal(torch.rand(3), expected)


def walk(step: Any, token: Tensor, state: Tensor, *, steps: int = 3) -> Tensor:
    for _ in range(steps):
        logits, state = step(token, state)
        token = logits.argmax(-1)
    return token


def test_a_supplied_function_is_called_with_what_the_program_passes_and_its_calls_are_counted() -> None:
    logits = torch.eye(3).roll(1, dims=1).expand(2, 3, 3)  # from either state the next token is the following one
    step = Supplied("automaton", {"logits": logits, "successor": torch.zeros(2, 3, dtype=torch.int64)})
    answer = ask(walk, step, torch.tensor([0, 1]), torch.tensor([1, 1]))
    assert torch.equal(cast(Tensor, answer.output), torch.tensor([0, 1]))
    assert answer.calls == (3,)


def test_thousands_of_tokens_with_an_axis_too_many_are_refused_and_not_spread_out_by_thousands() -> None:
    step = Supplied("automaton", {"logits": torch.ones(2, 3, 3), "successor": torch.zeros(2, 3, dtype=torch.int64)})
    state = torch.zeros(8_000, dtype=torch.int64)
    answer = ask(walk, step, state[:, None], state)
    assert answer.failure is not None
    assert "(8000, 1) and (8000,)" in answer.failure.message


def test_a_program_cannot_change_the_numbers_of_a_supplied_function_for_the_next_request() -> None:
    step = Supplied(
        "recurrent",
        {name: torch.ones(2, 2) for name in ("weight_ih", "weight_hh", "weight_out")} | {"bias": torch.ones(2)},
    )

    def vandal(step: Any) -> float:
        for tensor in step._tensors.values():
            tensor.zero_()
        return 0.0

    before = ask(lambda step: step(torch.ones(1, 2), torch.ones(1, 2))[0], step).output
    ask(vandal, step)
    after = ask(lambda step: step(torch.ones(1, 2), torch.ones(1, 2))[0], step).output
    assert torch.equal(cast(Tensor, before), cast(Tensor, after))


def test_a_supplied_function_works_on_the_stand_ins_of_another_device() -> None:
    step = Supplied("automaton", {"logits": torch.ones(2, 3, 3), "successor": torch.zeros(2, 3, dtype=torch.int64)})
    answer = ask(
        lambda step, token: step(token, torch.zeros_like(token))[0], step, torch.tensor([0, 1]), elsewhere=True
    )
    assert answer.output == Abstract((2, 3), "torch.float32", "meta")


def test_a_function_may_be_supplied_to_a_constructor_and_follows_the_module_to_its_type() -> None:
    class Applied(nn.Module):
        def __init__(self, mixer: Any) -> None:
            super().__init__()
            self.mixer = mixer

        def forward(self, x: Tensor) -> Tensor:
            return cast(Tensor, self.mixer(self.mixer(x)))

    mixer = Supplied("mixing", {"tokens": torch.eye(2, dtype=torch.float64), "features": torch.eye(3).double()})
    answer = perform(
        Request("f", (torch.ones(1, 2, 3, dtype=torch.float64),), construct={"mixer": mixer}), {"f": Applied}
    )
    assert torch.allclose(cast(Tensor, answer.output), torch.tensor(1.0).double().tanh().tanh())
    assert answer.calls == (2,)


def test_an_outline_is_a_model_with_lists_shared_parameters_buffers_and_attributes() -> None:
    tensors = {
        "n_active": torch.tensor(2),
        "experts.0.up.weight": torch.ones(3, 5),
        "experts.1.up.weight": torch.zeros(3, 5),
        "head.weight": torch.ones(3, 5),
        "head.used": torch.arange(7),
    }

    def look(model: Any) -> list[int]:
        assert isinstance(model.experts, nn.ModuleList)
        assert model.head.weight is model.experts[0].up.weight
        return [model.n_active, len(list(model.parameters())), len(list(model.buffers()))]

    assert ask(look, Supplied("outline", tensors)).output == [2, 2, 1]
