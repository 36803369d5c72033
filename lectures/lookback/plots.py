"""Plots that are readable in light and dark themes, by colour-blind people, and by screen readers."""

import base64
import io
import os
from collections.abc import Callable, Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any, TypeVar

import torch
from torch import Tensor

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito (2008), "Color Universal Design":
# blue, vermilion, bluish green, reddish purple, orange, sky blue, black.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")

_LINES = ("-", "--", "-.", ":")

Choice = TypeVar("Choice")


def new_figure(columns: int = 1, *, width: float = 8.0, height: float = 3.2) -> "tuple[Figure, list[Axes]]":
    """Return a figure on an opaque white ground and its axes from left to right.

    Args:
        columns: number of axes.
        width, height: size of the whole figure in inches.

    Example:
        >>> figure, (left, right) = new_figure(2)
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), facecolor="white", layout="constrained")
    axes = [figure.add_subplot(1, columns, column + 1) for column in range(columns)]
    for ax in axes:
        ax.spines[["top", "right"]].set_visible(False)
    return figure, axes


def show_figure(figure: "Figure", alt_text: str) -> None:
    """Display a figure in the notebook with a description for people who cannot see it.

    The description is the image's `alt` attribute, the text that stands in for the image where none can be shown, and,
    as JupyterLab leaves the attribute out, a line to open below the image.

    Raises:
        ValueError: the description is empty.

    Example:
        >>> show_figure(figure, "Entropy falls with the width d without the scale, and stays level with it.")
    """
    from IPython.display import display

    shown, metadata = _picture(figure, alt_text)
    display(shown, metadata=metadata, raw=True)  # type: ignore[no-untyped-call]
    words = f"<details><summary>The figure in words</summary>{escape(alt_text)}</details>"
    display({"text/html": words}, raw=True)  # type: ignore[no-untyped-call]


def show_with_slider(
    draw: "Callable[[Choice], tuple[Figure, str]]", values: Sequence[Choice], *, label: str, start: Choice
) -> None:
    """Display the figure for one of `values`, with a slider that chooses among them.

    Where there are no widgets (a web page, an editor without them, a run with the environment variable `CI` set) the
    figure for `start` is an ordinary picture.

    Args:
        draw: makes the figure for a value, and its description as for `show_figure`.
        values: what the slider chooses among, from left to right.
        label: the words beside the slider.

    Raises:
        ValueError: `start` is not one of `values`, or a figure has no description.

    Example:
        >>> show_with_slider(draw_weights, [0.1, 1.0, 10.0], label="temperature", start=1.0)
    """
    from IPython.display import display

    if start not in values:
        raise ValueError(f"the slider starts at {start}, which is none of {list(values)}")
    if os.environ.get("CI"):
        show_figure(*draw(start))
        return
    shown, metadata = _picture(*draw(start))
    display(shown | _slider(draw, values, label, start), metadata=metadata, raw=True)  # type: ignore[no-untyped-call]


def _picture(figure: "Figure", alt_text: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what Jupyter displays for a figure, and the metadata of it."""
    if not alt_text.strip():
        raise ValueError("a figure needs a description: alt_text is empty")
    image = io.BytesIO()
    figure.savefig(image, format="png", dpi=100, metadata={"Description": alt_text, "Software": None})
    metadata = {"image/png": {"alt": alt_text, "needs_background": "light"}}
    return {"image/png": image.getvalue(), "text/plain": alt_text}, metadata


def _slider(
    draw: "Callable[[Choice], tuple[Figure, str]]", values: Sequence[Choice], label: str, start: Choice
) -> dict[str, Any]:
    """Return what Jupyter displays for a slider above the figure that it chooses."""
    import ipywidgets  # type: ignore[import-untyped]

    def image(value: Choice) -> str:
        shown, _ = _picture(*draw(value))
        png = base64.b64encode(shown["image/png"]).decode()
        return f'<img alt="{escape(shown["text/plain"])}" src="data:image/png;base64,{png}">'

    slider = ipywidgets.SelectionSlider(
        options=[(str(value), value) for value in values],
        value=start,
        description=label,
        style={"description_width": "initial"},
    )
    picture = ipywidgets.HTML(image(start))
    slider.observe(lambda change: setattr(picture, "value", image(change["new"])), names="value")
    widget = "application/vnd.jupyter.widget-view+json"
    return {widget: ipywidgets.VBox([slider, picture])._repr_mimebundle_()[widget]}


