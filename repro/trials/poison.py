"""Whether an output depends on memory that nobody wrote: the same job with new memory filled with one word and another.

Key insight: memory that is new holds what was there before, so a kernel that reads it gives what looks like a wrong
value, or by luck the right one. Where the words that new buffers and images are filled with are chosen, an output that
changes with them has read them; one that does not change read none, whatever it holds. Zero is the kind fill (what most
drivers give), NaN goes through every sum it is part of, and the watermark is a number that can be found again.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from repro.records.lines import Line, Tone, line
from repro.verdicts.verdict import READS_UNWRITTEN, Status, Verdict
from runner.errors import BadInput
from runner.host.gpu import GpuName
from runner.host.pool import HostTarget
from runner.opencl.drivers import is_opencl
from runner.opencl.loader import LoaderSettings
from runner.run import Job, Outcome, Run
from runner.target import Target
from runner.targets import open_target

FILLS: Mapping[str, int] = {"0": 0, "NaN": 0x7FC00000, "a watermark": 0x45A1B2C3}
"""What new memory is filled with, by the word that is said: 32 bits each. The watermark is 5174.345 as a float32."""


@dataclass(frozen=True)
class Changed:
    """An output that differs between fills. elements: how many do, of `size`, over all feeds.

    filled: how many of those hold the fill itself, each time.
    """

    output: int
    elements: int
    size: int
    filled: int

    @property
    def said(self) -> str:
        share = f"{self.elements}/{self.size} elements change with what new memory is filled with"
        return f"{share}, {self.filled} of them hold the fill itself" if self.filled else share


@dataclass(frozen=True)
class Poisoned:
    """What filling new memory changed. unjudged: why nothing can be said, else empty. name: of each output."""

    changed: tuple[Changed, ...]
    names: tuple[str, ...] = ()
    unjudged: str = ""

    def mark(self, verdicts: Sequence[Verdict]) -> tuple[Verdict, ...]:
        """The verdicts, marked where an output changes. A failure whose every change is the fill itself is `stale`."""
        by_output = {one.output: one for one in self.changed}
        return tuple(self._marked(verdict, by_output.get(verdict.output)) for verdict in verdicts)

    def _marked(self, verdict: Verdict, changed: Changed | None) -> Verdict:
        if changed is None:
            return verdict
        marked = dataclasses.replace(verdict, marks=(*verdict.marks, READS_UNWRITTEN))
        if verdict.status is not Status.FAIL or changed.filled < changed.elements:
            return marked
        return dataclasses.replace(marked, signature="stale", holds=f"memory that nobody wrote ({changed.said})")

    def lines(self) -> Iterator[Line]:
        """What `repro check` prints."""
        if self.unjudged:
            yield line((f"poison: unjudged: {self.unjudged}", Tone.WARN))
        for one in self.changed:
            name = self.names[one.output] if one.output < len(self.names) else ""
            yield line((f"poison: output {one.output} '{name}' {READS_UNWRITTEN}: {one.said}", Tone.BAD))
        if not self.changed and not self.unjudged:
            fills = ", ".join(FILLS)
            yield line((f"poison: no output changes with what new memory is filled with ({fills})", Tone.ASIDE))

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        return {"unjudged": self.unjudged, "changed": [dataclasses.asdict(one) for one in self.changed]}


def require_poison(target: str) -> None:
    """Raise BadInput for a target whose new memory cannot be filled."""
    if not target.startswith("gpu") or not is_opencl(GpuName.parse(target).key):
        raise BadInput(f"--poison fills new OpenCL memory and {target} has none; give --target gpu:pocl or another")


def run_poisoned(target: Target, job: Job) -> Poisoned:
    """Run a job once per fill, and with zeros once more: what differs there too differs for another reason."""
    require_poison(target.name)
    assert isinstance(target, HostTarget)
    runs = {name: _filled(target, job, word) for name, word in FILLS.items()}
    return compare_fills(runs, _filled(target, job, FILLS["0"]))


def _filled(target: HostTarget, job: Job, word: int) -> Run:
    """In a process of its own, so that no memory is left over from another job."""
    with open_target(target.name, runtime=target.runtime, loader=LoaderSettings(fill=word)) as filled:
        return filled.run(job)


def compare_fills(runs: Mapping[str, Run], again: Run) -> Poisoned:
    """Which outputs differ by the fill. Pure. runs: by the name of the fill. again: `0` once more."""
    for name, run in (*runs.items(), ("0 once more", again)):
        if run.outcome is not Outcome.OK:
            return Poisoned((), unjudged=f"the run with new memory filled with {name} ended: {run.outcome}")
    first = runs["0"]
    changed = []
    for output in range(len(first.outputs[0])):
        words = {name: _words(run, output) for name, run in runs.items()}
        if not np.array_equal(_words(again, output), words["0"]):
            why = f"output {output} differs between two runs with the same fill, so a change says nothing"
            return Poisoned((), first.output_names, why)
        differs = np.any([words["0"] != other for other in words.values()], axis=0)
        if differs.any():
            # An element of another size than 32 bits is no whole fill, and equals none of these words.
            filled = np.all([words[name] == FILLS[name] for name in runs], axis=0)
            changed.append(Changed(output, int(differs.sum()), differs.size, int((filled & differs).sum())))
    return Poisoned(tuple(changed), first.output_names)


def _words(run: Run, output: int) -> np.ndarray:
    """One output over all feeds as unsigned integers, one per element: compared by bits, so that NaN equals NaN."""
    arrays = [np.ascontiguousarray(outputs[output]).reshape(-1) for outputs in run.outputs]
    return np.concatenate([array.view(f"u{array.dtype.itemsize}") for array in arrays])
