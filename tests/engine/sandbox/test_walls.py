"""Each wall run against: with namespaces and without, as root and as an ordinary user."""

from __future__ import annotations

import os
import platform
import socket
import time
from pathlib import Path

import pytest

from autograder.engine.sandbox.seccomp import ABSENT, METADATA, MODES_AND_TIMES, REFUSED
from autograder.engine.sandbox.syscalls import numbers
from autograder.engine.sandbox.view import View, view
from tests.engine.sandbox.behind import ALONE, CALL, ROOT, TRY, World, missing, open_way, run


def test_the_course_and_the_rest_of_the_machine_are_not_there(world: World, gradebook: Path) -> None:
    secrets = [
        ROOT / "solutions/attention.py",
        ROOT / "assignments",
        ROOT / "autograder/bank",
        ROOT / ".git",
        gradebook,
    ]
    secrets += [Path("/etc/shadow"), Path("/etc/hostname"), Path(f"/proc/{os.getpid()}/environ")]
    code = TRY + "import os\nfor path in arguments: print(attempt(os.listdir if os.path.isdir(path) else open, path))"
    outcomes = run(world, code, *map(str, secrets))[1].split()
    assert len(outcomes) == len(secrets)
    assert set(outcomes) <= ({"ENOENT"} if world.isolated else {"EACCES", "ENOENT"})


def test_nothing_of_the_machine_can_be_changed(world: World, gradebook: Path) -> None:
    code = (
        TRY
        + """
import os, pathlib
from autograder.engine.sandbox import walls
def write(path): os.close(os.open(path, os.O_WRONLY))
print(*(attempt(write, path) for path in (walls.__file__, "/proc/sys/kernel/core_pattern", "/proc/self/mem")))
new = [pathlib.Path(os.__file__).with_name("new.py"), pathlib.Path("/usr/lib/new"), pathlib.Path("/new"),
       pathlib.Path("/etc/new"), pathlib.Path("/proc/sys/new"), pathlib.Path("/dev/new")]
print(*(attempt(path.write_text, "x") for path in new))
book = arguments[0]
acts = {
    "truncate": lambda: os.truncate(book, 0), "chown": lambda: os.chown(book, 1, 1), "remove": lambda: os.remove(book),
    "rename": lambda: os.rename(book, "mine"), "link": lambda: os.link(book, "mine"),
    "attributes": lambda: os.setxattr(book, "user.x", b"x"), "open": lambda: open(book, "a"),
    "mode": lambda: os.chmod(book, 0), "times": lambda: os.utime(book, (0, 0)),
}
print(*map(attempt, acts.values()))
"""
    )
    outcomes = run(world, code, str(gradebook))[1].split()
    assert len(outcomes) == 3 + 6 + 9
    if not world.isolated:
        assert outcomes[-2:] == ["done", "done"]  # which the fixture does not find to be true
        outcomes = outcomes[:-2]
    assert set(outcomes) <= {"EACCES", "ENOENT", "EROFS", "EPERM", "EXDEV"}


@pytest.mark.parametrize("family", ["AF_INET", "AF_INET6", "AF_NETLINK", "AF_PACKET", "AF_VSOCK", "AF_ALG"])
def test_there_is_no_network(world: World, family: str) -> None:
    code = TRY + f"import socket; print(attempt(socket.socket, socket.{family}))"
    assert run(world, code) == (0, "EAFNOSUPPORT")


def test_asking_for_a_name_fails_at_once(world: World) -> None:
    start = time.monotonic()
    output = run(world, "import socket; socket.getaddrinfo('example.org', 80)")[1]
    assert "gaierror" in output
    assert time.monotonic() - start < 5


def test_no_socket_of_the_machine_can_be_reached(world: World, gradebook: Path) -> None:
    directory = gradebook.parent
    with socket.socket(socket.AF_UNIX) as stream, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as datagram:
        with socket.socket(socket.AF_UNIX) as abstract:
            os.chdir(directory)  # an address has 107 bytes
            for path, listening in (("stream", stream), ("datagram", datagram)):
                listening.bind(path)
                os.chmod(path, 0o777)
            abstract.bind(f"\0{directory}")
            stream.listen()
            abstract.listen()
            code = (
                TRY
                + """
import os, socket
os.path.isdir(arguments[0]) and os.chdir(arguments[0])
def connect(kind, address): socket.socket(socket.AF_UNIX, kind).connect(address)
def send(address): socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)[0].sendto(b"x", address)
print(attempt(connect, socket.SOCK_STREAM, "stream"), attempt(connect, socket.SOCK_DGRAM, "datagram"))
print(attempt(send, "datagram"), attempt(connect, socket.SOCK_STREAM, "\\0" + arguments[0]))
"""
            )
        outcomes = run(world, code, str(directory))[1].split()
    assert len(outcomes) == 4
    assert set(outcomes) <= {"ENOENT", "EPERM", "EACCES", "ECONNREFUSED"}


def test_refused_calls_give_an_error_and_nothing_else(world: World) -> None:
    refused = [name for names in REFUSED.values() for name in names.split() if name in numbers()]
    absent = [name for names in ABSENT.values() for name in names.split() if name in numbers()]
    code = CALL + "print(*(attempt(call, name, *[0] * 6) for name in arguments))"
    outcomes = dict(zip(refused + absent, run(world, code, *refused, *absent)[1].split(), strict=True))
    assert outcomes == dict.fromkeys(refused, "EPERM") | dict.fromkeys(absent, "ENOSYS")


