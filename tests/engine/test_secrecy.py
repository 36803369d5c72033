"""From outside: no solution, hidden check or source notebook is opened by a student's process, or is in its memory."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from autograder.bank import load_bank
from autograder.course.leaks import telling_lines
from autograder.engine.grading import grade_submission
from autograder.engine.job import Job
from autograder.engine.sandbox import Layer, layers
from autograder.engine.warm import WarmParent
from solutions.programs import reference
from tests.engine.conftest import LIMITS, WAIT, Grade, meanwhile
from tests.engine.notebooks import FIRST, FIRST_POINTS, SECOND, code, submitted, written

pytestmark = pytest.mark.slow
ROOT = Path(__file__).resolve().parents[2]
SECRET = [ROOT / "solutions", ROOT / "autograder/bank", ROOT / "assignments"]
WRONG = "def {}(*arguments):\n    {}; return 0"
SPY = """
import mmap
for path in {}:
    try:
        with open(path) as file: mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)
    except OSError: pass
"""
CALLS = "trace=?open,openat,?openat2,mmap,execve"
LARGEST_PART = 2**28


@contextmanager
def traced(parent: WarmParent, folder: Path) -> Iterator[None]:
    """Let strace write down, in files of this folder, which files the forks of a parent open, map and execute."""
    command = ["strace", "--follow-forks", "--output-separately", "--decode-fds", "--string-limit=500", "-e", CALLS]
    with subprocess.Popen(
        [*command, f"--output={folder / 'trace'}", f"--attach={parent.pid}"], stderr=subprocess.PIPE, text=True
    ) as strace:
        assert strace.stderr
        said = strace.stderr.readline()
        assert said.endswith("attached\n"), said
        try:
            yield
        finally:
            strace.terminate()
            strace.stderr.read()


@pytest.mark.skipif(not shutil.which("strace"), reason="strace is not installed")
@pytest.mark.parametrize("walls", ["with namespaces", "without namespaces", "none"])
def test_no_fork_opens_maps_or_executes_what_is_secret(walls: str, source: Path, tmp_path: Path) -> None:
    raised: tuple[Layer, ...] = () if walls == "none" else layers()
    if walls == "without namespaces":
        raised = tuple(layer for layer in raised if layer not in ("namespaces", "user"))
    secret = [*SECRET, source]
    files = [str(file) for path in secret for file in (path, *path.glob("*.py")) if file.stat().st_size]
    cells = submitted()
    cells.insert(2, code(SPY.format(files)))
    submission = written(tmp_path / "submission.ipynb", cells)
    with WarmParent(raised) as parent:
        parent.end(parent.fork(seed=1, limits=LIMITS))  # it has started
        with traced(parent, tmp_path):
            graded = grade_submission(Job("04_attention", "eve", source, submission, seed=7, limits=LIMITS), parent)
    assert graded.verdict.exercises[0].points == FIRST_POINTS, graded.verdict.notes
    lines = [line for path in tmp_path.glob("trace.*") for line in path.read_text(errors="replace").splitlines()]
    tried = {name for line in lines if (name := "".join(re.findall(r'^openat\(.*?, "(.*?)"', line))) in files}
    assert tried == set(files), "else the trace does not see what is tried"
    for calls, all_of_them in (("", set(files)), ("mmap", set(filter(os.path.isfile, files)))):
        done = {name for line in lines if line.startswith(calls) for name in re.findall(r"\d<(.*?)>", line)}
        assert done & set(files) == (all_of_them if walls == "none" else set())


def held(process: int, texts: Iterable[bytes]) -> set[bytes]:
    """Which of the texts are somewhere in what a process has written into its memory."""
    found: set[bytes] = set()
    with open(f"/proc/{process}/maps") as maps, open(f"/proc/{process}/mem", "rb", 0) as memory:
        for line in maps:
            place, rights, *_ = line.split()
            start, end = (int(number, 16) for number in place.split("-"))
            if rights.startswith("rw") and end - start < LARGEST_PART:  # one by one: the judge counts what it holds
                memory.seek(start)
                part = memory.read(end - start)
                found.update(text for text in texts if text in part)
    return found


def files_of(process: int) -> set[Path]:
    """The files that a process has open, or mapped into its memory."""
    opened = {Path(os.readlink(link)) for link in Path(f"/proc/{process}/fd").iterdir()}
    lines = Path(f"/proc/{process}/maps").read_text().splitlines()
    return opened | {Path(*line.split(maxsplit=5)[5:]) for line in lines}


def test_neither_the_parent_nor_a_kernel_that_is_checked_holds_a_secret(
    parent: WarmParent, source: Path, grade: Grade
) -> None:
    bank = load_bank("04_attention")
    lines = [line for name in bank.exercises for line in telling_lines(reference(bank.unit, name).source)]
    hints = [program.hint for program in bank.programs]
    suspects = [check.suspect for exercise in bank.exercises.values() for check in exercise.checks]
    secrets = [text.encode() for texts in (lines, hints, suspects) for text in sorted(texts, key=len)[-3:]]
    found: dict[str, set[bytes]] = {}
    files: set[Path] = set()

    def look(kernel: psutil.Process) -> None:
        kernel.suspend()
        for name, process in {"kernel": kernel.pid, "parent": parent.pid}.items():
            found[name] = held(process, (*secrets, b"student-wrote-this"))
            files.update(files_of(process))
        kernel.resume()

    cells = submitted(WRONG.format(FIRST, "pass"), WRONG.format(SECOND, WAIT))
    cells.insert(2, code("told = '-'.join(['student', 'wrote', 'this'])"))
    try:
        with meanwhile(look):
            grade(cells, limits=LIMITS.changed({"check_seconds": 60}))
    except PermissionError as error:
        pytest.skip(f"who runs the tests may not read the memory of a student's process: {error}")
    assert found == {"kernel": {b"student-wrote-this"}, "parent": set()}
    assert not [file for file in files for path in (*SECRET, source) if path in (file, *file.parents)]
    assert any(file.name.startswith("libtorch") for file in files)
