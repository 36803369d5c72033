"""Whatever comes instead of a program's weights, the judge's machine refuses it in words."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from autograder.bank import load_bank
from autograder.bank.rasp import Machine
from autograder.checks import CheckFailed
from autograder.checks.request import Value
from autograder.checks.subject import local
from solutions import rasp

Weights = dict[str, Value]
QKV, HIDDEN = "layers.0.attention.qkv.weight", "layers.0.feed_forward.linear1.bias"


def changed(key: str, change: Callable[[Tensor], Value]) -> Callable[[Weights], Value]:
    def distort(weights: Weights) -> Value:
        tensor = weights[key]
        assert isinstance(tensor, Tensor)
        return weights | {key: change(tensor)}

    return distort


def without(key: str) -> Callable[[Weights], Value]:
    return lambda weights: {name: value for name, value in weights.items() if name != key}


DISTORTIONS: dict[str, Callable[[Weights], Value]] = {
    "nothing": lambda weights: None,
    "a list": lambda weights: list(weights.values()),
    "an empty dict": lambda weights: {},
    "no embedding": without("embedding"),
    "no unembedding": without("unembedding"),
    "a layer without a bias": without(HIDDEN),
    "one name more": lambda weights: weights | {"bias": torch.zeros(3)},
    "a layer that is not the next": lambda weights: weights | {"layers.7.attention.qkv.weight": weights[QKV]},
    "a layer without a number": lambda weights: weights | {"layers.": torch.zeros(3)},
    "an odd width": changed("embedding", lambda tensor: tensor[:, 1:]),
    "an embedding without axes": changed("embedding", lambda tensor: tensor.sum()),
    "an embedding without rows": changed("embedding", lambda tensor: tensor[:0]),
    "too few places": changed("positions", lambda tensor: tensor[1:]),
    "transposed": changed(QKV, lambda tensor: tensor.T),
    "a number": changed(QKV, lambda tensor: 3.0),
    "float64": changed(QKV, lambda tensor: tensor.double()),
    "complex": changed(QKV, lambda tensor: tensor * 1j),
    "not a number": changed(QKV, lambda tensor: tensor / 0),
    "a bias without axes": changed(HIDDEN, lambda tensor: tensor.sum()),
    "a bias that is too short": changed(HIDDEN, lambda tensor: tensor[1:]),
}


@pytest.mark.parametrize("name", DISTORTIONS)
def test_distorted_weights_are_refused(name: str) -> None:
    weights: Weights = {**rasp.compile_program("sort", 4, 5)}
    Machine(weights, "sort", 4, 5)
    with pytest.raises(CheckFailed):
        Machine(DISTORTIONS[name](weights), "sort", 4, 5)


@pytest.mark.parametrize("name", DISTORTIONS)
def test_and_earn_nothing_but_the_point_for_other_names(name: str) -> None:
    def distorted(*arguments: object) -> Value:
        return DISTORTIONS[name]({**rasp.compile_program(*arguments)})  # type: ignore[arg-type]

    assert load_bank("rasp").grade("compile_program", local({"compile_program": distorted}), 1).points <= 1


def test_the_layout_is_free() -> None:
    """A machine with twice the width, one layer more and other directions is as good."""
    V, L = 3, 4
    weights = rasp.compile_program("sort", V, L)
    D = weights["embedding"].shape[1]
    order = torch.randperm(D, generator=torch.Generator().manual_seed(1))
    moved: Weights = {}
    for key, tensor in weights.items():
        if key.endswith("bias"):
            moved[key] = tensor
        else:
            axis = 0 if key.endswith(("output.weight", "linear2.weight")) else 1
            moved[key] = tensor.index_select(axis, order)
    moved |= {
        "layers.2.attention.qkv.weight": torch.randn(3 * D, D),
        "layers.2.attention.output.weight": torch.zeros(D, D),
        "layers.2.feed_forward.linear1.weight": torch.randn(5, D),
        "layers.2.feed_forward.linear1.bias": torch.randn(5),
        "layers.2.feed_forward.linear2.weight": torch.zeros(D, 5),
        "layers.2.feed_forward.linear2.bias": torch.zeros(D),
    }
    tokens = torch.tensor([[2, 0, 2, 1], [1, 1, 0, 0]])
    assert Machine(moved, "sort", V, L)(tokens).tolist() == [[0, 1, 2, 2], [0, 0, 1, 1]]