def test_new_namespaces_unknown_calls_and_foreign_calls_are_refused(world: World) -> None:
    code = (
        CALL
        + """
import signal
print(attempt(call, "clone", 0x10000000 | signal.SIGCHLD, 0, 0, 0, 0), attempt(call, 999), attempt(call, 0x40000027))
"""
    )
    assert run(world, code)[1].split() == ["EPERM", "ENOSYS", "ENOSYS"]


@pytest.mark.skipif(platform.machine() != "x86_64", reason="calls of another architecture exist on x86-64 only")
def test_the_32_bit_way_into_linux_is_shut(world: World) -> None:
    code = """
import ctypes, mmap
page = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
page.write(bytes.fromhex("b814000000" "cd80" "c3"))  # mov eax, 20 (getpid); int 0x80; ret
print(ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(page)))())
"""
    assert run(world, code) in [(0, "-38"), (139, "")]  # ENOSYS; or Linux itself has no such way


def test_other_processes_are_out_of_reach(world: World) -> None:
    code = (
        CALL
        + """
import fcntl, resource, signal, socket
other = int(arguments[0])
own, _ = socket.socketpair()
about = (ctypes.c_int * 32)(9, 0, -1)  # SI_QUEUE: what a program may send
attempt(os.sched_setaffinity, other, {0})
print(attempt(os.kill, other, 0), attempt(resource.prlimit, other, resource.RLIMIT_NOFILE, (0, 0)),
      attempt(os.setpriority, os.PRIO_PROCESS, other, 19), attempt(call, "tkill", other, 9),
      attempt(call, "tgkill", other, other, 9), attempt(call, "rt_sigqueueinfo", other, 9, ctypes.addressof(about)),
      attempt(fcntl.fcntl, own, fcntl.F_SETOWN, other), attempt(open, f"/proc/{other}/mem"))
attempt(os.kill, -1, signal.SIGKILL)
os.kill(os.getpid(), 0)
print("alive")
"""
    )
    processors = os.sched_getaffinity(0)
    *outcomes, last = run(world, code, str(os.getpid()))[1].split()
    assert last == "alive"
    assert len(outcomes) == 8
    assert set(outcomes) <= ({"ESRCH", "ENOENT"} if world.isolated else {"EPERM", "EACCES"})
    assert os.sched_getaffinity(0) == processors


def test_it_has_no_rights_left(world: World) -> None:
    code = """
status = dict(line.split(":\\t") for line in open("/proc/self/status").read().splitlines())
print(*(status[name].strip() for name in ("NoNewPrivs", "Seccomp", "CapEff", "CapPrm", "CapInh", "CapAmb")))
print(status["CapBnd"].strip(), *status["Uid"].split())
"""
    rights, (bounding, *users) = (line.split() for line in run(world, code)[1].splitlines())
    assert rights == ["1", "2", *["0" * 16] * 4]
    if world.isolated or (not world.ordinary and os.getuid() == 0):
        assert bounding == "0" * 16
    if "user" in world.layers:
        assert all(int(user) >= 2_000_000_000 for user in users)


def test_a_directory_of_the_search_path_is_shown_only_if_it_holds_libraries(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("course", "site-packages"):
        (tmp_path / name).mkdir()
        monkeypatch.syspath_prepend(tmp_path / name)
    assert tmp_path / "site-packages" in view().shown
    assert tmp_path / "course" not in view().shown


def test_what_is_hidden_inside_what_is_shown_stays_hidden(world: World, tmp_path: Path) -> None:
    for name in ("site/torch", "site/solutions", "site/solutions/public"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "code.py").write_text(name)
    shown = {tmp_path / "site", tmp_path / "site/solutions/public"}
    seen = View(view().shown | shown, frozenset({tmp_path / "site/solutions"}))
    open_way(tmp_path)
    code = (
        TRY
        + """
import os, pathlib
site = pathlib.Path(arguments[0])
print(*(attempt((site / name / "code.py").read_text) for name in ("torch", "solutions", "solutions/public")))
print(*sorted(os.listdir(site)))
"""
    )
    outcomes, names = run(world, code, str(tmp_path / "site"), view=seen)[1].splitlines()
    assert outcomes.split()[0] == "done"
    assert outcomes.split()[1] in {"ENOENT", "EACCES"}
    assert outcomes.split()[2] == "done"
    assert names == "solutions torch"


def test_other_files_modes_and_times_are_refused_without_namespaces() -> None:
    world = World(ALONE, ordinary=False)
    if reason := missing(world):
        pytest.skip(f"this machine lacks {reason}")
    answers = dict.fromkeys(METADATA.split(), "EPERM") | dict.fromkeys(MODES_AND_TIMES.split(), "done")
    answers = {name: answer for name, answer in answers.items() if name in numbers()}
    outcomes = run(world, CALL + "print(*(attempt(call, name, *[0] * 6) for name in arguments))", *answers)[1].split()
    assert dict(zip(answers, outcomes, strict=True)) == answers
