"""A real JupyterLab on a free port, and a real Chromium without a screen to look at it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service

from tests.browser.lab import Lab, serve

QUIET = (  # no window, and nothing that asks the network by itself
    "--headless=new --window-size=1400,1600 --disable-gpu --disable-dev-shm-usage --disable-quic --no-first-run "
    "--disable-sync --disable-background-networking --disable-component-update"
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.parent == Path(__file__).parent:
            for mark in (pytest.mark.browser, pytest.mark.slow, pytest.mark.xdist_group("browser")):
                item.add_marker(mark)


@pytest.fixture(scope="session")
def chrome(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    """Debian's Chromium. Without it these tests are skipped, but in CI they fail."""
    browser, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not (browser and driver):
        give_up = pytest.fail if os.environ.get("CI") else pytest.skip
        give_up("NO BROWSER TEST RUNS: chromium or chromedriver is missing (apt install chromium chromium-driver)")
    options = ChromeOptions()
    options.binary_location = browser
    for argument in (*QUIET.split(), f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(argument)
    if os.geteuid() == 0:
        options.add_argument("--no-sandbox")  # Chromium's own sandbox refuses root
    with Chrome(options=options, service=Service(driver)) as started:
        yield started


@pytest.fixture
def open_lab(chrome: Chrome, tmp_path: Path) -> Iterator[Callable[..., Lab]]:
    """Start JupyterLab in a folder, "Light" or "Dark". After the test it is shut down, and its kernels with it."""
    with ExitStack() as stack:

        def start(folder: Path, theme: str = "Light") -> Lab:
            server = stack.enter_context(serve(chrome, folder, tmp_path / "server", theme))
            return Lab(chrome, server, tmp_path)

        yield start
