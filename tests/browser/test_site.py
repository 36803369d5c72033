"""The course site: every page is there and leads on, nothing on it is secret, and it reads well on a phone."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from itertools import chain
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import unquote, urlsplit

import lookback as lb
import pytest
import typer
from bs4 import BeautifulSoup
from selenium.webdriver import Chrome

from autograder.cli import app
from autograder.engine.align import CHECK_CALL
from tests.browser.lab import Lab, wait
from tests.project import test_leaks

ROOT = Path(__file__).parents[2]
UNITS = sorted(path.stem for path in (ROOT / "lectures").glob("*.ipynb"))
GUIDES = sorted(path.stem for path in (ROOT / "docs").glob("*.md"))
PHONE = 390  # pixels
SAMPLE = [
    "index",
    "lectures/04_attention",
    "assignments/04_attention/04_attention",
    *(f"docs/{guide}" for guide in GUIDES),
    "reference/autograder",
    "reference/lookback",
    "reference/verdict",
]
LOADS = {"script": "src", "img": "src", "iframe": "src", "source": "src", "link": "href"}
SETTLED = "const done = arguments[0]; (window.MathJax?.startup?.promise ?? Promise.resolve()).then(() => done())"

known = test_leaks.known


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> dict[Path, BeautifulSoup]:
    """The pages, made by the command of `make site`, in which a warning is an error."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, str(ROOT / "site/build.py"), str(folder)]
    built = subprocess.run(command, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stdout + built.stderr
    return read_pages(folder / "html")


def read_pages(folder: Path) -> dict[Path, BeautifulSoup]:
    paths = (path for path in sorted(folder.rglob("*.html")) if "_static" not in path.parts)
    return {path: BeautifulSoup(path.read_bytes(), "lxml") for path in paths}


def page(site: dict[Path, BeautifulSoup], name: str) -> BeautifulSoup:
    (found,) = (content for path, content in site.items() if str(path).endswith(f"/{name}.html"))
    return found


def links(content: BeautifulSoup) -> list[str]:
    return [str(tag[key]) for key in ("href", "src") for tag in content.find_all(attrs={key: True})]


def dead_links(pages: dict[Path, BeautifulSoup]) -> list[str]:
    """Each link within the site to a file or an anchor that is not there."""
    anchors = {path: {tag["id"] for tag in content.find_all(id=True)} for path, content in pages.items()}
    dead = []
    for path, content in pages.items():
        for link in links(content):
            url = urlsplit(link)
            target = (path.parent / unquote(url.path)).resolve() if url.path else path
            gone = not target.is_file() or (url.fragment and target in pages and url.fragment not in anchors[target])
            if not (url.scheme or url.netloc) and gone:
                dead.append(f"{path.name}: {link}")
    return dead


def test_every_link_leads_somewhere(site: dict[Path, BeautifulSoup]) -> None:
    assert not dead_links(site)
    elsewhere = {link for content in site.values() for link in links(content) if urlsplit(link).netloc}
    print(*sorted(elsewhere), sep="\n")
    assert all(link.startswith("https://") for link in elsewhere)


def test_a_dead_link_is_found(tmp_path: Path) -> None:
    (tmp_path / "a.html").write_text('<p id="here"><a href="#here"></a><a href="a.html#gone"></a><img src="b.png">')
    assert dead_links(read_pages(tmp_path)) == ["a.html: a.html#gone", "a.html: b.png"]


def test_no_page_loads_anything_from_elsewhere(site: dict[Path, BeautifulSoup]) -> None:
    loaded = {
        str(tag[key])
        for content in site.values()
        for name, key in LOADS.items()
        for tag in content.find_all(name)
        if tag.has_attr(key)
    }
    assert loaded
    assert not {address for address in loaded if urlsplit(address).netloc}


def test_everything_of_the_course_has_its_place(site: dict[Path, BeautifulSoup]) -> None:
    for unit in UNITS:
        assert page(site, f"lectures/{unit}").h1
        assert page(site, f"assignments/{unit}/{unit}").h1
    for guide in GUIDES:
        assert page(site, f"docs/{guide}").h1
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    headings = {heading.text for heading in page(site, "reference/autograder").select("h2 code")}
    assert headings == {f"autograder {command}" for command in commands}
    described = {tag["id"] for tag in page(site, "reference/lookback").find_all("dt", id=True)}
    assert {f"lookback.{name}" for name in lb.__all__} <= described
    assert "misconception" in page(site, "reference/verdict").pre.text


@pytest.mark.parametrize("unit", UNITS)
def test_a_lecture_shows_its_stored_outputs(unit: str, site: dict[Path, BeautifulSoup]) -> None:
    shown = page(site, f"lectures/{unit}")
    stored = list(outputs(ROOT / f"lectures/{unit}.ipynb"))
    described = [output["metadata"]["image/png"]["alt"] for output in stored if "image/png" in output.get("data", {})]
    assert [picture["alt"] for picture in shown.select(".cell_output img")] == described
    printed = ["".join(output["text"]).strip() for output in stored if "text" in output]
    assert [cell.text.strip() for cell in shown.select(".cell_output .stream pre")] == printed


def outputs(notebook: Path) -> Iterator[dict[str, Any]]:
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    return chain.from_iterable(cell.get("outputs", []) for cell in cells)


def test_nothing_is_given_away(site: dict[Path, BeautifulSoup], known: set[tuple[str, ...]]) -> None:
    """Neither on a page nor in the notebook that can be downloaded from it."""
    for path, content in site.items():
        for block in content.find_all("pre"):
            assert not test_leaks.leaked(known, block.text), path
    (folder,) = (path.parent for path in site if path.name == "index.html")
    for unit in UNITS:
        notebook = folder / f"_sources/assignments/{unit}/{unit}.ipynb"
        texts = [*test_leaks.readable(notebook), page(site, f"assignments/{unit}/{unit}").text]
        assert any("NotImplementedError" in text for text in texts)
        for text in texts:
            assert not test_leaks.leaked(known, text), unit
            assert not CHECK_CALL.search(text), unit
            assert "HIDDEN TESTS" not in text
            assert "BEGIN SOLUTION" not in text


@pytest.fixture
def reader(site: dict[Path, BeautifulSoup], chrome: Chrome, tmp_path: Path) -> Iterator[Lab]:
    """Somebody with a browser before whom the site lies."""
    (folder,) = (path.parent for path in site if path.name == "index.html")
    handler = partial(SimpleHTTPRequestHandler, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever).start()
        yield Lab(chrome, {"url": f"http://127.0.0.1:{server.server_port}/", "token": ""}, tmp_path)
        server.shutdown()
    chrome.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    chrome.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_page_fits_a_phone(reader: Lab, theme: str) -> None:
    phone = {"width": PHONE, "height": 1600, "deviceScaleFactor": 1, "mobile": True}
    reader.chrome.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", phone)
    prefers = {"features": [{"name": "prefers-color-scheme", "value": theme}]}
    reader.chrome.execute_cdp_cmd("Emulation.setEmulatedMedia", prefers)
    for name in SAMPLE:
        reader.visit(f"{name}.html")
        reader.chrome.execute_async_script(SETTLED)
        reader.screenshot(f"site_{name.replace('/', '_')}_{theme}")
        assert reader.chrome.execute_script("return document.documentElement.scrollWidth") == PHONE, name
        assert reader.chrome.execute_script("return document.documentElement.dataset.theme") == theme


def test_formulas_and_search_need_no_network(reader: Lab) -> None:
    reader.visit("lectures/04_attention.html")
    reader.chrome.execute_async_script(SETTLED)
    assert len(reader.all("mjx-container")) == len(reader.all(".math"))
    assert not reader.all("mjx-merror")
    loaded = reader.chrome.execute_script("return performance.getEntriesByType('resource').map(entry => entry.name)")
    assert any(name.endswith(".woff") for name in loaded), "MathJax's own letters"
    assert {urlsplit(name).hostname for name in loaded} == {"127.0.0.1"}
    reader.chrome.get(reader.chrome.current_url.replace("lectures/04_attention.html?token=", "search.html?q=attention"))
    wait(reader.chrome, lambda: reader.all("#search-results a[href*='04_attention']"), "the lecture to be found")
