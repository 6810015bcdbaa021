"""What only `make web` installs: a test that needs it is skipped without it, in one line."""

from __future__ import annotations

import pytest

from runner.web import litert_js
from runner.web.browser import missing


def need_browser() -> None:
    """Chromium, playwright, and LiteRT.js in the cache."""
    lacks = missing() or ("" if litert_js.NEWEST in litert_js.fetched_versions() else "LiteRT.js is not in the cache")
    if lacks:
        pytest.skip(f"{lacks}, so nothing was run in a browser; `make web` brings it")
