"""Reading a file that anybody may have written."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from autograder.engine.limits import MIB
from autograder.engine.notebook import Rejected, read_notebook
from tests.engine.notebooks import code, notebook, submitted, written

BAD_TEXTS = {
    "it is empty": "",
    "it is no JSON": "{'cells': []",
    "it is nested too deeply": "[" * 200_000,
    "JSON, but not a notebook": '{"hello": 1}',
    "JSON, but not": "[]",
    "format 3": json.dumps(notebook([]) | {"nbformat": 3}),
    "format 99": json.dumps(notebook([]) | {"nbformat": 99}),
    "format None": '{"cells": []}',
    "no list of cells": json.dumps(notebook([]) | {"cells": {"a": 1}}),
    "cell 2 is no code, markdown or raw cell": json.dumps(notebook([code(""), {"cell_type": "heading"}])),
    "cell 1 has no text": json.dumps(notebook([code("") | {"source": [1, 2]}])),
    "cell 1 is no code": json.dumps(notebook([7])),  # type: ignore[list-item]
    "2,001 cells": json.dumps(notebook([code("")] * 2001)),
}


@pytest.mark.parametrize("reason", BAD_TEXTS)
def test_what_is_no_notebook_is_rejected_with_the_reason(reason: str, tmp_path: Path) -> None:
    path = tmp_path / "bad.ipynb"
    path.write_text(BAD_TEXTS[reason])
    with pytest.raises(Rejected, match=reason) as rejected:
        read_notebook(path, 20 * MIB)
    assert len(rejected.value.digest) == 64


def test_text_in_another_encoding_is_rejected(tmp_path: Path) -> None:
    (tmp_path / "bad.ipynb").write_bytes(b'{"cells": ["\xe4"]}')
    with pytest.raises(Rejected, match="no text in UTF-8"):
        read_notebook(tmp_path / "bad.ipynb", MIB)


def test_only_a_regular_file_of_its_own_is_read(tmp_path: Path) -> None:
    real = written(tmp_path / "real.ipynb", submitted())
    (tmp_path / "link.ipynb").symlink_to(real)
    os.mkfifo(tmp_path / "pipe.ipynb")
    (tmp_path / "folder.ipynb").mkdir()
    for name, reason in {"link": "symbolic link", "pipe": "not a regular file", "folder": "Is a directory"}.items():
        with pytest.raises(Rejected, match=reason):
            read_notebook(tmp_path / f"{name}.ipynb", 20 * MIB)
    assert read_notebook(real, 20 * MIB).cells
    os.link(real, tmp_path / "second.ipynb")
    with pytest.raises(Rejected, match="hard link"):
        read_notebook(real, 20 * MIB)


def test_a_large_file_is_rejected_before_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "large.ipynb"
    with open(path, "wb") as file:
        file.truncate(2 * 2**30)
    with pytest.raises(Rejected, match="2,147,483,648 bytes; at most 20,971,520"):
        read_notebook(path, 20 * MIB)


def test_source_may_be_a_text_or_a_list_of_lines(tmp_path: Path) -> None:
    path = written(tmp_path / "good.ipynb", [code("a = 1\nb = 2"), code("") | {"source": ["a = 1\n", "b = 2"]}])
    one, other = read_notebook(path, MIB).cells
    assert one.source == other.source == "a = 1\nb = 2"


def test_metadata_of_a_wrong_shape_is_no_metadata(tmp_path: Path) -> None:
    path = written(
        tmp_path / "odd.ipynb", [code("", nbgrader=["x"], tags="explore"), code("", nbgrader={"grade_id": 3})]
    )
    assert [(cell.grade_id, cell.tags) for cell in read_notebook(path, MIB).cells] == [("", []), ("", [])]
