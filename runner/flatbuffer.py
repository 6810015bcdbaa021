"""A flatbuffer read in place, by field numbers: for the few questions that are asked of a model before it is parsed.

A table is given by the position where it begins. Bytes that make no sense raise struct.error, ValueError or IndexError.
"""

from __future__ import annotations

import struct


def u32(data: bytes, at: int) -> int:
    return int(struct.unpack_from("<I", data, at)[0])


def root(data: bytes) -> int:
    """The table that the file is about."""
    return u32(data, 0)


def vector(data: bytes, table: int, number: int) -> tuple[int, int]:
    """Length and place of the first element of a vector field of 4-byte elements; (0, 0) where it is absent."""
    place = _field(data, table, number)
    if not place:
        return 0, 0
    begin = place + u32(data, place)
    count = u32(data, begin)
    if count * 4 > len(data):
        raise ValueError("a vector beyond the file")
    return count, begin + 4


def tables(data: bytes, table: int, number: int) -> list[int]:
    """The tables of a vector field."""
    count, first = vector(data, table, number)
    return [first + 4 * i + u32(data, first + 4 * i) for i in range(count)]


def ints(data: bytes, table: int, number: int) -> list[int]:
    count, first = vector(data, table, number)
    return list(struct.unpack_from(f"<{count}i", data, first))


def scalar(data: bytes, table: int, number: int) -> int:
    """An unsigned number of 4 bytes; 0 where it is absent."""
    place = _field(data, table, number)
    return u32(data, place) if place else 0


def byte(data: bytes, table: int, number: int) -> int:
    """An unsigned number of one byte; 0 where it is absent."""
    place = _field(data, table, number)
    return data[place] if place else 0


def string(data: bytes, table: int, number: int) -> str:
    """A text field; empty where it is absent."""
    place = _field(data, table, number)
    if not place:
        return ""
    at = place + u32(data, place)
    return data[at + 4 : at + 4 + u32(data, at)].decode()


def _field(data: bytes, table: int, number: int) -> int:
    """Where a table's field lies; 0 where it is absent."""
    vtable = table - int(struct.unpack_from("<i", data, table)[0])
    if vtable < 0:
        raise ValueError("a vtable before the file")
    size = int(struct.unpack_from("<H", data, vtable)[0])
    slot = 4 + 2 * number
    offset = int(struct.unpack_from("<H", data, vtable + slot)[0]) if slot + 2 <= size else 0
    return table + offset if offset else 0
