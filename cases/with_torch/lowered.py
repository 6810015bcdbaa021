"""What torch is the reference of: graphs of float inputs and weights, of kinds of ops that are lowered to torch.

Told without importing torch, which takes seconds. `cases.with_torch.torch_module` holds the lowering.
"""

from __future__ import annotations

from cases.graph import Graph

_KINDS = """
    ABS ADD ARG_MAX ARG_MIN AVERAGE_POOL_2D BATCH_MATMUL CEIL CONCATENATION CONV_2D COS CUMSUM DEPTHWISE_CONV_2D
    DEPTH_TO_SPACE DEQUANTIZE DIV ELU EQUAL EXP FLOOR FULLY_CONNECTED GELU GREATER GREATER_EQUAL HARD_SWISH LEAKY_RELU
    LESS LESS_EQUAL LOG LOGICAL_AND LOGICAL_NOT LOGICAL_OR LOGISTIC MAXIMUM MAX_POOL_2D MEAN MINIMUM MUL NEG NOT_EQUAL
    PAD PADV2 POW PRELU REDUCE_MAX REDUCE_MIN REDUCE_PROD RELU RELU6 RELU_0_TO_1 RELU_N1_TO_1 RESHAPE RESIZE_BILINEAR
    RESIZE_NEAREST_NEIGHBOR ROUND RSQRT SELECT_V2 SIGN SIN SLICE SOFTMAX SPACE_TO_DEPTH SPLIT SQRT SQUARE
    SQUARED_DIFFERENCE STRIDED_SLICE SUB SUM TANH TRANSPOSE
"""
LOWERED_KINDS = frozenset(_KINDS.split())


def is_lowered(graph: Graph) -> bool:
    """Whether torch computes what a graph does. What TFLite means by whole numbers is left to the evaluation."""
    return (
        {op.kind for op in graph.ops} <= LOWERED_KINDS
        and all(graph.tensors[name].dtype in ("float32", "bool") for name in graph.inputs)
        and all(getattr(tensor.raw, "quantization", None) is None for tensor in graph.tensors.values())
    )
