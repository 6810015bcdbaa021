"""Proof that a model with workarounds computes the same and that its failure is gone.

Key insight: a workaround is worth only what can be proved of it. The cpu must give the same bits for the
old and the new file, the target must have every output right with the new one, and an output that was
right before must stay right. Whatever cannot be shown is a reason to refuse.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace

import numpy as np

from cases.evaluation.evaluate import quantises_at_run_time
from cases.evaluation.quantised import grid_of
from cases.graph import Graph, Op
from repro.campaigns.controls import fitness
from repro.fixes.fp16_range import hold_in_fp16
from repro.fixes.workarounds import Mended, avoid_hazards
from repro.hazards.hazard import Hazard
from repro.hazards.lint import find_hazards, measured_risks
from repro.hazards.rules import RULES
from repro.records.lines import Line, Tone, Worded, line
from repro.trials.check import Checked, check
from repro.verdicts.references import OpenTarget, OwnOps, float64_outputs
from repro.verdicts.subject import Subject
from repro.verdicts.value_range import out_of_range
from repro.verdicts.verdict import Status, Verdict
from runner.encoding import shown_name
from runner.errors import BadInput, NothingRan, ReproError
from runner.run import Outcome, Precision, Run
from runner.target import Target

MAX_CPU_DIFFERENCE = 1e-5
"""Largest difference on cpu, as a share of the output's largest value, that is still rounding. The edits
are exact in themselves; a kernel library may choose other code for a graph that it splits elsewhere."""

MAX_CPU_STEPS = 1
"""Of its grid, by which a quantised output may differ: LiteRT's own kernels differ by as much on one op
(`cases.evaluation.quantised.steps_apart`)."""


@dataclass(frozen=True)
class CpuDifference:
    """One output on cpu, old file against new: how far apart, and whether every bit is the same.

    share: of the output's largest value. steps: of its grid, None where it lies on none.
    """

    name: str
    exact: bool
    max_abs: float
    share: float
    steps: float | None = None

    @property
    def is_rounding(self) -> bool:
        """Whether kernels may differ by as much on equal numbers; integers on a grid by one step."""
        if self.steps is None:
            return self.exact or self.share <= MAX_CPU_DIFFERENCE
        return self.exact or self.steps < MAX_CPU_STEPS + 0.5  # a step between two floats is rounded itself

    @property
    def words(self) -> str:
        if self.steps is not None:
            return f"{self.steps:.3g} step{'' if self.steps == 1 else 's'} of its grid"
        return f"{self.max_abs:.3g} ({self.share:.2g} of its range)"


@dataclass(frozen=True)
class Proof:
    """What was shown. refusals: why this is no proof, one line each; empty means proven.

    before, after: verdicts by precision. notes: what the user should know besides. witness: what computed the old
    and the new file for `cpu`; another one than the cpu where that quantises floats in one of them alone.
    """

    cpu: tuple[CpuDifference, ...]
    before: Mapping[Precision, Checked]
    after: Mapping[Precision, Checked]
    refusals: tuple[str, ...]
    notes: tuple[str, ...]
    witness: str = "cpu"

    @property
    def is_exact(self) -> bool:
        """Whether the witness computes the same with and without the workarounds, bit for bit."""
        return all(difference.exact for difference in self.cpu)


@dataclass(frozen=True, repr=False)
class Fixed(Worded):
    """A model with its workarounds and what was shown for them.

    subject: the model that was given. mended: its graph with the workarounds, and which hazards they are for.
    model: the bytes of the mended file, or of the original where it has no known hazard (then proof is None).
    left_alone: what shows on some adapters only, which a file does not know, or what no workaround keeps the outputs
    under: it is said, and left as it is.
    """

    subject: Subject
    mended: Mended
    model: bytes
    proof: Proof | None
    left_alone: tuple[Hazard, ...]

    def __repr__(self) -> str:
        rules = ", ".join(hazard.rule for hazard, _ in self.mended.done) or "nothing to mend"
        return f"<Fixed {shown_name(self.subject.name)}: {rules}>"

    def lines(self) -> Iterator[Line]:
        """What `repro fix` prints: what was done, the diff of ops, what was shown on cpu and on the target."""
        if self.proof is None:
            yield line(f"{self.subject.name}: no known hazard; nothing to mend")
        else:
            yield from self._diff()
            yield from _shown(self.proof, len(self.mended.graph.outputs))
        for risk in self.left_alone:
            where = ", ".join(filter(None, (risk.rule, RULES[risk.rule].where)))
            yield line(f"  left alone: {where} at '{shown_name(risk.tensor)}'; {risk.fix}")

    def _diff(self) -> Iterator[Line]:
        for hazard, what in self.mended.done:
            yield line((hazard.rule, Tone.WARN), f" at '{hazard.tensor}': {what}")
        for op in self.mended.removed:
            yield line((f"  - {op_line(op, self.mended.before)}", Tone.BAD))
        for op in self.mended.added:
            yield line((f"  + {op_line(op, self.mended.graph)}", Tone.GOOD))


def _shown(proof: Proof, outputs: int) -> Iterator[Line]:
    if proof.is_exact:
        same = "the output is" if outputs == 1 else f"all {outputs} outputs are"
        yield line(f"{proof.witness}: {same} the same, bit for bit")
    for difference in proof.cpu:
        if not difference.exact:
            yield line(
                f"{proof.witness}: '{difference.name}' differs by at most {difference.words}; host-side factor 1"
            )
    for precision, checked in proof.after.items():
        for old, new in zip(proof.before[precision].verdicts, checked.verdicts, strict=False):
            tone = Tone.GOOD if new.status is Status.PASS else Tone.BAD
            yield line(f"{precision}: output {new.output} '{new.name}': {old.said} -> ", (new.said, tone))
    for note in proof.notes:
        yield line(("note", Tone.WARN), f" {note}")
    for refusal in proof.refusals:
        yield line(("refused", Tone.BAD), f" {refusal}")


class NotProven(ReproError):
    """The mended model was not shown to be right, and why. fixed: all that was tried."""

    def __init__(self, fixed: Fixed, refusals: Sequence[str]) -> None:
        more = f" (and {len(refusals) - 1} more)" if len(refusals) > 1 else ""
        super().__init__(f"{fixed.subject.name}: the workaround is not proven: {refusals[0]}{more}")
        self.fixed = fixed


def fix_subject(
    subject: Subject,
    open_target: OpenTarget,
    open_cpu: OpenTarget,
    precisions: Sequence[Precision],
    also: Collection[str] = (),
) -> Fixed:
    """Apply the smallest known workaround for each hazard and prove it; nothing is opened where there is no hazard.

    also: rules of risks that are mended as well. Raises NotProven, and BadInput where the cpu cannot run the model at
    all.
    """
    if also or find_hazards(subject.graph):
        subject.require_reference()  # what cannot be judged cannot be proven, and no edit fits shapes that do not fit
    mended = avoid_hazards(subject.graph, also)
    risks = tuple(risk for risk in measured_risks(subject.graph) if risk.rule not in also)
    if Precision.FP16 in precisions:
        mended = hold_in_fp16(mended, subject)
    if not mended.done and not mended.left:
        return Fixed(subject, mended, subject.model, None, risks)
    with open_cpu() as cpu, open_target() as target:
        new, proof = prove(subject, mended, target, cpu, precisions)
    fixed = Fixed(subject, mended, new.model, proof, risks)
    if proof.refusals:
        raise NotProven(fixed, proof.refusals)
    return fixed


def prove(
    subject: Subject, fixed: Mended, target: Target, cpu: Target, precisions: Sequence[Precision]
) -> tuple[Subject, Proof]:
    """Run old and new on cpu and on the target.

    Raises BadInput where the cpu cannot run the model at all, NothingRan where the target fails its own controls.
    """
    new = subject.edited(fixed.graph)
    witness, differences = _differences(cpu, subject, new, fixed)
    before = {precision: check(subject, target, cpu, precision) for precision in precisions}
    for precision, checked in before.items():
        controls = None if checked.passed else fitness(target, precision)
        if controls is not None and controls.is_unfit:
            raise NothingRan(f"{target.name} is {controls.reason}: its failures prove nothing")
    after = {precision: check(new, target, cpu, precision) for precision in precisions}
    cpu_misses = {v.output: v for v in check(new, cpu, cpu, Precision.FP32).verdicts if v.status is Status.FAIL}
    refusals = [
        *_cpu_refusals(witness, differences),
        *_left(fixed),
        *_made_out_of_range(subject, fixed, cpu, precisions),
    ]
    notes: list[str] = []
    shown = False
    mended = {index for hazard, _ in fixed.done for index in hazard.affected}
    # What a workaround is for may have led to what ends the process.
    ended = any(hazard.effect == "abort" for hazard in find_hazards(subject.graph))
    # What a workaround is known for could have been mended, so that its failures are no excuse.
    unmendable = [risk for risk in measured_risks(fixed.graph) if not RULES[risk.rule].workaround]
    left_alone: dict[int, str] = {}
    for risk in unmendable:
        for index in risk.affected:
            left_alone[index] = f"{left_alone[index]}, {risk.rule}" if index in left_alone else risk.rule
    sound: set[int] = set()
    for precision in sorted(precisions, reverse=True):  # fp32 first: it tells structure from precision
        was = {verdict.output: verdict for verdict in before[precision].verdicts}
        for verdict in after[precision].verdicts:
            told, refuses = _judgement(
                precision, verdict, was.get(verdict.output), cpu_misses, mended, sound, left_alone
            )
            (refusals if refuses else notes).extend([told] if told else [])
            if precision is Precision.FP32 and not refuses:
                sound.add(verdict.output)
        shown |= any(was[index].status is not Status.PASS for index in mended if index in was)
        shown |= ended and any(verdict.status is Status.CRASH for verdict in was.values())
        # What was refused whole and runs now has lost its failure, whatever the outputs are.
        shown |= any(verdict.status is Status.REFUSED for verdict in was.values())
    if fixed.done and not shown:
        rules = {hazard.rule for hazard, _ in fixed.done}
        if all(RULES[rule].latent for rule in rules):
            notes.append("these inputs do not show the failure; the change is proven harmless, not needed")
        else:
            refusals.append("the original passes on this target, so there is no failure that could be gone")
    return new, Proof(tuple(differences), before, after, tuple(refusals), tuple(notes), witness)


def _differences(cpu: Target, subject: Subject, new: Subject, fixed: Mended) -> tuple[str, list[CpuDifference]]:
    """Of the two files on the cpu, and which witness says so: float64 where the cpu quantises activations as it runs,
    by their range, and what is inserted changes what it quantises."""
    old_run, new_run = _cpu_run(cpu, subject), _cpu_run(cpu, new)
    found = cpu_differences(old_run, new_run, fixed.before)
    if all(one.is_rounding for one in found) or not any(map(quantises_at_run_time, (fixed.before, fixed.graph))):
        return "cpu", found
    old_run = replace(old_run, outputs=float64_outputs(fixed.before, subject.feeds))
    new_run = replace(new_run, outputs=float64_outputs(fixed.graph, subject.feeds))
    return "float64 (the cpu quantises activations as it runs)", cpu_differences(old_run, new_run, fixed.before)


def _cpu_run(cpu: Target, subject: Subject) -> Run:
    run = cpu.run(subject.job(Precision.FP32))
    if run.outcome is not Outcome.OK:
        raise BadInput(
            f"{subject.name}: the cpu does not run it ({run.outcome}: {run.message}), so nothing can be proven"
        )
    return run


def cpu_differences(old: Run, new: Run, graph: Graph) -> list[CpuDifference]:
    """Old against new on cpu, per output of the old graph, over all feeds."""
    found = []
    for index, name in enumerate(graph.outputs):
        pairs = [(a[index], b[index]) for a, b in zip(old.outputs, new.outputs, strict=True)]
        exact = all(a.shape == b.shape and a.tobytes() == b.tobytes() for a, b in pairs)
        worst, scale = 0.0, 0.0
        if not exact:
            for a, b in pairs:
                with np.errstate(invalid="ignore", over="ignore"):
                    worst = max(worst, float(np.max(np.abs(a.astype(np.float64) - b), initial=0.0)))
                scale = max(scale, float(np.max(np.abs(a), initial=0.0)))
        step = _step_of(graph, name)
        steps = None if step is None else worst / step
        found.append(CpuDifference(name, exact, worst, worst / scale if scale else worst, steps))
    return found


def _step_of(graph: Graph, name: str) -> float | None:
    """The distance of neighbours of an output on a grid, as it is handed out; None where it lies on none."""
    if grid_of(graph.tensors[name]) is not None:
        return 1.0
    maker = graph.producers.get(name)
    if maker is None or maker.kind != "DEQUANTIZE":
        return None
    grid = grid_of(graph.tensors[maker.inputs[0]])
    return None if grid is None or grid.scale.size != 1 else float(grid.scale)


def _cpu_refusals(witness: str, differences: Sequence[CpuDifference]) -> Iterator[str]:
    for difference in differences:
        if not difference.is_rounding:
            yield f"{witness}: output '{difference.name}' changes by {difference.words}, which is more than rounding"


def _made_out_of_range(subject: Subject, fixed: Mended, cpu: Target, precisions: Sequence[Precision]) -> Iterator[str]:
    """The values around a workaround that a precision cannot hold, where it held all that it is put in the place of.

    With them nothing would be proven: what an infinity becomes may be another driver's to say.
    """
    own_ops = OwnOps(lambda: nullcontext(cpu))
    feeds = {id(feed): feed for feed in subject.feeds}.values()

    def beyond(graph: Graph, ops: Sequence[Op], precision: Precision) -> frozenset[str]:
        near = {name for op in ops for name in (*op.inputs, *op.outputs) if name}
        if not near:
            return frozenset()
        constant = {name: data for name in near if (data := graph.tensors[name].data) is not None}
        computed = (own_ops.values(graph, feed, near.__contains__) for feed in feeds)
        held = [constant, *({name: v for name, v in each.items() if name in near} for each in computed)]
        return frozenset[str]().union(*(out_of_range(values, precision) for values in held))

    for precision in precisions if fixed.added else ():
        made = beyond(fixed.graph, fixed.added, precision)
        if made and not beyond(fixed.before, fixed.removed, precision):
            yield f"{precision}: the workaround makes '{min(made)}' larger than this precision holds"


def _left(fixed: Mended) -> Iterator[str]:
    for hazard in fixed.left:
        known = "the workaround did not help" if RULES[hazard.rule].workaround else "no workaround is known"
        yield f"hazard {hazard.rule} at '{hazard.tensor}' is left: {known}"


def _judgement(
    precision: Precision,
    now: Verdict,
    was: Verdict | None,
    cpu_misses: Mapping[int, Verdict],
    mended: set[int],
    sound: set[int],
    left_alone: Mapping[int, str],
) -> tuple[str, bool]:
    """What to say of one output after the change, and whether it refuses the proof. Empty where it passes.

    cpu_misses: outputs that the cpu, too, computes less exactly than the judge allows. mended: outputs
    that a hazard named. sound: outputs found right in fp32, whose trouble in fp16 is precision.
    left_alone: rules of the outputs that only some adapters lose, and that no workaround was applied to.
    """
    if now.status is Status.PASS:
        return "", False
    said = f"{precision}: output {now.output} '{now.name}' is {now.status}"
    said += f" ({now.signature})" if now.signature else ""
    if was is not None and was.status is Status.PASS:
        return f"{said}, and was PASS before", True
    if now.status is Status.FAIL and now.output in left_alone:
        return f"{said}, as before: {left_alone[now.output]} was left alone; emit it through a MUL by 1", False
    if now.status is Status.INVALID and now.output not in sound:
        return f"{said}: {now.reason}; give --inputs that can tell", True
    miss = cpu_misses.get(now.output)
    if precision is Precision.FP32 and miss is not None and _as_exact_as(now, miss):
        return f"{said}, as before; the cpu misses float64 there by as much, so it is rounding, not the delegate", False
    if precision is not Precision.FP32 and now.output in sound and (now.output not in mended or _no_power(now)):
        return f"{said}, as before; fp32 is right there, so it is precision, not structure", False
    return f"{said} still; `repro reduce` says why", True


def _no_power(verdict: Verdict) -> bool:
    return verdict.status is Status.INVALID


def _as_exact_as(verdict: Verdict, cpu: Verdict) -> bool:
    """Whether the target's largest error is of the size of the cpu's."""
    mine, other = verdict.metrics.get("max_abs"), cpu.metrics.get("max_abs")
    return mine is not None and other is not None and mine <= 4.0 * other


def op_line(op: Op, graph: Graph) -> str:
    """One op for a diff: kind, inputs with shapes, outputs with shapes."""
    sides = []
    for names in (op.inputs, op.outputs):
        parts = []
        for name in names:
            if not name:
                continue
            tensor = graph.tensors[name]
            mark = "const" if tensor.is_constant else f"'{_short(name)}'"
            parts.append(f"{mark} {list(tensor.shape)}")
        sides.append(", ".join(parts))
    return f"{op.kind}({sides[0]}) -> {sides[1]}"


def _short(name: str, limit: int = 60) -> str:
    return name if len(name) <= limit else f"...{name[-limit:]}"
