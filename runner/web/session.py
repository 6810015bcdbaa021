"""One headless browser with one page in it, in which LiteRT.js runs models: the face of `page.js` in Python.

Key insight: what a model can end is the page. It is replaced then, with the browser around it, because the GPU's
process belongs to the browser; whoever holds the session goes on, and the job that it was running says why it is lost.

The page is served from memory and files without a port. The browser ends with the process that started it, however that
ends: it is held by a pipe. Playwright is imported by the process that opens a browser, and by no other.
"""

from __future__ import annotations

import base64
import json
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from runner.web.browser import PAGE, PAGE_SCRIPT
from runner.web.unread_results import unread_results

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, Playwright, Route

# A secure context, without which a page has no GPU; nothing listens there.
_ORIGIN = "http://localhost/"
_TYPES = {".html": "text/html", ".js": "text/javascript", ".wasm": "application/wasm"}
_FLAGS = (
    "--enable-unsafe-webgpu",
    "--ignore-gpu-blocklist",
    "--disable-gpu-sandbox",
    "--disable-gpu-watchdog",  # whoever gave the job has a deadline for it
)
_START_MS = 60_000
GPU, CPU = "webgpu", "wasm"


class StepRefused(Exception):
    """LiteRT.js would not take the step, and goes on; the text is its own."""


class PageEnded(Exception):
    """The page, its GPU's device or the browser is gone; the text says why. The next step opens another."""


class Session:
    """chromium: the program. runtime: a LiteRT.js version's folder. presented: another adapter's name, or empty."""

    def __init__(self, chromium: str, runtime: Path, presented: str = "") -> None:
        self._chromium, self._runtime, self._presented = chromium, runtime, presented
        self._playwright: Playwright | None = None
        self._browser: Browser | None = None
        self._page: Page | None = None
        self._open()

    def compile(self, model: bytes | bytearray, accelerator: str, precision: str) -> dict[str, Any]:
        """`inputs` and `outputs` (name, shape, dtype), and `fully`: whether all of it is on the GPU; None on wasm."""
        content, unread = base64.b64encode(model).decode(), unread_results(bytes(model))
        answer: dict[str, Any] = self._step("compile", content, accelerator, precision, unread)
        return answer

    def run(
        self, feed: Sequence[np.ndarray], outputs: Sequence[Mapping[str, Any]]
    ) -> tuple[list[np.ndarray], float, float]:
        """The outputs in the file's order, the seconds until the first could be read, and those for the others."""
        answer = self._step("runFeed", [base64.b64encode(array.tobytes()).decode() for array in feed])
        arrays = [
            np.frombuffer(base64.b64decode(one["data"]), dtype=np.dtype(told["dtype"])).reshape(one["shape"])
            for one, told in zip(answer["outputs"], outputs, strict=True)
        ]
        return arrays, answer["run_s"], answer["read_s"]

    def release(self) -> None:
        """Let go of the compiled model; what the GPU still had to say of it is in the log then."""
        self._step("close_")

    def close(self) -> None:
        """End the browser. Safe to call twice."""
        self._drop()
        if self._playwright is not None:
            self._playwright.stop()
            self._playwright = None

    def _step(self, name: str, *given: Any) -> Any:
        from playwright.sync_api import Error

        if self._page is None:
            self._open()
        assert self._page is not None
        try:
            answer = self._page.evaluate(f"given => window.{name}(...given)", list(given))
        except Error as error:
            self._drop()
            raise PageEnded(_first_line(error)) from error
        if "crash" in answer:
            self._drop()
            raise PageEnded(answer["crash"])
        if "refused" in answer:
            raise StepRefused(answer["refused"])
        return answer["value"]

    def _open(self) -> None:
        from playwright.sync_api import sync_playwright

        if self._playwright is None:
            self._playwright = sync_playwright().start()
        self._browser = _launch(self._playwright, self._chromium)
        self._page = page = self._browser.new_page()
        page.on("console", lambda said: print(said.text, flush=True))
        page.on("pageerror", lambda error: print(error, flush=True))
        page.on("crash", lambda _: print("the page's process ended", flush=True))
        page.route("**/*", self._serve)
        page.goto(_ORIGIN, timeout=_START_MS)
        page.wait_for_function("window.isReady === true", timeout=_START_MS)
        print("adapter:", adapter_name(self._step("begin", self._presented)), flush=True)

    def _serve(self, route: Route) -> None:
        path = route.request.url.removeprefix(_ORIGIN)
        file = {"": PAGE, PAGE_SCRIPT.name: PAGE_SCRIPT}.get(path, self._runtime / path)
        if not file.is_file():
            route.fulfill(status=404)
            return
        route.fulfill(body=file.read_bytes(), content_type=_TYPES.get(file.suffix, "text/plain"))

    def _drop(self) -> None:
        from playwright.sync_api import Error

        browser, self._browser, self._page = self._browser, None, None
        if browser is not None:
            with suppress(Error):  # it may be what ended
                browser.close()


def _first_line(error: BaseException) -> str:
    return str(error).strip().splitlines()[0]


def _launch(playwright: Playwright, chromium: str) -> Browser:
    return playwright.chromium.launch(
        executable_path=chromium,
        headless=True,
        chromium_sandbox=False,  # root has none, and what is opened is our own
        args=list(_FLAGS),
        timeout=_START_MS,
    )


def adapter_name(info: Mapping[str, str] | None) -> str:
    """What a browser says of a GPU, in one line: `google swiftshader`; `none` without one."""
    words = [info[key] for key in ("vendor", "architecture", "device", "description")] if info else []
    return " ".join(dict.fromkeys(filter(None, words))) or "none"


_ASK = """async () => {
  const adapter = await navigator.gpu?.requestAdapter({powerPreference: 'high-performance'});
  if (!adapter) return null;
  const {vendor, architecture, device, description} = adapter.info;
  return {vendor, architecture, device, description, features: [...adapter.features]};
}"""


def ask(chromium: str) -> dict[str, Any]:
    """What a browser and the GPU that it gives to pages say of themselves: `version`, `adapter`, `features`."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = _launch(playwright, chromium)
        page = browser.new_page()
        page.route("**/*", lambda route: route.fulfill(body="", content_type="text/html"))
        page.goto(_ORIGIN, timeout=_START_MS)
        gpu = page.evaluate(_ASK)
        return {
            "version": browser.version,
            "adapter": adapter_name(gpu),
            "features": gpu["features"] if gpu else [],
        }


if __name__ == "__main__":
    print(json.dumps(ask(sys.argv[1])))
