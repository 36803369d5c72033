"""The class report in a browser: on a desk and on a phone, with the keyboard alone, and without a script."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from selenium.webdriver import ActionChains, Chrome, Keys
from selenium.webdriver.common.by import By

from autograder.course.report import render_report
from tests.course.verdicts import ASSIGNMENT, class_of

Open = Callable[[int], None]


@pytest.fixture
def opened(chrome: Chrome, tmp_path: Path) -> Iterator[Open]:
    """Show the report on a class of 40 in a window of this width."""
    page = tmp_path / "report.html"
    page.write_text(render_report(ASSIGNMENT, class_of(40)), encoding="utf-8")

    def show(width: int) -> None:
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}
        chrome.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        chrome.get(page.as_uri())

    yield show
    chrome.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


@pytest.mark.parametrize("width", [1280, 390])
def test_the_page_is_no_wider_than_the_window(chrome: Chrome, opened: Open, width: int) -> None:
    opened(width)
    assert chrome.execute_script("return document.documentElement.scrollWidth") <= width
    for table in chrome.find_elements(By.CSS_SELECTOR, "table.stack"):
        assert table.size["width"] <= width


@pytest.mark.parametrize("width", [1280, 390])
def test_a_name_shows_the_one_student(chrome: Chrome, opened: Open, width: int) -> None:
    opened(width)
    articles = chrome.find_elements(By.CSS_SELECTOR, "article.student")
    assert len(articles) == 40
    assert not [article for article in articles if article.is_displayed()]
    link = chrome.find_element(By.CSS_SELECTOR, "table.everyone tbody a")
    name = link.text
    chrome.execute_script("arguments[0].focus()", link)
    ActionChains(chrome).send_keys(Keys.ENTER).perform()
    (shown,) = [article for article in articles if article.is_displayed()]
    assert shown.find_element(By.TAG_NAME, "h3").text == name
    assert shown.find_element(By.LINK_TEXT, "Everyone")


def test_dark_is_dark(chrome: Chrome, opened: Open) -> None:
    seen = []
    for scheme in ("light", "dark"):
        feature = {"name": "prefers-color-scheme", "value": scheme}
        chrome.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})
        opened(1280)
        seen.append(chrome.find_element(By.TAG_NAME, "body").value_of_css_property("background-color"))
    chrome.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
    assert seen == ["rgba(251, 250, 247, 1)", "rgba(20, 21, 23, 1)"]
