"""A headless browser for tests that look at a page as a person would."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")


@contextmanager
def opened_browser() -> Iterator[Browser]:
    """The browser of this machine; skips the test where there is none."""
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        pytest.skip(f"no browser is installed ({', '.join(NAMES)})")
    with sync_playwright() as playwright:
        # Root has no sandbox in a container, and the pages are ours.
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield browser
        browser.close()


@dataclass
class Opened:
    """A page that was opened, and all that it said and asked for."""

    page: Page
    said: list[str] = field(default_factory=list)
    """Messages of the console and errors of scripts."""
    requested: list[str] = field(default_factory=list)

    def text(self, selector: str) -> str:
        return self.page.locator(selector).inner_text()


@contextmanager
def opened(browser: Browser, file: Path, *, dark: bool = False, width: int = 1000) -> Iterator[Opened]:
    """Open a file and wait until its charts are drawn."""
    size = {"width": width, "height": 800}
    page = browser.new_page(viewport=size, color_scheme="dark" if dark else "light")  # type: ignore[arg-type]
    shown = Opened(page)
    page.on("console", lambda message: shown.said.append(message.text))
    page.on("pageerror", lambda error: shown.said.append(str(error)))
    page.on("request", lambda request: shown.requested.append(request.url))
    page.goto(file.as_uri())
    page.wait_for_function("document.documentElement.dataset.drawn === 'yes'")
    yield shown
    page.close()
