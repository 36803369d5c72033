"""Requests and answers as bytes, and back. Numbers travel as safetensors, their structure as JSON; nothing is pickled.

A message is a safetensors file whose metadata hold one JSON tree. In the tree null, true, 1 and "a" stand for
themselves; everything else is an object with one tag: {"tensor": "0"}, {"tuple": […]}, {"list": […]}, {"dict": {…}},
{"float": "3ff0000000000000"} (its bits), {"seeded": 7}, {"supplied": ["automaton", {…}]}, {"opaque": "Tree"},
{"abstract": [[2], "torch.int64", "meta"]}.

An answer is hostile input: `decode_answer` raises Malformed for anything but an answer that a program could give.
"""

from __future__ import annotations

import json
import re
import struct
from dataclasses import dataclass, field, fields
from typing import Any, NoReturn

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from autograder.checks.perform import LONGEST_MESSAGE, TYPES, abstract, has_plain_numbers, tensors
from autograder.checks.request import Abstract, Answer, Failure, Opaque, Request, Seeded, Supplied, Value
from autograder.engine.text import readable

HEADER_BYTES = 2**20
"""Room for the names of a large module's parameters and for a list of some ten thousand numbers; a header of ordinary
answers has a few hundred bytes, so a longer one is never worth parsing."""
LONGEST_NAME = 200
MOST_TENSORS = 4096
MOST_VALUES = 50_000
DEEPEST = 32
WIDEST_INTEGER = 2**63


class Malformed(Exception):
    """The bytes are no message that a program could have given."""


class TooLarge(ValueError):
    """The value is too large or too deeply nested to be sent."""


def encode_request(request: Request) -> bytes:
    """Example: `decode_request(encode_request(Request("abs", (-1.0,)))) == Request("abs", (-1.0,))`"""
    writer = _Writer()
    return writer.message({field.name: writer.tree(_plain(getattr(request, field.name))) for field in fields(request)})


def decode_request(data: bytes) -> Request:
    """The request in `data`. Raises Malformed."""
    reader, tree = _open(data, len(data), {field.name for field in fields(Request)})
    values: dict[str, Any] = {name: reader.value(item) for name, item in tree.items()}
    return Request(**values)


def encode_answer(answer: Answer, longest: int) -> bytes:
    """The answer in at most `longest` bytes. Raises TooLarge."""
    writer = _Writer()
    failed = answer.failure
    data = writer.message(
        {
            "output": writer.tree(answer.output),
            "failure": failed and writer.tree((failed.type_name[:LONGEST_NAME], failed.message[:LONGEST_MESSAGE])),
            "changed": writer.tree(answer.changed),
            "argument_gradients": writer.tree(tuple(map(_dense, answer.argument_gradients))),
            "parameter_gradients": writer.tree({name: _dense(g) for name, g in answer.parameter_gradients.items()}),
            "calls": writer.tree(answer.calls),
            "peak": writer.tree(answer.peak),
            "operations": writer.tree(answer.operations),
        }
    )
    if len(data) > longest:
        raise TooLarge(f"the answer has {len(data):,} bytes; at most {longest:,} can be sent")
    return data


