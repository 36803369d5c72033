"""A student's kernel as the judge holds it: a Jupyter client that waits for nothing without a deadline and a cap.

Whatever the kernel sends is a claim by the student's process. Nothing of it is unpickled, evaluated or waited for.
"""

from __future__ import annotations

import json
import os
import select
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import zmq
from jupyter_client.session import Session as Signer

from autograder.engine.limits import MIB, Limits
from autograder.engine.outputs import Outputs, failure
from autograder.engine.warm import ParentGone, WarmParent
from autograder.engine.wire import Malformed

DELIMITER = b"<IDS|MSG>"
GLANCE_SECONDS = 0.25
"""How often a wait looks at the memory that messages have taken."""
STANDSTILL_SECONDS = 2.0
"""A glance that takes longer is no program's doing: the judge was frozen, and that time is not counted."""
MEMORY_BYTES = 512 * MIB
"""How much one wait may add to this process: ZeroMQ keeps the parts of a message without a bound until its last."""
WELCOME_SECONDS = 1.0
"""How long the welcome to a subscription may take: once in some hundred kernels the first one gets none."""
LOST_IDLE_SECONDS = 1.0
"""How long a cell that has replied may stay busy: messages of a flood get lost, and this one may be among them."""


class KernelLost(Exception):
    """The student's process can no longer be used. The text says why, and begins after "it"."""


class Died(KernelLost):
    def __init__(self) -> None:
        super().__init__("ended the process")


class TooLate(KernelLost):
    def __init__(self, seconds: float) -> None:
        super().__init__(f"did not end within {seconds:g} seconds")


class OutOfMemory(KernelLost):
    def __init__(self) -> None:
        super().__init__("ran out of memory")


class TooMuchOutput(KernelLost):
    def __init__(self, what: str) -> None:
        super().__init__(f"put out more than can be read ({what})")


@dataclass(frozen=True)
class CellRun:
    """How a cell ended: `error` is what it raised, in one line; `interrupted` says that it had to be stopped.

    `result` is the text of the value of its last expression, None where it has none.
    """

    outputs: list[dict[str, Any]]
    error: str
    result: str | None
    interrupted: bool


@dataclass(frozen=True)
class _Message:
    kind: str
    parent: str
    content: dict[str, Any]
    buffers: list[bytes]


class Kernel:
    """A fork of the warm parent, connected. Every method raises KernelLost where the student's process fails it.

    Example:
        kernel = Kernel(parent, Limits(), seed=7, device="cpu")
        kernel.execute("print(1)", Limits()).outputs
        kernel.close()
    """

    def __init__(
        self, parent: WarmParent, limits: Limits, *, seed: int, device: str, environment: Mapping[str, str] = {}
    ) -> None:
        self._parent = parent
        self._fork = parent.fork(
            seed=seed,
            limits=limits,
            gpu=device == "cuda",
            environment={"LOOKBACK_DEVICE": device, "NBGRADER_EXECUTION": "autograde", **environment},
        )
        self._signer = Signer(key=self._fork.key.encode())
        self._frame_bytes = max(limits.output_bytes, 8 * limits.reply_bytes)
        self._poller = zmq.Poller()
        self._poller.register(self._fork.handle, zmq.POLLIN)
        self._monitors: list[zmq.Socket[bytes]] = []
        self._iopub = self._connect(zmq.SUB, 2)
        self._shell = self._connect(zmq.DEALER, 1)
        try:
            self._wait_for_welcome(limits)
        except KernelLost as error:
            self.close()
            raise ParentGone(f"a kernel could not be connected to: it {error}") from None

    def execute(self, code: str, limits: Limits) -> CellRun:
        """Run a cell. One that does not end in time is interrupted; one that does not heed this raises TooLate."""
        content = {"code": code, "silent": False, "store_history": True, "user_expressions": {}, "allow_stdin": False}
        outputs = Outputs(limits.kept_bytes)
        wait = _Wait(self, self._send("execute_request", {**content, "stop_on_error": False}, []), limits, outputs)
        interrupted = False
        try:
            reply = wait.until_done(limits.cell_seconds)
        except TooLate:
            interrupted = True
            self._parent.interrupt(self._fork)
            self._send("kernel_info_request", {}, [])  # wakes an event loop that waits: SIGINT alone does not
            try:
                reply = wait.until_done(limits.interrupt_seconds)
            except TooLate:
                raise TooLate(limits.cell_seconds) from None
        payload = reply.content.get("payload")
        if isinstance(payload, list) and any(isinstance(p, dict) and p.get("source") == "ask_exit" for p in payload):
            raise Died
        error = outputs.error
        if reply.content.get("status") != "ok":  # whether or not the error was shown
            error = error or failure(reply.content) or "an error without a name"
        return CellRun(outputs.cells, error, outputs.result, interrupted)

    def put(self, files: Mapping[str, bytes], limits: Limits) -> None:
        """Write files into the kernel's working directory, by their names relative to it."""
        wait = _Wait(self, self._send("put_request", {"names": list(files)}, list(files.values())), limits)
        wait.until_reply(limits.start_seconds)

    def keep(self, name: str, limits: Limits) -> bool:
        """Have the kernel remember the definition of `name` as it stands now; whether there is one."""
        wait = _Wait(self, self._send("keep_request", {"name": name}, []), limits)
        return wait.until_reply(limits.check_seconds).content.get("defined") is True

    def ask(self, requests: Sequence[bytes], longest: Sequence[int], limits: Limits) -> list[bytes]:
        """The program's answers to requests, each of at most so many bytes. Raises Malformed where there are none."""
        wait = _Wait(self, self._send("perform_request", {"longest": list(longest)}, requests), limits)
        reply = wait.until_reply(limits.check_seconds)
        if len(reply.buffers) != len(requests):
            raise Malformed(f"it sent back {len(reply.buffers)} answers to {len(requests)} requests")
        return reply.buffers

    def longest_reply(self, request: bytes, limits: Limits) -> int:
        """How long an answer may be: eight times the request, within the bounds of the limits and of a message."""
        return min(max(limits.reply_bytes, 8 * len(request)), self._frame_bytes)

    def close(self) -> float:
        """Kill the process and whatever it started; the CPU seconds that it took."""
        for socket in (self._shell, self._iopub):
            socket.disable_monitor()
            socket.close(0)
        for monitor in self._monitors:
            monitor.close(0)
        return self._parent.end(self._fork)

    def receive(self, seconds: float) -> tuple[_Message | None, int]:
        """The next message and its size; None for garbage, or where nothing came in time."""
        ready = dict(self._poller.poll(int(1000 * seconds) + 1))
        for socket in (self._iopub, self._shell):
            if socket in ready:
                frames = socket.recv_multipart(zmq.NOBLOCK)
                return _parse(frames), sum(map(len, frames))
        if self._fork.handle in ready:
            raise Died
        if ready:  # a connection ended: with its process, or because of a message over the cap
            raise Died if select.select([self._fork.handle], [], [], 1)[0] else TooMuchOutput("one huge message")
        return None, 0

    def _connect(self, kind: int, number: int) -> zmq.Socket[bytes]:
        socket: zmq.Socket[bytes] = zmq.Context.instance().socket(kind)
        socket.linger = 0
        socket.maxmsgsize = self._frame_bytes
        socket.immediate = True
        socket.reconnect_ivl = -1
        if kind == zmq.SUB:
            socket.subscribe(b"")
        monitor = socket.get_monitor_socket(zmq.EVENT_DISCONNECTED)
        self._monitors.append(monitor)
        self._poller.register(monitor, zmq.POLLIN)
        self._poller.register(socket, zmq.POLLIN)
        socket.connect(f"ipc://{self._fork.sockets}/s-{number}")
        return socket

    def _wait_for_welcome(self, limits: Limits) -> None:
        end = time.monotonic() + limits.start_seconds
        while (left := end - time.monotonic()) > 0:
            message, _ = self.receive(min(left, WELCOME_SECONDS))
            if message and message.kind == "iopub_welcome":
                return
            self._iopub.unsubscribe(b"")
            self._iopub.subscribe(b"")
        raise TooLate(limits.start_seconds)

    def _send(self, kind: str, content: dict[str, Any], buffers: Sequence[bytes]) -> str:
        message = self._signer.msg(kind, content)
        frames = [*self._signer.serialize(message), *buffers]
        self._shell.sndtimeo = int(1000 * LOST_IDLE_SECONDS)  # a message to a dead kernel would wait for ever
        try:
            self._shell.send_multipart(frames)
        except zmq.Again:
            raise Died from None
        return str(message["header"]["msg_id"])


