"""What every lecture notebook must be like, checked without running it."""

import ast
import copy
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbformat import NotebookNode

LECTURES = sorted((Path(__file__).parents[2] / "lectures").glob("*.ipynb"))
LEAST_CLAIMS = 10
STABLE_ID = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
RANDOM_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){0,4}[0-9a-f]*")
MACHINE_PATH = re.compile(r"/(?:work|root|home|Users|tmp)/|[A-Z]:\\")
REMOTE_IMAGE = re.compile(r"!\[[^\]]*\]\(\s*https?:|<img[^>]+src\s*=\s*[\"']?https?:", re.IGNORECASE)


def code_cells(notebook: NotebookNode) -> list[NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def outputs(notebook: NotebookNode) -> list[NotebookNode]:
    return [output for cell in code_cells(notebook) for output in cell.outputs]


def texts(notebook: NotebookNode) -> Iterator[str]:
    """Everything textual that the outputs hold."""
    for output in outputs(notebook):
        yield output.get("text", "")
        for kind, content in output.get("data", {}).items():
            if kind.startswith("text/") or kind.endswith("+xml"):
                yield content


def count_claims(cell: NotebookNode) -> int:
    """The number of calls of `claim` that are written in a cell."""
    calls = [node.func for node in ast.walk(ast.parse(cell.source)) if isinstance(node, ast.Call)]
    return sum(getattr(call, "attr", getattr(call, "id", None)) == "claim" for call in calls)


def claim_cells(notebook: NotebookNode) -> list[NotebookNode]:
    return [cell for cell in code_cells(notebook) if count_claims(cell)]


def is_valid(notebook: NotebookNode) -> bool:
    nbformat.validate(notebook)
    return (notebook.nbformat, notebook.nbformat_minor) == (4, 5)


def runs_on_the_default_kernel(notebook: NotebookNode) -> bool:
    return bool(notebook.metadata.kernelspec.name == "python3")


def has_stored_outputs(notebook: NotebookNode) -> bool:
    """Outputs exist, and cells were executed once from top to bottom."""
    counts = [cell.execution_count for cell in code_cells(notebook)]
    return bool(outputs(notebook)) and counts == list(range(1, len(counts) + 1))


def has_enough_claims(notebook: NotebookNode) -> bool:
    return sum(count_claims(cell) for cell in claim_cells(notebook)) >= LEAST_CLAIMS


def claims_held(notebook: NotebookNode) -> bool:
    """Every claim's cell shows as many claims that held as it makes."""
    shown = [("".join(output.get("text", "") for output in cell.outputs), cell) for cell in claim_cells(notebook)]
    return all(text.count("✓ ") == count_claims(cell) and "✗" not in text for text, cell in shown)


def claims_are_compared(notebook: NotebookNode) -> bool:
    """No cell with a claim is skipped or ignored when nbval compares outputs."""
    ignored = re.compile(r"nbval-(ignore-output|skip|raises-exception)|NBVAL_(IGNORE_OUTPUT|SKIP)")
    cells = claim_cells(notebook)
    return not any(ignored.search(" ".join(cell.metadata.get("tags", [])) + cell.source) for cell in cells)


def ids_are_stable(notebook: NotebookNode) -> bool:
    ids = [cell.id for cell in notebook.cells]
    return len(set(ids)) == len(ids) and all(STABLE_ID.fullmatch(i) and not RANDOM_ID.fullmatch(i) for i in ids)


def metadata_is_clean(notebook: NotebookNode) -> bool:
    """Neither execution times nor the state of widgets are stored."""
    timed = any("execution" in cell.metadata or "ExecuteTime" in cell.metadata for cell in notebook.cells)
    widgets = any("application/vnd.jupyter.widget-view+json" in output.get("data", {}) for output in outputs(notebook))
    return not timed and not widgets and "widgets" not in notebook.metadata


def has_no_errors(notebook: NotebookNode) -> bool:
    """No cell failed, and none left anything on standard error."""
    return not any(output.output_type == "error" or output.get("name") == "stderr" for output in outputs(notebook))


def names_no_machine(notebook: NotebookNode) -> bool:
    return not any(MACHINE_PATH.search(text) for text in texts(notebook))


def needs_no_network_to_show(notebook: NotebookNode) -> bool:
    return not any(REMOTE_IMAGE.search(text) for text in [*texts(notebook), *(cell.source for cell in notebook.cells)])


def images_are_described(notebook: NotebookNode) -> bool:
    images = [output for output in outputs(notebook) if "image/png" in output.get("data", {})]
    return all(image.metadata.get("image/png", {}).get("alt") for image in images)


def opens_and_closes_as_agreed(notebook: NotebookNode) -> bool:
    """Aims, needs, time and seed come first; measured claims, things to try and sources come last."""
    opening, closing = notebook.cells[0].source, notebook.cells[-1].source
    opens = all(words in opening for words in ("you will be able to", "What you need", "CPU minute", "Seed"))
    closes = "Three things to try" in closing and "## Sources" in closing
    return opens and closes and any("claims_table()" in cell.source for cell in code_cells(notebook)[-1:])


Rule = Callable[[NotebookNode], bool]
RULES: list[Rule] = [
    is_valid,
    runs_on_the_default_kernel,
    has_stored_outputs,
    has_enough_claims,
    claims_held,
    claims_are_compared,
    ids_are_stable,
    metadata_is_clean,
    has_no_errors,
    names_no_machine,
    needs_no_network_to_show,
    images_are_described,
    opens_and_closes_as_agreed,
]


def test_there_are_lectures() -> None:
    assert LECTURES != []


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
@pytest.mark.parametrize("path", LECTURES, ids=lambda path: path.stem)
def test_a_lecture_keeps_the_rule(path: Path, rule: Rule) -> None:
    assert rule(nbformat.read(path, as_version=nbformat.NO_CONVERT))


@pytest.mark.parametrize("path", LECTURES, ids=lambda path: path.stem)
def test_a_lecture_is_stored_as_canonical_json(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert text == nbformat.writes(nbformat.reads(text, as_version=nbformat.NO_CONVERT)) + "\n"


def lecture_with(change: Callable[[NotebookNode], Any]) -> NotebookNode:
    """A copy of the first lecture with one thing made wrong."""
    notebook = copy.deepcopy(nbformat.read(LECTURES[0], as_version=nbformat.NO_CONVERT))
    change(notebook)
    return notebook


def first_claim(notebook: NotebookNode) -> NotebookNode:
    return claim_cells(notebook)[0]


def print_in_first_claim(text: str) -> Callable[[NotebookNode], Any]:
    return lambda notebook: first_claim(notebook).outputs.append(nbformat.v4.new_output("stream", text=text))


FAULTS: list[tuple[Rule, Callable[[NotebookNode], Any]]] = [
    (runs_on_the_default_kernel, lambda n: n.metadata.kernelspec.update(name="my-kernel")),
    (has_stored_outputs, lambda n: [cell.update(outputs=[]) for cell in code_cells(n)]),
    (has_stored_outputs, lambda n: code_cells(n)[0].update(execution_count=7)),
    (has_enough_claims, lambda n: [cell.update(source="1") for cell in claim_cells(n)]),
    (claims_held, print_in_first_claim("✗ it holds\n")),
    (claims_held, lambda n: first_claim(n).update(outputs=[])),
    (claims_are_compared, lambda n: first_claim(n).metadata.update(tags=["nbval-ignore-output"])),
    (claims_are_compared, lambda n: first_claim(n).update(source="# NBVAL_IGNORE_OUTPUT\n" + first_claim(n).source)),
    (ids_are_stable, lambda n: n.cells[1].update(id=n.cells[0].id)),
    (ids_are_stable, lambda n: n.cells[1].update(id="9755a1f9")),
    (ids_are_stable, lambda n: n.cells[1].update(id="a755a1f9")),
    (metadata_is_clean, lambda n: n.cells[1].metadata.update(execution={"iopub.execute_input": "2026"})),
    (metadata_is_clean, lambda n: n.metadata.update(widgets={})),
    (has_no_errors, lambda n: first_claim(n).outputs.append(nbformat.v4.new_output("error", ename="E", evalue="e"))),
    (names_no_machine, print_in_first_claim("/home/somebody/course")),
    (needs_no_network_to_show, lambda n: n.cells[0].update(source="![plot](https://example.org/a.png)")),
    (images_are_described, lambda n: [output.update(metadata={}) for output in outputs(n) if "data" in output]),
    (opens_and_closes_as_agreed, lambda n: n.cells.pop()),
]


@pytest.mark.parametrize(("rule", "fault"), FAULTS)
def test_a_rule_notices_its_fault(rule: Rule, fault: Callable[[NotebookNode], Any]) -> None:
    assert rule(lecture_with(lambda notebook: None))
    assert not rule(lecture_with(fault))
