"""A graph as a torch module: the reference, in float64 unless asked otherwise.

Written from TFLite's operator definitions, independently of the numpy evaluator, so that the two can
be held against each other and against the cpu target.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from cases.graph import Graph, GraphError, Op
from cases.shapes import window

Value: TypeAlias = "torch.Tensor"

_ACTIVATIONS: Mapping[str, Callable[[Value], Value]] = {
    "NONE": lambda x: x,
    "RELU": torch.relu,
    "RELU6": lambda x: torch.clamp(x, 0.0, 6.0),
    "RELU_N1_TO_1": lambda x: torch.clamp(x, -1.0, 1.0),
    "TANH": torch.tanh,
}
_UNARY: Mapping[str, Callable[[Value], Value]] = {
    "RELU": torch.relu,
    "RELU6": _ACTIVATIONS["RELU6"],
    "RELU_N1_TO_1": _ACTIVATIONS["RELU_N1_TO_1"],
    "RELU_0_TO_1": lambda x: torch.clamp(x, 0.0, 1.0),
    "LOGISTIC": torch.sigmoid,
    "TANH": torch.tanh,
    "HARD_SWISH": functional.hardswish,
    "ELU": functional.elu,
    "EXP": torch.exp,
    "LOG": torch.log,
    "SQRT": torch.sqrt,
    "RSQRT": torch.rsqrt,
    "NEG": torch.neg,
    "ABS": torch.abs,
    "SQUARE": torch.square,
    "SIN": torch.sin,
    "COS": torch.cos,
    "FLOOR": torch.floor,
    "CEIL": torch.ceil,
    "ROUND": torch.round,
    "SIGN": torch.sign,
    "LOGICAL_NOT": torch.logical_not,
}
_BINARY: Mapping[str, Callable[[Value, Value], Value]] = {
    "ADD": torch.add,
    "SUB": torch.sub,
    "MUL": torch.mul,
    "DIV": torch.div,
    "MAXIMUM": torch.maximum,
    "MINIMUM": torch.minimum,
    "SQUARED_DIFFERENCE": lambda a, b: torch.square(a - b),
    "POW": torch.pow,
    "GREATER": torch.gt,
    "GREATER_EQUAL": torch.ge,
    "LESS": torch.lt,
    "LESS_EQUAL": torch.le,
    "EQUAL": torch.eq,
    "NOT_EQUAL": torch.ne,
    "LOGICAL_AND": torch.logical_and,
    "LOGICAL_OR": torch.logical_or,
    "PRELU": lambda a, slope: torch.where(a >= 0, a, a * slope),
}


def _same_padding(size: int, kernel: int, stride: int, dilation: int) -> tuple[int, int]:
    """TFLite's SAME: total = (out - 1) * stride + dilated kernel - size, the smaller half first."""
    out = window(size, kernel, stride, "SAME")
    total = max(0, (out - 1) * stride + (kernel - 1) * dilation + 1 - size)
    return total // 2, total - total // 2


def _sample_positions(size: int, wanted: int, attrs: Mapping[str, Any], dtype: torch.dtype) -> Value:
    """Where TFLite's resize kernels sample an axis: corners aligned, half-pixel centres, or neither.

    With half-pixel centres the nearest neighbour is floor((i + 0.5) * scale), the bilinear position
    (i + 0.5) * scale - 0.5, never below 0.
    """
    i = torch.arange(wanted, dtype=dtype)
    if attrs.get("align_corners") and wanted > 1:
        return i * ((size - 1) / (wanted - 1))
    if attrs.get("half_pixel_centers"):
        centre = (i + 0.5) * (size / wanted)
        return centre if attrs.get("nearest") else torch.clamp(centre - 0.5, min=0.0)
    return i * (size / wanted)


