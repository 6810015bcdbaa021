"""A delegate graph while it is built from a file's ops: what all operation parsers share.

Key insight: most ops need no parser of their own. Inputs become values, constants among them nodes, and
behind the node come a RESHAPE and an activation where the file's op has them. The parsers in
`repro.delegate.parse_arithmetic`, `parse_windows` and `parse_movement` say only where an op differs.

Source: LiteRT's `ml_drift_delegate/tflite/model_builder.cc` and `model_builder_helper.cc` (shapes, activations).
"""

from __future__ import annotations

import numpy as np

from cases.graph import Graph, Op
from cases.tflite.extras import grid_alone
from repro.delegate.graph import Bhwc, DelegateGraph, Node, Value, axis_letters, bhwc, constant_data, letter_of
from repro.delegate.kinds import ACTIVATIONS, DATA_INPUTS, node_kind


def _put_on_grid(node: Node, value: Value) -> Node:
    """The node behind a quantised value, which the delegate holds in floats, that rounds it for all who read it.

    It stands between them and the node that made the value, so that no pass sees those two side by side.
    """
    rounded = Value("", value.shape)
    rounding = Node("QUANTIZE_AND_DEQUANTIZE", node.op, [value])
    rounding.outputs.append(rounded)
    rounded.producer = rounding
    for reader in value.consumers:
        reader.inputs[reader.inputs.index(value)] = rounded
    rounded.consumers, value.consumers = value.consumers, {rounding: None}
    return rounding


class Lowering:
    """One graph of a file and the delegate's nodes and values that were made of it so far."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.nodes: list[Node] = []
        self._values: dict[str, Value] = {}
        outputs = set(graph.outputs)
        for name in (*graph.inputs, *graph.outputs):
            self.value(name).is_output = name in outputs

    def finished(self) -> DelegateGraph:
        """The delegate's graph of all ops that were lowered."""
        nodes: list[Node] = []
        for node in self.nodes:
            nodes.append(node)
            nodes += [_put_on_grid(node, value) for value in node.outputs if self._is_put_on_grid(value)]
        return DelegateGraph(nodes, [self._values[name] for name in self.graph.inputs])

    def _is_put_on_grid(self, value: Value) -> bool:
        if not value.name or not value.consumers:
            return False
        tensor = self.graph.tensors[value.name]
        return tensor.dtype in ("int8", "uint8") and grid_alone(tensor.raw) is not None

    # --- what the file says -------------------------------------------------------------------

    def shape(self, name: str) -> tuple[int, ...]:
        """A tensor's shape in the file."""
        return tuple(self.graph.tensors[name].shape)

    def constant(self, op: Op, position: int) -> np.ndarray | None:
        """The values of an op's input; None where it is computed or left out."""
        name = op.inputs[position] if position < len(op.inputs) else ""
        return constant_data(self.graph, name) if name else None

    def axis_letter(self, name: str, axis: int) -> str:
        """The BHWC axis that an axis of a tensor is; empty for one that BHWC does not have."""
        return letter_of(axis_letters(len(self.shape(name))), axis)

    # --- values and nodes ---------------------------------------------------------------------

    def value(self, name: str) -> Value:
        """The value of a tensor of the file; always the same one."""
        if name not in self._values:
            self._values[name] = Value(name, bhwc(self.shape(name)))
        return self._values[name]

    def new_value(self, node: Node, shape: Bhwc) -> Value:
        """A value without a name that `node` makes."""
        value = Value("", shape)
        self.produce(node, value)
        return value

    def data_value(self, op: Op, name: str) -> Value:
        """The value that an op's input carries; a constant becomes a node, each time it is read."""
        data = constant_data(self.graph, name)
        if data is None:
            return self.value(name)
        value = self.new_value(self.add(Node("CONSTANT", op, data=data)), bhwc(self.shape(name)))
        value.is_constant = True
        return value

    def data_values(self, op: Op) -> list[Value]:
        """The values of the inputs that carry data and not parameters."""
        positions = DATA_INPUTS.get(op.kind, range(len(op.inputs)))
        names = [op.inputs[position] for position in positions if position < len(op.inputs)]
        return [self.data_value(op, name) for name in names if name]

    def add(self, node: Node, *inputs: Value) -> Node:
        """Append a node that reads each of `inputs` once; a value named twice is what some parsers abort on."""
        node.inputs.extend(dict.fromkeys(inputs))
        node.reads_one_twice = len(node.inputs) < len(inputs)
        for value in node.inputs:
            value.consumers[node] = None
        self.nodes.append(node)
        return node

    def produce(self, node: Node, value: Value) -> None:
        """Make `value` an output of `node`."""
        node.outputs.append(value)
        value.producer = node

    def reshaped(self, value: Value, op: Op, shape: Bhwc) -> Value:
        """A value of another shape that a RESHAPE makes of this one."""
        return self.new_value(self.add(Node("RESHAPE", op, new_shape=shape), value), shape)

    def finish(self, node: Node, shape: Bhwc | None = None) -> None:
        """Attach the op's one output, behind its activation, and behind a RESHAPE if the node makes another `shape`."""
        op = node.op
        target = self.value(op.outputs[0])
        made = target.shape if shape is None else shape
        last = node
        activation = ACTIVATIONS.get(op.attrs.get("fused_activation_function", "NONE"))
        if activation is not None:
            last = self.add(Node(activation, op), self.new_value(last, made))
        if made != target.shape:
            last = self.add(Node("RESHAPE", op, new_shape=target.shape), self.new_value(last, made))
        self.produce(last, target)

    def read_as_constant(self, op: Op) -> None:
        """A DEQUANTIZE of a float16 constant is no node: whoever reads it gets the constant, an output nothing."""
        output = self.value(op.outputs[0])
        if output.is_output:
            node = self.add(Node("CONSTANT", op))
            node.misparsed = "half-constant-output"
            self.produce(node, output)

    # --- ops without a parser of their own ----------------------------------------------------

    def opaque(self, op: Op) -> None:
        """A node of no kind that any pass knows, for an op that no kernel takes."""
        node = self.add(Node("MALFORMED", op), *(self.value(name) for name in op.inputs if name))
        for name in filter(None, op.outputs):
            self.produce(node, self.value(name))

    def generic(self, op: Op) -> Node:
        """One node that reads the op's data and makes its outputs, whatever the op is."""
        node = self.add(Node(node_kind(op.kind), op), *self.data_values(op))
        if len(op.outputs) != 1:
            for name in op.outputs:
                self.produce(node, self.value(name))
            return node
        self.finish(node)
        if op.kind == "RESHAPE":
            node.new_shape = node.outputs[0].shape
        elif op.kind == "TRANSPOSE":
            order = self.constant(op, 1)
            node.order = tuple(int(axis) for axis in np.ravel(order)) if order is not None else None
        elif op.kind == "GATHER":
            node.axis = self.axis_letter(op.inputs[0], op.attrs.get("axis", 0))
        return node
