"""Which ops the delegate's parser does not take, and why: what it would say aloud, told by reading the file.

Key insight: the parser asks each op for itself (its kind, version, options, the types and ranks of its tensors) before
anything is compiled. So its answers can be given from the file alone, op by op, and the rest of the graph still counts:
with the cpu beside it these are the ops that leave the GPU.

Source: LiteRT's `ml_drift_delegate/tflite/model_builder.cc` (`NewOperationParser`, each parser's `IsSupported`,
`GetOpsToReplaceWithOptions` for types) and `tflite/tools/versioning/gpu_compatibility.cc`. Not everything that they ask
is asked here: `tests/repro/delegate/test_refusals.py` holds what is said against the delegate's own answers.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from cases.evaluation.named import name_of
from cases.graph import Graph, Op
from repro.delegate.graph import MAX_RANK, constant_data
from repro.delegate.kinds import ELEMENTWISE
from repro.delegate.malformed import is_malformed

SUPPORTED_KINDS = """
    ABS ADD ADD_N ARG_MAX ATAN2 AVERAGE_POOL_2D BATCH_MATMUL BITCAST BITWISE_XOR STABLEHLO_BROADCAST_IN_DIM CAST
    STABLEHLO_CBRT CEIL CONCATENATION CONV_2D COS CUMSUM DEPTHWISE_CONV_2D DEPTH_TO_SPACE DEQUANTIZE DIV
    DYNAMIC_UPDATE_SLICE EQUAL ELU EMBEDDING_LOOKUP EXP FLOOR FLOOR_DIV FLOOR_MOD FULLY_CONNECTED GATHER GELU GREATER
    GREATER_EQUAL HARD_SWISH LESS LESS_EQUAL LOGICAL_AND LOGICAL_NOT LOGICAL_OR LOGISTIC LOG LSTM MAXIMUM MAX_POOL_2D
    MEAN MINIMUM MIRROR_PAD MUL NEG NOT_EQUAL ONE_HOT PACK PAD PADV2 POW REDUCE_ALL REDUCE_ANY REDUCE_MAX REDUCE_MIN
    REDUCE_PROD QUANTIZE RELU RELU6 RELU_0_TO_1 RELU_N1_TO_1 LEAKY_RELU PRELU STABLEHLO_REMAINDER RESHAPE
    RESIZE_BILINEAR RESIZE_NEAREST_NEIGHBOR REVERSE_V2 ROUND RSQRT SELECT SELECT_V2 STABLEHLO_SHIFT_LEFT RIGHT_SHIFT
    SIGN SIN SLICE SOFTMAX SPACE_TO_DEPTH SPLIT SPLIT_V SQRT SQUARE SQUARED_DIFFERENCE STRIDED_SLICE SUB SUM TANH TILE
    TOPK_V2 TRANSPOSE TRANSPOSE_CONV UNPACK STABLEHLO_CLAMP STABLEHLO_COMPOSITE CUSTOM
"""
SUPPORTED = frozenset(SUPPORTED_KINDS.split())
"""The op kinds that the delegate's parser table has (NewOperationParser in model_builder.cc)."""
NOT_YET = frozenset({"BITWISE_XOR", "RELU_0_TO_1"})
"""Of them, those that LiteRT 2.3.0 does not have yet (measured)."""
REFUSES_TWICE = (ELEMENTWISE | {"ATAN2"}) - {"ADD", "MUL"}
"""Ops that may not read one tensor twice ("No support of few identical inputs"); x + x and x * x become other ops."""

