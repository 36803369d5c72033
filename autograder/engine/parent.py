"""The warm parent itself: a process that imports what notebooks need, once, and forks a kernel for each submission.

It runs no student code, no tensor operation, no thread and no event loop, and it holds no secret: all that it has is in
every fork. `python -m autograder.engine.parent DESCRIPTOR` speaks JSON over the packet socket of that number:

    {"fork": {…}} and the writing end of a pipe  →  {"pid", "directory"} and a descriptor of the process;
        into the pipe goes "ready" and where its sockets are when it can be connected to, or why it could not be made
    {"interrupt": pid}                           →  {} once the process group has been sent SIGINT
    {"end": pid}                                 →  {"cpu_seconds"} once it and all that it started are gone
"""

from __future__ import annotations

import gc
import json
import os
import signal
import socket
import sys
import tempfile
import traceback
from contextlib import suppress
from importlib import import_module
from itertools import count
from pathlib import Path
from typing import Any

import psutil

from autograder.engine import sandbox
from autograder.engine.process import adopt_orphans, die_with
from autograder.engine.scratch import remove, scratch

PASSED_ON = ("PATH", "HOME", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR", "LD_LIBRARY_PATH", "CUDA_VISIBLE_DEVICES")
SETTINGS = {
    "OMP_NUM_THREADS": "1",  # an OpenMP region in the parent with more threads would hang every fork
    "OPENBLAS_NUM_THREADS": "1",  # else numpy starts threads when it is imported
    "MKL_NUM_THREADS": "1",
    "MPLBACKEND": "Agg",
    "PYTHONHASHSEED": "0",
    "PYTORCH_NVML_BASED_CUDA_CHECK": "1",  # else asking for a GPU initialises CUDA, which no fork survives
    "HF_HUB_OFFLINE": "1",
    "HF_DATASETS_OFFLINE": "1",
}
PRELOADED = (
    *("ipykernel.kernelapp", "ipykernel.ipkernel", "ipykernel.zmqshell", "IPython.core.history", "sqlite3"),
    *("IPython.core.completerlib", "IPython.core.debugger", "IPython.core.oinspect", "IPython.utils.wildcard"),
    *("IPython.extensions.storemagic", "IPython.core.pylabtools", "tornado.platform.asyncio", "psutil", "comm"),
    *("numpy", "torch", "torch.testing", "torch._dynamo", "torch.utils.data"),
    *("matplotlib", "matplotlib.pyplot", "matplotlib.backends.backend_agg", "matplotlib.font_manager"),
    *("matplotlib_inline.backend_inline", "PIL.PngImagePlugin", "einops", "jaxtyping", "tqdm.auto", "lookback"),
    "autograder.engine.kernel_side",
)
UNTRUSTED_MAY_NOT_SEE = ("solutions", "autograder.bank")
CHANNELS = ("shell", "iopub", "stdin", "control", "hb")
LONGEST_DIRECTORY = 90
"""The address of a Unix socket has 107 bytes."""


class Unfit(RuntimeError):
    """This process is no parent to fork from: the reason is the message."""


def preload() -> None:
    """Import everything, and run nothing. Raises Unfit."""
    if foreign := os.environ.keys() - {*PASSED_ON, *SETTINGS}:
        raise Unfit(f"its environment holds {', '.join(sorted(foreign))}, which students need not see")
    sys.modules["debugpy"] = None  # type: ignore[assignment]  # no debugger: 0.1 s less for each kernel
    for name in PRELOADED:
        import_module(name)
    sys.modules["matplotlib.backends"].backend_registry.list_all()  # reads what packages declare: 10 ms for each kernel
    kernelapp: Any = sys.modules["ipykernel.kernelapp"]
    thread = kernelapp.IOPubThread
    kernelapp.IOPubThread = lambda socket, pipe, session: thread(socket, pipe=False, session=session)  # a pipe is TCP
    check_fit()


def check_fit() -> None:
    """Raise Unfit where a fork of this process would hang, or would hold what a student must not see."""
    threads = len(os.listdir("/proc/self/task"))
    if threads != 1:
        raise Unfit(f"it has {threads} threads, and a fork has only one: the others' locks would never be released")
    if sys.modules["torch"].cuda.is_initialized():
        raise Unfit("it has initialised CUDA, which does not survive a fork")
    if secret := [name for name in sys.modules if name.startswith(UNTRUSTED_MAY_NOT_SEE)]:
        raise Unfit(f"it has imported {', '.join(secret)}, which students must not see")


def serve(control: socket.socket, base: Path) -> None:
    """Obey until the owner goes away."""
    kernels: dict[int, Path] = {}
    made = count()
    try:
        while True:
            data, descriptors, _, _ = socket.recv_fds(control, 4096, 1)
            if not data:
                return
            order = json.loads(data)
            if "fork" in order:
                directory = base / str(next(made))
                pid = _fork(order["fork"], descriptors[0], directory)
                kernels[pid] = directory
                handle = os.pidfd_open(pid)
                socket.send_fds(control, [json.dumps({"pid": pid, "directory": str(directory)}).encode()], [handle])
                os.close(handle)
                os.close(descriptors[0])
            elif order.get("interrupt") in kernels:
                os.killpg(order["interrupt"], signal.SIGINT)
                control.send(b"{}")
            elif (pid := order.get("end")) in kernels:
                control.send(json.dumps({"cpu_seconds": _end(pid, kernels.pop(pid))}).encode())
    finally:
        for pid, directory in kernels.items():
            _end(pid, directory)


def _fork(order: dict[str, Any], ready: int, directory: Path) -> int:
    check_fit()
    directory.mkdir(mode=0o700)
    parent = os.getpid()
    if pid := os.fork():
        return pid
    try:
        _become_kernel(order, ready, directory, parent)
    except BaseException:
        os.write(ready, traceback.format_exc()[-2000:].encode())
    finally:
        os._exit(1)


def _become_kernel(order: dict[str, Any], ready: int, directory: Path, parent: int) -> None:
    os.setsid()
    die_with(parent)
    nothing = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nothing, stream)
    os.dup2(ready, 3)  # a copy is inherited by what follows; every other descriptor is closed
    os.closerange(4, os.sysconf("SC_OPEN_MAX"))
    ready = 3
    place = sandbox.enter(sandbox.Policy.from_json(order["policy"]), directory)
    os.chdir(place.home)
    os.environ |= {"HOME": str(place.home), "TMPDIR": str(place.temporary), **order["environment"]}
    os.environ["IPYTHONDIR"] = str(place.directory / "ipython")
    tempfile.tempdir = None  # chosen before, for the parent
    for module, seed in (("random", "seed"), ("numpy.random", "seed"), ("torch", "manual_seed")):
        getattr(sys.modules[module], seed)(order["seed"])
    application = _application(place.directory, order["key"])
    os.write(ready, f"ready {place.outside}".encode())
    os.close(ready)
    application.start()


