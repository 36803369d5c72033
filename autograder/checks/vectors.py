"""Judge a layer that works on every vector by itself: a norm, or a network between two mixings of the positions."""

from __future__ import annotations

import torch
from torch import Tensor

from autograder.checks.draw import Draw
from autograder.checks.exercise import Exercise, Typical
from autograder.checks.subject import Subject


def norm_and_vectors(student: Subject, draw: Draw) -> tuple[Subject, tuple[Tensor]]:
    """A norm with an eps that cannot be overlooked, and vectors (B, T, D) with a mean and a size of their own."""
    B, T, d_model = draw.sizes(3)
    module = student.build(d_model=d_model, eps=draw.uniform(0.3, 0.9))
    return module, (draw.normal(B, T, d_model) * (1 + draw.normal(B, T, 1).abs()) + draw.normal(B, T, 1, scale=3.0),)


def takes_any_axes(exercise: Exercise, typical: Typical, *, points: float, after: str) -> None:
    """Add the check that the layer does the same to a single vector, and where there are more axes in front.

    typical: makes the layer, and its input (B, T, D).
    """

    @exercise.check(
        "every vector by itself, however many axes there are",
        points=points,
        after=after,
        suspect="an axis that is counted from the front, or an operation along the positions",
        experiment="compare the layer on x with the layer on x[0, 0], a single vector",
    )
    def any_axes(student: Subject, draw: Draw) -> None:
        module, (x,) = typical(student, draw)
        assert isinstance(x, Tensor)
        module.agrees(x[0, 0], gradients=False)
        module.agrees(torch.stack([x, 2 * x + 1]), gradients=False)
