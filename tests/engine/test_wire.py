"""Requests and answers come back as they were sent; anything else is refused."""

from __future__ import annotations

import json
import math
import struct
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save
from torch import Tensor

from autograder.checks.perform import TYPES
from autograder.checks.request import Abstract, Answer, Failure, Opaque, Request, Seeded, Supplied, Value
from autograder.engine.limits import MIB
from autograder.engine.wire import (
    HEADER_BYTES,
    Malformed,
    TooLarge,
    decode_answer,
    decode_request,
    encode_answer,
    encode_request,
)

SHAPES = st.lists(st.integers(0, 3), max_size=3).map(tuple)
DTYPES = st.sampled_from(TYPES)


@st.composite
def tensors(draw: st.DrawFn) -> Tensor:
    """Any bits at all, NaN payloads included; as a view that is not contiguous, now and then."""
    dtype, shape = draw(DTYPES), draw(SHAPES)
    size = math.prod(shape) * dtype.itemsize
    data = draw(st.binary(min_size=size, max_size=size))
    if dtype is torch.bool:
        data = bytes(byte & 1 for byte in data)
    tensor = torch.frombuffer(bytearray(data), dtype=dtype).reshape(shape) if size else torch.empty(shape, dtype=dtype)
    return tensor.transpose(0, -1) if tensor.dim() > 1 and draw(st.booleans()) else tensor


scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(),
    st.text(),
    tensors(),
    st.builds(Seeded, st.integers(0, 2**63 - 1)),
    st.builds(Opaque, st.text(max_size=50)),
    st.builds(
        Abstract, st.lists(st.integers(0, 2**62), max_size=4).map(tuple), st.text(max_size=9), st.text(max_size=9)
    ),
)
supplied = st.builds(Supplied, st.text(max_size=9), st.dictionaries(st.text(max_size=5), tensors(), max_size=2))
values: st.SearchStrategy[Any] = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.lists(inner, max_size=3).map(tuple),
        st.dictionaries(st.text(max_size=5), inner, max_size=3),
    ),
    max_leaves=8,
)
names = st.text(min_size=1, max_size=9)
requests = st.builds(
    Request,
    name=names,
    arguments=st.lists(values | supplied, max_size=3).map(tuple),
    construct=st.none() | st.dictionaries(names, values, max_size=2),
    state=st.none() | st.dictionaries(names, tensors(), max_size=2),
    upstream=st.none() | st.lists(st.none() | tensors(), max_size=3).map(tuple),
    in_turn=st.booleans(),
    counted=st.booleans(),
    elsewhere=st.booleans(),
)


def same(one: Any, other: Any) -> bool:
    """The same types and the same bits."""
    if type(one) is not type(other):
        return False
    if isinstance(one, Tensor):
        bits = [t.contiguous().reshape(-1).view(torch.uint8) for t in (one, other) if t.numel()]
        return one.dtype == other.dtype and one.shape == other.shape and (not bits or torch.equal(*bits))
    if isinstance(one, float):
        return struct.pack("d", one) == struct.pack("d", other)
    if isinstance(one, tuple | list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict):
        return list(one) == list(other) and all(same(one[key], other[key]) for key in one)
    if isinstance(one, Request | Answer | Abstract | Opaque | Seeded | Supplied | Failure):
        return same(vars(one), vars(other))
    return bool(one == other)


@given(requests)
def test_a_request_comes_back_bit_for_bit(request: Request) -> None:
    assert same(decode_request(encode_request(request)), request)


@given(values, st.lists(st.none() | tensors(), min_size=2, max_size=2).map(tuple), st.dictionaries(names, tensors()))
def test_an_answer_comes_back_bit_for_bit(
    output: Value, arguments: tuple[Tensor | None, ...], parameters: dict[str, Tensor]
) -> None:
    request = Request("f", (1, (torch.ones(1), torch.ones(1))), upstream=())
    answer = Answer(output, None, (1,), arguments, parameters)
    assert same(decode_answer(encode_answer(answer, MIB), request, MIB), answer)


def test_a_cost_comes_back_where_it_was_counted() -> None:
    request, answer = Request("f", counted=True), Answer(1, peak=2**62, operations=7)
    assert decode_answer(encode_answer(answer, MIB), request, MIB) == answer


@pytest.mark.parametrize("cost", [-1, 2**63, True, None, {"float": "3ff0000000000000"}, {"tuple": []}])
@pytest.mark.parametrize("name", ["peak", "operations"])
def test_a_cost_that_is_no_count_is_refused(name: str, cost: Any) -> None:
    with pytest.raises(Malformed):
        decode_answer(packed(answer_tree(**{name: cost})), Request("f", counted=True), MIB)


def test_an_error_comes_back_with_its_text() -> None:
    answer = Answer(failure=Failure("ValueError", "3 is not a multiple of 2: “no”"))
    assert decode_answer(encode_answer(answer, MIB), Request("f"), MIB) == answer


@given(st.binary(max_size=300))
def test_arbitrary_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(Malformed):
        decode_answer(data, Request("f"), MIB)


@settings(max_examples=300)
@given(st.data())
def test_a_damaged_answer_is_refused_or_read(data: st.DataObject) -> None:
    """Any change to a good answer gives an answer or Malformed, never another error."""
    good = encode_answer(Answer((torch.arange(6.0).view(2, 3), {"a": [1, 2.5, True]}), changed=(0,)), MIB)
    damaged = bytearray(good)
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(0, len(good) - 1))] = data.draw(st.integers(0, 255))
    try:
        answer = decode_answer(bytes(damaged), Request("f", (torch.ones(1),)), MIB)
    except Malformed:
        return
    assert type(answer) is Answer


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["tensor", "float", "tuple", "list", "dict", "seeded", "opaque", "abstract", "x"]),
            inner,
            max_size=2,
        )
    ),
    max_leaves=6,
)


