"""Writing graphs: one method per op, shapes inferred, names given or made.

g = GraphBuilder()
x = g.input("x", (1, 64, 256))
y = g.add(x, g.input("z", (1, 64, 256)), name="y")
graph = g.build(outputs=[y, g.mean(y, axes=[2], name="m")])
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from flatbuffers import flexbuffers

from cases.graph import Graph, GraphError, Op, Tensor
from cases.shapes import COMPARISONS, output_shapes
from cases.tflite.extras import OpExtras, TensorExtras, block_grid, on_grid
from cases.tflite.packing import packed
from cases.tflite.schema import DTYPE_NAME

Name = str


class GraphBuilder:
    """Collects ops in execution order. Every method returns the name of the tensor it wrote."""

    def __init__(self) -> None:
        self._tensors: dict[str, Tensor] = {}
        self._ops: list[Op] = []
        self._inputs: list[str] = []
        self._outputs: list[str] = []

    @classmethod
    def extending(cls, graph: Graph) -> GraphBuilder:
        """A builder that already holds the graph's inputs, constants and ops; its outputs are named anew."""
        builder = cls()
        builder._tensors = dict(graph.tensors)
        builder._ops = list(graph.ops)
        builder._inputs = list(graph.inputs)
        return builder

    @property
    def input_names(self) -> tuple[Name, ...]:
        return tuple(self._inputs)

    def shape(self, name: Name) -> tuple[int, ...]:
        return self._tensors[name].shape

    def input(self, name: Name, shape: Sequence[int], dtype: str = "float32") -> Name:
        self._add(Tensor(name, tuple(shape), dtype))
        self._inputs.append(name)
        return name

    def const(self, data: Any, name: Name | None = None, dtype: str = "float32") -> Name:
        """A constant. int4 is held as the file has it, two integers in a byte."""
        made = name or self._fresh("const")
        if dtype == "int4":
            array = np.asarray(data, np.int8)
            # Its elements are read from the bytes (`cases.evaluation.quantised.constant_of`).
            nothing, held = np.zeros(array.shape, np.uint8), TensorExtras(data=packed(array, 4))
            self._add(Tensor(made, array.shape, dtype, nothing, held))
            return made
        array = np.asarray(data, dtype=dtype)
        self._add(Tensor(made, array.shape, dtype, array))
        return made

    def on_grid(self, name: Name, scale: Any, zero_point: Any = 0, dimension: int = 0) -> Name:
        """Say which real numbers the integers of a tensor stand for: (q - zero_point) * scale; returns its name.

        scale: one number, or one per index along a dimension.
        """
        grid = on_grid(scale, zero_point, dimension).quantization
        return self._with_extras(name, quantization=grid)

    def quantise(
        self, a: Name, scale: float, zero_point: int = 0, dtype: str = "int8", name: Name | None = None
    ) -> Name:
        """QUANTIZE of a float tensor."""
        made = name or self._fresh("quantised")
        self._add(Tensor(made, self.shape(a), dtype))
        self._ops.append(Op("QUANTIZE", (a,), (made,)))
        return self.on_grid(made, scale, zero_point)

    def on_block_grid(self, name: Name, scales: Any) -> Name:
        """Say that a matrix of int4 weights has one scale per block of neighbours along its rows.

        scales: [rows, blocks per row], held in float16 as converters write them.
        """
        numbers = np.asarray(scales, np.float16)
        size = self.shape(name)[-1] // numbers.shape[-1]
        grid = block_grid(size)
        return self._with_extras(
            name, quantization=grid, block_scales=Tensor(f"{name}_scales", numbers.shape, "float16", numbers)
        )

    def _with_extras(self, name: Name, **extras: Any) -> Name:
        tensor = self._tensors[name]
        self._tensors[name] = replace(tensor, raw=replace(tensor.raw or TensorExtras(), **extras))
        return name

    def _held(self, data: Any) -> Name:
        """The tensor of that name, or a constant of these values."""
        return data if isinstance(data, str) else self.const(data)

    def output(self, *names: Name) -> None:
        """Mark tensors as graph outputs, in this order."""
        self._outputs.extend(names)

    def build(self, outputs: Sequence[Name] = ()) -> Graph:
        """The graph. Raises GraphError where it is not well formed."""
        chosen = (*self._outputs, *outputs)
        if not chosen:
            raise GraphError("a graph needs an output")
        return Graph(dict(self._tensors), tuple(self._ops), tuple(self._inputs), chosen).validate()

    def op(
        self, kind: str, inputs: Sequence[Name], *, name: Name | None = None, outputs: Sequence[Name] = (), **attrs: Any
    ) -> tuple[Name, ...]:
        """Any op of the language. outputs: names where there are several. Raises GraphError for a bad shape."""
        operands = [self._tensors[i] for i in inputs if i]
        shapes = output_shapes(kind, operands, attrs)
        if kind in COMPARISONS or kind in ("LOGICAL_AND", "LOGICAL_OR", "LOGICAL_NOT"):
            dtype = "bool"
        elif kind in ("SPLIT", "SELECT_V2"):
            dtype = operands[1].dtype
        elif kind == "CAST" and "out_data_type" in attrs:
            dtype = DTYPE_NAME[attrs["out_data_type"]]
        elif kind in ("ONE_HOT", "TRANSPOSE_CONV"):
            dtype = operands[2].dtype
        elif kind in ("DEQUANTIZE", "EMBEDDING_LOOKUP"):
            dtype = "float32"
        elif kind in ("ARG_MAX", "ARG_MIN"):
            dtype = "int32"
        else:
            dtype = operands[0].dtype
        base = name or self._fresh(kind.lower())
        made = tuple(outputs) or ((base,) if len(shapes) == 1 else tuple(f"{base}_{i}" for i in range(len(shapes))))
        for place, (output, shape) in enumerate(zip(made, shapes, strict=True)):
            self._add(Tensor(output, shape, "int32" if kind == "TOPK_V2" and place else dtype))
        self._ops.append(Op(kind, tuple(inputs), made, dict(attrs)))
        return made

    def _one(self, kind: str, inputs: Sequence[Name], name: Name | None, **attrs: Any) -> Name:
        return self.op(kind, inputs, name=name, **attrs)[0]

    def _add(self, tensor: Tensor) -> None:
        if tensor.name in self._tensors:
            raise GraphError(f"two tensors are called '{tensor.name}'")
        self._tensors[tensor.name] = tensor

    def _fresh(self, stem: str) -> Name:
        number = len(self._tensors)
        while f"{stem}{number}" in self._tensors:
            number += 1
        return f"{stem}{number}"

    def _ints(self, values: Sequence[int]) -> Name:
        return self.const(list(values), dtype="int32")

    # --- elementwise --------------------------------------------------------------------------

    def binary(self, kind: str, a: Name, b: Name, name: Name | None = None, activation: str = "NONE") -> Name:
        attrs = {} if activation == "NONE" else {"fused_activation_function": activation}
        return self._one(kind, (a, b), name, **attrs)

    def add(self, a: Name, b: Name, name: Name | None = None, activation: str = "NONE") -> Name:
        return self.binary("ADD", a, b, name, activation)

    def sub(self, a: Name, b: Name, name: Name | None = None, activation: str = "NONE") -> Name:
        return self.binary("SUB", a, b, name, activation)

    def mul(self, a: Name, b: Name, name: Name | None = None, activation: str = "NONE") -> Name:
        return self.binary("MUL", a, b, name, activation)

    def div(self, a: Name, b: Name, name: Name | None = None, activation: str = "NONE") -> Name:
        return self.binary("DIV", a, b, name, activation)

    def scaled(self, a: Name, factor: float, name: Name | None = None) -> Name:
        """`a` times a scalar constant."""
        return self.mul(a, self.const(factor), name)

    def unary(self, kind: str, a: Name, name: Name | None = None, **attrs: Any) -> Name:
        """RELU, LOGISTIC, TANH, EXP, SQRT, RSQRT, NEG, ABS, SQUARE, ..."""
        return self._one(kind, (a,), name, **attrs)

    def softmax(self, a: Name, name: Name | None = None, beta: float = 1.0) -> Name:
        return self._one("SOFTMAX", (a,), name, beta=beta)

    def select(self, condition: Name, a: Name, b: Name, name: Name | None = None) -> Name:
        return self._one("SELECT_V2", (condition, a, b), name)

    # --- reductions and matrices ------------------------------------------------------------------

    def reduce(self, kind: str, a: Name, axes: Sequence[int], name: Name | None = None, keep_dims: bool = True) -> Name:
        return self._one(kind, (a, self._ints(axes)), name, keep_dims=keep_dims)

    def mean(self, a: Name, axes: Sequence[int], name: Name | None = None, keep_dims: bool = True) -> Name:
        return self.reduce("MEAN", a, axes, name, keep_dims)

    def sum(self, a: Name, axes: Sequence[int], name: Name | None = None, keep_dims: bool = True) -> Name:
        return self.reduce("SUM", a, axes, name, keep_dims)

    def fully_connected(
        self, a: Name, weights: Any, bias: Any = None, name: Name | None = None, activation: str = "NONE"
    ) -> Name:
        """weights: [out, in], values or the name of a tensor; bias too. The rank of `a` is kept."""
        inputs = (a, self._held(weights), self._held(bias) if bias is not None else "")
        attrs = {} if activation == "NONE" else {"fused_activation_function": activation}
        return self._one("FULLY_CONNECTED", inputs, name, keep_num_dims=len(self.shape(a)) > 2, **attrs)

    def conv2d(
        self,
        a: Name,
        weights: Any,
        bias: Any = None,
        name: Name | None = None,
        stride: int = 1,
        padding: str = "SAME",
        activation: str = "NONE",
        dilation: int = 1,
    ) -> Name:
        """weights: [out, kh, kw, in], values or the name of a tensor; bias too."""
        held = self._held(weights)
        attrs = self._window_attrs(stride, padding, activation, dilation)
        bias = np.zeros(self.shape(held)[0]) if bias is None else bias
        return self._one("CONV_2D", (a, held, self._held(bias)), name, **attrs)

    def depthwise_conv2d(
        self,
        a: Name,
        weights: Any,
        bias: Any = None,
        name: Name | None = None,
        stride: int = 1,
        padding: str = "SAME",
        activation: str = "NONE",
        dilation: int = 1,
    ) -> Name:
        """weights: [1, kh, kw, channels]. bias: values or the name of a tensor."""
        channels = np.shape(weights)[3]
        attrs = self._window_attrs(stride, padding, activation, dilation)
        multiplier = channels // self.shape(a)[3]
        inputs = (a, self.const(weights), self._held(np.zeros(channels) if bias is None else bias))
        return self._one("DEPTHWISE_CONV_2D", inputs, name, depth_multiplier=multiplier, **attrs)

    def transpose_conv(
        self,
        a: Name,
        weights: Any,
        size: Sequence[int],
        name: Name | None = None,
        stride: int = 1,
        padding: str = "SAME",
    ) -> Name:
        """weights: [out, kh, kw, in]. size: height and width of the result."""
        made = self._ints((self.shape(a)[0], *size, np.shape(weights)[0]))
        attrs = self._window_attrs(stride, padding, "NONE", 1)
        return self._one("TRANSPOSE_CONV", (made, self.const(weights), a), name, **attrs)

    @staticmethod
    def _window_attrs(stride: int, padding: str, activation: str, dilation: int) -> dict[str, Any]:
        attrs: dict[str, Any] = {"padding": padding, "stride_w": stride, "stride_h": stride}
        if activation != "NONE":
            attrs["fused_activation_function"] = activation
        if dilation != 1:
            attrs |= {"dilation_w_factor": dilation, "dilation_h_factor": dilation}
        return attrs

    def pool(
        self, kind: str, a: Name, size: int, stride: int, name: Name | None = None, padding: str = "VALID"
    ) -> Name:
        """AVERAGE_POOL_2D or MAX_POOL_2D with a square window."""
        window = {"filter_width": size, "filter_height": size, "stride_w": stride, "stride_h": stride}
        return self._one(kind, (a,), name, padding=padding, **window)

    def batch_matmul(
        self, a: Name, b: Name, name: Name | None = None, adj_x: bool = False, adj_y: bool = False
    ) -> Name:
        return self._one("BATCH_MATMUL", (a, b), name, adj_x=adj_x, adj_y=adj_y)

    def composite(
        self, kind: str, inputs: Sequence[Name], body: Graph, options: Mapping[str, Any], name: Name | None = None
    ) -> Name:
        """A composite, such as `odml.rms_norm`, of what its body computes. options: of the composite, by name."""
        record = schema.StableHLOCompositeOptionsT()
        record.name, record.compositeAttributes = kind.encode(), list(flexbuffers.Dumps(dict(options)))
        code = schema.BuiltinOptions2.StableHLOCompositeOptions
        raw = OpExtras(options_2_code=code, options_2=record, bodies={"decompositionSubgraphIndex": (body,)})
        (result,) = body.outputs
        made = name or self._fresh("composite")
        self._add(Tensor(made, body.tensors[result].shape, body.tensors[result].dtype))
        self._ops.append(Op("STABLEHLO_COMPOSITE", tuple(inputs), (made,), {}, raw))
        return made

    # --- layout -------------------------------------------------------------------------------------

    def reshape(self, a: Name, shape: Sequence[int], name: Name | None = None) -> Name:
        return self._one("RESHAPE", (a, self._ints(shape)), name, new_shape=tuple(shape))

    def transpose(self, a: Name, permutation: Sequence[int], name: Name | None = None) -> Name:
        return self._one("TRANSPOSE", (a, self._ints(permutation)), name)

    def concat(self, parts: Sequence[Name], axis: int, name: Name | None = None) -> Name:
        return self._one("CONCATENATION", tuple(parts), name, axis=axis)

    def slice(self, a: Name, begin: Sequence[int], size: Sequence[int], name: Name | None = None) -> Name:
        return self._one("SLICE", (a, self._ints(begin), self._ints(size)), name)

    def strided_slice(
        self, a: Name, begin: Sequence[int], end: Sequence[int], strides: Sequence[int], name: Name | None = None
    ) -> Name:
        return self._one("STRIDED_SLICE", (a, self._ints(begin), self._ints(end), self._ints(strides)), name)

    def split(self, a: Name, count: int, axis: int, names: Sequence[Name] = ()) -> tuple[Name, ...]:
        axis_constant = self.const(axis, dtype="int32")
        return self.op("SPLIT", (axis_constant, a), outputs=names, num_splits=count)

    def pad(self, a: Name, paddings: Sequence[Sequence[int]], name: Name | None = None) -> Name:
        """paddings: (before, after) of every axis."""
        return self._one("PAD", (a, self.const(paddings, dtype="int32")), name)
