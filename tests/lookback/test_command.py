"""`lookback check` on a saved notebook, and the same table from a cell of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import lookback as lb
import nbformat
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lookback.cells import CellRun, SelfCheck, print_cell_runs, read_cell_runs
from lookback.command import main
from lookback.exercises import exercises
from nbformat.v4 import new_code_cell, new_notebook

STUB = "def {name}(x):\n    raise NotImplementedError()"
RIGHT = "def {name}(x):\n    return 2 * x"
CHECK = """lb.self_check("{name} of two", lambda: {name}(2), 4, suspect="the factor", experiment="print it")
lb.self_check("{name} of three", lambda: {name}(3), 6, suspect="the sum", experiment="print {name}(3)")"""


def code(source: str, **metadata: Any) -> Any:
    return new_code_cell(source, metadata=metadata)  # type: ignore[no-untyped-call]


def exercise(name: str, body: str) -> list[Any]:
    """A stub filled in with `body`, and its check."""
    return [
        code(body.format(name=name), nbgrader={"grade_id": name, "solution": True}),
        code(CHECK.format(name=name), nbgrader={"grade_id": f"check_{name}", "grade": True}),
    ]


def write(path: Path, bodies: Mapping[str, str], *own: Any) -> Path:
    """A notebook of the exercises with these bodies, and the student's own cells at its end."""
    cells = [cell for name, body in bodies.items() for cell in exercise(name, body)]
    notebook = new_notebook(cells=[code("import lookback as lb"), *cells, *own])  # type: ignore[no-untyped-call]
    nbformat.write(notebook, path)  # type: ignore[no-untyped-call]
    return path


BODIES = {
    "right": RIGHT,
    "half": "def {name}(x):\n    return x + 2",
    "untouched": STUB,
    "leans": "def {name}(x):\n    return untouched(x)",
    "broken": "def {name}(x:",
    "deadly": "def {name}(x):\n    import os\n\n    os._exit(1)",
    "last": RIGHT,
}


@pytest.mark.slow
def test_every_exercise_has_its_standing_whatever_happens_in_another(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    own = code("while True:  # mine\n    pass"), code("open('explored', 'w').close()", tags=["explore"])
    path = write(tmp_path / "all.ipynb", BODIES, *own)
    before = path.read_bytes()
    assert main(["check", str(path), "--timeout", "5", "--json"]) == 1
    told = json.loads(capfd.readouterr().out)
    one = {standing.pop("name"): standing for standing in told["exercises"]}
    assert list(one) == list(BODIES)
    assert not told["done"]
    assert {name: standing["state"] for name, standing in one.items()} == {
        **dict.fromkeys(BODIES, "not yet"),
        **{"right": "done", "untouched": "not begun", "last": "done"},
    }
    assert one["half"]["first"] == {
        "name": "half of three",
        "held": False,
        "expected": "6",
        "came": "5",
        "suspect": "the sum",
        "experiment": "print half(3)",
    }
    assert one["half"]["held"] == 1
    assert one["leans"]["first"]["came"] == "nothing yet: untouched still raises NotImplementedError"
    assert one["broken"]["trouble"].startswith("its cell stops: SyntaxError")
    assert one["deadly"]["trouble"] == "its self-checks stop: the kernel died"
    assert told["notes"] == ["left out: a cell of your own, it did not end within 5 s: while True:  # mine"]
    assert not (tmp_path / "explored").exists(), "cells to explore are not run"
    assert path.read_bytes() == before


@pytest.mark.slow
def test_the_command_and_a_cell_show_the_same(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    own = code("print(lb.progress('done.ipynb'), file=open('seen', 'w'), flush=True)")
    path = write(tmp_path / "done.ipynb", {"right": RIGHT, "double": RIGHT}, own)
    assert main(["check", str(path)]) == 0
    shown = capfd.readouterr()
    assert shown.out.splitlines() == [
        "done.ipynb",
        "✓ right   2 self-checks hold",
        "✓ double  2 self-checks hold",
        "2 of 2 exercises done.",
        "Self-checks are worth no points: your grade comes from other checks, on other sizes and fresh random inputs.",
    ]
    assert shown.err == ""
    assert (tmp_path / "seen").read_text() == shown.out


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "No such file"),
        ("", "Notebook does not appear to be JSON"),
        ("[]", "is no Jupyter notebook"),
        ('{"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": []}', "has no exercises; is it an assignment?"),
    ],
)
def test_a_file_that_is_no_assignment_is_refused(
    content: str | None, says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "some.ipynb"
    if content is not None:
        path.write_text(content)
    assert main(["check", str(path)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"lookback check: {path}")
    assert says in line


@pytest.mark.parametrize("arguments", [[], ["check"], ["mark", "a.ipynb"], ["check", "a.ipynb", "--timeout", "soon"]])
def test_wrong_use_ends_with_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert "lookback" in capsys.readouterr().err


def test_a_cell_without_a_known_notebook_is_told_what_to_say(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JPY_SESSION_NAME", raising=False)
    with pytest.raises(ValueError, match=r'Say its file: lb\.progress\("04_attention\.ipynb"\)'):
        lb.progress()


def test_what_did_not_run_is_said_to_be_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JPY_SESSION_NAME", str(write(tmp_path / "new.ipynb", {"first": STUB, "second": STUB})))
    progress = lb.progress()
    assert [standing.state for standing in progress.exercises] == ["not run", "not run"]
    assert not progress.done
    assert "· second  not run\n0 of 2 exercises done." in str(progress)


def test_every_assignment_has_its_exercises(root: Path) -> None:
    for path in (root / "assignments").glob("*/*.ipynb"):
        cells = nbformat.read(path, as_version=4).cells  # type: ignore[no-untyped-call]
        checks = {cell.metadata.get("nbgrader", {}).get("grade_id") for cell in cells if "self_check(" in cell.source}
        assert {f"check_{exercise.name}" for exercise in exercises(cells)} == checks - {None}, path


CHECKS = st.builds(SelfCheck, st.text(), st.booleans(), st.text(), st.text(), st.text(), st.text())
RUNS = st.dictionaries(st.text(), st.builds(CellRun, st.lists(CHECKS, max_size=3).map(tuple), st.text(), st.text()))


@settings(max_examples=25)
@given(runs=RUNS)
def test_what_a_kernel_prints_is_read_as_it_was(runs: dict[str, CellRun]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        printed: list[str] = []
        patch.setattr("lookback.cells._runs", runs)
        patch.setattr("builtins.print", printed.append)
        print_cell_runs()
    assert read_cell_runs(printed[0]) == runs
