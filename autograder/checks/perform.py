"""Perform a request on a program in this process. It runs beside the student's code, so it knows no reference."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from typing import Any, cast

import torch
from torch import Tensor
from torch._subclasses import fake_tensor
from torch._subclasses.fake_tensor import FakeTensorDeviceMismatchError, FakeTensorMode, unset_fake_temporarily
from torch.utils._python_dispatch import TorchDispatchMode

from autograder.checks.request import Abstract, Answer, Failure, Opaque, Request, Seeded, Supplied, Value
from autograder.checks.supplied import Counted

LONGEST_MESSAGE = 500


class DeviceMismatch(RuntimeError):
    """An operation on tensors of two devices, which would fail on a GPU."""


def perform(request: Request, namespace: Mapping[str, Any]) -> Answer:
    """The answer of the definition that `namespace` holds under `request.name`. Whatever it raises is in the answer.

    Example: `perform(Request("abs", (torch.tensor(-1.0),)), {"abs": torch.abs}).output`
    """
    try:
        with clean_torch_state(), _another_device() if request.elsewhere else nullcontext():
            return _perform(request, namespace)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # the student's code may raise anything, SystemExit included
        return Answer(failure=_failure(error))


def _perform(request: Request, namespace: Mapping[str, Any]) -> Answer:
    if request.name not in namespace:
        raise NameError(f"{request.name} is not defined")
    device = "meta" if request.elsewhere else "cpu"
    definition = namespace[request.name]
    target = definition if request.construct is None else _module(definition, request, device)
    arguments = [_incoming(value, device) for value in request.arguments]
    if request.upstream is not None:
        arguments = [a.requires_grad_() if _differentiable(a) else a for a in arguments]
    output = getattr(target, request.method)(*arguments) if request.construct is not None else target(*arguments)
    gradients = _gradients(output, arguments, target, request.upstream) if request.upstream is not None else ((), {})
    changed = () if request.elsewhere else _changed(arguments, request.arguments)
    calls = tuple(argument.calls for argument in arguments if isinstance(argument, Counted))
    return Answer(_outgoing(output), None, changed, *gradients, calls)


def _module(definition: Callable[..., Any], request: Request, device: str) -> Any:
    assert request.construct is not None
    with unset_fake_temporarily():
        module = definition(**request.construct)
        if request.state is not None:
            module.load_state_dict(dict(request.state))
        module = module.to(getattr(torch, request.dtype)).eval()
    return module if device == "cpu" else _moved(module, device)


def _moved(module: torch.nn.Module, device: str) -> torch.nn.Module:
    """The module with stand-ins on `device` for its parameters and buffers, which is what .to(device) moves."""
    for part in module.modules():
        for name, parameter in part.named_parameters(recurse=False):
            part.register_parameter(name, torch.nn.Parameter(torch.empty_like(parameter, device=device)))
        for name, buffer in part.named_buffers(recurse=False):
            part.register_buffer(name, torch.empty_like(buffer, device=device))
    return module


def _gradients(
    output: Any, arguments: list[Any], target: Any, upstream: tuple[Tensor | None, ...]
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
        tuple(a.grad if isinstance(a, Tensor) else None for a in arguments),
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


def _incoming(value: Value, device: str) -> Any:
    """The value as the program receives it: tensors as fresh copies, generators made."""
    if isinstance(value, Tensor):
        return value.clone() if device == "cpu" else torch.empty(value.shape, dtype=value.dtype, device=device)
    if isinstance(value, Seeded):
        return torch.Generator().manual_seed(value.seed)
    if isinstance(value, Supplied):
        return Counted(Supplied(value.name, {name: _incoming(t, device) for name, t in value.tensors.items()}))
    if isinstance(value, tuple | list):
        return type(value)(_incoming(item, device) for item in value)
    if isinstance(value, dict):
        return {key: _incoming(item, device) for key, item in value.items()}
    return value


def _outgoing(value: Any) -> Value:
    """The value as data. Exact types only: a subclass could answer differently each time it is asked."""
    if type(value) in (Tensor, torch.nn.Parameter):
        return cast(Tensor, value).detach().clone()
    if isinstance(value, Tensor):
        return Abstract(tuple(value.shape), str(value.dtype), value.device.type)
    if value is None or type(value) in (bool, int, float, str):
        return cast(Value, value)
    if isinstance(value, tuple):
        return tuple(_outgoing(item) for item in value)
    if isinstance(value, list):
        return [_outgoing(item) for item in value]
    if isinstance(value, dict):
        return {str(key): _outgoing(item) for key, item in value.items()}
    return Opaque(type(value).__name__)


def _changed(arguments: list[Any], sent: tuple[Value, ...]) -> tuple[int, ...]:
    return tuple(
        position
        for position, (now, before) in enumerate(zip(arguments, sent, strict=True))
        if isinstance(before, Tensor) and not same_bits(now.detach(), before)
    )


def same_bits(one: Tensor, other: Tensor) -> bool:
    """Whether two tensors have the same type, shape and numbers; NaN is the same as NaN."""
    if one.shape != other.shape or one.dtype != other.dtype:
        return False
    return torch.equal(one, other) or bool(torch.equal(one.nan_to_num(7.0), other.nan_to_num(7.0)))


def _differentiable(value: Any) -> bool:
    return isinstance(value, Tensor) and value.is_floating_point()


def _failure(error: BaseException) -> Failure:
    name = (DeviceMismatch if isinstance(error, FakeTensorDeviceMismatchError) else type(error)).__name__
    try:
        message = str(error)
    except Exception as broken:  # an error whose own text raises
        message = f"(its message raised {type(broken).__name__})"
    return Failure(name, message[:LONGEST_MESSAGE])


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


@contextmanager
def _another_device() -> Iterator[None]:
    """Inside, tensors are stand-ins that know their device, and mixing devices is an error, as on a GPU."""
    log = logging.getLogger(fake_tensor.__name__)
    level = log.level
    log.setLevel(logging.CRITICAL)
    try:
        with FakeTensorMode(allow_non_fake_inputs=True), _EmbeddingDevices():  # type: ignore[no-untyped-call]
            yield
    finally:
        log.setLevel(level)


class _EmbeddingDevices(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Refuses a lookup of indices on one device in a table on another, which FakeTensorMode lets pass."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is torch.ops.aten.embedding.default and args[0].device != args[1].device:
            raise DeviceMismatch(f"the table is on {args[0].device}, the indices are on {args[1].device}")
        return func(*args, **(kwargs or {}))
