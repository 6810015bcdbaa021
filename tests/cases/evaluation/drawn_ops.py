"""Ops of every kind on random operands: of rank 0 to 4, of every broadcast, with every option, as TFLite takes them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from hypothesis import strategies as st

from cases.evaluation import elementwise
from cases.graph import Tensor
from cases.shapes import REDUCTIONS
from cases.tflite.extras import OpExtras, TensorExtras
from tests.cases.evaluation.kernels import OneOp, fixed

Draw = st.DrawFn
POSITIVE = frozenset({"LOG", "SQRT", "RSQRT"})
OF_WHOLE_NUMBERS = frozenset({"FLOOR_DIV", "FLOOR_MOD", "DIV", "ADD", "SUB", "MUL", "MAXIMUM", "MINIMUM"})
ACTIVATIONS = ("NONE", "RELU", "RELU6", "RELU_N1_TO_1")


def rng_of(draw: Draw) -> np.random.Generator:
    return np.random.default_rng(draw(st.integers(0, 2**32 - 1)))


def shape_of(draw: Draw, low: int = 0, high: int = 4, largest: int = 4) -> tuple[int, ...]:
    return tuple(draw(st.lists(st.integers(1, largest), min_size=low, max_size=high)))


def floats(draw: Draw, shape: tuple[int, ...], low: float = -4.0, high: float = 4.0) -> np.ndarray:
    return rng_of(draw).uniform(low, high, shape).astype(np.float32)


def whole(draw: Draw, shape: tuple[int, ...], low: int = -9, high: int = 9, dtype: str = "int32") -> np.ndarray:
    return rng_of(draw).integers(low, high, shape, endpoint=True).astype(dtype)


def truths(draw: Draw, shape: tuple[int, ...]) -> np.ndarray:
    return rng_of(draw).random(shape) < 0.5


def broadcasting(draw: Draw, count: int) -> list[tuple[int, ...]]:
    """Shapes of which one is whole, and the others lack axes in front or have extent 1 along some."""
    whole_shape = shape_of(draw)
    shapes = [whole_shape]
    for _ in range(count - 1):
        cut = draw(st.integers(0, len(whole_shape)))
        shapes.append(tuple(d if draw(st.booleans()) else 1 for d in whole_shape[cut:]))
    return list(draw(st.permutations(shapes)))


def unary(draw: Draw, kind: str) -> OneOp:
    shape = shape_of(draw)
    if kind == "LOGICAL_NOT":
        return OneOp(kind, (truths(draw, shape),), ("bool",))
    low = 0.1 if kind in POSITIVE else -8.0
    attrs: dict[str, Any] = {}
    if kind == "GELU":
        attrs = {"approximate": draw(st.booleans())}
    elif kind == "LEAKY_RELU":
        attrs = {"alpha": draw(st.sampled_from([0.1, 0.5]))}
    return OneOp(kind, (floats(draw, shape, low, 8.0),), attrs=attrs)


def of_rows(draw: Draw, kind: str) -> OneOp:
    attrs = {"beta": draw(st.sampled_from([1.0, 0.5, 2.0]))} if kind == "SOFTMAX" else {}
    return OneOp(kind, (floats(draw, shape_of(draw, 1)),), attrs=attrs)


def binary(draw: Draw, kind: str) -> OneOp:
    left, right = broadcasting(draw, 2) if kind != "ATAN2" else [shape_of(draw)] * 2  # TFLite's does not broadcast
    if kind.startswith("LOGICAL"):
        return OneOp(kind, (truths(draw, left), truths(draw, right)), ("bool",))
    compares = kind in ("GREATER", "GREATER_EQUAL", "LESS", "LESS_EQUAL", "EQUAL", "NOT_EQUAL")
    outputs = ("bool",) if compares else ("float32",)
    if (compares or kind in OF_WHOLE_NUMBERS) and draw(st.booleans()):
        divisor = whole(draw, right, 1, 5) * draw(st.sampled_from([1, -1]))
        return OneOp(kind, (whole(draw, left), divisor), outputs if compares else ("int32",))
    a, b = floats(draw, left), floats(draw, right)
    if kind == "POW":
        a = np.abs(a) + np.float32(0.1)
    if kind in ("DIV", "FLOOR_DIV", "FLOOR_MOD"):
        b = np.where(np.abs(b) < 0.1, np.float32(0.7), b)
    if compares and draw(st.booleans()):
        a, b = np.round(a), np.round(b)  # so that some are equal
    fuses = kind in ("ADD", "SUB", "MUL", "DIV")
    attrs = {"fused_activation_function": draw(st.sampled_from(ACTIVATIONS))} if fuses else {}
    return OneOp(kind, (a, b), outputs, attrs)


def of_bits(draw: Draw, kind: str) -> OneOp:
    dtype = draw(st.sampled_from(["int8", "int16", "int32", "uint8"] if kind != "STABLEHLO_SHIFT_LEFT" else ["int32"]))
    shape = shape_of(draw, 1)
    low = 0 if dtype == "uint8" else -100
    by = whole(draw, shape, 0, 12 if kind == "RIGHT_SHIFT" else 7, dtype)
    return OneOp(kind, (whole(draw, shape, low, 100, dtype), by), (dtype,))


def prelu(draw: Draw, kind: str) -> OneOp:
    shape = shape_of(draw, 1)
    slopes = tuple(d if draw(st.booleans()) else 1 for d in shape[draw(st.integers(0, len(shape) - 1)) :])
    return OneOp(kind, (floats(draw, shape), floats(draw, slopes)))


def select(draw: Draw, kind: str) -> OneOp:
    if kind == "SELECT_V2":
        condition, left, right = broadcasting(draw, 3)
    else:
        left = right = shape_of(draw, 1)
        condition = draw(st.sampled_from([left, left[:1], ()]))
    operands = (truths(draw, condition), floats(draw, left), floats(draw, right))
    return OneOp(kind, operands, shapes=None if kind == "SELECT_V2" else [left])


def add_n(draw: Draw, kind: str) -> OneOp:
    shape = shape_of(draw)
    return OneOp(kind, tuple(floats(draw, shape) for _ in range(draw(st.integers(2, 4)))))


def cast(draw: Draw, kind: str) -> OneOp:
    source, target = draw(st.permutations(["float32", "int32", "bool", "int64", "uint8"]))[:2]
    shape = shape_of(draw)
    values = truths(draw, shape) if source == "bool" else rng_of(draw).uniform(0, 90, shape).astype(source)
    return OneOp(kind, (values,), (target,))


def reduction(draw: Draw, kind: str) -> OneOp:
    shape = shape_of(draw, 1)
    axes = draw(st.lists(st.integers(-len(shape), len(shape) - 1), min_size=1, max_size=3))
    attrs = {"keep_dims": draw(st.booleans())}
    if kind in ("REDUCE_ALL", "REDUCE_ANY"):
        return OneOp(kind, (truths(draw, shape), fixed(axes)), ("bool",), attrs)
    if kind in ("SUM", "MEAN", "REDUCE_MAX", "REDUCE_MIN") and draw(st.booleans()):
        return OneOp(kind, (whole(draw, shape), fixed(axes)), ("int32",), attrs)
    return OneOp(kind, (floats(draw, shape, 0.5, 2.0), fixed(axes)), attrs=attrs)


def arg_extremum(draw: Draw, kind: str) -> OneOp:
    shape = shape_of(draw, 1)
    axis = draw(st.integers(-len(shape), len(shape) - 1))
    dtype, code = draw(st.sampled_from([("int32", 2), ("int64", 4)]))
    values = np.round(floats(draw, shape)) if draw(st.booleans()) else floats(draw, shape)
    return OneOp(kind, (values, fixed(axis)), (dtype,), {"output_type": code})


def topk(draw: Draw, kind: str) -> OneOp:
    shape = shape_of(draw, 1)
    values = np.round(floats(draw, shape)) if draw(st.booleans()) else floats(draw, shape)
    return OneOp(kind, (values, fixed(draw(st.integers(1, shape[-1])))), ("float32", "int32"))


def cumsum(draw: Draw, kind: str) -> OneOp:
    shape = shape_of(draw, 1)
    axis = draw(st.integers(-len(shape), len(shape) - 1))
    attrs = {"exclusive": draw(st.booleans()), "reverse": draw(st.booleans())}
    return OneOp(kind, (floats(draw, shape), fixed(axis)), attrs=attrs)


def fully_connected(draw: Draw, kind: str) -> OneOp:
    keep = draw(st.booleans())
    x = (*shape_of(draw, 1, 3), draw(st.integers(1, 9)))
    weights = floats(draw, (draw(st.integers(1, 5)), x[-1]))
    bias = fixed(floats(draw, weights.shape[:1]), "float32") if draw(st.booleans()) else None
    attrs = {"keep_num_dims": keep, "fused_activation_function": draw(st.sampled_from(ACTIVATIONS))}
    return OneOp(kind, (floats(draw, x), fixed(weights, "float32"), bias), attrs=attrs)


def batch_matmul(draw: Draw, kind: str) -> OneOp:
    batches = broadcasting(draw, 2)
    batches = [batch[-2:] for batch in batches]
    rows, depth, columns = (draw(st.integers(1, 5)) for _ in range(3))
    adj_x, adj_y = draw(st.booleans()), draw(st.booleans())
    left = (*batches[0], depth, rows) if adj_x else (*batches[0], rows, depth)
    right = (*batches[1], columns, depth) if adj_y else (*batches[1], depth, columns)
    return OneOp(kind, (floats(draw, left), floats(draw, right)), attrs={"adj_x": adj_x, "adj_y": adj_y})


def images(draw: Draw, channels: int | None = None, smallest: int = 1) -> np.ndarray:
    size = [draw(st.integers(smallest, 7)) for _ in range(2)]
    return floats(draw, (draw(st.integers(1, 2)), *size, channels or draw(st.integers(1, 4))))


def strides(draw: Draw) -> dict[str, Any]:
    return {"stride_h": draw(st.integers(1, 3)), "stride_w": draw(st.integers(1, 3))}


def padding(draw: Draw) -> dict[str, Any]:
    return {"padding": draw(st.sampled_from(["SAME", "VALID"]))}


def convolution(draw: Draw, kind: str) -> OneOp:
    groups, depth = draw(st.sampled_from([1, 1, 2])), draw(st.integers(1, 3))
    x = images(draw, groups * depth, smallest=5)
    kernel = (draw(st.integers(1, 3)), draw(st.integers(1, 3)))
    attrs = strides(draw) | padding(draw) | {"fused_activation_function": draw(st.sampled_from(ACTIVATIONS))}
    attrs |= {"dilation_h_factor": draw(st.integers(1, 2)), "dilation_w_factor": draw(st.integers(1, 2))}
    if kind == "CONV_2D":
        weights = floats(draw, (groups * draw(st.integers(1, 3)), *kernel, depth))
        channels = weights.shape[0]
    else:
        attrs["depth_multiplier"] = draw(st.integers(1, 2))
        channels = groups * depth * attrs["depth_multiplier"]
        weights = floats(draw, (1, *kernel, channels))
    bias = fixed(floats(draw, (channels,)), "float32")
    return OneOp(kind, (x, fixed(weights, "float32"), bias), attrs=attrs)


def transpose_conv(draw: Draw, kind: str) -> OneOp:
    """Windows of 1 to 4 and strides of 1 to 3: those by which the delegate chooses among its kernels, and others."""
    x = images(draw)
    kernel = (draw(st.integers(1, 4)), draw(st.integers(1, 4)))
    attrs = strides(draw) | padding(draw)
    steps = (attrs["stride_h"], attrs["stride_w"])
    if attrs["padding"] == "SAME":
        # Every output whose convolution has as many windows as the input has pixels.
        out = [size * s - draw(st.integers(0, s - 1)) for size, s in zip(x.shape[1:3], steps, strict=True)]
    else:
        sizes = zip(x.shape[1:3], kernel, steps, strict=True)
        out = [(size - 1) * s + k + draw(st.integers(0, s - 1)) for size, k, s in sizes]
    weights = floats(draw, (draw(st.integers(1, 4)), *kernel, x.shape[3]))
    bias = fixed(floats(draw, weights.shape[:1]), "float32") if draw(st.booleans()) else None
    size = fixed([x.shape[0], *out, weights.shape[0]])
    return OneOp(kind, (size, fixed(weights, "float32"), x, bias), attrs=attrs)


def pool(draw: Draw, kind: str) -> OneOp:
    attrs = strides(draw) | padding(draw) | {"fused_activation_function": draw(st.sampled_from(ACTIVATIONS))}
    attrs |= {"filter_height": draw(st.integers(1, 3)), "filter_width": draw(st.integers(1, 3))}
    return OneOp(kind, (images(draw, smallest=3),), attrs=attrs)


def resize(draw: Draw, kind: str) -> OneOp:
    convention = draw(st.sampled_from([{}, {"align_corners": True}, {"half_pixel_centers": True}]))
    size = fixed([draw(st.integers(1, 9)), draw(st.integers(1, 9))])
    return OneOp(kind, (images(draw), size), attrs=convention)


def state(shape: tuple[int, ...]) -> Tensor:
    return Tensor("", shape, "float32", None, TensorExtras(is_variable=True))


def recurrent(draw: Draw, kind: str) -> OneOp:
    """Every variant: coupled gates, peepholes, a projection, layer norms, clips; or the basic cell."""
    batch, depth, cells = (draw(st.integers(1, 4)) for _ in range(3))
    if kind == "LSTM" and draw(st.integers(0, 3)) == 0:
        total = depth + cells
        operands = (
            *(
                floats(draw, (batch, depth)),
                floats(draw, (batch, cells)),
                fixed(floats(draw, (4 * cells, total)), "float32"),
            ),
            *(fixed(floats(draw, (4 * cells,)), "float32"), floats(draw, (batch, cells))),
        )
        basic = {"kernel_type": 1, "fused_activation_function": "TANH"}
        return OneOp(kind, operands, ("float32",) * 4, basic)
    coupled, peepholes, projects, norms = (draw(st.booleans()) for _ in range(4))
    outputs = draw(st.integers(1, 4)) if projects else cells

    def matrix(*shape: int) -> Any:
        return fixed(floats(draw, shape, -1.0, 1.0), "float32")

    def by_gate(count: int, *shape: int, present: bool = True) -> list[Any]:
        """One constant per gate; the input gate comes first and is left out where it is coupled."""
        return [matrix(*shape) if present and not (coupled and gate == 0) else None for gate in range(count)]

    operands = [*by_gate(4, cells, depth), *by_gate(4, cells, outputs), *by_gate(3, cells, present=peepholes)]
    operands += [*by_gate(4, cells), matrix(outputs, cells) if projects else None]
    operands += [matrix(outputs) if projects and draw(st.booleans()) else None, state((batch, outputs))]
    operands += [state((batch, cells)), *(by_gate(4, cells) if norms else ())]
    attrs = {"fused_activation_function": "TANH", "cell_clip": draw(st.sampled_from([0.0, 0.5]))}
    attrs |= {"proj_clip": draw(st.sampled_from([0.0, 0.3]))}
    x = floats(draw, (batch, depth))
    if kind != "LSTM":
        attrs["time_major"] = draw(st.booleans())
        times = draw(st.integers(1, 4))
        x = floats(draw, (times, batch, depth) if attrs["time_major"] else (batch, times, depth))
    return OneOp(kind, (x, *operands), attrs=attrs)


def reshape(draw: Draw, kind: str) -> OneOp:
    shape = shape_of(draw, 1)
    if kind == "SQUEEZE":
        ones = tuple(i for i, d in enumerate(shape) if d == 1)
        return OneOp(kind, (floats(draw, shape),), attrs={"squeeze_dims": ones})
    if kind == "EXPAND_DIMS":
        return OneOp(kind, (floats(draw, shape), fixed(draw(st.integers(-1, len(shape))))))
    wanted = draw(st.permutations(shape))
    if draw(st.booleans()):
        wanted = [-1, *wanted[1:]]
    if int(np.prod(shape)) == 1:
        wanted = draw(st.sampled_from([[], [1], [1, 1]]))
    return OneOp(kind, (floats(draw, shape), fixed(wanted)))


def transpose(draw: Draw, kind: str) -> OneOp:
    shape = shape_of(draw, 1)
    return OneOp(kind, (floats(draw, shape), fixed(draw(st.permutations(range(len(shape)))))))


def concatenation(draw: Draw, kind: str) -> OneOp:
    shape = list(shape_of(draw, 1))
    axis = draw(st.integers(-len(shape), len(shape) - 1))
    parts = []
    for _ in range(draw(st.integers(1, 3))):
        shape[axis] = draw(st.integers(1, 3))
        parts.append(floats(draw, tuple(shape)))
    return OneOp(kind, tuple(parts), attrs={"axis": axis})


def pad(draw: Draw, kind: str) -> OneOp:
    shape = shape_of(draw, 1)
    mode = draw(st.integers(0, 1))
    most = [min(2, d - 1 + mode) if kind == "MIRROR_PAD" else 2 for d in shape]
    amounts = fixed([[draw(st.integers(0, m)), draw(st.integers(0, m))] for m in most])
    value = (fixed(draw(st.sampled_from([-1.5, 2.5])), "float32"),) if kind == "PADV2" else ()
    attrs = {"mode": mode} if kind == "MIRROR_PAD" else {}
    return OneOp(kind, (floats(draw, shape), amounts, *value), attrs=attrs)


def slice_by_sizes(draw: Draw, kind: str) -> OneOp:
    shape = shape_of(draw, 1)
    begins = [draw(st.integers(0, d - 1)) for d in shape]
    sizes = [draw(st.sampled_from([-1, *range(1, d - b + 1)])) for d, b in zip(shape, begins, strict=True)]
    return OneOp(kind, (floats(draw, shape), fixed(begins), fixed(sizes)))


def slice_by_strides(draw: Draw, kind: str) -> OneOp:
    """Every mask; new axes and an ellipsis are entries of their own, and may leave axes to the ellipsis."""
    shape = shape_of(draw, 1)
    left = draw(st.integers(0, len(shape)))  # axes that an ellipsis stands for
    at = draw(st.integers(0, len(shape) - left)) if left else -1
    entries: list[tuple[str, int]] = []
    named = [*shape[:at], *shape[at + left :]] if left else list(shape)
    for place, extent in enumerate(named):
        if place == at:
            entries.append(("ellipsis", 0))
        if draw(st.integers(0, 4)) == 0 and len(shape) < 4:
            entries.append(("new_axis", 0))
        entries.append((draw(st.sampled_from(["", "", "shrink_axis"])), extent))
    if left and at == len(named):
        entries.append(("ellipsis", 0))
    begins, ends, steps = [], [], []
    masks = dict.fromkeys(("begin", "end", "ellipsis", "new_axis", "shrink_axis"), 0)
    for bit, (mask, extent) in enumerate(entries):
        stride = 1 if mask else draw(st.sampled_from([1, 1, 2, -1]))
        first = draw(st.integers(0, max(0, extent - 1)))
        last = draw(st.integers(first + 1, max(extent, first + 1)))
        if stride < 0:
            first, last = last - 1, first - 1 if first else -extent - 1
        begins.append(first - extent if extent and draw(st.booleans()) else first)
        ends.append(last)
        steps.append(stride)
        if mask:
            masks[mask] |= 1 << bit
        else:
            for name in ("begin", "end"):
                masks[name] |= draw(st.integers(0, 1)) << bit
    attrs = {f"{name}_mask": value for name, value in masks.items()}
    return OneOp(kind, (floats(draw, shape), fixed(begins), fixed(ends), fixed(steps)), attrs=attrs)


def split(draw: Draw, kind: str) -> OneOp:
    shape = list(shape_of(draw, 1))
    axis, count = draw(st.integers(-len(shape), len(shape) - 1)), draw(st.integers(1, 3))
    if kind == "SPLIT":
        shape[axis] *= count
        operands = (fixed(axis), floats(draw, tuple(shape)))
        return OneOp(kind, operands, ("float32",) * count, {"num_splits": count})
    sizes = [draw(st.integers(1, 3)) for _ in range(count)]
    shape[axis] = sum(sizes)
    given = [-1, *sizes[1:]] if draw(st.booleans()) else sizes
    operands = (floats(draw, tuple(shape)), fixed(given), fixed(axis))
    return OneOp(kind, operands, ("float32",) * count, {"num_splits": count})


def pack(draw: Draw, kind: str) -> OneOp:
    shape, count = shape_of(draw, 0, 3), draw(st.integers(1, 3))
    axis = draw(st.integers(-len(shape) - 1, len(shape)))
    parts = tuple(floats(draw, shape) for _ in range(count))
    return OneOp(kind, parts, attrs={"axis": axis, "values_count": count})


def unpack(draw: Draw, kind: str) -> OneOp:
    shape = shape_of(draw, 1)
    axis = draw(st.integers(-len(shape), len(shape) - 1))
    return OneOp(kind, (floats(draw, shape),), ("float32",) * shape[axis], {"axis": axis, "num": shape[axis]})


def gather(draw: Draw, kind: str) -> OneOp:
    shape = shape_of(draw, 1)
    axis = draw(st.integers(0, len(shape) - 1))
    batches = draw(st.integers(0, axis))
    indices = whole(draw, (*shape[:batches], *shape_of(draw, 0, 2)), 0, shape[axis] - 1)
    attrs = {"axis": axis - len(shape) if draw(st.booleans()) else axis, "batch_dims": batches}
    return OneOp(kind, (floats(draw, shape), indices), attrs=attrs)


def embedding_lookup(draw: Draw, kind: str) -> OneOp:
    table = floats(draw, shape_of(draw, 2))
    return OneOp(kind, (whole(draw, (draw(st.integers(1, 5)),), 0, len(table) - 1), table))


def one_hot(draw: Draw, kind: str) -> OneOp:
    indices = whole(draw, shape_of(draw, 0, 3), -1, 5)
    axis = draw(st.integers(-1, indices.ndim))
    on, off = fixed(2.5, "float32"), fixed(-1.0, "float32")
    return OneOp(kind, (indices, fixed(draw(st.integers(1, 5))), on, off), attrs={"axis": axis})


def reverse(draw: Draw, kind: str) -> OneOp:
    shape = shape_of(draw, 1)
    first = draw(st.integers(0, len(shape) - 1))
    axes = list(range(first, draw(st.integers(first + 1, len(shape)))))  # TFLite takes neighbours only
    return OneOp(kind, (floats(draw, shape), fixed(axes)))


def dynamic_update_slice(draw: Draw, kind: str) -> OneOp:
    shape = shape_of(draw, 1)
    part = tuple(draw(st.integers(1, d)) for d in shape)
    starts = whole(draw, (len(shape),), -1, 5)
    return OneOp(kind, (floats(draw, shape), floats(draw, part), starts))


def bitcast(draw: Draw, kind: str) -> OneOp:
    source, target = draw(st.permutations(["float32", "int32", "int16", "uint8", "int8"]))[:2]
    shape = shape_of(draw, 0, 3)
    wider = np.dtype(target).itemsize // np.dtype(source).itemsize
    shape = (*shape, wider) if wider > 1 else shape
    # Small numbers read as floats are denormal or near it, and exact all the same.
    values = rng_of(draw).integers(0, 120, shape).astype(source)
    return OneOp(kind, (values,), (target,))


def tile(draw: Draw, kind: str) -> OneOp:
    shape = shape_of(draw, 1)
    return OneOp(kind, (floats(draw, shape), fixed([draw(st.integers(1, 3)) for _ in shape])))


def broadcast_to(draw: Draw, kind: str) -> OneOp:
    shape = shape_of(draw, 1)
    cut = draw(st.integers(0, len(shape) - 1))
    source = tuple(d if draw(st.booleans()) else 1 for d in shape[cut:])
    return OneOp(kind, (floats(draw, source), fixed(shape)), raw=OpExtras(version=2))


def space_and_depth(draw: Draw, kind: str) -> OneOp:
    block, (height, width, depth) = draw(st.integers(1, 3)), shape_of(draw, 3, 3, 3)
    if kind == "DEPTH_TO_SPACE":
        depth *= block**2
    else:
        height, width = height * block, width * block
    return OneOp(kind, (floats(draw, (draw(st.integers(1, 2)), height, width, depth)),), attrs={"block_size": block})


DRAWS: Mapping[str, Callable[[Draw, str], OneOp]] = {
    **dict.fromkeys(
        (*elementwise.UNARY, *elementwise.APPROXIMATE_UNARY, "EXP", "LOGISTIC", "ELU", "GELU", "LEAKY_RELU"), unary
    ),
    **dict.fromkeys(("SOFTMAX", "LOG_SOFTMAX", "L2_NORMALIZATION"), of_rows),
    **dict.fromkeys((*elementwise.BINARY, *elementwise.APPROXIMATE_BINARY), binary),
    **dict.fromkeys(elementwise.OF_BITS, of_bits),
    "PRELU": prelu,
    **dict.fromkeys(("SELECT", "SELECT_V2"), select),
    "ADD_N": add_n,
    "CAST": cast,
    **dict.fromkeys((*REDUCTIONS, "REDUCE_ALL", "REDUCE_ANY"), reduction),
    **dict.fromkeys(("ARG_MAX", "ARG_MIN"), arg_extremum),
    "TOPK_V2": topk,
    "CUMSUM": cumsum,
    "FULLY_CONNECTED": fully_connected,
    "BATCH_MATMUL": batch_matmul,
    **dict.fromkeys(("CONV_2D", "DEPTHWISE_CONV_2D"), convolution),
    "TRANSPOSE_CONV": transpose_conv,
    **dict.fromkeys(("MAX_POOL_2D", "AVERAGE_POOL_2D"), pool),
    **dict.fromkeys(("RESIZE_BILINEAR", "RESIZE_NEAREST_NEIGHBOR"), resize),
    **dict.fromkeys(("LSTM", "UNIDIRECTIONAL_SEQUENCE_LSTM"), recurrent),
    **dict.fromkeys(("RESHAPE", "SQUEEZE", "EXPAND_DIMS"), reshape),
    "TRANSPOSE": transpose,
    "CONCATENATION": concatenation,
    **dict.fromkeys(("PAD", "PADV2", "MIRROR_PAD"), pad),
    "SLICE": slice_by_sizes,
    "STRIDED_SLICE": slice_by_strides,
    **dict.fromkeys(("SPLIT", "SPLIT_V"), split),
    "PACK": pack,
    "UNPACK": unpack,
    "GATHER": gather,
    "EMBEDDING_LOOKUP": embedding_lookup,
    "ONE_HOT": one_hot,
    "REVERSE_V2": reverse,
    "DYNAMIC_UPDATE_SLICE": dynamic_update_slice,
    "BITCAST": bitcast,
    "TILE": tile,
    "BROADCAST_TO": broadcast_to,
    **dict.fromkeys(("SPACE_TO_DEPTH", "DEPTH_TO_SPACE"), space_and_depth),
}


@st.composite
def ops(draw: Draw, kind: str) -> OneOp:
    """An op of a kind, on operands that TFLite's kernels take."""
    return DRAWS[kind](draw, kind)
