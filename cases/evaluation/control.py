"""IF and WHILE: which of an op's subgraphs runs, and how often, is decided by values.

Key insight: an evaluation has the values, so it runs the subgraph that the runtime would run, as a graph of its own, in
the same arithmetic. Where noise could change the decision, an emulation may decide otherwise; its floor then says so.

Source: TFLite's `kernels/if.cc` and `kernels/while.cc`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from cases.evaluation.quantised import grid_of
from cases.evaluation.step import Step, Value
from cases.graph import Graph, GraphError, Op
from cases.tflite.bodies import body_of

FIELDS: Mapping[str, tuple[str, str]] = {
    "IF": ("thenSubgraphIndex", "elseSubgraphIndex"),
    "WHILE": ("condSubgraphIndex", "bodySubgraphIndex"),
}
"""The op's kind -> the schema's names of the fields that refer to its two subgraphs."""
MOST_ROUNDS = 10_000
"""Of a WHILE: a file may hold one that never ends."""


def branch(step: Step) -> Sequence[Value]:
    """IF of (condition, operands...)."""
    then, other = _bodies(step.op)
    return step.run(then if np.asarray(step[0]).all() else other, _operands(step, 1))


def loop(step: Step) -> Sequence[Value]:
    """WHILE of what is carried around. Raises GraphError for one that does not end."""
    condition, body = _bodies(step.op)
    carried = _operands(step, 0)
    for _ in range(MOST_ROUNDS):
        (goes_on,) = step.run(condition, carried)
        if not np.asarray(goes_on).all():
            return carried
        carried = step.run(body, carried)
    raise GraphError(f"a WHILE that goes round more than {MOST_ROUNDS} times")


def not_evaluated(op: Op, graph: Graph) -> Iterator[str]:
    """Why an IF or WHILE cannot be evaluated, apart from the ops in its subgraphs."""
    try:
        bodies = _bodies(op)
    except GraphError as error:
        yield str(error)
        return
    ends = [graph.tensors[name] for name in (*op.inputs, *op.outputs) if name]
    inside = [tensor for body in bodies for tensor in body.tensors.values()]
    if any(grid_of(tensor) is not None for tensor in ends):
        yield f"{op.kind} of quantised tensors"
    if any(tensor.is_state for tensor in inside):
        yield f"{op.kind} with a state tensor inside"


def bodies_run(op: Op) -> tuple[Graph, ...]:
    """The subgraphs that an op of FIELDS has, as far as they were read."""
    return tuple(body for field in FIELDS[op.kind] if (body := body_of(op, field)) is not None)


def _bodies(op: Op) -> tuple[Graph, Graph]:
    bodies = bodies_run(op)
    if len(bodies) != len(FIELDS[op.kind]):
        raise GraphError(f"{op.kind} whose subgraphs were not read")
    first, second = bodies
    return first, second


def _operands(step: Step, first: int) -> list[Value]:
    return [step[index] for index in range(first, len(step.op.inputs))]
