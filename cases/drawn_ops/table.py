"""The table of drawn ops: by which function an op of each kind is drawn."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from cases.drawn_ops import contractions, movement, recurrent
from cases.drawn_ops.draw import Draw
from cases.drawn_ops.elementwise import add_n, binary, cast, clamp, of_bits, prelu, select, unary
from cases.drawn_ops.one_op import OneOp
from cases.evaluation import elementwise
from cases.shapes import REDUCTIONS

DRAWS: Mapping[str, Callable[[Draw, str], OneOp]] = {
    **dict.fromkeys(
        (*elementwise.UNARY, *elementwise.APPROXIMATE_UNARY, "EXP", "LOGISTIC", "ELU", "GELU", "LEAKY_RELU"), unary
    ),
    **dict.fromkeys(("SOFTMAX", "LOG_SOFTMAX", "L2_NORMALIZATION"), contractions.of_rows),
    **dict.fromkeys((*elementwise.BINARY, *elementwise.APPROXIMATE_BINARY), binary),
    **dict.fromkeys(elementwise.OF_BITS, of_bits),
    "PRELU": prelu,
    **dict.fromkeys(("SELECT", "SELECT_V2"), select),
    "STABLEHLO_CLAMP": clamp,
    "ADD_N": add_n,
    "CAST": cast,
    **dict.fromkeys((*sorted(REDUCTIONS), "REDUCE_ALL", "REDUCE_ANY"), contractions.reduction),
    **dict.fromkeys(("ARG_MAX", "ARG_MIN"), contractions.arg_extremum),
    "TOPK_V2": contractions.topk,
    "CUMSUM": contractions.cumsum,
    "FULLY_CONNECTED": contractions.fully_connected,
    "BATCH_MATMUL": contractions.batch_matmul,
    **dict.fromkeys(("CONV_2D", "DEPTHWISE_CONV_2D"), contractions.convolution),
    "TRANSPOSE_CONV": contractions.transpose_conv,
    **dict.fromkeys(("MAX_POOL_2D", "AVERAGE_POOL_2D"), contractions.pool),
    **dict.fromkeys(("RESIZE_BILINEAR", "RESIZE_NEAREST_NEIGHBOR"), contractions.resize),
    **dict.fromkeys(("LSTM", "UNIDIRECTIONAL_SEQUENCE_LSTM"), recurrent.recurrent),
    **dict.fromkeys(("RESHAPE", "SQUEEZE", "EXPAND_DIMS"), movement.reshape),
    "TRANSPOSE": movement.transpose,
    "CONCATENATION": movement.concatenation,
    **dict.fromkeys(("PAD", "PADV2", "MIRROR_PAD"), movement.pad),
    "SLICE": movement.slice_by_sizes,
    "STRIDED_SLICE": movement.slice_by_strides,
    **dict.fromkeys(("SPLIT", "SPLIT_V"), movement.split),
    "PACK": movement.pack,
    "UNPACK": movement.unpack,
    "GATHER": movement.gather,
    "EMBEDDING_LOOKUP": movement.embedding_lookup,
    "ONE_HOT": movement.one_hot,
    "REVERSE_V2": movement.reverse,
    "DYNAMIC_UPDATE_SLICE": movement.dynamic_update_slice,
    "BITCAST": movement.bitcast,
    "STABLEHLO_BROADCAST_IN_DIM": movement.broadcast_in_dim,
    "TILE": movement.tile,
    "BROADCAST_TO": movement.broadcast_to,
    **dict.fromkeys(("SPACE_TO_DEPTH", "DEPTH_TO_SPACE"), movement.space_and_depth),
}
