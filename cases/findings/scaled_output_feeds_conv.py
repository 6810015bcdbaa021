"""A tensor scaled by a constant that is a graph output and feeds a CONV_2D or FULLY_CONNECTED."""

from __future__ import annotations

import functools

from cases.builder import GraphBuilder
from cases.case import ModuleSource
from cases.families import token_tensor
from cases.findings.model import control, face, finding_models, helps, minimal, no_help, still_wrong
from cases.findings.pieces import (
    TOKENS,
    Piece,
    head,
    identity_reshape,
    output_and_reader,
    per_channel,
    plain,
    times_one,
)
from cases.graph import Graph


def constant_gemm(
    kind: str = "MUL",
    constant: str = "per-channel",
    conv: bool = False,
    emit: Piece = plain,
    between: Piece = plain,
    swap: bool = False,
    second_reader: bool = False,
    runtime_factor: bool = False,
) -> Graph:
    """y = x * c is an output and feeds a FULLY_CONNECTED or CONV_2D. runtime_factor: c is a second input."""
    g = GraphBuilder()
    shape = (1, 4, 4, 32) if conv else TOKENS
    x = g.input("x", shape)
    c = g.input("z", shape) if runtime_factor else g.const(0.5 if constant == "scalar" else per_channel(32))
    y = g.binary(kind, x, c, name="y")
    return output_and_reader(g, y, head(g, between(g, y), "head"), emit, swap, second_reader)


def hand_norm(kind: str, second: str) -> ModuleSource:
    """The catalogue's torch module: a hand-written LayerNorm [1, 400, 256], named `second`, and its Linear head."""
    build = functools.partial(token_tensor.build_hand_norm, kind, 400)
    return ModuleSource(build, ((1, 400, 256),), ("enc_class", second))


MODELS = finding_models(
    minimal("MUL by a per-channel constant, an output, feeds FULLY_CONNECTED", constant_gemm),
    control("the factor is a second input, not a constant", constant_gemm, runtime_factor=True),
    still_wrong("scalar", "not per-channel alone: a scalar", constant_gemm, constant="scalar"),
    still_wrong("conv-rank-4", "not the rank: 1x1 CONV_2D", constant_gemm, conv=True),
    still_wrong("add", "not MUL alone: ADD of a constant before a 1x1 CONV_2D", constant_gemm, kind="ADD", conv=True),
    still_wrong("swapped", "not the order of the outputs", constant_gemm, swap=True).in_outputs(1),
    helps("emit-mul", "emit y through an extra op that makes it a second consumer", constant_gemm, emit=times_one),
    helps("second-reader", "give y a second consumer", constant_gemm, second_reader=True),
    no_help(
        "identity-reshape", "an identity RESHAPE between y and FULLY_CONNECTED", constant_gemm, between=identity_reshape
    ),
    face(
        "layer-norm-and-head",
        "a hand-written LayerNorm [1,400,256] and its Linear head, through litert-torch",
        hand_norm("hand-norm-and-score", "output_memory"),
    ).in_outputs(1),
    helps(
        "layer-norm-emitted-x2",
        "the same model with the LayerNorm emitted x2",
        hand_norm("hand-norm-x2-and-score", "output_memory_x2"),
    ),
)
