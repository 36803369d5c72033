"""The executed notebook: the aligned cells with what they printed, without hidden tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from autograder.engine.align import Step, without_hidden_tests


def executed_notebook(
    metadata: Mapping[str, Any], steps: Sequence[Step], outputs: Mapping[int, list[dict[str, Any]]]
) -> dict[str, Any]:
    """Nbformat 4 JSON. `outputs` are those of each step that ran, by its index.

    Example: `executed_notebook(source.metadata, plan.steps, session.outputs)["cells"][0]["source"]`
    """
    return {
        "cells": [_cell(step, place, outputs) for place, step in enumerate(steps)],
        "metadata": dict(metadata),
        "nbformat": 4,
        "nbformat_minor": 5,
    }


def _cell(step: Step, place: int, outputs: Mapping[int, list[dict[str, Any]]]) -> dict[str, Any]:
    source = without_hidden_tests(step.source) if step.role == "test" else step.source
    cell: dict[str, Any] = {
        "cell_type": step.kind,
        "id": step.cell_id or f"cell-{place}",
        "metadata": dict(step.metadata),
        "source": source,
    }
    if step.kind == "code":
        number = sorted(outputs).index(place) + 1 if place in outputs else None
        shown = [_numbered(output, number) for output in outputs.get(place, [])]
        if source != step.source:
            shown = [_without_traceback(output) for output in shown]
        cell |= {"execution_count": number, "outputs": shown}
    return cell


def _numbered(output: dict[str, Any], number: int | None) -> dict[str, Any]:
    return output | {"execution_count": number} if output["output_type"] == "execute_result" else output


def _without_traceback(output: dict[str, Any]) -> dict[str, Any]:
    """An error without the lines of the cell, of which some are hidden."""
    if output["output_type"] != "error":
        return output
    return output | {"traceback": [f"{output['ename']}: {output['evalue']}"]}
