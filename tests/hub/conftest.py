"""A real JupyterHub on a machine of its own, with its users, and each of them at the browser's end."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import requests
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from tests.hub.world import INSTRUCTORS, STUDENTS, home, write_accounts

ASSIGNMENT, PASSWORD = "04_attention", "correct horse"
USERS = {"ada": STUDENTS, "bela": STUDENTS, "grace": INSTRUCTORS, "eve": None}
PATIENCE = 240  # seconds for any one answer, on two busy cores
STARTING = Retry(total=None, connect=300, status=300, status_forcelist=[503], backoff_factor=0.1, backoff_max=1)
"""The hub listens some seconds after it was started."""


class Person:
    """Somebody in front of the hub. Example: `Person(hub, "ada").log_in()`, then `get("api/contents")`."""

    def __init__(self, address: str, name: str) -> None:
        self.address, self.name = address, name
        self.session = requests.Session()

    def log_in(self, password: str = PASSWORD) -> int:
        """Fill in the form and start a server; the status of what the form leads to."""
        page = self.session.get(f"{self.address}/hub/login", timeout=PATIENCE)
        form = {"username": self.name, "password": password, "_xsrf": page.cookies["_xsrf"]}
        answer = self.session.post(f"{self.address}/hub/login?next=/hub/home", data=form, timeout=PATIENCE)
        if answer.status_code == requests.codes.ok and answer.url.endswith("/hub/home"):
            self._start()
        return answer.status_code

    def get(self, path: str) -> requests.Response:
        """Ask this person's own server."""
        return self.session.get(f"{self.address}/user/{self.name}/{path}", timeout=PATIENCE)

    def send(self, method: str, path: str, data: dict[str, Any]) -> Any:
        """Tell this person's own server something, and return its answer."""
        answer = self.session.request(method, f"{self.address}/user/{self.name}/{path}", json=data, timeout=PATIENCE)
        answer.raise_for_status()
        return answer.json()

    def _start(self) -> None:
        hub = f"{self.address}/hub/api/users/{self.name}"
        token = {"X-XSRFToken": self.session.cookies.get("_xsrf", path="/hub/")}
        made = self.session.post(f"{hub}/tokens", json={}, headers=token, timeout=PATIENCE)
        made.raise_for_status()
        self.session = requests.Session()
        self.session.headers["Authorization"] = f"token {made.json()['token']}"
        self.session.post(f"{hub}/server", timeout=PATIENCE).raise_for_status()
        progress = self.session.get(f"{hub}/server/progress", timeout=PATIENCE)  # ends when the server is there
        assert '"ready": true' in progress.text, progress.text


class Hub:
    """The hub and its machine, by the process that is the first of its namespace."""

    def __init__(self, address: str, first: int) -> None:
        self.address, self._first = address, first

    def __call__(self, name: str) -> Person:
        return Person(self.address, name)

    def files(self, path: str) -> Path:
        """Where a path of the hub's machine can be read from here."""
        return Path(f"/proc/{self._first}/root{path}")

    def run_as(self, user: str, *command: str, folder: str = "/") -> subprocess.CompletedProcess[str]:
        """Run a command as one of the machine's users, in their terminal as it were."""
        enter = ["nsenter", f"--target={self._first}", "--mount", "--pid", f"--wd={self.files(folder)}"]
        login = ["runuser", "--user", user, "--", "env", f"HOME={home(user)}", *command]
        return subprocess.run([*enter, *login], capture_output=True, text=True, timeout=PATIENCE, check=False)


@pytest.fixture(scope="session")
def hub(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    """A hub as docs/operators.md has it set up. It needs root, to become its users; in CI it must be there."""
    if lacking := missing():
        give_up = pytest.fail if os.environ.get("CI") else pytest.skip
        give_up(f"NO HUB IS TESTED: {lacking}")
    place = tmp_path_factory.mktemp("hub")
    write_accounts(place, USERS, PASSWORD)
    address, options = ports()
    machine = [sys.executable, "-m", "tests.hub.machine", str(root), ASSIGNMENT]
    command = [*machine, "-f", str(root / "hub/jupyterhub_config.py"), *options]
    with (
        (place / "log").open("wb") as log,
        subprocess.Popen(
            [sys.executable, "-m", "tests.hub.world", str(place), *command], cwd=root, stdout=log, stderr=log
        ) as process,
    ):
        try:
            with requests.Session() as session:
                session.mount("http://", HTTPAdapter(max_retries=STARTING))
                answer = session.get(f"{address}/hub/health", timeout=PATIENCE)
            assert answer.ok, answer.text + (place / "log").read_text()
            (first,) = psutil.Process(process.pid).children()
            yield Hub(address, first.pid)
        finally:
            process.kill()


def missing() -> str:
    """What a hub needs and this machine has not."""
    if os.getuid() != 0:
        return "only root can become other users"
    proxy = shutil.which("configurable-http-proxy", path=f"{sys.prefix}/bin:{os.environ['PATH']}")
    return "" if proxy else "configurable-http-proxy is missing (npm install --global configurable-http-proxy)"


def ports() -> tuple[str, list[str]]:
    """A free address for the hub, and the options that put the hub and its parts there."""
    with socket.socket() as one, socket.socket() as two, socket.socket() as three:
        taken = [one, two, three]
        for waiting in taken:
            waiting.bind(("127.0.0.1", 0))
        public, internal, proxy = (f"http://127.0.0.1:{waiting.getsockname()[1]}" for waiting in taken)
    places = (("JupyterHub.bind_url", public), ("JupyterHub.hub_bind_url", internal))
    return public, [f"--{name}={url}" for name, url in (*places, ("ConfigurableHTTPProxy.api_url", proxy))]
