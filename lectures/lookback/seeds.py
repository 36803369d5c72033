"""One seed for everything that draws random numbers."""

import random

import numpy as np
import torch


def seed_everything(seed: int) -> torch.Generator:
    """Seed Python, NumPy and PyTorch, and return a CPU generator with the same seed.

    Functions of the course draw from the generator that they are given; the global streams are seeded for the rest,
    such as the initial weights of a module.

    Args:
        seed: an integer from 0 to 2**32 - 1, the range that NumPy accepts.

    Raises:
        ValueError: the seed is outside that range.

    Example:
        >>> generator = seed_everything(4)
        >>> noise = torch.randn(2, 3, generator=generator)
    """
    if not 0 <= seed < 2**32:
        raise ValueError(f"seed is {seed}; it must be from 0 to {2**32 - 1}")
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
    return torch.Generator().manual_seed(seed)