_POINTWISE = """
    ATAN2 BITWISE_XOR CEIL COS DIV EQUAL ELU EXP FLOOR FLOOR_MOD GREATER GREATER_EQUAL LESS LESS_EQUAL LOGICAL_AND
    LOGICAL_NOT LOGICAL_OR LOGISTIC LOG NEG NOT_EQUAL POW ROUND RSQRT STABLEHLO_SHIFT_LEFT RIGHT_SHIFT SIGN SIN SQRT
    SQUARE SQUARED_DIFFERENCE SUB TANH RELU RELU6 RELU_0_TO_1 RELU_N1_TO_1 LEAKY_RELU STRIDED_SLICE AVERAGE_POOL_2D
    MAX_POOL_2D SPACE_TO_DEPTH QUANTIZE
"""
LARGEST_VERSION: Mapping[str, int] = {
    **dict.fromkeys(_POINTWISE.split(), 2),
    **dict.fromkeys(("PRELU", "RESHAPE", "SELECT", "SELECT_V2", "TOPK_V2", "CUMSUM", "ONE_HOT"), 1),
    **dict.fromkeys(("FLOOR_DIV", "GELU", "DEQUANTIZE", "TRANSPOSE_CONV"), 3),
    **dict.fromkeys(("RESIZE_BILINEAR", "RESIZE_NEAREST_NEIGHBOR"), 3),
    **dict.fromkeys(("MAXIMUM", "MINIMUM", "SOFTMAX", "LSTM"), 4),
    **dict.fromkeys(("ABS", "PAD", "PADV2", "MIRROR_PAD"), 5),
    **dict.fromkeys(("ADD", "ADD_N", "CONCATENATION", "CONV_2D", "DEPTHWISE_CONV_2D"), 6),
    **dict.fromkeys(("MUL", "SLICE"), 8),
    "TRANSPOSE": 9,
    "FULLY_CONNECTED": 14,
}
"""The newest version of an op kind that its parser takes."""

KNOWN_COMPOSITES = frozenset(
    {
        *("odml.group_norm", "odml.rms_norm", "odml.scaled_dot_product_attention", "odml.rope", "odml.cache_update"),
        *("odml.runtime_bmm", "odml.sdpa_transposed", "custom_call.rotary_positional_embedding"),
    }
)
"""Composites that the delegate means to compute by their names, and dies of while compiling (SIGSEGV, measured with
the first four): it looks for the subgraph of the body in an object of another library's."""
KNOWN_CUSTOM_OPS = frozenset(
    {
        *("custom_call.GroupNorm", "custom_call.LayerNorm", "custom_call.RmsNorm", "custom_call.PixelShuffle"),
        *("custom_call.absolute_positional_embedding", "custom_call.rotary_positional_embedding"),
        *("Convolution2DTransposeBias", "MaxPoolingWithArgmax2D", "MaxUnpooling2D", "Resampler", "moe"),
        *("AlignmentPointsToTransformMatrix", "KeepIfMax2D", "RoIToTransformMatrix", "TransformLandmarks"),
        *("Landmarks2TransformMatrix", "Landmarks2TransformMatrixV2", "TransformTensor", "TransformTensorBilinear"),
    }
)

_FLOATS, _QUANTISED, _SIGNED = {"float32", "float16"}, {"int2", "int4", "int8", "uint8"}, {"int8", "int16", "int32"}
_UNSIGNED = {"uint8", "uint16", "uint32"}
_COMPARISONS = frozenset({"GREATER", "GREATER_EQUAL", "LESS", "LESS_EQUAL", "EQUAL", "NOT_EQUAL"})
_LOGICAL = frozenset({"LOGICAL_AND", "LOGICAL_OR", "LOGICAL_NOT", "BITWISE_XOR"})
_WHOLE_KINDS = """
    ABS ADD ATAN2 COS DIV FLOOR_DIV FLOOR_MOD MAXIMUM MINIMUM MUL NEG REDUCE_MAX REDUCE_MIN REDUCE_PROD RIGHT_SHIFT
    SIGN SIN STABLEHLO_CLAMP SUB SUM STABLEHLO_REMAINDER TILE STABLEHLO_SHIFT_LEFT
"""
_WHOLE = frozenset(_WHOLE_KINDS.split())
_ANY_TYPE_KINDS = """
    STABLEHLO_BROADCAST_IN_DIM BITCAST CAST CONCATENATION DYNAMIC_UPDATE_SLICE GATHER PACK PAD PADV2 RESHAPE
    REVERSE_V2 SELECT SELECT_V2 SLICE STRIDED_SLICE TRANSPOSE
"""
_ANY_TYPE = frozenset(_ANY_TYPE_KINDS.split())
_MASKS = ("ellipsis_mask", "new_axis_mask", "shrink_axis_mask")


