"""What a matrix keeps: a record per model and cell, and the rows that are made of them. Plain JSON, with names.

Key insight: records live longer than the code that wrote them (evidence is sealed with its bytes), so they stay plain
dictionaries; but their keys have one home, and a type checker reads it.
"""

from __future__ import annotations

from collections.abc import Mapping

from typing_extensions import TypedDict  # pydantic asks for this one before Python 3.12

from repro.verdicts.verdict import Status


class OutputRecord(TypedDict):
    """One output's verdict. output: its index, or -1 for the run as a whole (then reason says why it ended)."""

    output: int
    name: str
    verdict: Status
    signature: str
    holds: str
    reason: str


class Cell(TypedDict):
    """Where something was measured."""

    runtime: str
    target: str
    precision: str


def cell_of(record: Cell) -> tuple[str, str, str]:
    """Where it was measured: runtime, target, precision."""
    return (record["runtime"], record["target"], record["precision"])


class CellRecord(Cell):
    """One model in one cell. control_of: of which model it is the healthy twin."""

    case: str
    control_of: str
    adapter: str
    driver: str
    libraries: Mapping[str, str]
    device: Mapping[str, str]
    model_sha256: str
    fully_accelerated: bool | None
    outputs: list[OutputRecord]


class EnvironmentRecord(TypedDict):
    """What is the same for all cells of one target and runtime."""

    target: str
    runtime: str
    adapter: str
    driver: str
    libraries: Mapping[str, str]
    device: Mapping[str, str]


class RowCell(Cell):
    """What one cell says of one row. state: `shows`, `passes` or `unclear`."""

    state: str
    said: str
    controls: int
    failing_controls: list[str]


class Story(TypedDict):
    """What the cells of a row say together.

    since: oldest runtime in which it shows. since_oldest: that is the oldest one measured, so it may be older still.
    fixed_in: first runtime in which it shows on no target any more, after it did; empty if it shows in the newest.
    Where runtimes of two numberings were measured, all three are about LiteRT's, or about LiteRT-LM's if it shows there
    only; the sentence has both.
    sentence: the answer for people.
    """

    cells: list[RowCell]
    since: str
    since_oldest: bool
    fixed_in: str
    unclear: int
    sentence: str


class Row(Story):
    """One output of one model that fails anywhere, or a whole model that fails nowhere (output None)."""

    case: str
    output: int | None
    name: str
