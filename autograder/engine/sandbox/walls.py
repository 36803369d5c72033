"""Raise the walls around this process, each on top of the ones before, for good."""

from __future__ import annotations

import os
import resource
import signal
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

from autograder.engine.sandbox import landlock, mounts, seccomp, system
from autograder.engine.sandbox.policy import Place, Policy
from autograder.engine.sandbox.view import View, view

CAP_SETUID, CAP_SYS_ADMIN = 7, 21
FIRST_USER = 2_000_000_000
"""User ids that no account, service or container is given: one of them is added to the process id."""
NAMESPACES = system.CLONE_NEWNS | system.CLONE_NEWPID | system.CLONE_NEWNET | system.CLONE_NEWIPC | system.CLONE_NEWUTS
OF_THE_MACHINE = ("cpuinfo", "meminfo", "stat", "uptime", "version", "filesystems")
"""Files of /proc that tell nothing of other processes."""
SPARE_ADDRESSES = 2
"""Addresses that may be reserved for each byte that may be allocated: stacks and pools take more than they use."""


def enter(policy: Policy, directory: Path) -> Place:
    """Raise the walls of the policy around this process. `directory` is empty and this process's own.

    With namespaces it returns in a child of the caller, which itself never returns: it waits for that child, ends as
    it ended, and takes it with it when it is killed. Raises OSError where Linux does not give what the policy asks for.

    Example: `enter(Policy(layers()), Path("/tmp/kernel-1")).home`
    """
    if (threads := len(os.listdir("/proc/self/task"))) != 1:
        raise OSError(f"walls would stand around one of {threads} threads")
    visible = view(gpu=policy.gpu)
    isolated = "namespaces" in policy.layers
    user, group = os.getuid(), os.getgid()
    if own_user := "user" in policy.layers:
        if not _has(CAP_SETUID):
            raise PermissionError("only root can give a process a user of its own")
        user = group = FIRST_USER + os.getpid()
    Path("/proc/self/oom_score_adj").write_text("1000")  # where memory gets scarce, this process goes first
    alive = _isolate() if isolated else None
    place = mounts.build(policy, visible, directory, user, group) if isolated else _furnish(directory, user, group)
    if "capabilities" in policy.layers:
        with suppress(PermissionError):  # without CAP_SETPCAP there is nothing to drop
            system.drop_bounding_set()
    if own_user:
        os.setgroups([])
        os.setresgid(group, group, group)
        os.setresuid(user, user, user)
    if "capabilities" in policy.layers:
        system.drop_capabilities()
    counted = isolated and user != 0  # Linux never counts the processes of root
    if "rlimits" in policy.layers:
        _limit(policy, counted=counted)
    system.prctl(system.PR_SET_NO_NEW_PRIVS, 1)
    system.prctl(system.PR_SET_DUMPABLE, 1)  # else the files in /proc/self belong to root
    if "landlock" in policy.layers:
        _list_files(policy, place, visible, isolated=isolated)
    system.prctl(system.PR_SET_PDEATHSIG, signal.SIGKILL)  # here, because a change of user forgets it
    if alive is not None:
        _check_alive(alive)
    if "seccomp" in policy.layers:
        system.seccomp(seccomp.program(isolated=isolated, processes=counted, gpu=policy.gpu))
    return place


def _has(capability: int) -> bool:
    return bool(system.capabilities() >> capability & 1)


def _isolate() -> int:
    """Go on in a child with namespaces of its own; a descriptor that ends with the process outside."""
    flags = NAMESPACES
    if not _has(CAP_SYS_ADMIN):
        flags |= system.CLONE_NEWUSER
    user, group = os.getuid(), os.getgid()
    system.unshare(flags)
    if flags & system.CLONE_NEWUSER:
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"{user} {user} 1")
        Path("/proc/self/gid_map").write_text(f"{group} {group} 1")
        system.prctl(system.PR_SET_PDEATHSIG, signal.SIGKILL)
    alive, held = os.pipe()
    if child := os.fork():
        _wait_outside(child, held)
    os.close(held)
    system.sethostname("student")
    return alive


def _wait_outside(child: int, held: int) -> NoReturn:
    """Wait for the child, and end as it did. What interrupts the child does not concern this process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.closerange(0, held)
    os.closerange(held + 1, os.sysconf("SC_OPEN_MAX"))
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    os._exit(status if status >= 0 else 128 - status)


def _check_alive(alive: int) -> None:
    """End where the process outside has ended before it could take this one with it."""
    os.set_blocking(alive, False)
    with suppress(BlockingIOError):
        os.read(alive, 1)  # nothing is ever written: it would block, or it is at its end
        os._exit(1)
    os.close(alive)


def _furnish(directory: Path, user: int, group: int) -> Place:
    """Without namespaces: the same places on the disk of the machine."""
    place = Place(directory, directory / "work", directory / "tmp", directory)
    for path in (place.home, place.temporary):
        path.mkdir()
    if user != os.getuid():
        for path in (place.home, place.temporary, directory):
            os.chown(path, user, group)
    return place


def _limit(policy: Policy, *, counted: bool) -> None:
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    used = {name: 1024 * int(status[name].split()[0]) for name in ("VmSize", "VmData")}
    limits = {
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_CPU: int(policy.limits.cpu_seconds),
        resource.RLIMIT_FSIZE: policy.limits.file_bytes,
        resource.RLIMIT_NOFILE: policy.limits.open_files,
        resource.RLIMIT_DATA: used["VmData"] + policy.limits.memory_bytes,
        resource.RLIMIT_MSGQUEUE: 0,
    }
    if not policy.gpu:  # CUDA reserves as many addresses as the machine has memory
        limits[resource.RLIMIT_AS] = used["VmSize"] + SPARE_ADDRESSES * policy.limits.memory_bytes
    if counted:
        limits[resource.RLIMIT_NPROC] = policy.limits.processes
    for limit, value in limits.items():
        hardest = resource.getrlimit(limit)[1]
        value = value if hardest == resource.RLIM_INFINITY else min(value, hardest)
        resource.setrlimit(limit, (value, value))


def _list_files(policy: Policy, place: Place, visible: View, *, isolated: bool) -> None:
    devices = [Path("/dev", name) for name in mounts.DEVICES] + (mounts.gpu_devices() if policy.gpu else [])
    if isolated:
        landlock.restrict([(Path("/"), True)], [*mounts.WRITABLE, *devices])
        return
    own = [Path("/proc/self"), *(Path("/proc", name) for name in OF_THE_MACHINE)]
    readable = [*visible.readable(), *((path, True) for path in own)]
    landlock.restrict(readable, [place.directory, *devices])
