"""What the delegate's parsers make of a .tflite, before it rewrites anything.

Key insight: the bugs live in what the delegate makes of a file, not in the file. A fused activation
is a node of its own, `x*x` is a SQUARE, `x+x` a multiply by two, an ADD with a constant has one
input, a rank-3 FULLY_CONNECTED is a 1x1 convolution, and every shape is read as BHWC. `lower` does
that translation; `repro.delegate.replay` then applies the delegate's rewrites to the result.

Source: LiteRT's `ml_drift_delegate/tflite/model_builder.cc` (the operation parsers) and
`model_builder_helper.cc` (shapes, activations), the GraphFloat32 pipeline that is in use.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from cases.graph import Graph, Op, Tensor
from repro.delegate.graph import (
    Bhwc,
    DelegateGraph,
    Node,
    Operand,
    Value,
    axis_letters,
    bhwc,
    broadcast_bhwc,
    constant_data,
    letter_of,
)
from repro.delegate.misread_axes import constant_misread, cumsum_misread

# TFLite op kind -> the delegate's node kind, where the name differs.
KINDS = {
    "CONV_2D": "CONV",
    "DEPTHWISE_CONV_2D": "DEPTHWISE",
    "AVERAGE_POOL_2D": "POOL_AVERAGE",
    "MAX_POOL_2D": "POOL_MAX",
    "CONCATENATION": "CONCAT",
    "REDUCE_MAX": "MAX",
    "REDUCE_MIN": "MIN",
    "REDUCE_PROD": "PROD",
    "RESIZE_BILINEAR": "RESIZE",
    "RESIZE_NEAREST_NEIGHBOR": "RESIZE",
    "LOGISTIC": "SIGMOID",
    "SQUARED_DIFFERENCE": "SQUARED_DIFF",
    "STRIDED_SLICE": "SLICE",
    "SPLIT_V": "SPLIT",
    "PADV2": "PAD",
    "MIRROR_PAD": "PAD",
}
ELEMENTWISE_KINDS = (
    "ADD SUB MUL DIV MAXIMUM MINIMUM POW SQUARED_DIFFERENCE FLOOR_DIV FLOOR_MOD EQUAL NOT_EQUAL "
    "LESS LESS_EQUAL GREATER GREATER_EQUAL LOGICAL_AND LOGICAL_OR"
)
ELEMENTWISE = frozenset(ELEMENTWISE_KINDS.split())
REDUCTIONS = frozenset({"SUM", "MEAN", "REDUCE_MAX", "REDUCE_MIN", "REDUCE_PROD"})
# Where the data is among the inputs of ops whose other inputs only carry parameters.
DATA_INPUTS = {
    "RESHAPE": (0,),
    "SLICE": (0,),
    "STRIDED_SLICE": (0,),
    "TRANSPOSE": (0,),
    "PAD": (0,),
    "PADV2": (0,),
    "MIRROR_PAD": (0,),
    "SUM": (0,),
    "MEAN": (0,),
    "REDUCE_MAX": (0,),
    "REDUCE_MIN": (0,),
    "REDUCE_PROD": (0,),
    "RESIZE_BILINEAR": (0,),
    "RESIZE_NEAREST_NEIGHBOR": (0,),
    "SPLIT": (1,),
    "SPLIT_V": (0,),
    "TILE": (0,),
    "CUMSUM": (0,),
    "BROADCAST_TO": (0,),
    "TRANSPOSE_CONV": (2,),
}
ACTIVATIONS = {
    "RELU": "RELU",
    "RELU6": "RELU",
    "RELU_N1_TO_1": "RELU_N1_TO_1",
    "TANH": "TANH",
    "SIGN_BIT": "SIGN",
}


def explicit_padding(op: Op, attrs: dict[str, Any], source: Bhwc) -> tuple[int, int]:
    """Total rows and columns of padding that a windowed op adds: SAME in TFLite's sense, else zero."""
    if op.attrs.get("padding", "SAME") != "SAME":
        return (0, 0)
    total = []
    for size, kernel, stride, dilation in (
        (source[1], attrs["kernel"][0], attrs["stride"][0], attrs["dilation"][0]),
        (source[2], attrs["kernel"][1], attrs["stride"][1], attrs["dilation"][1]),
    ):
        steps = -(-size // stride)
        total.append(max(0, (steps - 1) * stride + (kernel - 1) * dilation + 1 - size))
    return (total[0], total[1])


class _Lowering:
    """Builds one DelegateGraph. One method a family of operations, as the delegate has one parser each."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.values: dict[str, Value] = {}
        self.nodes: list[Node] = []
        outputs = set(graph.outputs)
        for name in (*graph.inputs, *graph.outputs):
            self.value(name).is_output = name in outputs

    def run(self) -> DelegateGraph:
        parsers: dict[str, Callable[[Op], None]] = {
            "FULLY_CONNECTED": self.fully_connected,
            "SOFTMAX": self.softmax,
            "CUMSUM": self.cumsum,
            "CONV_2D": self.convolution,
            "DEPTHWISE_CONV_2D": self.convolution,
            "AVERAGE_POOL_2D": self.pool,
            "MAX_POOL_2D": self.pool,
            "PAD": self.pad,
            "PADV2": self.pad,
            "MIRROR_PAD": self.pad,
            "SLICE": self.slice,
            "STRIDED_SLICE": self.slice,
            "CONCATENATION": self.concat,
            "PACK": self.pack,
            "UNPACK": self.unpack,
            "SPLIT": self.split,
            "SPLIT_V": self.split,
        }
        for op in self.graph.ops:
            if op.kind == "DEQUANTIZE" and constant_data(self.graph, op.outputs[0]) is not None:
                continue
            if op.kind in parsers:
                parsers[op.kind](op)
            elif op.kind in ELEMENTWISE and len(op.inputs) == 2:
                self.elementwise(op)
            elif op.kind in REDUCTIONS:
                self.reduction(op)
            else:
                self.generic(op)
        return DelegateGraph(self.nodes, [self.values[name] for name in self.graph.inputs])

    # -- building blocks -----------------------------------------------------------------------

    def value(self, name: str) -> Value:
        if name not in self.values:
            self.values[name] = Value(name, bhwc(self.graph.tensors[name].shape))
        return self.values[name]

    def tensor(self, name: str) -> Tensor:
        return self.graph.tensors[name]

    def node(self, kind: str, op: Op, inputs: list[Value], **attrs: Any) -> Node:
        """A node that reads each of `inputs` once; a value named twice is what some parsers abort on."""
        made = Node(kind, op, attrs=attrs)
        for value in inputs:
            if value in made.inputs:
                made.attrs["reads_twice"] = True
                continue
            made.inputs.append(value)
            value.consumers[made] = None
        self.nodes.append(made)
        return made

    def produce(self, node: Node, value: Value) -> None:
        node.outputs.append(value)
        value.producer = node

    def new_value(self, node: Node, shape: Bhwc) -> Value:
        value = Value("", shape)
        self.produce(node, value)
        return value

    def finish(self, node: Node, op: Op, index: int = 0, shape: Bhwc | None = None) -> None:
        """Attach the op's output: through a RESHAPE if the node makes another shape, and an activation."""
        activation = ACTIVATIONS.get(op.attrs.get("fused_activation_function", "NONE"))
        target = self.value(op.outputs[index])
        own = target.shape if shape is None else shape
        last = node
        if activation is not None:
            last = self.node(activation, op, [self.new_value(last, own)])
        if own != target.shape:
            last = self.node("RESHAPE", op, [self.new_value(last, own)], shape=target.shape)
        self.produce(last, target)

    def data_inputs(self, op: Op) -> list[Value]:
        """Values of the inputs that carry data; constants among them become nodes."""
        where = DATA_INPUTS.get(op.kind, range(len(op.inputs)))
        found: list[Value] = []
        for position in where:
            name = op.inputs[position] if position < len(op.inputs) else ""
            if not name:
                continue
            data = constant_data(self.graph, name)
            found.append(self.value(name) if data is None else self.constant(op, name, data))
        return found

    def constant(self, op: Op, name: str, data: np.ndarray) -> Value:
        node = self.node("CONSTANT", op, [], data=data)
        value = self.new_value(node, bhwc(self.tensor(name).shape))
        value.is_constant = True
        return value

    # -- families ------------------------------------------------------------------------------

    def generic(self, op: Op) -> None:
        node = self.node(KINDS.get(op.kind, op.kind), op, self.data_inputs(op))
        if len(op.outputs) == 1:
            self.finish(node, op)
            if node.kind == "RESHAPE":
                node.attrs["shape"] = node.outputs[0].shape
            elif op.kind == "TRANSPOSE":
                order = constant_data(self.graph, op.inputs[1])
                node.attrs["order"] = tuple(int(axis) for axis in np.ravel(order)) if order is not None else None
            elif op.kind == "GATHER":
                node.attrs["axis"] = letter_of(
                    axis_letters(len(self.tensor(op.inputs[0]).shape)), op.attrs.get("axis", 0)
                )
        else:
            for name in op.outputs:
                self.produce(node, self.value(name))

    def elementwise(self, op: Op) -> None:
        first, second = op.inputs
        data = [constant_data(self.graph, name) for name in op.inputs]
        kind = KINDS.get(op.kind, op.kind)
        if first == second and data[0] is None:
            if op.kind == "MUL":
                return self.finish(self.node("SQUARE", op, [self.value(first)]), op)
            if op.kind == "ADD":
                two = Operand("scalar", np.array([2.0], np.float32))
                return self.finish(self.node("MUL", op, [self.value(first)], operand=two), op)
            return self.finish(self.node(kind, op, [self.value(first)]), op)
        if data[0] is None and data[1] is None:
            return self.two_tensors(op, kind)
        if data[0] is not None and data[1] is not None:
            return self.generic(op)
        runtime, constant = (first, data[1]) if data[0] is None else (second, data[0])
        name = second if data[0] is None else first
        assert constant is not None
        value = self.value(runtime)
        shape = tuple(self.tensor(name).shape)
        if np.issubdtype(constant.dtype, np.floating):
            if constant.size == 1:
                form = "scalar"
            elif all(size == 1 for size in shape[:-1]):
                form = "linear"
            else:
                form = "bhwc"
            operand = Operand(form, constant)
            node = self.node(kind, op, [value], operand=operand, first=data[0] is not None)
            if constant_misread(constant.reshape(shape), self.tensor(runtime).shape, self.tensor(op.outputs[0]).shape):
                node.attrs["misparsed"] = "constant-axis"
            self.finish(node, op)
        elif constant.size == 1:
            self.finish(self.node(kind, op, [value], operand=Operand("integer", constant)), op)
        else:
            self.finish(self.node(kind, op, [value, self.constant(op, name, constant)]), op)
        return None

    def two_tensors(self, op: Op, kind: str) -> None:
        shapes = [tuple(self.tensor(name).shape) for name in op.inputs]
        names = list(zip(op.inputs, shapes, strict=True))
        if kind in ("ADD", "MUL") and _fits(broadcast_bhwc(shapes[0]), broadcast_bhwc(shapes[1])):
            names.reverse()  # the parser wants the larger tensor first, and swaps equal ones too
        if len(shapes[0]) == len(shapes[1]):
            return self.finish(self.node(kind, op, [self.value(name) for name, _ in names]), op)
        # Ranks differ: both inputs and the result are put through reshapes to right-aligned BHWC.
        values = []
        for name, shape in names:
            aligned = broadcast_bhwc(shape)
            reshape = self.node("RESHAPE", op, [self.value(name)], shape=aligned)
            values.append(self.new_value(reshape, aligned))
        node = self.node(kind, op, values)
        target = self.value(op.outputs[0])
        made = self.new_value(node, broadcast_bhwc(tuple(self.tensor(op.outputs[0]).shape)))
        reshape = self.node("RESHAPE", op, [made], shape=target.shape)
        return self.finish(reshape, op)

    def reduction(self, op: Op) -> None:
        source = self.value(op.inputs[0])
        letters = axis_letters(len(self.tensor(op.inputs[0]).shape))
        axes = constant_data(self.graph, op.inputs[1])
        picked = {letter_of(letters, int(a)) for a in np.ravel(axes)} if axes is not None else set("BHWC")
        node = self.node(KINDS.get(op.kind, op.kind), op, [source], axes=frozenset(picked))
        shape = tuple(1 if letter in picked else size for letter, size in zip("BHWC", source.shape, strict=True))
        if op.attrs.get("keep_dims", False):
            return self.finish(node, op)
        # The delegate always puts a RESHAPE after a reduction that drops its axes.
        reshape = self.node("RESHAPE", op, [self.new_value(node, shape)])  # type: ignore[arg-type]
        self.finish(reshape, op)
        reshape.attrs["shape"] = reshape.outputs[0].shape
        return None

    def weights(self, op: Op, position: int) -> np.ndarray | None:
        name = op.inputs[position] if position < len(op.inputs) else ""
        return constant_data(self.graph, name) if name else None

    def fully_connected(self, op: Op) -> None:
        source = self.value(op.inputs[0])
        weights = self.weights(op, 1)
        if weights is None:
            node = self.node("FULLY_CONNECTED", op, [source, self.value(op.inputs[1])])
            channels = self.tensor(op.inputs[1]).shape[0]
        else:
            kind = "FULLY_CONNECTED" if source.shape[1] == source.shape[2] == 1 else "CONV"
            node = self.node(kind, op, [source], **_window((1, 1), (1, 1), (1, 1), (0, 0)))
            node.attrs |= {"out": weights.shape[0], "in": weights.shape[1], "groups": 1}
            channels = weights.shape[0]
        own, depth = self.tensor(op.inputs[0]).shape, int(self.tensor(op.inputs[1]).shape[1])
        bias = self.weights(op, 2)
        if weights is None and bias is not None and np.any(bias):  # a bias at run time is refused
            node.attrs["misparsed"] = "fc-runtime-weights"
        if source.shape[3] != depth:  # of rank 1, every element is a batch of one channel
            node.attrs["misparsed"] = "fc-rank-1" if len(own) == 1 and own[0] > 1 else "fc-flattens"
        self.finish(node, op, shape=(*source.shape[:3], int(channels)))

    def softmax(self, op: Op) -> None:
        self.generic(op)
        shape = self.tensor(op.inputs[0]).shape
        if len(shape) == 1 and shape[0] > 1:  # every element is a batch of one channel
            self.nodes[-1].attrs["misparsed"] = "softmax-rank-1"

    def cumsum(self, op: Op) -> None:
        self.generic(op)
        axis = constant_data(self.graph, op.inputs[1])
        if axis is not None:
            options = (bool(op.attrs.get("exclusive")), bool(op.attrs.get("reverse")))
            rule = cumsum_misread(tuple(self.tensor(op.inputs[0]).shape), int(np.ravel(axis)[0]), *options)
            if rule:
                self.nodes[-1].attrs["misparsed"] = rule

    def convolution(self, op: Op) -> None:
        source = self.value(op.inputs[0])
        weights = self.weights(op, 1)
        if weights is None:
            return self.finish(self.node(KINDS[op.kind], op, [source, self.value(op.inputs[1])]), op)
        attrs = _window(
            (weights.shape[1], weights.shape[2]),
            (int(op.attrs.get("stride_h", 1)), int(op.attrs.get("stride_w", 1))),
            (int(op.attrs.get("dilation_h_factor", 1)), int(op.attrs.get("dilation_w_factor", 1))),
            (0, 0),
        )
        attrs["pad"] = explicit_padding(op, attrs, source.shape)
        if op.kind == "DEPTHWISE_CONV_2D":
            attrs |= {"out": weights.shape[3], "in": source.shape[3], "groups": source.shape[3]}
            if attrs["kernel"] == (1, 1) and 1 < attrs["in"] < attrs["out"]:
                # The parser's branch for 1x1 kernels copies the weights in the file's order, input by input.
                attrs["misparsed"] = "depthwise-multiplier"
            return self.finish(self.node("DEPTHWISE", op, [source], **attrs), op)
        out, taken = int(weights.shape[0]), int(weights.shape[3])
        groups = max(1, source.shape[3] // max(1, taken))
        attrs |= {"out": out, "in": taken, "groups": groups}
        if taken == 1 and source.shape[3] == out:
            return self.finish(self.node("DEPTHWISE", op, [source], **attrs), op)
        if groups != 1 and (taken % 4 or (out // groups) % 4):
            return self.grouped(op, source, attrs, groups)
        return self.finish(self.node("CONV", op, [source], **attrs), op)

    def grouped(self, op: Op, source: Value, attrs: dict[str, Any], groups: int) -> None:
        """Groups the kernels cannot take become SPLIT, one convolution each, and CONCAT."""
        split = self.node("SPLIT", op, [source], axis="C")
        split.attrs["misparsed"] = "grouped-conv" if attrs["in"] <= 4 else "grouped-conv-aborts"
        parts: list[Value] = []
        target = self.value(op.outputs[0]).shape
        slices = [self.new_value(split, (*source.shape[:3], attrs["in"])) for _ in range(groups)]
        for value in slices:
            conv = self.node("CONV", op, [value], **{**attrs, "groups": 1, "out": attrs["out"] // groups})
            parts.append(self.new_value(conv, (*target[:3], attrs["out"] // groups)))
        self.finish(self.node("CONCAT", op, parts, axis="C"), op)

    def pool(self, op: Op) -> None:
        source = self.value(op.inputs[0])
        attrs = _window(
            (int(op.attrs.get("filter_height", 1)), int(op.attrs.get("filter_width", 1))),
            (int(op.attrs.get("stride_h", 1)), int(op.attrs.get("stride_w", 1))),
            (1, 1),
            (0, 0),
        )
        attrs["pad"] = explicit_padding(op, attrs, source.shape)
        self.finish(self.node(KINDS[op.kind], op, [source], **attrs), op)

    def pad(self, op: Op) -> None:
        rank = len(self.tensor(op.inputs[0]).shape)
        table = constant_data(self.graph, op.inputs[1])
        amounts = dict.fromkeys("BHWC", (0, 0))
        if table is not None:
            # Three rows are read as H, W, C (and one row of batch): see the rank-3 PAD rule.
            letters = "BHWC" if len(table) == 4 else "HWC" if len(table) == 3 else ""
            for letter, row in zip(letters, table, strict=False):
                amounts[letter] = (int(row[0]), int(row[1]))
            if len(table) == 3:
                amounts["B"] = (1, 1)
        fill = 0.0
        if op.kind == "PADV2" and len(op.inputs) > 2:
            data = constant_data(self.graph, op.inputs[2])
            fill = float(np.ravel(data)[0]) if data is not None else 0.0
        node = self.node("PAD", op, [self.value(op.inputs[0])])
        node.attrs |= {"amounts": amounts, "fill": fill, "mirror": op.kind == "MIRROR_PAD", "rank": rank}
        batch = node.inputs[0].shape[0]
        if table is not None and rank == 3 and (batch > 1 or any(table[0])):
            node.attrs["misparsed"] = "pad-rank-3"
        elif table is not None and rank == 4 and batch == 1 and any(table[0]):
            node.attrs["misparsed"] = "pad-batch"
        self.finish(node, op)

    def slice(self, op: Op) -> None:
        source = self.value(op.inputs[0])
        node = self.node("SLICE", op, [source])
        self.finish(node, op)
        parameters = [constant_data(self.graph, name) for name in op.inputs[1:] if name]
        starts = np.ravel(parameters[0]) if parameters and parameters[0] is not None else np.array([1])
        strides = np.array([1])
        if op.kind == "STRIDED_SLICE" and len(parameters) == 3 and parameters[2] is not None:
            strides = np.ravel(parameters[2])
        mask = int(op.attrs.get("begin_mask", 0)) if op.kind == "STRIDED_SLICE" else 0
        begins_at_zero = all(int(start) == 0 or mask >> axis & 1 for axis, start in enumerate(starts))
        node.attrs["identity"] = (
            source.shape == node.outputs[0].shape and begins_at_zero and all(int(stride) == 1 for stride in strides)
        )
        letters = axis_letters(len(self.tensor(op.inputs[0]).shape))
        if len(letters) == len(starts):
            node.attrs["starts"] = dict(zip(letters, (int(start) for start in starts), strict=True))
        node.attrs["unit_strides"] = all(int(stride) == 1 for stride in strides)

    def concat(self, op: Op) -> None:
        inputs: list[Value] = []
        for name in op.inputs:
            data = constant_data(self.graph, name)
            value = self.value(name) if data is None else self.constant(op, name, data)
            if value in inputs:  # the delegate copies an input that is used twice
                value = self.new_value(self.node("COPY", op, [value]), value.shape)
            inputs.append(value)
        self.finish(self.node("CONCAT", op, inputs, axis=self._axis(op)), op)

    def _axis(self, op: Op) -> str:
        letters = axis_letters(len(self.tensor(op.outputs[0]).shape))
        return letter_of(letters, int(op.attrs.get("axis", 0)))

    def pack(self, op: Op) -> None:
        target = self.value(op.outputs[0])
        if len(op.inputs) == 1:
            return self.finish(self.node("RESHAPE", op, self.data_inputs(op), shape=target.shape), op)
        axis = self._axis(op)
        wanted: Bhwc = tuple(  # type: ignore[assignment]
            1 if letter == axis else size for letter, size in zip("BHWC", target.shape, strict=True)
        )
        inputs: list[Value] = []
        for name in op.inputs:
            data = constant_data(self.graph, name)
            value = self.value(name) if data is None else self.constant(op, name, data)
            if value.shape != wanted:
                value = self.new_value(self.node("RESHAPE", op, [value], shape=wanted), wanted)
            inputs.append(value)
        return self.finish(self.node("CONCAT", op, inputs, axis=axis), op)

    def unpack(self, op: Op) -> None:
        source = self.value(op.inputs[0])
        if len(op.outputs) == 1:
            shape = self.value(op.outputs[0]).shape
            return self.finish(self.node("RESHAPE", op, [source], shape=shape), op)
        letters = axis_letters(len(self.tensor(op.inputs[0]).shape))
        axis = letter_of(letters, int(op.attrs.get("axis", 0)))
        made: Bhwc = tuple(  # type: ignore[assignment]
            1 if letter == axis else size for letter, size in zip("BHWC", source.shape, strict=True)
        )
        node = self.node("SPLIT", op, [source], axis=axis)
        for name in op.outputs:
            target = self.value(name)
            if target.shape == made:
                self.produce(node, target)
            else:
                reshape = self.node("RESHAPE", op, [self.new_value(node, made)], shape=target.shape)
                self.produce(reshape, target)
        return None

    def split(self, op: Op) -> None:
        source = self.data_inputs(op)
        if len(op.outputs) == 1:
            shape = self.value(op.outputs[0]).shape
            return self.finish(self.node("RESHAPE", op, source, shape=shape), op)
        axes = constant_data(self.graph, op.inputs[0] if op.kind == "SPLIT" else op.inputs[2])
        name = op.inputs[1] if op.kind == "SPLIT" else op.inputs[0]
        letters = axis_letters(len(self.tensor(name).shape))
        axis = letter_of(letters, int(np.ravel(axes)[0])) if axes is not None else ""
        node = self.node("SPLIT", op, source, axis=axis)
        for output in op.outputs:
            self.produce(node, self.value(output))
        return None


def _fits(small: Bhwc, large: Bhwc) -> bool:
    return all(a <= b for a, b in zip(small[:3], large[:3], strict=True)) and small[3] == large[3]


def _window(
    kernel: tuple[int, int], stride: tuple[int, int], dilation: tuple[int, int], pad: tuple[int, int]
) -> dict[str, Any]:
    return {"kernel": kernel, "stride": stride, "dilation": dilation, "pad": pad}


def lower(graph: Graph) -> DelegateGraph:
    """What the delegate's parsers make of a graph. Linear in its ops; foreign ops become opaque nodes."""
    return _Lowering(graph).run()
