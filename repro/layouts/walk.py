"""A layout's parts run in order: once in float64, as they should be, and once on a target, as they are.

Key insight: both walks give tensors by the layout's names, so that whatever comes out of one can be held against the
other, at each graph and at the end.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from repro.layouts.layout import GraphPart, HostPart, Layout
from repro.layouts.models import PartModel, Values, as_passed, feed_of, load_inputs, load_model
from repro.layouts.outputs import GraphPlan, job_of, output_checks, plan, residency_check
from repro.layouts.reference import ReferenceSource, host_outputs
from repro.layouts.result import GateCheck, timed
from runner.run import Fingerprint, Outcome, Precision, Run
from runner.target import Target

Say = Callable[[str], None]


@dataclass(eq=False)
class Ground:
    """What does not depend on the target: graphs, inputs and reference values of one layout, size and precision.

    ideal: per input set, all tensors of the layout as the references give them.
    """

    layout: Layout
    size: int | None
    precision: Precision
    models: dict[str, PartModel]
    source: ReferenceSource
    inputs: list[Values]
    ideal: list[Values]

    def chain_references(self) -> list[Values]:
        """What the whole layout should give, per input set."""
        return [
            self.source.chain(values, lambda ideal=ideal: ideal)  # type: ignore[misc]
            for values, ideal in zip(self.inputs, self.ideal, strict=True)
        ]


@dataclass(eq=False)
class Walk:
    """One pass over the parts on a target: what came out.

    actual: per input set, all tensors so far; None from a graph on that did not run, which `broken` tells.
    """

    checks: list[GateCheck] = field(default_factory=list)
    actual: list[Values] | None = None
    broken: str = ""
    fingerprint: Fingerprint | None = None
    seconds: float = 0.0


def prepare(layout: Layout, size: int | None, precision: Precision, say: Say) -> Ground:
    """Load or build the graphs, the inputs and the reference values. Raises BadInput for a layout that does not fit."""
    models = {}
    for part in layout.graphs:
        say(f"{layout.name}: graph {part.name}")
        models[part.name] = load_model(layout.path, part, size, precision, layout.parameters)
    inputs = load_inputs(layout, size, models.values())
    source = ReferenceSource(layout, size)
    ground = Ground(layout, size, precision, models, source, inputs, [])
    for index, values in enumerate(inputs):
        say(f"{layout.name}: reference {index + 1} of {len(inputs)}")
        ground.ideal.append(reference_walk(ground, values, layout.parts))
    return ground


def reference_walk(ground: Ground, ready: Values, parts: Sequence[GraphPart | HostPart]) -> Values:
    """Run `parts` as the references do, on the tensors that are ready; gives those and all that the parts give.

    Each tensor has the type in which it would pass between graphs.
    """
    values = dict(ready)
    for part in parts:
        if isinstance(part, GraphPart):
            model = ground.models[part.name]
            outputs = ground.source.graph(model, feed_of(model, values, ground.layout.path))
            values |= dict(zip(part.outputs, as_passed(model, outputs), strict=True))
        else:
            values |= host_outputs(ground.layout, part, values, ground.size)
    return values


def walk_on(target: Target, ground: Ground, say: Say, until: frozenset[str] | None = None) -> Walk:
    """Run the parts in order on a target. until: stop when all of these tensors were judged."""
    layout, size = ground.layout, ground.size
    walk = Walk(actual=[dict(values) for values in ground.inputs])
    for part in layout.parts:
        if isinstance(part, GraphPart):
            model = ground.models[part.name]
            planned = plan(model, ground.ideal, walk.actual, layout)
            say(f"{layout.name}: {part.name} on {target.name} {ground.precision}")
            began = time.monotonic()
            run = target.run(job_of(model, planned, ground.precision, layout))
            took = time.monotonic() - began
            walk.fingerprint = walk.fingerprint or run.fingerprint
            walk.seconds += sum(run.stages.values()) + _repeats(run, planned)
            walk.checks.append(replace(residency_check(model, run), seconds=took))
            if run.outcome is Outcome.OK:
                say(f"{layout.name}: judging {part.name}")
                walk.checks += timed(output_checks(layout, model, run, planned, ground.source, ground.precision, size))
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


def _pass_on(walk: Walk, part: GraphPart, planned: GraphPlan, run: Run) -> None:
    """Give the graph's outputs to the chain, or break it off."""
    if walk.actual is None:
        return
    if run.outcome is not Outcome.OK:
        walk.actual, walk.broken = None, f"{part.name} did not run ({run.outcome})"
        return
    for values, k in zip(walk.actual, planned.chain, strict=True):
        values |= dict(zip(part.outputs, run.outputs[k], strict=True))
