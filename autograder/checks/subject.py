"""What a check sees of a program: something to call, beside the reference to compare it with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Protocol, TypeAlias

import torch
from torch import Tensor

from autograder.checks.compare import CheckFailed, describe, difference
from autograder.checks.draw import Draw
from autograder.checks.elsewhere import DeviceMismatch
from autograder.checks.perform import perform, tensors
from autograder.checks.request import Answer, Failure, Request, Supplied, Value

Answerer: TypeAlias = Callable[[Request], Answer]
"""Answers requests: a function in this process, or a kernel behind a sandbox."""


class ProgramGone(Exception):
    """The process that answers requests died or did not answer in time; nothing more can be asked of it."""


class Recorder(Protocol):
    """Keeps what was asked and answered during one check."""

    def __call__(self, request: Request, answer: Answer) -> None: ...


def local(namespace: Mapping[str, Any]) -> Answerer:
    """An answerer over definitions in this process."""
    return lambda request: perform(request, namespace)


class Subject:
    """The student's function, or their module once `build` has been called.

    Every method raises CheckFailed where the program falls short, with what was expected and what came.
    """

    def __init__(self, request: Request, student: Answerer, reference: Answerer, draw: Draw, record: Recorder) -> None:
        self._request, self._student, self._reference = request, student, reference
        self._draw, self._record = draw, record

    def build(self, *, zero_rows: tuple[str, ...] = (), zero: tuple[str, ...] = (), **construct: Value) -> Subject:
        """The module with these constructor arguments, every parameter and buffer drawn afresh in both programs.

        zero_rows: beginnings of the names of tables whose row 0, that of padding, is zero.
        zero: beginnings of the names of parameters that are zero altogether, which silences a layer.
        """
        names = self._state(construct)
        state = {name: self._draw.normal(*tensor.shape, scale=0.7) for name, tensor in names.items()}
        for name, tensor in state.items():
            if name.startswith(zero_rows):
                tensor[0] = 0.0
            if name.startswith(zero):
                tensor.zero_()
        return self._with(replace(self._request, construct=construct, state=state))

    def fresh(self, **construct: Value) -> Subject:
        """The module as its constructor leaves it; it can be compared where that does not draw random numbers."""
        return self._with(replace(self._request, construct=construct))

    def in_turn(self) -> Subject:
        """The same program called several times on one object: each argument is now the tuple of one call's arguments,
        and what comes is the list of what the calls returned.
        """
        return self._with(replace(self._request, in_turn=True))

    def __call__(self, *arguments: Value) -> Value:
        """What the program returns."""
        return self._output(self._ask(self._asking(arguments)))

    def calls(self, *arguments: Value) -> int:
        """How often the program calls the functions that it is given among these arguments."""
        answer = self._ask(self._asking(arguments))
        self._output(answer)
        return sum(answer.calls)

    def cost(self, *arguments: Value) -> tuple[int, int]:
        """The most elements alive at a time that the program makes, and its operations; see `checks.counted`."""
        answer = self._ask(replace(self._asking(arguments), counted=True))
        self._output(answer)
        return answer.peak, answer.operations

    def expected(self, *arguments: Value) -> Value:
        """What the reference returns."""
        return self._output(self._reference(self._asking(arguments)))

    def agrees(self, *arguments: Value, gradients: bool = True) -> None:
        """Output and gradients are the reference's, but for rounding."""
        request = self._asking(arguments)
        expected = self._reference(request)
        if gradients:
            upstream = tuple(
                self._draw.normal(*t.shape).to(t.dtype) if t.is_floating_point() else None
                for t in tensors(expected.output)
            )
            request = replace(request, upstream=upstream)
            expected = self._reference(request)
        came = self._ask(request)
        _equal(self._output(came), expected.output, "the output")
        places = [place for place, argument in enumerate(arguments, start=1) for _ in tensors(argument)]
        for position, gradient in enumerate(expected.argument_gradients):
            _gradient(came.argument_gradients, position, gradient, f"the gradient at argument {places[position]}")
        for name, gradient in expected.parameter_gradients.items():
            _gradient(came.parameter_gradients, name, gradient, f"the gradient at {name}")

    def agrees_in_float32(self, *arguments: Value) -> None:
        """Given float32, the program returns the reference's numbers, in float32."""
        self._in(torch.float32).agrees(*_cast(arguments, torch.float32), gradients=False)

    def in_half_precision(self, *arguments: Value) -> Value:
        """What the program returns given float16, for which `agrees` has no tolerance that tells right from wrong."""
        return self._in(torch.float16)(*_cast(arguments, torch.float16))

    def leaves_arguments_alone(self, *arguments: Value) -> None:
        """The caller's tensors come back bit for bit."""
        answer = self._ask(self._asking(arguments))
        self._output(answer)
        if answer.changed:
            places = ", ".join(str(position + 1) for position in answer.changed)
            raise CheckFailed("the caller's tensors left as they were", f"a change in place of argument {places}")

    def runs_elsewhere(self, *arguments: Value) -> None:
        """Given tensors on another device than the default one, the program works there, and its output is there."""
        answer = self._ask(replace(self._asking(arguments), elsewhere=True))
        if answer.failure and answer.failure.type_name != DeviceMismatch.__name__:
            return
        for leaf in _leaves(self._output(answer)):
            if isinstance(leaf, Tensor):  # one elsewhere comes as Abstract; numbers are nowhere
                raise CheckFailed("outputs on the device of the inputs", f"{describe(leaf)} on the default device")

    def refuses(self, *arguments: Value, error: str = "ValueError", mentions: tuple[int | str, ...] = ()) -> None:
        """These arguments raise `error`, and its message holds what explains it."""
        words = " and ".join(str(word) for word in mentions)
        expected = f"{error}, its message with {words}" if mentions else error
        answer = self._ask(self._asking(arguments))
        if answer.failure is None:
            raise CheckFailed(expected, f"no error but {describe(answer.output)}")
        if answer.failure.type_name != error:
            raise CheckFailed(expected, raised(answer.failure))
        if not all(str(word) in answer.failure.message for word in mentions):
            raise CheckFailed(expected, f"{error} with the message {answer.failure.message!r}")

    def refuses_to_build(self, *, mentions: tuple[int | str, ...] = (), **construct: Value) -> None:
        """A module with these constructor arguments raises ValueError, and its message holds what explains it."""
        self._with(replace(self._request, construct=construct, method="state_dict")).refuses(mentions=mentions)

    def has_the_parameters(self, **construct: Value) -> None:
        """The module's parameters and buffers have the reference's names and shapes."""
        request = replace(self._request, construct=construct, method="state_dict")
        came, expected = self._output(self._ask(request)), self._state(construct)
        if not isinstance(came, dict):
            raise CheckFailed("a module with a state_dict", describe(came))
        shapes = {name: tuple(t.shape) if isinstance(t, Tensor) else None for name, t in came.items()}
        for name, tensor in expected.items():
            if shapes.get(name) != tuple(tensor.shape):
                found = f"shape {shapes[name]}" if name in shapes else f"only {', '.join(shapes) or 'no parameter'}"
                raise CheckFailed(f"a parameter {name} of shape {tuple(tensor.shape)}", found)
        if more := sorted(shapes.keys() - expected.keys()):
            raise CheckFailed(f"the parameters {', '.join(expected)} and no other", f"also {', '.join(more)}")

    def _in(self, dtype: torch.dtype) -> Subject:
        """The same program, in float32 or float16."""
        state, construct = _cast(self._request.state, dtype), _cast(self._request.construct, dtype)
        name = str(dtype).removeprefix("torch.")
        return self._with(replace(self._request, dtype=name, state=state, construct=construct))

    def _with(self, request: Request) -> Subject:
        return Subject(request, self._student, self._reference, self._draw, self._record)

    def _asking(self, arguments: tuple[Value, ...]) -> Request:
        return replace(self._request, arguments=arguments)

    def _ask(self, request: Request) -> Answer:
        answer = self._student(request)
        self._record(request, answer)
        return answer

    def _output(self, answer: Answer) -> Value:
        if answer.failure:
            raise CheckFailed("an answer", raised(answer.failure))
        return answer.output

    def _state(self, construct: Mapping[str, Value]) -> dict[str, Tensor]:
        answer = self._reference(Request(self._request.name, construct=construct, method="state_dict"))
        assert isinstance(answer.output, dict), answer
        return {name: tensor for name, tensor in answer.output.items() if isinstance(tensor, Tensor)}


