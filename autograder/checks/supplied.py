"""What a check hands to a program: functions to call, such as a step or a layer, and models to look at.

Each function is a plain one of its tensors, which the check draws; so a right program can be told from a wrong one by
how it uses the function, and there is nothing in it to find but numbers. Every step has the form
`step(x, state) -> (output, state)`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from autograder.checks.request import Supplied


class Counted:
    """A supplied function, ready to be called with what the program passes; `calls` counts.

    Example:
        >>> step = Counted(Supplied("automaton", {"logits": logits, "successor": successor}))
        >>> logits, state = step(torch.tensor([1]), torch.tensor([0]))
        >>> step.calls
        1
    """

    def __init__(self, supplied: Supplied) -> None:
        self._function, self._tensors = FUNCTIONS[supplied.name], supplied.tensors
        self.calls = 0

    def __call__(self, *arguments: Any) -> Any:
        self.calls += 1
        return self._function(self._tensors, *arguments)


class Outline(nn.Module):
    """A model to look at, not to call: its parameters by their dotted names, those of a list with numbers.

    Names with equal numbers share one parameter. Integers are no parameters: a tensor is a buffer, a single number an
    attribute.

    Example:
        >>> Outline({"experts.0.weight": torch.ones(3, 5), "n_active": torch.tensor(1)})
        Outline((experts): ModuleList((0): Module()))
    """

    calls = 0  # as of Counted

    def __init__(self, tensors: Mapping[str, Tensor]) -> None:
        super().__init__()
        known: list[nn.Parameter] = []
        for name, tensor in tensors.items():
            *path, last = name.split(".")
            part: nn.Module = self
            for step, below in zip(path, [*path, last][1:], strict=True):
                if step not in part._modules:
                    part.add_module(step, nn.ModuleList() if below.isdigit() else nn.Module())
                part = part.get_submodule(step)
            if tensor.is_floating_point():
                shared = [parameter for parameter in known if torch.equal(parameter, tensor)]
                known += [] if shared else [nn.Parameter(tensor)]
                part.register_parameter(last, (shared or known)[-1])
            elif tensor.dim():
                part.register_buffer(last, tensor)
            else:
                setattr(part, last, int(tensor))


def supply(supplied: Supplied) -> Counted | Outline:
    """What a program receives. Example: `supply(Supplied("outline", {"weight": torch.ones(3, 5)}))`"""
    return Outline(supplied.tensors) if supplied.name == "outline" else Counted(supplied)


def recurrent(given: Mapping[str, Tensor], x: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
    """A vanilla recurrence with a readout: x (B, I), h (B, D) -> output (B, O), the next h (B, D)."""
    h = torch.tanh(x @ given["weight_ih"].T + h @ given["weight_hh"].T + given["bias"])
    return h @ given["weight_out"].T, h


def recurrent_pair(
    given: Mapping[str, Tensor], x: Tensor, state: tuple[Tensor, Tensor]
) -> tuple[Tensor, tuple[Tensor, Tensor]]:
    """The same with a state of two tensors (B, D), h and c: c' = c/2 + tanh(…), h' = tanh(c') + h/10."""
    h, c = state
    c = 0.5 * c + torch.tanh(x @ given["weight_ih"].T + h @ given["weight_hh"].T + given["bias"])
    h = torch.tanh(c) + 0.1 * h
    return h @ given["weight_out"].T, (h, c)


def automaton(given: Mapping[str, Tensor], token: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
    """A table of logits (N, V, V) and of successors (N, V): token (B,), state (B,) -> logits (B, V), state (B,).

    Raises ValueError where one has an axis more: together they would be B × B, and B may be thousands.
    """
    if token.dim() != state.dim():
        raise ValueError(f"a step takes a token for each state: shapes {tuple(token.shape)} and {tuple(state.shape)}")
    return given["logits"][state, token], given["successor"][state, token]


def decoder(given: Mapping[str, Tensor], token: Tensor, state: Tensor, *context: Tensor) -> tuple[Tensor, Tensor]:
    """A recurrence over tokens (B,), with a context (B, D) or without: -> logits (B, V), the next state (B, D)."""
    read = torch.nn.functional.embedding(token, given["embedding"])
    read = sum((one @ given["weight_context"].T for one in context), read)
    state = torch.tanh(read + state @ given["weight_state"].T)
    return state @ given["weight_out"].T, state


def mixing(given: Mapping[str, Tensor], x: Tensor) -> Tensor:
    """A layer that mixes tokens and features: x (B, T, D) -> tanh(tokens (T, T) · x · features (D, E))."""
    return torch.tanh(given["tokens"] @ x @ given["features"])


def language_model(given: Mapping[str, Tensor], tokens: Tensor) -> Tensor:
    """Logits (N, V, V) by state and token: tokens (B, T) -> logits (B, T, V); the state comes of all tokens so far."""
    places = torch.ones_like(tokens).cumsum(dim=1)
    state = ((tokens + 1) * places).cumsum(dim=1) % len(given["logits"])
    return given["logits"][state, tokens]


def cache(given: Mapping[str, Tensor], key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
    """Keys and values (B, H, T, d) behind those of the past (B, H, P, d): -> keys, values (B, H, P + T, d)."""
    return torch.cat([given["keys"], key], dim=2), torch.cat([given["values"], value], dim=2)


def equal(given: Mapping[str, Tensor], key: Tensor, query: Tensor) -> Tensor:
    """Whether the key equals the query."""
    return key == query


def less(given: Mapping[str, Tensor], key: Tensor, query: Tensor) -> Tensor:
    """Whether the key is less than the query."""
    return key < query


def look_up(given: Mapping[str, Tensor], key: Tensor, query: Tensor) -> Tensor:
    """What a table (Q, K) says of a query and a key, both integers."""
    return given["table"][query, key]


def of_key(given: Mapping[str, Tensor], key: Tensor, query: Tensor) -> Tensor:
    """What a list (K,) says of the key, whatever the query."""
    return given["list"][key]


FUNCTIONS: dict[str, Callable[..., Any]] = {
    function.__name__: function
    for function in (
        *(recurrent, recurrent_pair, automaton, decoder, mixing, language_model, cache),
        *(equal, less, look_up, of_key),
    )
}
