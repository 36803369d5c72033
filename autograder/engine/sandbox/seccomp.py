"""A filter on system calls, as the BPF program that Linux runs before each of them.

What is refused gets an error, and the process goes on: honest libraries try a call and do without it.
"""

from __future__ import annotations

import errno
import os
import struct
from dataclasses import dataclass

from autograder.engine.sandbox import system
from autograder.engine.sandbox.syscalls import NEWEST, machine, numbers

REFUSED = {
    "looks into, or acts on, other processes": """ptrace process_vm_readv process_vm_writev process_madvise
        process_mrelease kcmp pidfd_getfd migrate_pages move_pages perf_event_open lookup_dcookie""",
    "changes what the file system is, which the walls stand on": """mount umount2 pivot_root move_mount open_tree fsopen
        fsmount fsconfig fspick mount_setattr chroot setns unshare open_by_handle_at quotactl quotactl_fd acct
        swapon swapoff uselib ustat sysfs nfsservctl fanotify_init""",
    "changes the machine": """kexec_load kexec_file_load init_module finit_module delete_module ioperm iopl reboot
        clock_settime settimeofday adjtimex clock_adjtime sethostname setdomainname syslog vhangup""",
    "is where Linux was most often broken into, and serves no notebook": """bpf userfaultfd keyctl add_key request_key
        personality modify_ldt vmsplice mbind set_mempolicy set_mempolicy_home_node""",
}
ABSENT = {
    "does the work of other calls unseen": "io_uring_setup io_uring_enter io_uring_register",
    "takes memory that no limit counts, and reaches others' by number or by name": """memfd_secret shmget shmat shmctl
        semget semop semctl semtimedop msgget msgsnd msgrcv msgctl mq_open mq_unlink""",
    "takes its flags where a filter cannot read them; the C library then uses clone": "clone3",
}
UNCOUNTED = "memfd_create"
"""Memory that no limit counts as well, but CUDA's driver needs it."""
METADATA = """chown fchown lchown fchownat truncate setxattr lsetxattr fsetxattr removexattr lremovexattr
    fremovexattr"""
"""What Landlock lets pass (truncate until its third version): another file's owner and attributes."""
MODES_AND_TIMES = "chmod fchmod fchmodat utime utimes utimensat futimesat"
"""Landlock lets these pass as well. They say yes and do nothing, for whoever copies a file calls them."""
SIGNALS = "kill tgkill rt_sigqueueinfo rt_tgsigqueueinfo"
SCHEDULING = "sched_setaffinity sched_setparam sched_setscheduler sched_setattr"
"""Calls on the process, or the thread, of the first argument: without a namespace, on any of the same user. Those of
scheduling say yes and do nothing: ZeroMQ makes them for its threads, and takes a refusal for its end."""

NEW_NAMESPACES = sum(
    (
        *(system.CLONE_NEWUSER, system.CLONE_NEWNS, system.CLONE_NEWPID, system.CLONE_NEWNET),
        *(system.CLONE_NEWIPC, system.CLONE_NEWUTS, system.CLONE_NEWCGROUP),
    )
)
CLONE_THREAD = 0x10000
AF_UNIX, SOCK_STREAM, SOCK_KIND = 1, 1, 0xF
TIOCSTI, TIOCLINUX, FIOSETOWN, SIOCSPGRP = 0x5412, 0x541C, 0x8901, 0x8902
F_SETOWN, F_SETOWN_EX = 8, 15
PRIO_PROCESS, IOPRIO_WHO_PROCESS = 0, 1
ANY_BIT = 0xFFFFFFFF

ALLOW, ERROR = 0x7FFF0000, 0x00050000
LOAD, AND, RETURN, IF_EQUAL, IF_ABOVE = 0x20, 0x54, 0x06, 0x15, 0x25
NUMBER, ARCHITECTURE, ARGUMENTS = 0, 4, 16
"""Offsets in `struct seccomp_data`; an argument has eight bytes, of which the lower four come first."""


@dataclass(frozen=True)
class When:
    """Refuse with `error` if `argument & mask` is among `values`, or if it is not where `among` is False."""

    argument: int
    values: tuple[int, ...]
    error: int
    among: bool = True
    mask: int = ANY_BIT


