"""Which device a notebook computes on: CUDA where there is one, the CPU otherwise.

Apple's mps is none of them: it has no float64, in which the course compares numbers.
"""

import os

import torch

VARIABLE = "LOOKBACK_DEVICE"
VALID = ("auto", "cpu", "cuda")

_announced: set[str] = set()


def pick_device() -> torch.device:
    """Return the device to compute on, and print it the first time.

    CUDA is taken when it is available. The environment variable `LOOKBACK_DEVICE` (`cpu` or `cuda`) overrides that;
    `auto` is as good as nothing.

    Raises:
        ValueError: `LOOKBACK_DEVICE` is none of `auto`, `cpu` and `cuda`.
        RuntimeError: `LOOKBACK_DEVICE` is `cuda` and PyTorch sees no CUDA device.

    Example:
        >>> device = pick_device()
        device: cpu
    """
    name = device_name()
    if name not in _announced:
        _announced.add(name)
        print(f"device: {name}")
    return torch.device(name)


def device_name() -> str:
    """The name of that device, `cpu` or `cuda`; raises what `pick_device` raises.

    Example:
        >>> device_name()
        'cpu'
    """
    name = os.environ.get(VARIABLE) or "auto"
    if name not in VALID:
        raise ValueError(f"{VARIABLE} is {name!r}; valid values are {', '.join(VALID)}")
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda" and not torch.cuda.is_available():
        raise RuntimeError(f"{VARIABLE} is 'cuda', but PyTorch sees no CUDA device; unset it or set it to 'cpu'")
    return name
