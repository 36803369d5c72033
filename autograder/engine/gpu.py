"""GPUs as slots: the devices of this machine, and a lease on a share of one for as long as a submission needs it.

A lease is a lock on a file, one for each device and slot, in a directory of the user: all graders of that user on this
machine keep to it, and what was killed has given its lease back. This module needs no PyTorch.
"""

from __future__ import annotations

import fcntl
import os
import re
import stat
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

LISTING_SECONDS = 15.0
"""How long the driver may take to list its devices: without a process that keeps it awake it takes seconds."""
LONGEST_REASON = 200
VISIBLE = "CUDA_VISIBLE_DEVICES"
MEMORY = "PYTORCH_ALLOC_CONF"
LISTED = re.compile(r"\s*(GPU|MIG) .*\(UUID: ((?:GPU|MIG)-[\w/-]+)\)\s*")
"""A GPU, or below it a MIG device: a part of it with processors and memory of its own."""


class NoDevice(Exception):
    """No GPU can be used here or now. The message says why, and is no sentence of its own."""


@dataclass(frozen=True)
class Slot:
    """One of `shares` equal shares of a device, a GPU or a MIG device, by its UUID.

    Example: `Slot("GPU-5c89852c", 4).environment["CUDA_VISIBLE_DEVICES"]`
    """

    device: str
    shares: int

    @property
    def environment(self) -> dict[str, str]:
        """Has CUDA see this device alone, and PyTorch take no more than its share of the memory.

        PyTorch reads it when it first uses CUDA. It is advice: code that allocates past PyTorch does not heed it.
        """
        return {VISIBLE: self.device, MEMORY: f"per_process_memory_fraction:{1 / self.shares:.6f}"}


def listing() -> list[str]:
    """What the driver lists, a line for each GPU and each MIG device. Raises NoDevice where it lists nothing.

    Example: `listing()[0].startswith("GPU 0: ")`
    """
    try:
        process = subprocess.Popen(
            ["nvidia-smi", "-L"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
    except OSError as error:
        raise NoDevice(f"nvidia-smi, which lists the GPUs, cannot be run: {error.strerror}") from None
    try:
        told, _ = process.communicate(timeout=LISTING_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()  # and is not waited for: where it hangs in the driver it cannot be killed
        raise NoDevice(f"nvidia-smi did not list the GPUs within {LISTING_SECONDS:g} seconds") from None
    if process.returncode or not told.strip():
        raise NoDevice(_nothing_in(told))
    return told.splitlines()


def devices() -> list[str]:
    """The UUIDs of the devices that CUDA would see here. Raises NoDevice where there is none.

    Example: `devices()[0].startswith(("GPU-", "MIG-"))`
    """
    lines, wanted = listing(), os.environ.get(VISIBLE)
    if not (listed := parts_of_gpus(lines)):
        raise NoDevice(_nothing_in("\n".join(lines)))
    found = [part for parts in listed.values() for part in parts] if wanted is None else visible(listed, wanted)
    if not found:
        raise NoDevice(f"{VISIBLE} is {wanted!r}, and names none of {', '.join(listed)}")
    return found


def parts_of_gpus(lines: Sequence[str]) -> dict[str, list[str]]:
    """Of each GPU that is listed its MIG devices, or itself where it has none. Other lines are passed over.

    Example: `parts_of_gpus(["GPU 0: NVIDIA A100 (UUID: GPU-a)", "  MIG 1g.5gb  Device  0: (UUID: MIG-b)"])`
    """
    parts: dict[str, list[str]] = {}
    for line in lines:
        if not (found := LISTED.fullmatch(line)):
            continue
        kind, uuid = found.groups()
        if kind == "GPU":
            parts[uuid] = []
        elif parts:
            parts[list(parts)[-1]].append(uuid)
    return {gpu: own or [gpu] for gpu, own in parts.items()}


def visible(listed: dict[str, list[str]], wanted: str) -> list[str]:
    """The devices that CUDA_VISIBLE_DEVICES names, by number or by how a UUID begins, in its order.

    As CUDA does, it stops at the first name that means nothing. Numbers are those of nvidia-smi, as PyTorch has them.

    Example: `visible({"GPU-a": ["GPU-a"], "GPU-b": ["GPU-b"]}, "1") == ["GPU-b"]`
    """
    gpus = list(listed)
    found: list[str] = []
    for name in map(str.strip, wanted.split(",")):
        if name.isdecimal():
            meant = listed[gpus[int(name)]] if int(name) < len(gpus) else []
        else:
            known = [gpus, *listed.values()] if name.startswith(("GPU-", "MIG-")) else []
            begun = list(dict.fromkeys(uuid for uuids in known for uuid in uuids if uuid.startswith(name)))
            meant = listed.get(begun[0], begun) if len(begun) == 1 else []
        if not meant:
            break
        found += meant
    return list(dict.fromkeys(found))


def _nothing_in(told: str) -> str:
    words = " ".join(told.split())[:LONGEST_REASON].rstrip(".")
    return f"nvidia-smi lists no GPU: {words}" if words else "nvidia-smi lists no GPU"


@contextmanager
def lease(devices: Sequence[str], shares: int) -> Iterator[Slot]:
    """Hold a slot of one of the devices, of one that has most to give. Raises NoDevice where none is free.

    Example: `with lease(devices(), shares=2) as slot: print(slot.device)`
    """
    slot, lock = _free_slot(devices, shares)
    try:
        yield slot
    finally:
        os.close(lock)


def _free_slot(devices: Sequence[str], shares: int) -> tuple[Slot, int]:
    """A slot and the lock on it: the first slot of every device goes before the second of any."""
    directory = _directory()
    for number in range(shares):
        for device in devices:
            if (lock := _locked(directory / f"{device.replace('/', '_')}.{number}")) is not None:
                return Slot(device, shares), lock
    count = len(devices) * shares
    raise NoDevice(f"all {count} slots of the GPUs were in use" if count > 1 else "the only slot of a GPU was in use")


def _directory() -> Path:
    """Where the locks are; they stay, for to remove one that another process is about to lock would give it away."""
    path = Path(tempfile.gettempdir(), f"lookback-gpu-{os.getuid()}")
    with suppress(FileExistsError):
        path.mkdir(mode=0o700)
    found = path.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise NoDevice(f"{path} is no directory of this user's alone: remove it")
    return path


def _locked(path: Path) -> int | None:
    """A descriptor that holds the lock on a file, made where there is none; None where it is held already."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor
