"""A student's day in JupyterLab and at the terminal: without a mouse, and in the dark theme."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
import pytest

from solutions import attention
from solutions.programs import reference
from tests.browser.lab import Lab, autograder, wait

ASSIGNMENT = "04_attention"
NOTEBOOK = f"release/{ASSIGNMENT}/{ASSIGNMENT}.ipynb"
EXERCISE, STUB, CHECK = "soft_lookup", "stub-soft-lookup", "check-soft-lookup"
SUSPECT, EXPERIMENT = "the direction of the temperature", "print the scores"
CLAIM, PLOT = "cut-loose-claim-set", "soft-plot"  # of the lecture
LADDER = ".jp-NotebookPanel:not(.lm-mod-hidden) .jp-MarkdownOutput details"


@pytest.fixture
def folder(root: Path, tmp_path: Path) -> Path:
    """What a student has: a lecture and a released assignment, all of it solved but for the first exercise."""
    folder = tmp_path / "course"
    shutil.copytree(root / "assignments" / ASSIGNMENT, folder / "assignments" / ASSIGNMENT)
    shutil.copy(root / "nbgrader_config.py", folder)
    autograder("release", ASSIGNMENT, "--course", str(folder))
    shutil.rmtree(folder / "assignments")
    (folder / "lectures").mkdir()
    shutil.copy(root / f"lectures/{ASSIGNMENT}.ipynb", folder / "lectures")
    notebook = nbformat.read(folder / NOTEBOOK, as_version=4)  # type: ignore[no-untyped-call]
    notebook.cells = [cell for cell in notebook.cells if "lb.fit(" not in cell.source]  # it would take a minute
    for cell in notebook.cells:
        if cell.metadata.get("nbgrader", {}).get("solution") and (name := cell.metadata.nbgrader.grade_id) != EXERCISE:
            cell.source = reference(attention, name).source
    nbformat.write(notebook, folder / NOTEBOOK)  # type: ignore[no-untyped-call]
    return folder


def lookback_check(notebook: Path) -> tuple[int, dict[str, Any]]:
    """The exit code of `lookback check`, and the exercises by their names."""
    command = [str(Path(sys.executable).with_name("lookback")), "check", str(notebook), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.returncode, {one.pop("name"): one for one in json.loads(done.stdout)["exercises"]}


@pytest.mark.timeout(900)  # on two busy cores; alone it takes a minute or two
def test_a_day_without_a_mouse(folder: Path, open_lab: Callable[..., Lab]) -> None:
    lab = open_lab(folder)
    lab.open(f"lectures/{ASSIGNMENT}.ipynb")
    assert lab.output(CLAIM).startswith("✓ Attention reads a set")
    assert "measured" in lab.output(CLAIM)
    words = lab.open_details(PLOT)
    lab.screenshot("lecture_figure")
    assert "the hard lookup is a staircase" in words

    lab.open(NOTEBOOK)
    assert lab.run("imports") == ""
    lab.run(STUB)
    assert f"{EXERCISE} still raises NotImplementedError" in lab.run(CHECK)

    right = "if temperature <= 0: raise ValueError(temperature)\n    "
    right += "return (keys @ query / temperature).softmax(dim=0) @ values"
    lab.write(STUB, "raise NotImplementedError()", right.replace("/ temp", "* temp"))
    assert lab.run(STUB) == ""
    wrong = lab.run(CHECK)
    lab.screenshot("assignment_wrong")
    assert "✗" in wrong
    assert SUSPECT in wrong
    assert EXPERIMENT in wrong

    assert not lab.all(f"{LADDER}[open]"), "a ladder is closed at first"
    assert "Hint 1" in lab.open_details(f"stuck-{STUB.removeprefix('stub-')}")
    lab.screenshot("ladder")
    assert len(lab.all(f"{LADDER}[open]")) == 1

    lab.go(CHECK)
    failed = lab.validate()
    assert failed.count("The following cell failed") == 1
    message = failed.partition("✗")[2]
    assert SUSPECT in message
    assert EXPERIMENT in message
    code, exercises = lookback_check(folder / NOTEBOOK)  # Validate has saved it
    assert code == 1
    assert [name for name, one in exercises.items() if one["state"] != "done"] == [EXERCISE]
    assert exercises[EXERCISE]["first"]["suspect"].startswith(SUSPECT)

    line = right.splitlines()[1].strip()
    lab.write(STUB, line.replace("/ temp", "* temp"), line)
    assert lab.run(STUB) == ""
    good = lab.run(CHECK)
    lab.screenshot("assignment_right")
    assert good.count("✓") == 3
    assert "✗" not in good
    assert "Success! Your notebook passes all the tests." in lab.validate()

    lab.go(CHECK)
    lab.press("b", "enter")
    lab.type("lb.progress()")
    lab.press("control+enter")
    (shown,) = wait(lab.chrome, lambda: lab.all(".jp-OutputArea-output[data-mime-type='text/plain']"), "the progress")
    lab.screenshot("progress")
    assert f"✓ {EXERCISE} " in shown.text
    assert "saturation                    not run" in shown.text
    assert "your grade comes from other checks" in shown.text
    lab.save()
    code, exercises = lookback_check(folder / NOTEBOOK)
    assert code == 0
    assert {one["state"] for one in exercises.values()} == {"done"}


def test_the_dark_theme(folder: Path, open_lab: Callable[..., Lab]) -> None:
    lab = open_lab(folder, "Dark")
    lab.open(f"lectures/{ASSIGNMENT}.ipynb")
    assert lab.all("body[data-jp-theme-light=false]")
    lab.screenshot("dark_lecture")
    lab.go(PLOT)
    lab.screenshot("dark_lecture_figure")

    lab.open(NOTEBOOK)
    lab.run("imports")
    lab.run("stub-saturation")
    lab.run("saturation-explore")
    assert "With the scale both numbers stay level" in lab.open_details("saturation-explore")
    lab.screenshot("dark_assignment")
    lab.run(STUB)
    assert "NotImplementedError" in lab.run(CHECK)
    lab.screenshot("dark_assignment_wrong")
