"""Faults put into healthy outputs, and what the judge makes of them.

Key insight: a fault that is smaller than what healthy arithmetic may do cannot be told from it, and a score that
leaves such out says nothing of how small that is. So every change counts, in the score; but only one that is beyond
the limits of the elements it touches must be noticed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from repro.selftest.faults import Fault, Healthy
from repro.selftest.healthy import Sample
from repro.verdicts import metrics
from repro.verdicts.deviations import Yardstick, as_rows
from repro.verdicts.thresholds import DEFAULT
from repro.verdicts.verdict import Status

PEERS: Mapping[str, Callable[[np.ndarray, np.ndarray], bool]] = {
    "cosine 0.99": lambda r, a: metrics.cosine(r, a) >= 0.99,
    "Pearson 0.99": lambda r, a: metrics.pearson(r, a) >= 0.99,
    "allclose": lambda r, a: bool(np.allclose(a, r)),
}


@dataclass
class Tally:
    """What became of one kind of fault in one precision.

    injected: outputs that it changed. noticed: of them, judged FAIL. within_noise: not noticed, and no larger than
    what healthy arithmetic may do. missed: not noticed, and larger.
    """

    injected: int = 0
    noticed: int = 0
    within_noise: int = 0
    no_effect: int = 0
    not_applicable: int = 0
    missed: list[str] = field(default_factory=list)
    peers: Counter[str] = field(default_factory=Counter)

    def __add__(self, other: Tally) -> Tally:
        return Tally(
            self.injected + other.injected,
            self.noticed + other.noticed,
            self.within_noise + other.within_noise,
            self.no_effect + other.no_effect,
            self.not_applicable + other.not_applicable,
            self.missed + other.missed,
            self.peers + other.peers,
        )


def inject(sample: Sample, fault: Fault, seed: int, tally: Tally) -> None:
    """Apply one fault to every run of one output, judge it, and count."""
    outputs = tuple(map(np.asarray, sample.outputs))
    faulty = []
    for k, value in enumerate(outputs):
        others = tuple(o for i, o in enumerate(sample.run.outputs[k]) if i != sample.index)
        healthy = Healthy(outputs, k, others, sample.subject.feeds[k], sample.precision)
        # The same place in every run: a delegate's fault sits in its code, not in the input.
        changed = fault.apply(healthy, np.random.default_rng([seed, sample.index]))
        if changed is None:
            tally.not_applicable += 1
            return
        faulty.append(np.asarray(changed, dtype=value.dtype, order="C"))
    if all(np.array_equal(f, o, equal_nan=True) for f, o in zip(faulty, outputs, strict=True)):
        tally.no_effect += 1
        return
    tally.injected += 1
    status = sample.judged(faulty)
    if status is Status.FAIL:
        tally.noticed += 1
    elif fault.faint and status is Status.PASS and _is_legal(faulty, outputs, sample):
        tally.within_noise += 1
    else:
        tally.missed.append(f"{sample.where}{': INVALID' if status is Status.INVALID else ''}")
    for peer, accepts in PEERS.items():
        pairs = zip(sample.subject.references, faulty, strict=True)
        if not all(accepts(r[sample.index], f) for r, f in pairs):
            tally.peers[peer] += 1


def _is_legal(faulty: Sequence[np.ndarray], outputs: Sequence[np.ndarray], sample: Sample) -> bool:
    """Is the change no larger than what healthy arithmetic may do to the elements it touches?

    One floor is for the healthy error below the change, which may have the other sign.
    """
    for k, (changed, value, reference) in enumerate(zip(faulty, outputs, sample.subject.references, strict=True)):
        yardstick = Yardstick(sample.floor.of_feed(k), sample.precision, DEFAULT)
        rows = np.ascontiguousarray(as_rows(np.asarray(reference[sample.index], np.float64)))
        in_floors = as_rows(changed.astype(np.float64) - value) / yardstick.of(rows)
        touched = in_floors[in_floors != 0]
        if touched.size == 0:
            continue
        limits = yardstick.limits(rows.shape)
        group = max(limits["row"], limits["channel"], limits["element"] / np.sqrt(touched.size))
        if np.sqrt(np.mean(touched**2)) > group + 1 or np.abs(touched).max() > limits["element"] + 1:
            return False
    return True
