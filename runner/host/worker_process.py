"""One worker process, seen from the pool: start it, give it a job, and say how it ended if it did not answer.

The pool watches three things while it waits: the reply, the clock, and the worker's resident
memory. Resident, not virtual: a software Vulkan driver reserves far more than it touches.
"""

from __future__ import annotations

import functools
import json
import os
import re
import select
import signal
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from runner import children, memory
from runner.host.frames import Closed, blob, describe, read_frame, restore, write_frame
from runner.python_child import child_command, child_environment
from runner.run import Job, Outcome
from runner.scratch import ScratchFolder

START_S = 60.0
_POLL_S = 0.05
_LOG_BYTES = 64 << 10
_PAGE = os.sysconf("SC_PAGE_SIZE")


class StartFailed(Exception):
    """The worker did not come up: its runtime cannot be loaded here. The text says why."""


@dataclass(frozen=True)
class WorkerSpec:
    """How to start a worker. engine: `gpu`, `cpu` or `reference`. module: run with `python -m`."""

    engine: str
    runtime: Path
    environment: Mapping[str, str]
    memory_bytes: int
    module: str = "runner.host.worker"
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Reply:
    """What came of one job. Without outputs unless the model ran."""

    outcome: Outcome
    message: str
    log: str
    outputs: tuple[tuple[np.ndarray, ...], ...] = ()
    names: tuple[str, ...] = ()
    fully_accelerated: bool | None = None
    stages: Mapping[str, float] = field(default_factory=dict)


class _Overdue(Exception):
    pass


class _TooBig(Exception):
    pass


