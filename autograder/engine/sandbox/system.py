"""Linux's system calls that Python does not offer, under their own names. Each raises OSError where Linux refuses."""

from __future__ import annotations

import ctypes
import os
import struct
from pathlib import Path

from autograder.engine.sandbox.syscalls import numbers

CLONE_NEWNS, CLONE_NEWUTS, CLONE_NEWIPC = 0x20000, 0x4000000, 0x8000000
CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET, CLONE_NEWCGROUP = 0x10000000, 0x20000000, 0x40000000, 0x2000000

MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_BIND, MS_REC, MS_PRIVATE = 1, 2, 4, 8, 4096, 16384, 1 << 18
MOUNT_ATTR_RDONLY, MOUNT_ATTR_NOSUID, MOUNT_ATTR_NODEV = 1, 2, 4
AT_FDCWD, AT_RECURSIVE = -100, 0x8000
MNT_DETACH = 2

PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_CAPBSET_DROP, PR_SET_SECUREBITS = 1, 4, 24, 28
PR_SET_NO_NEW_PRIVS, PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL = 38, 47, 4
SECUREBITS = 0b11101111
"""No capabilities for uid 0, no change of them with the uid, never kept, never ambient; all of this locked."""
CAPABILITY_VERSION_3 = 0x20080522

LANDLOCK_RULE_PATH_BENEATH = 1
LANDLOCK_CREATE_RULESET_VERSION = 1
SECCOMP_SET_MODE_FILTER = 1

_library = ctypes.CDLL(None, use_errno=True)


def prctl(option: int, value: int = 0) -> None:
    _check(_library.prctl(option, *map(ctypes.c_ulong, (value, 0, 0, 0))), f"prctl({option}, {value})")


def unshare(flags: int) -> None:
    _check(_library.unshare(flags), "unshare")


def mount(source: str | Path, target: Path, kind: str, flags: int, options: str = "") -> None:
    done = _library.mount(
        bytes(str(source), "utf-8"), os.fsencode(target), kind.encode(), ctypes.c_ulong(flags), options.encode()
    )
    _check(done, f"mount {kind or 'bind'} {target}")


def mount_setattr(target: Path, attributes: int, *, recursive: bool) -> None:
    """Set attributes on a mount, and on those below it if `recursive`."""
    packed = struct.pack("QQQQ", attributes, 0, 0, 0)
    flags = AT_RECURSIVE if recursive else 0
    _call("mount_setattr", AT_FDCWD, os.fsencode(target), flags, packed, len(packed))


def umount(target: Path | str) -> None:
    _check(_library.umount2(os.fsencode(target), MNT_DETACH), f"umount {target}")


def pivot_root(new: Path) -> None:
    """Make `new` the root of the file system, and forget the old one."""
    os.chdir(new)
    _call("pivot_root", b".", b".")
    umount(".")
    os.chdir("/")


def sethostname(name: str) -> None:
    _check(_library.sethostname(name.encode(), ctypes.c_size_t(len(name))), "sethostname")


def drop_bounding_set() -> None:
    """No program that is started later can give a capability back. Needs CAP_SETPCAP."""
    prctl(PR_SET_SECUREBITS, SECUREBITS)
    for capability in range(int(Path("/proc/sys/kernel/cap_last_cap").read_text()) + 1):
        prctl(PR_CAPBSET_DROP, capability)


def drop_capabilities() -> None:
    """Give up every capability that this process has."""
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL)
    _call("capset", struct.pack("Ii", CAPABILITY_VERSION_3, 0), bytes(24))


def capabilities() -> int:
    """The effective capabilities of this process, a bit each."""
    status = Path("/proc/self/status").read_text()
    return next(int(line.split()[1], 16) for line in status.splitlines() if line.startswith("CapEff"))


def landlock_abi() -> int:
    return _call("landlock_create_ruleset", None, 0, LANDLOCK_CREATE_RULESET_VERSION)


def landlock_create_ruleset(attributes: bytes) -> int:
    return _call("landlock_create_ruleset", attributes, len(attributes), 0)


def landlock_add_path(ruleset: int, path: Path, rights: int) -> None:
    descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        _call("landlock_add_rule", ruleset, LANDLOCK_RULE_PATH_BENEATH, struct.pack("=Qi", rights, descriptor), 0)
    finally:
        os.close(descriptor)


def landlock_restrict_self(ruleset: int) -> None:
    _call("landlock_restrict_self", ruleset, 0)


def seccomp(program: bytes) -> None:
    """Install a filter: a BPF program of instructions of eight bytes."""
    buffer = ctypes.create_string_buffer(program, len(program))
    _call("seccomp", SECCOMP_SET_MODE_FILTER, 0, struct.pack("HxxxxxxQ", len(program) // 8, ctypes.addressof(buffer)))


def _call(name: str, *arguments: int | bytes | None) -> int:
    values = (ctypes.c_long(value) if isinstance(value, int) else value for value in arguments)
    return _check(_library.syscall(ctypes.c_long(numbers()[name]), *values), name)


def _check(result: int, what: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return result
