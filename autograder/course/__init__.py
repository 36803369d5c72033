"""All that knows nbgrader: release, collect, gradebook, feedback, report."""

import sys

sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]  # a second of every command, to check addresses
