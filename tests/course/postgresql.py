"""A PostgreSQL server of the tests' own: Debian's programs, a Unix socket, nothing that stays."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from glob import glob
from pathlib import Path

import psycopg

OWNER, PASSWORD = "grace", "open sesame"


def programs() -> Path | None:
    """Where initdb and pg_ctl are, the newest ones."""
    folders = [*sorted(glob("/usr/lib/postgresql/*/bin")), os.path.dirname(shutil.which("initdb") or "")]
    return next((Path(folder) for folder in reversed(folders) if folder and Path(folder, "initdb").exists()), None)


@dataclass(frozen=True)
class Server:
    """One that runs; its socket is in `folder`."""

    folder: Path

    def address(self, database: str, password: str = PASSWORD) -> str:
        """As it stands in `c.CourseDirectory.db_url`."""
        return f"postgresql+psycopg://{OWNER}:{password.replace(' ', '%20')}@/{database}?host={self.folder}"

    def new(self, database: str) -> str:
        """The address of a new, empty database."""
        self._do(f"CREATE DATABASE {database}")
        return self.address(database)

    def shut(self, database: str) -> None:
        """End all connections to it, and let in none; return once they have ended."""
        self._do(f"ALTER DATABASE {database} ALLOW_CONNECTIONS false")
        self._do(f"SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity WHERE datname = '{database}'")

    def open(self, database: str) -> None:
        """Let everybody in again."""
        self._do(f"ALTER DATABASE {database} ALLOW_CONNECTIONS true")

    def _do(self, statement: str) -> None:
        with psycopg.connect(
            host=str(self.folder), dbname="postgres", user=OWNER, password=PASSWORD, autocommit=True
        ) as connection:
            connection.execute(statement)


@contextmanager
def running(folder: Path) -> Iterator[Server]:
    """A server with its data in the folder, which may be root's: the programs refuse to be run by root."""
    place = programs()
    assert place is not None
    about = pwd.getpwnam("nobody") if os.getuid() == 0 else pwd.getpwuid(os.getuid())
    os.chown(folder, about.pw_uid, about.pw_gid)

    def run(program: str, *arguments: str) -> None:
        other = {"user": about.pw_uid, "group": about.pw_gid, "extra_groups": []} if os.getuid() == 0 else {}
        with tempfile.TemporaryFile("w+") as output:  # no pipe: the server would hold it open
            done = subprocess.run(
                [place / program, "-D", folder / "data", *arguments], cwd=folder, stdout=output, stderr=output, **other
            )
            output.seek(0)
            assert done.returncode == 0, output.read()

    (folder / "password").write_text(f"{PASSWORD}\n")
    run("initdb", "-U", OWNER, "--auth=scram-sha-256", f"--pwfile={folder / 'password'}", "--encoding=UTF8")
    run("pg_ctl", "start", "-w", "-l", str(folder / "log"), "-o", f"-k {folder} -c listen_addresses='' -c fsync=off")
    try:
        yield Server(folder)
    finally:
        run("pg_ctl", "stop", "-w", "-m", "immediate")
