"""Models of findings that do not show as wrong values in every runtime: a crash, and a bug of one release."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping

from cases.findings.model import FindingModel, Purpose
from cases.findings.pieces import (
    identity_reshape,
    identity_transpose,
    masked_tokens,
    output_elementwise,
    same_operand,
    sum_times_itself,
    thin_pointwise,
    times_one,
)
from cases.graph import Graph

LOST_IN = "<2.1.6"
"""The runtimes in which an output that one elementwise op reads is lost, as finding.toml says it."""


def _same_operand_models() -> tuple[FindingModel, ...]:
    P = Purpose
    make = functools.partial

    def aborts(name: str, purpose: Purpose, what: str, build: Callable[[], Graph]) -> FindingModel:
        return FindingModel(name, purpose, what, (), build, outcome="CRASH")

    return (
        aborts("minimal", P.MINIMAL, "BATCH_MATMUL of a tensor with itself", same_operand),
        FindingModel("control", P.CONTROL, "two different tensors", (), make(same_operand, two_inputs=True)),
        aborts("select", P.STILL_WRONG, "not BATCH_MATMUL alone: SELECT_V2(c, x, x)", make(same_operand, "SELECT_V2")),
        FindingModel(
            "select-two",
            P.CLEAN,
            "SELECT_V2 of two different tensors is right",
            (),
            make(same_operand, "SELECT_V2", two_inputs=True),
        ),
        aborts(
            "inner",
            P.STILL_WRONG,
            "not a graph input alone: a sum times its own transpose",
            make(sum_times_itself, False),
        ),
        FindingModel("add", P.CLEAN, "ADD(x, x) is right", (), make(same_operand, "ADD")),
        aborts("sum-exposed", P.FACE, "the same with the sum as an output too", sum_times_itself),
        FindingModel(
            "mul-by-one",
            P.HELPS,
            "multiply one of the two operands by 1",
            (),
            make(same_operand, second=times_one),
        ),
        FindingModel(
            "transpose",
            P.HELPS,
            "an identity TRANSPOSE on one of the two operands",
            (),
            make(same_operand, second=identity_transpose),
        ),
        FindingModel(
            "reshape",
            P.HELPS,
            "an identity RESHAPE on one of the two operands",
            (),
            make(same_operand, second=identity_reshape),
        ),
        FindingModel(
            "select-mul-by-one",
            P.HELPS,
            "multiply one branch of the SELECT_V2 by 1",
            (),
            make(same_operand, "SELECT_V2", times_one),
        ),
    )


def _output_elementwise_models() -> tuple[FindingModel, ...]:
    P = Purpose
    make = functools.partial

    def lost(
        name: str, purpose: Purpose, what: str, build: Callable[[], Graph], wrong: tuple[int, ...] = (0,)
    ) -> FindingModel:
        return FindingModel(name, purpose, what, wrong, build, runtimes=LOST_IN)

    still = P.STILL_WRONG
    return (
        lost("minimal", P.MINIMAL, "FULLY_CONNECTED, an output, feeds NEG", output_elementwise),
        FindingModel(
            "control",
            P.CONTROL,
            "SOFTMAX instead of NEG: no elementwise op",
            (),
            make(output_elementwise, reader="SOFTMAX"),
        ),
        FindingModel(
            "not-exposed",
            P.CLEAN,
            "without y among the outputs NEG is right",
            (),
            make(output_elementwise, exposed=False),
        ),
        FindingModel(
            "second-operand",
            P.CLEAN,
            "y as the second operand of a SUB is right",
            (),
            make(output_elementwise, reader="SUB-SECOND"),
        ),
        lost(
            "fused-relu",
            still,
            "not a bare FULLY_CONNECTED alone: with RELU",
            make(output_elementwise, activation="RELU"),
        ),
        lost("transpose", still, "not FULLY_CONNECTED alone: TRANSPOSE", make(output_elementwise, "TRANSPOSE")),
        lost("tanh", still, "not FULLY_CONNECTED alone: TANH", make(output_elementwise, "TANH")),
        lost("reads-relu", still, "not NEG alone: RELU", make(output_elementwise, reader="RELU")),
        lost("reads-add", still, "not NEG alone: ADD of another input", make(output_elementwise, reader="ADD")),
        lost("reads-mask", still, "not NEG alone: MUL by a mask [1,N,1]", make(output_elementwise, constant_mask=True)),
        lost("swapped", still, "not the order of the outputs", make(output_elementwise, swap=True), (1,)),
        FindingModel("emit-mul", P.HELPS, "emit y through a MUL by 1", (), make(output_elementwise, emit=times_one)),
        FindingModel(
            "second-reader", P.HELPS, "give y a second consumer", (), make(output_elementwise, second_reader=True)
        ),
        lost(
            "identity-reshape",
            P.NO_HELP,
            "an identity RESHAPE between y and NEG",
            make(output_elementwise, between=identity_reshape),
        ),
        lost(
            "masked-tokens",
            P.FACE,
            "a detector's tokens [1,N,256], an output, times a valid mask into a head",
            masked_tokens,
            (1,),
        ),
        FindingModel(
            "masked-tokens-emitted",
            P.HELPS,
            "the same with the tokens emitted through a MUL by 1",
            (),
            make(masked_tokens, times_one),
        ),
    )


NAMED_MALI = ("gpu:*@Mali-G57", "gpu:*@Mali-G610")
"""Targets on which a thin pointwise chain is fused: an adapter presented as a Mali newer than Bifrost. Two of them."""


def _thin_pointwise_models() -> tuple[FindingModel, ...]:
    P = Purpose
    make = functools.partial

    def lost(
        name: str, purpose: Purpose, what: str, build: Callable[[], Graph], wrong: tuple[int, ...] = (0,)
    ) -> FindingModel:
        return FindingModel(name, purpose, what, wrong, build, targets=NAMED_MALI, precisions=("fp16",))

    def right(name: str, purpose: Purpose, what: str, build: Callable[[], Graph]) -> FindingModel:
        return FindingModel(name, purpose, what, (), build)

    still = P.STILL_WRONG
    return (
        lost("minimal", P.MINIMAL, "1x1 CONV_2D, an output, feeds a 1x1 CONV_2D of 4 channels", thin_pointwise),
        right("control", P.CONTROL, "8 channels behind it instead of 4", make(thin_pointwise, 8)),
        lost(
            "between",
            still,
            "not a convolution's own output alone: a NEG between the two is the output",
            make(thin_pointwise, between=("NEG",), exposed=("NEG",)),
        ),
        lost("three", still, "not two alone: of three, both inner ones", make(thin_pointwise, third=True), (0, 1)),
        lost("relu", still, "not a bare convolution alone: with RELU", make(thin_pointwise, activation="RELU")),
        lost(
            "residual",
            still,
            "not a plain row: y plus what y was made of is the output",
            make(thin_pointwise, branch=True, exposed=("ADD",)),
        ),
        lost("sixteen", still, "not 4 channels between: 16", make(thin_pointwise, middle=16)),
        lost("one-row", still, "not the shape of the map: 1x16", make(thin_pointwise, height=1, width=16)),
        lost("tokens", still, "not CONV_2D alone: FULLY_CONNECTED of [1,16,4]", make(thin_pointwise, tokens=True)),
        lost(
            "large-map",
            still,
            "not 4 channels behind alone: on a map of 128x128, 8",
            make(thin_pointwise, 8, height=128, width=128),
        ),
        right(
            "smaller-map", P.CLEAN, "8 channels behind on a map of 64x64", make(thin_pointwise, 8, height=64, width=64)
        ),
        right("not-exposed", P.CLEAN, "without y among the outputs", make(thin_pointwise, exposed=())),
        right("sixty-four", P.CLEAN, "64 channels between", make(thin_pointwise, middle=64)),
        right("kernel-3", P.CLEAN, "a 3x3 CONV_2D first", make(thin_pointwise, kernel=3)),
        right("emit-mul", P.HELPS, "emit y through a MUL by 1", make(thin_pointwise, emit=times_one)),
        right("second-reader", P.HELPS, "give y a second consumer", make(thin_pointwise, second_reader=True)),
        lost(
            "identity-reshape",
            P.NO_HELP,
            "an identity RESHAPE between y and the second CONV_2D",
            make(thin_pointwise, between=("RESHAPE",)),
        ),
    )


BOUNDED_MODELS: Mapping[str, Callable[[], tuple[FindingModel, ...]]] = {
    "same-operand-aborts": _same_operand_models,
    "output-before-elementwise": _output_elementwise_models,
    "mali-thin-pointwise": _thin_pointwise_models,
}
