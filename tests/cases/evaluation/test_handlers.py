"""The table of what is evaluated: against the delegate's own list, and each kind against TFLite's reference kernels."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cases.drawn_ops.table import DRAWS
from cases.evaluation.arithmetic import FLOAT16, FLOAT32
from cases.evaluation.evaluate import evaluate
from cases.evaluation.handlers import BY_KIND, BY_NAME, NOT_EVALUATED, unsupported
from tests.cases.evaluation.drawn_ops import ops
from tests.cases.evaluation.kernels import shaped

# The 101 kinds that the delegate takes, as the schema names them: `NewOperationParser` in LiteRT's
# `ml_drift_delegate/tflite/model_builder.cc`.
DELEGATE_KINDS = """
ABS ADD ADD_N ARG_MAX ATAN2 AVERAGE_POOL_2D BATCH_MATMUL BITCAST BITWISE_XOR CAST CEIL CONCATENATION CONV_2D COS CUMSUM
CUSTOM DEPTHWISE_CONV_2D DEPTH_TO_SPACE DEQUANTIZE DIV DYNAMIC_UPDATE_SLICE ELU EMBEDDING_LOOKUP EQUAL EXP FLOOR
FLOOR_DIV FLOOR_MOD FULLY_CONNECTED GATHER GELU GREATER GREATER_EQUAL HARD_SWISH LEAKY_RELU LESS LESS_EQUAL LOG
LOGICAL_AND LOGICAL_NOT LOGICAL_OR LOGISTIC LSTM MAXIMUM MAX_POOL_2D MEAN MINIMUM MIRROR_PAD MUL NEG NOT_EQUAL ONE_HOT
PACK PAD PADV2 POW PRELU QUANTIZE REDUCE_ALL REDUCE_ANY REDUCE_MAX REDUCE_MIN REDUCE_PROD RELU RELU6 RELU_0_TO_1
RELU_N1_TO_1 RESHAPE RESIZE_BILINEAR RESIZE_NEAREST_NEIGHBOR REVERSE_V2 RIGHT_SHIFT ROUND RSQRT SELECT SELECT_V2 SIGN
SIN SLICE SOFTMAX SPACE_TO_DEPTH SPLIT SPLIT_V SQRT SQUARE SQUARED_DIFFERENCE STABLEHLO_BROADCAST_IN_DIM STABLEHLO_CBRT
STABLEHLO_CLAMP STABLEHLO_COMPOSITE STABLEHLO_REMAINDER STABLEHLO_SHIFT_LEFT STRIDED_SLICE SUB SUM TANH TILE TOPK_V2
TRANSPOSE TRANSPOSE_CONV UNPACK
"""
# The names that it knows among the ops of the two kinds that are known by name: there, in `custom_parsers.cc`, and
# (MediaPipe's) in the table of its successor `ir_model_builder.cc` and in the shipped library.
DELEGATE_NAMES = """
custom_call.GroupNorm custom_call.LayerNorm custom_call.RmsNorm custom_call.PixelShuffle custom_call.pixel_shuffle
custom_call.absolute_positional_embedding custom_call.rotary_positional_embedding custom_call.MaxUnpooling2D
Convolution2DTransposeBias MaxPoolingWithArgmax2D MaxUnpooling2D Resampler odml.group_norm odml.rms_norm
odml.scaled_dot_product_attention odml.cache_update odml.runtime_bmm odml.sdpa_transposed odml.rope moe
AlignmentPointsToTransformMatrix KeepIfMax2D Landmarks2TransformMatrix Landmarks2TransformMatrixV2 RoIToTransformMatrix
TransformLandmarks TransformTensor TransformTensorBilinear
"""
# Kinds of the table that TFLite has no kernel for, or whose operands are quantised: held elsewhere, by name.
ELSEWHERE = {
    "STABLEHLO_CLAMP": "test_elementwise.py",
    "STABLEHLO_CBRT": "test_elementwise.py",
    "STABLEHLO_REMAINDER": "test_elementwise.py",
    "STABLEHLO_BROADCAST_IN_DIM": "test_movement.py",
    **dict.fromkeys(("IF", "WHILE"), "test_control.py"),
    **dict.fromkeys(("VAR_HANDLE", "READ_VARIABLE", "ASSIGN_VARIABLE", "CALL_ONCE"), "test_variables.py"),
    "DENSIFY": "test_sparse.py",
    "QUANTIZE": "test_quantised.py",
    "DEQUANTIZE": "test_quantised.py",
}


# A small error of their operand may become a large one of theirs.
JUMPS = frozenset(
    {"ARG_MAX", "ARG_MIN", "TOPK_V2", "FLOOR", "CEIL", "ROUND", "SIGN", "FLOOR_DIV", "FLOOR_MOD", "CAST"}
) | {
    *("EQUAL", "NOT_EQUAL", "GREATER", "GREATER_EQUAL", "LESS", "LESS_EQUAL", "BITCAST", "ATAN2"),
}


def test_all_that_the_delegate_takes_is_evaluated_or_said_not_to_be_and_why():
    kinds, names = set(DELEGATE_KINDS.split()), set(DELEGATE_NAMES.split())
    assert len(kinds) == 101
    assert kinds - set(BY_KIND) == {"CUSTOM", "STABLEHLO_COMPOSITE"}
    assert set(BY_NAME) | set(NOT_EVALUATED) == names
    assert not set(BY_NAME) & set(NOT_EVALUATED)


def test_each_kind_that_is_evaluated_is_drawn_or_held_elsewhere():
    assert set(BY_KIND) == (set(DRAWS) | set(ELSEWHERE))


@pytest.mark.parametrize("kind", sorted(set(DRAWS) - set(ELSEWHERE)))
@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_an_op_computes_what_the_reference_kernels_compute(kind: str, data: st.DataObject):
    op = data.draw(ops(kind))
    graph, theirs = shaped(op)
    assert unsupported(graph) == []
    ours = evaluate(graph, op.feed, strict_shapes=True)
    for name, result in zip(graph.outputs, theirs, strict=True):
        assert ours[name].shape == result.shape
        if result.dtype.kind != "f":
            assert ours[name].dtype == result.dtype
            np.testing.assert_array_equal(ours[name], result)
            continue
        # float32 kernels, exact to a few units of what they add up; their exponentials are approximations.
        scale = float(np.abs(result).max(initial=0.0))
        np.testing.assert_allclose(ours[name], result, rtol=2e-5, atol=2e-6 + 2e-6 * scale)
    for arithmetic, tolerance in ((FLOAT32, 1e-5), (FLOAT16, 0.05)):
        emulated = evaluate(graph, op.feed, arithmetic, strict_shapes=True)
        if kind not in JUMPS:
            for name in graph.outputs:
                scale = np.abs(ours[name]).max(initial=0.0) + 1
                np.testing.assert_allclose(emulated[name], ours[name], atol=tolerance * scale)
