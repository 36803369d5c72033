"""What somebody who sees no colours, or no figures, gets of the figures of lectures and assignments."""

from __future__ import annotations

import ast
import base64
import io
import json
import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path

import lookback as lb
import matplotlib as mpl
import nbformat
import numpy as np
import pytest
from matplotlib.colors import is_color_like, rgb_to_hsv, to_rgb
from matplotlib.figure import Figure
from PIL import Image

ROOT = Path(__file__).parents[2]
LECTURES = sorted((ROOT / "lectures").glob("*.ipynb"))
NOTEBOOKS = [*LECTURES, *sorted((ROOT / "assignments").glob("*/*.ipynb"))]
LEAST_WORDS = 6  # of a description
WORDS = r'"<details><summary>The figure in words</summary>(.*?)</details>"'
MAPS = ("Blues", "PuOr", "gray")  # of one hue, of two that everybody tells apart, of none
SATURATED, DARK, SHARE = 0.35, 0.25, 0.002  # what counts as a colour, and how much of a figure it must take
APART = 0.05  # of the circle of hues


def code(path: Path) -> Iterator[tuple[str, ast.Module]]:
    for cell in nbformat.read(path, as_version=nbformat.NO_CONVERT).cells:  # type: ignore[no-untyped-call]
        if cell.cell_type == "code":
            yield cell.id, ast.parse(cell.source)


def pictures(path: Path) -> Iterator[tuple[str, str, bytes]]:
    """Every stored picture of a notebook: its cell, its description and its content."""
    for cell in nbformat.read(path, as_version=nbformat.NO_CONVERT).cells:  # type: ignore[no-untyped-call]
        for output in cell.get("outputs", []):
            if png := output.get("data", {}).get("image/png"):
                yield cell.id, output.metadata["image/png"]["alt"], base64.b64decode(png)


def words(path: Path) -> list[str]:
    """The descriptions that stand below the pictures, to be opened: JupyterLab does not read out the others."""
    page = path.read_text(encoding="utf-8")
    return [unescape(json.loads(f'"{text}"')) for text in re.findall(WORDS, page)]


def hues(png: bytes) -> list[float]:
    """The hues that take enough of a picture, on a circle of length one. Every third row and column is looked at."""
    hsv = rgb_to_hsv(np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))[::3, ::3] / 255).reshape(-1, 3)
    found, edges = np.histogram(hsv[(hsv[:, 1] > SATURATED) & (hsv[:, 2] > DARK), 0], bins=100, range=(0, 1))
    return [float(hue) for hue in edges[:-1][found > SHARE * len(hsv)] + 0.005]


def told_apart() -> list[float]:
    """The hues of the palette and of the colour maps, which people with any kind of colour vision tell apart."""
    mapped = [mpl.colormaps[name](place)[:3] for name in MAPS for place in (0.05, 0.2, 0.5, 0.8, 0.95)]
    colours = [*map(to_rgb, lb.PALETTE), *mapped]
    return [float(rgb_to_hsv(colour)[0]) for colour in colours if rgb_to_hsv(colour)[1] > SATURATED]


def is_told_apart(hue: float) -> bool:
    return any(min(abs(hue - other), 1 - abs(hue - other)) <= APART for other in told_apart())


@pytest.mark.parametrize("path", LECTURES, ids=lambda path: path.stem)
def test_a_stored_picture_is_described_and_has_a_ground_of_its_own(path: Path) -> None:
    found = list(pictures(path))
    assert found
    assert words(path) == [described for _, described, _ in found]
    for cell, described, png in found:
        assert len(described.split()) >= LEAST_WORDS, cell
        corners = np.asarray(Image.open(io.BytesIO(png)).convert("RGBA"))[[0, 0, -1, -1], [0, -1, 0, -1]]
        assert (corners == 255).all(), f"{cell}: it is not on opaque white, as a dark theme needs it"


@pytest.mark.parametrize("path", LECTURES, ids=lambda path: path.stem)
def test_a_stored_picture_has_colours_that_everybody_tells_apart(path: Path) -> None:
    wrong = {cell: [hue for hue in hues(png) if not is_told_apart(hue)] for cell, _, png in pictures(path)}
    assert not {cell: found for cell, found in wrong.items() if found}


def drawn_in(colours: str) -> bytes:
    figure = Figure(figsize=(3, 2))
    figure.add_subplot().bar([0, 1], [1, 2], color=[colours, "grey"])
    file = io.BytesIO()
    figure.savefig(file, format="png")
    return file.getvalue()


@pytest.mark.parametrize("colour", ["tab:red", "tab:green", "lime", "#ff00ff"])
def test_other_colours_are_noticed(colour: str) -> None:
    assert not all(map(is_told_apart, hues(drawn_in(colour))))


def test_the_palettes_own_are_not() -> None:
    assert all(is_told_apart(hue) for colour in lb.PALETTE for hue in hues(drawn_in(colour)))


def foreign(tree: ast.Module) -> list[str]:
    """The colours, greys apart, and the colour maps that a cell names itself."""
    texts = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    named = {text for text in texts if is_color_like(text) and (len(text) > 2 or text[0] == "C") and text != "none"}
    colours = [name for name in named if rgb_to_hsv(to_rgb(name))[1] > 0]
    keywords = [node.value for node in ast.walk(tree) if isinstance(node, ast.keyword) and node.arg == "cmap"]
    maps = [str(node.value) for node in keywords if isinstance(node, ast.Constant)]
    return colours + [name for name in maps if name.removesuffix("_r") not in MAPS]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_cell_names_no_other_colours(path: Path) -> None:
    assert not {cell: names for cell, tree in code(path) if (names := foreign(tree))}


@pytest.mark.parametrize(
    "line", ["ax.plot(x, color='red')", "ax.plot(x, color='C1')", "ax.imshow(x, cmap='jet')", "ax.bar(x, c='#ff0000')"]
)
def test_another_colour_in_a_cell_is_noticed(line: str) -> None:
    assert foreign(ast.parse(line))


def descriptions(tree: ast.Module) -> Iterator[str]:
    """What `show_figure` is told about a figure, where the cell says it in one string."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "lb.show_figure":
            yield from (text.value for text in node.args[1:] if isinstance(text, ast.Constant))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_figure_is_shown_with_a_description_and_not_otherwise(path: Path) -> None:
    for cell, tree in code(path):
        assert all(len(text.split()) >= LEAST_WORDS for text in descriptions(tree)), cell
        assert "pyplot" not in ast.unparse(tree), f"{cell}: lb.show_figure asks for a description, pyplot does not"