class GraphModule(nn.Module):
    """forward takes the graph's inputs in order and returns a tuple of its outputs in order.

    dtype: of all floating values. Raises GraphError at construction for an op it does not know.
    """

    def __init__(self, graph: Graph, dtype: torch.dtype = torch.float64) -> None:
        super().__init__()
        self.graph = graph
        self.dtype = dtype
        unknown = sorted({op.kind for op in graph.ops} - KINDS)
        if unknown:
            raise GraphError(f"no torch lowering for {', '.join(unknown)}")
        self._buffers_by_name: dict[str, str] = {}
        for number, tensor in enumerate(graph.tensors.values()):
            if tensor.data is not None:
                self._buffers_by_name[tensor.name] = f"constant_{number}"
                value = torch.from_numpy(np.array(tensor.data))
                self.register_buffer(f"constant_{number}", value.to(dtype) if value.is_floating_point() else value)

    def forward(self, *inputs: Value) -> tuple[Value, ...]:
        values = dict(zip(self.graph.inputs, inputs, strict=True))
        for op in self.graph.ops:
            results = self._apply(op, values)
            values.update(zip(op.outputs, results, strict=True))
        return tuple(self._value(values, name) for name in self.graph.outputs)

    def _value(self, values: Mapping[str, Value], name: str) -> Value:
        if name in values:
            return values[name]
        value: Value = getattr(self, self._buffers_by_name[name])
        return value

    def _ints(self, name: str) -> list[int]:
        data = self.graph.tensors[name].data
        if data is None:
            raise GraphError(f"'{name}' must be a constant")
        return [int(v) for v in np.asarray(data).reshape(-1)]

    def _apply(self, op: Op, values: Mapping[str, Value]) -> tuple[Value, ...]:
        kind, attrs = op.kind, op.attrs
        args = [self._value(values, n) if n else None for n in op.inputs]
        first = args[0]
        assert first is not None
        if kind in _BINARY:
            second = args[1]
            assert second is not None
            return (self._activated(_BINARY[kind](first, second), attrs),)
        if kind in _UNARY:
            return (_UNARY[kind](first),)
        if kind == "SPLIT":
            split = args[1]
            assert split is not None
            axis = self._ints(op.inputs[0])[0]
            return tuple(torch.chunk(split, attrs["num_splits"], dim=axis))
        return (_OPS[kind](self, op, args, attrs),)

    @staticmethod
    def _activated(value: Value, attrs: Mapping[str, Any]) -> Value:
        return _ACTIVATIONS[attrs.get("fused_activation_function", "NONE")](value)

    def _reduce(self, op: Op, args: list[Any], attrs: Mapping[str, Any]) -> Value:
        axes = sorted({a % args[0].dim() for a in self._ints(op.inputs[1])})
        keep = bool(attrs.get("keep_dims", False))
        if not axes:
            return args[0]
        if op.kind == "REDUCE_PROD":
            value = args[0]
            for axis in reversed(axes):
                value = torch.prod(value, dim=axis, keepdim=keep)
            return value
        reducer = {"SUM": torch.sum, "MEAN": torch.mean, "REDUCE_MAX": torch.amax, "REDUCE_MIN": torch.amin}[op.kind]
        return reducer(args[0], dim=axes, keepdim=keep)

    def _fully_connected(self, op: Op, args: list[Any], attrs: Mapping[str, Any]) -> Value:
        x, weights = args[0], args[1]
        bias = args[2] if len(args) > 2 else None
        if not attrs.get("keep_num_dims", False):
            x = x.reshape(-1, weights.shape[1])
        return self._activated(functional.linear(x, weights, bias), attrs)

    def _conv(self, op: Op, args: list[Any], attrs: Mapping[str, Any]) -> Value:
        x, weights = args[0].permute(0, 3, 1, 2), args[1]
        bias = args[2] if len(args) > 2 else None
        stride = (attrs.get("stride_h", 1), attrs.get("stride_w", 1))
        dilation = (attrs.get("dilation_h_factor", 1), attrs.get("dilation_w_factor", 1))
        if op.kind == "CONV_2D":
            # Fewer input channels than the tensor has mean groups, as in TFLite.
            kernel, groups = weights.permute(0, 3, 1, 2), x.shape[1] // weights.shape[3]
        else:
            kernel, groups = weights.permute(3, 0, 1, 2), x.shape[1]
        x = self._padded(x, weights.shape[1:3], stride, dilation, attrs, 0.0)
        value = functional.conv2d(x, kernel, bias, stride, 0, dilation, groups)
        return self._activated(value.permute(0, 2, 3, 1), attrs)

    @staticmethod
    def _padded(
        x: Value,
        kernel: tuple[int, ...],
        stride: tuple[int, int],
        dilation: tuple[int, int],
        attrs: Mapping[str, Any],
        fill: float,
    ) -> Value:
        if attrs.get("padding", "SAME") != "SAME":
            return x
        top, bottom = _same_padding(x.shape[2], int(kernel[0]), stride[0], dilation[0])
        left, right = _same_padding(x.shape[3], int(kernel[1]), stride[1], dilation[1])
        return functional.pad(x, (left, right, top, bottom), value=fill)

    def _pool(self, op: Op, args: list[Any], attrs: Mapping[str, Any]) -> Value:
        x = args[0].permute(0, 3, 1, 2)
        kernel = (attrs["filter_height"], attrs["filter_width"])
        stride = (attrs.get("stride_h", 1), attrs.get("stride_w", 1))
        if op.kind == "MAX_POOL_2D":
            value = functional.max_pool2d(self._padded(x, kernel, stride, (1, 1), attrs, -torch.inf), kernel, stride)
        else:
            # Padding is not counted: sum over the window divided by the number of real elements in it.
            ones = torch.ones_like(x[:1, :1])
            total = functional.avg_pool2d(self._padded(x, kernel, stride, (1, 1), attrs, 0.0), kernel, stride)
            share = functional.avg_pool2d(self._padded(ones, kernel, stride, (1, 1), attrs, 0.0), kernel, stride)
            value = total / share
        return self._activated(value.permute(0, 2, 3, 1), attrs)

    def _batch_matmul(self, op: Op, args: list[Any], attrs: Mapping[str, Any]) -> Value:
        left = args[0].transpose(-1, -2) if attrs.get("adj_x") else args[0]
        right = args[1].transpose(-1, -2) if attrs.get("adj_y") else args[1]
        return torch.matmul(left, right)

    def _pad(self, op: Op, args: list[Any], attrs: Mapping[str, Any]) -> Value:
        pairs = np.asarray(self._ints(op.inputs[1])).reshape(-1, 2)
        flat = [int(v) for pair in reversed(pairs) for v in pair]
        if len(args) < 3 or args[2] is None:
            return functional.pad(args[0], flat)
        # PADV2's value may be a runtime tensor: pad zeros, and put the value where nothing of the input is.
        inside = functional.pad(torch.ones_like(args[0], dtype=torch.bool), flat)
        return torch.where(inside, functional.pad(args[0], flat), args[2].reshape(()))

    def _reshape(self, op: Op, args: list[Any], attrs: Mapping[str, Any]) -> Value:
        wanted = self._ints(op.inputs[1]) if len(op.inputs) > 1 else list(attrs["new_shape"])
        return args[0].reshape(wanted)

    def _transpose(self, op: Op, args: list[Any], attrs: Mapping[str, Any]) -> Value:
        return args[0].permute(self._ints(op.inputs[1]))

    def _concat(self, op: Op, args: list[Any], attrs: Mapping[str, Any]) -> Value:
        return self._activated(torch.cat(args, dim=attrs.get("axis", 0)), attrs)

    def _slice(self, op: Op, args: list[Any], attrs: Mapping[str, Any]) -> Value:
        value = args[0]
        for axis, (begin, size) in enumerate(zip(self._ints(op.inputs[1]), self._ints(op.inputs[2]), strict=True)):
            value = value.narrow(axis, begin, value.shape[axis] - begin if size == -1 else size)
        return value

    def _strided_slice(self, op: Op, args: list[Any], attrs: Mapping[str, Any]) -> Value:
        value = args[0]
        begin, end, strides = (self._ints(n) for n in op.inputs[1:4])
        shrunk = []
        for axis, size in enumerate(args[0].shape):
            first = None if attrs.get("begin_mask", 0) >> axis & 1 else begin[axis]
            last = None if attrs.get("end_mask", 0) >> axis & 1 else end[axis]
            if attrs.get("shrink_axis_mask", 0) >> axis & 1:
                index = [begin[axis] % size]
                shrunk.append(axis)
            else:
                index = list(range(*slice(first, last, strides[axis]).indices(size)))
            value = torch.index_select(value, axis, torch.tensor(index))
        for axis in reversed(shrunk):
            value = value.squeeze(axis)
        return value

    def _softmax(self, op: Op, args: list[Any], attrs: Mapping[str, Any]) -> Value:
        return torch.softmax(args[0] * attrs.get("beta", 1.0), dim=-1)

    def _cumsum(self, op: Op, args: list[Any], attrs: Mapping[str, Any]) -> Value:
        axis = self._ints(op.inputs[1])[0]
        value = torch.flip(args[0], (axis,)) if attrs.get("reverse") else args[0]
        total = torch.cumsum(value, axis) - (value if attrs.get("exclusive") else 0)
        return torch.flip(total, (axis,)) if attrs.get("reverse") else total

    def _arg_extremum(self, op: Op, args: list[Any], attrs: Mapping[str, Any]) -> Value:
        find = torch.argmax if op.kind == "ARG_MAX" else torch.argmin
        values = args[0].to(torch.uint8) if args[0].dtype is torch.bool else args[0]
        return find(values, dim=self._ints(op.inputs[1])[0]).to(torch.int32)

    def _select(self, op: Op, args: list[Any], attrs: Mapping[str, Any]) -> Value:
        return torch.where(args[0].to(torch.bool), args[1], args[2])

    def _gelu(self, op: Op, args: list[Any], attrs: Mapping[str, Any]) -> Value:
        return functional.gelu(args[0], approximate="tanh" if attrs.get("approximate") else "none")

    def _leaky(self, op: Op, args: list[Any], attrs: Mapping[str, Any]) -> Value:
        return functional.leaky_relu(args[0], attrs.get("alpha", 0.0))

    def _resize(self, op: Op, args: list[Any], attrs: Mapping[str, Any]) -> Value:
        value = args[0]
        for axis, size in zip((1, 2), self._ints(op.inputs[1]), strict=True):
            nearest = {"nearest": op.kind == "RESIZE_NEAREST_NEIGHBOR"}
            at = _sample_positions(value.shape[axis], size, {**attrs, **nearest}, self.dtype)
            if op.kind == "RESIZE_NEAREST_NEIGHBOR":
                at = torch.round(at) if attrs.get("align_corners") else torch.floor(at)
                value = torch.index_select(value, axis, at.long().clamp(0, value.shape[axis] - 1))
                continue
            low = torch.floor(at)
            share = (at - low).reshape(-1, *(1,) * (value.dim() - axis - 1))
            first, second = (i.long().clamp(0, value.shape[axis] - 1) for i in (low, low + 1))
            left, right = torch.index_select(value, axis, first), torch.index_select(value, axis, second)
            value = left * (1 - share) + right * share
        return value

    def _depth_to_space(self, op: Op, args: list[Any], attrs: Mapping[str, Any]) -> Value:
        """TFLite's channels are [block, channel], torch's [channel, block]."""
        block = int(attrs["block_size"])
        blocks = args[0].unflatten(3, (block**2, -1)).transpose(3, 4).flatten(3)
        return functional.pixel_shuffle(blocks.permute(0, 3, 1, 2), block).permute(0, 2, 3, 1)

    def _space_to_depth(self, op: Op, args: list[Any], attrs: Mapping[str, Any]) -> Value:
        block = int(attrs["block_size"])
        blocks = functional.pixel_unshuffle(args[0].permute(0, 3, 1, 2), block).permute(0, 2, 3, 1)
        return blocks.unflatten(3, (-1, block**2)).transpose(3, 4).flatten(3)

    def _dequantize(self, op: Op, args: list[Any], attrs: Mapping[str, Any]) -> Value:
        return args[0].to(self.dtype)


