"""What the delegate's parsers make of convolutions, pooling and FULLY_CONNECTED.

Key insight: a FULLY_CONNECTED of rank 3 or more is a 1x1 convolution, and a convolution in groups that the kernels
cannot take is a SPLIT, one convolution per group, and a CONCAT.

Source: LiteRT's `ml_drift_delegate/tflite/model_builder.cc` (the operation parsers).
"""

from __future__ import annotations

import numpy as np

from cases.graph import Op
from repro.delegate.graph import MAX_RANK, POINTWISE, SLICE_CHANNELS, Bhwc, Node, Value, Weights, Window
from repro.delegate.kinds import node_kind
from repro.delegate.lowering import Lowering
from repro.delegate.misread_scales import (
    has_blocks_of_int4,
    has_weights_of_integers,
    is_taken_for_fully_connected,
    rows_lost,
)

Pair = tuple[int, int]
BIASES = {"CONV_2D": 2, "DEPTHWISE_CONV_2D": 2, "FULLY_CONNECTED": 2, "TRANSPOSE_CONV": 3}
"""Where the ops with weights have their bias."""


def bias_is_computed(lowering: Lowering, op: Op) -> bool:
    """Whether an op with constant weights has a bias that is an input or computed: two inputs at run time."""
    place = BIASES.get(op.kind, len(op.inputs))
    if place >= len(op.inputs) or not op.inputs[place] or lowering.constant(op, 1) is None:
        return False
    return lowering.constant(op, place) is None


def parse_fully_connected(lowering: Lowering, op: Op) -> None:
    """A product over the last dimension only, where TFLite flattens the input to the weights' depth."""
    source = lowering.value(op.inputs[0])
    weights, bias = lowering.constant(op, 1), lowering.constant(op, 2)
    channels, depth = lowering.shape(op.inputs[1])[:2]
    if weights is None:
        node = lowering.add(Node("FULLY_CONNECTED", op), source, lowering.value(op.inputs[1]))
        if bias is not None and np.any(bias):  # a bias at run time is refused
            node.misparsed = "fc-runtime-weights"
    elif has_weights_of_integers(lowering.graph, op):
        node = lowering.add(Node("FULLY_CONNECTED_INT8", op), source)
        if has_blocks_of_int4(lowering.graph, op):
            node.misparsed = "blockwise-int4-aborts"
        elif rows_lost(lowering.graph, op):
            node.misparsed = "quantised-fc-rows"
    else:
        kind = "FULLY_CONNECTED" if source.shape[1] == source.shape[2] == 1 else "CONV"
        node = lowering.add(Node(kind, op, window=POINTWISE, weights=Weights(channels, depth, 1)), source)
    if source.shape[3] != depth:
        shape = lowering.shape(op.inputs[0])  # of rank 1, every element is a batch of one channel
        node.misparsed = "fc-rank-1" if len(shape) == 1 and shape[0] > 1 else "fc-flattens"
    lowering.finish(node, shape=(*source.shape[:3], channels))


