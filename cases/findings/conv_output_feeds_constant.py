"""A CONV_2D or FULLY_CONNECTED that is a graph output and feeds an ADD or MUL by a constant."""

from __future__ import annotations

from cases.builder import GraphBuilder
from cases.findings.model import control, finding_models, helps, minimal, no_help, still_wrong
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


def gemm_constant(
    kind: str = "MUL",
    constant: str = "scalar",
    conv: bool = False,
    emit: Piece = plain,
    between: Piece = plain,
    swap: bool = False,
    second_reader: bool = False,
    reader: str = "",
) -> Graph:
    """y = x @ w is an output and feeds an ADD or MUL by a constant, or a reduction (the kind of `reader`)."""
    g = GraphBuilder()
    y = head(g, g.input("x", (1, 4, 4, 32) if conv else TOKENS), "y")
    source = between(g, y)
    if reader:
        read = g.reduce(reader, source, [2], name="reduced")
    else:
        read = g.binary(kind, source, g.const(0.5 if constant == "scalar" else per_channel(8)), name="scaled")
    return output_and_reader(g, y, read, emit, swap, second_reader)


MODELS = finding_models(
    minimal("FULLY_CONNECTED, an output, feeds MUL by a scalar", gemm_constant),
    control("MEAN instead of the MUL by a constant", gemm_constant, reader="MEAN"),
    still_wrong(
        "add-per-channel",
        "not MUL alone: ADD of a per-channel constant",
        gemm_constant,
        kind="ADD",
        constant="per-channel",
    ),
    still_wrong("conv-rank-4", "not the rank: CONV_2D", gemm_constant, conv=True),
    still_wrong("swapped", "not the order of the outputs", gemm_constant, swap=True).in_outputs(1),
    helps("emit-mul", "emit y through an extra op that makes it a second consumer", gemm_constant, emit=times_one),
    helps("second-reader", "give y a second consumer", gemm_constant, second_reader=True),
    no_help("identity-reshape", "an identity RESHAPE between y and MUL", gemm_constant, between=identity_reshape),
)
