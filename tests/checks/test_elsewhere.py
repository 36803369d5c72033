"""Tensors on another device: what works on a GPU works there, and what would fail on a GPU fails."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from autograder.checks.elsewhere import ELSEWHERE, DeviceMismatch, TensorElsewhere, elsewhere, moved, there
from autograder.checks.perform import tensors

Program = Callable[[Tensor], Any]


def in_place(x: Tensor) -> Tensor:
    y = x.clone()
    y[:, 0] = 0.0
    y[1] += 1
    y.mul_(2).add_(torch.ones((), device=x.device))
    y[:2].copy_(torch.zeros(2, 4))
    return y.masked_fill_(x > 0, 7.0).clamp_(min=-1)


def branches(x: Tensor) -> Tensor:
    while x.abs().max() > 1e-3 and not bool((x == 0).all()):
        x = x / 2
    return x if x[0, 0].item() > 0 else -x


def gradient(x: Tensor) -> Tensor:
    x = x.detach().requires_grad_()
    (found,) = torch.autograd.grad((x.softmax(-1) * torch.ones_like(x)).pow(2).sum(), x)
    return found


def packed(x: Tensor) -> Tensor:
    gru = moved(nn.GRU(4, 5, batch_first=True, bidirectional=True).double())
    sequence = nn.utils.rnn.pack_padded_sequence(x[:, None].expand(3, 2, 4), torch.tensor([2, 1, 1]), batch_first=True)
    output, _ = gru(sequence)
    return nn.utils.rnn.pad_packed_sequence(output, batch_first=True)[0]


def random(x: Tensor) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.multinomial(x.softmax(-1), 2, generator=generator) + torch.randint(3, (3, 2), device=x.device)


RIGHT: dict[str, Program] = {
    "branches on values": branches,
    "made on the device": lambda x: x + torch.arange(4, device=x.device) + x.new_zeros(4) + torch.ones_like(x),
    "moved to the device": lambda x: x + torch.arange(4).to(x.device) + torch.ones(4).to(x),
    "a number without axes": lambda x: x * torch.tensor(0.5) + torch.where(x > 0, x, torch.tensor(0.0).double()),
    "indices on the CPU": lambda x: x[torch.tensor([2, 0])] + x[:, torch.arange(4)][:2],
    "a mask": lambda x: x[x > 0].sum() + x.masked_fill(x > 0, -torch.inf).amax(),
    "in place": in_place,
    "views": lambda x: x.T.reshape(2, 6).unflatten(1, (3, 2)).transpose(0, 1).flatten() + x.view(-1)[:12],
    "split and joined": lambda x: torch.cat([torch.stack(x.unbind(0)), *x.chunk(2, dim=1)], dim=1),
    "einsum": lambda x: torch.einsum("ij,kj->ik", x, x) @ x,
    "sorted": lambda x: x.sort(-1).values + x.topk(4).values + x.gather(1, x.argsort(-1)),
    "scattered": lambda x: (
        torch.zeros(3, 9, device=x.device)
        .double()
        .scatter(1, x.argsort(-1), x)
        .index_add(0, x.new_zeros(1).long(), x.new_ones(1, 9))
    ),
    "a gradient inside": gradient,
    "a GRU over packed sequences": packed,
    "an LSTM": lambda x: moved(nn.LSTM(4, 3).double())(x[None])[0],
    "an LSTM cell": lambda x: moved(nn.LSTMCell(4, 3).double())(x)[0],
    "multi-head attention": lambda x: moved(nn.MultiheadAttention(4, 2, batch_first=True).double())(
        x[None], x[None], x[None]
    )[0],
    "an encoder layer": lambda x: moved(nn.TransformerEncoderLayer(4, 2, 8, batch_first=True).double().eval())(x[None]),
    "attention": lambda x: F.scaled_dot_product_attention(x[None], x[None], x[None], x.new_ones(3, 3).tril().bool()),
    "a convolution": lambda x: moved(nn.Conv2d(1, 2, 2).double())(x[None, None]),
    "resized": lambda x: F.interpolate(x[None, None], size=(5, 7), mode="bilinear", align_corners=False),
    "unfolded": lambda x: F.unfold(x[None, None], 2).unflatten(-1, (2, 3)),
    "a loss": lambda x: F.cross_entropy(x, torch.arange(3, device=x.device), ignore_index=0, label_smoothing=0.1),
    "an embedding": lambda x: moved(nn.Embedding(9, 5))(torch.arange(3, device=x.device)),
    "random": random,
    "a loop over rows": lambda x: torch.stack([sum(row, x.new_zeros(4)) for row in (x[:1], x[1:])]),
    "to the CPU and back": lambda x: (
        torch.tensor(x.tolist(), device=x.device) + x.new_tensor([0] * 4) + x.cpu().cumsum(0).to(x.device)
    ),
    "copied": lambda x: copy.deepcopy(moved(nn.Linear(4, 4).double()))(x),
    "filled": lambda x: torch.full((3, 4), 2.0, device=x.device).fill_diagonal_(0) + torch.eye(3, 4).to(x),
    "numbers as an argument": lambda x: torch.linspace(0, 1, 4, device=x.device) ** x.abs().max(),
}
WRONG: dict[str, Program] = {
    "arange": lambda x: x + torch.arange(4),
    "a mask made on the CPU": lambda x: x[:, :3].masked_fill(torch.ones(3, 3).tril() == 0, -torch.inf),
    "where": lambda x: torch.where(torch.ones(3, 4).bool(), x, x),
    "joined": lambda x: torch.cat([x, torch.zeros(1, 4)]),
    "a product": lambda x: torch.zeros(2, 3) @ x,
    "an embedding": lambda x: nn.Embedding(9, 5)(x.argsort(-1)),
    "indices into a table on the device": lambda x: moved(nn.Embedding(9, 5))(torch.arange(3)),
    "a table on the CPU, indexed": lambda x: torch.zeros(9, 5)[x.argsort(-1)],
    "a state on the CPU": lambda x: moved(nn.GRUCell(4, 3))(x.float(), torch.zeros(3, 3)),
    "a buffer that was none": lambda x: nn.Linear(4, 4)(x.float()),
    "in place": lambda x: x.add_(torch.ones(4)),
    "a slice set": lambda x: x.index_put_((torch.tensor([0]),), torch.zeros(1, 4).double()),
    "a loss": lambda x: F.cross_entropy(x, torch.arange(3)),
    "gathered": lambda x: x.gather(1, torch.zeros(3, 2).long()),
}


@pytest.fixture
def x() -> Tensor:
    return torch.randn(3, 4, generator=torch.Generator().manual_seed(2)).double()


@pytest.mark.parametrize("name", RIGHT)
def test_a_program_that_works_on_a_gpu_works_there(name: str, x: Tensor) -> None:
    torch.manual_seed(3)
    with elsewhere():
        found = RIGHT[name](there(x.clone()))
    assert isinstance(found, TensorElsewhere)
    assert found.device == ELSEWHERE


@pytest.mark.parametrize("name", [name for name in RIGHT if "moved(" not in inspect.getsource(RIGHT[name])])
def test_the_numbers_there_are_those_of_the_cpu(name: str, x: Tensor) -> None:
    torch.manual_seed(3)
    with elsewhere():
        found = RIGHT[name](there(x.clone()))
    torch.manual_seed(3)
    assert torch.equal(found.numbers, RIGHT[name](x.clone()))


@pytest.mark.parametrize("name", WRONG)
def test_a_program_that_mixes_devices_is_refused(name: str, x: Tensor) -> None:
    with elsewhere(), pytest.raises(DeviceMismatch, match="on meta and on cpu"):
        WRONG[name](there(x))


def test_what_stays_on_the_cpu_stays_there(x: Tensor) -> None:
    with elsewhere():
        found = [torch.arange(3) * 2, there(x).cpu() + 1, torch.zeros(2, device="cpu")]
    assert all(type(tensor) is Tensor for tensor in tensors(found))