def parse_convolution(lowering: Lowering, op: Op) -> None:
    """CONV_2D and DEPTHWISE_CONV_2D; weights are [out, height, width, in] and [1, height, width, out]."""
    source, weights = lowering.value(op.inputs[0]), lowering.constant(op, 1)
    if weights is None:
        node = lowering.add(Node(node_kind(op.kind), op), source, lowering.value(op.inputs[1]))
        lowering.finish(node)
        return
    dilation = (int(op.attrs.get("dilation_h_factor", 1)), int(op.attrs.get("dilation_w_factor", 1)))
    window = _window(op, source.shape, (int(weights.shape[1]), int(weights.shape[2])), dilation)
    channels = source.shape[3]
    if op.kind == "CONV_2D" and is_taken_for_fully_connected(lowering.graph, op):
        node = lowering.add(Node("FULLY_CONNECTED_INT8", op), source)
        if source.shape[:3] != lowering.value(op.outputs[0]).shape[:3] or channels != weights.shape[3]:
            node.misparsed = "quantised-pointwise"
        lowering.finish(node)
        return
    if op.kind == "DEPTHWISE_CONV_2D":
        node = Node("DEPTHWISE", op, window=window, weights=Weights(int(weights.shape[3]), channels, channels))
        if window.size == (1, 1) and 1 < channels < weights.shape[3]:
            # The parser's branch for 1x1 kernels copies the weights in the file's order, input by input.
            node.misparsed = "depthwise-multiplier"
        lowering.finish(lowering.add(node, source))
        return
    out_channels, in_channels = int(weights.shape[0]), int(weights.shape[3])
    size = Weights(out_channels, in_channels, max(1, channels // max(1, in_channels)))
    if in_channels == 1 and channels == out_channels:
        lowering.finish(lowering.add(Node("DEPTHWISE", op, window=window, weights=size), source))
    elif size.groups != 1 and (in_channels % SLICE_CHANNELS or out_channels // size.groups % SLICE_CHANNELS):
        _in_groups(lowering, op, source, window, size)
    else:
        lowering.finish(lowering.add(Node("CONV", op, window=window, weights=size), source))


def _in_groups(lowering: Lowering, op: Op, source: Value, window: Window, weights: Weights) -> None:
    """Groups the kernels cannot take become SPLIT, one convolution each, and CONCAT."""
    split = lowering.add(Node("SPLIT", op, axis="C"), source)
    split.misparsed = "grouped-conv" if weights.in_channels <= SLICE_CHANNELS else "grouped-conv-aborts"
    of_group = Weights(weights.out_channels // weights.groups, weights.in_channels, 1)
    inputs = [lowering.new_value(split, (*source.shape[:3], of_group.in_channels)) for _ in range(weights.groups)]
    batch, height, width, _ = lowering.value(op.outputs[0]).shape
    results: list[Value] = []
    for part in inputs:
        convolution = lowering.add(Node("CONV", op, window=window, weights=of_group), part)
        results.append(lowering.new_value(convolution, (batch, height, width, of_group.out_channels)))
    lowering.finish(lowering.add(Node("CONCAT", op, axis="C"), *results))


def parse_pool(lowering: Lowering, op: Op) -> None:
    """AVERAGE_POOL_2D and MAX_POOL_2D."""
    source = lowering.value(op.inputs[0])
    size = (int(op.attrs.get("filter_height", 1)), int(op.attrs.get("filter_width", 1)))
    node = Node(node_kind(op.kind), op, window=_window(op, source.shape, size, (1, 1)))
    lowering.finish(lowering.add(node, source))


def _window(op: Op, source: Bhwc, size: Pair, dilation: Pair) -> Window:
    """The window of an op, with the padding in full: SAME in TFLite's sense, else zero."""
    stride = (int(op.attrs.get("stride_h", 1)), int(op.attrs.get("stride_w", 1)))
    if op.attrs.get("padding", "SAME") != "SAME":
        return Window(size, stride, dilation)
    rows, columns = (_same_padding(source[1 + side], size[side], stride[side], dilation[side]) for side in (0, 1))
    return Window(size, stride, dilation, (rows, columns))


def _same_padding(extent: int, size: int, stride: int, dilation: int) -> int:
    """How much a window has to be padded along one side so that there is one result per stride."""
    steps = -(-extent // stride)
    return max(0, (steps - 1) * stride + (size - 1) * dilation + 1 - extent)


def parse_transposed_convolution(lowering: Lowering, op: Op) -> None:
    """TRANSPOSE_CONV, which pads in front as a convolution of its input would, and should as one of its output."""
    node = lowering.generic(op)
    weights, images, made = (lowering.shape(name) for name in (op.inputs[1], op.inputs[2], op.outputs[0]))
    strides = (int(op.attrs.get("stride_h", 1)), int(op.attrs.get("stride_w", 1)))
    if op.attrs.get("padding", "SAME") == "SAME" and len(images) == len(made) == MAX_RANK:
        sizes = zip(images[1:3], made[1:3], weights[1:3], strides, strict=True)
        if any(_front(extent, kernel, stride) != _front(out, kernel, stride) for extent, out, kernel, stride in sizes):
            node.misparsed = "transposed-same-padding"


def _front(size: int, kernel: int, stride: int) -> int:
    """What SAME pads in front of an axis of this size, under a convolution."""
    return max(0, (-(-size // stride) - 1) * stride + kernel - size) // 2
