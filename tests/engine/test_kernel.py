"""One student's process: what it runs, and how it fails."""

from __future__ import annotations

import os
import subprocess
import time
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
import torch

from autograder.checks.request import Abstract, Answer, Request
from autograder.engine.kernel import Died, Kernel, TooLate, TooMuchOutput
from autograder.engine.limits import MIB
from autograder.engine.warm import WarmParent
from autograder.engine.wire import Malformed, decode_answer, encode_request
from tests.engine.conftest import LIMITS

DOUBLE = "import torch\ndef double(x):\n    return 2 * x"


def asked(kernel: Kernel, request: Request) -> Answer:
    data = encode_request(request)
    longest = kernel.longest_reply(data, LIMITS)
    return decode_answer(kernel.ask([data], [longest], LIMITS)[0], request, longest)


def test_a_cell_prints_shows_and_returns(kernel: Kernel) -> None:
    run = kernel.execute("print('hello')\n6 * 7", LIMITS)
    assert [output.get("text", output.get("data")) for output in run.outputs] == ["hello\n", {"text/plain": "42"}]
    assert (run.error, run.interrupted) == ("", False)


def test_plots_are_shown(kernel: Kernel) -> None:
    run = kernel.execute("import matplotlib.pyplot as plt\nplt.plot([1, 2])\nplt.show()", LIMITS)
    assert run.outputs[0]["data"]["image/png"].startswith("iVBOR")


def test_errors_are_told_and_the_state_stays(kernel: Kernel) -> None:
    assert kernel.execute("a = 1\nraise ValueError('no')", LIMITS).error == "ValueError: no"
    assert kernel.execute("a", LIMITS).outputs[0]["data"] == {"text/plain": "1"}
    assert kernel.execute("def f(:", LIMITS).error.startswith("SyntaxError")
    assert kernel.execute("import sys; sys.exit(0)", LIMITS).error == "SystemExit: 0"
    assert kernel.execute("input()", LIMITS).error.startswith("StdinNotImplementedError")


def test_a_program_answers_requests(kernel: Kernel) -> None:
    kernel.execute(DOUBLE, LIMITS)
    x = torch.tensor([1.0, 2.0])
    answer = asked(kernel, Request("double", (x,), upstream=(torch.ones(2),)))
    assert torch.equal(answer.output, 2 * x)  # type: ignore[arg-type]
    assert torch.equal(answer.argument_gradients[0], torch.full((2,), 2.0))  # type: ignore[arg-type]
    assert asked(kernel, Request("double", (x,), elsewhere=True)).output == Abstract((2,), "torch.float32", "meta")
    missing = asked(kernel, Request("triple")).failure
    assert missing is not None
    assert missing.message == "triple is not defined"


def test_a_kept_definition_survives_its_replacement(kernel: Kernel) -> None:
    kernel.execute(DOUBLE, LIMITS)
    assert kernel.keep("double", LIMITS)
    assert not kernel.keep("triple", LIMITS)
    kernel.execute("double = None", LIMITS)
    assert asked(kernel, Request("double", (3,))).output == 6


def test_what_is_too_large_to_send_is_an_error_of_the_program(kernel: Kernel) -> None:
    kernel.execute("import torch\ndef zeros(n): return torch.zeros(n)", LIMITS)
    failure = asked(kernel, Request("zeros", (10 * MIB,))).failure
    assert failure is not None
    assert failure.type_name == "TooLarge"


def test_the_seed_decides_random_numbers(parent: WarmParent) -> None:
    drawn = []
    for seed in (1, 1, 2):
        kernel = Kernel(parent, LIMITS, seed=seed, device="cpu")
        code = "import random, numpy, torch\nrandom.random(), numpy.random.rand(), torch.rand(1).item()"
        drawn.append(kernel.execute(code, LIMITS).outputs[0]["data"]["text/plain"])
        kernel.close()
    assert drawn[0] == drawn[1] != drawn[2]


def test_the_process_holds_no_check_no_solution_and_no_secret(kernel: Kernel) -> None:
    code = "import os, sys\nprint(*sys.modules)\nprint(*os.environ.items())"
    modules, environment = kernel.execute(code, LIMITS).outputs[0]["text"].splitlines()
    assert "autograder.engine.kernel_side" in modules
    assert not [name for name in modules.split() if name.startswith(("solutions", "autograder.bank"))]
    assert os.environ["COURSE_TOKEN"] not in environment


@pytest.mark.parametrize("code", ["import os; os._exit(0)", "exit()", "quit()", "import ctypes; ctypes.string_at(0)"])
def test_ending_the_process_is_noticed(code: str, kernel: Kernel) -> None:
    with pytest.raises(Died):
        kernel.execute(code, LIMITS)


@pytest.mark.parametrize("code", ["while True: pass", "import asyncio; await asyncio.sleep(99)"])
def test_a_cell_that_heeds_an_interrupt_leaves_the_state(code: str, kernel: Kernel) -> None:
    kernel.execute("a = 1", LIMITS)
    assert kernel.execute(code, LIMITS).interrupted
    assert kernel.execute("a", LIMITS).outputs[0]["data"] == {"text/plain": "1"}


@pytest.mark.parametrize(
    "code",
    [
        "import time\nwhile True:\n    try: time.sleep(99)\n    except BaseException: pass",
        "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)\nwhile True: pass",
    ],
)
@pytest.mark.slow
def test_a_cell_that_heeds_nothing_is_too_late(code: str, kernel: Kernel) -> None:
    start = time.monotonic()
    with pytest.raises(TooLate, match="did not end within 3 seconds"):
        kernel.execute(code, LIMITS)
    assert time.monotonic() - start < 7


