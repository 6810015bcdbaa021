"""Whether the kernels behind a model's outputs are sound: what Oclgrind reports of them, grouped and named.

Key insight: an output can be right while the kernel behind it reads beyond a buffer or races, because this driver's
memory or order of work items happens to be kind. So what Oclgrind reports counts against a run beside its values; and
a run that did not come to its end is unjudged, since what it would have reported later is not known.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cases.evaluation.evaluate import evaluate_runs, unsupported
from cases.graph import Graph
from repro.records.lines import Line, Tone, counted, line
from repro.verdicts.subject import Subject
from repro.verdicts.verdict import UNSOUND, Verdict
from runner.host.gpu import GpuName
from runner.host.pool import HostTarget
from runner.opencl.drivers import OCLGRIND
from runner.opencl.loader import LoaderSettings
from runner.opencl.oclgrind_log import Kind
from runner.opencl.trace import Report, Trace, read_trace
from runner.run import Feed, Job, Outcome, Run
from runner.scratch import ScratchFolder
from runner.target import Target
from runner.targets import open_target

_SAME = 1e-4  # relative; fp32 kernels against float64 values, over some hundred accumulations
_FEWEST = 8  # values; a few are the multiple of others by chance


@dataclass(frozen=True)
class Defect:
    """Reports of one kind, of one kernel and one argument of it.

    count: how many reports. lines: of the generated source, where an access is. first: the first of them. tensors:
    whose memory it is, where its values say so. benign: a write-write race that wrote equal bytes every time.
    """

    kind: Kind
    count: int
    lines: tuple[int, ...]
    first: Report
    tensors: tuple[str, ...] = ()
    benign: bool = False

    @property
    def memory(self) -> str:
        """`'weights_buffer', 512 bytes, which holds w`."""
        of = self.first.memory
        if not of:
            return ""
        names = " and ".join(f"'{memory.argument}'" for memory in of)
        held = f", which holds {' or '.join(self.tensors)}" if self.tensors else ""
        return f"{names}, {of[0].size} bytes{held}"

    @property
    def said(self) -> str:
        """One line: what, where in the generated kernel, which memory."""
        message = self.first.message
        parts = [self._what()]
        for place in message.places[: 1 if self.benign else 2]:
            item = f"work item {place.item} " if place.item else ""
            parts.append(f"{item}at line {place.line}, `{place.source}`")
        if self.count > 1:
            span = f" at lines {self.lines[0]} to {self.lines[-1]}" if len(self.lines) > 1 else ""
            parts.append(f"{self.count} reports{span}")
        return "; ".join(parts)

    def _what(self) -> str:
        message, of = self.first.message, self.first.memory
        if self.kind is Kind.OUTSIDE and of:
            access = message.words.partition(" at ")[0].lower()
            behind = of[0].offset - of[0].size
            where = f"{behind} bytes behind the end of" if behind >= 0 else "inside or before"
            return f"{self.kind}: {access}, {where} {self.memory}"
        words = message.words if self.kind in (Kind.OTHER, Kind.API, Kind.OUTSIDE) else ""
        equal = ", benign: the bytes written are equal" if self.benign else ""
        return f"{self.kind}{equal}" + (f": {words}" if words else "") + (f": {self.memory}" if of else "")

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        message = self.first.message
        return {
            "kind": str(self.kind),
            "benign": self.benign,
            "reports": self.count,
            "words": message.words,
            "kernel": message.kernel,
            "lines": list(self.lines),
            "places": [dataclasses.asdict(place) for place in message.places],
            "memory": [{"argument": m.argument, "size": m.size, "offset": m.offset} for m in self.first.memory],
            "tensors": list(self.tensors),
        }


@dataclass(frozen=True)
class MemoryCheck:
    """What a run under Oclgrind showed. unjudged: why nothing can be said, else empty. kernels: runs of kernels."""

    defects: tuple[Defect, ...]
    kernels: int
    cut: bool = False
    unjudged: str = ""

    @property
    def unsound(self) -> bool:
        """Whether anything was reported that is not benign."""
        return any(not defect.benign for defect in self.defects)

    def mark(self, verdicts: Sequence[Verdict]) -> tuple[Verdict, ...]:
        """The verdicts, marked where the kernels behind them are not sound. Where nothing ran, nothing is marked."""
        if not self.unsound or self.unjudged:
            return tuple(verdicts)
        return tuple(dataclasses.replace(verdict, marks=(*verdict.marks, UNSOUND)) for verdict in verdicts)

    def lines(self) -> Iterator[Line]:
        """What `repro check` prints."""
        if self.unjudged:
            yield line((f"memory: unjudged: {self.unjudged}", Tone.WARN))
        for defect in self.defects:
            yield line((f"memory: {defect.said}", Tone.ASIDE if defect.benign else Tone.BAD))
        if self.cut:
            yield line(("memory: more was reported than Oclgrind writes down; some is missing here", Tone.WARN))
        if not self.unsound and not self.unjudged:
            ran = counted(self.kernels, "run") + " of kernels"
            said = f"no access outside of a buffer, no harmful race, no invalid API use in {ran}"
            yield line((f"memory: {said}", Tone.ASIDE))

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "unjudged": self.unjudged,
            "kernels": self.kernels,
            "cut": self.cut,
            "defects": [defect.as_json() for defect in self.defects],
        }


def checks_memory(target: Target) -> bool:
    """Whether a target's driver checks every access of a kernel."""
    return isinstance(target, HostTarget) and names_memory_checker(target.name)