@settings(max_examples=300)
@given(st.fixed_dictionaries(dict.fromkeys(vars(Answer()), json_values)))
def test_a_well_packed_lie_is_refused_or_read(tree: dict[str, Any]) -> None:
    try:
        answer = decode_answer(packed(tree), Request("f", (1,)), MIB)
    except Malformed:
        return
    assert type(answer) is Answer


def packed(tree: Any, **tensors: Tensor) -> bytes:
    return save(tensors, {"tree": tree if isinstance(tree, str) else json.dumps(tree)})


def answer_tree(**changes: Any) -> dict[str, Any]:
    nothing: dict[str, Any] = {"tuple": []}
    plain = {"output": None, "failure": None, "changed": nothing, "argument_gradients": nothing}
    costs = {"peak": 0, "operations": 0}
    return {**plain, **costs, "parameter_gradients": {"dict": {}}, "calls": {"tuple": []}, **changes}


def nested(depth: int) -> Any:
    tree: Any = None
    for _ in range(depth):
        tree = {"list": [tree]}
    return tree


LIES = {
    "another structure": packed({"output": None}),
    "no JSON: RecursionError": packed("[" * 100_000),
    "deeply nested": packed(answer_tree(output=nested(40))),
    "no JSON: ValueError": packed('{"output": ' + "9" * 5000 + "}"),
    "over 64 bits": packed(answer_tree(output=2**64)),
    "without one tag": packed(answer_tree(output=1.5)),
    "the tag 'tensor'": packed(answer_tree(output={"tensor": "7"})),
    "the tag 'pickle'": packed(answer_tree(output={"pickle": "gASV"})),
    "too many values": packed(answer_tree(output={"list": [0] * 60_000})),
    "arguments that were not sent": packed(answer_tree(changed={"tuple": [5]})),
    "no tensors": packed(answer_tree(argument_gradients={"tuple": [1]})),
    "other arguments than were sent": packed(answer_tree(argument_gradients={"tuple": [None, None]})),
    "parameters that are no tensors": packed(answer_tree(parameter_gradients={"dict": {"w": "x"}})),
    "functions than were supplied": packed(answer_tree(calls={"tuple": [3]})),
    "a cost that was not counted": packed(answer_tree(peak=3)),
    "text is too long": packed(answer_tree(failure={"tuple": ["E", "x" * 501]})),
    "not a name and a message": packed(answer_tree(failure="E")),
    "neither 0 nor 1": packed(answer_tree(), t=torch.tensor([2], dtype=torch.uint8)).replace(b'"U8"', b'"BOOL"'),
    "type torch.complex64": packed(answer_tree(), t=torch.ones(1, dtype=torch.complex64)),
    "header that is too long": struct.pack("<Q", 2**62) + b"{}",
    "bytes, more than": packed(answer_tree(), t=torch.zeros(MIB)),
    "too many tensors": packed(answer_tree(), **{str(i): torch.zeros(1) for i in range(5000)}),
}


@pytest.mark.parametrize("reason", LIES)
def test_a_lie_is_refused_with_the_reason(reason: str) -> None:
    data = LIES[reason]
    if reason == "neither 0 nor 1":  # the header has become two bytes longer
        data = struct.pack("<Q", int.from_bytes(data[:8], "little") + 2) + data[8:]
    with pytest.raises(Malformed, match=reason):
        decode_answer(data, Request("f", (1,)), MIB)


def test_what_has_no_numbers_to_send_is_sent_as_abstract() -> None:
    answer = Answer([torch.ones(2, dtype=torch.complex64), torch.ones(3, device="meta"), 2**70])
    output = decode_answer(encode_answer(answer, MIB), Request("f"), MIB).output
    assert output == [
        Abstract((2,), "torch.complex64", "cpu"),
        Abstract((3,), "torch.float32", "meta"),
        Opaque("int over 64 bits"),
    ]


def test_views_and_shared_memory_are_sent_as_their_numbers() -> None:
    row = torch.arange(3.0)
    sent = encode_request(Request("f", (row, row[1:], row.expand(2, 3), row.flip(0)[::2])))
    assert [t.tolist() for t in decode_request(sent).arguments] == [  # type: ignore[union-attr]
        [0, 1, 2],
        [1, 2],
        [[0, 1, 2], [0, 1, 2]],
        [2, 0],
    ]


def test_a_sparse_gradient_is_sent_as_a_dense_one() -> None:
    gradient = torch.eye(2).to_sparse()
    request = Request("f", (torch.ones(1),), upstream=())
    answer = decode_answer(encode_answer(Answer(argument_gradients=(gradient,)), MIB), request, MIB)
    assert torch.equal(answer.argument_gradients[0], torch.eye(2))  # type: ignore[arg-type]


@pytest.mark.parametrize("output", [torch.zeros(MIB), [0] * 60_000, "x" * HEADER_BYTES, [[[[]]]]])
def test_what_is_too_large_is_not_sent(output: Any) -> None:
    for _ in range(40 if output == [[[[]]]] else 0):
        output = [output]
    with pytest.raises(TooLarge):
        encode_answer(Answer(output), MIB)
