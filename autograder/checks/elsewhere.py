"""Tensors that say they are on another device, so that a program that mixes devices fails here as on a GPU.

Each holds its numbers on the CPU, so programs that branch on values run too. What a GPU allows is allowed: numbers
without axes, indices and lengths may stay on the CPU, and copies cross over.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode, return_and_correct_aliasing
from torch.utils._pytree import tree_leaves, tree_map_only

ELSEWHERE = torch.device("meta")
"""The name that the other device goes by: the one name besides the CPU's that every machine knows."""
aten = torch.ops.aten
PACKING = aten._pack_padded_sequence.default
"""Its lengths, and the sizes of batches that it returns, are on the CPU always."""
CROSSING = {PACKING, aten._to_copy.default, aten.copy_.default}
INDEXING = {aten.index.Tensor, aten.index_put.default, aten.index_put_.default, aten._unsafe_index.Tensor}


class DeviceMismatch(RuntimeError):
    """An operation on tensors of two devices, which would fail on a GPU."""


class TensorElsewhere(Tensor):
    """A tensor on the device `ELSEWHERE`; `numbers` is its content."""

    numbers: Tensor
    __torch_function__ = torch._C._disabled_torch_function_impl  # type: ignore[assignment]

    @staticmethod
    def __new__(cls, numbers: Tensor) -> TensorElsewhere:
        found: TensorElsewhere = Tensor._make_wrapper_subclass(
            cls,
            numbers.shape,
            numbers.stride(),
            numbers.storage_offset(),
            dtype=numbers.dtype,
            device=ELSEWHERE,
        )
        found.numbers = numbers
        return found

    def tolist(self) -> Any:
        return self.numbers.tolist()

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:  # type: ignore[override]
        return _dispatch(func, args, dict(kwargs or {}))


@contextmanager
def elsewhere() -> Iterator[None]:
    """Inside, `device=x.device` makes tensors on the device of `x`, even where that is `ELSEWHERE`.

    Example:
        >>> with elsewhere():
        ...     there(torch.ones(3)) + torch.arange(3)
        DeviceMismatch: add is given tensors on meta and on cpu
    """
    with _Operations(), _Constructors():  # type: ignore[no-untyped-call]
        yield


class _Operations(TorchDispatchMode):  # type: ignore[no-untyped-call]
    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """No, as nothing here is compiled: skipping it would import it, a second of every process."""
        return False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _dispatch(func, args, dict(kwargs or {}))


class _Constructors(TorchFunctionMode):
    """torch.tensor and its like make no numbers on the device meta: make them on the CPU, and move them."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        if func is Tensor.new_tensor:
            kwargs = {"dtype": args[0].dtype, "device": args[0].device} | kwargs
            func, args = torch.tensor, args[1:]
        if func in (torch.tensor, torch.as_tensor) and kwargs.get("device") == ELSEWHERE:
            return func(*args, **kwargs | {"device": "cpu"}).to(ELSEWHERE)
        return func(*args, **kwargs)


def there(tensor: Tensor) -> TensorElsewhere:
    """The tensor on the other device."""
    return TensorElsewhere(tensor)


def moved(module: nn.Module) -> nn.Module:
    """The module with its parameters and buffers on the other device: what .to(device) moves."""
    for part in module.modules():
        for name, parameter in part.named_parameters(recurse=False):
            part.register_parameter(name, nn.Parameter(there(parameter.detach())))
        for name, buffer in part.named_buffers(recurse=False):
            part.register_buffer(name, there(buffer))
    return module


def _dispatch(func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    """Run an operation on the numbers of its tensors; its output is where its inputs are, or where it is told."""
    own = any(isinstance(leaf, TensorElsewhere) for leaf in tree_leaves((args, kwargs)))
    if own:
        _check_devices(func, args, kwargs)
    device = kwargs.get("device")
    if device is not None:
        own = torch.device(device) == ELSEWHERE
        kwargs["device"] = torch.device("cpu") if own else device
    numbers = tree_map_only(TensorElsewhere, lambda tensor: tensor.numbers, (args, kwargs))
    output = func(*numbers[0], **numbers[1])
    if func is aten.copy_.default:
        return args[0]
    if not own or func is PACKING:
        return (there(output[0]), output[1]) if own else output
    wrapped = tree_map_only(Tensor, there, output)
    return wrapped if device is not None else return_and_correct_aliasing(func, args, kwargs, wrapped)  # type: ignore[no-untyped-call]


def _check_devices(func: Any, args: Any, kwargs: dict[str, Any]) -> None:
    """Raise DeviceMismatch where a GPU would refuse a tensor on the CPU among these."""
    if func not in CROSSING and any(tensor.dim() for tensor in _on_the_cpu(func, args, kwargs)):
        raise DeviceMismatch(f"{func.overloadpacket.__name__} is given tensors on {ELSEWHERE} and on cpu")


def _on_the_cpu(func: Any, args: Any, kwargs: dict[str, Any]) -> Iterator[Tensor]:
    places = [*args[:1], *args[2:]] if func in INDEXING and isinstance(args[0], TensorElsewhere) else args
    for leaf in tree_leaves((places, kwargs)):
        if isinstance(leaf, Tensor) and not isinstance(leaf, TensorElsewhere):
            yield leaf
