"""From a Run to verdicts: one per output, PASS, FAIL or INVALID, or how the run ended.

Pure: arrays in, verdicts out. The order of the questions is fixed, strongest evidence first: did it run;
was the buffer written at all (the sentinel needs no reference); is it finite; had the comparison power; is
it within the rule; does it follow the inputs. Only what fails is diagnosed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from cases.graph import Graph
from repro.verdicts.diagnose import Diagnosis, Evidence, diagnose
from repro.verdicts.error_map import error_map
from repro.verdicts.few_elements import FewElements, is_few
from repro.verdicts.metrics import all_metrics, quoted_metrics
from repro.verdicts.narrow_failures import judged_again
from repro.verdicts.near_ties import NearTies
from repro.verdicts.noise_floor import Floor
from repro.verdicts.numeric_rule import judge_numbers
from repro.verdicts.steps import judge_steps
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
    only: Sequence[int] | None = None,
) -> tuple[Verdict, ...]:
    """Judge every output of a run of this subject.

    thresholds: the limits, else the project's own table. metrics: which of them to compute; they gate nothing. explain:
    False leaves signature and `holds` of failures empty, for callers that count verdicts by the thousand. only: the
    outputs that are asked about, by their places; None asks about all.

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
        run.outputs,
        feeds,
        references,
        floors,
        precision,
        names,
        graph,
        refused,
        thresholds,
        metrics,
        explain,
        lambda name: subject.drawn_errors(name, precision),
        lambda name: subject.drawn_floors(name, precision),
    )
    return tuple(judging.verdict(index) for index in (range(len(names)) if only is None else only))


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
        detail=judged.detail,
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
    draw: Callable[[str], Sequence[float]]
    draw_floors: Callable[[str], Iterator[Floor]]

    def verdict(self, index: int) -> Verdict:
        """The verdict on one output over all feeds."""
        name, floor = self.names[index], self.floors[index]
        both = sorted({*self.graph.outputs}.intersection(self.graph.inputs)) if self.graph is not None else []
        if both:
            reason = f"'{both[0]}' is an input and an output: LiteRT runs no such file right, not on the cpu either"
            return Verdict(index, name, Status.INVALID, reason=reason)
        shortest = min(map(len, self.outputs))
        if index >= shortest:
            return Verdict(index, name, Status.FAIL, "wrong", f"the run has only {shortest} outputs")
        judged = self._with_power(index, self._together(index, self._per_feed(index)))
        failed = [k for k, numeric in enumerate(judged) if numeric.status is Status.FAIL]
        worst = failed[0] if failed else self._telling_nothing(index, judged)
        status, reason = judged[worst].status, judged[worst].reason
        held = Diagnosis()
        if failed and self.explain:
            has_emulation = floor.source != "rule"
            given = (self.names, self.feeds, self.references, self.outputs, self.precision, self.graph)
            evidence = Evidence(index, *given, has_emulation)
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
            detail=judged[worst].detail,
        )

    def _telling_nothing(self, index: int, judged: Sequence[NumericVerdict]) -> int:
        """The first run whose comparison had no power, where that leaves a fault unseen; else a run that passes.

        Of three different feeds and the first again, one may say nothing: whatever is late by a run or two, or right on
        one input only, shows after two of the others. So may the first run of a model that keeps something, all zero at
        first: the runs behind it differ, whatever is fed.
        """
        mute = [k for k, numeric in enumerate(judged) if numeric.status is Status.INVALID]
        told = [k for k in range(len(judged)) if k not in mute]
        if not mute:
            return 0
        different = {k for k in range(len(judged)) if not any(self._is_same_question(index, j, k) for j in range(k))}
        is_one_of_three = len(different) >= 3 and len(different.intersection(mute)) == 1
        return told[0] if is_one_of_three and self._is_same_feed(0, len(judged) - 1) else mute[0]

    def _is_same_question(self, index: int, j: int, k: int) -> bool:
        """Whether two runs were fed the same and must answer the same: what a model keeps may make the difference."""
        return self._is_same_feed(j, k) and self._has_same_reference(index, j, k)

    def _is_same_feed(self, j: int, k: int) -> bool:
        x, y = self.feeds[j], self.feeds[k]
        return x is y or (len(x) == len(y) and all(map(np.array_equal, x, y)))

    def _has_same_reference(self, index: int, j: int, k: int) -> bool:
        x, y = self.references[j][index], self.references[k][index]
        return x is y or np.array_equal(x, y, equal_nan=np.asarray(x).dtype.kind == "f")

    def _per_feed(self, index: int) -> list[NumericVerdict]:
        judged: list[NumericVerdict] = []
        for k, outputs in enumerate(self.outputs):
            # The same input giving the same bits needs no second look.
            twin = next((j for j in range(k) if self._is_same_run(index, j, k)), None)
            if twin is not None:
                judged.append(judged[twin])
                continue
            reference, floor = np.asarray(self.references[k][index]), self.floors[index].of_feed(k)
            found = _judge_pair(reference, outputs[index], floor, self.precision, self.table)
            if found.status is Status.FAIL:
                found = self._but_for_near_ties(index, k, floor, found)
            if found.status is Status.FAIL:
                found = self._of_noise_drawn_again(index, k, floor, found)
            judged.append(found)
        return judged

    def _together(self, index: int, alone: list[NumericVerdict]) -> list[NumericVerdict]:
        """The verdicts on an output of few elements by all feeds; else those on each feed alone."""
        references = [np.asarray(outputs[index]) for outputs in self.references]
        outputs = [outputs[index] for outputs in self.outputs]
        kinds = {(array.shape, _kind(array)) for array in (*references, *outputs)}
        if self.graph is None or not is_few(references[0]) or len(kinds) > 1 or self.floors[index].leaves_float32:
            return alone
        if any(unwritten_mask(output).any() for output in outputs):
            return alone
        output = self.graph.outputs[index]
        few = FewElements(
            self.graph,
            self.feeds,
            references,
            outputs,
            self.floors[index],
            self.precision,
            self.table,
            lambda: self.draw(output),
        )
        return few.judged_together(alone)

    def _with_power(self, index: int, judged: list[NumericVerdict]) -> list[NumericVerdict]:
        """A right output that is the same whatever is fed says nothing; a single element has no other spread."""
        references = [np.asarray(outputs[index]) for outputs in self.references]
        is_one = references[0].size == 1
        if len(references) == 1 or any(j.status is not Status.PASS for j in judged):
            return judged
        if not is_one and not self._should_follow_inputs(index):
            return judged
        if not all(np.array_equal(references[0], r) for r in references[1:]):
            return judged
        what = f"one element that is {references[0].flat[0]:.6g}" if is_one else "the same"
        return [NumericVerdict(Status.INVALID, f"the reference is {what} for every input", j.power) for j in judged]

    def _should_follow_inputs(self, index: int) -> bool:
        """Whether the graph computes an output from its inputs and these were fed with different values."""
        first = self.feeds[0]
        if self.graph is None or all(all(map(np.array_equal, first, feed)) for feed in self.feeds[1:]):
            return False
        reached = set(self.graph.inputs)
        for op in self.graph.ops:
            if reached.intersection(op.inputs):
                reached.update(op.outputs)
        return self.names[index] in reached

    def _but_for_near_ties(self, index: int, k: int, floor: Floor, found: NumericVerdict) -> NumericVerdict:
        """The verdict on an output after feed k without the elements that hang on values within their noise."""
        reference, actual = np.asarray(self.references[k][index]), self.outputs[k][index]
        if self.graph is None or reference.shape != actual.shape or _kind(reference) != _kind(actual):
            return found
        ties = NearTies(self.graph, self.feeds, self.precision, self.table)
        legal = ties.are_legal(self.names[index], k, reference, actual)
        if legal is None or not legal.any():
            return found
        forgiven = np.where(legal, reference.astype(actual.dtype), actual)
        return _judge_pair(reference, forgiven, floor, self.precision, self.table)

    def _of_noise_drawn_again(self, index: int, k: int, floor: Floor, found: NumericVerdict) -> NumericVerdict:
        reference, actual = np.asarray(self.references[k][index]), self.outputs[k][index]
        if self.graph is None or reference.shape != actual.shape or unwritten_mask(actual).any():
            return found
        drawn = (one.of_feed(k) for one in self.draw_floors(self.graph.outputs[index]))
        return judged_again(reference, actual, found, floor, drawn, self.precision, self.table)

    def _is_same_run(self, index: int, j: int, k: int) -> bool:
        outputs = self.outputs[j][index], self.outputs[k][index]
        return self._has_same_reference(index, j, k) and same_bits(*outputs)

    def _repeatability(self, index: int) -> str:
        """A remark where equal inputs gave different bits; inside the rule that is legal, and worth saying."""
        feeds = self.feeds
        for k in range(1, len(feeds)):
            for j in range(k):
                if self._is_same_question(index, j, k):
                    x, y = self.outputs[j][index], self.outputs[k][index]
                    if not same_bits(x, y) and x.shape == y.shape:
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
    if floor.leaves_float32 and not unwritten_mask(actual).any():
        return NumericVerdict(Status.INVALID, "what is fed leaves float32's range on the way, on any target", 0.0)
    if floor.source == "steps":
        return judge_steps(reference, actual, floor, table)
    if _kind(actual) != "float":
        return _judge_exact(reference, actual)
    judged = judge_numbers(reference, actual, floor, precision, table)
    if judged.status is not Status.PASS:
        # A sentinel is finite and fails the rule by itself; here it gets its name, reference or not.
        unwritten = int(unwritten_mask(actual).sum())
        if unwritten:
            return NumericVerdict(Status.FAIL, f"{unwritten}/{actual.size} elements were never written", judged.power)
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
    return _had_power(reference)


def _had_power(reference: np.ndarray) -> NumericVerdict:
    """Of whole numbers that are right: PASS, or INVALID where there is nothing to tell right from wrong."""
    if reference.size == 0 or (reference.size > 1 and (reference == reference.flat[0]).all()):
        return NumericVerdict(
            Status.INVALID, "the reference is constant" if reference.size else "the output has no elements", 0.0
        )
    return NumericVerdict(Status.PASS, "", 0.0)


def same_bits(x: np.ndarray, y: np.ndarray) -> bool:
    """Whether two arrays have one shape, one dtype and the same bytes: NaNs are themselves, -0.0 is not 0.0."""
    if x.shape != y.shape or x.dtype != y.dtype:
        return False
    x, y = np.ascontiguousarray(x), np.ascontiguousarray(y)
    return bool(np.array_equal(x.reshape(-1).view(np.uint8), y.reshape(-1).view(np.uint8)))


def _metrics(reference: np.ndarray, actual: np.ndarray, which: MetricSet) -> dict[str, float]:
    if which == "none" or np.shape(reference) != np.shape(actual) or np.size(reference) == 0:
        return {}
    return quoted_metrics(reference, actual) if which == "quoted" else all_metrics(reference, actual)
