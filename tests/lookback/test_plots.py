"""Plots carry the right labels, an opaque ground and a description."""

from typing import Any

import ipywidgets  # type: ignore[import-untyped]
import lookback as lb
import pytest
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure

WEIGHTS = torch.tensor([[0.7, 0.2, 0.1], [0.0, 0.0, 1.0]])


def tick_labels(ax: Axes) -> tuple[list[str], list[str]]:
    """Labels across and down."""
    return [label.get_text() for label in ax.get_xticklabels()], [label.get_text() for label in ax.get_yticklabels()]


def test_queries_go_down_and_keys_across() -> None:
    ax = lb.plot_attention(WEIGHTS, ["the", "cat"], ["il", "gatto", "nero"], title="alignment")
    assert tick_labels(ax) == (["il", "gatto", "nero"], ["the", "cat"])
    assert ax.get_title() == "alignment"
    assert ax.images[0].get_array().tolist() == WEIGHTS.double().tolist()


def test_keys_can_go_down() -> None:
    ax = lb.plot_attention(WEIGHTS, ["the", "cat"], ["il", "gatto", "nero"], keys_down=True)
    assert tick_labels(ax) == (["the", "cat"], ["il", "gatto", "nero"])
    assert ax.images[0].get_array().tolist() == WEIGHTS.T.double().tolist()


def test_cells_show_their_weight_where_there_is_any() -> None:
    ax = lb.plot_attention(WEIGHTS, ["the", "cat"], ["il", "gatto", "nero"])
    assert {text.get_position(): text.get_text() for text in ax.texts} == {
        (0, 0): "0.70",
        (1, 0): "0.20",
        (2, 0): "0.10",
        (2, 1): "1.00",
    }


def test_weights_with_a_gradient_can_be_drawn() -> None:
    ax = lb.plot_attention(WEIGHTS.clone().requires_grad_(), ["a", "b"], ["c", "d", "e"])
    assert len(ax.images) == 1


def test_labels_that_do_not_fit_are_an_error() -> None:
    with pytest.raises(ValueError, match=r"\(2, 3\).*\(3, 2\)"):
        lb.plot_attention(WEIGHTS, ["a", "b", "c"], ["d", "e"])


def test_curves_differ_in_colour_and_style_and_are_named() -> None:
    ax = lb.plot_curves(
        {"raw": [1.0, 2.0], "scaled": [1.0, 1.0]}, [4, 16], x_label="width d", y_label="entropy", x_log=True
    )
    lines = ax.get_lines()
    assert [line.get_color() for line in lines] == list(lb.PALETTE[:2])
    assert lines[0].get_linestyle() != lines[1].get_linestyle()
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["raw", "scaled"]
    assert (ax.get_xlabel(), ax.get_ylabel(), ax.get_xscale(), ax.get_yscale()) == (
        "width d",
        "entropy",
        "log",
        "linear",
    )


def test_more_curves_than_colours_is_an_error() -> None:
    with pytest.raises(ValueError, match="there are 8 curves"):
        lb.plot_curves({str(number): [0.0] for number in range(8)})


def test_a_figure_is_shown_on_white_with_its_description(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[tuple[dict[str, Any], dict[str, Any]]] = []
    monkeypatch.setattr(
        "IPython.display.display", lambda data, metadata=None, raw=False: shown.append((data, metadata))
    )
    figure, axes = lb.new_figure(2)
    lb.show_figure(figure, "Two axes, x < y.")
    (data, metadata), (words, _) = shown
    assert len(axes) == 2
    assert figure.get_facecolor() == (1.0, 1.0, 1.0, 1.0)
    assert data["image/png"].startswith(b"\x89PNG")
    assert data["text/plain"] == "Two axes, x < y."
    assert metadata["image/png"]["alt"] == "Two axes, x < y."
    assert words["text/html"] == "<details><summary>The figure in words</summary>Two axes, x &lt; y.</details>"


def named_figure(name: str) -> tuple[Figure, str]:
    return lb.new_figure()[0], f"Figure {name}."


def shown_with_slider(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    shown: list[dict[str, Any]] = []
    monkeypatch.setattr("IPython.display.display", lambda data, metadata=None, raw=0: shown.append(data))
    lb.show_with_slider(named_figure, ["a", "b & c"], label="which", start="a")
    return shown[0]


def test_a_slider_chooses_the_figure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)
    data = shown_with_slider(monkeypatch)
    model = data["application/vnd.jupyter.widget-view+json"]["model_id"]
    box = ipywidgets.widget_serialization["from_json"](f"IPY_MODEL_{model}", None)
    slider, picture = box.children
    assert 'alt="Figure a."' in picture.value
    slider.value = "b & c"
    assert 'alt="Figure b &amp; c."' in picture.value


def test_where_there_are_no_widgets_a_slider_is_a_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "1")
    data = shown_with_slider(monkeypatch)
    assert data.keys() == {"image/png", "text/plain"}
    assert data["text/plain"] == "Figure a."


def test_a_slider_that_starts_nowhere_is_an_error() -> None:
    with pytest.raises(ValueError, match="starts at c"):
        lb.show_with_slider(named_figure, ["a", "b"], label="which", start="c")


def test_a_figure_without_a_description_is_an_error() -> None:
    with pytest.raises(ValueError, match="alt_text"):
        lb.show_figure(lb.new_figure()[0], " ")
