"""A directory for temporary files that never stays for long: where its owner was killed, the next one removes it."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

PREFIX = "lookback-scratch-"


@contextmanager
def scratch() -> Iterator[Path]:
    """A directory among the temporary ones that is ours as long as we hold a lock on it; those of the killed go.

    Other users can get to a path in it that they know, but not see what there is.

    Example: `with scratch() as directory: (directory / "draft").write_text("…")`
    """
    for left in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        with suppress(OSError):
            if left.stat().st_uid == os.getuid():
                os.close(_locked(left, fcntl.LOCK_NB))
                remove(left)
    directory, lock = _made()
    try:
        directory.chmod(0o711)
        yield directory
    finally:
        remove(directory)
        os.close(lock)


def remove(directory: Path) -> None:
    """Remove a directory, however deep it is and whatever its permissions are."""
    try:
        shutil.rmtree(directory)
    except (OSError, RecursionError):
        subprocess.run(["chmod", "-R", "u+rwx", directory], check=False, stderr=subprocess.DEVNULL)
        subprocess.run(["rm", "-rf", directory], check=True)


def _made() -> tuple[Path, int]:
    """A new directory and the lock on it; another process may have taken it for one that was left."""
    while True:
        directory = Path(tempfile.mkdtemp(prefix=PREFIX))
        with suppress(FileNotFoundError):
            lock = _locked(directory, 0)
            if directory.exists():
                return directory, lock
            os.close(lock)


def _locked(directory: Path, how: int) -> int:
    """A descriptor that holds the lock on a directory. Raises BlockingIOError where another process holds it."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | how)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor
