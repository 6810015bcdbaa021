"""The worker of the target in a browser: runs models in a page under LiteRT.js instead of through the C API.

Key insight: a page that ends costs its job and not the worker, which opens another. All else is as in any other worker.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from runner.host.engine import Companion, Ended, Engine, Feeds, JobResult, Refused, check_feeds
from runner.host.worker import serve
from runner.presented import ADAPTER_NAME
from runner.web.browser import CHROMIUM, own_folders
from runner.web.session import CPU, GPU, PageEnded, Session, StepRefused


class LiteRtJsEngine:
    """`first_run` and `repeat_run` last until the first output is read, as the GPU's work ends only then."""

    def __init__(self, session: Session, accelerator: str) -> None:
        self._session = session
        self._accelerator = accelerator

    def run(
        self,
        model: bytearray,
        feeds: Feeds,
        precision: str,
        options: Mapping[str, Any],
        companion: Companion | None = None,
    ) -> JobResult:
        if options:
            raise Refused(f"LiteRT.js takes no delegate options, and was given {', '.join(sorted(options))}")
        if companion is not None:
            raise Refused("a second model beside it: a page here holds one at a time")
        try:
            return self._run(model, feeds, precision)
        except PageEnded as error:
            raise Ended(f"the page ended: {error}") from error

    def _run(self, model: bytearray, feeds: Feeds, precision: str) -> JobResult:
        result = JobResult()
        try:
            started = time.perf_counter()
            told = self._session.compile(model, self._accelerator, precision)
            result.stages["compile"] = time.perf_counter() - started
        except StepRefused as error:
            raise Refused(f"not compiled: {error}") from error
        result.names = [output["name"] for output in told["outputs"]]
        result.fully_accelerated = told["fully"]
        try:
            check_feeds(feeds, [(i["name"], i["dtype"], tuple(i["shape"])) for i in told["inputs"]])
            if told["fully"] is not False:
                self._run_feeds(feeds, told["outputs"], result)
        except StepRefused as error:
            raise Refused(f"not run: {error}") from error
        finally:
            self._session.release()
        return result

    def _run_feeds(self, feeds: Feeds, outputs: list[Mapping[str, Any]], result: JobResult) -> None:
        runs, reads = [], []
        for feed in feeds:
            arrays, run_s, read_s = self._session.run(feed, outputs)
            result.outputs.append(arrays)
            runs.append(run_s)
            reads.append(read_s)
        result.time_runs(runs, reads)


def make_engine(config: Mapping[str, Any]) -> Engine:
    os.environ.update(own_folders({}, Path.cwd()))  # this worker's scratch folder, which its pool removes
    session = Session(os.environ[CHROMIUM], Path(config["runtime"]), os.environ.get(ADAPTER_NAME, ""))
    return LiteRtJsEngine(session, GPU if config["engine"] == "gpu" else CPU)


if __name__ == "__main__":
    serve(make_engine)
