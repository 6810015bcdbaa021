"""Frames on a pipe between the pool and its workers: a JSON header and raw arrays, nothing executable.

Layout: 8 bytes length of the header, the header as JSON, then the blobs whose byte counts the
header lists under `blobs`. Arrays travel as their raw bytes; dtype and shape stand in the header.
"""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

_LENGTH = struct.Struct("<Q")
_MAX_HEADER = 64 << 20
_MAX_BLOBS = 16 << 30


class Closed(Exception):
    """The other end of the pipe is gone, or sent something that is no frame."""


def write_frame(
    fd: int,
    header: Mapping[str, Any],
    blobs: Sequence[bytes | memoryview] = (),
    wait: Callable[[], None] | None = None,
) -> None:
    """Write one frame. Raises Closed if the reader is gone.

    wait: called before each write; returns when a descriptor that does not block has room, or raises to give up.
    """
    text = json.dumps({**header, "blobs": [len(blob) for blob in blobs]}).encode()
    try:
        for part in (_LENGTH.pack(len(text)) + text, *blobs):
            view = memoryview(part)
            while view:
                if wait is not None:
                    wait()
                try:
                    view = view[os.write(fd, view) :]
                except BlockingIOError:
                    continue  # there was room for less than one write may be; wait again
    except BrokenPipeError as error:
        raise Closed("the reader is gone") from error


def read_frame(
    fd: int, wait: Callable[[], None] | None = None, expect: Callable[[int], None] | None = None
) -> tuple[dict[str, Any], list[bytearray]]:
    """Read one frame: header and blobs. `wait` is called before each read and may raise to give up.

    expect: is told how many bytes all blobs have, before any is read, and may raise to give up.

    Raises Closed at the end of the stream or where the bytes are no frame.
    """
    (length,) = _LENGTH.unpack(_read_exactly(fd, _LENGTH.size, wait))
    if length > _MAX_HEADER:
        raise Closed("not a frame: the header would be implausibly long")
    try:
        header = json.loads(_read_exactly(fd, length, wait))
        sizes = [int(size) for size in header.pop("blobs")]
    except (ValueError, KeyError, AttributeError) as error:
        raise Closed(f"not a frame: {error}") from error
    if min(sizes, default=0) < 0 or sum(sizes) > _MAX_BLOBS:
        raise Closed("not a frame: the blobs would be implausibly large")
    if expect is not None:
        expect(sum(sizes))
    return header, [_read_exactly(fd, size, wait) for size in sizes]


def _read_exactly(fd: int, count: int, wait: Callable[[], None] | None) -> bytearray:
    data = bytearray(count)
    view = memoryview(data)
    while view:
        if wait is not None:
            wait()
        got = os.readv(fd, [view])
        if got == 0:
            raise Closed("the writer is gone")
        view = view[got:]
    return data


def describe(array: np.ndarray) -> dict[str, Any]:
    """dtype and shape for a header, so that `restore` can rebuild the array from its bytes."""
    return {"dtype": array.dtype.str, "shape": list(array.shape)}


def blob(array: np.ndarray) -> memoryview:
    """The array's bytes in C order, without a copy where it is already contiguous."""
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8).data


def restore(description: Mapping[str, Any], data: bytearray) -> np.ndarray:
    """The array that `describe` and `blob` took apart."""
    return np.frombuffer(data, dtype=np.dtype(description["dtype"])).reshape(description["shape"])
