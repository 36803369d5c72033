"""A machine of its own for a hub: users, groups, homes, /srv and configuration that the real one does not see.

`python -m tests.hub.world PLACE COMMAND…` runs a command as root in it; everything ends with that command.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from autograder.engine.process import PR_SET_PDEATHSIG
from autograder.engine.sandbox import system
from tests.engine.sandbox.behind import ROOT, closed, show

STUDENTS, INSTRUCTORS = "lookback-students", "lookback-instructors"
FIRST = 62_000
"""The first user id and group id; no user of the real machine has them."""


def home(user: str) -> str:
    """Where a user is at home in that world."""
    return f"/home/{user}"


def write_accounts(place: Path, users: Mapping[str, str | None], password: str) -> None:
    """Write passwd, group and shadow with the real machine's accounts and these users, each in a group or in none."""
    hashed = subprocess.run(["openssl", "passwd", "-6", password], capture_output=True, text=True, check=True).stdout
    lines = {name: Path("/etc", name).read_text().splitlines() for name in ("passwd", "group", "shadow")}
    for number, group in enumerate((STUDENTS, INSTRUCTORS)):
        members = ",".join(user for user, of in users.items() if of == group)
        lines["group"].append(f"{group}:x:{FIRST + 100 + number}:{members}")
    for number, user in enumerate(users, start=FIRST):
        lines["group"].append(f"{user}:x:{number}:")
        lines["passwd"].append(f"{user}:x:{number}:{number}::{home(user)}:/bin/bash")
        lines["shadow"].append(f"{user}:{hashed.strip()}:20000:0:99999:7:::")
    for name, text in lines.items():
        (place / name).write_text("\n".join(text) + "\n")
        (place / name).chmod(0o600 if name == "shadow" else 0o644)


def enter(place: Path) -> None:
    """Let this process see the accounts of `place`, an empty /home, /srv and /usr/local/etc, and Python wherever it is.

    Its next child is the first process of a namespace, which ends with it.
    """
    show([path for path in sorted({Path(sys.base_prefix), Path(sys.prefix), ROOT}) if closed(path)])
    for directory in ("/home", "/srv", "/usr/local/etc"):
        system.mount("tmpfs", Path(directory), "tmpfs", 0, "mode=755")
    for name in ("passwd", "group", "shadow"):
        system.mount(place / name, Path("/etc", name), "", system.MS_BIND)
    system.unshare(system.CLONE_NEWPID)


def main(place: str, command: Sequence[str]) -> None:
    enter(Path(place))
    if first := os.fork():
        sys.exit(os.waitstatus_to_exitcode(os.waitpid(first, 0)[1]))
    system.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    system.mount("proc", Path("/proc"), "proc", 0)
    os.execvp(command[0], command)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
