"""The graph language: named ops over named tensors, with every tensor's role readable from it.

One representation serves all: cases are written in it, .tflite files are written from it and read
back into it, the reference, the emulation, the lint, the reducer and the fixer work on it. An op
that the language does not know is carried along untouched (`Op.raw`), so a graph with foreign ops
can still be linted and reduced.

Op kinds are TFLite builtin operator names (`ADD`, `FULLY_CONNECTED`, ...). Layouts are TFLite's:
NHWC activations, FULLY_CONNECTED weights [out, in], CONV_2D weights [out, kh, kw, in], DEPTHWISE
weights [1, kh, kw, channels]. Parameters that TFLite passes as constant tensors (axes, shapes,
permutations, paddings, begins, sizes) are constant int32 tensors here too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np


class GraphError(ValueError):
    """The graph is not well formed: a dangling name, a duplicate, a cycle, a shape that does not fit."""


@dataclass(frozen=True, eq=False)
class Tensor:
    """A tensor of the graph. `data` is given for constants and has exactly `shape` and `dtype`.

    dtype is a numpy dtype name. `raw` keeps what the language does not model (quantisation,
    sparsity, variable flag) for files that were read, and is None otherwise.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str = "float32"
    data: np.ndarray | None = None
    raw: Any = None

    @property
    def is_constant(self) -> bool:
        return self.data is not None

    @property
    def is_state(self) -> bool:
        """Whether the runtime keeps it from run to run: a variable tensor, zero before the first run."""
        return bool(getattr(self.raw, "is_variable", False))


@dataclass(frozen=True, eq=False)
class Op:
    """One operation. An absent optional input is the empty string.

    attrs: options by the schema's snake_case names (`fused_activation_function`: "NONE"/"RELU"/...,
    `keep_dims`, `padding`: "SAME"/"VALID", `stride_w`, `axis`, ...); absent means the default.
    raw: the file's own operator (schema object) when the kind is foreign to the language.
    """

    kind: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attrs: Mapping[str, Any] = field(default_factory=dict)
    raw: Any = None


@dataclass(frozen=True)
class Role:
    """What a tensor is in its graph. The known bugs live in roles, so a reducer must keep them.

    producer: op kind, or `input` / `constant` / `state`. consumers: op kinds, one entry per use, sorted.
    """

    rank: int
    producer: str
    consumers: tuple[str, ...]
    is_output: bool


@dataclass(frozen=True, eq=False, repr=False)
class Graph:
    """A directed acyclic graph in execution order. Names are unique; `validate` holds it to that.

    tensors: by name, constants included. inputs, outputs: names, in the file's order.
    extras: what a file that was read carries beside the graph (signature names, metadata).
    """

    tensors: Mapping[str, Tensor]
    ops: tuple[Op, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    extras: Any = None

    def __repr__(self) -> str:
        return f"<Graph of {len(self.ops)} ops: {', '.join(self.inputs)} -> {', '.join(self.outputs)}>"

    @cached_property
    def producers(self) -> Mapping[str, Op]:
        """Tensor name -> the op that writes it."""
        return {name: op for op in self.ops for name in op.outputs}

    @cached_property
    def uses(self) -> Mapping[str, tuple[Op, ...]]:
        """Tensor name -> the ops that read it, once per use, in execution order."""
        found: dict[str, list[Op]] = {}
        for op in self.ops:
            for name in op.inputs:
                if name:
                    found.setdefault(name, []).append(op)
        return {name: tuple(ops) for name, ops in found.items()}

    def role(self, name: str) -> Role:
        """The role of a tensor. Raises KeyError for an unknown name."""
        tensor = self.tensors[name]
        if name in self.producers:
            producer = self.producers[name].kind
        else:
            state = tensor.is_state and name not in self.inputs
            producer = "constant" if tensor.is_constant else "state" if state else "input"
        consumers = tuple(sorted(op.kind for op in self.uses.get(name, ())))
        return Role(len(tensor.shape), producer, consumers, name in self.outputs)

    def validate(self) -> Graph:
        """Return self, or raise GraphError saying what is not well formed."""
        known = set(self.inputs) | {n for n, t in self.tensors.items() if t.is_constant or t.is_state}
        for name in (*self.inputs, *self.outputs):
            if name not in self.tensors:
                raise GraphError(f"'{name}' is an input or output but no tensor")
        for op in self.ops:
            for name in op.inputs:
                if name and name not in known:
                    raise GraphError(f"{op.kind} reads '{name}' before anything wrote it")
            for name in op.outputs:
                if name not in self.tensors:
                    raise GraphError(f"{op.kind} writes '{name}', which is no tensor")
                if name in known:
                    raise GraphError(f"'{name}' is written twice")
                known.add(name)
        for name in self.outputs:
            if name not in known:
                raise GraphError(f"output '{name}' is never written")
        for name, tensor in self.tensors.items():
            if tensor.name != name:
                raise GraphError(f"tensor '{tensor.name}' is filed under '{name}'")
            if tensor.data is not None and tuple(tensor.data.shape) != tuple(tensor.shape):
                raise GraphError(f"constant '{name}' has data of shape {tensor.data.shape}, declared {tensor.shape}")
        return self
