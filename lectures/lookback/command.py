"""The command `lookback`, for students: which exercises of a notebook are done, and the course's own kernel.

Exit codes: 0 done, 1 not all exercises are done, 2 wrong use. What a program may read goes to the output, everything
else to the error stream.
"""

import argparse
import json
import logging
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lookback.cells import CellRun, read_cell_runs
from lookback.exercises import Progress, exercises, standings

DONE, NOT_ALL, WRONG_USE, INTERRUPTED = 0, 1, 2, 130
SECONDS = 60
OUR_SECONDS = 300  # for the cells of our own around the notebook's: the first one imports torch


class CannotRun(Exception):
    """The notebook cannot be read or run, or the kernel not be installed; the message says why."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line, and return its exit code."""
    asked = _parser().parse_args(arguments)
    try:
        code: int = asked.run(asked)
    except CannotRun as error:
        print(f"lookback {asked.command}: {error}", file=sys.stderr)
        return WRONG_USE
    except KeyboardInterrupt:
        print(f"lookback {asked.command}: interrupted", file=sys.stderr)
        return INTERRUPTED
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("lookback", description="A course from RNNs to Transformers.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND", dest="command")
    _add_check(commands)
    _add_kernel(commands)
    return parser


def _add_check(commands: Any) -> None:
    words = "Say which exercises of an assignment are done."
    command = commands.add_parser(
        "check",
        help=words,
        description=f"{words} Every cell but those under Explore is run in a new kernel; the file stays as it is.",
        epilog="Example: lookback check 04_attention.ipynb",
    )
    command.add_argument("file", type=Path, metavar="FILE", help="The notebook, as it was saved.")
    command.add_argument("--json", action="store_true", help="Print JSON and nothing else.")
    command.add_argument(
        "--timeout", type=_seconds, default=SECONDS, metavar="SECONDS", help=f"For each cell; {SECONDS} unless told."
    )
    command.set_defaults(run=_check)


def _add_kernel(commands: Any) -> None:
    words = "Install the kernel “Lookback” for JupyterLab."
    command = commands.add_parser(
        "kernel",
        help=words,
        description=f"{words} It chooses the device when it starts, by LOOKBACK_DEVICE: auto, cpu or cuda.",
        epilog="Example: lookback kernel --sys-prefix",
    )
    where = command.add_mutually_exclusive_group()
    where.add_argument("--prefix", metavar="DIR", help="Install it under this folder, instead of for you.")
    where.add_argument(
        "--sys-prefix", action="store_const", const=sys.prefix, dest="prefix", help="Install it in this environment."
    )
    command.set_defaults(run=_install_kernel)


def _check(asked: argparse.Namespace) -> int:
    progress = check(asked.file, asked.timeout)
    print(json.dumps(progress.to_json(), indent=2, ensure_ascii=False) if asked.json else progress)
    return DONE if progress.done else NOT_ALL


def _install_kernel(asked: argparse.Namespace) -> int:
    from lookback.kernel import install

    try:
        print(f"installed {install(asked.prefix)}")
    except OSError as error:
        raise CannotRun(f"{error.filename or asked.prefix}: {error.strerror or error}") from error
    return DONE


def _seconds(text: str) -> int:
    if not (text.isdecimal() and int(text)):
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number of seconds")
    return int(text)


def check(path: Path, seconds: int = SECONDS) -> Progress:
    """Run a notebook's cells in a new kernel and say how far each exercise is.

    Raises:
        CannotRun: the file cannot be read or has no exercises, or no kernel starts.

    Example:
        >>> check(Path("04_attention.ipynb")).done
        True
    """
    import nbformat

    try:
        notebook = nbformat.read(path, as_version=4)  # type: ignore[no-untyped-call]
        asked = exercises(notebook.cells)
    except OSError as error:
        raise CannotRun(f"{path}: {error.strerror or error}") from error
    except ValueError as error:
        raise CannotRun(f"{path}: {_one_line(error)}") from error
    except (AttributeError, KeyError, TypeError) as error:
        raise CannotRun(f"{path} is no Jupyter notebook") from error
    runs, lost = _run(notebook, path.parent, seconds)
    own = lost.keys() - {source for exercise in asked for source in (exercise.stub, exercise.check)}
    notes = [f"left out: a cell of your own, {lost[source].error}: {source.splitlines()[0]}" for source in own]
    return Progress(path.name, standings(asked, runs | lost), tuple(sorted(notes)))


def _run(notebook: Any, folder: Path, seconds: int) -> tuple[dict[str, CellRun], dict[str, CellRun]]:
    """What ran, and what was lost: a cell that kills the kernel or never ends is left out, and the rest runs anew."""
    cells = [
        cell for cell in notebook.cells if cell.cell_type == "code" and "explore" not in cell.metadata.get("tags", [])
    ]
    lost: dict[str, CellRun] = {}
    while True:
        runs, stopped = _run_once([cell for cell in cells if cell.source not in lost], folder, seconds)
        if not stopped:
            return runs, lost
        lost |= stopped


def _run_once(cells: Sequence[Any], folder: Path, seconds: int) -> tuple[dict[str, CellRun], dict[str, CellRun]]:
    """What ran in one kernel, and the cell that ended it if one did."""
    from nbclient import NotebookClient
    from nbclient.exceptions import CellTimeoutError, DeadKernelError
    from nbformat.v4 import new_code_cell, new_notebook
    from tqdm import tqdm  # type: ignore[import-untyped]

    first, last = (
        new_code_cell(f'__import__("lookback").cells.{call}()')  # type: ignore[no-untyped-call]
        for call in ("watch", "print_cell_runs")
    )
    every = [first, *cells, last]
    ours = (id(first), id(last))
    client = NotebookClient(
        new_notebook(cells=every),  # type: ignore[no-untyped-call]
        timeout_func=lambda cell: OUR_SECONDS if id(cell) in ours else seconds,
        kernel_name="python3",
        allow_errors=True,
        shutdown_kernel="immediate",
        resources={"metadata": {"path": str(folder)}},
    )
    client.log.setLevel(logging.CRITICAL)  # what it would say is said in the table
    with client.setup_kernel(stderr=subprocess.DEVNULL):
        for index, cell in enumerate(tqdm(every, desc="cells", leave=False, disable=None)):
            try:
                client.execute_cell(cell, index)
            except (CellTimeoutError, DeadKernelError) as error:
                if id(cell) in ours:
                    raise CannotRun(f"the kernel does not answer: {_one_line(error)}") from error
                endless = isinstance(error, CellTimeoutError)
                ended = f"it did not end within {seconds} s" if endless else "the kernel died"
                return {}, {cell.source: CellRun(error=ended)}
    return read_cell_runs(last.outputs[0].text), {}


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
