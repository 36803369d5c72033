"""What ran in this kernel: the cells, their self-checks, and what stopped a cell."""

import json
import textwrap
import traceback
from dataclasses import asdict, dataclass
from typing import Any

WIDTH = 80  # of a message, also where nothing wraps it: a terminal, and nbgrader's Validate


@dataclass(frozen=True)
class SelfCheck:
    """One self-check: what should hold, whether it did, and what to look at where it did not."""

    name: str
    held: bool
    expected: str
    came: str
    suspect: str
    experiment: str

    def __str__(self) -> str:
        return f"✓ {self.name}" if self.held else f"✗ {self.name}\n{self.explanation}"

    @property
    def explanation(self) -> str:
        """What was expected, what came, one suspect and one experiment, a line or more each."""
        labels = ("expected", "came", "suspect", "experiment")
        return "\n".join(_labelled(label, getattr(self, label)) for label in labels)


def _labelled(label: str, words: str) -> str:
    return textwrap.fill(
        words,
        WIDTH,
        initial_indent=f"  {label:<12}",
        subsequent_indent=" " * 14,
        break_long_words=False,
        break_on_hyphens=False,
    )


@dataclass(frozen=True)
class CellRun:
    """The last run of a cell: its self-checks, the error that stopped it, and who was still to be written then."""

    checks: tuple[SelfCheck, ...] = ()
    error: str = ""
    unwritten: str = ""


_runs: dict[str, CellRun] = {}
_checks: list[SelfCheck] = []  # of the cell that is running
_watched: set[int] = set()


def watch() -> None:
    """Keep what this kernel runs from now on. Where there is no kernel nothing is kept."""
    from IPython.core.getipython import get_ipython

    shell = get_ipython()
    if shell is not None and id(shell) not in _watched:
        _watched.add(id(shell))
        shell.events.register("post_run_cell", _keep)


def note(check: SelfCheck) -> None:
    """Count a self-check among those of the cell that is running."""
    watch()
    _checks.append(check)


def _keep(result: Any) -> None:
    """After a cell: remember it by its source, so that running it again replaces what was."""
    error = result.error_before_exec or result.error_in_exec
    words = "".join(traceback.format_exception_only(error)).strip().splitlines()[-1] if error else ""
    _runs[result.info.raw_cell] = CellRun(tuple(_checks), words, unwritten(error))
    _checks.clear()


def unwritten(error: BaseException | None) -> str:
    """The function whose stub raised this error, or led to it; empty if no stub did."""
    cause = error.__cause__ or error if error else None
    if type(cause) is not NotImplementedError or cause.args:
        return ""
    frames = [frame for frame, _ in traceback.walk_tb(cause.__traceback__)]
    return frames[-1].f_code.co_qualname


def cell_runs() -> dict[str, CellRun]:
    """The last run of each cell, by the cell's source."""
    return dict(_runs)


def print_cell_runs() -> None:
    """Print them as JSON, for a program that looks on from outside the kernel."""
    print(json.dumps({source: asdict(run) for source, run in _runs.items()}))


def read_cell_runs(text: str) -> dict[str, CellRun]:
    """What `print_cell_runs` printed."""
    return {
        source: CellRun(tuple(SelfCheck(**check) for check in run.pop("checks")), **run)
        for source, run in json.loads(text).items()
    }