def why_refused(graph: Graph, op: Op) -> str:
    """Why the delegate refuses an op, or empty if nothing speaks against it."""
    if op.kind not in SUPPORTED - NOT_YET:
        return f"the delegate has no {op.kind}"
    version = getattr(op.raw, "version", 1)
    if version > LARGEST_VERSION.get(op.kind, version):
        return f"it is {op.kind} version {version}, the delegate takes at most {LARGEST_VERSION[op.kind]}"
    if op.kind == "STABLEHLO_COMPOSITE" and name_of(op) not in KNOWN_COMPOSITES:
        return f"the delegate knows no composite {name_of(op)}"
    if op.kind == "CUSTOM" and name_of(op) not in KNOWN_CUSTOM_OPS:
        return f"the delegate knows no custom op {name_of(op)}"
    if op.kind == "SPLIT" and len(op.outputs) == 1:
        return "a SPLIT into one part crashes the delegate"
    if is_malformed(graph, op):
        return ""  # TFLite refuses it before the delegate is asked
    if op.kind in REFUSES_TWICE and op.inputs[0] == op.inputs[-1] and constant_data(graph, op.inputs[0]) is None:
        return f"it reads '{op.inputs[0]}' as both operands"
    return _why_not_its_options(graph, op) or _why_not_its_tensors(graph, op)


def composite_that_crashes(op: Op) -> str:
    """The name of a composite that ends the process, or empty."""
    name = name_of(op)
    return name if op.kind == "STABLEHLO_COMPOSITE" and name in KNOWN_COMPOSITES else ""


def _why_not_its_options(graph: Graph, op: Op) -> str:
    shapes = [graph.tensors[name].shape if name else () for name in op.inputs]
    match op.kind:
        case "GATHER":
            indices = graph.tensors[op.inputs[1]]
            if len(indices.shape) != 1:
                return f"its indices '{indices.name}' have rank {len(indices.shape)}, the delegate takes rank 1"
            if indices.dtype != "int32":
                return f"its indices '{indices.name}' are {indices.dtype}, the delegate takes int32"
        case "STRIDED_SLICE":
            masks = [mask for mask in _MASKS if op.attrs.get(mask)]
            steps = constant_data(graph, op.inputs[3])
            if masks:
                return f"it has {masks[0]}"
            if steps is not None and (np.ravel(steps) < 0).any():
                return "it steps backwards"
        case "SOFTMAX" if op.attrs.get("beta", 0.0) != 1:
            return f"its beta is {op.attrs.get('beta', 0.0):g}, the delegate takes 1"
        case "FULLY_CONNECTED":
            maker = graph.producers.get(op.inputs[1])
            if maker is not None and maker.kind == "DEQUANTIZE" and _is_stored_in_integers(graph, maker.inputs[0]):
                return f"its weights '{op.inputs[1]}' come through a DEQUANTIZE, in another shape than it reads them"
        case "EMBEDDING_LOOKUP" if _is_stored_in_integers(graph, op.inputs[1]):
            if len(shapes[1]) not in (2, 4) or (len(shapes[1]) == 4 and shapes[1][1:3] != (1, 1)):
                return f"its table '{op.inputs[1]}' is {list(shapes[1])}, the delegate takes [rows, depth]"
        case "ADD_N" if len(op.inputs) != 2:
            return f"it adds {len(op.inputs)} tensors, the delegate takes 2"
        case "SPACE_TO_DEPTH" | "DEPTH_TO_SPACE" if op.attrs.get("block_size", 0) <= 1:
            return f"its block_size is {op.attrs.get('block_size', 0)}, the delegate takes 2 and more"
        case "PAD" | "PADV2" | "MIRROR_PAD":
            if op.kind == "MIRROR_PAD" and op.attrs.get("mode", 0):
                return "it mirrors the border too, the delegate takes REFLECT only"
            if shapes[1][0] not in (3, 4):
                return f"it pads {shapes[1][0]} axes, the delegate takes 3 or 4"
        case "ONE_HOT" if op.attrs.get("axis", 0) not in (-1, *shapes[0][-1:]):
            return "its axis is not -1"  # the parser compares another one with the last extent
        case "PRELU" if not graph.tensors[op.inputs[1]].is_constant:
            return f"its slopes '{op.inputs[1]}' are computed at run time"
        case "TRANSPOSE" if len(shapes[0]) < 2:
            return f"'{op.inputs[0]}' has rank {len(shapes[0])}, the delegate takes 2 to {MAX_RANK}"
        case "RESHAPE" if len(op.inputs) > 1 and op.inputs[1] and 0 in shapes[1]:
            if not getattr(graph.tensors[op.inputs[1]].raw, "has_empty_data", False):
                return f"its shape '{op.inputs[1]}' has no elements, which TFLite takes for computed at run time"
        case "SELECT" | "SELECT_V2":
            made = graph.tensors[op.outputs[0]].shape
            odd = [name for name, shape in zip(op.inputs[1:], shapes[1:], strict=True) if shape not in ((), (1,), made)]
            if odd:
                return f"'{odd[0]}' has neither the shape of the result nor one element"
    if len(shapes) == 2 and op.kind in ELEMENTWISE | {"ATAN2", "BITWISE_XOR"} and shapes[0] != shapes[1]:
        scalars = [name for name, shape in zip(op.inputs, shapes, strict=True) if shape == ()]
        if scalars and not any(graph.tensors[name].is_constant for name in op.inputs):
            return f"'{scalars[0]}' has rank 0 and the other operand has not"
    return ""


