"""Every notebook is canonical: one text for one content, so that a difference in git is a difference in the course."""

from __future__ import annotations

from pathlib import Path

import nbformat
from nbformat import NotebookNode

Notebooks = dict[Path, NotebookNode]


def test_notebooks_are_canonical(notebooks: Notebooks) -> None:
    """Format 4.5, keys in order, one space of indentation, one end of line at the end."""
    for path, notebook in notebooks.items():
        nbformat.validate(notebook)
        assert (notebook.nbformat, notebook.nbformat_minor) == (4, 5), path
        canonical = nbformat.writes(notebook) + "\n"  # type: ignore[no-untyped-call]
        assert path.read_text(encoding="utf-8") == canonical, path


def test_notebooks_keep_nothing_of_the_run(notebooks: Notebooks) -> None:
    """No execution times, no widget state, no kernel of one machine."""
    for path, notebook in notebooks.items():
        assert "widgets" not in notebook.metadata, path
        assert notebook.metadata.kernelspec.name == "python3", path
        for cell in notebook.cells:
            assert not {"execution", "ExecuteTime", "collapsed"} & cell.metadata.keys(), (path, cell.id)


def test_cell_ids_are_unique(notebooks: Notebooks) -> None:
    for path, notebook in notebooks.items():
        ids = [cell.id for cell in notebook.cells]
        assert len(ids) == len(set(ids)), path


def test_assignments_have_no_outputs(root: Path, notebooks: Notebooks) -> None:
    for path, notebook in notebooks.items():
        for cell in notebook.cells if path.is_relative_to(root / "assignments") else ():
            assert not cell.get("outputs"), (path, cell.id)
            assert cell.get("execution_count") is None, (path, cell.id)


def test_a_unit_has_one_number_and_one_name(root: Path) -> None:
    """lectures/NN_name.ipynb, assignments/NN_name/NN_name.ipynb, and name.py for the solutions and the bank."""
    units = sorted(path.name for path in (root / "assignments").iterdir() if path.is_dir())
    assert units
    assert units == sorted(path.stem for path in (root / "lectures").glob("*.ipynb"))
    for unit in units:
        name = unit.partition("_")[2]
        assert (root / "assignments" / unit / f"{unit}.ipynb").is_file()
        for folder in ("solutions", "solutions/variants", "solutions/misconceptions", "autograder/bank"):
            assert (root / folder / f"{name}.py").is_file()
