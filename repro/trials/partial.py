"""A model as apps ship it: compiled for the GPU and the cpu together, each output judged, and what crosses between.

Key insight: a tensor that crosses from one side to the other leaves the delegate anyway, so that exposing it changes no
role on either side. What is wrong there names the side that is at fault, without a tap that could hide it. And nothing
of all this says that the model runs on the GPU: it is never called resident.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from cases.edit import subgraph
from cases.graph import Graph
from cases.tflite.write import write_tflite
from repro.delegate.partitions import border_tensors, delegated_ops
from repro.delegate.refusals import why_refused
from repro.records.lines import Line, Tone, Worded, counted, indented, line
from repro.trials.check import Checked
from repro.trials.telling_feeds import check_tellingly
from repro.verdicts.judge import judge
from repro.verdicts.subject import Subject
from repro.verdicts.verdict import Status, Verdict
from runner.encoding import shown_name
from runner.host.pool import HostTarget
from runner.partition_log import Division, division
from runner.run import Job, Outcome, Precision, Run
from runner.target import Target

PROBED = 200
"""Ops that are compiled alone, at most, to learn which of them the delegate takes."""


@dataclass(frozen=True, eq=False)
class Border:
    """A tensor that crosses. to_gpu: from the cpu to the GPU, else the other way. verdict: None where nothing said."""

    name: str
    to_gpu: bool
    verdict: Verdict | None

    @property
    def way(self) -> str:
        return "cpu -> GPU" if self.to_gpu else "GPU -> cpu"

    @property
    def is_wrong(self) -> bool:
        """Whether it was judged and does not hold what it should."""
        return self.verdict is not None and self.verdict.status not in (Status.PASS, Status.INVALID)


@dataclass(frozen=True, repr=False)
class Partial(Worded):
    """A check with both accelerators.

    checked: the outputs. log: what the delegate said of the division; None where it took all. on_gpu: places of the ops
    that the GPU got; None where that is not known for each op. known_by: how it is known, in words. borders: what
    crosses. note: why borders are not judged, or empty.
    """

    checked: Checked
    log: Division | None
    on_gpu: frozenset[int] | None
    known_by: str
    borders: tuple[Border, ...] = ()
    note: str = ""

    @property
    def passed(self) -> bool:
        """Whether every output is PASS without a mark, and nothing that crosses is wrong."""
        return self.checked.passed and not self.wrong_borders and not self.note

    @property
    def wrong_borders(self) -> tuple[Border, ...]:
        return tuple(border for border in self.borders if border.is_wrong)

    def __repr__(self) -> str:
        return f"<Partial {self.checked!r}, {counted(len(self.borders), 'border tensor')}>"

    def lines(self) -> Iterator[Line]:
        """What `repro check --partial` prints."""
        yield from self.checked.lines()
        yield from indented(self.division_lines())

    def division_lines(self) -> Iterator[Line]:
        """Which ops went where, and what crosses."""
        graph = self.checked.subject.graph
        if self.checked.run.outcome is not Outcome.OK:
            return
        if self.log is None:
            yield line("the delegate took every op; the cpu stood by, so that this is no proof of residency")
            return
        yield line(
            (f"not resident: {self.log.on_gpu} ops on the GPU, {self.log.on_cpu} on the cpu", Tone.WARN),
            f" ({self.known_by})",
        )
        for reason in self.log.refused:
            yield line(f"  {reason}")
        if self.on_gpu is not None:
            yield line(f"  GPU: {_kinds(graph, self.on_gpu)}")
            yield line(f"  cpu: {_kinds(graph, frozenset(range(len(graph.ops))) - self.on_gpu)}")
        crossing = border_tensors(graph, self.on_gpu) if self.on_gpu is not None else ()
        weights = len(set(crossing) - _made_in_each_run(graph) - set(graph.outputs))
        if weights:
            yield line(f"  crosses: {counted(weights, 'tensor')} made of constants alone, not judged")
        for border in self.borders:
            if border.verdict is not None:
                tone = Tone.GOOD if border.verdict.status is Status.PASS else Tone.BAD
                reason = f" ({border.verdict.reason})" if border.verdict.reason else ""
                crosses = f"  crosses {border.way}: '{shown_name(border.name)}' "
                yield line(crosses, (border.verdict.said, tone), reason)
        if self.note:
            yield line((self.note, Tone.WARN))


def check_partial(
    subject: Subject,
    target: HostTarget,
    cpu: Target,
    precision: Precision,
    deadline_s: float | None = None,
) -> Partial:
    """Run the subject on the target's driver with the cpu beside it, and judge its outputs and what crosses.

    Raises as `repro.trials.check.check` does, and BadInput for a target that is no GPU's.
    """
    with target.beside_cpu() as both:
        checked = check_tellingly(subject, both, cpu, precision, deadline_s)
        subject, said = checked.subject, division(checked.run.log)
        if checked.run.outcome is not Outcome.OK or said is None:
            return Partial(checked, said, None, "")
        on_gpu, known_by = _side_of_each(subject.graph, said, target, precision)
        if on_gpu is None:
            return Partial(checked, said, None, known_by, note="what crosses is not judged, since it is not known")
        borders, note = _judged_borders(subject, both, precision, deadline_s, on_gpu, said)
        return Partial(checked, said, on_gpu, known_by, borders, note)


def _side_of_each(
    graph: Graph, said: Division, alone: Target, precision: Precision
) -> tuple[frozenset[int] | None, str]:
    """The ops that the GPU got, and how that is known: by the parser's rules, else by compiling ops alone.

    An op that is taken alone may be refused where another makes its operand (DEQUANTIZE behind a DENSIFY): so the last
    guess is all ops of the kinds that the log names.
    """
    named = {text.split(":")[0] for text in said.refused}
    foretold = {place for place, op in enumerate(graph.ops) if why_refused(graph, op)}
    on_gpu = delegated_ops(graph, foretold)
    if len(on_gpu) == said.on_gpu and {graph.ops[place].kind for place in foretold} == named:
        return on_gpu, "which ones: by the delegate's rules, which give its log's numbers"
    places = [place for place, op in enumerate(graph.ops) if op.kind in named]
    if len(places) <= PROBED:
        jobs = (Job(write_tflite(subgraph(graph, {place})), (), precision, "one op") for place in places)
        outcomes = [run.outcome for run in alone.run_many(jobs)] if places else []
        refused = {place for place, how in zip(places, outcomes, strict=True) if how is Outcome.REFUSED}
        on_gpu = delegated_ops(graph, refused)
        if len(on_gpu) == said.on_gpu:
            return on_gpu, "which ones: each op of those kinds compiled alone, which gives the log's numbers"
    on_gpu = delegated_ops(graph, places)
    if len(on_gpu) == said.on_gpu:
        return on_gpu, "which ones: all ops of those kinds, which gives the log's numbers"
    return None, "which ones is not known: the log names kinds, and no division fits its numbers"


def _judged_borders(
    subject: Subject,
    both: Target,
    precision: Precision,
    deadline_s: float | None,
    on_gpu: frozenset[int],
    said: Division,
) -> tuple[tuple[Border, ...], str]:
    graph = subject.graph
    runtime = _made_in_each_run(graph)
    names = [name for name in border_tensors(graph, on_gpu) if name not in graph.outputs and name in runtime]
    writers = {name: place for place, op in enumerate(graph.ops) for name in op.outputs}
    if not names:
        return (), ""
    exposed = subject.edited(dataclasses.replace(graph, outputs=(*graph.outputs, *names)))
    run = both.run(exposed.job(precision, deadline_s=deadline_s))
    why = _why_not_judged(run, said)
    verdicts = [None] * len(names) if why else judge(run, exposed)[len(graph.outputs) :]
    borders = (
        Border(name, writers[name] not in on_gpu, verdict) for name, verdict in zip(names, verdicts, strict=True)
    )
    return tuple(borders), why


def _made_in_each_run(graph: Graph) -> set[str]:
    """What inputs or variables decide. The rest is made of constants; LiteRT runs no model that exposes it."""
    made = set(graph.inputs)
    for op in graph.ops:
        if op.kind == "READ_VARIABLE" or made.intersection(op.inputs):
            made.update(op.outputs)
    return made


def _why_not_judged(run: Run, said: Division) -> str:
    if run.outcome is not Outcome.OK:
        return f"what crosses is not judged: exposed, the model is {run.outcome} ({run.message})"
    if division(run.log) != said:
        return "what crosses is not judged: exposed, the ops are divided in another way"
    return ""


def _kinds(graph: Graph, places: frozenset[int]) -> str:
    counts = Counter(graph.ops[place].kind for place in sorted(places))
    return ", ".join(f"{kind} x{count}" if count > 1 else kind for kind, count in counts.items()) or "none"
