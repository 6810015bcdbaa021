"""What would mend a chain that is wrong while each of its graphs is right: a forgotten factor, or two crossed tensors.

Key insight: such a fault lies between the graphs, and needs no target to show. So it is looked for in the references'
own arithmetic: each reader of the layout gets one tensor at x2, at x0.5, or another one of the same shape and type in
its place, and only what comes after it is computed again.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from repro.layouts.chain import chain_checks
from repro.layouts.layout import GraphPart, HostPart
from repro.layouts.models import Values
from repro.layouts.result import GateAnswer, GateCheck
from repro.layouts.walk import Ground, Say, reference_walk
from runner.errors import BadInput

FACTORS = (2.0, 0.5)
MOST = 64
"""Changes that are tried, nearest to the beginning first: each is an evaluation of all that follows."""


@dataclass(frozen=True)
class Change:
    """What one reader gets instead. place: of the reader among the parts, or their number for the end of the chain.

    sources: tensor -> the tensor it is taken from, and the factor.
    """

    place: int
    sources: dict[str, tuple[str, float]]

    def seen(self, values: Values) -> Values:
        """The tensors as the reader sees them."""
        changed = {}
        for name, (source, factor) in self.sources.items():
            array = values[source]
            changed[name] = array if factor == 1.0 else array * array.dtype.type(factor)
        return {**values, **changed}

    def words(self, readers: Sequence[str]) -> str:
        """What to change, as a sentence: `head reads 'a' x2`."""
        reader = readers[self.place] if self.place < len(readers) else "the end of the chain"
        return f"{reader} reads " + " and ".join(
            f"'{name}' x{factor:g}" if source == name else f"'{source}' for '{name}'"
            for name, (source, factor) in self.sources.items()
        )


def mending(ground: Ground, refused: GateCheck, say: Say) -> GateCheck:
    """A note on a chain that was refused although every graph is right: what would mend it."""
    layout = ground.layout
    references = ground.chain_references()

    def all_right(found: Iterable[Values]) -> bool:
        """Set by set, so that the first that is wrong saves the time of the others."""
        limits = layout.thresholds[ground.precision]
        return all(
            check.answer is GateAnswer.PASS
            for reference, values in zip(references, found, strict=True)
            for check in chain_checks(layout, [reference], [values], limits)
        )

    def note(reason: str) -> GateCheck:
        return GateCheck("chain", "chain", refused.tensor, GateAnswer.NOTE, reason)

    if all_right(ground.ideal):
        return note(
            "the split itself is right: computed in float64, it gives what the whole model gives. What is lost is lost"
            " on the target, where small errors add up from graph to graph"
        )
    every = list(changes(ground))
    tried = every[:MOST]
    for number, change in enumerate(tried, start=1):
        say(f"{layout.name}: what would mend the chain, {number} of {len(tried)}")
        try:
            mends = all_right(changed_walk(ground, change, ideal) for ideal in ground.ideal)
        except BadInput:  # a host step or a graph does not take what it would get
            continue
        if mends:
            words = change.words([part.name for part in layout.parts])
            return note(f"every graph is right, and so would the chain be if {words}: mend that side, or the layout")
    return note(
        f"every graph is right, so what is wrong lies between them; of {len(every)} forgotten factors (x2, x0.5) and"
        f" exchanged tensors of one shape, {len(tried)} were tried and none mends it"
    )


def changes(ground: Ground) -> Iterator[Change]:
    """Everything that is tried, in the order of the parts."""
    layout, values = ground.layout, ground.ideal[0]
    ready = list(ground.inputs[0])
    passed: set[str] = set()
    for place, part in enumerate(layout.parts):
        yield from _of_reader(place, [name for name in part.inputs if name in passed], ready, values)
        ready += part.outputs
        passed |= set(part.outputs)
    yield from _of_reader(len(layout.parts), _at_the_end(ground), ready, values)


def _at_the_end(ground: Ground) -> list[str]:
    """The tensors that the chain is judged by."""
    names = ground.layout.detections
    if names is None:
        return list(ground.layout.final_outputs)
    return [name for name in (names.boxes, names.logits) if name]


def _of_reader(place: int, read: Sequence[str], ready: Sequence[str], values: Values) -> Iterator[Change]:
    for name in read:
        if np.issubdtype(values[name].dtype, np.floating):
            yield from (Change(place, {name: (name, factor)}) for factor in FACTORS)
    for name, other in itertools.product(read, ready):
        if name == other or not _alike(values[name], values[other]):
            continue
        if other not in read:
            yield Change(place, {name: (other, 1.0)})
        elif name < other:
            yield Change(place, {name: (other, 1.0), other: (name, 1.0)})


def _alike(a: np.ndarray, b: np.ndarray) -> bool:
    return a.shape == b.shape and a.dtype == b.dtype


def changed_walk(ground: Ground, change: Change, ideal: Values) -> Values:
    """All tensors of one input set where one reader gets something else."""
    parts: Sequence[GraphPart | HostPart] = ground.layout.parts
    if change.place == len(parts):
        return change.seen(ideal)
    first = parts[change.place]
    seen = reference_walk(ground, change.seen(ideal), [first])
    # Only this reader sees the change: everybody else reads what there was.
    values = {**ideal, **{name: seen[name] for name in first.outputs}}
    return reference_walk(ground, values, parts[change.place + 1 :])
