"""Functions that a check hands to a program as an argument: a step of a decoder, a layer, a predicate.

Each is a plain function of its tensors, which the check draws; so a right program can be told from a wrong one by how
it uses the function, and there is nothing in it to find but numbers. Every step has the form
`step(x, state) -> (output, state)`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

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
    """A table of logits (N, V, V) and of successors (N, V): token (B,), state (B,) -> logits (B, V), state (B,)."""
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


FUNCTIONS: dict[str, Callable[..., Any]] = {
    function.__name__: function for function in (recurrent, recurrent_pair, automaton, decoder, mixing, language_model)
}
