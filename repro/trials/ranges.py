"""Which tensor leaves fp16's range first, by how much, and at which scale of the inputs it would.

Key insight: what overflows in fp16 is wrong in every tensor behind it, and a judge that sees the outputs alone names
the last of them. The numbers themselves are known without running anything: a float64 evaluation has every tensor, and
also what the sums inside of kernels may reach before they cancel.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np

from cases.evaluation.evaluate import unsupported
from cases.evaluation.ranges import TensorRange, ranges_of
from cases.graph import Graph, GraphError
from repro.delegate.inside_norms import tensors_inside_norms
from repro.records.canonical_json import finite_or_none
from repro.records.lines import Line, Tone, Worded, counted, line
from repro.verdicts.subject import Subject
from runner.encoding import shown_name
from runner.errors import BadInput
from runner.run import FP16_MAX, FP16_ROUNDS_TO_ZERO, Feed

FP16_SMALLEST_NORMAL = 2.0**-14  # smaller numbers lose bits
ACCUMULATES_IN_FP16 = frozenset({"CONV_2D", "DEPTHWISE_CONV_2D", "TRANSPOSE_CONV", "BATCH_MATMUL", "FULLY_CONNECTED"})
"""Ops whose sums the delegate keeps in fp16 in an fp16 run. Measured over WebGPU: a CONV_2D and a BATCH_MATMUL whose
terms pass 65,504 and cancel are infinite; MEAN, AVERAGE_POOL_2D and SOFTMAX are right to 1e-3 with sums of 3e5. A
FULLY_CONNECTED deals its terms to lanes, so that its sums may cancel before they grow."""


class Leaves(StrEnum):
    """How a tensor leaves fp16."""

    ABOVE = "overflows"
    BELOW = "becomes zero"
    INSIDE = "may overflow inside its kernel"


@dataclass(frozen=True)
class Leaving:
    """One tensor that fp16 does not hold. largest: the magnitude that says so."""

    name: str
    producer: str
    how: Leaves
    largest: float

    @property
    def words(self) -> str:
        """For example `'Sum' (SUM) overflows: it reaches 1.01e+05, the largest fp16 number is 65504`."""
        limit = (
            f"the smallest fp16 number is {2 * FP16_ROUNDS_TO_ZERO:.2g}"
            if self.how is Leaves.BELOW
            else f"the largest fp16 number is {FP16_MAX:g}"
        )
        reach = "its sums reach" if self.how is Leaves.INSIDE else "it reaches"
        return f"'{shown_name(self.name)}' ({self.producer}) {self.how}: {reach} {self.largest:.3g}, {limit}"


def leaving(found: TensorRange, held: bool = False) -> Leaving | None:
    """How fp16 fails to hold a tensor; None where it holds it.

    held: whether a kernel keeps it for itself, in float32.
    """
    if held:
        return None
    stored, inside = found.stored, found.inside
    if not stored.largest <= FP16_MAX:
        return Leaving(found.name, found.producer, Leaves.ABOVE, stored.largest)
    if 0 < stored.largest < FP16_ROUNDS_TO_ZERO:
        return Leaving(found.name, found.producer, Leaves.BELOW, stored.largest)
    if inside is not None and found.producer in ACCUMULATES_IN_FP16 and not inside.largest <= FP16_MAX:
        return Leaving(found.name, found.producer, Leaves.INSIDE, inside.largest)
    return None


def overflowing(graph: Graph, found: Sequence[TensorRange]) -> list[Leaving]:
    """Tensors that overflow in fp16, in execution order."""
    held = tensors_inside_norms(graph) if found else frozenset()
    gone = (leaving(each, each.name in held) for each in found)
    return [one for one in gone if one is not None and one.how is Leaves.ABOVE]


@dataclass(frozen=True, repr=False)
class Ranged(Worded):
    """The ranges of a model's tensors over its feeds.

    held: tensors that a kernel keeps for itself. breaks_at: factor of the inputs, and what leaves there; None where no
    search was made. lowest and highest scale that were tried: `SCALES`.
    """

    subject: Subject
    tensors: tuple[TensorRange, ...]
    held: frozenset[str]
    searched: bool = False
    breaks_at: tuple[float, Leaving] | None = None

    @property
    def leaving(self) -> tuple[Leaving, ...]:
        """What fp16 does not hold, in execution order."""
        each = (leaving(found, found.name in self.held) for found in self.tensors)
        return tuple(one for one in each if one is not None)

    @property
    def passed(self) -> bool:
        """Whether fp16 holds every tensor and every sum."""
        return not self.leaving

    def headroom(self, found: TensorRange) -> float:
        """Bits by which the tensor, or the sums of a kernel that keeps them in fp16, could still grow; below 0 where it
        is too large already."""
        inside = found.inside.largest if found.inside and found.producer in ACCUMULATES_IN_FP16 else 0.0
        largest = max(found.stored.largest, inside)
        return math.inf if not largest else math.log2(FP16_MAX / largest) if math.isfinite(largest) else -math.inf

    def lines(self, most: int = 10) -> Iterator[Line]:
        """What `repro range` prints: what leaves, then the tensors with the least room, `most` of them."""
        gone = self.leaving
        plan = self.subject.plan.words
        yield line((f"{self.subject.name}", Tone.HEAD), f": {counted(len(self.tensors), 'tensor')}, inputs {plan}")
        if gone:
            yield line(("  first to leave fp16: ", Tone.BAD), gone[0].words)
            rest = "" if len(gone) <= 1 else f"  {counted(len(gone) - 1, 'more tensor')} leave behind it"
            if rest:
                yield line((rest, Tone.ASIDE))
        else:
            yield line(("  fp16 holds every tensor", Tone.GOOD), " and every sum inside of a kernel")
        least = sorted(self.tensors, key=self.headroom)[:most]
        for found in sorted(least, key=self.tensors.index):
            yield line(f"  {self._row(found)}")
        if self.searched:
            yield line(f"  {self._search_words()}")

    def _search_words(self) -> str:
        if self.breaks_at is None:
            return f"search: nothing leaves fp16 with the inputs scaled by {SCALES[0]:g} to {SCALES[1]:g}"
        scale, what = self.breaks_at
        if scale <= SCALES[0]:
            return f"search: whatever the scale of the inputs, {what.words}"
        return f"search: with the inputs scaled by {scale:.3g}, {what.words}"

    def _row(self, found: TensorRange) -> str:
        inside = f", inside its sum {found.inside.largest:.3g}" if found.inside else ""
        small = f" (smallest {found.stored.smallest:.2g})" if 0 < found.stored.smallest < FP16_SMALLEST_NORMAL else ""
        room = f"{self.headroom(found):+.1f} bits" if math.isfinite(self.headroom(found)) else "no finite value"
        held = "  in float32 inside a normalisation kernel" if found.name in self.held else ""
        name = f"'{shown_name(found.name)}' ({found.producer})"
        return f"{room:>10}  {found.stored.largest:9.3g}{inside}{small}  {name}{held}"

    def as_json(self) -> dict[str, Any]:
        """One object for `--json`."""
        return {
            "model": self.subject.name,
            "first": dataclasses.asdict(self.leaving[0]) if self.leaving else None,
            "tensors": [self._record(found) for found in self.tensors],
            "search": None
            if self.breaks_at is None
            else {"scale": self.breaks_at[0], **dataclasses.asdict(self.breaks_at[1])},
        }

    def _record(self, found: TensorRange) -> dict[str, Any]:
        left = leaving(found, found.name in self.held)
        return {
            "name": found.name,
            "producer": found.producer,
            "largest": finite_or_none(found.stored.largest),
            "smallest": found.stored.smallest,
            "inside": finite_or_none(found.inside.largest) if found.inside else None,
            "headroom_bits": finite_or_none(self.headroom(found)),
            "held_in_float32": found.name in self.held,
            "leaves": str(left.how) if left else None,
        }


SCALES = (2.0**-24, 2.0**24)
"""The factors of the inputs between which a search looks."""


def find_ranges(subject: Subject, *, search: bool = False) -> Ranged:
    """Every tensor of a subject over its feeds.

    search: also look for the smallest factor of its float inputs at which something leaves fp16. Raises BadInput for an
    op that float64 evaluation does not know, and TooMuchMemory.
    """
    graph = subject.graph
    unknown = unsupported(graph)
    if unknown:
        raise BadInput(
            f"{subject.name}: float64 evaluation does not know {', '.join(unknown[:3])}, so no range is known"
        )
    held = tensors_inside_norms(graph)
    try:
        tensors = ranges_of(graph, subject.feeds)
        breaks = _breaking_scale(graph, subject.feeds, held) if search else None
    except GraphError as error:
        raise BadInput(f"{subject.name}: {error}; give a model that is whole") from error
    return Ranged(subject, tensors, held, search, breaks)


def _breaking_scale(graph: Graph, feeds: Sequence[Feed], held: frozenset[str]) -> tuple[float, Leaving] | None:
    """Doubles or halves the inputs until something overflows or no longer does, then closes in on the factor."""

    def at(scale: float) -> Leaving | None:
        scaled = [tuple(_scaled(array, scale) for array in feed) for feed in {id(f): f for f in feeds}.values()]
        gone = (leaving(found, found.name in held) for found in ranges_of(graph, scaled))
        return next((one for one in gone if one is not None and one.how is not Leaves.BELOW), None)

    scale, what = 1.0, at(1.0)
    if what is None:
        while what is None:
            scale *= 2
            if scale > SCALES[1]:
                return None
            what = at(scale)
        low, high = scale / 2, scale
    else:
        high = scale
        while True:
            scale /= 2
            if scale < SCALES[0]:
                return high, what  # it leaves whatever the scale of the inputs is
            smaller = at(scale)
            if smaller is None:
                break
            high, what = scale, smaller
        low = scale
    for _ in range(7):  # to 1 %
        middle = (low + high) / 2
        found = at(middle)
        low, high, what = (middle, high, what) if found is None else (low, middle, found)
    return high, what


def _scaled(array: np.ndarray, scale: float) -> np.ndarray:
    return array * scale if array.dtype.kind == "f" else array
