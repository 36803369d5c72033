"""Run tests as an ordinary user where whoever runs them is root: `python -m tests.ordinary -n 2 tests/hostile`."""

from __future__ import annotations

import os
import sys
import tempfile

import pytest

from tests.engine.sandbox.behind import ORDINARY, ROOT, become_ordinary


def main() -> None:
    """Become an ordinary user with a home of its own, and be pytest."""
    if os.getuid() == 0:
        with tempfile.TemporaryDirectory() as home:
            os.chown(home, ORDINARY, ORDINARY)
            if child := os.fork():
                sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
            become_ordinary([sys.base_prefix, sys.prefix, str(ROOT)])
            os.environ |= {"HOME": home, "TMPDIR": home}
            os.execv(sys.executable, [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *sys.argv[1:]])
    sys.exit(pytest.main(sys.argv[1:]))


if __name__ == "__main__":
    main()
