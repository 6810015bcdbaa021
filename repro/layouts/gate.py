"""The gate: a layout passes on a target, or is refused with the reason and the tensor it is about.

Six questions, in the order in which an answer makes the next one worth asking: structure, residency, every output,
the chain, the control, the baseline. Everything that can be asked is asked: a refusal does not hide the next one.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from repro.layouts.baseline import baseline_check
from repro.layouts.chain import chain_checks
from repro.layouts.layout import GraphPart, Layout
from repro.layouts.models import PartModel, Values, load_inputs, load_model
from repro.layouts.outputs import GraphPlan, job_of, output_checks, plan, residency_check
from repro.layouts.reader import read_layout
from repro.layouts.reference import ReferenceSource, host_outputs
from repro.layouts.result import KINDS, GateAnswer, GateCheck, Report
from repro.layouts.structure import structure_checks
from runner.errors import BadInput
from runner.run import Fingerprint, Outcome, Precision, Run
from runner.target import Target

Say = Callable[[str], None]


@dataclass(eq=False)
class _Ground:
    """What does not depend on the target: graphs, inputs and reference values of one layout, size and precision."""

    layout: Layout
    size: int | None
    precision: Precision
    models: dict[str, PartModel]
    source: ReferenceSource
    inputs: list[Values]
    ideal: list[Values]


@dataclass(eq=False)
class _Walk:
    """One pass over the parts on a target: what came out."""

    checks: list[GateCheck] = field(default_factory=list)
    actual: list[Values] | None = None
    broken: str = ""
    fingerprint: Fingerprint | None = None
    seconds: float = 0.0


def prepare(layout: Layout, size: int | None, precision: Precision, say: Say) -> _Ground:
    """Load or build the graphs, the inputs and the reference values. Raises BadInput for a layout that does not fit."""
    inputs = load_inputs(layout, size)
    models = {}
    for part in layout.graphs:
        say(f"{layout.name}: graph {part.name}")
        models[part.name] = load_model(layout.path, part, size, precision, layout.parameters)
    source = ReferenceSource(layout, size)
    ideal = []
    for index, values in enumerate(inputs):
        say(f"{layout.name}: reference {index + 1} of {len(inputs)}")
        ideal.append(_reference_walk(layout, models, source, values, size))
    return _Ground(layout, size, precision, models, source, inputs, ideal)


def _reference_walk(
    layout: Layout, models: Mapping[str, PartModel], source: ReferenceSource, inputs: Values, size: int | None
) -> Values:
    """All tensors of the layout as the references give them, float32 as they would pass between graphs."""
    from repro.layouts.models import feed_of

    values = dict(inputs)
    for part in layout.parts:
        if isinstance(part, GraphPart):
            outputs = source.graph(models[part.name], feed_of(models[part.name], values, layout.path))
            with np.errstate(over="ignore"):  # what float32 cannot hold passes on as infinite, as between graphs
                values |= {name: array.astype("float32") for name, array in zip(part.outputs, outputs, strict=True)}
        else:
            values |= host_outputs(layout, part, values, size)
    return values


def chosen_size(layout: Layout, asked: int | None) -> int | None:
    """The size to gate at. Raises BadInput for one that the layout does not have."""
    if asked is None:
        return layout.sizes[0] if layout.sizes else None
    if asked not in layout.sizes:
        known = ", ".join(map(str, layout.sizes)) or "no sizes at all"
        raise BadInput(f"layout '{layout.path}': --size {asked}: it has {known}")
    return asked


def require_precision(layout: Layout, precision: Precision) -> None:
    """Raise BadInput where the layout has no thresholds for a precision."""
    if precision not in layout.precisions:
        known = ", ".join(layout.precisions)
        raise BadInput(f"layout '{layout.path}': no thresholds for {precision}; it is gated in {known}")


def gate(layout: Layout, target: Target, precision: Precision, size: int | None, say: Say) -> Report:
    """Gate one layout on one activated target."""
    started = time.monotonic()
    ground = prepare(layout, size, precision, say)
    checks = [check for model in ground.models.values() for check in structure_checks(model, layout.allowed)]
    walk = _walk(ground, target, say, until=None)
    checks += walk.checks
    checks += _chain(ground, walk, say)
    seconds = walk.seconds
    control, control_seconds = _control(layout, target, precision, size, walk, say)
    checks += control
    if walk.fingerprint is not None:
        checks.append(baseline_check(layout, walk.fingerprint, size, checks))
    checks.sort(key=lambda check: KINDS.index(check.kind))
    return Report(
        layout.name,
        target.name,
        str(precision),
        size,
        walk.fingerprint,
        tuple(checks),
        time.monotonic() - started,
        seconds + control_seconds,
        ", ".join(f"{key} {value}" for key, value in layout.parameters.items()),
    )


def _walk(ground: _Ground, target: Target, say: Say, until: frozenset[str] | None) -> _Walk:
    """Run the parts in order. until: stop when all of these tensors were judged."""
    layout, size = ground.layout, ground.size
    walk = _Walk(actual=[dict(values) for values in ground.inputs])
    for part in layout.parts:
        if isinstance(part, GraphPart):
            model = ground.models[part.name]
            planned = plan(model, ground.ideal, walk.actual, layout)
            say(f"{layout.name}: {part.name} on {target.name} {ground.precision}")
            run = target.run(job_of(model, planned, ground.precision, layout))
            walk.fingerprint = walk.fingerprint or run.fingerprint
            walk.seconds += sum(run.stages.values()) + _repeats(run, planned)
            walk.checks.append(residency_check(model, run))
            if run.outcome is Outcome.OK:
                say(f"{layout.name}: judging {part.name}")
                walk.checks += output_checks(layout, model, run, planned, ground.source, ground.precision, size)
            _pass_on(walk, part, planned, run)
            if until is not None:
                until = until - set(part.outputs)
                if not until:
                    return walk
        elif walk.actual is not None:
            for values in walk.actual:
                values |= host_outputs(layout, part, values, size)
    return walk


def _repeats(run: Run, planned: GraphPlan) -> float:
    """`repeat_run` is a mean: the time of the later runs beyond the first of them."""
    return run.stages.get("repeat_run", 0.0) * max(0, len(planned.feeds) - 2)


def _pass_on(walk: _Walk, part: GraphPart, planned: GraphPlan, run: Run) -> None:
    """Give the graph's outputs to the chain, or break it off."""
    if walk.actual is None:
        return
    if run.outcome is not Outcome.OK:
        walk.actual, walk.broken = None, f"{part.name} did not run ({run.outcome})"
        return
    for values, k in zip(walk.actual, planned.chain, strict=True):
        values |= dict(zip(part.outputs, run.outputs[k], strict=True))


