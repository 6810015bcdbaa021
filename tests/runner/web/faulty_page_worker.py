"""A worker of the browser whose jobs may ask for a fault: what a delegate can do to its page, at a known moment."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from playwright.sync_api import Error

from runner.host import web_worker
from runner.host.engine import Companion, Engine, Feeds, JobResult
from runner.host.worker import serve

FAULTS: Mapping[str, Callable[[Any], object]] = {
    "trap": lambda page: page.evaluate(
        "setTimeout(() => { throw new WebAssembly.RuntimeError('unreachable'); }); new Promise(end => setTimeout(end))"
    ),
    "renderer": lambda page: page.goto("chrome://crash", timeout=5000),
    "gpu": lambda page: page.evaluate(
        "const make = GPUDevice.prototype.createCommandEncoder;"
        "GPUDevice.prototype.createCommandEncoder = function () { this.destroy(); return make.call(this); }"
    ),
    "browser": lambda page: page.context.browser.close(),
    "hang": lambda page: page.evaluate("while (true) {}"),
}


class FaultyEngine(web_worker.LiteRtJsEngine):
    def run(
        self,
        model: bytearray,
        feeds: Feeds,
        precision: str,
        options: Mapping[str, Any],
        companion: Companion | None = None,
    ) -> JobResult:
        fault = options.get("simulated_fault")
        if fault is not None:
            print(f"about to simulate: {fault}", flush=True)
            with suppress(Error):  # what the fault does to the page shows in the job's own steps
                FAULTS[fault](self._session._page)
        return super().run(model, feeds, precision, {}, companion)


def make_engine(config: Mapping[str, Any]) -> Engine:
    engine = web_worker.make_engine(config)
    engine.__class__ = FaultyEngine
    return engine


if __name__ == "__main__":
    serve(make_engine)
