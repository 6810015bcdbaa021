"""The bytes that a .tflite file holds for its tensors: found by index, held to the file, copied at most once."""

from __future__ import annotations

from typing import Any

import numpy as np

from cases.tflite.visits import Visits


class FileBuffers:
    """The buffers of one file. model: the generated accessor of the whole of it; visits: what was walked of it."""

    def __init__(self, data: bytes, model: Any, visits: Visits) -> None:
        self.visits = visits
        self._data = data
        self._model = model
        self._count = visits.vector(model.BuffersLength(), "buffers")
        self._copies: dict[tuple[int, int], bytes] = {}

    def blob(self, index: int) -> np.ndarray | None:
        """The bytes of a buffer: inside the flatbuffer, or (large files) behind it at an absolute offset."""
        if index >= self._count:
            raise IndexError("buffer index")
        buffer = self._model.Buffers(index)
        size = buffer.DataLength()
        if size:
            if size > len(self._data):
                raise ValueError("buffer longer than the file")
            blob: np.ndarray = buffer.DataAsNumpy()
            if len(blob) != size:
                raise ValueError("truncated buffer")
            return blob
        offset, size = buffer.Offset(), buffer.Size()
        if offset <= 1 or not size:
            return None
        if offset + size > len(self._data):
            raise ValueError("buffer behind the end of the file")
        return np.frombuffer(self._data, np.uint8, size, offset)

    def is_there(self, index: int) -> bool:
        """Whether a buffer has bytes, be they none."""
        return 0 <= index < self._count and not self._model.Buffers(index).DataIsNone()

    def copy(self, blob: np.ndarray) -> bytes:
        """The bytes of a part of the file, copied once for all who want them."""
        place = (int(blob.ctypes.data), len(blob))
        if place not in self._copies:
            self.visits.vector(len(blob), "buffer", 1)
            self._copies[place] = blob.tobytes()
        return self._copies[place]
