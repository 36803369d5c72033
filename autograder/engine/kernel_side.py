"""Inside the student's process: a kernel that also answers requests. It holds no check, reference or expected value.

Whatever the student's code does to this module can only change the answers, and answers prove themselves in the judge.
"""

from __future__ import annotations

import os
from typing import Any

from ipykernel.ipkernel import IPythonKernel

from autograder.checks.perform import perform
from autograder.checks.request import Answer, Failure
from autograder.engine.wire import TooLarge, decode_request, encode_answer


class StudentKernel(IPythonKernel):
    """An IPython kernel with two more kinds of message.

    keep_request {"name"}: remember the definition of this name as it stands now; keep_reply {"defined"}.
    perform_request {"longest"} with one buffer: answer the request in it, preferring a kept definition to one that
        replaced it later; perform_reply with the answer, of at most `longest` bytes, in its buffer.
    """

    msg_types = [*IPythonKernel.msg_types, "keep_request", "perform_request"]  # noqa: RUF012 (as the base class has it)

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)  # type: ignore[no-untyped-call]
        self.kept: dict[str, Any] = {}

    def keep_request(self, stream: Any, identity: Any, parent: dict[str, Any]) -> None:
        name, namespace = parent["content"]["name"], self._namespace
        if name in namespace:
            self.kept[name] = namespace[name]
        self._reply("keep_reply", stream, identity, parent, {"defined": name in namespace}, [])

    def perform_request(self, stream: Any, identity: Any, parent: dict[str, Any]) -> None:
        request = decode_request(bytes(parent["buffers"][0]))
        try:
            answer = perform(request, self._namespace | self.kept)
        except KeyboardInterrupt:  # the program's own doing: the judge never interrupts a request
            answer = Answer(failure=Failure("KeyboardInterrupt", ""))
        if (
            self.shell is not None and self.shell.exit_now
        ):  # by exit(): else the process would end during another request
            os._exit(0)
        longest = parent["content"]["longest"]
        try:
            data = encode_answer(answer, longest)
        except TooLarge as error:
            data = encode_answer(Answer(failure=Failure("TooLarge", str(error))), longest)
        self._reply("perform_reply", stream, identity, parent, {}, [data])

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
