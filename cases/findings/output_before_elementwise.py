"""Up to LiteRT 2.1.3: a graph output that one elementwise op reads."""

from __future__ import annotations

import numpy as np

from cases.builder import GraphBuilder
from cases.findings.model import clean, control, face, finding_models, helps, minimal, no_help, still_wrong
from cases.findings.pieces import TOKENS, Piece, card_tokens, identity_reshape, per_channel, plain, times_one, weights
from cases.graph import Graph


def output_elementwise(
    producer: str = "FULLY_CONNECTED",
    reader: str = "NEG",
    activation: str = "NONE",
    emit: Piece = plain,
    between: Piece = plain,
    exposed: bool = True,
    second_reader: bool = False,
    swap: bool = False,
) -> Graph:
    """y is an output and one op reads it.

    reader: an op's kind, SUB-SECOND (y is what is subtracted), or MASK (a MUL by a constant mask [1, N, 1]).
    """
    g = GraphBuilder()
    x = g.input("x", TOKENS)
    if producer == "FULLY_CONNECTED":
        y = g.fully_connected(x, weights(8, 32), per_channel(8, 9), name="y", activation=activation)
    elif producer == "TRANSPOSE":
        y = g.transpose(x, [0, 2, 1], name="y")
    else:
        y = g.unary(producer, x, name="y")
    source = between(g, y)
    if reader == "MASK":
        read = g.mul(source, g.const(valid_mask(g.shape(y)[1])), name="read")
    elif reader in ("ADD", "MUL"):
        read = g.binary(reader, source, g.input("z", g.shape(y)), name="read")
    elif reader == "SUB-SECOND":
        read = g.sub(g.input("z", g.shape(y)), source, name="read")
    elif reader == "SOFTMAX":
        read = g.softmax(source, name="read")
    else:
        read = g.unary(reader, source, name="read")
    outputs = [emit(g, y), read] if exposed else [read]
    if second_reader:
        outputs.append(g.unary("ABS", y, name="second"))
    return g.build(outputs[::-1] if swap else outputs)


def masked_tokens(emit: Piece = plain) -> Graph:
    """The card's memory_raw: tokens [1, N, 256] of a CONV_2D, an output, times the valid mask into a head."""
    g = GraphBuilder()
    tokens = card_tokens(g)
    valid = g.mul(tokens, g.const(valid_mask(16)), name="valid")
    return g.build([g.fully_connected(valid, weights(2, 256), per_channel(2, 9), name="head"), emit(g, tokens)])


def valid_mask(tokens: int) -> np.ndarray:
    """[1, tokens, 1]: 0 for the first quarter, 1 for the others."""
    return (np.arange(tokens) >= tokens // 4).astype(np.float32).reshape(1, tokens, 1)


MODELS = finding_models(
    minimal("FULLY_CONNECTED, an output, feeds NEG", output_elementwise),
    control("SOFTMAX instead of NEG: no elementwise op", output_elementwise, reader="SOFTMAX"),
    clean("not-exposed", "without y among the outputs NEG is right", output_elementwise, exposed=False),
    clean("second-operand", "y as the second operand of a SUB is right", output_elementwise, reader="SUB-SECOND"),
    still_wrong("fused-relu", "not a bare FULLY_CONNECTED alone: with RELU", output_elementwise, activation="RELU"),
    still_wrong("transpose", "not FULLY_CONNECTED alone: TRANSPOSE", output_elementwise, producer="TRANSPOSE"),
    still_wrong("tanh", "not FULLY_CONNECTED alone: TANH", output_elementwise, producer="TANH"),
    still_wrong("reads-relu", "not NEG alone: RELU", output_elementwise, reader="RELU"),
    still_wrong("reads-add", "not NEG alone: ADD of another input", output_elementwise, reader="ADD"),
    still_wrong("reads-mask", "not NEG alone: MUL by a mask [1,N,1]", output_elementwise, reader="MASK"),
    still_wrong("swapped", "not the order of the outputs", output_elementwise, swap=True).in_outputs(1),
    helps("emit-mul", "emit y through a MUL by 1", output_elementwise, emit=times_one),
    helps("second-reader", "give y a second consumer", output_elementwise, second_reader=True),
    no_help("identity-reshape", "an identity RESHAPE between y and NEG", output_elementwise, between=identity_reshape),
    face(
        "masked-tokens", "a detector's tokens [1,N,256], an output, times a valid mask into a head", masked_tokens
    ).in_outputs(1),
    helps(
        "masked-tokens-emitted", "the same with the tokens emitted through a MUL by 1", masked_tokens, emit=times_one
    ),
    runtimes="<2.1.6",
    litert_js="<2.5.3",
)
