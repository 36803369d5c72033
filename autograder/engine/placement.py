"""Where a submission is graded: in a slot of a GPU, or on the CPU where it cannot have one, with the reason."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cache

from autograder.engine.gpu import NoDevice, Slot, devices, lease
from autograder.engine.job import Job
from autograder.engine.kernel import Kernel, KernelLost, TooLate
from autograder.engine.limits import Limits
from autograder.engine.verdict import ON_THE_CPU
from autograder.engine.warm import ParentGone, WarmParent

PROBE = "import torch\ntorch.ones(1, device='cuda').sum().item()"
PROBE_LIMITS = Limits(cell_seconds=30.0)
BELIEVED_SECONDS = 300.0
"""How long a worker believes that a device works, or that it does not, before it tries again."""


@dataclass(frozen=True)
class Placement:
    """`device` is "cpu" or "cuda", and `environment` what the kernels there need in theirs.

    `reason` is a sentence on why it is the CPU though a GPU was asked for.
    """

    device: str
    environment: Mapping[str, str] = field(default_factory=dict)
    reason: str = ""


@dataclass(frozen=True)
class _Probed:
    """What came of trying a device, and when: `trouble` is why CUDA does not work there, empty where it does."""

    at: float
    trouble: str

    @property
    def stale(self) -> bool:
        return time.monotonic() - self.at > BELIEVED_SECONDS


_probed: dict[str, _Probed] = {}
_listed = cache(devices)


@contextmanager
def placed(job: Job, parent: WarmParent) -> Iterator[Placement]:
    """Hold the place of a submission while it is graded. A device is tried by a kernel of the parent first.

    Example: `with placed(job, parent) as place: print(place.device, place.reason)`
    """
    with ExitStack() as held:
        place = Placement("cpu")
        if job.device == "cuda":
            try:
                place = Placement("cuda", _slot(job, parent, held).environment)
            except (NoDevice, OSError) as reason:
                held.close()  # another submission may have better luck with the slot
                place = Placement("cpu", reason=f"{ON_THE_CPU}{reason}.")
        yield place


def _slot(job: Job, parent: WarmParent, held: ExitStack) -> Slot:
    """A slot of a device that works, leased until `held` ends. Raises NoDevice.

    It tries one device at most, so that a submission waits for no more than one that hangs: the next one tries another.
    """
    listed = _listed()
    believed = {device: probed.trouble for device, probed in _probed.items() if not probed.stale}
    if not (left := [device for device in listed if not believed.get(device)]):
        raise NoDevice(believed[listed[0]])
    slot = held.enter_context(lease(left, job.slots_per_gpu))
    if slot.device not in believed:
        trouble = _trouble(slot, parent)
        _probed[slot.device] = _Probed(time.monotonic(), trouble)
        if trouble:
            raise NoDevice(trouble)
    return slot


def _trouble(slot: Slot, parent: WarmParent) -> str:
    """Why a kernel cannot use CUDA there, empty where it can."""
    failed = f"CUDA cannot be used on {slot.device}"
    try:
        kernel = Kernel(parent, PROBE_LIMITS, seed=0, device="cuda", environment=slot.environment)
        try:
            run = kernel.execute(PROBE, PROBE_LIMITS)
            if run.interrupted:
                raise TooLate(PROBE_LIMITS.cell_seconds)
        finally:
            kernel.close()
    except KernelLost as error:
        return f"{failed}: the process that tried {error}"
    except ParentGone as error:
        return f"{failed}: {error}"
    return f"{failed}: {run.error}" if run.error else ""
