"""More of everything than there is: processes, threads, memory, disk, files, descriptors, time."""

from tests.hostile.case import ONE, Case
from tests.hostile.families.escape import TRY_ALL

SPINNING = "did not end within 2 seconds"

CASES = [
    Case(
        "a fork bomb",
        """
import os, time
for _ in range(5000):
    try:
        if os.fork() == 0:
            while True:
                try: os.fork()
                except OSError: time.sleep(1)
    except OSError: break
""",
    ),
    Case(
        "a bomb of threads",
        """
import threading
try:
    for _ in range(5000): threading.Thread(target=threading.Event().wait, daemon=True).start()
except RuntimeError: pass
""",
    ),
    Case("one array of 64 GB", "try: x = bytearray(64 * 2**30)\nexcept MemoryError: pass"),
    Case("all memory, and kept", "hoard = []\nwhile True: hoard.append(bytearray(2**20))", says="ran out of memory"),
    Case(
        "memory that is shared, mapped, locked and piped",
        TRY_ALL
        + """
import ctypes, mmap, os
kept, ends = [], []
def pipes():
    for _ in range(500):
        ends.extend(os.pipe()); os.set_blocking(ends[-1], False); kept.append(os.write(ends[-1], bytes(2**20)))
def maps():
    for _ in range(99): kept.append(mmap.mmap(-1, 2**30)); kept[-1].write(bytes(2**20))
try_all(lambda: kept.append(mmap.mmap(-1, 2**36)), maps, pipes, lambda: os.memfd_create("x"),
        lambda: ctypes.CDLL(None).mlockall(3))
kept.clear()
for end in ends: os.close(end)
""",
    ),
    Case(
        "the disks are filled",
        TRY_ALL
        + """
import os, tempfile
def fill(place):
    for number in range(999):
        with open(f"{place}/@MARK@{number}", "wb", 0) as file:
            while file.write(bytes(2**20)): pass
try_all(*(lambda p=p: fill(p) for p in ("/dev/shm", "/var/tmp", os.path.dirname(os.environ["IPYTHONDIR"]))))
if os.getpid() == 1: try_all(lambda: fill("/tmp"), lambda: fill("."))
""",
    ),
    Case(
        "a directory of many files, and one that is a thousand deep",
        """
import os
try:
    for number in range(20_000): open(f"f{number}", "w").close()
except OSError: pass
try:
    for _ in range(1100): os.mkdir("d"); os.chdir("d")
except OSError: pass
""",
    ),
    Case(
        "every descriptor is used up, and given back",
        """
import os
files = []
try:
    while True: files.append(os.open("/dev/null", 0))
except OSError: pass
for file in files: os.close(file)
""",
    ),
    Case("a sparse file of a terabyte", "try: open('big', 'wb').truncate(2**40)\nexcept OSError: pass"),
    Case("an endless loop", first="while True: pass", points=ONE, seconds=16, says=SPINNING),
    Case(
        "an endless loop in C, which heeds no interrupt",
        first="import re; re.match('(a*)*' * 12 + 'b', 'a' * 40)",
        points=ONE,
        seconds=16,
        says=SPINNING,
    ),
    Case(
        "an endless wait", first="import asyncio; await asyncio.Event().wait()", points=ONE, seconds=16, says=SPINNING
    ),
    Case(
        "an endless loop within an event loop in an own cell",
        "async def f():\n    while True: pass\nawait f()",
        seconds=16,
    ),
    Case(
        "an endless answer",
        first="def soft_lookup(*arguments):\n    while True: pass",
        points=ONE,
        seconds=20,
        says="did not end within 2 seconds",
    ),
    Case(
        "threads that never stop, beside right answers",
        """
import threading
def spin():
    while True: pass
for _ in range(2): threading.Thread(target=spin, daemon=True).start()
""",
        seconds=20,
    ),
    Case(
        "the limits are raised again",
        TRY_ALL
        + """
import resource
for name in dir(resource):
    if name.startswith("RLIMIT_"): try_all(lambda: resource.setrlimit(getattr(resource, name), (-1, -1)))
try:
    x = bytearray(64 * 2**30)
    raise SystemError("BRE" + "ACH")
except MemoryError: pass
""",
    ),
]
