"""The app that the commands are added to: its options, its errors, its exit codes.

Exit codes: 0 done, 1 something was wrong in the material, 2 wrong use. What a program may read goes to the output,
everything else to the error stream. A command imports what it needs when it runs, so that help is fast.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup
from typer.exceptions import TyperException

from autograder.course.errors import CourseError, MaterialError

DONE, WRONG_MATERIAL, WRONG_USE = 0, 1, 2
INTERRUPTED = 130
PROGRAM = "autograder"


class OneLineErrors(TyperGroup):
    """Whatever goes wrong is told in one line, a finding in the material in one line each."""

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        windows_expand_args: bool = True,
        **extra: Any,
    ) -> Any:
        try:
            code = super().main(args, PROGRAM, complete_var, False, windows_expand_args, **extra) or DONE
        except TyperException as error:
            code = _say(_one_line(error), WRONG_USE)
        except CourseError as error:
            code = _say(str(error), WRONG_USE)
        except MaterialError as error:
            code = _say("\n".join(error.findings), WRONG_MATERIAL)
        if code == INTERRUPTED:
            _say("interrupted: run it again, and it goes on where it was", code)
        if standalone_mode:
            sys.exit(code)
        return code


def _say(message: str, code: int) -> int:
    typer.echo(message, err=True)
    return code


def _one_line(error: TyperException) -> str:
    """What is wrong with a command line, and what would be right."""
    message = " ".join(error.format_message().split())
    context = getattr(error, "ctx", None)
    commands = getattr(getattr(context, "command", None), "commands", {})
    listed = f"The commands are {', '.join(commands)}. " if commands and "Did you mean" not in message else ""
    stop = "" if message.endswith((".", "?")) else "."
    return f"{message}{stop} {listed}Try {context.command_path if context else PROGRAM} --help."


class Device(StrEnum):
    """Where the checks run."""

    cpu = "cpu"
    cuda = "cuda"


Name = Annotated[str, typer.Argument(metavar="NAME", help="The assignment, such as 04_attention.")]
CourseOption = Annotated[
    Path, typer.Option("--course", metavar="DIR", help="The directory of nbgrader_config.py and the assignments.")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")]
Roster = Annotated[
    Path | None,
    typer.Option("--roster", metavar="CSV", help="The students: columns id, name, email, lms_user_id, submitted."),
]
Workers = Annotated[int, typer.Option(min=1, help="How many submissions to grade at once.")]

HERE = Path()
CORES = os.cpu_count() or 1

app = typer.Typer(
    cls=OneLineErrors,
    help="Release, solve and grade the notebooks of the course.",
    epilog="Example: autograder demo",
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


def to_json(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)


def main() -> None:
    """Run the command line."""
    # nbformat imports a grammar of web addresses that it never uses: 1.5 s of every command
    sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]
    app()
