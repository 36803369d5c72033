"""Life behind the walls: what there is, how much of it, and that it ends."""

from __future__ import annotations

import os
from pathlib import Path

import psutil

from autograder.engine.limits import MIB, Limits
from tests.engine.sandbox.behind import CALL, TRY, World, run, start


def test_walls_around_one_of_two_threads_are_refused(world: World) -> None:
    code = "import threading; threading.Thread(target=threading.Event().wait, daemon=True).start(); again()"
    again = "from autograder.engine.sandbox import Policy, enter\ndef again(): enter(Policy(()), place.home)\n"
    assert "walls would stand around one of 2 threads" in run(world, again + code)[1]


def test_what_a_notebook_needs_is_there(world: World) -> None:
    code = """
import getpass, importlib.util, os, pathlib, random, subprocess, sys, tempfile, zoneinfo
for name in ("lookback", "torch", "numpy"):
    pathlib.Path(importlib.util.find_spec(name).origin).read_bytes()
import decimal, sqlite3, uuid  # not imported before
pathlib.Path("mine").write_text("x")
pathlib.Path(place.temporary, "mine").write_text("x")
open("/dev/null", "w").write("x")
open("/dev/urandom", "rb").read(4)
assert os.listdir("/proc/self/fd") and os.cpu_count() and open("/proc/meminfo").read()
print("fine")
"""
    assert run(world, code) == (0, "fine")


def test_a_program_can_start_others_where_they_can_be_counted(world: World) -> None:
    code = "import subprocess, sys; print(subprocess.run([sys.executable, '-c', 'print(6*7)'], stdout=-1).stdout)"
    expected = "b'42\\n'" if world.isolated else "BlockingIOError"
    assert expected in run(world, code)[1]


def test_memory_is_limited_in_every_form(world: World) -> None:
    code = (
        TRY
        + """
import ctypes, mmap, os
for form in (lambda: bytearray(2**32), lambda: ctypes.create_string_buffer(2**31 - 1) and bytearray(2**31)):
    try: form(); print("done")
    except MemoryError: print("MemoryError")
print(attempt(mmap.mmap, -1, 2**34), attempt(os.memfd_create, "x"))
"""
    )
    output = run(world, code, limits=Limits(memory_bytes=512 * MIB))[1]
    assert output.split() == ["MemoryError", "MemoryError", "ENOMEM", "ENOSYS"]


def test_files_are_limited(world: World) -> None:
    code = (
        TRY
        + """
import os, pathlib
def fill(directory, megabytes, files):
    for number in range(files):
        with open(directory / f"f{number}", "wb") as file:
            for _ in range(megabytes): file.write(bytes(2**20))
print(attempt(fill, place.home, 9, 1))
print(attempt(fill, place.temporary, 3, 9) if arguments[0] == "True" else "ENOSPC")
print(attempt(lambda: [os.open("/dev/null", 0) for _ in range(500)]))
"""
    )
    limits = Limits(file_bytes=8 * MIB, disk_bytes=20 * MIB)
    assert run(world, code, str(world.isolated), limits=limits)[1].split() == ["EFBIG", "ENOSPC", "EMFILE"]


def test_a_fork_bomb_ends_at_the_limit(world: World) -> None:
    code = (
        TRY
        + """
import os, time
def bomb():
    global made
    for made in range(1000):
        if os.fork() == 0: time.sleep(99)
print(attempt(bomb), made)
"""
    )
    error, made = run(world, code, limits=Limits(processes=20))[1].split()
    may_fork = world.isolated and (world.ordinary or os.getuid() != 0 or "user" in world.layers)
    assert error == "EAGAIN"
    assert int(made) in ((18, 19) if may_fork else (0,))  # the process outside may be one of those that count


def test_cpu_time_is_limited_and_no_core_is_left(world: World) -> None:
    ended, output = run(world, "print('on', flush=True)\nwhile True: pass", limits=Limits(cpu_seconds=1))
    assert (ended, output) in [(128 + 9, "on"), (-9, "on")]
    assert run(world, "import resource; print(resource.getrlimit(resource.RLIMIT_CORE))") == (0, "(0, 0)")


def test_it_dies_with_the_process_outside_whatever_it_does(world: World) -> None:
    code = (
        CALL
        + """
import signal, sys, time
for number in set(signal.Signals) - {signal.SIGKILL, signal.SIGSTOP}: signal.signal(number, signal.SIG_IGN)
call("prctl", 1, 0, 0, 0, 0)
attempt(os.setsid)
if sys.argv and attempt(os.fork) == "done": attempt(os.setsid)
os.write(1, b"ready\\n")  # in one piece, for both of them say it
while True: time.sleep(99)
"""
    )
    with start(world, code, limits=Limits()) as process:
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
        inside = psutil.Process(process.pid).children(recursive=True)
        assert bool(inside) == world.isolated
        process.kill()
        assert psutil.wait_procs(inside, timeout=10)[1] == []


def test_its_directory_can_be_reached_from_outside(world: World) -> None:
    code = "import time; (place.directory / 'socket').write_text('x'); print(place.outside, flush=True); time.sleep(99)"
    with start(world, code, limits=Limits()) as process:
        assert process.stdout
        outside = Path(process.stdout.readline().strip())
        assert (outside / "socket").read_text() == "x"
        assert outside.is_relative_to("/proc") == world.isolated
        process.kill()
