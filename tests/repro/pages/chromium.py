"""Debian's Chromium, driven by playwright: where it is not installed, a test says so and is skipped."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome")
PHONE, DESK = {"width": 390, "height": 844}, {"width": 1280, "height": 900}


def program() -> str:
    """The browser's path, or an empty string."""
    return next((path for name in NAMES if (path := shutil.which(name))), "")


@contextmanager
def browser() -> Iterator[Any]:
    """A headless browser. Skips the test where there is none."""
    if not program():
        pytest.skip("no Chromium here, so no page was opened (apt-get install chromium)")
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed (pip install '.[dev]')")
    with sync_api.sync_playwright() as playwright:
        # Without a sandbox, because tests run as root, too; what is opened is our own.
        launched = playwright.chromium.launch(executable_path=program(), args=["--no-sandbox"])
        yield launched
        launched.close()


@contextmanager
def opened(launched: Any, path: Path, *, viewport: dict[str, int] = DESK, scheme: str = "light") -> Iterator[Any]:
    """A page without a network; leaving the block raises AssertionError where the browser had a complaint."""
    context = launched.new_context(viewport=viewport, color_scheme=scheme, offline=True)
    page = context.new_page()
    complaints: list[str] = []
    page.on("console", lambda said: complaints.append(said.text) if said.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("dialog", lambda dialog: complaints.append(dialog.message))
    page.on("request", lambda request: complaints.append(request.url) if _is_remote(request.url) else None)
    page.goto(path.as_uri())
    yield page
    context.close()
    assert complaints == []


def _is_remote(url: str) -> bool:
    return not url.startswith(("file:", "data:"))
