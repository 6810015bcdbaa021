"""Normalisations, attention and rotary embedding: what the composites of litert-torch, and their custom ops, stand for.

Key insight: each is a few sums with a division between, so its noise is that of its sums and of one inverse root; it
goes through `Arithmetic` like the ops that its body consists of. Tensors are channel-last.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from cases.evaluation.named import name_of, options_of
from cases.evaluation.step import Handler, Step, Value
from cases.graph import GraphError, Op


def _mean(step: Step, x: Value, axes: tuple[int, ...]) -> Value:
    return step.arithmetic.stored(step.arithmetic.sum(x, axes) / math.prod(x.shape[axis] for axis in axes))


def _normalised(step: Step, x: Value, axes: tuple[int, ...], epsilon: float) -> Value:
    centred = step.arithmetic.stored(x - _mean(step, x, axes))
    return _by_root_mean_square(step, centred, axes, epsilon)


def _by_root_mean_square(step: Step, x: Value, axes: tuple[int, ...], epsilon: float) -> Value:
    square = _mean(step, step.arithmetic.stored(np.square(x)), axes)
    return step.arithmetic.stored(x * step.arithmetic.function(1 / np.sqrt(square + x.dtype.type(epsilon))))


def _scaled(step: Step, value: Value) -> Value:
    """Times the second operand, plus the third, where they are there."""
    for index, apply in ((1, np.multiply), (2, np.add)):
        operand = step.optional(index)
        value = value if operand is None else step.arithmetic.stored(apply(value, operand))
    return value


def group_norm(step: Step) -> Sequence[Value]:
    """(x, gamma, beta): each batch and group of channels normalised over all positions, or a layer norm.

    As the delegate reads `odml.group_norm`: `sub_type` 1 is a layer norm, 0 a group norm; without one, reduction axes
    mean a group norm and none a layer norm.
    """
    options = options_of(step.op)
    sub_type = options.get("sub_type", 0 if "_TENSOR_V1_reduction_axes" in options else 1)
    if step.op.kind == "STABLEHLO_COMPOSITE" and sub_type == 1:
        return layer_norm(step)
    x, groups = step[0], int(options.get("num_groups", 32))
    if options.get("channel_axis", x.ndim - 1) != x.ndim - 1:
        raise GraphError(f"{name_of(step.op)} whose channels are not the last axis")
    grouped = x.reshape(x.shape[0], -1, groups, x.shape[-1] // groups)
    value = _normalised(step, grouped, (1, 3), float(options.get("epsilon", 1e-6)))
    return (_scaled(step, value.reshape(x.shape)),)


def layer_norm(step: Step) -> Sequence[Value]:
    """(x, scale, bias): normalised along the channels."""
    value = _normalised(step, step[0], (step[0].ndim - 1,), float(options_of(step.op)["epsilon"]))
    return (_scaled(step, value),)


def rms_norm(step: Step) -> Sequence[Value]:
    """(x, scale): divided by the root mean square along the channels."""
    value = _by_root_mean_square(step, step[0], (step[0].ndim - 1,), float(options_of(step.op)["epsilon"]))
    return (_scaled(step, value),)


def attention(step: Step) -> Sequence[Value]:
    """Scaled dot product attention of q [B, T, N, H], k and v [B, S, K, H] and an added mask [B, 1, T, S].

    N is a multiple of K: neighbouring heads of q share a head of k and v. `scale` is 1 / sqrt(H) by default;
    `logit_cap` c bends the logits to c tanh(logit / c).
    """
    arithmetic, options = step.arithmetic, options_of(step.op)
    q, k, v = (np.moveaxis(step[index], 2, 1) for index in range(3))
    k, v = (np.repeat(side, q.shape[1] // side.shape[1], axis=1) for side in (k, v))
    scale = q.dtype.type(options.get("scale", 1 / math.sqrt(q.shape[-1])))
    logits = arithmetic.stored(arithmetic.matmul(arithmetic.stored(q * scale), np.swapaxes(k, -1, -2)))
    cap = options.get("logit_cap")
    if cap is not None:
        logits = arithmetic.stored(arithmetic.function(np.tanh(logits / cap), smallest=1.0) * q.dtype.type(cap))
    logits = arithmetic.stored(logits + step[3])
    raised = arithmetic.stored(arithmetic.exp(logits - logits.max(axis=-1, keepdims=True)))
    weights = arithmetic.stored(arithmetic.function(raised / arithmetic.sum(raised, (3,))))
    return (np.moveaxis(arithmetic.matmul(weights, v), 1, 2),)


def rotary_embedding(step: Step) -> Sequence[Value]:
    """odml.rope of x [B, N, T, H] by positions [T] or [B, T]: pairs of its halves turned by angles along the time.

    Channel i of a half turns by position / (min_timescale * (max_timescale / min_timescale)^(2 i / H)); with a
    `proportion` below 1 only the first of them do.
    """
    x, options, arithmetic = step[0], options_of(step.op), step.arithmetic
    positions = step[1].reshape(-1, step[1].shape[-1]).astype(np.float64)
    half = x.shape[-1] // 2
    slowest, fastest = float(options.get("max_timescale", 10000.0)), float(options.get("min_timescale", 1.0))
    scales = fastest * (slowest / fastest) ** (2 * np.arange(half) / x.shape[-1])
    turned = np.arange(half) < int(float(options.get("proportion", 1.0)) * half)
    angles = (positions[:, None, :, None] / scales) * turned
    cos, sin = (arithmetic.stored(arithmetic.function(f(angles), smallest=1.0)) for f in (np.cos, np.sin))
    left, right, rest = x[..., :half], x[..., half : 2 * half], x[..., 2 * half :]
    return (np.concatenate([left * cos - right * sin, right * cos + left * sin, rest], axis=-1),)


BY_NAME: Mapping[str, Handler] = {
    "odml.group_norm": group_norm,
    "odml.rms_norm": rms_norm,
    "odml.scaled_dot_product_attention": attention,
    "odml.rope": rotary_embedding,
    "custom_call.GroupNorm": group_norm,
    "custom_call.LayerNorm": layer_norm,
    "custom_call.RmsNorm": rms_norm,
}


def not_evaluated(op: Op) -> str | None:
    """Why a composite of a known name is not evaluated all the same, as words for the user; None if it is."""
    name = name_of(op)
    if name == "odml.scaled_dot_product_attention" and (len(op.inputs) < 4 or not op.inputs[3]):
        # litert-torch writes it without a mask both for causal attention and for a mask of zeros.
        return f"{name} without a mask, which is causal or not by its body alone"
    if name == "odml.rope" and len(op.inputs) != 2:
        return f"{name} of {len(op.inputs)} operands"
    return None