@pytest.mark.parametrize(
    "code",
    [
        "while True: print('x' * 1000)",
        "import sys\nwhile True: sys.stderr.write('x' * 1000)",
        "for i in range(100_000): display(i)",
        "import os\nwhile True: os.write(1, b'x' * 10_000)",
        "print('x' * 100_000_000)",
    ],
)
@pytest.mark.slow
def test_a_flood_is_stopped(code: str, kernel: Kernel) -> None:
    before = psutil.Process().memory_info().rss
    with pytest.raises(TooMuchOutput):
        kernel.execute(code, LIMITS.changed({"cell_seconds": 60}))
    assert psutil.Process().memory_info().rss - before < 800 * MIB


@pytest.mark.slow
def test_a_message_without_an_end_is_stopped(kernel: Kernel) -> None:
    code = """
    import threading, zmq
    socket = get_ipython().kernel.iopub_thread.socket
    def flood():
        while True: socket.send(b"x" * (4 << 20), zmq.SNDMORE)
    get_ipython().kernel.iopub_thread.schedule(flood)
    import time; time.sleep(99)
    """
    before = psutil.Process().memory_info().rss
    with pytest.raises(TooMuchOutput, match="one endless message"):
        kernel.execute(code, LIMITS.changed({"cell_seconds": 60}))
    assert psutil.Process().memory_info().rss - before < 2048 * MIB


def test_a_check_that_never_ends_is_too_late(kernel: Kernel) -> None:
    kernel.execute("def forever():\n    while True: pass", LIMITS)
    with pytest.raises(TooLate):
        asked(kernel, Request("forever"))


def test_a_check_in_which_the_process_ends_is_noticed(kernel: Kernel) -> None:
    kernel.execute("import os\ndef leave(): os._exit(0)", LIMITS)
    with pytest.raises(Died):
        asked(kernel, Request("leave"))
    with pytest.raises(Died):
        kernel.execute("1", LIMITS)


@pytest.mark.parametrize("lie", ["b''", "b'x' * 100", "bytes(8) + b'{}'"])
def test_a_forged_answer_is_malformed(lie: str, kernel: Kernel) -> None:
    forge = f"import autograder.engine.kernel_side as side\nside.encode_answer = lambda answer, longest: {lie}"
    kernel.execute(forge, LIMITS)
    with pytest.raises(Malformed):
        asked(kernel, Request("f"))


def test_garbage_on_the_wire_is_ignored(kernel: Kernel) -> None:
    code = """
    kernel = get_ipython().kernel
    for frames in ([b"x"], [b"<IDS|MSG>"], [b"a", b"<IDS|MSG>", b"s", b"[" * 9999, b"{}", b"{}", b"{}"],
                   [b"<IDS|MSG>", b"", b"{}", b"[]", b"1", b"null"]):
        kernel.iopub_thread.send_multipart(frames)
    print("still here")
    """
    assert kernel.execute(code, LIMITS).outputs[0]["text"] == "still here\n"


def test_what_a_notebook_needs_works_in_a_fork(kernel: Kernel) -> None:
    code = """
    import torch
    from torch.utils.data import DataLoader
    torch.set_num_threads(2)
    x = torch.randn(600, 600)
    assert (x @ x).exp().shape == (600, 600)
    assert [batch.tolist() for batch in DataLoader(torch.arange(4), batch_size=2, num_workers=2)] == [[0, 1], [2, 3]]
    await __import__("asyncio").sleep(0)
    """
    assert kernel.execute(code, LIMITS.changed({"cell_seconds": 30})).error == ""


def test_memory_has_a_limit(kernel: Kernel) -> None:
    assert kernel.execute("x = bytearray(64 * 2**30)", LIMITS).error.startswith("MemoryError")


def test_nothing_is_left_behind(parent: WarmParent) -> None:
    kernel = Kernel(parent, LIMITS, seed=1, device="cpu")
    code = """
    import os, subprocess, sys, time
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(999)"], start_new_session=True)
    reading, writing = os.pipe()
    if os.fork() == 0:
        os.setsid()
        if (daemon := os.fork()) == 0:
            time.sleep(999)
        os.write(writing, str(daemon).encode())
        os._exit(0)
    deep = "."
    for i in range(1100):
        os.mkdir("d"); os.chdir("d")
    print(os.read(reading, 99).decode())
    """
    assert kernel.execute(code, LIMITS).error == ""
    processes = psutil.Process(parent.pid).children(recursive=True)
    directory: Path = kernel._fork.directory
    assert len(processes) >= 3
    assert directory.exists()
    kernel.close()
    assert not any(process.is_running() for process in processes)
    assert not directory.exists()


def test_killing_everybody_hits_only_itself(parent: WarmParent) -> None:
    with subprocess.Popen(["sleep", "99"]) as other:
        kernel = Kernel(parent, LIMITS, seed=1, device="cpu")
        with suppress(Died):  # with namespaces it cannot even hit itself
            kernel.execute("import os, signal; os.kill(-1, signal.SIGKILL); os.kill(0, signal.SIGKILL)", LIMITS)
        kernel.close()
        assert other.poll() is None
        other.kill()
    kernel = Kernel(parent, LIMITS, seed=1, device="cpu")
    assert kernel.execute("1", LIMITS).error == ""
    kernel.close()
