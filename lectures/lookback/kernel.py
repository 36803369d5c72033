"""The course's own kernel for Jupyter, `lookback`: Python, on a device that is chosen when the kernel starts.

Notebooks ask for the kernel python3, which is everywhere. This one is for whoever wants the choice made once, the same
for every cell and for every process that a cell starts. It is IPython's kernel, with this module as an extension.
"""

import os
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

from lookback.device import VARIABLE, device_name

NAME, DISPLAYED = "lookback", "Lookback"
PYTHON_ARGUMENTS = ["-Xfrozen_modules=off"]  # as the kernel python3 has it, for the debugger
ARGUMENTS = [f"--ext={__name__}"]
ENVIRONMENT = {"PYTORCH_NVML_BASED_CUDA_CHECK": "1"}
"""Has PyTorch look for a GPU without initialising CUDA, which the processes that a cell forks could not use then."""


def install(prefix: str | None = None) -> Path:
    """Install the kernel with this Python, for this user or under a prefix, and return the folder that it is in.

    Raises:
        OSError: nothing can be written there.

    Example:
        >>> install().name
        'lookback'
    """
    from ipykernel.kernelspec import write_kernel_spec
    from jupyter_client.kernelspec import KernelSpecManager

    told = {"display_name": DISPLAYED, "env": ENVIRONMENT}
    with tempfile.TemporaryDirectory() as place:
        made = write_kernel_spec(Path(place) / NAME, told, ARGUMENTS, PYTHON_ARGUMENTS)
        manager = KernelSpecManager()
        return Path(manager.install_kernel_spec(made, NAME, user=prefix is None, prefix=prefix))


def load_ipython_extension(_: Any) -> None:
    """Choose the device, before any cell runs: IPython calls this.

    A wrong `LOOKBACK_DEVICE` is left as it is, so that a cell which asks for the device says what is wrong.
    """
    with suppress(ValueError, RuntimeError):
        os.environ[VARIABLE] = device_name()