class _Wait:
    """Waits for what a kernel sends in return for one message, counting it."""

    def __init__(self, kernel: Kernel, request: str, limits: Limits, outputs: Outputs | None = None) -> None:
        self._kernel, self._request, self._limits, self._outputs = kernel, request, limits, outputs
        self._bytes = self._messages = 0
        self._stood_still = 0.0
        self._reply: _Message | None = None
        self._idle = False
        self._memory = _resident_bytes()

    def until_reply(self, seconds: float) -> _Message:
        """The reply. Raises TooLate."""
        end = time.monotonic() + seconds
        while self._reply is None:
            self._next(end, seconds)
        return self._reply

    def until_done(self, seconds: float) -> _Message:
        """The reply, once every output has come as well. Raises TooLate."""
        reply = self.until_reply(seconds)
        end = time.monotonic() + LOST_IDLE_SECONDS
        with suppress(TooLate):
            while not self._idle:
                self._next(end, seconds)
        return reply

    def _next(self, end: float, seconds: float) -> None:
        start = time.monotonic()
        left = end + self._stood_still - start
        if left <= 0:
            raise TooLate(seconds)
        message, size = self._kernel.receive(min(left, GLANCE_SECONDS))
        if (took := time.monotonic() - start) > STANDSTILL_SECONDS:
            self._stood_still += took
        self._messages += size > 0
        self._bytes += size
        if message and message.kind.endswith("_reply") and message.parent == self._request:
            self._reply = message
            self._bytes -= size  # answers have a cap of their own
        elif message and message.parent == self._request:
            self._idle |= message.kind == "status" and message.content.get("execution_state") == "idle"
            if self._outputs:
                self._outputs.add(message.kind, message.content)
        if self._bytes > self._limits.output_bytes:
            raise TooMuchOutput(f"over {self._limits.output_bytes / MIB:,.0f} MB")
        if self._messages > self._limits.messages:
            raise TooMuchOutput(f"over {self._limits.messages:,} messages")
        if _resident_bytes() - self._memory > MEMORY_BYTES:
            raise TooMuchOutput("one endless message")


def _parse(frames: list[bytes]) -> _Message | None:
    """The message in these frames, its signature unread: the student's process holds the key. None for garbage."""
    try:
        start = frames.index(DELIMITER) + 2
        header, parent, _, content = (json.loads(frame) for frame in frames[start : start + 4])
        kind, request = header["msg_type"], parent.get("msg_id", "")
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None
    if not (isinstance(kind, str) and isinstance(request, str) and isinstance(content, dict)):
        return None
    return _Message(kind, request, content, frames[start + 4 :])


def _resident_bytes() -> int:
    with open("/proc/self/statm", "rb") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