def names_memory_checker(name: str) -> bool:
    """Whether a host target of this name runs its kernels under Oclgrind."""
    return name.startswith("gpu") and GpuName.parse(name).key == OCLGRIND


def run_checked(target: Target, subject: Subject, job: Job) -> tuple[Run, MemoryCheck]:
    """Run a job under the memory checker of a target that has one: the Run, and what was reported.

    A race in which equal bytes are written is not reported there. A second run, of the first feed, reports those too:
    what is only in it is benign for these inputs.
    """
    assert isinstance(target, HostTarget)
    run, trace = _traced(target, job)
    why = _unjudged(run, trace)
    harmless: list[Report] = []
    if not why and not trace.cut:  # of a cut one it is not known which races it would have reported
        _, all_writes = _traced(target, dataclasses.replace(job, feeds=job.feeds[:1]), equal_writes=True)
        unequal = {_spot(report) for report in trace.reports}
        races = (report for report in all_writes.reports if report.message.kind is Kind.WRITE_WRITE)
        harmless = [report for report in races if _spot(report) not in unequal]
    values = Values(subject.graph, subject.feeds)
    found = (*defects(trace.reports, values), *defects(harmless, values, benign=True))
    return run, MemoryCheck(found, trace.kernels, trace.cut, why)


def _traced(target: HostTarget, job: Job, *, equal_writes: bool = False) -> tuple[Run, Trace]:
    with ScratchFolder("trace") as folder:
        loader = LoaderSettings(trace=Path(folder), equal_writes=equal_writes)
        with open_target(target.name, runtime=target.runtime, loader=loader) as checked:
            for left in Path(folder).iterdir():  # of the model that showed that the target works
                if left.is_file() and not left.name.startswith("."):
                    left.unlink()
            run = checked.run(job)
        return run, read_trace(Path(folder), run.log)


def _unjudged(run: Run, trace: Trace) -> str:
    if run.outcome is not Outcome.OK:
        return f"the run did not come to its end ({run.outcome})"
    return "" if trace.kernels else "no kernel was seen to run"


def _spot(report: Report) -> tuple[object, ...]:
    """Which accesses of which kernel race, whatever work items they are of."""
    return report.source, frozenset((place.line, place.column) for place in report.message.places)


def defects(reports: Iterable[Report], values: Values, *, benign: bool = False) -> Iterator[Defect]:
    """Reports grouped by kind, kernel and argument. values: to say which tensors are in the memory that they are of."""
    groups: dict[tuple[object, ...], list[Report]] = {}
    for report in reports:
        message = report.message
        arguments = tuple(memory.argument for memory in report.memory)
        words = message.words if message.kind in (Kind.OTHER, Kind.API) else ""
        groups.setdefault((message.kind, report.source, arguments, words), []).append(report)
    for alike in groups.values():
        lines = sorted({place.line for report in alike for place in report.message.places if place.line})
        held = next((memory.content for r in alike for memory in r.memory if memory.content is not None), None)
        yield Defect(alike[0].message.kind, len(alike), tuple(lines), alike[0], values.held_by(held), benign)


class Values:
    """The values of a graph's tensors, computed when they are first asked for."""

    def __init__(self, graph: Graph, feeds: Sequence[Feed]) -> None:
        self._graph, self._feeds = graph, feeds
        self._sorted: dict[str, list[np.ndarray]] | None = None

    def held_by(self, content: bytes | None) -> tuple[str, ...]:
        """The tensors whose values are those of a buffer, in any order and with zeros in between.

        A delegate lays a tensor out in groups of four channels and rearranges weights, so the order says nothing; that
        all values are there and no others does. Empty where none is, as for a buffer of zeros.
        """
        if content is None or len(content) % 4:
            return ()
        held = _sorted_values(np.frombuffer(content, np.float32))
        if held.size == 0 or not np.isfinite(held).all():
            return ()
        same = [name for name, values in self._all().items() if any(_same(held, some) for some in values)]
        return tuple(same or (f"a multiple of {name}" for name, data in self._constants() if _proportional(held, data)))

    def _constants(self) -> Iterator[tuple[str, np.ndarray]]:
        """A MUL that follows is folded into the weights before it, so that what is in memory is a multiple of them."""
        for name, tensor in self._graph.tensors.items():
            if tensor.data is not None:
                yield f"constant '{name}'", _sorted_values(tensor.data)

    def _all(self) -> dict[str, list[np.ndarray]]:
        if self._sorted is None:
            graph = self._graph
            found = {name: [values] for name, values in self._constants()}
            for i, name in enumerate(graph.inputs):
                found[f"input '{name}'"] = [_sorted_values(feed[i]) for feed in self._feeds]
            if not unsupported(graph):
                names = [name for op in graph.ops for name in op.outputs]
                computed = evaluate_runs(graph, self._feeds, keep=names)
                found |= {f"'{name}'": [_sorted_values(values[name]) for values in computed] for name in names}
            self._sorted = found
        return self._sorted


def _sorted_values(array: np.ndarray) -> np.ndarray:
    flat = np.asarray(array, np.float64).reshape(-1)
    return np.sort(flat[flat != 0])


def _proportional(held: np.ndarray, values: np.ndarray) -> bool:
    if held.shape != values.shape or held.size < _FEWEST:
        return False
    scaled = values * float(np.linalg.norm(held) / np.linalg.norm(values))
    return _same(held, scaled) or _same(held, -scaled[::-1])


def _same(held: np.ndarray, values: np.ndarray) -> bool:
    if held.shape != values.shape:
        return False
    return bool(np.allclose(held, values, rtol=_SAME, atol=_SAME * float(np.abs(values).max())))
