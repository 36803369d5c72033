"""Landlock: Linux refuses this process every file, connection and signal that is not on its list, whatever its user."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from autograder.engine.sandbox import system

EXECUTE, WRITE_FILE, READ_FILE, READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
REFER, TRUNCATE, IOCTL_DEV = 1 << 13, 1 << 14, 1 << 15
FIRST_RIGHTS = (1 << 13) - 1
"""What the first version knew: the four above, removing and making each kind of file."""
FOR_FILES = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEV
MAKE_DEVICE = 1 << 6 | 1 << 11
READ = EXECUTE | READ_FILE | READ_DIR
BIND_TCP, CONNECT_TCP = 1 << 0, 1 << 1
ABSTRACT_UNIX_SOCKET, SIGNAL = 1 << 0, 1 << 1
"""Scopes: no connection to an abstract socket, and no signal, beyond the processes behind the same wall."""

SINCE = {REFER: 2, TRUNCATE: 3, IOCTL_DEV: 5}
NETWORK_SINCE, SCOPE_SINCE = 4, 6


def restrict(readable: Iterable[tuple[Path, bool]], writable: Iterable[Path]) -> None:
    """Allow nothing but these: `readable` with False where only names may be listed, `writable` all but devices."""
    abi = system.landlock_abi()
    rights = FIRST_RIGHTS | sum(right for right, since in SINCE.items() if abi >= since)
    network = BIND_TCP | CONNECT_TCP if abi >= NETWORK_SINCE else 0
    scope = ABSTRACT_UNIX_SOCKET | SIGNAL if abi >= SCOPE_SINCE else 0
    fields = 1 + (abi >= NETWORK_SINCE) + (abi >= SCOPE_SINCE)
    ruleset = system.landlock_create_ruleset(struct.pack(f"{fields}Q", *(rights, network, scope)[:fields]))
    for path, whole in readable:
        _allow(ruleset, path, READ if whole else READ_DIR)
    for path in writable:
        _allow(ruleset, path, rights & ~MAKE_DEVICE)
    system.landlock_restrict_self(ruleset)


def _allow(ruleset: int, path: Path, rights: int) -> None:
    with suppress(FileNotFoundError):  # a link that leads nowhere
        system.landlock_add_path(ruleset, path, rights if path.is_dir() else rights & FOR_FILES)
