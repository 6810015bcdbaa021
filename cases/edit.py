"""Editing a graph: everything that changes one works with these.

Key insight: a graph is a value, so an edit makes a new one and the old one stays for comparison. Small functions
rename, exchange or leave out one thing each. `GraphEdit` is for edits in a row: they only add tensors and exchange
ops, so that the names, order and shapes that the user knows stay, and what nobody reads any more is left out at
the end.

What a file carries beside its graph (`Graph.extras`) describes the whole of it, so parts and renamings lose it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

import numpy as np

from cases.graph import Graph, GraphError, Op, Tensor
from cases.shapes import output_shapes
from cases.tflite.extras import TensorExtras, grid_alone
from cases.tflite.packing import PACKED_BITS, packed
from cases.tflite.schema import DTYPE_CODE

# --- one op ---------------------------------------------------------------------------------------------


def renamed(op: Op, inputs: Mapping[str, str] | None = None, outputs: Mapping[str, str] | None = None) -> Op:
    """The op on other tensors: old name -> new name, wherever it reads or writes the old one."""
    return replace(
        op,
        inputs=tuple((inputs or {}).get(name, name) for name in op.inputs),
        outputs=tuple((outputs or {}).get(name, name) for name in op.outputs),
    )


def with_operand(op: Op, place: int, name: str) -> Op:
    """The op with one operand exchanged; the same tensor at another place stays."""
    return replace(op, inputs=(*op.inputs[:place], name, *op.inputs[place + 1 :]))


def with_attributes(op: Op, **attributes: object) -> Op:
    """The op with some attributes exchanged; those it does not have are added."""
    return replace(op, attrs={**op.attrs, **attributes})


# --- a graph ---------------------------------------------------------------------------------------------


def unused_name(graph: Graph, stem: str) -> str:
    """The stem with the first number that makes it the name of no tensor."""
    number = 0
    while f"{stem}{number}" in graph.tensors:
        number += 1
    return f"{stem}{number}"


def with_op(graph: Graph, place: int, op: Op) -> Graph:
    """The graph with another op at a place of the execution order."""
    return replace(graph, ops=(*graph.ops[:place], op, *graph.ops[place + 1 :]))


def without_output(graph: Graph, name: str) -> Graph:
    """The tensor is made as before, and is no output any more."""
    return replace(graph, outputs=tuple(output for output in graph.outputs if output != name))


def with_names(graph: Graph, names: Mapping[str, str]) -> Graph:
    """Every tensor under a new name; tensors that `names` leaves out are dropped."""
    tensors = {new: replace(graph.tensors[old], name=new) for old, new in names.items() if old in graph.tensors}
    ops = tuple(renamed(op, names, names) for op in graph.ops)
    return Graph(tensors, ops, tuple(names[n] for n in graph.inputs), tuple(names[n] for n in graph.outputs))


def with_inferred_shapes(graph: Graph) -> Graph:
    """The shapes of all tensors that ops make, computed anew. Raises GraphError where operands do not fit."""
    tensors = dict(graph.tensors)
    for op in graph.ops:
        shapes = output_shapes(op.kind, [tensors[n] for n in op.inputs if n], op.attrs)
        for name, shape in zip(op.outputs, shapes, strict=True):
            tensors[name] = replace(tensors[name], shape=tuple(shape))
    return Graph(tensors, graph.ops, graph.inputs, graph.outputs).validate()


def subgraph(graph: Graph, places: Collection[int]) -> Graph:
    """The ops at some places of the execution order, by themselves.

    What they read from outside are the inputs, in the order in which the graph has or makes it. Outputs are
    the graph's outputs that are still made, then everything made that nothing reads any more.
    """
    ops = tuple(op for place, op in enumerate(graph.ops) if place in places)
    made = {name for op in ops for name in op.outputs if name}
    read = {name for op in ops for name in op.inputs if name}
    runtime = (*graph.inputs, *(name for op in graph.ops for name in op.outputs))
    inputs = tuple(name for name in runtime if name in read and name not in made)
    outputs = [name for name in graph.outputs if name in made]
    outputs += [name for op in ops for name in op.outputs if name and name not in read and name not in outputs]
    return without_untouched_tensors(Graph(graph.tensors, ops, inputs, tuple(outputs)))


# --- leaving out what is not used ----------------------------------------------------------------------------


def touched_tensors(graph: Graph) -> set[str]:
    """Names of the tensors that an op or the graph's ends touch."""
    touched = {name for op in graph.ops for name in (*op.inputs, *op.outputs) if name}
    return touched | set(graph.inputs) | set(graph.outputs)


