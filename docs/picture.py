"""Write docs/picture.png: the two hops of a memory network, as lecture 04 drew them. Run: python docs/picture.py"""

from __future__ import annotations

import base64
import json
from pathlib import Path

HERE = Path(__file__).parent
LECTURE = HERE.parent / "lectures/04_attention.ipynb"
CELL = "stories-hops"


def picture() -> bytes:
    """The picture that is stored below the cell CELL of the lecture."""
    cells = json.loads(LECTURE.read_text(encoding="utf-8"))["cells"]
    (cell,) = (cell for cell in cells if cell["id"] == CELL)
    (stored,) = (output["data"]["image/png"] for output in cell["outputs"] if "image/png" in output.get("data", {}))
    return base64.b64decode(stored)


if __name__ == "__main__":
    (HERE / "picture.png").write_bytes(picture())
