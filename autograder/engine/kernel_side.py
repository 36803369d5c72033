"""Inside the student's process: a kernel that also answers requests. It holds no check, reference or expected value.

Whatever the student's code does to this module can only change the answers, and answers prove themselves in the judge.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from ipykernel.ipkernel import IPythonKernel

from autograder.checks.perform import perform
from autograder.checks.request import Answer, Failure
from autograder.engine.wire import TooLarge, decode_request, encode_answer


class StudentKernel(IPythonKernel):
    """An IPython kernel with three more kinds of message.

    put_request {"names"} with the content of a file in each buffer: write them into the working directory; put_reply.
    keep_request {"name"}: remember the definition of this name as it stands now; keep_reply {"defined"}.
    perform_request {"longest"} with a request in each buffer: answer them in turn, preferring a kept definition to one
        that replaced it later; perform_reply with the answers, each of at most its number of `longest` bytes.
    """

    msg_types = [*IPythonKernel.msg_types, "put_request", "keep_request", "perform_request"]  # noqa: RUF012 (as the base class has it)

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)  # type: ignore[no-untyped-call]
        self.kept: dict[str, Any] = {}

    def put_request(self, stream: Any, identity: Any, parent: dict[str, Any]) -> None:
        for name, data in zip(parent["content"]["names"], parent["buffers"], strict=True):
            Path(name).parent.mkdir(parents=True, exist_ok=True)
            Path(name).write_bytes(data)
        self._reply("put_reply", stream, identity, parent, {}, [])

    def keep_request(self, stream: Any, identity: Any, parent: dict[str, Any]) -> None:
        name, namespace = parent["content"]["name"], self._namespace
        if name in namespace:
            self.kept[name] = namespace[name]
        self._reply("keep_reply", stream, identity, parent, {"defined": name in namespace}, [])

    def perform_request(self, stream: Any, identity: Any, parent: dict[str, Any]) -> None:
        longest = parent["content"]["longest"]
        answers = [self._answer(bytes(data), most) for data, most in zip(parent["buffers"], longest, strict=True)]
        self._reply("perform_reply", stream, identity, parent, {}, answers)

    def _answer(self, data: bytes, longest: int) -> bytes:
        try:
            answer = perform(decode_request(data), self._namespace | self.kept)
        except KeyboardInterrupt:  # the program's own doing: the judge never interrupts a request
            answer = Answer(failure=Failure("KeyboardInterrupt", ""))
        if self.shell is not None and self.shell.exit_now:  # by exit(): else the process would end at another request
            os._exit(0)
        try:
            return encode_answer(answer, longest)
        except TooLarge as error:
            return encode_answer(Answer(failure=Failure("TooLarge", str(error))), longest)

    @property
    def _namespace(self) -> dict[str, Any]:
        assert self.shell is not None
        return dict(self.shell.user_ns)

    def _reply(
        self,
        kind: str,
        stream: Any,
        identity: Any,
        parent: Any,
        content: dict[str, Any],
        data: Any,
    ) -> None:
        assert self.session is not None
        self.session.send(stream, kind, content, parent, ident=identity, buffers=data)
