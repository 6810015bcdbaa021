"""Which ops are evaluated, by which function, and what of a graph cannot be.

Key insight: this table is the whole of what the evaluator knows, by the kind of an op, or by name for custom ops and
composites. All that LiteRT's GPU delegate takes is in it (its `NewOperationParser` in
`ml_drift_delegate/tflite/model_builder.cc` lists 101 kinds), apart from a few names whose meaning no public source
tells; `tests/cases/evaluation/test_handlers.py` holds the two lists against each other.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from cases.evaluation import composites, contractions, control, elementwise, mediapipe, movement, recurrent, variables
from cases.evaluation.bodies import with_bodies_in_place
from cases.evaluation.named import name_of
from cases.evaluation.quantised import grid_of
from cases.evaluation.step import Handler
from cases.graph import Graph, GraphError, Op, Tensor
from cases.shapes import REDUCTIONS

BY_KIND: Mapping[str, Handler] = {
    # one element of each operand per output element
    **dict.fromkeys(elementwise.UNARY, elementwise.unary),
    **dict.fromkeys(elementwise.APPROXIMATE_UNARY, elementwise.approximate_unary),
    **dict.fromkeys(elementwise.BINARY, elementwise.binary),
    **dict.fromkeys(elementwise.OF_ORDER, elementwise.order),
    "FLOOR_MOD": elementwise.floor_mod,
    **dict.fromkeys(elementwise.APPROXIMATE_BINARY, elementwise.approximate_binary),
    **dict.fromkeys(elementwise.OF_BITS, elementwise.of_bits),
    "EXP": elementwise.exponential,
    "LOGISTIC": elementwise.logistic,
    "ELU": elementwise.elu,
    "GELU": elementwise.gelu,
    "LEAKY_RELU": elementwise.leaky_relu,
    **dict.fromkeys(("SELECT", "SELECT_V2"), elementwise.select),
    "ADD_N": elementwise.sum_of_all,
    "STABLEHLO_CLAMP": elementwise.clamp,
    **dict.fromkeys(("QUANTIZE", "DEQUANTIZE", "DENSIFY"), elementwise.same_number),
    "CAST": elementwise.cast,
    # several input elements per output element
    **dict.fromkeys((*REDUCTIONS, *contractions.LOGICAL), contractions.reduce),
    **dict.fromkeys(("ARG_MAX", "ARG_MIN"), contractions.arg_extremum),
    "TOPK_V2": contractions.largest,
    "CUMSUM": contractions.cumsum,
    "FULLY_CONNECTED": contractions.fully_connected,
    "BATCH_MATMUL": contractions.batch_matmul,
    "CONV_2D": contractions.convolution,
    "DEPTHWISE_CONV_2D": contractions.depthwise_convolution,
    "TRANSPOSE_CONV": contractions.transposed_convolution,
    **dict.fromkeys(contractions.POOLS, contractions.pool),
    **dict.fromkeys(contractions.RESIZES, contractions.resize),
    **dict.fromkeys(("SOFTMAX", "LOG_SOFTMAX"), contractions.softmax),
    "L2_NORMALIZATION": contractions.l2_normalization,
    "LSTM": recurrent.lstm,
    "UNIDIRECTIONAL_SEQUENCE_LSTM": recurrent.sequence_lstm,
    # elements moved, none computed
    **dict.fromkeys(("RESHAPE", "SQUEEZE", "EXPAND_DIMS"), movement.reshape),
    "TRANSPOSE": movement.transpose,
    "CONCATENATION": movement.concatenation,
    **dict.fromkeys(("PAD", "PADV2"), movement.pad),
    "MIRROR_PAD": movement.mirror_pad,
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
    # subgraphs that run as values decide
    "IF": control.branch,
    "WHILE": control.loop,
    # what is kept from run to run
    "VAR_HANDLE": variables.handle,
    "ASSIGN_VARIABLE": variables.assign,
    "READ_VARIABLE": variables.read,
    "CALL_ONCE": variables.call_once,
}
BY_NAME: Mapping[str, Handler] = {**composites.BY_NAME, **mediapipe.BY_NAME}
NOT_EVALUATED: Mapping[str, str] = {
    **dict.fromkeys(
        (
            *("AlignmentPointsToTransformMatrix", "KeepIfMax2D", "RoIToTransformMatrix"),
            *("custom_call.absolute_positional_embedding", "custom_call.rotary_positional_embedding"),
        ),
        "no public source defines it",
    ),
    **dict.fromkeys(
        ("odml.cache_update", "odml.runtime_bmm", "odml.sdpa_transposed", "moe"),
        "a tensor of run-time parameters says how much of its result counts",
    ),
}
"""Names that the delegate knows and the evaluator does not, and why. A composite's body can stand for it."""
# Inputs that hold parameters: the evaluator reads them at any time, a delegate only as constants.
_PARAMETERS: Mapping[str, tuple[int, ...]] = {
    **dict.fromkeys((*REDUCTIONS, *contractions.RESIZES, "PAD", "PADV2", "MIRROR_PAD", "TRANSPOSE"), (1,)),
    "SLICE": (1, 2),
    "STRIDED_SLICE": (1, 2, 3),
    "SPLIT": (0,),
    "TILE": (1,),
}
_NEEDS_OPTIONS = frozenset(
    {
        *("GATHER", "PACK", "UNPACK", "SPACE_TO_DEPTH", "DEPTH_TO_SPACE", "MIRROR_PAD", "CUMSUM", "SPLIT_V", "CAST"),
        *("ONE_HOT", "TRANSPOSE_CONV", "LSTM", "UNIDIRECTIONAL_SEQUENCE_LSTM", "REDUCE_ALL", "REDUCE_ANY"),
    }
)
_DTYPES = frozenset(
    {
        *("float32", "float16", "float64", "bool", "int8", "int16", "int32", "int64"),
        *("uint8", "uint16", "uint32", "uint64", "resource"),
    }
)
# Ops that work on the integers of a quantised tensor, whatever they stand for.
_OF_INTEGERS = frozenset({"CAST", "BITCAST", *elementwise.OF_BITS, "STABLEHLO_REMAINDER", "FLOOR_DIV", "FLOOR_MOD"})
_RECURRENT = frozenset({"LSTM", "UNIDIRECTIONAL_SEQUENCE_LSTM"})