def _is_stored_in_integers(graph: Graph, name: str) -> bool:
    return graph.tensors[name].is_constant and graph.tensors[name].dtype in _QUANTISED


def _why_not_its_tensors(graph: Graph, op: Op) -> str:
    for names, allowed in ((op.inputs, _types_read(op)), (op.outputs, _types_written(op))):
        for name in filter(None, names):
            tensor = graph.tensors[name]
            if tensor.is_state:
                return f"'{name}' is kept from run to run, which LiteRT does not load"
            if len(tensor.shape) > MAX_RANK:
                return f"'{name}' has rank {len(tensor.shape)}, the delegate takes at most {MAX_RANK}"
            if not tensor.is_constant and tensor.dtype not in allowed:
                return f"'{name}' is {tensor.dtype}, which the delegate does not take there"
    return ""


def _types_read(op: Op) -> set[str]:
    if op.kind in ("REDUCE_ALL", "REDUCE_ANY"):
        return {"bool"}
    if op.kind in _LOGICAL:
        return {"bool"} | _SIGNED
    types = _FLOATS | _QUANTISED | {"bool"}
    if op.kind in ("ARG_MAX", "EMBEDDING_LOOKUP", "ONE_HOT", "DYNAMIC_UPDATE_SLICE", "CUSTOM", "STABLEHLO_COMPOSITE"):
        types |= {"int32"}
    if op.kind in _COMPARISONS | _ANY_TYPE:
        types |= _SIGNED | _UNSIGNED
    return types | _SIGNED if op.kind in _WHOLE else types


def _types_written(op: Op) -> set[str]:
    if op.kind == "ARG_MAX":
        return {"int32"}
    if op.kind in ("REDUCE_ALL", "REDUCE_ANY"):
        return {"bool"}
    if op.kind in _LOGICAL:
        return {"bool"} | _SIGNED
    types = _FLOATS | {"int8", "uint8"}
    if op.kind in _COMPARISONS:
        types |= {"bool"}
    if op.kind == "TOPK_V2":
        types |= {"int32"}
    if op.kind in _ANY_TYPE:
        types |= _SIGNED | _UNSIGNED | {"bool"}
    if op.kind in ("CUSTOM", "STABLEHLO_COMPOSITE"):
        types |= {"bool"}
    return types | _SIGNED if op.kind in _WHOLE else types
