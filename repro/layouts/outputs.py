"""Checks 2 and 3: each graph on the target, GPU only; every output judged on the very feed the graph got.

A graph gets the reference's own inputs first, so that a broken graph before it does not blame it, and then whatever
the chain on the target gives it, so that the chain is what a user would see. One compile serves both.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from cases.evaluation.evaluate import FLOAT64, evaluate, unsupported
from cases.inputs import GivenFeeds
from repro.layouts.layout import Layout, Limit, Residual
from repro.layouts.models import PartModel, Values, feed_of, sized
from repro.layouts.named_functions import call
from repro.layouts.reference import Arrays, ReferenceSource, minus_constant
from repro.layouts.result import GateAnswer, GateCheck
from repro.verdicts.judge import judge
from repro.verdicts.references import Given
from repro.verdicts.subject import Subject, bare_subject
from repro.verdicts.thresholds import DEFAULT, ENTRIES, Threshold, Thresholds
from repro.verdicts.verdict import Status, Verdict
from runner.errors import BadInput
from runner.npz import UnreadableArrays, read_arrays
from runner.run import Job, Outcome, Precision, Run

OTHER_MODEL = (
    "the file computes something else than its reference, even in float64: other weights, another size, or its outputs "
    "in another order; convert it again from what the reference is of"
)
OTHER_MODEL_SHARE = 0.1
"""Of the reference's spread. A conversion (folded constants, fp16 weights) changes less than one part in a hundred."""


@dataclass(frozen=True, eq=False)
class GraphPlan:
    """The feeds of one job. judged: which of them are judged, in order; chain: which carry the chain, per input set."""

    feeds: tuple[Arrays, ...]
    judged: tuple[int, ...]
    chain: tuple[int, ...]


def plan(model: PartModel, ideal: Sequence[Values], actual: Sequence[Values] | None, layout: Layout) -> GraphPlan:
    """ideal: the reference's values per input set; actual: the chain's, None where the chain has broken off.

    The first feed comes again at the end, so that stale and non-deterministic outputs show.
    """
    own = [feed_of(model, values, layout.path) for values in ideal]
    passed = None if actual is None else [feed_of(model, values, layout.path) for values in actual]
    if passed is None or all(_equal(a, b) for a, b in zip(own, passed, strict=True)):
        feeds = (*own, own[0])
        return GraphPlan(feeds, tuple(range(len(feeds))), tuple(range(len(own))) if passed is not None else ())
    feeds = (own[0], *passed, own[0])
    return GraphPlan(feeds, (0, len(feeds) - 1), tuple(range(1, 1 + len(passed))))


def _equal(a: Arrays, b: Arrays) -> bool:
    return all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))


def job_of(model: PartModel, planned: GraphPlan, precision: Precision, layout: Layout) -> Job:
    return Job(model.data, planned.feeds, precision, name=f"{layout.name} {model.part.name}")


def residency_check(model: PartModel, run: Run) -> GateCheck:
    """Check 2. Anything but a whole, GPU-only graph is refused with what the runtime said."""
    part = model.part.name
    is_cpu = run.fingerprint.target.partition(":")[0] == "cpu"
    if run.outcome is not Outcome.OK:
        return GateCheck("residency", part, "", GateAnswer.REFUSED, f"{run.outcome}: {run.message}")
    if is_cpu:
        return GateCheck("residency", part, "", GateAnswer.NOTE, "the cpu target has no delegate to be resident on")
    if run.fully_accelerated is not True:
        said = "nothing" if run.fully_accelerated is None else "not fully accelerated"
        return GateCheck(
            "residency", part, "", GateAnswer.REFUSED, f"compiled for the GPU only, but the runtime says {said}"
        )
    return GateCheck("residency", part, "", GateAnswer.PASS, "all of it runs on the GPU")


def thresholds_of(layout: Layout, limits: Mapping[str, Limit]) -> Thresholds:
    """The judge's table with the layout's own entries in their place."""
    own = {key: Threshold(limit.value, limit.reason, layout.name) for key, limit in limits.items() if key in ENTRIES}
    return Thresholds(layout.name, {**ENTRIES, **own}) if own else DEFAULT


