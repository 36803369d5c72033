"""docs/cluster.md, whose keys, configuration and commands are those of the tests."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Document:
    """The text, for the environment that the tests run in."""

    path: Path

    def configure(self, place: Path) -> Path:
        """Make keys in this directory, and the Dask configuration that names them."""
        for line in self._block("openssl ", place):
            subprocess.run(shlex.split(line), check=True, capture_output=True)
        (place / "dask.yaml").write_text("\n".join(self._block("# /etc/dask/", place)), encoding="utf-8")
        return place / "dask.yaml"

    def unit(self, name: str) -> list[str]:
        """The command of the systemd unit of a scheduler or a worker, which an ordinary user has to run."""
        lines = self._block(f"# /etc/systemd/system/lookback-{name}", Path())
        assert "User=lookback" in lines
        return shlex.split(next(line for line in lines if line.startswith("ExecStart=")).removeprefix("ExecStart="))

    def _block(self, beginning: str, place: Path) -> list[str]:
        """The lines of the block of code that begins so."""
        text = self.path.read_text(encoding="utf-8").replace("\\\n", " ")
        (found,) = re.findall(rf"^```\w*\n({re.escape(beginning)}.*?)^```", text, flags=re.DOTALL | re.MULTILINE)
        moved = found.replace("/etc/lookback", str(place)).replace("/srv/lookback/course/.venv", sys.prefix)
        return list(moved.splitlines())
