"""A fuzzing campaign: draw, run, judge, explain, reduce, tell apart, keep.

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

from cases.graph import Graph, GraphError
from cases.inputs import standard_feeds
from repro.delegate.replay import replay
from repro.fuzzer.corpus import Corpus
from repro.fuzzer.generate import draw_palette, grow
from repro.fuzzer.mutate import cutting, mutated
from repro.fuzzer.pattern import role_pattern, slug
from repro.fuzzer.twins import disagreement, twin_of
from repro.hazards.hazard import Hazard
from repro.hazards.lint import find_hazards
from repro.hazards.rules import RULES
from repro.records.journal import Journal
from repro.reducer import history
from repro.reducer.problem import Specimen, failure_of, signature_kind
from repro.reducer.search import NotReducible, Reduced, Search, other_inputs
from repro.trials.trial import UNFIT, NoReference, Reference, Trial, Tried, prepare, try_all
from repro.verdicts.right_by_chance import holds_one_input
from repro.verdicts.verdict import Status, Verdict
from runner.errors import BadInput
from runner.run import FP16_MAX, FP16_SMALLEST, Feed, Outcome, Precision
from runner.target import Target

ROUND = 64
BLOCK = 256  # graphs that share a palette, so that most of their shaders are compiled once
TWINS = 0.2
REDUCTIONS_PER_KIND = 3
REDUCTION_RUNS = 80
BROKEN = (Status.FAIL, Status.CRASH, Status.HANG, Status.NOT_RESIDENT)
ONE_PASS_NORM = "norm-one-pass-variance"
"""The finding of a bug that values decide and structure does not, so that no rule of the lint can name it."""
BEYOND_FP16 = "beyond fp16's range"
FP16_RANGE = FP16_MAX / 2
"""Half of float16's largest number, so that a sum of rounded values stays inside as well."""
"""float16's smallest subnormal."""


@dataclass(frozen=True, eq=False)
class Drawn:
    """Graph number `index` of a seed and where it came from; twin_how is empty for an original."""

    index: int
    graph: Graph
    origin: str
    twin_how: str = ""


@dataclass(frozen=True)
class Bug:
    """One distinct bug. known: the rule or finding that has it, or empty for a new one."""

    signature: str
    pattern: str
    known: str
    graph_index: int
    origin: str
    candidate: str


@dataclass
class Progress:
    """What the live line shows."""

    graphs: int = 0
    seconds: float = 0.0
    known: int = 0
    new: int = 0
    doing: str = ""


@dataclass(frozen=True)
class Sources:
    """What graphs are drawn from: the dice alone, the catalogue's graphs, and real models.

    block: how many graphs share a palette (see `repro.fuzzer.generate`); 0 draws each from everything.
    """

    catalogue: Sequence[Graph] = ()
    models: Sequence[Graph] = ()
    block: int = BLOCK

    def draw(self, seed: int, index: int) -> Drawn:
        """Graph number `index`: a function of seed, index and the sources."""
        rng = random.Random(f"{seed}/{index}")
        block = random.Random(f"{seed}/block/{index // self.block if self.block else index}")
        palette = draw_palette(block) if self.block else None
        roll = rng.random()
        if roll < 0.25 and self.catalogue:
            few = block.sample(self.catalogue, min(3, len(self.catalogue)))
            return Drawn(index, mutated(rng, rng.choice(few), palette), "mutated case")
        if roll < 0.4 and self.models:
            cuts = [cutting(block, block.choice(self.models)) for _ in range(4)]
            usable = [cut for cut in cuts if cut is not None and cut.ops]
            if usable:
                cut = rng.choice(usable)
                return Drawn(index, mutated(rng, cut, palette) if rng.random() < 0.8 else cut, "cut from a model")
        return Drawn(index, grow(rng, palette=palette), "grown")


