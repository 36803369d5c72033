"""The repository as data: its files, its manifests, its notebooks."""

from __future__ import annotations

import os
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbformat import NotebookNode


@pytest.fixture(scope="session")
def files(root: Path) -> list[Path]:
    """Every file that git keeps or would keep. Without git these tests are skipped, but in CI they fail."""
    if not (shutil.which("git") and (root / ".git").exists()):
        give_up = pytest.fail if os.environ.get("CI") else pytest.skip
        give_up("this folder is no git clone, or git is not installed")
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True).stdout
    return sorted(path for name in listed.split("\0") if name and (path := root / name).is_file())


@pytest.fixture(scope="session")
def notebooks(files: list[Path]) -> dict[Path, NotebookNode]:
    found = [path for path in files if path.suffix == ".ipynb"]
    assert found, "the course has notebooks"
    return {path: nbformat.read(path, as_version=nbformat.NO_CONVERT) for path in found}  # type: ignore[no-untyped-call]


@pytest.fixture(scope="session")
def documents(files: list[Path]) -> list[Path]:
    return [path for path in files if path.suffix == ".md"]


@pytest.fixture(scope="session")
def manifest(root: Path) -> dict[str, Any]:
    """pyproject.toml."""
    return tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
