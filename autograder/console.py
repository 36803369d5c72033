"""What the commands show on a terminal. Progress goes to the error stream, so that the output stays clean."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import groupby
from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from autograder.course.doctor.finding import Finding
from autograder.course.gradebook import Change
from autograder.course.pages import percent, plain, points, seconds
from autograder.course.tally import LONGEST_NOTE, Brief, Tally, brief
from autograder.engine.job import Graded

if TYPE_CHECKING:
    from autograder.course.collect import Collection, Outcome
    from autograder.course.run import Standing
    from autograder.course.similarity import Pair
    from autograder.course.validate import Row

PLACED = ("collected", "replaced", "unchanged")
LEVELS = {"ok": "✓", "note": "•", "problem": "✗"}

error_console = Console(stderr=True, markup=False, highlight=False)
console = Console(markup=False, highlight=False)


@contextmanager
def progress(what: str, total: int) -> Iterator[Callable[[], None]]:
    """A bar with the time that is left; call what it yields after each step."""
    columns = BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn()
    with Progress(TextColumn("{task.description}"), *columns, console=error_console) as bar:
        task = bar.add_task(what, total=total)
        yield lambda: bar.advance(task)


def tallied(results: Iterable[Graded], total: int) -> Tally:
    """Show a class being graded, with a line for each submission that got no points, and return what it came to."""
    tally = Tally()
    with progress("grading", total) as advance:
        for graded in results:
            tally.add(one := brief(graded))
            if one.status != "graded":
                error_console.print(_line(one), soft_wrap=True)
            advance()
    return tally


def followed(run: Iterable[Standing]) -> None:
    """Show a run of another terminal until it ends: where it is, how far, and who got no points lately."""
    columns = BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[left]}")
    bar = Progress(TextColumn("{task.description}"), *columns, console=error_console)
    task = bar.add_task("grading", left="")
    with Live(console=error_console) as live:
        for now in run:
            left = "" if now.seconds_left is None else f"about {seconds(now.seconds_left)} left"
            bar.update(task, completed=now.tally.done, total=now.total, left=left)
            live.update(Group(plain(now.where), bar, counted(now.tally), *map(_line, now.last)))


def differences(exercise: str, changes: Sequence[Change], students: int) -> Table | str:
    """What recording one exercise anew would change in the gradebook."""
    if not changes:
        return f"{exercise}: no points change"
    table = Table(title=f"{exercise}: {len(changes)} of {students} change", box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("student")
    for heading in ("recorded", "now", "difference"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("by hand")
    for change in changes:
        before = "–" if change.before is None else points(change.before)
        difference = change.now - (change.before or 0)
        by_hand = "" if change.by_hand is None else f"{points(change.by_hand)} stays"
        sign = "+" if difference > 0 else "−" if difference < 0 else ""
        row = before, points(change.now), f"{sign}{points(abs(difference))}", by_hand
        table.add_row(plain(change.student), *row)
    return table


def summary(tally: Tally) -> str:
    """How a run went, in a few lines: how many of each kind, the slowest, who got no GPU, the failed, the repaired."""
    lines = [
        f"{tally.done} submissions: {counted(tally)}; seed {tally.seed}",
        "slowest: " + ", ".join(f"{plain(one.student)} {one.wall_seconds:.1f} s" for one in tally.slowest),
    ]
    lines += [f"{number} on the CPU instead of a GPU: {why}" for why, number in tally.without_gpu.most_common()]
    named = {"failed": tally.failed + tally.rejected, "repaired": tally.repaired}
    lines += [f"{what}: {', '.join(sorted(map(plain, some)))}" for what, some in named.items() if some]
    return "\n".join(lines)


def counted(tally: Tally) -> str:
    """How many there are of each status, most first."""
    return ", ".join(f"{number} {status}" for status, number in tally.statuses.most_common())


def collection(found: Collection) -> str:
    """What was collected, in a few lines: how many of each kind, who, and what became of earlier submissions."""
    counts = Counter(outcome.result for outcome in found.outcomes)
    counted = ", ".join(f"{number} {result}" for result, number in sorted(counts.items())) or "nothing"
    lines = [f"{counted} ({found.scheme} names)"]
    if new := [plain(outcome.student) for outcome in found.outcomes if outcome.result == "collected"]:
        lines.append(f"collected: {', '.join(new)}")
    lines += [
        f"{outcome.result}: {plain(outcome.student)}, {plain(outcome.name)}: {outcome.reason}"
        for outcome in found.outcomes
        if outcome.reason and outcome.result != "refused"
    ]
    if timeless := [plain(o.student) for o in found.outcomes if o.result in PLACED and o.submitted is None]:
        lines.append(f"in time, for all anybody knows: {', '.join(timeless)} (--roster may have a column submitted)")
    return "\n".join(lines)


def refusal(outcome: Outcome) -> str:
    """What was not collected, and why, in a line."""
    who = f"{outcome.student}, " if outcome.student else ""
    return f"refused: {plain(who + outcome.name, LONGEST_NOTE)}: {plain(outcome.reason, LONGEST_NOTE)}".replace(
        "\n", " "
    )


def tables(rows: Sequence[Row], checks: dict[str, list[str]]) -> Iterator[Table | str]:
    """A table for each exercise, a mark for each check, and under it what the checks are."""
    for exercise, programs in groupby(rows, key=lambda row: row.exercise):
        table = Table(title=exercise, box=SIMPLE_HEAD, pad_edge=False)
        table.add_column("program")
        table.add_column("points", no_wrap=True)
        table.add_column("checks", no_wrap=True)
        table.add_column("named", no_wrap=True)
        for row in programs:
            marks = "".join("✓" if passed else "✗" for passed in row.passed)
            named = ("✓" if row.named == row.name else "✗") if row.kind == "misconception" else ""
            table.add_row(f"{row.kind}: {row.name}", f"{row.points:g} of {row.max:g}", marks, named)
        yield table
        yield "\n".join(f"{i + 1:>4}  {name}" for i, name in enumerate(checks[exercise])) + "\n"


def alike(pairs: Sequence[Pair]) -> str:
    """The pairs to look at, a line each."""
    if not pairs:
        return "no two submissions share more than the exercises ask for"
    return "\n".join(
        f"{percent(pair.similarity, 1):>3} %  {' and '.join(map(plain, pair.students))}  ({', '.join(pair.shared)})"
        for pair in pairs
    )


def diagnosis(findings: Sequence[Finding]) -> str:
    """What the doctor found, a line each, a second one for the remedy."""
    lines = []
    for finding in findings:
        lines.append(f"{LEVELS[finding.level]} {finding.subject}: {finding.found}")
        if finding.remedy:
            lines.append(f"    remedy: {finding.remedy}")
    return "\n".join(lines)


def _line(one: Brief) -> str:
    return f"{plain(one.student)}: {one.note or one.status}"