@dataclass
class Campaign:
    """Fuzzes one target at one precision. `known` maps role patterns of findings to their slugs."""

    target: Target
    precision: Precision
    reference: Reference
    sources: Sources
    corpus: Corpus
    known: Mapping[str, str]
    on_progress: Callable[[Progress], None] = lambda progress: None
    on_bug: Callable[[Bug], None] = lambda bug: None
    lint: Callable[[Graph], Sequence[Hazard]] = find_hazards
    progress: Progress = field(default_factory=Progress)
    new_here: int = 0

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
                    self._explain(suspect, bugs)
                state.seconds = before + time.monotonic() - began
                self.progress.graphs, self.progress.seconds = state.graphs - judged, time.monotonic() - began
                self.progress.doing = ""
                self.corpus.save()
                self.on_progress(self.progress)
            return self._summary(bugs, state.graphs - judged, time.monotonic() - began)

    # -- one round -----------------------------------------------------------------------------------

    def _round(self) -> list[tuple[Drawn, Tried, Verdict]]:
        """Run and judge some graphs; return the failures that the lint does not explain."""
        suspects: list[tuple[Drawn, Tried, Verdict]] = []
        drawn: list[Drawn] = []
        last: tuple[Drawn, Tried] | None = None

        def trials() -> Iterator[Trial]:
            for item, trial in self._stream():
                drawn.append(item)
                yield trial

        for number, tried in enumerate(try_all(trials(), self.target)):
            item = drawn[number]
            self.corpus.state.graphs += 1
            verdict = self._unexplained(item, tried)
            if verdict is None and item.twin_how and last is not None and last[0].index == item.index:
                verdict = self._twins_differ(item, tried, last[1])
            if verdict is not None:
                suspects.append((item, tried, verdict))
            last = (item, tried)
            self.progress.graphs += 1
        return suspects

    def _stream(self) -> Iterator[tuple[Drawn, Trial]]:
        state = self.corpus.state
        for index in range(state.next_index, state.next_index + ROUND):
            item = self.sources.draw(state.seed, index)
            state.next_index = index + 1
            trial = self._trial(item)
            if trial is None:
                continue
            yield item, trial
            rng = random.Random(f"{state.seed}/{index}/twin")
            if rng.random() < TWINS:
                twin = twin_of(rng, item.graph)
                other = Drawn(index, twin.graph, item.origin, twin.how) if twin is not None else None
                trial = self._trial(other) if other is not None else None
                if other is not None and trial is not None:
                    yield other, trial

    def _trial(self, item: Drawn) -> Trial | None:
        kind = "watermark" if item.index % 4 == 3 else "gaussian"
        try:
            tensors = [item.graph.tensors[name] for name in item.graph.inputs]
            feeds = standard_feeds(tensors, item.index, kind)[:2]
            return prepare(item.graph, feeds, self.precision, self.reference, f"{item.index}")
        except (GraphError, NoReference, BadInput, *UNFIT) as error:
            self.corpus.state.counts[f"not tried: {type(error).__name__}"] += 1
            return None

    # -- explaining ----------------------------------------------------------------------------------

    def _unexplained(self, item: Drawn, tried: Tried) -> Verdict | None:
        """Count the verdicts; the first failure that no hazard of the lint predicts."""
        state = self.corpus.state
        hazards = self.lint(item.graph)
        explained = explained_outputs(item.graph, hazards)
        if tried.run.outcome is Outcome.REFUSED:
            state.counts["REFUSED"] += 1
            state.refusals[tried.run.message[:160]] += 1
            return None
        found = None
        for verdict in tried.verdicts:
            state.counts[str(verdict.status)] += 1
            if verdict.status in BROKEN:
                rule = explained.get(verdict.output) if verdict.output >= 0 else _refusing(hazards)
                if rule:
                    state.rules[rule] += 1
                elif found is None:
                    found = verdict
            elif verdict.status is Status.PASS and verdict.output in explained:
                rule = explained[verdict.output]
                state.overpredicted[rule] += not right_by_nature(rule, tried.trial, verdict.output)
        if found is not None and self._beyond_fp16(item.graph, tried.trial.feeds):
            state.counts[BEYOND_FP16] += 1
            return None
        return found

    def _beyond_fp16(self, graph: Graph, feeds: Sequence[Feed]) -> bool:
        """Whether fp16 cannot hold what the graph computes: an infinity or a zero is right then, and no find."""
        if self.precision is not Precision.FP16:
            return False
        with np.errstate(all="ignore"):
            values = [array for feed in feeds for array in self.reference.values(graph, feed).values()]
        floats = [array for array in values if array.dtype.kind == "f" and array.size]
        sizes = [np.abs(array[array != 0]) for array in floats]
        return any(not size.max() <= FP16_RANGE or size.min() < FP16_SMALLEST for size in sizes if size.size)  # or NaN

    def _twins_differ(self, item: Drawn, tried: Tried, original: Tried) -> Verdict | None:
        first, second = original.trial, tried.trial
        predicted = explained_outputs(first.graph, self.lint(first.graph))
        also = explained_outputs(second.graph, self.lint(second.graph))
        name = disagreement(first.graph, original.run, first.floors, second.graph, tried.run)
        if name is None or first.graph.outputs.index(name) in predicted or second.graph.outputs.index(name) in also:
            return None
        index = second.graph.outputs.index(name)
        both_judged = {v.output: v for v in tried.verdicts}.get(index)
        if both_judged is not None and both_judged.status is Status.PASS:
            # The twin is right by the reference, so the original is wrong, and was reported as such.
            return None
        return Verdict(index, name, Status.FAIL, "twins-differ", f"{item.twin_how}: '{name}' is not the same")

    def _explain(self, suspect: tuple[Drawn, Tried, Verdict], bugs: Journal) -> None:
        """Reduce a suspect, tell it apart from what is known, keep it if it is new."""
        item, tried, verdict = suspect
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
        original = Specimen(item.graph, tried.trial.feeds, name)
        self.corpus.keep_suspect(item.index, original)
        try:
            reduced = self._reduce(item.index, original)
        except NotReducible as error:
            state.counts["unstable"] += 1
            self._record(bugs, f"unstable {kind}", item, original, error.args[0], reduced=None)
            return
        pattern = role_pattern(reduced.specimen.graph, reduced.specimen.output)
        self._record(bugs, f"{reduced.failure.signature} {pattern}", item, reduced.specimen, "", reduced)

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

    def _record(
        self, bugs: Journal, key: str, item: Drawn, specimen: Specimen, note: str, reduced: Reduced | None
    ) -> None:
        if key in bugs or f"doubtful {key}" in bugs:
            return
        graph = specimen.graph
        rule = ""
        if reduced is not None:
            explained = explained_outputs(graph, self.lint(graph))
            index = graph.outputs.index(specimen.output) if specimen.output else -1
            rule = explained.get(index, "") or self.known.get(role_pattern(graph), "")
            if not rule and reduced.failure.signature == "wrong" and is_one_norm(graph):
                rule = ONE_PASS_NORM
            doubt = "" if rule else self._doubt(specimen, reduced.failure.signature)
            if doubt:
                self.corpus.state.counts[doubt] += 1
                record = {"signature": "doubtful", "pattern": key, "graph_index": item.index, "note": doubt}
                bugs.add(f"doubtful {key}", record)
                return
        signature, _, pattern = key.partition(" ")
        candidate = ""
        if not rule and reduced is not None:
            record = history.summary(reduced, self.target.name, self.precision, Path(), self.corpus.state.seed)
            record |= {
                "model": "model.tflite",
                "inputs": "inputs.npz",
                "pattern": pattern,
                "graph_index": item.index,
                "origin": item.origin,
                "twin": item.twin_how,
                "identity": self.target.identity,
                "replay": history.replay_command(self.target.name, self.precision, "model.tflite", "inputs.npz"),
            }
            place = self.corpus.write_candidate(slug(signature, graph), specimen, item.graph, record)
            candidate = str(place)
            self.new_here += 1
        bug = Bug(signature, pattern, rule, item.index, item.origin, candidate)
        bugs.add(key, {**bug.__dict__, "note": note})
        self._count_bugs(bugs)
        self.on_bug(bug)

    def _doubt(self, specimen: Specimen, signature: str) -> str:
        """Why a reduced failure is no find, or empty: beyond fp16, the cpu fails as well, or other inputs pass."""
        if self._beyond_fp16(specimen.graph, specimen.feeds):
            return BEYOND_FP16
        if not self.reference.cpu_agrees_with(specimen.graph, specimen.feeds, specimen.output):
            return "cpu fails as well"
        other = other_inputs(specimen)
        trial = prepare(other.graph, other.feeds, self.precision, self.reference, "other inputs")
        (tried,) = try_all([trial], self.target)
        failure = failure_of(other.graph, other.output, tried.verdicts)
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


def is_one_norm(graph: Graph) -> bool:
    """Whether the whole graph is one fused normalisation, whose variance cancels for some values of any such graph."""
    nodes = [node for node in replay(graph).graph.live() if node.kind != "CONSTANT"]
    return bool(nodes) and all(node.fused_by == "mean-stddev-norm" for node in nodes)


def right_by_nature(rule: str, trial: Trial, output: int) -> bool:
    """Whether a predicted output that came out right is no mistake of the rule.

    The rule's wrong values show for some inputs only, or the true output holds nothing but numbers of one
    graph input, which is what memory that nobody wrote may hold.
    """
    true = [references[output] for references in trial.references]
    return RULES[rule].latent or holds_one_input(true, trial.feeds)


def explained_outputs(graph: Graph, hazards: Sequence[Hazard]) -> dict[int, str]:
    """Output index -> the rule that says it is wrong."""
    found: dict[int, str] = {}
    for hazard in hazards:
        for index in hazard.affected:
            found.setdefault(index, hazard.rule)
    return found


def _refusing(hazards: Sequence[Hazard]) -> str:
    """The rule that says that the graph as a whole fails, or empty."""
    return next((h.rule for h in hazards if h.effect in ("refused", "void", "abort")), "")
