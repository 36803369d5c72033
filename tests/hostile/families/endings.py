"""Ends of processes: exits, crashes, signals, and helpers that are meant to outlive them."""

from tests.engine.notebooks import FIRST, SECOND
from tests.hostile.case import NOTHING, ONE, RIGHT, WRONG, Case, cheating
from tests.hostile.families.escape import TRY_ALL

ENDED = "ended the process"

CASES = [
    Case("sys.exit", "import sys; sys.exit(0)"),
    Case("SystemExit is raised in an answer", first="raise SystemExit(0)", points=ONE),
    Case("quit", "quit()"),
    Case("os._exit with success", first="import os; os._exit(0)", points=ONE, says=ENDED),
    Case("a segmentation fault", first="import ctypes; ctypes.string_at(0)", points=ONE, says=ENDED),
    Case("abort", first="import os; os.abort()", points=ONE, says=ENDED),
    Case(
        "the stack overflows in C",
        first="import ctypes, sys; sys.setrecursionlimit(10**9)\nf = lambda: f()\nf()",
        points=ONE,
        seconds=16,
    ),
    Case(
        "the process becomes another program",
        first="import os; os.execv('/bin/true', ['true'])",
        points=ONE,
        says=ENDED,
    ),
    Case(
        "a fault while it is checked",
        first="import ctypes\ndef soft_lookup(*a): ctypes.string_at(0)",
        points=ONE,
        says=ENDED,
    ),
    Case(
        "it forks, and the copy goes on as the kernel",
        first="import os\nif os.fork(): os._exit(0)",
        points=ONE,
        seconds=16,
    ),
    Case(
        "every signal to itself, its group, everybody and its parent",
        TRY_ALL
        + """
import os, signal
for number in set(signal.Signals) - {signal.SIGKILL, signal.SIGSTOP, signal.SIGINT}:
    try_all(lambda: signal.signal(number, signal.SIG_IGN))
for target in (os.getppid() or 2, -1, 2, 3, 100, 1000):
    for number in (signal.SIGKILL, signal.SIGTERM, signal.SIGSTOP):
        if target not in (os.getpid(), 0): try_all(lambda: os.kill(target, number))
""",
    ),
    Case("it stops itself", "import os, signal; os.kill(os.getpid(), signal.SIGSTOP)", seconds=16),
    Case("it kills itself", "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"),
    Case(
        "it leaves its group, ignores every signal and spins",
        first="""
import os, signal
try: os.setsid()
except OSError: pass
for number in set(signal.Signals) - {signal.SIGKILL, signal.SIGSTOP}: signal.signal(number, signal.SIG_IGN)
while True: pass
""",
        points=ONE,
        seconds=16,
        says="did not end within 2 seconds",
    ),
    Case(
        "daemons that refuse to die with it",
        TRY_ALL
        + """
import ctypes, os, signal, time
library = ctypes.CDLL(None)
def daemon():
    if os.fork() == 0:
        os.setsid()
        library.prctl(1, 0, 0, 0, 0); library.prctl(36, 1, 0, 0, 0)
        for number in set(signal.Signals) - {signal.SIGKILL, signal.SIGSTOP}: signal.signal(number, signal.SIG_IGN)
        if os.fork(): os._exit(0)
        while True: time.sleep(1)
try_all(daemon, daemon)
""",
    ),
    Case(
        "a thread that ends the process",
        "import os, threading, time; threading.Timer(0.1, os._exit, (0,)).start(); time.sleep(1)",
        seconds=16,
    ),
    cheating(
        "at its end it forges and hangs",
        """
import atexit, time
def forge():
    open("result.json", "w").write('{"points": 9}')
    while True: time.sleep(1)
atexit.register(forge)
""",
    ),
    Case(
        "it ends at each check, so that nothing can be compared",
        first=WRONG[FIRST],
        second="import os\ndef scaled_dot_product_attention(*a): os._exit(0)",
        points=NOTHING,
        seconds=20,
        says=ENDED,
    ),
    Case(
        "it ends in a destructor",
        "import os\nclass End:\n    def __del__(self): os._exit(0)\nEnd()",
        RIGHT[FIRST],
        RIGHT[SECOND],
    ),
]
