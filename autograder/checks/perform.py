"""Perform a request on a program in this process. It runs beside the student's code, so it knows no reference."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from typing import Any, cast

import torch
from torch import Tensor

from autograder.checks.counted import Cost
from autograder.checks.elsewhere import elsewhere, moved, there
from autograder.checks.request import Abstract, Answer, Failure, Opaque, Request, Seeded, Supplied, Value
from autograder.checks.supplied import Counted, Outline, supply

LONGEST_MESSAGE = 500
TYPES = (
    *(torch.float64, torch.float32, torch.float16, torch.bfloat16),
    *(torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8, torch.bool),
)
"""The types of tensors whose numbers travel. A tensor of another type travels as Abstract."""


def perform(request: Request, namespace: Mapping[str, Any]) -> Answer:
    """The answer of the definition that `namespace` holds under `request.name`. Whatever it raises is in the answer.

    Example: `perform(Request("abs", (torch.tensor(-1.0),)), {"abs": torch.abs}).output`
    """
    try:
        with clean_torch_state(), elsewhere() if request.elsewhere else nullcontext():
            return _perform(request, namespace)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # the student's code may raise anything, SystemExit included
        return Answer(failure=_failure(error))


def _perform(request: Request, namespace: Mapping[str, Any]) -> Answer:
    if request.name not in namespace:
        raise NameError(f"{request.name} is not defined")
    definition = namespace[request.name]
    construct = {name: _incoming(value, request.elsewhere) for name, value in (request.construct or {}).items()}
    target = definition if request.construct is None else _module(definition, construct, request)
    arguments = [_incoming(value, request.elsewhere) for value in request.arguments]
    leaves = list(tensors(arguments))
    for leaf in leaves if request.upstream is not None else ():
        leaf.requires_grad_(leaf.is_floating_point())
    call = getattr(target, request.method) if request.construct is not None else target
    cost = Cost()
    with cost if request.counted else nullcontext():
        output = [call(*each) for each in arguments] if request.in_turn else call(*arguments)
        gradients = _gradients(output, leaves, target, request.upstream) if request.upstream is not None else ((), {})
    changed = () if request.elsewhere else _changed(arguments, request.arguments)
    given = *construct.values(), *arguments
    calls = tuple(supplied.calls for supplied in given if isinstance(supplied, Counted | Outline))
    return Answer(_outgoing(output), None, changed, *gradients, calls, cost.peak, cost.operations)


def _module(definition: Callable[..., Any], construct: Mapping[str, Any], request: Request) -> Any:
    module = definition(**construct)
    if request.state is not None:
        module.load_state_dict(dict(request.state))
    module = module.to(getattr(torch, request.dtype)).eval()
    return moved(module) if request.elsewhere else module


def _gradients(
    output: Any, leaves: list[Tensor], target: Any, upstream: tuple[Tensor | None, ...]
) -> tuple[tuple[Tensor | None, ...], dict[str, Tensor | None]]:
    pairs = [
        (tensor, gradient)
        for tensor, gradient in zip(tensors(output), upstream, strict=False)
        if gradient is not None and tensor.requires_grad
    ]
    if pairs:
        torch.autograd.backward([tensor for tensor, _ in pairs], [gradient for _, gradient in pairs])
    parameters = dict(target.named_parameters()) if isinstance(target, torch.nn.Module) else {}
    return (
        tuple(leaf.grad for leaf in leaves),
        {name: parameter.grad for name, parameter in parameters.items()},
    )


def tensors(value: Any) -> Iterator[Tensor]:
    """Every tensor of a nested value, in order."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, dict):
        yield from (tensor for item in value.values() for tensor in tensors(item))
    elif isinstance(value, tuple | list):
        yield from (tensor for item in value for tensor in tensors(item))


def _incoming(value: Value, elsewhere: bool) -> Any:
    """The value as the program receives it: tensors as fresh copies, generators and supplied functions made."""
    if isinstance(value, Tensor):
        return there(value.clone()) if elsewhere else value.clone()
    if isinstance(value, Seeded):
        return torch.Generator().manual_seed(value.seed)
    if isinstance(value, Supplied):
        return supply(Supplied(value.name, {name: _incoming(t, elsewhere) for name, t in value.tensors.items()}))
    if isinstance(value, tuple | list):
        return type(value)(_incoming(item, elsewhere) for item in value)
    if isinstance(value, dict):
        return {key: _incoming(item, elsewhere) for key, item in value.items()}
    return value


def _outgoing(value: Any) -> Value:
    """The value as data. Exact types only: a subclass could answer differently each time it is asked."""
    if type(value) in (Tensor, torch.nn.Parameter) and has_plain_numbers(value):
        return cast(Tensor, value).detach().clone()
    if isinstance(value, Tensor):
        return abstract(value)
    if value is None or type(value) in (bool, int, float, str):
        return cast(Value, value)
    if isinstance(value, tuple):
        return tuple(_outgoing(item) for item in value)
    if isinstance(value, list):
        return [_outgoing(item) for item in value]
    if isinstance(value, dict):
        return {str(key): _outgoing(item) for key, item in value.items()}
    return Opaque(type(value).__name__)


def has_plain_numbers(tensor: Tensor) -> bool:
    """Whether the tensor is one whose numbers travel."""
    return tensor.device.type == "cpu" and tensor.layout is torch.strided and tensor.dtype in TYPES


def abstract(tensor: Tensor) -> Abstract:
    """What travels of any other."""
    kind = "" if tensor.layout is torch.strided else f" {tensor.layout}"
    return Abstract(tuple(tensor.shape), f"{tensor.dtype}{kind}", tensor.device.type)


def _changed(arguments: list[Any], sent: tuple[Value, ...]) -> tuple[int, ...]:
    return tuple(
        position
        for position, (now, before) in enumerate(zip(arguments, sent, strict=True))
        if not _same_tensors(list(tensors(now)), list(tensors(before)))
    )


def _same_tensors(now: list[Tensor], before: list[Tensor]) -> bool:
    return len(now) == len(before) and all(same_bits(a.detach(), b) for a, b in zip(now, before, strict=True))


def same_bits(one: Tensor, other: Tensor) -> bool:
    """Whether two tensors have the same type, shape and numbers; NaN is the same as NaN."""
    if one.shape != other.shape or one.dtype != other.dtype:
        return False
    return torch.equal(one, other) or bool(torch.equal(one.nan_to_num(7.0), other.nan_to_num(7.0)))


def _failure(error: BaseException) -> Failure:
    try:
        message = str(error)
    except Exception as broken:  # an error whose own text raises
        message = f"(its message raised {type(broken).__name__})"
    return Failure(type(error).__name__, message[:LONGEST_MESSAGE])


@contextmanager
def clean_torch_state() -> Iterator[None]:
    """Torch's global switches at their defaults inside, as they were outside: cells may have changed them."""
    dtype, gradients, device = torch.get_default_dtype(), torch.is_grad_enabled(), torch.get_default_device()
    random_state = torch.default_generator.get_state()
    torch.set_default_dtype(torch.float32)
    torch.set_grad_enabled(True)
    torch.set_default_device(None)
    torch.default_generator.manual_seed(0)
    try:
        yield
    finally:
        torch.set_default_dtype(dtype)
        torch.set_grad_enabled(gradients)
        torch.set_default_device(None if device.type == "cpu" else device)
        torch.default_generator.set_state(random_state)
