"""The worker process: loads one runtime, then runs the jobs that come on its standard input.

Key insight: everything a delegate can do wrong (abort, hang, eat memory, print to descriptors 1
and 2) happens here, in a process that its pool can lose. It outlives jobs, because loading the
runtime and opening the Vulkan device costs more than a small job.

Only numpy and the standard library are imported. Jobs and replies are frames (runner.host.frames) on the
original descriptors 0 and 1; descriptors 1 and 2 are redirected into the log file, which is
emptied before each job, so that the pool can read a job's log even when this process is dead.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from runner.host.engine import Companion, Ended, Engine, Feeds, JobResult, Refused, check_feeds, one_line
from runner.host.frames import Closed, blob, describe, read_frame, restore, write_frame
from runner.run import SENTINEL_BITS

WITH_CPU = "gpu+cpu"
"""The engine that compiles for the GPU and lets the cpu have what that refuses, as apps ship a model."""


class CApiEngine:
    """CompiledModel through the C API, on the CPU, on the GPU alone, or on both, which is no proof of residency.

    `first_run` and `repeat_run` last from the call until the first output can be read, because the
    GPU's call returns before the work is done; `read` is what the other outputs then cost.
    """

    def __init__(self, folder: Path, accelerator: str, gpu_options: Mapping[str, Any]) -> None:
        from runner import litert

        self._litert = litert
        self._gpu_options = gpu_options
        self._accelerators = {"gpu": litert.GPU, WITH_CPU: litert.GPU | litert.CPU}.get(accelerator, litert.CPU)
        self._environment = litert.Environment(litert.LiteRt(folder))

    def run(
        self,
        model: bytearray,
        feeds: Feeds,
        precision: str,
        options: Mapping[str, Any],
        companion: Companion | None = None,
    ) -> JobResult:
        with ExitStack() as stack:
            between = stack.enter_context(self._alive(companion)) if companion else None
            return self._run(model, feeds, self._options(precision, options), between)

    def _options(self, precision: str, options: Mapping[str, Any]) -> dict[str, Any]:
        litert = self._litert
        gpu = bool(self._accelerators & litert.GPU)
        return {"precision": litert.PRECISIONS[precision], **self._gpu_options, **options} if gpu else {}

    @contextmanager
    def _alive(self, companion: Companion) -> Iterator[Callable[[], None]]:
        """The second model, compiled, until the block ends; what is yielded runs it once and reads its outputs."""
        litert = self._litert
        with ExitStack() as stack:
            try:
                loaded = litert.Model(self._environment, companion.model)
                stack.callback(loaded.close)
                options = self._options(companion.precision, companion.options)
                compiled = litert.CompiledModel(self._environment, loaded, self._accelerators, options)
                stack.enter_context(compiled)
                compiled.allocate([array.shape for array in companion.feed])
            except litert.LiteRtError as error:
                raise Refused(f"the model beside it: {error}") from error

            def run_once() -> None:
                for i, array in enumerate(companion.feed):
                    compiled.write_input(i, array)
                compiled.run()
                for i in range(len(loaded.outputs)):
                    compiled.read_output(i)

            yield run_once

    def _run(
        self, model: bytearray, feeds: Feeds, gpu_options: Mapping[str, Any], between: Callable[[], None] | None
    ) -> JobResult:
        litert = self._litert
        result = JobResult()
        started = time.perf_counter()
        try:
            loaded = litert.Model(self._environment, model)
        except litert.LiteRtError as error:
            raise Refused(f"not loaded: {error}") from error
        try:
            result.stages["load"] = time.perf_counter() - started
            result.names = [info.name for info in loaded.outputs]
            check_feeds(feeds, [(i.name, i.dtype, i.shape) for i in loaded.inputs])
            for info in loaded.outputs:
                if info.dtype.startswith("type "):
                    raise Refused(f"output '{info.name}' has element {info.dtype}, which cannot be read here")
            started = time.perf_counter()
            try:
                compiled = litert.CompiledModel(self._environment, loaded, self._accelerators, gpu_options)
            except litert.LiteRtError as error:
                raise Refused(f"not compiled: {error}") from error
            with compiled:
                try:
                    shapes = [array.shape for array in feeds[0]] if feeds else [i.shape for i in loaded.inputs]
                    compiled.resize(shapes)
                    compiled.allocate(shapes)
                    result.stages["compile"] = time.perf_counter() - started
                    if self._accelerators == litert.GPU:
                        result.fully_accelerated = compiled.fully_accelerated()
                    self._run_feeds(compiled, feeds, result, between)
                except litert.LiteRtError as error:
                    raise Refused(f"not run: {error}") from error
        finally:
            loaded.close()
        return result

    def _run_feeds(self, compiled: Any, feeds: Feeds, result: JobResult, between: Callable[[], None] | None) -> None:
        infos = compiled.model.outputs
        sentinels = [sentinel_bytes(compiled.output_shape(i), infos[i].dtype) for i in range(len(infos))]
        runs, reads = [], []
        for feed in feeds:
            for i, array in enumerate(feed):
                compiled.write_input(i, array)
            for i, pattern in enumerate(sentinels):
                compiled.fill_output(i, pattern)
            if between:
                between()
            started = time.perf_counter()
            compiled.run()
            if between:
                between()
            outputs = [compiled.read_output(0)] if infos else []
            finished = time.perf_counter()
            outputs += [compiled.read_output(i) for i in range(1, len(infos))]
            reads.append(time.perf_counter() - finished)
            runs.append(finished - started)
            result.outputs.append(outputs)
        result.time_runs(runs, reads)


class ReferenceEngine:
    """TFLite's reference kernels (no XNNPACK, no delegate) through the interpreter of the runtime's package."""

    def __init__(self, folder: Path) -> None:
        sys.path.insert(0, str(folder.parent))
        from ai_edge_litert import interpreter

        self._interpreter = interpreter

    def run(self, model: bytearray, feeds: Feeds, precision: str, options: Mapping[str, Any]) -> JobResult:
        result = JobResult()
        started = time.perf_counter()
        try:
            loaded = self._interpreter.Interpreter(
                model_content=bytes(model),
                num_threads=1,
                experimental_op_resolver_type=self._interpreter.OpResolverType.BUILTIN_REF,
            )
        except (ValueError, RuntimeError) as error:
            raise Refused(f"not loaded: {one_line(error)}") from error
        result.stages["load"] = time.perf_counter() - started
        started = time.perf_counter()
        inputs, outputs = loaded.get_input_details(), loaded.get_output_details()
        declared = [tuple(map(int, d["shape_signature"] if len(d["shape_signature"]) else d["shape"])) for d in inputs]
        check_feeds(feeds, [(d["name"], np.dtype(d["dtype"]).name, s) for d, s in zip(inputs, declared, strict=True)])
        try:
            for detail, array in zip(inputs, feeds[0] if feeds else [], strict=False):
                if tuple(detail["shape"]) != array.shape:
                    loaded.resize_tensor_input(detail["index"], array.shape, strict=True)
            loaded.allocate_tensors()
            result.stages["compile"] = time.perf_counter() - started
            result.names = [d["name"] for d in outputs]
            runs, reads = [], []
            for feed in feeds:
                for detail, array in zip(inputs, feed, strict=True):
                    loaded.set_tensor(detail["index"], array)
                started = time.perf_counter()
                loaded.invoke()
                finished = time.perf_counter()
                result.outputs.append([loaded.get_tensor(d["index"]).copy() for d in outputs])
                reads.append(time.perf_counter() - finished)
                runs.append(finished - started)
        except (ValueError, RuntimeError) as error:
            raise Refused(f"not run: {one_line(error)}") from error
        result.time_runs(runs, reads)
        return result


def sentinel_bytes(shape: tuple[int, ...], dtype: str) -> np.ndarray:
    """The sentinel's bit pattern repeated over an output's bytes."""
    size = int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize
    words = np.full((size + 3) // 4, SENTINEL_BITS, dtype=np.uint32)
    return words.view(np.uint8)[:size]


def resident_bytes() -> int:
    """Resident memory of this process."""
    pages = int(Path("/proc/self/statm").read_text(encoding="utf-8").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def run_job(
    engine: Engine, header: Mapping[str, Any], blobs: list[bytearray]
) -> tuple[dict[str, Any], list[memoryview]]:
    """One job to one reply. Nothing that the model or the runtime reports escapes as an exception."""
    rest = iter(blobs)
    model = next(rest)
    feeds = [[restore(description, next(rest)) for description in feed] for feed in header["feeds"]]
    more = {}
    if other := header.get("companion"):
        data = next(rest)
        feed = [restore(description, next(rest)) for description in other["feed"]]
        more["companion"] = Companion(data, feed, other["precision"], other["options"])
    try:
        result = engine.run(model, feeds, header["precision"], header["options"], **more)
    except Refused as error:
        return {"outcome": "REFUSED", "message": one_line(error)}, []
    except Ended as error:
        return {"outcome": "CRASH", "message": one_line(error)}, []
    except MemoryError as error:
        return {"outcome": "CRASH", "message": f"out of memory: {one_line(error) or 'allocation failed'}"}, []
    resident = result.fully_accelerated is not False
    reply = {
        "outcome": "OK" if resident else "NOT_RESIDENT",
        "message": "" if resident else "compiled for the GPU alone, yet not fully accelerated",
        "outputs": [[describe(array) for array in outputs] for outputs in result.outputs],
        "names": result.names,
        "fully_accelerated": result.fully_accelerated,
        "stages": result.stages,
    }
    return reply, [blob(array) for outputs in result.outputs for array in outputs]


def serve(make_engine: Callable[[Mapping[str, Any]], Engine]) -> None:
    """Run jobs until the pool closes the pipe. argv[1] is the JSON configuration."""
    config = json.loads(sys.argv[1])
    jobs, replies = os.dup(0), os.dup(1)
    log = os.open(config["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_TRUNC, 0o600)
    os.dup2(log, 1)
    os.dup2(log, 2)
    with open(os.devnull, "rb") as nothing:  # noqa: PTH123
        os.dup2(nothing.fileno(), 0)
    try:
        engine = make_engine(config)
    except Exception as error:  # noqa: BLE001 - whatever the runtime raises is the answer to "can it start"
        write_frame(replies, {"ready": False, "message": f"{type(error).__name__}: {one_line(error)}"})
        return
    write_frame(replies, {"ready": True})
    while True:
        try:
            header, blobs = read_frame(jobs)
        except Closed:
            # Not a normal exit: destructors of a driver may hang or crash, and nothing is left to save.
            os._exit(0)
        os.ftruncate(log, 0)
        reply, out = run_job(engine, header, blobs)
        del blobs  # or it would stand beside the next job's while that is read
        sys.stdout.flush()
        sys.stderr.flush()
        write_frame(replies, {**reply, "resident_bytes": resident_bytes()}, out)


def make_engine(config: Mapping[str, Any]) -> Engine:
    folder = Path(config["runtime"])
    if config["engine"] == "reference":
        return ReferenceEngine(folder)
    return CApiEngine(folder, config["engine"], config.get("gpu_options", {}))


if __name__ == "__main__":
    serve(make_engine)
