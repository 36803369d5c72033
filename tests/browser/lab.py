"""JupyterLab as a person uses it: open a notebook, type into a cell, run it, read what came."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver import ActionChains, Chrome, Keys
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait

Found = TypeVar("Found")
PATIENCE = 180  # seconds for any one thing to appear, on two busy cores
SETTINGS: dict[str, dict[str, Any]] = {
    "notebook-extension/tracker": {"windowingMode": "none"},  # cells out of sight are in the page too
    "apputils-extension/notification": {"checkForUpdates": False, "fetchNews": "false", "doNotDisturbMode": True},
}


def wait(chrome: Chrome, condition: Callable[[], Found], what: str) -> Found:
    """Ask again and again until the answer is not empty, false or zero, and return it."""
    waiting = WebDriverWait(chrome, PATIENCE, ignored_exceptions=[StaleElementReferenceException])
    found: Found = waiting.until(lambda _: condition(), f"waited for {what}")
    return found


def autograder(*arguments: str) -> str:
    """Run a command of the autograder and return what it printed."""
    command = [str(Path(sys.executable).with_name("autograder")), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@contextmanager
def serve(chrome: Chrome, folder: Path, own: Path, theme: str) -> Iterator[dict[str, Any]]:
    """JupyterLab in `folder`, its settings in `own`, on a free port and with a token. Yields what the server says."""
    for name, values in {**SETTINGS, "apputils-extension/themes": {"theme": f"JupyterLab {theme}"}}.items():
        path = own / "settings/@jupyterlab" / f"{name}.jupyterlab-settings"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(values), encoding="utf-8")
    places = {
        "JUPYTERLAB_SETTINGS_DIR": "settings",
        "JUPYTERLAB_WORKSPACES_DIR": "workspaces",
        "JUPYTER_RUNTIME_DIR": "run",
    }
    environment = os.environ | {variable: str(own / name) for variable, name in places.items()}
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--ServerApp.port=0"]
    with (own / "log").open("w") as log, subprocess.Popen(command, cwd=folder, env=environment, stderr=log) as server:
        try:
            info = own / "run" / f"jpserver-{server.pid}.json"
            wait(chrome, lambda: server.poll() is not None or _complete(info), "JupyterLab to start")
            assert server.poll() is None, (own / "log").read_text()
            yield json.loads(info.read_text())
        finally:
            server.terminate()


def _complete(info: Path) -> bool:
    return info.exists() and info.read_text().endswith("}")


class Lab:
    """One JupyterLab in one browser. Example: `lab.open("04_attention.ipynb")`, `lab.run("stub-soft-lookup")`."""

    def __init__(self, chrome: Chrome, server: dict[str, Any], shots: Path) -> None:
        self.chrome, self._server, self._shots = chrome, server, shots
        self._order: list[str] = []

    def visit(self, path: str) -> None:
        """Open a page of the server."""
        self.chrome.get(f"{self._server['url']}{path}?token={self._server['token']}")

    def open(self, notebook: str) -> None:
        """Open a notebook, and wait until all its cells are drawn and its kernel is idle."""
        cells = json.loads((Path(self._server["root_dir"]) / notebook).read_text(encoding="utf-8"))["cells"]
        self._order = [cell["id"] for cell in cells]
        self.visit(f"lab/tree/{notebook}")
        wait(self.chrome, lambda: len(self._cells()) == len(cells), f"{len(cells)} cells")
        wait(
            self.chrome,
            lambda: self.all(".jp-NotebookPanel:not(.lm-mod-hidden) .jp-Notebook-ExecutionIndicator[data-status=idle]"),
            "an idle kernel",
        )

    def press(self, *strokes: str) -> None:
        """Press keys, one stroke after another. Example: `lab.press("escape", "control+enter")`"""
        for stroke in strokes:
            *held, last = [getattr(Keys, key.upper(), key) for key in stroke.split("+")]
            actions = ActionChains(self.chrome)
            for key in held:
                actions.key_down(key)
            actions.send_keys(last)
            for key in held:
                actions.key_up(key)
            actions.perform()

    def type(self, text: str) -> None:
        """Type a text where the cursor is, without the editor's help with brackets and indentation."""
        self.chrome.execute_cdp_cmd("Input.insertText", {"text": text})

    def go(self, name: str) -> None:
        """Walk to a cell with the arrow keys."""
        self.press("escape")
        while way := self._order.index(name) - (here := self._active()):
            self.press("arrow_down" if way > 0 else "arrow_up")
            wait(self.chrome, lambda here=here: self._active() != here, f"a step from cell {here}")

    def write(self, name: str, line: str, text: str) -> None:
        """Select a line of a code cell, but for its indentation, and type something in its place."""
        shown = [one.text.strip() for one in self._cell(name).find_elements(By.CSS_SELECTOR, ".cm-line")]
        self.go(name)
        self.press("enter", "control+home", *["arrow_down"] * shown.index(line), "end", "shift+home")
        self.type(text)
        self.press("escape")

    def run(self, name: str) -> str:
        """Run a cell with Ctrl+Enter, and return the text of its outputs."""
        self.go(name)
        before = self._prompt(name)
        self.press("control+enter")
        wait(self.chrome, lambda: self._prompt(name) not in {before, "[*]:"}, f"the end of {name}")
        return self.output(name)

    def output(self, name: str) -> str:
        """The text of a cell's outputs."""
        return "\n".join(area.text for area in self._cell(name).find_elements(By.CSS_SELECTOR, ".jp-OutputArea-output"))

    def all(self, css: str) -> list[WebElement]:
        return self.chrome.find_elements(By.CSS_SELECTOR, css)

    def click(self, css: str, text: str = "") -> None:
        """Click the first element in sight that matches and holds this text, once there is one."""
        found = wait(
            self.chrome, lambda: [one for one in self.all(css) if one.is_displayed() and text in one.text], css + text
        )
        found[0].click()

    def focused(self) -> str:
        """What the element with the focus says, or what it is called."""
        script = "const it = document.activeElement; return it.innerText || it.getAttribute('aria-label') || ''"
        return str(self.chrome.execute_script(script)).strip()

    def validate(self) -> str:
        """Press nbgrader's button *Validate* without a mouse, and return what it shows."""
        self.press("escape", "shift+tab")  # from the cell to the toolbar
        while self.focused() != "Validate":
            before = self.focused()
            self.press("arrow_right")
            wait(self.chrome, lambda before=before: self.focused() != before, f"the button after {before}")
        self.press("enter")
        (shown,) = wait(self.chrome, lambda: self.all("#validation-message"), "the result of Validate")
        text = shown.text
        self.show(shown.find_elements(By.CSS_SELECTOR, "pre, p")[-1])
        self.screenshot(f"validate_{len(text)}")
        self.press("enter")
        wait(self.chrome, lambda: not self.all(".jp-Dialog"), "the dialog to close")
        self.press("tab", "enter")  # by the link "Skip to main panel"
        return text

    def open_details(self, name: str) -> str:
        """Open the last `<details>` in sight of a cell without a mouse, and return what it says."""
        self.go(self._order[self._order.index(name) + 1])
        self.press("shift+tab")  # back from the next cell, as Tab writes in an editor
        details = self.chrome.switch_to.active_element.find_element(By.XPATH, "./parent::details")
        assert details.get_dom_attribute("open") is None
        self.press("enter")
        wait(self.chrome, lambda: details.get_dom_attribute("open") is not None, "the words to be shown")
        return details.text

    def save(self) -> None:
        """Save the notebook with Ctrl+S."""
        self.press("escape", "control+s")
        wait(self.chrome, lambda: not self.all(".lm-TabBar-tab.jp-mod-dirty"), "the notebook to be saved")

    def choose(self, menu: str, entry: str) -> None:
        """Choose an entry of one of the menus at the top."""
        self.click(".lm-MenuBar-itemLabel", menu)
        self.click(".lm-Menu-itemLabel", entry)

    def enter(self, frame: str) -> None:
        """Go on inside the frame whose address holds `frame`."""
        found = wait(self.chrome, lambda: self.all(f"iframe[src*='{frame}']"), f"the frame {frame}")
        self.chrome.switch_to.frame(found[0])

    def fill(self, name: str, text: str) -> None:
        """Type into the field with this id, and leave it."""
        (field,) = wait(self.chrome, lambda: self.all(f"input#{name}, textarea#{name}"), f"the field {name}")
        self.show(field)
        field.send_keys(text, Keys.TAB)

    def rows(self, key: str, value: str) -> dict[str, str]:
        """Two columns of the page's table, once it is filled."""
        columns = [f"tbody td.{name}" for name in (key, value)]
        wait(self.chrome, lambda: all(self.all(column) for column in columns), f"a table of {key} and {value}")
        keys, values = ([cell.text for cell in self.all(column)] for column in columns)
        return dict(zip(keys, values, strict=True))

    def show(self, element: WebElement) -> None:
        """Scroll an element into the middle of the window."""
        self.chrome.execute_script("arguments[0].scrollIntoView({block: 'center'})", element)

    def screenshot(self, name: str) -> None:
        """Keep a picture in the test's folder, and in $LOOKBACK_SCREENSHOTS for a person to look at."""
        path = self._shots / f"{name}.png"
        self.chrome.save_screenshot(str(path))
        if folder := os.environ.get("LOOKBACK_SCREENSHOTS"):
            Path(folder).mkdir(parents=True, exist_ok=True)
            shutil.copy(path, folder)

    def _cells(self) -> list[WebElement]:
        return self.all(".jp-NotebookPanel:not(.lm-mod-hidden) .jp-Notebook .jp-Cell")

    def _cell(self, name: str) -> WebElement:
        """The cell with this id."""
        return self._cells()[self._order.index(name)]

    def _active(self) -> int:
        """The place of the cell that the keys go to."""
        return next(
            place for place, cell in enumerate(self._cells()) if "jp-mod-active" in cell.get_dom_attribute("class")
        )

    def _prompt(self, name: str) -> str:
        return self._cell(name).find_element(By.CSS_SELECTOR, ".jp-InputPrompt").text
