"""What a model keeps from run to run: resource variables, and the state tensors of recurrent ops.

Key insight: a handle is a name, and the names of a file are few, so inside an evaluation a handle is the place of its
name in a list: a number that an IF or WHILE hands on like any other. A variable holds what TFLite's does, the stored
numbers: a quantised tensor's integers, which the tensor that reads them may place on another grid.

Source: TFLite's `kernels/var_handle.cc`, `assign_variable.cc`, `read_variable.cc` and `call_once.cc`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cases.evaluation.quantised import grid_of
from cases.evaluation.step import Step, Value
from cases.graph import Graph, GraphError, Op
from cases.tflite.bodies import bodies_of, body_of

INITIALISER = "initSubgraphIndex"
"""The schema's name of the field of a CALL_ONCE that refers to its subgraph."""


def is_stateful(graph: Graph) -> bool:
    """Whether a run may depend on the runs before it."""
    return any(
        op.kind == "VAR_HANDLE"
        or any(is_stateful(body) for body in bodies_of(op))
        or any(name and graph.tensors[name].is_state and name not in graph.inputs for name in op.inputs)
        for op in graph.ops
    )


def initialiser(op: Op) -> Graph | None:
    """The subgraph that a CALL_ONCE runs; None where it was not read."""
    return body_of(op, INITIALISER)


def handle(step: Step) -> Sequence[Value]:
    """VAR_HANDLE of nothing: equal names are one variable."""
    name = f"{step.attrs.get('container')!r} {step.attrs.get('shared_name')!r}"
    return (np.asarray(step.variables.number_of(name), np.int32),)


def assign(step: Step) -> Sequence[Value]:
    """ASSIGN_VARIABLE of (handle, value) to nothing."""
    grid = grid_of(step.graph.tensors[step.op.inputs[1]])
    step.variables.values[int(step[0])] = step[1] if grid is None else grid.integers(step[1])
    return ()


def read(step: Step) -> Sequence[Value]:
    """READ_VARIABLE of a handle. Raises GraphError for a variable that nothing has assigned."""
    held = step.variables.values.get(int(step[0]))
    if held is None:
        raise GraphError("READ_VARIABLE of a variable that nothing has assigned")
    grid = grid_of(step.graph.tensors[step.op.outputs[0]])
    return (held if grid is None else grid.real(held),)


def call_once(step: Step) -> Sequence[Value]:
    """CALL_ONCE: runs its subgraph, unless this or another op has run it before. Raises GraphError without one."""
    body = initialiser(step.op)
    if body is None:
        raise GraphError("CALL_ONCE whose subgraph was not read")
    if not step.variables.has_begun(body):
        step.run(body, ())
    return ()
