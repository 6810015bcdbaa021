"""An error map as a small PNG, for a page. Pure.

Key insight: 24 x 24 cells of some 35 colours are a palette image of half a kilobyte, and the browser makes it larger
without blurring it. So the three grids are one image, cell by cell a pixel, and Python's zlib is all that it needs.
"""

from __future__ import annotations

import base64
import struct
import zlib

from repro.verdicts.error_map import ABOVE, BELOW, LEVELS, NOT_FINITE, UNWRITTEN, ErrorMap

GAP = 1
_VALUES = (
    "440154 481a6c 472f7d 414487 39568c 31688e 2a788e 23888e 1f988b 22a884 35b779 54c568 7ad151 a5db36 d2e21b fde725"
)
_ERRORS = (
    "f2f2f2 fde3d3 fcd0b4 fbb994 f9a277 f58b5e f0744a e85d3a dd482f cf3528 bf2524 ac1822 970e21 810820 69051f 4f031c"
)
_MARKS = {BELOW: "00a3ff", ABOVE: "ff7f0e", UNWRITTEN: "8c8c8c", NOT_FINITE: "ff00c8"}
"""Values in viridis, errors from pale to dark red; what has no place on the scale has a colour of neither."""

_PALETTE = [bytes.fromhex(c) for c in ("000000", *_VALUES.split(), *_ERRORS.split(), *_MARKS.values())]
_CLEAR, _FIRST_VALUE, _FIRST_ERROR, _FIRST_MARK = 0, 1, 1 + len(LEVELS), 1 + 2 * len(LEVELS)
_MARK_AT = {mark: n for n, mark in enumerate(_MARKS, _FIRST_MARK)}


def to_png(drawn: ErrorMap) -> bytes:
    """expected | actual | error, a pixel per cell, with a clear gap between them."""
    grids = ((drawn.expected, _FIRST_VALUE), (drawn.actual, _FIRST_VALUE), (drawn.error, _FIRST_ERROR))
    lines = []
    for row in range(drawn.rows):
        cells = slice(row * drawn.columns, (row + 1) * drawn.columns)
        pixels = (bytes(_colour(mark, base) for mark in grid[cells]) for grid, base in grids)
        lines.append(b"\0" + bytes([_CLEAR] * GAP).join(pixels))
    width = 3 * drawn.columns + 2 * GAP
    head = struct.pack(">IIBBBBB", width, drawn.rows, 8, 3, 0, 0, 0)
    parts = ((b"IHDR", head), (b"PLTE", b"".join(_PALETTE)), (b"tRNS", b"\0"))
    image = zlib.compress(b"".join(lines), 9)
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(*part) for part in (*parts, (b"IDAT", image), (b"IEND", b"")))


def _colour(mark: str, base: int) -> int:
    return _MARK_AT[mark] if mark in _MARK_AT else base + LEVELS.index(mark)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def data_uri(drawn: ErrorMap) -> str:
    """The image as an address that needs no network."""
    return "data:image/png;base64," + base64.b64encode(to_png(drawn)).decode()


def caption(drawn: ErrorMap) -> str:
    """What the three grids are, in numbers."""
    of = f"{drawn.of[0]} rows x {drawn.of[1]} channels"
    block = [f"{total / cells:.3g}" for total, cells in zip(drawn.of, (drawn.rows, drawn.columns), strict=True)]
    cell = "a cell is an element" if block == ["1", "1"] else f"a cell is the worst of about {' x '.join(block)}"
    scale = f"values {drawn.low:.3g} to {drawn.high:.3g}"
    error = f"error 1e{drawn.smallest} to 1e{drawn.largest}, log scale"
    return f"{of}, {cell}; {scale}; {error if set(drawn.error) & set(LEVELS[1:]) else 'no finite error'}"


def marks(drawn: ErrorMap) -> list[tuple[str, str]]:
    """(colour, what it means) of the marks that occur."""
    meanings = {
        BELOW: "below what is expected",
        ABOVE: "above what is expected",
        UNWRITTEN: "never written",
        NOT_FINITE: "NaN or infinity",
    }
    there = set(drawn.expected + drawn.actual + drawn.error)
    return [(f"#{_MARKS[mark]}", meaning) for mark, meaning in meanings.items() if mark in there]
