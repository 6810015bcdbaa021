"""What the native runner answers: one JSON object per line, read with suspicion.

A line that is no JSON object, or lacks what it must have, is garbage: something other than the
runner wrote to its standard output, or the connection mangled it. Outputs are believed only if
their bytes have the sha256 that the line gives.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from runner.errors import DeviceFailed

_STATUSES = ("ok", "refused", "crash", "hang", "damaged_object", "disk_full", "storage")


class Garbage(DeviceFailed):
    """The device sent something that the runner does not write."""


@dataclass(frozen=True)
class OutputInfo:
    """One output: dtype is a numpy name; unwritten[k] counts 32-bit words that still hold the sentinel after feed k."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    unwritten: tuple[int, ...]

    @property
    def nbytes(self) -> int:
        return math.prod(self.shape) * np.dtype(self.dtype).itemsize


@dataclass(frozen=True)
class CaseLine:
    """How one case ended. `clock` is the device's wall clock minus its monotonic one, in seconds.

    status: ok, refused, crash, hang (the model's doing) or damaged_object, disk_full, storage (the
    device's). repeats_differ[k]: bytes that differed between repeats of feed k. same_feeds: for
    feeds with equal inputs, bytes that differed.
    """

    number: int
    status: str
    message: str
    log: str
    clock: float
    fully_accelerated: bool | None = None
    sha256: str = ""
    nbytes: int = 0
    outputs: tuple[OutputInfo, ...] = ()
    stages: Mapping[str, float] = field(default_factory=dict)
    repeats_differ: tuple[int, ...] = ()
    same_feeds: tuple[Mapping[str, int], ...] = ()


@dataclass(frozen=True)
class EventLine:
    """The batch's own lines: event is `start`, `end` or `error` (then kind and message say what)."""

    event: str
    kind: str = ""
    message: str = ""
    values: Mapping[str, Any] = field(default_factory=dict)


def parse_line(line: bytes) -> CaseLine | EventLine:
    """One line of the runner. Raises Garbage for anything it does not write."""
    try:
        value = json.loads(line)
        if not isinstance(value, dict):
            raise ValueError("no object")
        if "event" in value:
            return EventLine(str(value["event"]), str(value.get("kind", "")), _text(value.get("message", "")), value)
        return _case_line(value)
    except (ValueError, KeyError, TypeError) as error:
        shown = line[:60].decode("ascii", "replace").strip()
        raise Garbage(
            f"the device answered with something the runner does not write ({shown!r}); "
            f"results until then are kept, run again to continue"
        ) from error


def _case_line(value: Mapping[str, Any]) -> CaseLine:
    if value["status"] not in _STATUSES:
        raise ValueError(f"unknown status {value['status']!r}")
    outputs = tuple(
        OutputInfo(_text(o["name"]), str(np.dtype(o["dtype"]).name), tuple(map(int, o["shape"])), tuple(o["unwritten"]))
        for o in value.get("outputs", ())
    )
    return CaseLine(
        number=int(value["id"]),
        status=value["status"],
        message=_text(value["message"]),
        log=_text(value["log"]),
        clock=float(value["clock"]),
        fully_accelerated=value.get("fully_accelerated"),
        sha256=str(value.get("sha256", "")),
        nbytes=int(value.get("bytes", 0)),
        outputs=outputs,
        stages={str(k): float(v) for k, v in value.get("stages", {}).items()},
        repeats_differ=tuple(value.get("repeats_differ", ())),
        same_feeds=tuple(value.get("same_feeds", ())),
    )


def _text(value: Any) -> str:
    """The runner escapes bytes, not characters: put the UTF-8 back together."""
    text = str(value)
    try:
        return text.encode("latin-1").decode("utf-8", "replace")
    except UnicodeEncodeError:
        return text


def split_outputs(line: CaseLine, feeds: int, data: bytes) -> tuple[tuple[np.ndarray, ...], ...]:
    """outputs[k][i] after feed k, from the case's output file. Raises Garbage if the bytes are not what was written."""
    per_feed: Sequence[OutputInfo] = line.outputs
    expected = feeds * sum(info.nbytes for info in per_feed)
    if len(data) != line.nbytes or len(data) != expected:
        raise Garbage(f"the outputs of case {line.number} came as {len(data)} bytes instead of {expected}; run again")
    if hashlib.sha256(data).hexdigest() != line.sha256:
        raise Garbage(f"the outputs of case {line.number} are not the bytes that were written (sha256); run again")
    found, at = [], 0
    for _ in range(feeds):
        arrays = []
        for info in per_feed:
            flat = np.frombuffer(data, dtype=info.dtype, count=math.prod(info.shape), offset=at)
            arrays.append(flat.reshape(info.shape).copy())
            at += info.nbytes
        found.append(tuple(arrays))
    return tuple(found)
