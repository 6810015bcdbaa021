"""Fully quantised ops on random operands, with the scales that TFLite's kernels ask for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np

from cases.drawn_ops.draw import Draw
from cases.drawn_ops.one_op import Fixed, OneOp, fixed, shaped
from cases.drawn_ops.table import DRAWS
from cases.evaluation.evaluate import evaluate
from cases.evaluation.quantised import RANGES
from cases.tflite.extras import TensorExtras, on_grid

ACTIVATIONS = ("NONE", "RELU", "RELU6")


def activation_record(draw: Draw, dtype: str) -> TensorExtras:
    scale = draw.one_of([0.02, 0.05, 0.1]) / (256 if dtype == "int16" else 1)
    low, high = RANGES[dtype]
    middle = (low + high + 1) // 2
    return on_grid(scale, 0 if dtype == "int16" else middle + draw.integer(-40, 40))


def covering(op: OneOp, dtype: str, shape: tuple[int, ...]) -> OneOp:
    """The op with an output whose grid covers most of what it computes, so that a few values are clamped."""
    as_floats = replace(op, outputs=("float32",), tensor_raws={k: v for k, v in op.tensor_raws.items() if k != "out0"})
    values = evaluate(as_floats.graph([shape]), op.feed)["out0"]
    low, high = RANGES[dtype]
    if dtype == "int16":
        made = on_grid(max(np.abs(values).max() * 0.9, 0.5) / high)
    else:
        bottom, top = min(0.0, values.min() * 0.9), max(0.5, values.max() * 0.9)
        scale = (top - bottom) / (high - low)
        made = on_grid(scale, int(np.clip(np.round(low - bottom / scale), low, high)))
    return replace(op, outputs=(dtype,), shapes=[shape], tensor_raws={**op.tensor_raws, "out0": made})


def elementwise_pair(draw: Draw, kind: str) -> OneOp:
    dtype = draw.one_of(["int8", "uint8", "int16"])
    left, right = draw.broadcasting(2)
    attrs = {"fused_activation_function": draw.one_of(ACTIVATIONS)}
    raws = {"in0": activation_record(draw, dtype), "in1": activation_record(draw, dtype)}
    op = OneOp(kind, (draw.integers_of(left, dtype), draw.integers_of(right, dtype)), (dtype,), attrs, tensor_raws=raws)
    return covering(op, dtype, np.broadcast_shapes(left, right))


def same_grid(draw: Draw, kind: str) -> OneOp:
    """Ops whose output has the grid of their input: what a float op was drawn as, in integers."""
    dtype = draw.one_of(["int8", "uint8"])
    op = DRAWS[kind](draw, kind)
    grid = activation_record(draw, dtype)
    operands, raws = [], {"out0": grid}
    for place, operand in enumerate(op.operands):
        if isinstance(operand, np.ndarray) and operand.dtype == np.float32:
            operands.append(draw.integers_of(operand.shape, dtype))
            raws[f"in{place}"] = grid
        else:
            operands.append(operand)
    return replace(op, operands=tuple(operands), outputs=(dtype,), tensor_raws=raws)


def to_given_grid(draw: Draw, kind: str) -> OneOp:
    """LOGISTIC, TANH, SOFTMAX and L2_NORMALIZATION: TFLite fixes the grid of their output."""
    dtype = draw.one_of(["int8", "uint8"])
    low, _ = RANGES[dtype]
    scale, zero = (1 / 256, low) if kind in ("LOGISTIC", "SOFTMAX") else (1 / 128, low + 128)
    shape = draw.shape(1)
    raws = {"in0": activation_record(draw, dtype), "out0": on_grid(scale, zero)}
    attrs = {"beta": 1.0} if kind == "SOFTMAX" else {}
    return OneOp(kind, (draw.integers_of(shape, dtype),), (dtype,), attrs, shapes=[shape], tensor_raws=raws)


def one_operand(draw: Draw, kind: str) -> OneOp:
    dtype = draw.one_of(["int8", "uint8"] if kind != "ABS" else ["int8"])
    shape = draw.shape(1)
    attrs = {"alpha": 0.2} if kind == "LEAKY_RELU" else {}
    raws = {"in0": activation_record(draw, dtype)}
    return covering(OneOp(kind, (draw.integers_of(shape, dtype),), (dtype,), attrs, tensor_raws=raws), dtype, shape)


def mean(draw: Draw, kind: str) -> OneOp:
    dtype, shape = draw.one_of(["int8", "uint8"]), draw.shape(4, 4)
    axes = draw.one_of([[1, 2], [3], [-1, 1], [1]])
    kept = tuple(1 if i in [a % 4 for a in axes] else d for i, d in enumerate(shape))
    raws = {"in0": activation_record(draw, dtype)}
    op = OneOp(kind, (draw.integers_of(shape, dtype), fixed(axes)), (dtype,), {"keep_dims": True}, tensor_raws=raws)
    return covering(op, dtype, kept)


def weighted(draw: Draw, kind: str) -> OneOp:
    """Weights of int8 per channel or per tensor, a bias on the product of the scales; int16 activations too."""
    dtype = draw.one_of(["int8", "int8", "int16"])
    op = DRAWS[kind](draw, kind)
    x_at, bias_at = (2, 3) if kind == "TRANSPOSE_CONV" else (0, 2)
    x, weights = op.operands[x_at], op.operands[1].data
    grouped = kind == "CONV_2D" and weights.shape[3] != x.shape[3]
    if grouped:  # XNNPACK and the optimised kernels take float groups only
        weights = np.concatenate([weights] * 2, axis=3)
    axis = 3 if kind == "DEPTHWISE_CONV_2D" else 0
    channels = weights.shape[axis]
    per_channel = draw.coin()
    weight_scale = draw.numbers.uniform(0.005, 0.02, channels if per_channel else 1).astype(np.float32)
    x_grid = activation_record(draw, dtype)
    bias_scale = weight_scale.astype(np.float64) * x_grid.quantization.scale[0]
    bias = draw.numbers.integers(-500, 500, channels).astype("int32" if dtype == "int8" else "int64")
    raws = {f"in{x_at}": x_grid, "in1": on_grid(weight_scale, 0, axis), f"in{bias_at}": on_grid(bias_scale)}
    operands = list(op.operands)
    operands[x_at], operands[1] = draw.integers_of(x.shape, dtype), Fixed(draw.integers_of(weights.shape, "int8"))
    operands[bias_at] = Fixed(bias)
    quantised = replace(op, operands=tuple(operands), outputs=(dtype,), tensor_raws=raws)
    shape = shaped(op).tensors["out0"].shape
    return covering(quantised, dtype, shape)


QUANTISED: Mapping[str, Callable[[Draw, str], OneOp]] = {
    **dict.fromkeys(("ADD", "SUB", "MUL"), elementwise_pair),
    **dict.fromkeys(("MAX_POOL_2D", "AVERAGE_POOL_2D", "RESIZE_BILINEAR", "RESIZE_NEAREST_NEIGHBOR"), same_grid),
    **dict.fromkeys(("RESHAPE", "TRANSPOSE", "PAD", "MIRROR_PAD", "SLICE", "STRIDED_SLICE", "GATHER"), same_grid),
    **dict.fromkeys(("TILE", "REVERSE_V2", "SPACE_TO_DEPTH"), same_grid),
    **dict.fromkeys(("LOGISTIC", "TANH", "SOFTMAX", "L2_NORMALIZATION"), to_given_grid),
    **dict.fromkeys(("RELU", "RELU6", "LEAKY_RELU", "HARD_SWISH", "ABS"), one_operand),
    "MEAN": mean,
    **dict.fromkeys(("FULLY_CONNECTED", "CONV_2D", "DEPTHWISE_CONV_2D", "TRANSPOSE_CONV"), weighted),
}