class WorkerProcess:
    """A running worker. `served` counts the jobs it has answered; `alive` is false once it was lost or stopped."""

    def __init__(self, spec: WorkerSpec) -> None:
        self.spec = spec
        self.served = 0
        self._stopped = False
        self._next_look = 0.0
        self._last_log = ""
        self._scratch = ScratchFolder("worker")
        self._log = Path(self._scratch.name) / "log"
        config = {
            "engine": spec.engine,
            "runtime": str(spec.runtime),
            "log": str(self._log),
            **spec.extra,
        }
        self._process = children.start(
            child_command(spec.module, json.dumps(config)),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=child_environment(spec.environment),
            cwd=self._scratch.name,
            bufsize=0,
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._to, self._from = self._process.stdin.fileno(), self._process.stdout.fileno()
        os.set_blocking(self._to, False)  # a stopped worker that does not read must not stop the pool
        self._await_start()
        self.start_log = self.log()

    def _await_start(self) -> None:
        deadline = time.monotonic() + START_S
        try:
            header, _ = read_frame(self._from, lambda: self._watch(deadline))
        except _Overdue:
            self.stop()
            raise StartFailed(f"the worker was not ready within {START_S:.0f} s") from None
        except (_TooBig, Closed):
            ended = self._how_it_ended()
            log = self.log()
            self.stop()
            raise StartFailed(f"the worker {ended} while starting; its log ends: {last_line(log)}") from None
        if not header.get("ready"):
            self.stop()
            raise StartFailed(str(header.get("message", "the worker gave no reason")))

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def alive(self) -> bool:
        return not self._stopped and self._process.poll() is None

    def execute(self, job: Job, deadline_s: float) -> Reply:
        """Run one job. A worker that crashed, hung or ate memory is stopped, and the reply says which it was.

        Raises TooMuchMemory where its outputs would not fit the limit of this process.
        """
        deadline = time.monotonic() + deadline_s
        header = {
            "name": job.name,
            "precision": str(job.precision),
            "options": dict(job.options),
            "feeds": [[describe(array) for array in feed] for feed in job.feeds],
        }
        blobs: list[bytes | memoryview] = [job.model, *(blob(array) for feed in job.feeds for array in feed)]
        if (other := job.companion) is not None:
            feed = other.feeds[0] if other.feeds else ()
            described = [describe(array) for array in feed]
            header["companion"] = {"precision": str(other.precision), "options": dict(other.options), "feed": described}
            blobs += [other.model, *(blob(array) for array in feed)]
        try:
            write_frame(self._to, header, blobs, lambda: self._watch(deadline, self._to))
            expect = functools.partial(memory.require, what=f"{job.name or 'a model'}: reading its outputs")
            answer, replies = read_frame(self._from, lambda: self._watch(deadline), expect)
        except memory.TooMuchMemory:
            self.stop()  # it is still writing
            raise
        except _Overdue:
            return self._lost(Outcome.HANG, f"no answer within {deadline_s:.0f} s")
        except _TooBig:
            limit = self.spec.memory_bytes / 2**30
            return self._lost(Outcome.CRASH, f"out of memory: the worker grew beyond its limit of {limit:.1f} GiB")
        except Closed:
            return self._lost(Outcome.CRASH, f"the worker {self._how_it_ended()}")
        self.served += 1
        log = self.log()
        if answer["resident_bytes"] > self.spec.memory_bytes / 2:
            self.stop()  # what it holds on to would count against the next job
        rest = iter(replies)
        outputs = tuple(tuple(restore(d, next(rest)) for d in some) for some in answer.get("outputs", ()))
        return Reply(
            outcome=Outcome(answer["outcome"]),
            message=answer["message"],
            log=log,
            outputs=outputs,
            names=tuple(answer.get("names", ())),
            fully_accelerated=answer.get("fully_accelerated"),
            stages=answer.get("stages", {}),
        )

    def _watch(self, deadline: float, writing: int | None = None) -> None:
        """Return when there is something to read (or room to write); raise when time or memory is used up.

        Clock and memory are looked at first: a worker that always has something to say is still stopped.
        """
        # poll, not select: select cannot hold descriptors above 1023, and a long-lived caller may have many.
        poller = select.poll()
        poller.register(
            self._from if writing is None else writing, select.POLLIN if writing is None else select.POLLOUT
        )
        while True:
            now = time.monotonic()
            if now >= deadline:
                raise _Overdue
            if now >= self._next_look:
                self._next_look = now + _POLL_S
                if self._resident_bytes() > self.spec.memory_bytes:
                    raise _TooBig
            if poller.poll((min(self._next_look, deadline) - now) * 1000):
                return

    def _resident_bytes(self) -> int:
        try:
            return int(Path(f"/proc/{self._process.pid}/statm").read_text(encoding="utf-8").split()[1]) * _PAGE
        except (OSError, IndexError, ValueError):
            return 0  # it has just ended; the pipe will say so

    def _lost(self, outcome: Outcome, message: str) -> Reply:
        self.stop()
        return Reply(outcome, message, self._last_log)

    def _how_it_ended(self) -> str:
        try:
            code = self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            return "closed its pipe"
        if code >= 0:
            return f"ended with exit code {code}"
        name = signal.Signals(-code).name if -code in set(signal.Signals) else f"signal {-code}"
        hint = ": the kernel may have been out of memory" if -code == signal.SIGKILL else ""
        return f"was killed by {name}{hint}"

    def log(self) -> str:
        """What the worker printed since its current job began; of a long one the beginning and the end."""
        try:
            with self._log.open("rb") as file:
                size = file.seek(0, os.SEEK_END)
                file.seek(0)
                if size <= _LOG_BYTES:
                    return file.read().decode(errors="replace")
                # The beginning says on what the model ran, the end how it ended.
                first = file.read(_LOG_BYTES // 4)
                file.seek(size - 3 * _LOG_BYTES // 4)
                left_out = f"\n[{size - _LOG_BYTES} bytes left out]\n".encode()
                return (first + left_out + file.read()).decode(errors="replace")
        except OSError:
            return ""

    def stop(self) -> None:
        """End the worker and remove what it left. Safe to call twice; only by the thread that runs its jobs."""
        if self._stopped:
            return
        self._stopped = True
        self._last_log = self.log()
        self.kill()
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            pipe.close()
        self._scratch.cleanup()

    def kill(self) -> None:
        """Only kill it (any thread may): the thread that waits for a reply sees the pipe close."""
        children.end(self._process)


# What absl's and glog's logs put before a line: severity, date, time stamp, thread.
_LOG_PREFIX = re.compile(r"^[IWEF]\d{4} [\d:.]+ +\d+ (?=\S+:\d+\])")
# Frames and head of a stack, as absl (`@ 0x7f01 function`) and LLVM (`#3 0x7f01 function`) print it.
_STACK = re.compile(r"^((@|#\d+) +0x[0-9a-f]+\b|\*\*\* .* stack trace: \*\*\*$|Stack dump:|PLEASE submit a bug report)")
# What ends a process by itself says so: absl's CHECK; glibc's and bionic's heap and stack; C++, assert, LLVM.
_ENDS = (
    re.compile(r"Check failed:"),
    re.compile(
        r"^(malloc|free|realloc|calloc|memalign|munmap_chunk|mremap_chunk|unlink_chunk|malloc_consolidate|tcache\w*)"
        r"\(\): "
        r"|double free or corruption|corrupted (size|double-linked)|(stack smashing|buffer overflow) detected"
        r"|Scudo ERROR:|FORTIFY:"
    ),
    re.compile(r"terminate called|Assertion .* failed|LLVM ERROR:"),
)
_ADDRESS = re.compile(r"\b0x[0-9a-f]{5,}\b")


def last_line(log: str) -> str:
    """The last line that says something, or `(empty)`; equal deaths read equal: without time, thread and addresses.

    Why a process ended itself says more than what is printed behind it, and an address of a stack says nothing.
    """
    lines = [line.strip() for line in log.splitlines() if line.strip() and not _STACK.match(line.strip())]
    told = (line for end in _ENDS for line in lines if end.search(line))
    found = _ADDRESS.sub("0x...", next(told, lines[-1] if lines else "(empty)"))
    return _LOG_PREFIX.sub("", found)