def program(*, isolated: bool, processes: bool, gpu: bool) -> bytes:
    """The filter for this process. It may not be used in another one: it may hold this one's number.

    `isolated`: namespaces keep the process apart from all others. `processes`: it may start more of them.

    Example: `system.seccomp(program(isolated=True, processes=True, gpu=False))`
    """
    known, (_, architecture) = numbers(), machine()
    parts = [
        _step(LOAD, ARCHITECTURE) + _step(IF_EQUAL, architecture, 1, 0) + _refuse(errno.ENOSYS),
        _step(LOAD, NUMBER) + _step(IF_ABOVE, NEWEST, 0, 1) + _refuse(errno.ENOSYS),
    ]
    for name, error in _outright(isolated=isolated, processes=processes, gpu=gpu).items():
        if name in known:
            parts.append(_step(IF_EQUAL, known[name], 0, 1) + _refuse(error))
    for name, conditions in _sometimes(isolated=isolated, processes=processes).items():
        if name in known:
            body = b"".join(map(_condition, conditions)) + _step(RETURN, ALLOW)
            parts.append(_step(IF_EQUAL, known[name], 0, len(body) // 8) + body)
    return b"".join(parts) + _step(RETURN, ALLOW)


def _outright(*, isolated: bool, processes: bool, gpu: bool) -> dict[str, int]:
    calls = {name: errno.EPERM for names in REFUSED.values() for name in names.split()}
    calls |= {name: errno.ENOSYS for names in ABSENT.values() for name in names.split()}
    if not gpu:
        calls[UNCOUNTED] = errno.ENOSYS
    if not isolated:
        calls |= dict.fromkeys(MODES_AND_TIMES.split(), 0)
        calls |= dict.fromkeys([*METADATA.split(), "connect", "tkill", "pidfd_send_signal"], errno.EPERM)
    if not processes:
        calls |= dict.fromkeys(("fork", "vfork"), errno.EAGAIN)
    return calls


def _sometimes(*, isolated: bool, processes: bool) -> dict[str, list[When]]:
    unix_only = When(0, (AF_UNIX,), errno.EAFNOSUPPORT, among=False)
    calls = {
        "socket": [unix_only],
        "socketpair": [unix_only],
        "clone": [When(0, (0,), errno.EPERM, among=False, mask=NEW_NAMESPACES)],
        "ioctl": [When(1, (TIOCSTI, TIOCLINUX), errno.EPERM)],
        # says yes and does nothing: nobody may outlive the grader, and libraries ask for their helpers to die with them
        "prctl": [When(0, (system.PR_SET_PDEATHSIG,), 0)],
    }
    if not processes:
        calls["clone"].append(When(0, (0,), errno.EAGAIN, mask=CLONE_THREAD))
    if not isolated:
        stream = When(1, (SOCK_STREAM,), errno.EPERM, among=False, mask=SOCK_KIND)  # another kind needs no connect
        own = (os.getpid(),)
        calls["socket"].append(stream)
        calls["socketpair"].append(stream)
        calls["ioctl"].append(When(1, (FIOSETOWN, SIOCSPGRP), errno.EPERM))
        calls["fcntl"] = [When(1, (F_SETOWN, F_SETOWN_EX), errno.EPERM)]  # has Linux send a signal
        calls |= {name: [When(0, own, errno.EPERM, among=False)] for name in SIGNALS.split()}
        calls |= {name: [When(0, (0, *own), 0, among=False)] for name in SCHEDULING.split()}
        calls["prlimit64"] = [When(0, (0, *own), errno.EPERM, among=False)]
        itself = When(1, (0, *own), errno.EPERM, among=False)
        calls["setpriority"] = [When(0, (PRIO_PROCESS,), errno.EPERM, among=False), itself]
        calls["ioprio_set"] = [When(0, (IOPRIO_WHO_PROCESS,), errno.EPERM, among=False), itself]
    return calls


def _condition(when: When) -> bytes:
    """Instructions that refuse where the condition holds, and go on behind themselves where it does not."""
    refuse = _refuse(when.error)
    tests = b""
    for place, value in enumerate(when.values):
        behind = len(when.values) - place - 1  # tests that are still to come
        tests += _step(IF_EQUAL, value, behind if when.among else behind + 1, 0)
    if when.among:  # the last test decides: equal falls through to the refusal, another skips it
        tests = tests[:-8] + _step(IF_EQUAL, when.values[-1], 0, 1)
    return _step(LOAD, ARGUMENTS + 8 * when.argument) + _step(AND, when.mask) + tests + refuse


def _refuse(error: int) -> bytes:
    return _step(RETURN, ERROR | error)


def _step(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("HBBI", code, if_true, if_false, value)
