"""The border between a check and a program: a request goes out, an answer comes back, and both are only data.

A check never sees a notebook, a kernel or an object of the student's. That is what lets the same check run against a
reference in this process, a student's function in their own notebook, and a stranger's code behind a sandbox.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from torch import Tensor


@dataclass(frozen=True)
class Seeded:
    """Stands for `torch.Generator().manual_seed(seed)` where a program is called with a generator."""

    seed: int


@dataclass(frozen=True)
class Supplied:
    """Stands for a function to call or a model to look at that the program is given: `checks.supplied` has its name."""

    name: str
    tensors: Mapping[str, Tensor]


@dataclass(frozen=True)
class Opaque:
    """Stands for a returned object that is no tensor, number, text or collection of these."""

    type_name: str


@dataclass(frozen=True)
class Abstract:
    """Stands for a tensor whose numbers do not travel, for its device, layout or type: it has a shape and a type."""

    shape: tuple[int, ...]
    dtype: str
    device: str


Value: TypeAlias = (
    "Tensor | Seeded | Supplied | Opaque | Abstract | bool | int | float | str"
    " | tuple[Value, ...] | list[Value] | dict[str, Value] | None"
)


@dataclass(frozen=True)
class Request:
    """Call the definition `name` with `arguments`, or build a module first and call that.

    construct: keyword arguments of the constructor; None for a function.
    state: parameters and buffers to load into the module; with `construct` only.
    method: of the module, instead of calling it; "state_dict" returns its names and tensors.
    upstream: what flows back into each tensor of the output, as one flat tuple; gradients of the floating-point
        arguments and of the parameters are then returned.
    dtype: of the module, "float64", "float32" or "float16".
    in_turn: the arguments are those of several calls, a tuple for each, made one after the other on one object; the
        output is the list of what they returned.
    counted: count what is made and done on the way; construction is not counted.
    elsewhere: run on stand-ins for tensors on a device other than the default one. They have no numbers, so a program
        that branches on values cannot run; the error "DeviceMismatch" is the only one that tells something.
    """

    name: str
    arguments: tuple[Value, ...] = ()
    construct: Mapping[str, Value] | None = None
    state: Mapping[str, Tensor] | None = None
    method: str = "__call__"
    upstream: tuple[Tensor | None, ...] | None = None
    dtype: str = "float64"
    in_turn: bool = False
    counted: bool = False
    elsewhere: bool = False

    @property
    def supplied(self) -> tuple[Supplied, ...]:
        """What is supplied to the constructor, then to the call."""
        return tuple(g for g in (*(self.construct or {}).values(), *self.arguments) if isinstance(g, Supplied))


@dataclass(frozen=True)
class Failure:
    """An error that the program raised. Its text comes from the program and may say anything."""

    type_name: str
    message: str


@dataclass(frozen=True)
class Answer:
    """What came of a request.

    changed: positions of the arguments that are no longer bit for bit what was sent.
    argument_gradients: one per tensor among the arguments, in order, None where it has none.
    calls: how often each of `Request.supplied` was called.
    peak, operations: what a counted request took, see `checks.counted`; else 0.
    """

    output: Value = None
    failure: Failure | None = None
    changed: tuple[int, ...] = ()
    argument_gradients: tuple[Tensor | None, ...] = ()
    parameter_gradients: Mapping[str, Tensor | None] = field(default_factory=dict)
    calls: tuple[int, ...] = ()
    peak: int = 0
    operations: int = 0
