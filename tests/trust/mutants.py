"""Damaged .tflite files, drawn by a seed from the models of the findings and the catalogue.

Key insight: a flipped bit mostly hits a weight, which harms nobody. What hurts a reader is in the skeleton, so the
walk below finds it (offsets, lengths of vectors, extents of shapes, options) and most mutations aim there: an offset
that leads into another vector or back to itself, a length or an extent that is far too large.
"""

from __future__ import annotations

import functools
import random
import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from cases import catalogue
from cases.tflite.write import write_tflite
from runner.flatbuffer import root, tables, u32, vector

FINDINGS = Path(__file__).parents[2] / "findings"
CATALOGUE_STEP = 12  # every 12th case of the catalogue gives a seed model
LARGEST = 200_000
"""Bytes of the largest seed model: what is looked for is in the skeleton, and reading a large one takes long."""

EXTENTS = (0, 1, 7, 1 << 10, 1 << 16, 1 << 20, (1 << 31) - 1, 1 << 31, (1 << 32) - 1)


@dataclass(frozen=True)
class Skeleton:
    """Places in a file. offsets: of 4-byte offsets. lengths: of vectors' lengths. numbers: of extents, axes, options.
    targets: where vectors and tables begin."""

    offsets: tuple[int, ...]
    lengths: tuple[int, ...]
    numbers: tuple[int, ...]
    targets: tuple[int, ...]


@functools.cache
def skeleton(data: bytes) -> Skeleton:
    """The places of a healthy file, reached from its root through every table that a model has."""
    offsets, lengths, numbers, targets = [0], [], [], [root(data)]

    def visit(table: int) -> None:
        vtable = table - struct.unpack_from("<i", data, table)[0]
        for slot in range(4, u32(data, vtable) & 0xFFFF, 2):
            field = struct.unpack_from("<H", data, vtable + slot)[0]
            place = table + field
            if not field or place + 4 > len(data):
                continue
            numbers.append(place)
            leads_to = place + u32(data, place)
            # A number that happens to lead into the file is a place worth damaging as well.
            if leads_to + 4 > len(data):
                continue
            offsets.append(place)
            targets.append(leads_to)
            lengths.append(leads_to)
            count = u32(data, leads_to)
            if count <= 8:
                numbers.extend(range(leads_to + 4, min(leads_to + 4 + 4 * count, len(data) - 4), 4))

    model = root(data)
    visit(model)
    for number in (1, 2, 4, 6, 7):  # operator codes, subgraphs, buffers, metadata, signatures
        for table in tables(data, model, number):
            visit(table)
    for subgraph in tables(data, model, 2):
        for number in (0, 3):  # tensors, operators
            count, first = vector(data, subgraph, number)
            offsets.extend(first + 4 * i for i in range(count))
            for table in tables(data, subgraph, number):
                targets.append(table)
                visit(table)
    return Skeleton(*(tuple(dict.fromkeys(places)) for places in (offsets, lengths, numbers, targets)))


def _flipped(data: bytearray, draw: random.Random) -> bytearray:
    for _ in range(draw.randint(1, 3)):
        data[draw.randrange(len(data))] ^= 1 << draw.randrange(8)
    return data


def _truncated(data: bytearray, draw: random.Random) -> bytearray:
    return data[: draw.randrange(len(data))]


def _redirected(data: bytearray, draw: random.Random) -> bytearray:
    """An offset leads to another table or vector, to itself, or anywhere."""
    places = skeleton(bytes(data))
    for _ in range(draw.randint(1, 3)):
        place = draw.choice(places.offsets)
        to = draw.choice((draw.choice(places.targets), place, draw.randrange(len(data))))
        struct.pack_into("<I", data, place, (to - place) % (1 << 32))
    return data


def _blown_up(data: bytearray, draw: random.Random) -> bytearray:
    """A vector's length, or a number in a table or a short vector, is another one, mostly far too large."""
    places = skeleton(bytes(data))
    for _ in range(draw.randint(1, 3)):
        place = draw.choice(draw.choice((places.lengths, places.numbers)))
        value = draw.choice((*EXTENTS, len(data) // 4, len(data)))
        struct.pack_into("<I", data, place, value % (1 << 32))
    return data


def _flipped_in_skeleton(data: bytearray, draw: random.Random) -> bytearray:
    places = skeleton(bytes(data))
    for _ in range(draw.randint(1, 3)):
        data[draw.choice(places.numbers) + draw.randrange(4)] ^= 1 << draw.randrange(8)
    return data


MUTATIONS: Sequence[Callable[[bytearray, random.Random], bytearray]] = (
    _flipped,
    _truncated,
    _redirected,
    _blown_up,
    _flipped_in_skeleton,
)


@functools.cache
def seed_models() -> tuple[tuple[str, bytes], ...]:
    """Name and bytes of the healthy models: the findings' minimal ones, and a sample of the catalogue's graphs."""
    found = {path.parts[-3]: path.read_bytes() for path in sorted(FINDINGS.glob("*/models/minimal.tflite"))}
    graphs = [case for case in catalogue.select(()) if case.graph is not None]
    found |= {case.name: write_tflite(case.graph()) for case in graphs[::CATALOGUE_STEP] if case.graph is not None}
    return tuple((name, data) for name, data in sorted(found.items()) if len(data) <= LARGEST)


def mutants(count: int, seed: int, models: Sequence[tuple[str, bytes]] | None = None) -> Iterator[tuple[str, bytes]]:
    """`count` damaged files and what to call each: number, model, mutation. models: name and bytes of healthy ones."""
    models = seed_models() if models is None else models
    for number in range(count):
        draw = random.Random(f"{seed}/{number}")
        name, data = draw.choice(models)
        mutate = MUTATIONS[number % len(MUTATIONS)]
        yield f"{number} {name} {mutate.__name__.strip('_')}", bytes(mutate(bytearray(data), draw))
