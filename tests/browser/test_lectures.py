"""Every lecture opens in JupyterLab with its pictures, its claims and no error."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.browser.lab import Lab

LECTURES = sorted((Path(__file__).parents[2] / "lectures").glob("*.ipynb"))


@pytest.mark.parametrize("lecture", LECTURES, ids=lambda path: path.stem)
def test_a_lecture_opens(lecture: Path, open_lab: Callable[[Path], Lab], tmp_path: Path) -> None:
    shutil.copy(lecture, tmp_path)
    lab = open_lab(tmp_path)
    lab.open(lecture.name)
    cells = json.loads(lecture.read_text(encoding="utf-8"))["cells"]
    stored = [output for cell in cells for output in cell.get("outputs", [])]
    pictures = [output for output in stored if output.get("data", {}).keys() & {"image/png", "image/svg+xml"}]
    shown = lab.all(".jp-OutputArea-output img, .jp-OutputArea-output svg")
    assert len(shown) >= len(pictures) > 0
    assert all(picture.size["width"] > 100 for picture in shown[: len(pictures)])
    assert not lab.all(".jp-OutputArea-output[data-mime-type='application/vnd.jupyter.error']")
    assert not lab.all(".MathJax_Error, mjx-merror"), "a formula that is not drawn"
    for place in range(0, len(shown), 3):
        lab.show(shown[place])
        lab.screenshot(f"{lecture.stem}_{place:02}")