_OPS: Mapping[str, Callable[[GraphModule, Op, list[Any], Mapping[str, Any]], Value]] = {
    **dict.fromkeys(("SUM", "MEAN", "REDUCE_MAX", "REDUCE_MIN", "REDUCE_PROD"), GraphModule._reduce),
    "FULLY_CONNECTED": GraphModule._fully_connected,
    "CONV_2D": GraphModule._conv,
    "DEPTHWISE_CONV_2D": GraphModule._conv,
    "AVERAGE_POOL_2D": GraphModule._pool,
    "MAX_POOL_2D": GraphModule._pool,
    "BATCH_MATMUL": GraphModule._batch_matmul,
    "PAD": GraphModule._pad,
    "PADV2": GraphModule._pad,
    "RESHAPE": GraphModule._reshape,
    "TRANSPOSE": GraphModule._transpose,
    "CONCATENATION": GraphModule._concat,
    "SLICE": GraphModule._slice,
    "STRIDED_SLICE": GraphModule._strided_slice,
    "SOFTMAX": GraphModule._softmax,
    "ARG_MAX": GraphModule._arg_extremum,
    "ARG_MIN": GraphModule._arg_extremum,
    "CUMSUM": GraphModule._cumsum,
    "SELECT_V2": GraphModule._select,
    "GELU": GraphModule._gelu,
    "LEAKY_RELU": GraphModule._leaky,
    "DEPTH_TO_SPACE": GraphModule._depth_to_space,
    "SPACE_TO_DEPTH": GraphModule._space_to_depth,
    "DEQUANTIZE": GraphModule._dequantize,
    "RESIZE_BILINEAR": GraphModule._resize,
    "RESIZE_NEAREST_NEIGHBOR": GraphModule._resize,
}
KINDS = frozenset(_UNARY) | frozenset(_BINARY) | frozenset(_OPS) | {"SPLIT"}