def raised(failure: Failure) -> str:
    """What a student reads about an error that their program raised."""
    if failure.type_name == "NotImplementedError" and not failure.message:
        return "nothing yet: the stub still raises NotImplementedError"
    return f"{failure.type_name}: {failure.message}" if failure.message else failure.type_name


def _equal(came: Value, expected: Value, what: str) -> None:
    if found := difference(came, expected, what):
        raise CheckFailed(*found)


def _gradient(came: Any, key: int | str, expected: Tensor | None, what: str) -> None:
    """No gradient and a gradient of zeros are the same thing."""
    found = came.get(key) if isinstance(came, Mapping) else came[key]
    if found is not None:
        _equal(found, torch.zeros_like(found) if expected is None else expected, what)
    elif expected is not None and bool(expected.any()):
        raise CheckFailed(what, "no gradient: the path back is cut")


def _cast(value: Any, dtype: torch.dtype) -> Any:
    """The value with every floating-point tensor in this type."""
    if isinstance(value, Supplied):
        return Supplied(value.name, _cast(value.tensors, dtype))
    if isinstance(value, tuple | list):
        return type(value)(_cast(item, dtype) for item in value)
    if isinstance(value, Mapping):
        return {name: _cast(item, dtype) for name, item in value.items()}
    return value.to(dtype) if isinstance(value, Tensor) and value.is_floating_point() else value


def _leaves(value: Value) -> list[Value]:
    if isinstance(value, dict):
        return [leaf for item in value.values() for leaf in _leaves(item)]
    if isinstance(value, tuple | list):
        return [leaf for item in value for leaf in _leaves(item)]
    return [value]
