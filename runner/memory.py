"""How much memory the process that reads and judges may use, and the refusal of what would take more.

Key insight: a file of 288 bytes can declare gigabytes, so nothing may be made first and measured afterwards. Whoever
is about to unpack or evaluate something says how many bytes it will take (`require`), and what is above the limit in
force is refused in one line. The limit is a context, like that of `decimal`: a command or a verb of the API sets it
(`limited`), and what it calls asks.

Workers have limits of their own (`runner.host.pool`): what a delegate takes is not counted here.
"""

from __future__ import annotations

import functools
import math
import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

from runner.errors import BadInput

Size = int | str
"""Bytes, or words for them: `2GiB`, `500 MB`, `1.5G`."""

SHARE = 0.5
"""Of the memory that is available when it is first asked for: the workers need some as well."""
LEAST_BYTES = 1 << 30
"""What may be used by default however little is available: a busy moment must not refuse a small model."""

JSON_FACTOR = 40
"""Bytes in memory for one byte of JSON, at most: an empty list, 3 bytes of text, takes 64 with its place in another."""
_PIECE = 1 << 20  # of a pipe, read at a time
_UNITS = {"": 1, **{unit: 1 << 10 * power for power, unit in enumerate("KMGT", start=1)}}
_DECIMAL = {f"{unit}B": 1000**power for power, unit in enumerate("KMGT", start=1)}
_BINARY = {f"{unit}IB": 1 << 10 * power for power, unit in enumerate("KMGT", start=1)}
_FACTORS = {**_UNITS, **_DECIMAL, **_BINARY, "B": 1}
_GROUP_FILES = (("memory.max", "memory.current"), ("memory.limit_in_bytes", "memory.usage_in_bytes"))
_RECLAIMABLE = re.compile(r"^(?:total_)?inactive_file (\d+)$", re.MULTILINE)

_limit: ContextVar[int | None] = ContextVar("memory limit", default=None)


class TooMuchMemory(BadInput):
    """What was given would take more memory than the limit in force."""


def limit() -> int:
    """Bytes that may be used: those of the innermost `limited`, else `default_limit`."""
    return _limit.get() or default_limit()


@contextmanager
def limited(size: Size | None) -> Iterator[None]:
    """Another limit inside the block. None leaves the one in force. Raises BadInput for what is no size."""
    if size is None:
        yield
        return
    token = _limit.set(parse_size(size))
    try:
        yield
    finally:
        _limit.reset(token)


def require(wanted: int, what: str) -> None:
    """Raise TooMuchMemory where `what`, said as a subject, would take more bytes than the limit in force."""
    allowed = limit()
    if wanted > allowed:
        raise TooMuchMemory(
            f"{what} would take about {in_words(wanted)} of memory, and the limit is {in_words(allowed)}; "
            "give a smaller one, or --memory SIZE (memory= in Python) where this machine has more"
        )


def read_file(path: Path) -> bytes:
    """The bytes of a file, or of a pipe. Raises TooMuchMemory as soon as they are too many, and OSError."""
    with path.open("rb") as file:
        status = os.fstat(file.fileno())
        require(status.st_size, f"{path}: reading it")
        if stat.S_ISREG(status.st_mode):
            return file.read()
        data = bytearray()
        while piece := file.read(_PIECE):
            data += piece
            require(2 * len(data), f"{path}: reading it")
        return bytes(data)


def require_json(path: Path) -> None:
    """Raise TooMuchMemory where a file of JSON, read, would not fit the limit; nothing where there is no file."""
    if path.is_file():
        require(JSON_FACTOR * path.stat().st_size, f"{path}: reading it")


def parse_size(size: Size) -> int:
    """Bytes. Raises BadInput for what is no positive size."""
    found = re.fullmatch(r"\s*(\d{1,18}(?:\.\d{0,9})?)\s*([A-Za-z]{0,3})\s*", str(size), re.ASCII)
    factor = _FACTORS.get(found[2].upper()) if found else None
    parsed = int(float(found[1]) * factor) if found and factor else 0
    if parsed < 1:
        raise BadInput(f"memory '{size}' is no size; give bytes or a number with a unit, such as 2GiB or 500MB")
    return parsed


def in_words(size: int) -> str:
    """`1.5 GiB`. Sizes that a damaged file declares may be beyond any float."""
    power = max(0, (max(size, 1).bit_length() - 1) // 10)
    if power > 5:
        return f"2^{size.bit_length() - 1} bytes"
    unit = ("bytes", "KiB", "MiB", "GiB", "TiB", "PiB")[power]
    return f"{size / 1024**power:.3g} {unit}"


@functools.cache
def default_limit() -> int:
    """`SHARE` of what is available now: of the machine, or of the control group where that allows less."""
    available = min(_of_machine(), _of_group())
    return LEAST_BYTES if available == math.inf else max(LEAST_BYTES, int(SHARE * available))


def _of_machine() -> float:
    found = re.search(r"^MemAvailable: +(\d+) kB$", _text(Path("/proc/meminfo")), re.MULTILINE)
    return int(found[1]) * 1024 if found else math.inf


def _of_group(root: Path = Path("/sys/fs/cgroup"), own: Path = Path("/proc/self/cgroup")) -> float:
    """What the control groups around this process leave (version 1 or 2); infinite where none has a limit."""
    left = math.inf
    for line in _text(own).splitlines():
        controllers, _, group = line.partition(":")[2].partition(":")
        if controllers in ("", "memory"):
            mount = root / controllers
            folder = mount / group.lstrip("/")
            # In a container the path is often that of the host, and only the root of the mount is there.
            around = [folder, *(place for place in folder.parents if place.is_relative_to(mount))]
            left = min([left, *(_left(place, *names) for place in around for names in _GROUP_FILES)])
    return left


def _left(folder: Path, limit_file: str, usage_file: str) -> float:
    allowed, used = (_text(folder / name).strip() for name in (limit_file, usage_file))
    if not (allowed.isdecimal() and used.isdecimal()):
        return math.inf
    reclaimable = max(map(int, _RECLAIMABLE.findall(_text(folder / "memory.stat"))), default=0)
    return max(0, int(allowed) - int(used) + reclaimable)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError:
        return ""
