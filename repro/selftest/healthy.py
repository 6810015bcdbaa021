"""Healthy outputs of real targets: what the judge may not accuse, and what faults are put into.

What is healthy is not this judge's opinion: it is the catalogue's controls, less what `findings/expectations/`
lists for a target, and heads of nothing but ADD, FULLY_CONNECTED, LOGISTIC and SOFTMAX.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from rich.console import Console

from cases.builder import GraphBuilder
from cases.catalogue import catalogue
from cases.graph import Graph
from cases.inputs import StandardFeeds
from cases.tflite.write import write_tflite
from repro.campaigns import expectations
from repro.trials.load import open_installed_cpu
from repro.verdicts.judge import judge
from repro.verdicts.noise_floor import Floor
from repro.verdicts.references import OwnOps
from repro.verdicts.subject import Subject, bare_subject, case_subject, model_subject
from repro.verdicts.verdict import Status
from runner import targets
from runner.run import Outcome, Precision, Run

SMALLEST = 256  # elements an output needs to be injected with faults: a 1 % error of four numbers is rounding


@dataclass(frozen=True)
class Sample:
    """One healthy output of one run, and all that judging it needs."""

    subject: Subject
    run: Run
    index: int
    floor: Floor

    @property
    def precision(self) -> Precision:
        return Precision(self.run.fingerprint.precision)

    @property
    def where(self) -> str:
        """Which output of what, and on which target."""
        return f"{self.subject.name} output {self.index} on {self.run.fingerprint.target} {self.precision}"

    @property
    def takes_faults(self) -> bool:
        """Whether it is a float output with room for a fault."""
        value = np.asarray(self.run.outputs[0][self.index])
        return value.dtype == np.float32 and value.size >= SMALLEST

    def judged(self, outputs: Sequence[np.ndarray]) -> Status:
        """The status when this output is replaced by `outputs`, one per feed."""
        run = dataclasses.replace(
            self.run, outputs=tuple((o,) for o in outputs), output_names=(self.run.output_names[self.index],)
        )
        references = tuple((r[self.index],) for r in self.subject.references)
        alone = bare_subject(self.subject.name, self.subject.feeds, references, {self.precision: (self.floor,)})
        return judge(run, alone, metrics="none", explain=False)[0].status

    def as_run(self) -> Status:
        """The status of this output as it is, judged with the graph, which tells near ties from wrong indices."""
        verdicts = judge(self.run, self.subject, metrics="none", explain=False)
        return next(verdict.status for verdict in verdicts if verdict.output == self.index)


def dfine_graphs() -> Iterator[tuple[str, Graph]]:
    """Attention over D-FINE's 300 queries, and heads over its tokens at 640 (8400 of 256) and over its queries."""
    builder = GraphBuilder()
    weights = np.random.default_rng(300).standard_normal((300, 256)) / 6
    likeness = builder.fully_connected(builder.input("queries", (1, 300, 256)), weights, name="likeness")
    yield "dfine-size/attention-n300", builder.build(outputs=[builder.softmax(likeness, name="attention")])
    rng = np.random.default_rng(640)
    for tokens in (8400, 300):
        builder = GraphBuilder()
        x = builder.input("memory", (1, tokens, 256))
        z = builder.input("position", (1, tokens, 256))
        moved = builder.add(x, z, name="moved")
        scores = builder.fully_connected(
            moved, rng.standard_normal((80, 256)) / 16, rng.standard_normal(80), name="scores"
        )
        hidden = builder.fully_connected(moved, rng.standard_normal((256, 256)) / 16, name="hidden", activation="RELU")
        boxes = builder.unary(
            "LOGISTIC", builder.fully_connected(hidden, rng.standard_normal((4, 256)) / 16), name="boxes"
        )
        yield f"dfine-size/heads-n{tokens}", builder.build(outputs=[moved, scores, boxes])


def subjects(seed: int, reduced: bool) -> Iterator[Subject]:
    """The catalogue's controls, which are there to be healthy, and D-FINE-sized heads."""
    own_ops = OwnOps(open_installed_cpu)
    for name, graph in dfine_graphs():
        if reduced and "8400" in name:
            continue
        yield model_subject(name, write_tflite(graph), StandardFeeds(seed), own_ops, graph=graph)
    cases = [c for c in catalogue() if c.graph is not None and c.control_of]
    for case in cases[:: 12 if reduced else 1]:
        yield case_subject(case, seed=case.seed + seed).judged_by(own_ops)


def target_plan(reduced: bool) -> list[tuple[str, Precision]]:
    """The real targets of this machine: cpu (XNNPACK) in fp32, lavapipe and SwiftShader in both precisions.

    SwiftShader computes fp16 in fp32, which must pass as well. The reduced plan goes without SwiftShader.
    """
    plan = [("cpu", Precision.FP32)]
    for target in targets.available():
        if target.usable and target.name.startswith("gpu:") and not (reduced and "swiftshader" in target.name):
            plan += [(target.name, Precision.FP32), (target.name, Precision.FP16)]
    return plan


def healthy_samples(seed: int, reduced: bool, console: Console) -> Iterator[Sample]:
    """Outputs that nobody expects to be wrong, on every target."""
    made = list(subjects(seed, reduced))
    for name, precision in target_plan(reduced):
        known = expectations.load(name)
        started = time.monotonic()
        count = 0
        with targets.open_target(name) as target:
            jobs = (s.job(precision, deadline_s=60) for s in made)
            for subject, run in zip(made, target.run_many(jobs), strict=True):
                if run.outcome is not Outcome.OK:
                    continue
                for index, floor in enumerate(subject.floors(precision)):
                    if known.lookup(subject.name, index, str(precision)) is None:
                        count += 1
                        yield Sample(subject, run, index, floor)
        console.print(
            f"{name} {precision}: {count} healthy outputs, {time.monotonic() - started:.0f} s", highlight=False
        )
