"""What is kept of what a cell printed and showed."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autograder.engine.outputs import Outputs

KINDS = st.sampled_from(["stream", "error", "display_data", "execute_result", "status", "x"])
JSON = st.recursive(
    st.none() | st.integers() | st.text(max_size=9),
    lambda value: st.lists(value, max_size=2) | st.dictionaries(st.text(max_size=9), value, max_size=2),
    max_leaves=3,
)
CONTENT = st.dictionaries(
    st.sampled_from(["name", "text", "ename", "evalue", "traceback", "data", "text/plain", "image/png"]), JSON
)


def test_streams_join_and_results_keep_text_and_image() -> None:
    outputs = Outputs(10_000)
    for text in ("a", "b"):
        outputs.add("stream", {"name": "stdout", "text": text})
    outputs.add("execute_result", {"data": {"text/plain": "3", "text/html": "<script>", "image/png": "aGk="}})
    stream, result = outputs.cells
    assert stream == {"output_type": "stream", "name": "stdout", "text": "ab"}
    assert result["data"] == {"text/plain": "3", "image/png": "aGk="}


@pytest.mark.parametrize("image", ["<svg onload=alert(1)>", "a" * 20_000, 7])
def test_an_image_that_is_none_is_left_out(image: Any) -> None:
    outputs = Outputs(10_000)
    outputs.add("display_data", {"data": {"image/png": image}})
    assert outputs.cells == []


def test_an_error_is_told_in_one_line() -> None:
    outputs = Outputs(10_000)
    outputs.add("error", {"ename": "ValueError", "evalue": "two\n  lines", "traceback": ["…"]})
    assert outputs.error == "ValueError: two lines"


def test_what_is_over_the_cap_is_not_kept() -> None:
    outputs = Outputs(1000)
    for _ in range(10_000):
        outputs.add("stream", {"name": "stdout", "text": "x" * 10})
        outputs.add("display_data", {"data": {"text/plain": "y"}})
    assert len(json.dumps(outputs.cells)) < 2000
    outputs = Outputs(1000)
    outputs.add("stream", {"name": "stdout", "text": "x" * 1001})
    assert outputs.cells[0]["text"].endswith("(the rest of the output was not kept)\n")


@given(st.lists(st.tuples(KINDS, CONTENT), max_size=4))
def test_whatever_comes_can_be_written_into_a_notebook(messages: list[tuple[str, dict[str, Any]]]) -> None:
    outputs = Outputs(1000)
    for kind, content in messages:
        outputs.add(kind, content)
    json.dumps(outputs.cells).encode()
    assert {cell["output_type"] for cell in outputs.cells} <= {"stream", "error", "display_data", "execute_result"}