def _application(directory: Path, key: str) -> Any:
    """A kernel whose sockets are bound, in `directory`."""
    from ipykernel.kernelapp import IPKernelApp
    from traitlets.config import Config

    settings = Config()
    settings.IPKernelApp.update(
        kernel_class="autograder.engine.kernel_side.StudentKernel",
        connection_file=str(directory / "connection.json"),
        transport="ipc",
        ip=str(directory / "s"),
        **{f"{name}_port": number for number, name in enumerate(CHANNELS, 1)},
    )
    settings.Session.key = key.encode()
    settings.HistoryManager.enabled = False
    settings.InteractiveShell.colors = "nocolor"
    application: Any = IPKernelApp.instance(config=settings)
    application.initialize([])
    inline = "module://matplotlib_inline.backend_inline"  # the parent chose a backend that shows nothing
    os.environ["MPLBACKEND"] = inline
    sys.modules["matplotlib"].use(inline, force=True)
    sys.modules["matplotlib_inline.backend_inline"]._enable_matplotlib_integration()
    return application


def _end(pid: int, directory: Path) -> float:
    """Kill a kernel and all that it left behind, remove its directory; the CPU seconds that they took."""
    with suppress(ProcessLookupError):  # it ended before it had a group
        os.killpg(pid, signal.SIGKILL)
    os.kill(pid, signal.SIGKILL)
    usages = [os.wait4(pid, 0)[2]]
    with suppress(ChildProcessError):  # raised when no child is left: every orphan has become a child of this process
        while True:
            ended, _, usage = os.wait4(-1, os.WNOHANG)
            if ended:
                usages.append(usage)
                continue
            for orphan in psutil.Process().children():
                orphan.kill()
            usages.append(os.wait4(-1, 0)[2])
    remove(directory)
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def check_short(directory: Path) -> None:
    """Raise Unfit where the sockets in this directory could not be reached."""
    if len(str(directory)) > LONGEST_DIRECTORY:
        raise Unfit(f"the address of a socket in {directory} would be too long; set TMPDIR to a shorter path")


def main() -> None:
    control = socket.socket(fileno=int(sys.argv[1]))
    with suppress(ConnectionError), scratch() as base:  # broken or reset where the owner has gone
        try:
            check_short(base)
            preload()
            adopt_orphans()
        except Unfit as error:
            control.send(json.dumps({"unfit": str(error)}).encode())
            return
        gc.collect()
        gc.freeze()
        control.send(json.dumps({"ready": os.getpid()}).encode())
        serve(control, base)


if __name__ == "__main__":
    main()
