"""What a worker has graded and the driver may not have: it survives both."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from pathlib import Path

KEPT_SECONDS = 7 * 86_400
"""How long a result waits for a driver that never comes again."""


class Spool:
    """Results as text by the keys of their orders, a file each, in a directory that only this user can read.

    Raises PermissionError where the directory is somebody else's.
    Example: `Spool(cache_directory() / "spool").put(order.key, text)`
    """

    def __init__(self, directory: Path) -> None:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        if directory.is_symlink() or directory.stat().st_uid != os.getuid():
            raise PermissionError(f"{directory} belongs to somebody else")
        directory.chmod(0o700)
        self._directory = directory
        oldest = time.time() - KEPT_SECONDS
        for left in directory.iterdir():
            if left.lstat().st_mtime < oldest:
                left.unlink(missing_ok=True)

    def keys(self) -> list[str]:
        """Of all results that are here."""
        return [path.stem for path in self._directory.glob("*.json")]

    def get(self, key: str) -> str | None:
        """The result for a key, if it is here."""
        try:
            return self._path(key).read_bytes().decode()
        except FileNotFoundError:
            return None

    def put(self, key: str, text: str) -> None:
        """Keep a result, and return when it is on the disk."""
        fresh = self._path(key).with_suffix(f".{os.getpid()}")
        with open(fresh, "wb") as file:
            file.write(text.encode())
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self._path(key))

    def forget(self, keys: Iterable[str]) -> None:
        """Remove results, whether or not they are here."""
        for key in keys:
            self._path(key).unlink(missing_ok=True)

    def _path(self, key: str) -> Path:
        return self._directory / f"{key}.json"


def cache_directory() -> Path:
    """Where the user's programs keep what may be lost: $XDG_CACHE_HOME/lookback."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "lookback"
