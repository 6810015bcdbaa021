"""A graph being edited: ops in order, tensors by name, new names that are free.

Key insight: an edit only ever adds tensors and exchanges ops, so that the names, order and shapes that the
user knows stay; what nobody reads any more is dropped when the edits are done.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from cases.graph import Graph, Op, Tensor


@dataclass
class GraphEdit:
    """A graph being edited: ops in order, tensors by name."""

    tensors: dict[str, Tensor]
    ops: list[Op]
    graph: Graph
    names: int = field(default=0)

    def fresh(self, stem: str) -> str:
        while True:
            name = f"{stem}/fix{self.names}" if self.names else f"{stem}/fix"
            self.names += 1
            if name not in self.tensors:
                return name

    def tensor_like(self, name: str, shape: tuple[int, ...] | None = None) -> str:
        source = self.tensors[name]
        made = self.fresh(name)
        self.tensors[made] = Tensor(made, source.shape if shape is None else shape, source.dtype)
        return made

    def constant(self, stem: str, data: np.ndarray) -> str:
        made = self.fresh(stem)
        self.tensors[made] = Tensor(made, tuple(data.shape), data.dtype.name, data)
        return made

    def insert_before(self, op: Op, new: Op) -> None:
        self.ops.insert(self.ops.index(op), new)

    def insert_after(self, op: Op, new: Op) -> None:
        self.ops.insert(self.ops.index(op) + 1, new)

    def identity_transpose(self, op: Op, name: str) -> str:
        """A copy of a tensor, by an identity TRANSPOSE in front of `op`; the name to read instead."""
        kept = self.tensor_like(name)
        perm = self.constant(f"{name}/perm", np.arange(len(self.tensors[name].shape), dtype=np.int32))
        self.insert_before(op, Op("TRANSPOSE", (name, perm), (kept,)))
        return kept

    def swap(self, op: Op, new: Op) -> Op:
        self.ops[self.ops.index(op)] = new
        return new

    def finished(self) -> Graph:
        return replace(self.graph, tensors=self.tensors, ops=tuple(self.ops)).validate()


def renamed(op: Op, inputs: Mapping[str, str] | None = None, outputs: Mapping[str, str] | None = None) -> Op:
    return replace(
        op,
        inputs=tuple((inputs or {}).get(name, name) for name in op.inputs),
        outputs=tuple((outputs or {}).get(name, name) for name in op.outputs),
    )