def decode_answer(data: bytes, request: Request, longest: int) -> Answer:
    """The answer to `request` in `data`. Raises Malformed, and nothing else, whatever the bytes are."""
    reader, tree = _open(data, longest, {field.name for field in fields(Answer)})
    failure, changed, calls = (reader.value(tree[name]) for name in ("failure", "changed", "calls"))
    arguments, parameters = reader.value(tree["argument_gradients"]), reader.value(tree["parameter_gradients"])
    places = len(request.arguments)
    if failure is not None:
        if not (type(failure) is tuple and len(failure) == 2 and all(type(text) is str for text in failure)):
            _refuse("a failure that is not a name and a message")
        if len(failure[0]) > LONGEST_NAME or len(failure[1]) > LONGEST_MESSAGE:  # type: ignore[arg-type]
            _refuse("a failure whose text is too long")
        failure = Failure(*failure)  # type: ignore[arg-type, assignment]
    if type(changed) is not tuple or not all(type(place) is int and 0 <= place < places for place in changed):
        _refuse("changed arguments that were not sent")
    if type(arguments) is not tuple or not all(gradient is None or type(gradient) is Tensor for gradient in arguments):
        _refuse("gradients of arguments that are no tensors")
    leaves = sum(1 for _ in tensors(request.arguments))
    if len(arguments) != (leaves if request.upstream is not None and failure is None else 0):
        _refuse("gradients of other arguments than were sent")
    if type(parameters) is not dict or not all(g is None or type(g) is Tensor for g in parameters.values()):
        _refuse("gradients of parameters that are no tensors")
    functions = len(request.supplied) if failure is None else 0
    if type(calls) is not tuple or len(calls) != functions or not all(type(n) is int and n >= 0 for n in calls):
        _refuse("calls of other functions than were supplied")
    counts = reader.value(tree["peak"]), reader.value(tree["operations"])
    if not all(type(n) is int and n >= 0 and (n == 0 or request.counted) for n in counts):
        _refuse("a cost that was not counted")
    return Answer(reader.value(tree["output"]), failure, changed, arguments, parameters, calls, *counts)  # type: ignore[arg-type]


@dataclass
class _Writer:
    tensors: dict[str, Tensor] = field(default_factory=dict)
    values: int = 0

    def tree(self, value: Value, depth: int = 0) -> Any:
        self.values += 1
        if depth > DEEPEST or self.values > MOST_VALUES:
            raise TooLarge(f"the answer holds more than {MOST_VALUES:,} values, or some nested over {DEEPEST} deep")
        if value is None or isinstance(value, bool | str):
            return value
        if isinstance(value, int):
            return value if -WIDEST_INTEGER <= value < WIDEST_INTEGER else {"opaque": "int over 64 bits"}
        if isinstance(value, Tensor):
            return self._tensor(value)
        if isinstance(value, float):
            return {"float": struct.pack(">d", value).hex()}
        if isinstance(value, tuple | list):
            return {type(value).__name__: [self.tree(item, depth + 1) for item in value]}
        if isinstance(value, dict):
            return {"dict": {key: self.tree(item, depth + 1) for key, item in value.items()}}
        if isinstance(value, Seeded):
            return {"seeded": value.seed}
        if isinstance(value, Supplied):
            return {"supplied": [value.name, {name: self.tree(t) for name, t in value.tensors.items()}]}
        if isinstance(value, Abstract):
            return {"abstract": [list(value.shape), value.dtype, value.device]}
        return {"opaque": value.type_name[:LONGEST_NAME]}

    def message(self, tree: dict[str, Any]) -> bytes:
        text = json.dumps(tree, separators=(",", ":"))
        data = save(self.tensors, {"tree": text})
        if len(self.tensors) > MOST_TENSORS or int.from_bytes(data[:8], "little") > HEADER_BYTES:
            raise TooLarge(f"the answer holds {len(self.tensors):,} tensors and {len(text):,} characters around them")
        return data

    def _tensor(self, tensor: Tensor) -> Any:
        if not has_plain_numbers(tensor):
            return self.tree(abstract(tensor))
        name = str(len(self.tensors))
        self.tensors[name] = tensor.detach().resolve_neg().clone(memory_format=torch.contiguous_format)
        return {"tensor": name}


