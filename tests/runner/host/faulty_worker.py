"""A worker made for the tests: it does on demand, for real, what a delegate might do to its process.

Run by the real pool in place of runner.host.worker. A job with the option `simulated_fault` misbehaves in the
named way; every other job is run by the real engine.
"""

from __future__ import annotations

import ctypes
import json
import os
import stat
import struct
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from runner.host.engine import Engine, Feeds, JobResult, Refused
from runner.host.worker import make_engine, serve

_CHUNK = 64 << 20


def abort() -> None:
    print("simulated: about to abort", flush=True)
    os.abort()


def segfault() -> None:
    ctypes.string_at(8)


def leave() -> None:
    os._exit(7)


def hang() -> None:
    print("simulated: about to hang", flush=True)
    time.sleep(3600)


def babble() -> None:
    """Begin a reply that promises a megabyte, then a byte every 10 ms, on every pipe that can be written to."""
    header = json.dumps({"blobs": [1 << 20]}).encode()
    part = struct.pack("<Q", len(header)) + header
    while True:
        for descriptor in range(3, 64):
            with suppress(OSError):
                if stat.S_ISFIFO(os.fstat(descriptor).st_mode):
                    os.write(descriptor, part)
        part = b"."
        time.sleep(0.01)


def babble_and_eat() -> None:
    threading.Thread(target=babble, daemon=True).start()
    eat()


def eat() -> None:
    """Grow, page by page touched, until somebody stops it (or 4 GiB, should nobody)."""
    held = [bytearray(b"x" * _CHUNK) for _ in range(64)]
    time.sleep(3600 + len(held))


def fail_to_allocate() -> None:
    raise MemoryError("simulated: cannot allocate")


def noise() -> None:
    print("the beginning of the " + "noise " * 100_000 + "the end of the noise", flush=True)


FAULTS: Mapping[str, Callable[[], None]] = {
    f.__name__: f for f in (abort, segfault, leave, hang, babble, babble_and_eat, eat, fail_to_allocate, noise)
}


class FaultyEngine:
    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._jobs = 0

    def run(self, model: bytearray, feeds: Feeds, precision: str, options: Mapping[str, Any]) -> JobResult:
        self._jobs += 1
        rest = dict(options)
        fault = rest.pop("simulated_fault", "")
        if fault == "abort_unless_first":
            if self._jobs > 1:
                abort()
        elif fault == "slow_at_first":
            if self._jobs == 1:
                raise Refused("not run: simulated: LiteRtLockTensorBuffer returned status 3")
        elif fault:
            FAULTS[fault]()
        return self._engine.run(model, feeds, precision, rest)


if __name__ == "__main__":
    serve(lambda config: FaultyEngine(make_engine(config)))