def without_untouched_tensors(graph: Graph) -> Graph:
    """The graph without tensors that neither an op nor the graph's ends touch."""
    touched = touched_tensors(graph)
    tensors = {name: tensor for name, tensor in graph.tensors.items() if name in touched}
    return Graph(tensors, graph.ops, graph.inputs, graph.outputs)


def without_unused_constants(graph: Graph) -> Graph:
    """The graph without constants that nobody reads; all else stays, the file's extras too."""
    touched = touched_tensors(graph)
    tensors = {name: t for name, t in graph.tensors.items() if name in touched or not t.is_constant}
    return replace(graph, tensors=tensors)


def without_unread_inputs(graph: Graph) -> Graph:
    """The graph without inputs that no op reads and that are no output."""
    read = {name for op in graph.ops for name in op.inputs} | set(graph.outputs)
    return replace(graph, inputs=tuple(name for name in graph.inputs if name in read))


def without_dead_ops(graph: Graph) -> Graph:
    """The graph without ops that no output needs, and without the inputs and constants that only those read."""
    needed = set(graph.outputs)
    ops = []
    for op in reversed(graph.ops):
        if needed & set(op.outputs):
            ops.append(op)
            needed |= {name for name in op.inputs if name}
    # All outputs of an op that stays are kept, so that a SPLIT remains one.
    kept = {name for op in ops for name in (*op.inputs, *op.outputs) if name} | set(graph.outputs)
    tensors = {name: tensor for name, tensor in graph.tensors.items() if name in kept}
    inputs = tuple(name for name in graph.inputs if name in tensors)
    return Graph(tensors, tuple(reversed(ops)), inputs, graph.outputs)


# --- several edits in a row ------------------------------------------------------------------------------------