def output_checks(
    layout: Layout,
    model: PartModel,
    run: Run,
    planned: GraphPlan,
    source: ReferenceSource,
    precision: Precision,
    size: int | None,
) -> Iterator[GateCheck]:
    """Check 3, one answer per output."""
    feeds = tuple(planned.feeds[k] for k in planned.judged)
    references = tuple(source.graph(model, feed) for feed in feeds)
    subject = Subject(
        model.part.name, model.data, GivenFeeds(feeds), Given(references, "the layout's"), given_graph=model.graph
    )
    judged = replace(run, outputs=tuple(run.outputs[k] for k in planned.judged))
    thresholds = thresholds_of(layout, layout.thresholds.get(precision, {}))
    verdicts = judge(judged, subject, thresholds=thresholds)
    residuals = {residual.tensor: residual for residual in layout.residuals}
    for index, verdict in enumerate(verdicts):
        tensor = model.part.outputs[index]
        if verdict.status is Status.INVALID and not _is_of(model, feeds[0], references[0], index):
            yield GateCheck("output", model.part.name, tensor, GateAnswer.REFUSED, OTHER_MODEL)
            continue
        residual = residuals.get(tensor)
        if residual is None or verdict.status is Status.FAIL:
            spread = float(np.std(references[0][index].astype(np.float64)))
            yield _check(model, tensor, verdict, _rmse(judged, references, index), spread)
            continue
        constant = _constant(layout, residual, size, references[0][index].shape)
        bare = replace(
            judged,
            outputs=tuple((minus_constant(outputs[index], constant),) for outputs in judged.outputs),
            output_names=(tensor,),
        )
        wanted = tuple((minus_constant(outputs[index], constant),) for outputs in references)
        floor = source.residual_floor(model, feeds[0], index, constant, precision) or subject.floors(precision)[index]
        (inner,) = judge(bare, bare_subject(tensor, feeds, wanted, {precision: (floor,)}), thresholds=thresholds)
        note = f" without {residual.subtract} ({residual.reason})"
        yield _check(model, tensor, inner, _rmse(bare, wanted, 0), float(np.std(wanted[0][0])), note)


def _is_of(model: PartModel, feed: Arrays, reference: Arrays, index: int) -> bool:
    """Whether the file computes its reference: without rounding, what is left between them is far below the signal."""
    if unsupported(model.graph):
        return True  # not ours to say
    name = model.graph.outputs[index]
    with np.errstate(all="ignore"):  # of a reference that is not finite nothing is below anything
        error = np.subtract(evaluate(model.graph, feed, FLOAT64)[name], reference[index], dtype=np.float64)
        return bool(np.sqrt(np.mean(np.square(error))) <= OTHER_MODEL_SHARE * np.std(reference[index]))


def _constant(layout: Layout, residual: Residual, size: int | None, shape: tuple[int, ...]) -> np.ndarray:
    """What is subtracted from a tensor of this shape. Raises BadInput where it does not fit."""
    begins = f"layout '{layout.path}': [[residual]] '{residual.tensor}' subtract = '{residual.subtract}'"
    if residual.file is not None:
        try:
            constant = read_arrays(residual.file, alone="constant")["constant"]
        except (UnreadableArrays, KeyError) as error:
            raise BadInput(f"{begins} is no .npy ({error}); save the constant with numpy.save") from error
    else:
        constant = np.asarray(call(layout.path, residual.subtract, **sized(size), **layout.parameters))
    if not np.issubdtype(constant.dtype, np.number) or not _broadcasts(constant.shape, shape):
        raise BadInput(f"{begins} holds {constant.dtype} of shape {list(constant.shape)}, the tensor is {list(shape)}")
    return constant


def _broadcasts(shape: tuple[int, ...], to: tuple[int, ...]) -> bool:
    return len(shape) <= len(to) and all(a in (1, b) for a, b in zip(shape[::-1], to[::-1], strict=False))


def _rmse(run: Run, references: Sequence[Arrays], index: int) -> float:
    """The worst RMS error over the feeds: what the baseline remembers."""
    errors = (
        np.subtract(outputs[index], wanted[index], dtype=np.float64)
        for outputs, wanted in zip(run.outputs, references, strict=True)
    )
    with np.errstate(over="ignore", invalid="ignore"):
        return float(max(np.sqrt(np.mean(np.square(error))) for error in errors))


def _check(model: PartModel, tensor: str, verdict: Verdict, rmse: float, spread: float, note: str = "") -> GateCheck:
    """spread: of the reference, to which errors are put in proportion."""
    part, numbers = model.part.name, {"rmse": rmse}
    if verdict.status is Status.PASS:
        reason = f"right; an error of {_share(verdict.power, spread)} would have been noticed{note}"
        detail = f"would have noticed an RMS error of {verdict.power:.2g}"
        return GateCheck("output", part, tensor, GateAnswer.PASS, reason, numbers, detail=detail)
    signature = f" {verdict.signature}" if verdict.signature else ""
    held = f"; it {verdict.held}" if verdict.holds and not verdict.holds.startswith("nothing") else ""
    reason = f"{verdict.status}{signature}: {verdict.reason}{held}{note}"
    return GateCheck(
        "output", part, tensor, GateAnswer.REFUSED, reason, numbers, verdict.error_map, detail=verdict.detail
    )


def _share(error: float, spread: float) -> str:
    """An RMS error as a share of what the right values vary by."""
    return f"{100 * error / spread:.2g} % of the signal" if spread else f"{error:.2g}"
