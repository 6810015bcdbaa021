"""What the page of the whole catalogue costs: its size, the time to write it, to open it and to filter it.

Made-up results of the catalogue's size in which 500 outputs are wrong, each with pictures that no compression makes
smaller. Opening and filtering are measured in Chromium, where it is installed.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import numpy as np

from repro.pages.of_run import run_page
from repro.pages.render import write_page
from tests.repro.pages import chromium
from tests.repro.pages.samples import catalogue

REPEATS = 5


def measure() -> dict[str, float]:
    """Prints the figures; sizes in MB, times in seconds, each the median of `REPEATS`."""
    results = catalogue()
    outputs = sum(len(result.verdicts) for result in results)
    with tempfile.TemporaryDirectory(prefix="bench-pages-") as folder:
        path = Path(folder) / "run.html"
        writing = []
        for _ in range(REPEATS):
            started = time.perf_counter()
            write_page(path, run_page(results, "summary", "repro run", lambda slug: None))
            writing.append(time.perf_counter() - started)
        values = {"page_mb": path.stat().st_size / 1e6, "page_write_s": float(np.median(writing))}
        size = f"{values['page_mb']:.2f} MB (at most 2)"
        print(f"{outputs} outputs, 500 of them wrong: {size}, written in {values['page_write_s']:.2f} s")
        if chromium.program():
            values |= _in_chromium(path)
    return values


def _in_chromium(path: Path) -> dict[str, float]:
    opening, filtering = [], []
    with chromium.browser() as launched:
        for _ in range(REPEATS):
            started = time.perf_counter()
            with chromium.opened(launched, path) as page:
                opening.append(time.perf_counter() - started)
                started = time.perf_counter()
                page.get_by_label("verdict").select_option(label="FAIL")
                page.evaluate("() => document.body.offsetHeight")  # until it is laid out again
                filtering.append(time.perf_counter() - started)
    opened, filtered = float(np.median(opening)), float(np.median(filtering))
    print(f"in Chromium: opened in {opened:.2f} s, filtered in {filtered:.2f} s (at most 2 together)")
    return {"page_open_s": opened, "page_filter_s": filtered}