class GraphEdit:
    """A graph while it is edited: `tensors` by name and `ops` in execution order change, `graph` is what it was."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.tensors: dict[str, Tensor] = dict(graph.tensors)
        self.ops: list[Op] = list(graph.ops)
        self._names = 0

    def tensor_like(self, name: str, shape: Sequence[int] | None = None) -> str:
        """A new tensor of the dtype and the grid of `name`, and of its shape where none is given; its name.

        Raises GraphError for another shape of a tensor whose scales lie along a dimension.
        """
        source = self.tensors[name]
        wanted = tuple(source.shape) if shape is None else tuple(shape)
        grid = grid_alone(source.raw)
        if grid is not None and len(grid.quantization.scale or ()) != 1 and wanted != tuple(source.shape):
            raise GraphError(f"'{name}' has a scale per index or block, which is known in its own shape only")
        return self._added(Tensor(self._fresh(name), wanted, source.dtype, None, grid))

    def tensor(self, stem: str, shape: Sequence[int], dtype: str = "float32") -> str:
        """A new tensor of numbers that stand for themselves; its name, which begins with the stem."""
        return self._added(Tensor(self._fresh(stem), tuple(shape), dtype))

    def constant(self, stem: str, data: np.ndarray) -> str:
        """A new constant; its name, which begins with the stem."""
        return self._added(Tensor(self._fresh(stem), tuple(data.shape), data.dtype.name, data))

    def constant_like(self, name: str, elements: np.ndarray) -> str:
        """A new constant of the dtype and the grid of `name`; its name.

        elements: integers as integers, one each. Dimensions are told by how far they are from the last. Raises
        GraphError for another shape of a tensor with one scale per block.
        """
        source = self.tensors[name]
        grid = grid_alone(source.raw, elements.ndim - len(source.shape))
        if grid is not None and grid.block_scales is not None and elements.shape != tuple(source.shape):
            raise GraphError(f"'{name}' has a scale per block, which is known in its own shape only")
        bits = PACKED_BITS.get(source.dtype)
        if bits is None:
            data = np.asarray(elements, source.dtype)
        else:
            data = np.broadcast_to(np.zeros((), np.uint8), elements.shape)
            grid = replace(grid or TensorExtras(), data=packed(elements, bits))
        return self._added(Tensor(self._fresh(name), tuple(elements.shape), source.dtype, data, grid))

    def variant(self, tensor: Tensor) -> str:
        """A tensor of the graph that was changed, beside the one that it was; its name."""
        return self._added(replace(tensor, name=self._fresh(tensor.name)))

    def insert_before(self, op: Op, new: Op) -> None:
        self.ops.insert(self.ops.index(op), new)

    def insert_after(self, op: Op, new: Op) -> None:
        self.ops.insert(self.ops.index(op) + 1, new)

    def swap(self, op: Op, new: Op) -> Op:
        """Put another op in the place of `op`; returns it."""
        self.ops[self.ops.index(op)] = new
        return new

    def dequantised_before(self, op: Op, name: str) -> str:
        """The real numbers that a quantised tensor stands for, by a DEQUANTIZE in front of `op`; the name to read."""
        real = self.tensor(name, self.tensors[name].shape)
        self.insert_before(op, Op("DEQUANTIZE", (name,), (real,)))
        return real

    def whole_numbers_before(self, op: Op, name: str) -> str:
        """A tensor's truths or numbers as int32, by a CAST in front of `op`; the name to read."""
        whole = self.tensor(name, self.tensors[name].shape, "int32")
        self.insert_before(op, self.cast(name, whole))
        return whole

    def cast(self, name: str, made: str) -> Op:
        """The CAST of one tensor that makes the other."""
        types = zip(("in_data_type", "out_data_type"), (name, made), strict=True)
        return Op("CAST", (name,), (made,), {field: DTYPE_CODE[self.tensors[end].dtype] for field, end in types})

    def identity_transpose(self, op: Op, name: str) -> str:
        """A copy of a tensor, by an identity TRANSPOSE in front of `op`; the name to read instead."""
        copy = self.tensor_like(name)
        self.insert_before(op, Op("TRANSPOSE", (name, self._same_order(name)), (copy,)))
        return copy

    def transposed_after(self, op: Op, inner: str, name: str) -> None:
        """`name` becomes a copy of `inner`, which `op` makes, by an identity TRANSPOSE behind it."""
        self.insert_after(op, Op("TRANSPOSE", (inner, self._same_order(inner)), (name,)))

    def reshape_before(self, op: Op, name: str, shape: Sequence[int]) -> str:
        """A tensor in another shape, by a RESHAPE in front of `op`; the name to read instead."""
        reshaped = self.tensor_like(name, shape)
        target = self.constant(f"{name}/shape", np.array(shape, np.int32))
        self.insert_before(op, Op("RESHAPE", (name, target), (reshaped,), {"new_shape": list(shape)}))
        return reshaped

    def reshape_after(self, op: Op, name: str, shape: Sequence[int]) -> Op:
        """`op` makes its output in another shape, and a RESHAPE behind it gives it the shape it had; the changed op."""
        inner = self.tensor_like(name, shape)
        maker = self.swap(op, renamed(op, outputs={name: inner}))
        declared = self.tensors[name].shape
        target = self.constant(f"{name}/shape", np.array(declared, np.int32))
        self.insert_after(maker, Op("RESHAPE", (inner, target), (name,), {"new_shape": list(declared)}))
        return maker

    def finished(self) -> Graph:
        """The edited graph, without constants that nobody reads any more. Raises GraphError where it is not valid."""
        edited = replace(self.graph, tensors=self.tensors, ops=tuple(self.ops))
        return without_unused_constants(edited.validate())

    def _same_order(self, name: str) -> str:
        return self.constant(f"{name}/perm", np.arange(len(self.tensors[name].shape), dtype=np.int32))

    def _added(self, tensor: Tensor) -> str:
        self.tensors[tensor.name] = tensor
        return tensor.name

    def _fresh(self, stem: str) -> str:
        while True:
            name = f"{stem}/fix{self._names}" if self._names else f"{stem}/fix"
            self._names += 1
            if name not in self.tensors:
                return name
