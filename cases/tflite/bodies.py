"""Which subgraphs of a file an op runs: the branches of an IF, the loop of a WHILE, what a composite stands for.

Key insight: in the schema every field that holds such an index says so in its name, so that no list of ops is needed
here, and ops that a later schema adds are read as well. A file refers by index; in a graph the op carries the subgraphs
themselves, under the names of those fields, so that no edit can lose or confuse them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from copy import copy
from dataclasses import replace
from typing import Any

from cases.graph import Graph, Op

Bodies = Mapping[str, tuple[Graph, ...]]
"""The schema's name of a field -> the subgraphs that it refers to."""


def body_indices(record: Any) -> dict[str, list[int]]:
    """Field of an options record -> the subgraphs that it refers to; empty for most ops, and for None."""
    if record is None:
        return {}
    return {field: _numbers(value) for field, value in vars(record).items() if "subgraph" in field.lower()}


def with_body_indices(op: Op, index_of: Mapping[int, int]) -> Op:
    """The op as another file writes it. index_of: id of a body -> the index of its subgraph there."""
    records = []
    for record in (op.raw.options, op.raw.options_2):
        renumbered = copy(record)
        for field in body_indices(record):
            if field in op.raw.bodies:
                numbers = [index_of[id(body)] for body in op.raw.bodies[field]]
                setattr(renumbered, field, numbers if _is_vector(getattr(record, field)) else numbers[0])
        records.append(renumbered)
    return replace(op, raw=replace(op.raw, options=records[0], options_2=records[1]))


def bodies_of(op: Op) -> Iterator[Graph]:
    """The subgraphs that an op runs."""
    for bodies in getattr(op.raw, "bodies", {}).values():
        yield from bodies


def body_of(op: Op, field: str) -> Graph | None:
    """The one subgraph of a field, by the schema's name; None for an op that has none."""
    bodies: tuple[Graph, ...] = getattr(op.raw, "bodies", {}).get(field, ())
    return bodies[0] if bodies else None


def _is_vector(value: Any) -> bool:
    return hasattr(value, "__len__")


def _numbers(value: Any) -> list[int]:
    if value is None:
        return []
    numbers = [int(number) for number in value] if _is_vector(value) else [int(value)]
    return [number for number in numbers if number >= 0]
