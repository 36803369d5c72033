"""A slider moves a figure in JupyterLab."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import nbformat
import pytest
from selenium.webdriver import Keys

from tests.browser.lab import Lab, wait

CELL = """
import lookback as lb


def draw(name):
    return lb.new_figure()[0], f"Figure {name}."


lb.show_with_slider(draw, ["a", "b", "c"], label="which", start="a")
"""


def test_a_slider_moves_its_figure(
    open_lab: Callable[[Path], Lab], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CI", raising=False)  # with it there are only pictures
    cell = nbformat.v4.new_code_cell(CELL, id="slider")  # type: ignore[no-untyped-call]
    notebook = nbformat.v4.new_notebook(cells=[cell])  # type: ignore[no-untyped-call]
    notebook.metadata.kernelspec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(notebook, tmp_path / "slider.ipynb")  # type: ignore[no-untyped-call]
    lab = open_lab(tmp_path)
    lab.open("slider.ipynb")
    lab.run("slider")
    wait(lab.chrome, lambda: lab.all(".widget-html img[alt='Figure a.']"), "the figure that it starts with")
    (handle,) = lab.all(".noUi-handle")
    handle.send_keys(Keys.ARROW_RIGHT)
    wait(lab.chrome, lambda: lab.all(".widget-html img[alt='Figure b.']"), "the next figure")