@dataclass
class _Reader:
    tensors: dict[str, Tensor]
    values: int = 0

    def value(self, tree: Any, depth: int = 0) -> Value:
        self.values += 1
        if depth > DEEPEST or self.values > MOST_VALUES:
            _refuse("too many values, or too deeply nested ones")
        if tree is None or type(tree) is bool:
            return tree
        if type(tree) is str:
            return readable(tree)
        if type(tree) is int:
            return tree if -WIDEST_INTEGER <= tree < WIDEST_INTEGER else _refuse("an integer over 64 bits")
        if type(tree) is not dict or len(tree) != 1:
            _refuse("a value without one tag")
        ((tag, body),) = tree.items()
        match tag, body:
            case "tensor", str() if body in self.tensors:
                return self.tensors[body]
            case "float", str() if re.fullmatch("[0-9a-f]{16}", body):
                return float(struct.unpack(">d", bytes.fromhex(body))[0])
            case "tuple", list():
                return tuple(self.value(item, depth + 1) for item in body)
            case "list", list():
                return [self.value(item, depth + 1) for item in body]
            case "dict", dict():
                return {readable(key): self.value(item, depth + 1) for key, item in body.items()}
            case "seeded", int() if type(body) is int and 0 <= body < WIDEST_INTEGER:
                return Seeded(body)
            case "supplied", [str() as name, dict() as given]:
                return Supplied(name, {key: self._number(item) for key, item in given.items()})
            case "opaque", str() if len(body) <= LONGEST_NAME:
                return Opaque(readable(body))
            case "abstract", [list() as shape, str() as dtype, str() as device]:
                if len(shape) <= DEEPEST and all(type(size) is int and 0 <= size < WIDEST_INTEGER for size in shape):
                    return Abstract(tuple(shape), readable(dtype[:LONGEST_NAME]), readable(device[:LONGEST_NAME]))
        return _refuse(f"a value with the tag {readable(tag)[:LONGEST_NAME]!r} that it cannot have")

    def _number(self, tree: Any) -> Tensor:
        value = self.value(tree)
        return value if isinstance(value, Tensor) else _refuse("a supplied function without its numbers")


def _open(data: bytes, longest: int, names: set[str]) -> tuple[_Reader, dict[str, Any]]:
    """The tensors of a message, and the tree around them, which has exactly these names at its top."""
    if len(data) > longest:
        _refuse(f"{len(data):,} bytes, more than {longest:,}")
    header = _object(data[8 : 8 + _header_length(data)], "header")
    if len(header) > MOST_TENSORS + 1:
        _refuse("too many tensors")
    metadata = header.get("__metadata__")
    tree = _object(metadata.get("tree") if type(metadata) is dict else None, "tree")
    if tree.keys() != names:
        _refuse("another structure")
    return _Reader(_tensors(data)), tree


def _header_length(data: bytes) -> int:
    length = int.from_bytes(data[:8], "little")
    if len(data) < 8 or length > min(HEADER_BYTES, len(data) - 8):
        _refuse("a header that is too long")
    return length


def _object(text: Any, what: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except (ValueError, TypeError, RecursionError) as error:
        raise Malformed(f"a {what} that is no JSON: {type(error).__name__}") from None
    return found if type(found) is dict else _refuse(f"a {what} that is no JSON object")


def _tensors(data: bytes) -> dict[str, Tensor]:
    try:
        tensors = load(data)
    except (SafetensorError, RuntimeError, KeyError, ValueError, TypeError, AssertionError, OverflowError) as error:
        raise Malformed(f"tensors that cannot be read: {type(error).__name__}") from None
    for tensor in tensors.values():
        if tensor.dtype not in TYPES or tensor.dim() > DEEPEST:
            _refuse(f"a tensor of type {tensor.dtype} with {tensor.dim()} axes")
        if tensor.dtype is torch.bool and bool((tensor.view(torch.uint8) > 1).any()):
            _refuse("a truth value that is neither 0 nor 1")
    return tensors


def _dense(gradient: Tensor | None) -> Tensor | None:
    """The gradient, a sparse one as a dense one; None where its numbers cannot travel."""
    if gradient is not None and gradient.is_sparse:
        gradient = gradient.to_dense()
    return gradient if gradient is not None and has_plain_numbers(gradient) else None


def _plain(value: Any) -> Any:
    """Mappings as dicts, whatever mapping they are."""
    return dict(value) if hasattr(value, "keys") else value


def _refuse(what: str) -> NoReturn:
    raise Malformed(f"it sent back {what}")