def _chain(ground: _Ground, walk: _Walk, say: Say) -> list[GateCheck]:
    layout = ground.layout
    if walk.actual is None:
        return [GateCheck("chain", "chain", "", GateAnswer.REFUSED, f"no result to compare: {walk.broken}")]
    say(f"{layout.name}: the chain against its reference")
    references = [
        ground.source.chain(values, lambda ideal=ideal: ideal)  # type: ignore[misc]
        for values, ideal in zip(ground.inputs, ground.ideal, strict=True)
    ]
    return chain_checks(layout, references, walk.actual, layout.thresholds[ground.precision])


def _control(
    layout: Layout, target: Target, precision: Precision, size: int | None, walk: _Walk, say: Say
) -> tuple[list[GateCheck], float]:
    """Check 5: the control must come out wrong here, by a judged output, not because it could not run."""
    control = layout.control
    if control.layout is None:
        return [], 0.0
    name = control.layout.name
    if target.name.partition(":")[0] == "cpu":
        reason = "not run: the cpu target has no delegate to get it wrong"
        return [GateCheck("control", name, "", GateAnswer.NOTE, reason)], 0.0
    twin = read_layout(control.layout)
    shared = {key: value for key, value in layout.parameters.items() if key in twin.parameters}
    twin = replace(twin, parameters={**twin.parameters, **shared})
    ground = prepare(twin, size, precision, say)
    until = frozenset(control.fails) or None
    other = _walk(ground, target, say, until)
    stopped = [check for check in other.checks if check.kind == "residency" and check.answer is GateAnswer.REFUSED]
    if stopped:
        reason = f"it could not run ({stopped[0].reason}), so it shows nothing"
        return [GateCheck("control", name, "", GateAnswer.REFUSED, reason)], other.seconds
    wrong = {
        check.tensor: check for check in other.checks if check.answer is GateAnswer.REFUSED and check.kind == "output"
    }
    if until is None:
        wrong |= {check.tensor: check for check in _chain(ground, other, say) if check.answer is GateAnswer.REFUSED}
    missing = [tensor for tensor in control.fails if tensor not in wrong]
    if wrong and not missing:
        tensor, check = next((t, c) for t, c in wrong.items() if not control.fails or t in control.fails)
        return [
            GateCheck("control", name, tensor, GateAnswer.PASS, f"fails here as it must: {check.reason}")
        ], other.seconds
    what = ", ".join(missing) or "every output"
    reason = (
        f"THE CONTROL PASSES: {what} of {name} is right on {target.name} {precision}. Either the bug is gone here and"
        f" the workaround can go, or this gate cannot see it ({control.reason})"
    )
    return [GateCheck("control", name, what, GateAnswer.REFUSED, reason)], other.seconds