def plot_attention(
    weights: Tensor,
    queries: Sequence[str],
    keys: Sequence[str],
    ax: "Axes | None" = None,
    title: str = "",
    *,
    keys_down: bool = False,
) -> "Axes":
    """Draw attention weights as a matrix: a row per query, a column per key, darker for more weight.

    The number is written into every cell that weighs at least 0.005, if there are at most 200 cells.

    Args:
        weights: (T, S), rows that sum to one.
        queries: T labels.
        keys: S labels.
        ax: axes to draw on; new ones if None.
        keys_down: draw a row per key and a column per query instead, for keys with long names such as sentences.

    Raises:
        ValueError: the labels do not fit the shape of the weights.

    Example:
        >>> ax = plot_attention(weights, ["hop 1", "hop 2"], story["facts"], keys_down=True)
    """
    if weights.shape != (len(queries), len(keys)):
        raise ValueError(f"weights have shape {tuple(weights.shape)}, labels {(len(queries), len(keys))}")
    values = (weights.T if keys_down else weights).detach().to("cpu", torch.float64).numpy()
    down, across = (keys, queries) if keys_down else (queries, keys)
    if ax is None:
        ax = new_figure(width=2.5 + 0.6 * len(across), height=1.6 + 0.35 * len(down))[1][0]
    ax.imshow(values, cmap="Blues", vmin=0.0, vmax=1.0, aspect="auto")
    ax.set_yticks(range(len(down)), down)
    ax.set_xticks(range(len(across)), across, **_slanted(across))
    ax.spines[:].set_visible(False)
    ax.tick_params(length=0)
    ax.set_title(title)
    if values.size <= 200:
        for row, column in zip(*(values >= 0.005).nonzero(), strict=True):
            weight = values[row, column]
            colour = "white" if weight > 0.55 else "black"
            ax.text(column, row, f"{weight:.2f}", ha="center", va="center", color=colour, fontsize=8)
    return ax


def _slanted(labels: Sequence[str]) -> dict[str, Any]:
    """Return the text properties that keep long labels on a horizontal axis apart."""
    if max(len(label) for label in labels) <= 8:
        return {}
    return {"rotation": 35, "ha": "right", "rotation_mode": "anchor"}


def plot_curves(
    curves: Mapping[str, Sequence[float]],
    x: Sequence[float] | None = None,
    ax: "Axes | None" = None,
    *,
    title: str = "",
    x_label: str = "step",
    y_label: str = "loss",
    x_log: bool = False,
    y_log: bool = False,
    marker: str | None = None,
) -> "Axes":
    """Draw named curves over the same x, told apart by colour and by line style.

    Args:
        curves: name -> y values.
        x: the x values; 0, 1, 2, … if None, and then the curves may have different lengths.
        ax: axes to draw on; new ones if None.
        x_log, y_log: logarithmic axes.
        marker: Matplotlib's name of the mark on every point; none if None.

    Raises:
        ValueError: there are no curves, or more than the palette tells apart.

    Example:
        >>> ax = plot_curves({"two hops": history.smoothed()})
    """
    if not 1 <= len(curves) <= len(PALETTE):
        raise ValueError(f"there are {len(curves)} curves; from 1 to {len(PALETTE)} can be told apart")
    if ax is None:
        ax = new_figure()[1][0]
    for number, (name, y) in enumerate(curves.items()):
        style = _LINES[number % len(_LINES)]
        ax.plot(
            range(len(y)) if x is None else x, y, style, color=PALETTE[number], marker=marker, markersize=4, label=name
        )
    ax.set(title=title, xlabel=x_label, ylabel=y_label)
    ax.set_xscale("log" if x_log else "linear")
    ax.set_yscale("log" if y_log else "linear")
    if x_log and x is not None and len(x) <= 8:
        ax.set_xticks(x, [f"{value:,g}" for value in x])
    ax.minorticks_off()
    ax.grid(alpha=0.25)
    ax.legend(frameon=False)
    return ax
