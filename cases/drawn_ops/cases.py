"""One op in one type: a small case of each cell of the coverage table that no other case is of.

Key insight: most ops are right in most types, and only a case that runs says so of the next release. So of every cell
that the delegate takes one draw is kept, by its number: the first whose outputs vary in each feed and against which no
rule of the lint speaks, where there is such a one. The draws decide the bytes: who changes them runs this family again.
"""

from __future__ import annotations

import functools
import random
from collections.abc import Mapping

from cases.case import PLANNED, Case
from cases.drawn_ops.cells import Cell
from cases.drawn_ops.draw import Draw
from cases.drawn_ops.plain_ends import with_plain_ends
from cases.drawn_ops.typed import drawn_graph
from cases.graph import Graph

FAMILY = "one-op"
DRAWS: Mapping[str, Mapping[str, int]] = {
    "ABS": {"int32": 2},
    "ADD": {"uint8": 1},
    "ADD_N": {"float32": 3, "float16 weights": 0},
    "ARG_MAX": {"int8": 6, "uint8": 0},
    "ATAN2": {"float32": 2, "float16 weights": 3},
    "AVERAGE_POOL_2D": {"int8": 0, "uint8": 0},
    "BATCH_MATMUL": {"float16 weights": 10, "int8 weights": 6, "int8": 0},
    "BITCAST": {"float32": 7, "int8": 10, "uint8": 1, "int16": 2, "int32": 6},
    "CAST": {"int8": 2, "int16": 1},
    "CEIL": {"float32": 1},
    "CONCATENATION": {"uint8": 1, "bool": 0},
    "CONV_2D": {"float16 weights": 1},
    "COS": {"float32": 3},
    "DEPTHWISE_CONV_2D": {"float16 weights": 0, "int8 weights": 0, "int8": 4},
    "DEPTH_TO_SPACE": {"int8": 0, "uint8": 2},
    "DEQUANTIZE": {"int8 weights": 3, "int4 weights": 3},
    "DIV": {"float16 weights": 0, "int8": 5, "uint8": 5, "int16": 17, "int32": 24},
    "DYNAMIC_UPDATE_SLICE": {"int8": 0, "uint8": 1, "int16": 0, "int32": 0, "bool": 2},
    "ELU": {"int8": 2},
    "EQUAL": {"float32": 0, "int8": 51, "uint8": 4, "int16": 1, "int32": 4, "bool": 8},
    "EXP": {"int8": 3},
    "FLOOR": {"float32": 0},
    "FLOOR_DIV": {"float32": 6, "float16 weights": 5, "int16": 0, "int32": 1},
    "FLOOR_MOD": {"float32": 1, "float16 weights": 5, "int16": 2, "int32": 5},
    "FULLY_CONNECTED": {"float16 weights": 0},
    "GATHER": {"int8": 25, "uint8": 5, "int16": 0, "bool": 11},
    "GELU": {"int8": 1, "uint8": 5},
    "GREATER": {"int8": 5, "uint8": 2, "int16": 6, "int32": 7},
    "GREATER_EQUAL": {"float32": 1, "int8": 1, "uint8": 9, "int16": 0, "int32": 4},
    "HARD_SWISH": {"float32": 1, "int8": 0, "uint8": 0},
    "LEAKY_RELU": {"float32": 0, "int8": 2, "uint8": 1},
    "LESS": {"float32": 0, "int8": 4, "uint8": 0, "int16": 2},
    "LESS_EQUAL": {"float32": 5, "int8": 1, "uint8": 2, "int16": 9, "int32": 0},
    "LOG": {"int8": 1},
    "LOGICAL_AND": {"bool": 5},
    "LOGICAL_NOT": {"bool": 0},
    "LOGICAL_OR": {"bool": 1},
    "LOGISTIC": {"int8": 0, "uint8": 1},
    "MAXIMUM": {"float16 weights": 26, "int8": 21, "uint8": 8},
    "MAX_POOL_2D": {"int8": 3, "uint8": 0},
    "MEAN": {"int8": 0, "uint8": 2},
    "MINIMUM": {"float16 weights": 4, "int8": 11, "uint8": 0, "int16": 3},
    "MIRROR_PAD": {"float32": 1, "int8": 11, "uint8": 13},
    "MUL": {"float16 weights": 9},
    "NOT_EQUAL": {"float32": 2, "int8": 4, "uint8": 8, "int32": 3, "bool": 0},
    "ONE_HOT": {"float16 weights": 12, "int8": 3, "uint8": 2},
    "PACK": {"float32": 0, "float16 weights": 0, "int8": 0, "uint8": 0, "int16": 8, "int32": 1},
    "PAD": {"int8": 34, "uint8": 23, "int16": 3},
    "PADV2": {"float16 weights": 56, "int8": 56, "uint8": 2},
    "POW": {"float16 weights": 0},
    "PRELU": {"float32": 7, "int8": 15, "uint8": 2},
    "REDUCE_ALL": {"bool": 17},
    "REDUCE_ANY": {"bool": 18},
    "REDUCE_MAX": {"int8": 1, "uint8": 5, "int16": 27, "int32": 2},
    "REDUCE_MIN": {"int8": 2, "uint8": 3, "int16": 1, "int32": 2},
    "REDUCE_PROD": {"int8": 5, "int32": 0},
    "RELU": {"int8": 1, "uint8": 1},
    "RELU6": {"int8": 0, "uint8": 1},
    "RELU_N1_TO_1": {"float32": 1, "int8": 0, "uint8": 1},
    "RESHAPE": {"int8": 3, "uint8": 1, "int16": 1},
    "RESIZE_BILINEAR": {"float32": 2, "int8": 2, "uint8": 0},
    "RESIZE_NEAREST_NEIGHBOR": {"int8": 1, "uint8": 0},
    "REVERSE_V2": {"float32": 0, "int8": 3, "uint8": 0, "int16": 0, "int32": 2, "bool": 0},
    "RIGHT_SHIFT": {"int8": 5, "uint8": 0, "int16": 0, "int32": 1},
    "ROUND": {"float32": 0},
    "RSQRT": {"int8": 5266},
    "SELECT": {"float32": 1, "float16 weights": 0, "int8": 0, "uint8": 1, "int16": 0, "int32": 0, "bool": 0},
    "SELECT_V2": {"int8": 16, "uint8": 18, "int16": 20, "int32": 19, "bool": 13},
    "SIGN": {"float32": 1, "int32": 1},
    "SIN": {"float32": 0},
    "SLICE": {"int8": 3, "uint8": 11, "int16": 4, "int32": 1, "bool": 9},
    "SOFTMAX": {"int8": 2, "uint8": 6},
    "SPACE_TO_DEPTH": {"int8": 1, "uint8": 3},
    "SPLIT": {"int8": 5, "uint8": 0},
    "SPLIT_V": {"float32": 0, "int8": 0, "uint8": 1},
    "SQRT": {"float32": 0, "int8": 132},
    "SQUARED_DIFFERENCE": {"float32": 1, "float16 weights": 5, "int8": 8},
    "STABLEHLO_SHIFT_LEFT": {"int32": 2},
    "STRIDED_SLICE": {"int8": 329, "uint8": 183, "int16": 260, "int32": 213, "bool": 148},
    "SUB": {"float16 weights": 1, "uint8": 2},
    "SUM": {"uint8": 1, "int32": 6},
    "TANH": {"int8": 0, "uint8": 0},
    "TILE": {"float32": 3, "int8": 0, "uint8": 0, "int16": 4, "int32": 0},
    "TOPK_V2": {"uint8": 4},
    "TRANSPOSE": {"int8": 1, "uint8": 2, "int16": 13, "int32": 0, "bool": 0},
    "TRANSPOSE_CONV": {"float16 weights": 0, "int8": 2, "uint8": 6},
    "UNPACK": {"float32": 16, "int8": 1, "uint8": 3},
}
"""By kind and type, which draw is kept."""
_TWINS: Mapping[Cell, Cell] = {("BITCAST", "int32"): ("BITCAST", "float32")}
"""Of a cell that is right, the one that is wrong and has no finding with a control of its own."""


def cases() -> list[Case]:
    made = []
    for kind, type_ in ((kind, type_) for kind, types in DRAWS.items() for type_ in types):
        twin = _TWINS.get((kind, type_))
        graph = functools.partial(kept, kind, type_)
        control_of = name_of(*twin) if twin else ""
        reason = f"{kind} in {type_}"
        made.append(Case(name_of(kind, type_), FAMILY, reason, graph, control_of=control_of, inputs=PLANNED))
    return made


def name_of(kind: str, type_: str) -> str:
    """For example `one-op/add-n-float16-weights`."""
    return f"{FAMILY}/{kind}-{type_}".lower().replace("_", "-").replace(" ", "-")


@functools.cache
def kept(kind: str, type_: str) -> Graph:
    """The draw that is kept of a cell, with plain ends. Raises KeyError where none is."""
    return with_plain_ends(drawn_graph(Draw(random.Random(f"{kind}/{type_}/{DRAWS[kind][type_]}")), kind, type_))
