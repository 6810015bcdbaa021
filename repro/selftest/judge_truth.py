"""How good is the judge? Injected faults it must notice, healthy runs it must not accuse.

`python -m repro.selftest.judge_truth` (`make oracle`) runs the catalogue's healthy outputs and tensors of D-FINE's
sizes on real targets, judges them (no alarm may sound), then injects every fault of `repro.selftest.faults` into at
least a hundred of them (each must be noticed). Peers' rules are applied to the same data beside ours. Exit 1 if a
fault is missed or an alarm is false, 3 if there was nothing to try the judge on.

What is healthy is not this judge's opinion: it is the catalogue's controls, less what `findings/expectations/`
lists for a target, and heads of nothing but ADD, FULLY_CONNECTED and LOGISTIC.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from rich.console import Console
from rich.table import Table

from cases.builder import GraphBuilder
from cases.catalogue import catalogue
from cases.graph import Graph
from cases.inputs import StandardFeeds
from cases.tflite.write import write_tflite
from repro.campaigns import expectations
from repro.selftest.faults import FAULTS, Fault, Healthy
from repro.trials.load import open_installed_cpu
from repro.verdicts import metrics
from repro.verdicts.judge import judge
from repro.verdicts.noise_floor import Floor
from repro.verdicts.references import OwnOps
from repro.verdicts.subject import Subject, bare_subject, case_subject, model_subject
from repro.verdicts.thresholds import DEFAULT
from repro.verdicts.verdict import Status
from runner import targets
from runner.errors import NothingRan, ReproError
from runner.run import Outcome, Precision, Run

SMALLEST = 256  # elements an output needs to be injected with faults: a 1 % error of four numbers is rounding
PEERS: Mapping[str, Callable[[np.ndarray, np.ndarray], bool]] = {
    "cosine 0.99": lambda r, a: metrics.cosine(r, a) >= 0.99,
    "Pearson 0.99": lambda r, a: metrics.pearson(r, a) >= 0.99,
    "allclose": lambda r, a: bool(np.allclose(a, r)),
}


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

    def judged(self, outputs: Sequence[np.ndarray]) -> Status:
        """The status when this output is replaced by `outputs`, one per feed."""
        run = dataclasses.replace(
            self.run, outputs=tuple((o,) for o in outputs), output_names=(self.run.output_names[self.index],)
        )
        references = tuple((r[self.index],) for r in self.subject.references)
        alone = bare_subject(self.subject.name, self.subject.feeds, references, {self.precision: (self.floor,)})
        return judge(run, alone, metrics="none", explain=False)[0].status


@dataclass
class Tally:
    """What became of one kind of fault. legal: the change itself is within what the precision may do."""

    injected: int = 0
    noticed: int = 0
    invalid: int = 0
    no_effect: int = 0
    legal: int = 0
    not_applicable: int = 0
    missed: list[str] = field(default_factory=list)
    peers: Counter[str] = field(default_factory=Counter)


def dfine_graphs() -> Iterator[tuple[str, Graph]]:
    """Heads over D-FINE's token tensor at 640 (8400 tokens of 256) and its decoder's (300 queries)."""
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
    """The real targets of this machine: cpu (XNNPACK), lavapipe in both precisions, SwiftShader in fp32."""
    usable = [i.name for i in targets.available() if i.usable]
    plan = [("cpu", Precision.FP32)]
    for name in usable:
        if name.startswith("gpu:"):
            plan.append((name, Precision.FP32))
            if "swiftshader" not in name:  # computes fp16 in fp32: nothing new
                plan.append((name, Precision.FP16))
    return [p for p in plan if "swiftshader" not in p[0]] if reduced else plan


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


def inject(sample: Sample, fault: Fault, seed: int, tally: Tally) -> None:
    """Apply one fault to every run of one output, judge it, and count."""
    outputs = [np.asarray(o[sample.index]) for o in sample.run.outputs]
    faulty = []
    for k, value in enumerate(outputs):
        healthy = Healthy(
            value,
            outputs[k - 1] if k else outputs[1 % len(outputs)],
            tuple(o for i, o in enumerate(sample.run.outputs[k]) if i != sample.index),
            sample.subject.feeds[k],
            sample.precision,
        )
        # The same place in every run: a delegate's fault sits in its code, not in the input.
        changed = fault.apply(healthy, np.random.default_rng([seed, sample.index]))
        if changed is None:
            tally.not_applicable += 1
            return
        faulty.append(np.ascontiguousarray(changed, dtype=value.dtype))
    if all(np.array_equal(f, o, equal_nan=True) for f, o in zip(faulty, outputs, strict=True)):
        tally.no_effect += 1
        return
    if fault.local and _is_legal(faulty, outputs, sample):
        tally.legal += 1
        return
    tally.injected += 1
    status = sample.judged(faulty)
    if status is Status.FAIL:
        tally.noticed += 1
    elif status is Status.INVALID:
        tally.invalid += 1
        tally.missed.append(f"{sample.subject.name} output {sample.index} {sample.run.fingerprint.target}: INVALID")
    else:
        tally.missed.append(f"{sample.subject.name} output {sample.index} {sample.run.fingerprint.target}")
    for peer, accepts in PEERS.items():
        pairs = zip(sample.subject.references, faulty, strict=True)
        if not all(accepts(r[sample.index], f) for r, f in pairs):
            tally.peers[peer] += 1


def _is_legal(faulty: Sequence[np.ndarray], outputs: Sequence[np.ndarray], sample: Sample) -> bool:
    """Is the change no larger than what healthy arithmetic may do to the elements it touches?"""
    for k, (changed, value, reference) in enumerate(zip(faulty, outputs, sample.subject.references, strict=True)):
        difference = changed.astype(np.float64) - value
        touched = difference[difference != 0]
        if touched.size == 0:
            continue
        peak = float(np.abs(reference[sample.index]).max())
        s = max(sample.floor.of_feed(k).rmse, DEFAULT.ulp(sample.precision) * 2.0 ** np.floor(np.log2(peak)))
        limit = max(DEFAULT["group_rmse_floors"], DEFAULT["element_floors"] / np.sqrt(touched.size))
        if (
            np.sqrt(np.mean(touched**2)) > (limit + 1) * s
            or np.abs(touched).max() > (DEFAULT["element_floors"] + 1) * s
        ):
            return False
    return True


def usable_for_injection(sample: Sample) -> bool:
    """A float output with room for a fault, and a reference that has power."""
    value = np.asarray(sample.run.outputs[0][sample.index])
    return value.dtype == np.float32 and value.size >= SMALLEST


def main(argv: Sequence[str] | None = None) -> int:
    """Print the two tables. Exit 0 if nothing was missed and no alarm was false, else 1.

    Raises NothingRan where no healthy output came to be, or none that a fault can be put into.
    """
    parser = argparse.ArgumentParser(
        prog="python -m repro.selftest.judge_truth", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("--reduced", action="store_true", help="every fault kind, few outputs: under a minute")
    parser.add_argument("--seed", type=int, default=1, help="of inputs and of where faults are put (default 1)")
    options = parser.parse_args(argv)
    console = Console(soft_wrap=True, width=130)
    console.print(f"seed {options.seed}{', reduced' if options.reduced else ''}", highlight=False)
    healthy = Counter[str]()
    alarms: list[str] = []
    peer_alarms: Counter[str] = Counter()
    wanted = 10 if options.reduced else 130
    chosen: list[Sample] = []
    seen_runs: set[int] = set()
    per_target: Counter[str] = Counter()
    share = wanted // max(1, len(target_plan(options.reduced)))
    for sample in healthy_samples(options.seed, options.reduced, console):
        seen_runs.add(id(sample.run))
        status = sample.judged([o[sample.index] for o in sample.run.outputs])
        key = f"{sample.run.fingerprint.target} {sample.precision}"
        healthy[f"{key} {status}"] += 1
        if status is Status.FAIL:
            alarms.append(f"{sample.subject.name} output {sample.index} on {key}")
        for peer, accepts in PEERS.items():
            pairs = zip(sample.subject.references, sample.run.outputs, strict=True)
            if not all(accepts(r[sample.index], o[sample.index]) for r, o in pairs):
                peer_alarms[peer] += 1
        if status is Status.PASS and usable_for_injection(sample) and per_target[key] < share + 1:
            per_target[key] += 1
            chosen.append(sample)
    if not chosen:
        seen = f"{sum(healthy.values())} healthy outputs, none of them with room for a fault"
        raise NothingRan(f"{seen if healthy else 'no healthy output'}: the judge was not tried; see `repro doctor`")
    tallies = {fault.name: Tally() for fault in FAULTS}
    for sample in chosen:
        for fault in FAULTS:
            inject(sample, fault, options.seed, tallies[fault.name])
    _print(console, tallies, len(chosen))
    return _conclude(console, tallies, healthy, alarms, peer_alarms, len(seen_runs), len(chosen))


def _print(console: Console, tallies: Mapping[str, Tally], outputs: int) -> None:
    table = Table(
        title=f"{len(tallies)} kinds of faults in {outputs} healthy outputs: share noticed", title_justify="left"
    )
    for column in ("fault", "injected", "ours", *PEERS, "no effect", "within noise", "not applicable"):
        table.add_column(column, justify="left" if column == "fault" else "right")
    for name, tally in tallies.items():
        shares = [_share(tally.noticed, tally.injected), *(_share(tally.peers[p], tally.injected) for p in PEERS)]
        rest = [str(n) if n else "" for n in (tally.no_effect, tally.legal, tally.not_applicable)]
        table.add_row(name, str(tally.injected), *shares, *rest)
    total = sum(t.injected for t in tallies.values())
    shares = [_share(sum(t.noticed for t in tallies.values()), total)]
    shares += [_share(sum(t.peers[p] for t in tallies.values()), total) for p in PEERS]
    rest = [str(sum(getattr(t, n) for t in tallies.values())) for n in ("no_effect", "legal", "not_applicable")]
    table.add_row("all", str(total), *shares, *rest, style="bold")
    console.print(table)


def _share(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f} %" if whole else "-"


def _conclude(
    console: Console,
    tallies: Mapping[str, Tally],
    healthy: Counter[str],
    alarms: Sequence[str],
    peer_alarms: Counter[str],
    runs: int,
    injected_outputs: int,
) -> int:
    outputs = sum(healthy.values())
    table = Table(title=f"{runs} healthy runs, {outputs} outputs: false alarms", title_justify="left")
    table.add_column("rule")
    table.add_column("false alarms", justify="right")
    table.add_row("ours", str(len(alarms)))
    for peer in PEERS:
        table.add_row(peer, f"{peer_alarms[peer]} ({_share(peer_alarms[peer], outputs)})")
    console.print(table)
    for key, count in sorted(healthy.items()):
        console.print(f"  {key}: {count}", highlight=False)
    never = [name for name, tally in tallies.items() if not tally.injected]
    missed = [f"{name}: {where}" for name, tally in tallies.items() for where in tally.missed]
    for line in missed[:20]:
        console.print(f"  missed: {line}", highlight=False)
    for line in alarms[:20]:
        console.print(f"  false alarm: {line}", highlight=False)
    for name in never:
        console.print(f"  never injected: {name}", highlight=False)
    console.print(
        f"{len(missed)} missed, {len(alarms)} false alarms, {len(never)} kinds never injected, "
        f"{injected_outputs} outputs injected",
        highlight=False,
    )
    return 1 if missed or alarms or never else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except ReproError as problem:
        print(f"repro: {problem}", file=sys.stderr)
        sys.exit(problem.exit_code)
