"""Check 5: does the gate see the bug at all? A layout that must come out wrong here does.

Key insight: a gate that passes everything looks like a gate that passes a good split. So a second layout has to fail
on the same target, by an output that was judged wrong and not because it could not run. Where no graph holds a known
hazard, and would hold none without its last op either, there is nothing to get wrong, and the layout may say so.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

from cases.graph import Graph, GraphError
from repro.hazards.examined import examined_words, unexamined
from repro.hazards.hazard import Hazard
from repro.hazards.lint import find_hazards
from repro.layouts.chain import chain_checks
from repro.layouts.models import PartModel
from repro.layouts.reader import read_layout
from repro.layouts.result import GateAnswer, GateCheck
from repro.layouts.walk import Ground, Say, prepare, walk_on
from runner.target import Target

NO_CONTROL = "none"
"""What stands in the place of the control's name where there is none."""


def control_checks(ground: Ground, target: Target, say: Say) -> tuple[list[GateCheck], float]:
    """The answers about the control of a layout, and the target's seconds."""
    control = ground.layout.control
    if control.none:
        return [_without(ground, control.none)], 0.0
    if control.layout is None:
        return [], 0.0
    name = control.layout.name
    if target.name.partition(":")[0] == "cpu":
        return [_note(name, "not run: the cpu target has no delegate to get it wrong")], 0.0
    return _run(ground, target, say)


def _note(name: str, reason: str) -> GateCheck:
    return GateCheck("control", name, "", GateAnswer.NOTE, reason)


def _without(ground: Ground, why: str) -> GateCheck:
    """A layout without a control is believed where the lint knows nothing that a control could show."""
    for model in ground.models.values():
        for tensor, hazard, is_avoided in hazards_of(model):
            what = f"graph {model.part.name} avoids" if is_avoided else f"graph {model.part.name} has"
            reason = (
                f"the layout says that there is nothing to get wrong ({why}), but {what} the hazard {hazard.rule} at"
                f" '{tensor}': write the layout that has it, and name it as [control] layout"
            )
            return GateCheck("control", NO_CONTROL, tensor, GateAnswer.REFUSED, reason)
    known = "the lint knows no hazard in any of the graphs"
    counts = sum((unexamined(model.graph) for model in ground.models.values()), Counter[str]())
    if left_out := "".join(examined_words(counts)):
        known += f", with {left_out}"
    return _note(NO_CONTROL, f"no layout has to fail here: {why} ({known})")


def hazards_of(model: PartModel) -> Iterator[tuple[str, Hazard, bool]]:
    """(tensor, hazard, whether the graph avoids it) of a graph, and of the same graph without the last op of an output.

    That op may be there to keep the delegate off the tensor before it, as a multiplication by 2 is.
    """
    graph = model.graph
    names = dict(zip(graph.outputs, model.part.outputs, strict=True))
    present = find_hazards(graph)
    for hazard in present:
        yield names.get(hazard.tensor, hazard.tensor), hazard, False
    known = {(hazard.rule, hazard.tensor) for hazard in present}
    for output in graph.outputs:
        naive = without_last_op(graph, output)
        for hazard in find_hazards(naive) if naive is not None else ():
            if (hazard.rule, hazard.tensor) not in known:
                yield hazard.tensor, hazard, True


_KEEPING = frozenset({"RESHAPE", "TRANSPOSE", "NEG", "SQUEEZE", "EXPAND_DIMS"})
"""Ops that change no value beyond its place and sign, so that they can be there for the delegate's sake alone."""
_CUTTING = frozenset({"PAD", "PADV2", "SLICE", "STRIDED_SLICE"})
"""The same, where they neither cut nor add anything."""
_SCALING = frozenset({"MUL", "DIV", "ADD", "SUB"})
"""The same, where their other operand is one constant number."""


def without_last_op(graph: Graph, output: str) -> Graph | None:
    """The graph that emits what an output is made of, where its last op could be left out; None where it could not."""
    op = graph.producers.get(output)
    if op is None:
        return None
    before = [name for name in op.inputs if name and not graph.tensors[name].is_constant]
    constants = [graph.tensors[name] for name in op.inputs if name and graph.tensors[name].is_constant]
    if len(before) != 1 or graph.producers.get(before[0]) is None:
        return None
    is_one_number = all(math.prod(constant.shape) == 1 for constant in constants)
    keeps_shape = graph.tensors[before[0]].shape == graph.tensors[output].shape
    could_go = (op.kind in _SCALING and is_one_number) or (op.kind in _CUTTING and keeps_shape) or op.kind in _KEEPING
    if not could_go:
        return None
    if before[0] in graph.outputs or any(output in other.inputs for other in graph.ops):
        return None
    try:
        return replace(
            graph,
            ops=tuple(other for other in graph.ops if other is not op),
            outputs=tuple(before[0] if name == output else name for name in graph.outputs),
        ).validate()
    except GraphError:
        return None


def _run(ground: Ground, target: Target, say: Say) -> tuple[list[GateCheck], float]:
    """The control must come out wrong here, by a judged output, not because it could not run."""
    layout, control, precision = ground.layout, ground.layout.control, ground.precision
    assert control.layout is not None
    name = control.layout.name
    twin = read_layout(control.layout)
    shared = {key: value for key, value in layout.parameters.items() if key in twin.parameters}
    other = prepare(replace(twin, parameters={**twin.parameters, **shared}), ground.size, precision, say)
    until = frozenset(control.fails) or None
    walk = walk_on(target, other, say, until)
    stopped = [check for check in walk.checks if check.kind == "residency" and check.answer is GateAnswer.REFUSED]
    if stopped:
        reason = f"it could not run ({stopped[0].reason}), so it shows nothing"
        return [GateCheck("control", name, "", GateAnswer.REFUSED, reason)], walk.seconds
    checks = [check for check in walk.checks if check.kind == "output"]
    if until is None and walk.actual is not None:
        checks += chain_checks(other.layout, other.chain_references(), walk.actual, other.layout.thresholds[precision])
    wrong = {check.tensor: check for check in checks if check.answer is GateAnswer.REFUSED}
    missing = [tensor for tensor in control.fails if tensor not in wrong]
    if wrong and not missing:
        tensor, check = next((t, c) for t, c in wrong.items() if not control.fails or t in control.fails)
        reason = f"fails here as it must: {check.reason}"
        return [GateCheck("control", name, tensor, GateAnswer.PASS, reason, detail=check.detail)], walk.seconds
    what = ", ".join(missing) or "every output"
    reason = (
        f"THE CONTROL PASSES: {what} of {name} is right on {target.name} {precision}. Either the bug is gone here and"
        f" the workaround can go, or this gate cannot see it ({control.reason})"
    )
    return [GateCheck("control", name, what, GateAnswer.REFUSED, reason)], walk.seconds
