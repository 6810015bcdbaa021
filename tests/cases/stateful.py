"""Small models that keep something from run to run, as a converter writes them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from cases.builder import GraphBuilder
from cases.evaluation.variables import INITIALISER
from cases.graph import Graph, Op, Tensor
from cases.tflite.extras import OpExtras
from cases.tflite.read import read_tflite
from cases.tflite.write import write_tflite


def handle(tensor: str, variable: str) -> Op:
    return Op("VAR_HANDLE", (), (tensor,), {"container": b"", "shared_name": variable.encode()})


def once(initialiser: Graph) -> Op:
    raw = OpExtras(
        options_code=schema.BuiltinOptions.CallOnceOptions,
        options=schema.CallOnceOptionsT(),
        bodies={INITIALISER: (initialiser,)},
    )
    return Op("CALL_ONCE", (), (), {}, raw)


def assigning(**values: np.ndarray) -> Graph:
    """A subgraph that gives each variable a value."""
    tensors: dict[str, Tensor] = {}
    ops: list[Op] = []
    for name, value in values.items():
        tensors[name] = Tensor(name, (), "resource")
        tensors[f"{name}_value"] = Tensor(f"{name}_value", value.shape, value.dtype.name, value)
        ops += [handle(name, name), Op("ASSIGN_VARIABLE", (name, f"{name}_value"), ())]
    return Graph(tensors, tuple(ops), (), ())


def remembering(step: Graph, first: np.ndarray, raw: Any = None) -> Graph:
    """A model whose variable is the first input of a step before it runs, and its first output afterwards.

    first: the variable's value before the first run. raw: of the tensor that it is read into.
    """
    kept, following = step.inputs[0], step.outputs[0]
    tensors = {**step.tensors, "state": Tensor("state", (), "resource")}
    tensors[kept] = replace(tensors[kept], raw=raw)
    ops = (
        once(assigning(memory=first)),
        handle("state", "memory"),
        Op("READ_VARIABLE", ("state",), (kept,)),
        *step.ops,
        Op("ASSIGN_VARIABLE", ("state", following), ()),
    )
    return read_tflite(write_tflite(Graph(tensors, ops, step.inputs[1:], step.outputs).validate()))


def smoothing(shape: tuple[int, ...], factor: float = 0.5) -> Graph:
    """y = kept * factor + x, which is kept, and |y|."""
    g = GraphBuilder()
    kept, x = g.input("kept", shape), g.input("x", shape)
    y = g.add(g.mul(kept, g.const(np.float32(factor))), x, "y")
    return remembering(g.build([y, g.unary("ABS", y, name="size")]), np.full(shape, 0.25, np.float32))
