"""How much of a .tflite file its reader has walked, and the refusal of a file that makes it walk on and on.

Key insight: offsets may lead anywhere, so thousands of tables can share one long vector, and what they unpack to has
nothing to do with the size of the file. In a file that a converter wrote each vector belongs to one table. So every
vector is counted each time it is walked, and a file is refused once it was walked several times over.
"""

from __future__ import annotations

import functools
from typing import Any

from ai_edge_litert import schema_py_generated as schema

from runner import memory

WALKS = 8
"""How often a file may be walked. Measured: the catalogue, the findings and D-FINE's graphs less than once."""
SMALL_BYTES = 1 << 16
"""Walked of any file, however small it is."""

TENSOR_BYTES, OP_BYTES, NUMBER_BYTES = 1500, 2500, 40
"""Memory of one tensor, one op and one number of a vector as Python holds them, rounded up."""
NUMBER_COUNTED = 4
"""Bytes that a number counts as where its type is not known."""


class Visits:
    """Counts what is walked of one file. Whatever raises ValueError here means a damaged file."""

    def __init__(self, data: bytes) -> None:
        self._size = len(data)
        self._left = WALKS * len(data) + SMALL_BYTES
        self._walked = 0

    def vector(self, length: int, what: str, size: int = 4, counted: int = 0) -> int:
        """`length`, of a vector that is about to be walked.

        size: bytes of an element in the file, at least. counted: bytes that it is counted as, if not as many.
        """
        if length < 0 or length * size > self._size:
            raise ValueError(f"{what}: {length} entries in {self._size} bytes")
        if length:
            self._walked += length * (counted or size)
            if self._walked > self._left:
                raise ValueError(f"its tables share so many vectors that it unpacks to {WALKS} times its size and more")
            if self._walked > SMALL_BYTES:
                memory.require(self._size + self._walked // 4 * NUMBER_BYTES, "reading the model")
        return length

    def text(self, raw: bytes | None, absent: str = "") -> str:
        """A text field, which is absent where `raw` is None or empty."""
        if not raw:
            return absent
        self.vector(len(raw), "text", 1)
        return raw.decode(errors="replace")

    def record(self, table: Any) -> Any:
        """A table whose vectors are about to be unpacked, all of them."""
        for length in _lengths_of(type(table).__name__):
            self.vector(getattr(table, length)(), length, 1, NUMBER_COUNTED)
        return table

    def tables(self, tensors: int, ops: int) -> None:
        """Raises TooMuchMemory where so many tensors and ops would not fit beside the file."""
        memory.require(self._size + tensors * TENSOR_BYTES + ops * OP_BYTES, "reading the model")


@functools.cache
def _lengths_of(accessor: str) -> tuple[str, ...]:
    """The methods of a generated accessor that say how long its vectors are."""
    return tuple(name for name in vars(getattr(schema, accessor)) if name.endswith("Length"))
