"""From a Run to verdicts: one per output, PASS, FAIL or INVALID, or how the run ended.

Pure: arrays in, verdicts out. The order of the questions is fixed, strongest evidence first: did it run;
was the buffer written at all (the sentinel needs no reference); is it finite; had the comparison power; is
it within the rule; does it follow the inputs. Only what fails is diagnosed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from cases.graph import Graph
from repro.verdicts.diagnose import Diagnosis, Evidence, diagnose
from repro.verdicts.error_map import error_map
from repro.verdicts.metrics import all_metrics, quoted_metrics
from repro.verdicts.noise_floor import Floor
from repro.verdicts.numeric_rule import judge_numbers
from repro.verdicts.subject import Subject
from repro.verdicts.thresholds import DEFAULT, Thresholds
from repro.verdicts.verdict import NumericVerdict, Status, Verdict
from runner.run import Feed, Outcome, Outputs, Precision, Run, unwritten_mask
from runner.webgpu_log import RefusedCommand, refused_command

MetricSet = Literal["none", "quoted", "all"]
"""Which numbers a verdict carries: `quoted` are pearson and max_abs."""

DEFAULT_DEPTH = 64  # accumulations assumed for bare arrays without a floor: a 64-channel dot product


def judge(
    run: Run,
    subject: Subject,
    *,
    thresholds: Thresholds = DEFAULT,
    metrics: MetricSet = "quoted",
    explain: bool = True,
) -> tuple[Verdict, ...]:
    """Judge every output of a run of this subject.

    thresholds: the limits, else the project's own table. metrics: which of them to compute; they gate nothing. explain:
    False leaves signature and `holds` of failures empty, for callers that count verdicts by the thousand.

    A run that is not OK gives one verdict per output where the names are known, else a single one with output -1,
    and asks for no reference. Raises ValueError where the run is of other feeds than the subject's, NoReference
    where nothing says what is right.
    """
    if run.outcome is not Outcome.OK:
        return _ended(run)
    feeds, references = subject.feeds, subject.references
    if not run.outputs or len(run.outputs) != len(references) or len(references) != len(feeds):
        raise ValueError(f"{len(run.outputs)} runs, {len(references)} references and {len(feeds)} feeds do not pair up")
    graph = None if subject.is_bare else subject.graph
    precision = Precision(run.fingerprint.precision)
    floors = subject.floors(precision)
    if len(floors) != len(references[0]):
        raise ValueError(f"{len(floors)} floors for {len(references[0])} outputs")
    names = _names(run, graph, len(references[0]))
    refused = refused_command(run.log)
    judging = _Judging(
        run.outputs, feeds, references, floors, precision, names, graph, refused, thresholds, metrics, explain
    )
    return tuple(judging.verdict(index) for index in range(len(names)))


def judge_arrays(
    actual: np.ndarray,
    reference: np.ndarray,
    floor: Floor | None = None,
    *,
    precision: str | Precision = Precision.FP32,
    output: int = 0,
    name: str = "",
    thresholds: Thresholds = DEFAULT,
    metrics: MetricSet = "all",
) -> Verdict:
    """Judge one bare array against what is right, without a graph or inputs.

    actual: as the target gave it. reference: what is right, best in float64; another shape or kind of dtype than
    actual's is a FAIL. floor: the noise floor to judge by; None derives one from precision, DEFAULT_DEPTH
    accumulations and the reference's range. output, name: for the verdict only. thresholds, metrics: as for `judge`.
    """
    precision = Precision(precision)
    limit = floor or Floor(0.0, "rule", DEFAULT_DEPTH)
    judged = _judge_pair(np.asarray(reference), np.asarray(actual), limit, precision, thresholds)
    diagnosis = Diagnosis()
    if judged.status is Status.FAIL:
        evidence = Evidence(0, (name,), ((),), ((np.asarray(reference),),), ((np.asarray(actual),),), precision)
        diagnosis = diagnose(evidence, [0], thresholds)
    return Verdict(
        output=output,
        name=name,
        status=judged.status,
        signature=diagnosis.signature,
        reason=judged.reason,
        holds=diagnosis.holds,
        floor=limit.source,
        power=judged.power,
        metrics=_metrics(reference, actual, metrics),
    )


def _ended(run: Run) -> tuple[Verdict, ...]:
    status = Status(str(run.outcome))
    if not run.output_names:
        return (Verdict(-1, "", status, reason=run.message),)
    return tuple(Verdict(i, name, status, reason=run.message) for i, name in enumerate(run.output_names))


def _names(run: Run, graph: Graph | None, count: int) -> tuple[str, ...]:
    if len(run.output_names) == count:
        return tuple(run.output_names)
    if graph is not None and len(graph.outputs) == count:
        return tuple(graph.outputs)
    return tuple(f"output_{i}" for i in range(count))


@dataclass(frozen=True, eq=False)
class _Judging:
    """One run held against what is right: what the judging of every output shares."""

    outputs: Outputs
    feeds: tuple[Feed, ...]
    references: Outputs
    floors: tuple[Floor, ...]
    precision: Precision
    names: tuple[str, ...]
    graph: Graph | None
    refused: RefusedCommand | None
    table: Thresholds
    metrics: MetricSet
    explain: bool

    def verdict(self, index: int) -> Verdict:
        """The verdict on one output over all feeds."""
        name, floor = self.names[index], self.floors[index]
        shortest = min(map(len, self.outputs))
        if index >= shortest:
            return Verdict(index, name, Status.FAIL, "wrong", f"the run has only {shortest} outputs")
        judged = _scalar_power(self._per_feed(index), [outputs[index] for outputs in self.references])
        failed = [k for k, numeric in enumerate(judged) if numeric.status is Status.FAIL]
        worst = failed[0] if failed else next((k for k, j in enumerate(judged) if j.status is Status.INVALID), 0)
        status, reason = judged[worst].status, judged[worst].reason
        held = Diagnosis()
        if failed and self.explain:
            evidence = Evidence(
                index, self.names, self.feeds, self.references, self.outputs, self.precision, self.graph
            )
            held = diagnose(evidence, failed, self.table, self.refused)
        reference, actual = self.references[worst][index], self.outputs[worst][index]
        if status is not Status.PASS and len(judged) > 1:
            which = "every run" if len(failed) == len(judged) else f"run {worst + 1} of {len(judged)}"
            reason = f"{reason} ({which})"
        return Verdict(
            output=index,
            name=name,
            status=status,
            signature=held.signature,
            reason="; ".join(part for part in (reason, self._repeatability(index)) if part),
            holds=held.holds,
            floor=floor.source,
            power=max(numeric.power for numeric in judged),
            metrics=_metrics(reference, actual, self.metrics),
            error_map=error_map(reference, actual) if failed and self.explain and self.metrics != "none" else None,
        )

    def _per_feed(self, index: int) -> list[NumericVerdict]:
        judged: list[NumericVerdict] = []
        for k, outputs in enumerate(self.outputs):
            # The same input giving the same bits needs no second look.
            twin = next((j for j in range(k) if self._is_same_run(index, j, k)), None)
            if twin is not None:
                judged.append(judged[twin])
                continue
            reference, floor = np.asarray(self.references[k][index]), self.floors[index].of_feed(k)
            judged.append(_judge_pair(reference, outputs[index], floor, self.precision, self.table))
        return judged

    def _is_same_run(self, index: int, j: int, k: int) -> bool:
        x, y = self.references[j][index], self.references[k][index]
        return (x is y or np.array_equal(x, y)) and _same_bits(self.outputs[j][index], self.outputs[k][index])

    def _repeatability(self, index: int) -> str:
        """A remark where equal inputs gave different bits; inside the rule that is legal, and worth saying."""
        feeds = self.feeds
        for k in range(1, len(feeds)):
            for j in range(k):
                if len(feeds[j]) == len(feeds[k]) and all(map(np.array_equal, feeds[j], feeds[k])):
                    x, y = self.outputs[j][index], self.outputs[k][index]
                    if not _same_bits(x, y) and x.shape == y.shape:
                        return f"not deterministic: runs {j + 1} and {k + 1} of the same input differ"
        return ""


def _judge_pair(
    reference: np.ndarray, actual: np.ndarray, floor: Floor, precision: Precision, table: Thresholds
) -> NumericVerdict:
    """One output after one feed: everything but how it compares with the other feeds."""
    if tuple(actual.shape) != tuple(reference.shape):
        return NumericVerdict(
            Status.FAIL, f"shape {tuple(actual.shape)}, the reference has {tuple(reference.shape)}", 0.0
        )
    if _says_nothing(reference):
        unwritten = int(unwritten_mask(actual).sum())
        if unwritten:
            return NumericVerdict(Status.FAIL, f"{unwritten}/{actual.size} elements were never written", 0.0)
        return NumericVerdict(Status.INVALID, "nothing says what is right: the reference holds no number", 0.0)
    if _kind(actual) != _kind(reference):
        return NumericVerdict(Status.FAIL, f"dtype {actual.dtype}, the reference has {reference.dtype}", 0.0)
    if _kind(actual) != "float":
        return _judge_exact(reference, actual)
    judged = judge_numbers(reference, actual, floor, precision, table)
    if judged.status is not Status.PASS:
        # A sentinel is finite and fails the rule by itself; here it gets its name, reference or not.
        unwritten = int(unwritten_mask(actual).sum())
        if unwritten:
            return NumericVerdict(Status.FAIL, f"{unwritten}/{actual.size} elements were never written", judged.power)
        if judged.status is Status.INVALID and np.isfinite(reference).all() and not np.isfinite(actual).all():
            bad = int((~np.isfinite(actual)).sum())
            return NumericVerdict(Status.FAIL, f"{bad}/{actual.size} elements not finite", judged.power)
    return judged


def _says_nothing(reference: np.ndarray) -> bool:
    """Whether no element of it is a number: so is what no witness knows."""
    return reference.dtype.kind == "f" and reference.size > 0 and bool(np.isnan(reference).all())


def _kind(array: np.ndarray) -> str:
    return {"f": "float", "b": "bool"}.get(array.dtype.kind, "integer")


def _judge_exact(reference: np.ndarray, actual: np.ndarray) -> NumericVerdict:
    """Integers and booleans are compared exactly; a constant reference has no power here either."""
    different = int((reference != actual).sum())
    if different:
        return NumericVerdict(Status.FAIL, f"{different}/{reference.size} elements differ (compared exactly)", 0.0)
    if reference.size == 0 or (reference.size > 1 and (reference == reference.flat[0]).all()):
        return NumericVerdict(
            Status.INVALID, "the reference is constant" if reference.size else "the output has no elements", 0.0
        )
    return NumericVerdict(Status.PASS, "", 0.0)


def _scalar_power(judged: list[NumericVerdict], references: Sequence[np.ndarray]) -> list[NumericVerdict]:
    """A single element has no spread: its power is that it changes with the inputs."""
    first = np.asarray(references[0])
    if first.size != 1 or len(references) == 1 or any(j.status is not Status.PASS for j in judged):
        return judged
    if all(np.array_equal(first, r) for r in references[1:]):
        reason = f"the reference is one element that is {first.flat[0]:.6g} for every input"
        return [NumericVerdict(Status.INVALID, reason, j.power) for j in judged]
    return judged


def _same_bits(x: np.ndarray, y: np.ndarray) -> bool:
    if x.shape != y.shape or x.dtype != y.dtype:
        return False
    x, y = np.ascontiguousarray(x), np.ascontiguousarray(y)
    return bool(np.array_equal(x.reshape(-1).view(np.uint8), y.reshape(-1).view(np.uint8)))


def _metrics(reference: np.ndarray, actual: np.ndarray, which: MetricSet) -> dict[str, float]:
    if which == "none" or np.shape(reference) != np.shape(actual) or np.size(reference) == 0:
        return {}
    return quoted_metrics(reference, actual) if which == "quoted" else all_metrics(reference, actual)


def power_statement(verdict: Verdict) -> str:
    """The sentence of the record: how small an error this comparison would have noticed."""
    return f"would have noticed an RMS error of {verdict.power:.3g}"
