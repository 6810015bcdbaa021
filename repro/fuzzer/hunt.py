"""A hunt, what the fuzzer does with its time: draw, run, judge, explain, reduce, deduplicate, keep.

Key insight: most failures a fuzzer meets are known ones. So a failure is first held against the lint,
which costs a millisecond and no run; only what the lint did not predict is reduced, and the reduced
graph is held against the lint, the findings and the earlier bugs once more.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from cases.drawn_ops.feeds import feeds_of
from cases.graph import Graph
from cases.inputs import standard_feeds
from repro.fuzzer.corpus import Corpus
from repro.fuzzer.explain import beyond_fp16, explained_outputs, known_bug, refusing_rule, right_by_nature
from repro.fuzzer.pattern import role_pattern, slug
from repro.fuzzer.sources import BLOCK, ONE_OP, Drawn, Sources, own_index
from repro.fuzzer.twins import disagreement, twin_of
from repro.hazards.hazard import Hazard
from repro.hazards.lint import foretold
from repro.records.journal import Journal
from repro.reducer import history
from repro.reducer.problem import ReferenceValues, Specimen, beyond_range, failure_of, signature_kind
from repro.reducer.search import NotReducible, Reduced, Search, other_inputs
from repro.trials.trial import CANNOT_BE_TRIED, Trial, candidate, cpu_agrees_with, try_all
from repro.verdicts.references import NoReference, OwnOps
from repro.verdicts.subject import Subject
from repro.verdicts.verdict import Status, Verdict
from runner.errors import BadInput
from runner.run import Feed, Outcome, Precision
from runner.target import Target

ROUND = 64
TWINS = 0.2
REDUCTIONS_PER_KIND = 3
REDUCTION_RUNS = 80
BROKEN = (Status.FAIL, Status.CRASH, Status.HANG, Status.NOT_RESIDENT)
BEYOND_FP16 = "beyond fp16's range"
OF_MEMORY = ("alias", "stale", "constant", "nonfinite", "wrong")
"""Kinds of signatures of an output that may hold what lay in its memory before."""


@dataclass(frozen=True)
class Bug:
    """One distinct bug. known: the rule or finding that has it, or empty for a new one. place: where it was found."""

    signature: str
    pattern: str
    known: str
    graph_index: int
    origin: str
    candidate: str
    place: str = ""


@dataclass
class Progress:
    """What the live line shows."""

    graphs: int = 0
    seconds: float = 0.0
    known: int = 0
    new: int = 0
    doing: str = ""


@dataclass
class Hunt:
    """Fuzzes one target at one precision. `known` maps role patterns of findings to their slugs.

    in_turns: whether it shares its corpus with hunts on other targets.
    """

    target: Target
    precision: Precision
    reference: OwnOps
    sources: Sources
    corpus: Corpus
    known: Mapping[str, str]
    on_progress: Callable[[Progress], None] = lambda progress: None
    on_bug: Callable[[Bug], None] = lambda bug: None
    lint: Callable[[Graph], Sequence[Hazard]] = foretold
    in_turns: bool = False
    progress: Progress = field(default_factory=Progress)
    new_here: int = 0
    judged_here: int = 0

    @property
    def _place(self) -> str:
        return f"{self.target.name} {self.precision}"

    def run(self, seconds: float, graphs: int | None = None) -> dict[str, Any]:
        """Fuzz until the time is over or so many more graphs are judged. Returns the summary object."""
        state = self.corpus.state
        began, judged = time.monotonic(), state.graphs
        before = state.seconds
        with Journal(self.corpus.bugs_file) as bugs:
            self._count_bugs(bugs)
            while time.monotonic() - began < seconds and (graphs is None or state.graphs - judged < graphs):
                for suspect in self._round():
                    if time.monotonic() - began >= seconds + 30:
                        break  # a reduction may take a while; what is left over is met again
                    self._pursue(suspect, bugs)
                state.seconds = before + time.monotonic() - began
                self.progress.graphs, self.progress.seconds = state.graphs - judged, time.monotonic() - began
                self.progress.doing = ""
                self.corpus.save()
                self.on_progress(self.progress)
            return self._summary(bugs, state.graphs - judged, time.monotonic() - began)

    # -- one round -----------------------------------------------------------------------------------

    def _round(self) -> list[tuple[Drawn, Trial, Verdict]]:
        """Run and judge some graphs; return the failures that the lint does not explain."""
        suspects: list[tuple[Drawn, Trial, Verdict]] = []
        drawn: list[Drawn] = []
        last: tuple[Drawn, Trial] | None = None

        def subjects() -> Iterator[Subject]:
            for item, subject in self._stream():
                drawn.append(item)
                yield subject

        for number, trial in enumerate(try_all(subjects(), self.target, self.precision)):
            item = drawn[number]
            self.corpus.state.graphs += 1
            verdict = self._unexplained(item, trial)
            if verdict is None and item.twin_how and last is not None and last[0].index == item.index:
                verdict = self._twins_differ(item, trial, last[1])
            if verdict is not None:
                suspects.append((item, trial, verdict))
            last = (item, trial)
            self.progress.graphs += 1
        return suspects

    def _stream(self) -> Iterator[tuple[Drawn, Subject]]:
        state = self.corpus.state
        begin = own_index(self.corpus.shard, state.next_index)
        for index in range(begin, min(begin + ROUND, (begin // BLOCK + 1) * BLOCK)):
            item = self.sources.draw(state.seed, index)
            state.next_index = index + 1
            subject = self._subject(item)
            if subject is None:
                continue
            yield item, subject
            rng = random.Random(f"{state.seed}/{index}/twin")
            if rng.random() < TWINS:
                twin = twin_of(rng, item.graph)
                other = Drawn(index, twin.graph, item.origin, twin.how) if twin is not None else None
                subject = self._subject(other) if other is not None else None
                if other is not None and subject is not None:
                    yield other, subject

    def _subject(self, item: Drawn) -> Subject | None:
        kind = "watermark" if item.index % 4 == 3 else "gaussian"
        try:
            tensors = [item.graph.tensors[name] for name in item.graph.inputs]
            is_one_op = item.origin == ONE_OP
            feeds = (feeds_of(item.graph, item.index) if is_one_op else standard_feeds(tensors, item.index, kind))[:2]
            return candidate(item.graph, feeds, self.precision, self.reference, f"{item.index}")
        except (BadInput, *CANNOT_BE_TRIED) as error:
            self.corpus.state.counts[f"not tried: {type(error).__name__}"] += 1
            return None

    # -- explaining ----------------------------------------------------------------------------------

    def _unexplained(self, item: Drawn, trial: Trial) -> Verdict | None:
        """Count the verdicts; the first failure that no hazard of the lint predicts."""
        state = self.corpus.state
        hazards = self.lint(item.graph)
        explained = explained_outputs(hazards)
        if trial.run.outcome is Outcome.REFUSED:
            state.counts["REFUSED"] += 1
            state.refusals[trial.run.message[:160]] += 1
            return None
        self.judged_here += bool(trial.verdicts)
        unexplained = None
        for verdict in trial.verdicts:
            state.counts[str(verdict.status)] += 1
            if verdict.status in BROKEN:
                rule = explained.get(verdict.output) if verdict.output >= 0 else refusing_rule(hazards)
                if rule:
                    state.rules[rule] += 1
                elif unexplained is None:
                    unexplained = verdict
            elif verdict.status is Status.PASS and verdict.output in explained:
                rule = explained[verdict.output]
                references = [outputs[verdict.output] for outputs in trial.subject.references]
                state.overpredicted[rule] += not right_by_nature(rule, references, trial.subject.feeds)
        if unexplained is not None and self._beyond_fp16(item.graph, trial.subject.feeds):
            state.counts[BEYOND_FP16] += 1
            return None
        return unexplained

    def _beyond_fp16(self, graph: Graph, feeds: Sequence[Feed]) -> bool:
        """Whether this hunt's precision cannot hold what the graph computes."""
        if self.precision is not Precision.FP16:
            return False
        with np.errstate(all="ignore"):
            return beyond_fp16(array for feed in feeds for array in self.reference.values(graph, feed).values())

    def _twins_differ(self, item: Drawn, trial: Trial, original: Trial) -> Verdict | None:
        first, second = original.subject, trial.subject
        predicted = explained_outputs(self.lint(first.graph))
        also = explained_outputs(self.lint(second.graph))
        name = disagreement(first.graph, original.run, first.floors(self.precision), second.graph, trial.run)
        if name is None or first.graph.outputs.index(name) in predicted or second.graph.outputs.index(name) in also:
            return None
        index = second.graph.outputs.index(name)
        both_judged = {v.output: v for v in trial.verdicts}.get(index)
        if both_judged is not None and both_judged.status is Status.PASS:
            # The twin is right by the reference, so the original is wrong, and was reported as such.
            return None
        return Verdict(index, name, Status.FAIL, "twins-differ", f"{item.twin_how}: '{name}' is not the same")

    def _pursue(self, suspect: tuple[Drawn, Trial, Verdict], bugs: Journal) -> None:
        """Reduce a suspect, deduplicate it against what is known, keep it if it is new."""
        item, trial, verdict = suspect
        state = self.corpus.state
        name = item.graph.outputs[verdict.output] if verdict.output >= 0 else ""
        signature = signature_kind(verdict.signature) or str(verdict.status)
        role = item.graph.role(name) if name else None
        kind = f"{signature} {role.producer} -> {','.join(role.consumers)}" if role else signature
        if state.alike[kind] >= REDUCTIONS_PER_KIND:
            state.counts["suspects not reduced"] += 1
            state.alike[kind] += 1
            return
        state.alike[kind] += 1
        self.progress.doing = f"reducing {kind} of graph {item.index}"
        self.on_progress(self.progress)
        original = Specimen(item.graph, trial.subject.feeds, name)
        self.corpus.keep_suspect(item.index, original)
        try:
            self._deduplicate(bugs, item, self._reduce(item.index, original))
        except NotReducible as error:
            state.counts["unstable"] += 1
            self._keep(bugs, Bug("unstable", kind, "", item.index, item.origin, "", self._place), error.args[0])
        except NoReference as error:
            state.counts[f"not reduced: {type(error).__name__}"] += 1

    def _reduce(self, index: int, original: Specimen) -> Reduced:
        folder = self.corpus.suspect_folder(index)
        with Journal(folder / history.JOURNAL) as journal:
            search = Search(
                self.target,
                self.precision,
                self.reference,
                journal,
                max_runs=REDUCTION_RUNS,
                on_step=lambda step: None,
            )
            return search.reduce(original)

    def _deduplicate(self, bugs: Journal, item: Drawn, reduced: Reduced) -> None:
        """Keep a reduced failure under its signature and role pattern, once; a new one as a candidate finding."""
        specimen, signature = reduced.specimen, reduced.failure.signature
        graph, pattern = specimen.graph, role_pattern(specimen.graph, specimen.output)
        key = f"{signature} {pattern}"
        if self._is_kept(bugs, signature, pattern) or f"doubtful {key}" in bugs:
            return
        known = known_bug(graph, specimen.output, signature, self.lint(graph), self.known)
        doubt = "" if known else self._doubt(specimen, signature)
        if doubt:
            self.corpus.state.counts[doubt] += 1
            record = {"signature": "doubtful", "pattern": key, "graph_index": item.index, "note": doubt}
            bugs.add(f"doubtful {key}", record)
            return
        candidate = "" if known else self._write_candidate(item, reduced, pattern)
        self._keep(bugs, Bug(signature, pattern, known, item.index, item.origin, candidate, self._place))

    def _is_kept(self, bugs: Journal, signature: str, pattern: str) -> bool:
        """In a hunt of many places, what memory decides (a copy here, zeros there) is one bug with one pattern."""
        alike = OF_MEMORY if self.in_turns and signature in OF_MEMORY else (signature,)
        return any(f"{one} {pattern}" in bugs for one in alike)

    def _write_candidate(self, item: Drawn, reduced: Reduced, pattern: str) -> str:
        """The candidate's folder."""
        feeds = history.distinct_feeds(reduced.specimen)
        record = history.summary(reduced, self.target.name, self.precision, Path(), self.corpus.state.seed)
        record |= {
            "model": "model.tflite",
            "inputs": "inputs.npz",
            "pattern": pattern,
            "graph_index": item.index,
            "origin": item.origin,
            "twin": item.twin_how,
            "identity": self.target.identity,
            "replay": history.replay_command(self.target.name, self.precision, "model.tflite", feeds),
        }
        name = slug(reduced.failure.signature, reduced.specimen.graph)
        self.new_here += 1
        return str(self.corpus.write_candidate(name, reduced.specimen, item.graph, record))

    def _keep(self, bugs: Journal, bug: Bug, note: str = "") -> None:
        key = f"{bug.signature} {bug.pattern}"
        if key in bugs:
            return
        bugs.add(key, {**bug.__dict__, "note": note})
        self._count_bugs(bugs)
        self.on_bug(bug)

    def _doubt(self, specimen: Specimen, signature: str) -> str:
        """Why a reduced failure is no find, or empty: beyond fp16, the cpu fails as well, other inputs tell nothing."""
        if self._beyond_fp16(specimen.graph, specimen.feeds):
            return BEYOND_FP16
        if not cpu_agrees_with(self.reference, specimen.graph, specimen.feeds, specimen.output):
            return "cpu fails as well"
        other = other_inputs(specimen)
        ranges = [beyond_range(ReferenceValues(self.reference.values, s), self.precision) for s in (specimen, other)]
        if not ranges[1] <= ranges[0]:
            return "other inputs are out of range"
        subject = candidate(other.graph, other.feeds, self.precision, self.reference, "other inputs")
        (trial,) = try_all([subject], self.target, self.precision)
        failure = failure_of(other.graph, other.output, trial.verdicts)
        return "" if failure is not None and failure.signature == signature else "passes on other inputs"

    def _count_bugs(self, bugs: Journal) -> None:
        records = [bugs.get(key) or {} for key in bugs]
        stable = [r for r in records if r.get("signature") not in ("unstable", "doubtful")]
        self.progress.known = sum(bool(r.get("known")) for r in stable)
        self.progress.new = len(stable) - self.progress.known

    def _summary(self, bugs: Journal, graphs: int, seconds: float) -> dict[str, Any]:
        state = self.corpus.state
        known = len(state.rules)
        return {
            "graphs": graphs,
            "judged": self.judged_here,
            "seconds": round(seconds, 3),
            "graphs_per_s": round(graphs / seconds, 2) if seconds else 0.0,
            "distinct": known + self.progress.known + self.progress.new,
            "known": known + self.progress.known,
            "new": self.new_here,
            "new_in_corpus": self.progress.new,
            "known_by_rule": dict(sorted(state.rules.items())),
            "overpredicted_by_rule": dict(sorted(state.overpredicted.items())),
            "verdicts": dict(sorted(state.counts.items())),
            "refusals": dict(state.refusals.most_common(12)),
            "seed": state.seed,
            "next_graph": state.next_index,
            "total_graphs": state.graphs,
            "total_seconds": round(state.seconds, 3),
            "target": self.target.name,
            "identity": self.target.identity,
            "precision": str(self.precision),
            "corpus": str(self.corpus.folder),
        }