def handler_of(op: Op) -> Handler | None:
    """What computes an op; None for one that is not known."""
    return BY_NAME.get(name_of(op)) if op.kind in ("CUSTOM", "STABLEHLO_COMPOSITE") else BY_KIND.get(op.kind)


def unsupported(graph: Graph) -> list[str]:
    """What of this graph cannot be evaluated, as words for the user; empty if all can."""
    graph = with_bodies_in_place(graph, unsupported)
    reasons: dict[str, None] = {}
    for op in graph.ops:
        reasons |= dict.fromkeys(_of_op(op, graph) if op.kind in BY_KIND else _of_named_op(op))
    for tensor in graph.tensors.values():
        if tensor.raw is not None or tensor.dtype not in _DTYPES:
            used = tensor.name in graph.uses or tensor.name in graph.outputs
            reasons |= dict.fromkeys(_of_tensor(tensor) if used else ())
    if any(graph.tensors[name].is_state and name not in graph.inputs for name in graph.outputs):
        reasons["a state tensor as an output"] = None
    return list(reasons)


def _of_named_op(op: Op) -> Iterator[str]:
    name = name_of(op)
    if handler_of(op) is None:
        why = f" ({NOT_EVALUATED[name]})" if name in NOT_EVALUATED else ""
        yield name if name == op.kind else f"{op.kind} {name}{why}".rstrip()
        return
    reason = composites.not_evaluated(op)
    if reason is not None:
        yield reason


def _of_op(op: Op, graph: Graph) -> Iterator[str]:
    if op.kind in control.FIELDS:
        yield from control.not_evaluated(op, graph)
        for body in control.bodies_run(op):
            yield from unsupported(body)
    if op.kind == "CALL_ONCE":
        initialiser = variables.initialiser(op)
        yield from ["CALL_ONCE whose subgraph was not read"] if initialiser is None else unsupported(initialiser)
    if op.kind in _NEEDS_OPTIONS and getattr(op.raw, "options", None) is not None:
        yield f"{op.kind} with options that were not read"
    on_grids = [name for name in (*op.inputs, *op.outputs) if _is_quantised(graph, name)]
    if op.kind == "CAST":  # the delegate makes floats of quantised bytes, of int16 it has the integers, as TFLite
        on_grids = [name for name in on_grids if graph.tensors[name].dtype != "int16"]
    if op.kind in _OF_INTEGERS and on_grids:
        yield f"{op.kind} of a quantised tensor"
    if op.kind in _RECURRENT and _is_quantised(graph, op.outputs[0]):
        yield f"{op.kind} in integers"
    for index in _PARAMETERS.get(op.kind, ()):
        if index < len(op.inputs) and op.inputs[index] and not graph.tensors[op.inputs[index]].is_constant:
            yield f"{op.kind} with a parameter computed at run time"


def _is_quantised(graph: Graph, name: str) -> bool:
    return bool(name) and not any(_of_tensor(graph.tensors[name])) and grid_of(graph.tensors[name]) is not None


def _of_tensor(tensor: Tensor) -> Iterator[str]:
    if getattr(tensor.raw, "sparsity", None) is not None and not (tensor.is_constant and tensor.dtype in _DTYPES):
        yield "sparse tensors"
        return
    try:
        if grid_of(tensor) is None and tensor.dtype not in _DTYPES:
            yield f"{tensor.dtype} tensors"
    except GraphError as error:
        yield str(error)
