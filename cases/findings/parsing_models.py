"""Models of findings about ops that the delegate reads as something else, or takes apart wrongly."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping

from cases.findings.layout_graphs import apart
from cases.findings.model import FindingModel, Purpose
from cases.findings.parsing_graphs import (
    batch_concatenated,
    directed_sums,
    flattened,
    grouped_conv,
    pad_batch,
    pooled_head,
    runtime_weights,
)
from cases.graph import Graph

P = Purpose
make = functools.partial


def _flattens_models() -> tuple[FindingModel, ...]:
    still = P.STILL_WRONG
    return (
        FindingModel("minimal", P.MINIMAL, "FULLY_CONNECTED of depth 8 on a tensor [1,2,4]", (0,), flattened),
        FindingModel("control", P.CONTROL, "the same of depth 4", (), make(flattened, depth=4)),
        FindingModel("two-rows", still, "not rank 3 alone: [2,4]", (0,), make(flattened, (2, 4))),
        FindingModel(
            "shallower", still, "not a greater depth alone: of depth 2 on [2,4]", (0,), make(flattened, (2, 4), 2)
        ),
        FindingModel("rank-4", still, "not rank 3 alone: [1,2,2,2]", (0,), make(flattened, (1, 2, 2, 2))),
        FindingModel("batch", still, "not maps alone: [2,1,1,4]", (0,), make(flattened, (2, 1, 1, 4))),
        FindingModel("one-row", P.CLEAN, "of depth 8 on [1,8]", (), make(flattened, (1, 8))),
        FindingModel("one-pixel", P.CLEAN, "of depth 8 on [1,1,1,8]", (), make(flattened, (1, 1, 1, 8))),
        FindingModel("reshaped", P.HELPS, "RESHAPE the input to [1,8]", (), make(flattened, reshaped=True)),
        FindingModel(
            "transposed", P.NO_HELP, "an identity TRANSPOSE in front of it", (0,), make(flattened, between=apart)
        ),
        FindingModel(
            "pooled-head", P.FACE, "a classifier's end without Flatten: MAX_POOL_2D to [1,2,2,4]", (0,), pooled_head
        ),
        FindingModel(
            "pooled-head-reshaped", P.HELPS, "the same with a RESHAPE to [1,16]", (), make(pooled_head, reshaped=True)
        ),
    )


def _runtime_weights_models() -> tuple[FindingModel, ...]:
    still, graph = P.STILL_WRONG, runtime_weights
    return (
        FindingModel("minimal", P.MINIMAL, "FULLY_CONNECTED of inputs x and w, with a constant bias", (0,), graph),
        FindingModel("control", P.CONTROL, "the same with constant weights", (), make(graph, held="const")),
        FindingModel("made", still, "not weights that are an input alone: NEG of one", (0,), make(graph, held="made")),
        FindingModel("rows", still, "not one row alone: [3,4]", (0,), make(graph, (3, 4))),
        FindingModel("rank-3", still, "not rank 2 alone: [1,3,4]", (0,), make(graph, (1, 3, 4))),
        FindingModel("rank-4", still, "not rank 2 alone: [1,2,3,4]", (0,), make(graph, (1, 2, 3, 4))),
        FindingModel("wide", still, "not 4 channels alone: 64 to 64", (0,), make(graph, (1, 64), out=64)),
        FindingModel("relu", still, "not a bare one alone: with RELU", (0,), make(graph, activation="RELU")),
        FindingModel("no-bias", P.CLEAN, "without a bias", (), make(graph, bias="none")),
        FindingModel(
            "convolution", P.CLEAN, "a 1x1 CONV_2D of the same values", (), make(graph, (1, 1, 1, 4), convolution=True)
        ),
        FindingModel("behind", P.HELPS, "the bias in an ADD behind it", (), make(graph, bias="behind")),
    )


def _cumsum_options_models() -> tuple[FindingModel, ...]:
    still, graph = P.STILL_WRONG, directed_sums
    before, backwards = make(graph, exclusive=True), make(graph, reverse=True)
    return (
        FindingModel("minimal", P.MINIMAL, "exclusive CUMSUM of [1,5,4] over its second dimension", (0,), before),
        FindingModel("control", P.CONTROL, "the same, neither exclusive nor reverse", (), graph),
        FindingModel("reverse", still, "not exclusive alone: reverse", (0,), backwards),
        FindingModel("both", still, "not one option alone: both", (0,), make(before, reverse=True)),
        FindingModel("rank-4", still, "not rank 3 alone: [1,5,2,4]", (0,), make(before, (1, 5, 2, 4))),
        FindingModel("rank-4-reverse", still, "[1,5,2,4], reverse", (0,), make(backwards, (1, 5, 2, 4))),
        FindingModel("rank-2", still, "not rank 3 alone: [5,4]", (0,), make(before, (5, 4))),
        FindingModel(
            "transposed", P.NO_HELP, "an identity TRANSPOSE in front of it", (0,), make(before, between=apart)
        ),
        FindingModel("subtracted", P.HELPS, "exclusive: subtract x from the sums", (), make(before, by_hand=True)),
        FindingModel(
            "from-total",
            P.HELPS,
            "reverse: subtract the sums from their total, add x",
            (),
            make(backwards, by_hand=True),
        ),
    )


def _pad_batch_models() -> tuple[FindingModel, ...]:
    none, one = (0, 0), (0, 1)
    still = P.STILL_WRONG
    return (
        FindingModel("minimal", P.MINIMAL, "one PAD of [1,2,3,4], a batch in front: x comes twice", (0,), pad_batch),
        FindingModel("control", P.CONTROL, "the same of [2,2,3,4]", (), make(pad_batch, batch=2)),
        FindingModel(
            "behind", still, "not what is in front alone: a batch behind", (0,), make(pad_batch, (one, *[none] * 3))
        ),
        FindingModel("padv2", still, "not PAD alone: PADV2", (0,), make(pad_batch, value=2.0)),
        FindingModel(
            "height-too", still, "not the batch alone: height too", (0,), make(pad_batch, (one, one, none, none))
        ),
        FindingModel(
            "channels-too", still, "not the batch alone: channels too", (0,), make(pad_batch, (one, none, none, one))
        ),
        FindingModel("height", P.CLEAN, "a batch of 1 padded in height", (), make(pad_batch, (none, one, none, none))),
        FindingModel(
            "as-height",
            P.HELPS,
            "RESHAPE to [1,1,2,12], PAD the second dimension, and RESHAPE back",
            (),
            make(pad_batch, as_height=True),
        ),
        FindingModel(
            "as-rank-3",
            P.NO_HELP,
            "RESHAPE to [1,2,12], PAD the first dimension, and RESHAPE back",
            (0,),
            make(pad_batch, as_rank_3=True),
        ),
        FindingModel(
            "transposed", P.NO_HELP, "an identity TRANSPOSE in front of it", (0,), make(pad_batch, between=apart)
        ),
        FindingModel("concatenated", P.HELPS, "CONCATENATION with a batch of zeros instead", (), batch_concatenated),
    )


def _grouped_split_models() -> tuple[FindingModel, ...]:
    still, every = P.STILL_WRONG, (0, 1)
    return (
        FindingModel(
            "minimal",
            P.MINIMAL,
            "3x3 CONV_2D in two groups of 3 channels to 4; every output is lost, a TANH beside it too",
            every,
            grouped_conv,
        ),
        FindingModel("control", P.CONTROL, "groups of 4 channels to 4", (), make(grouped_conv, 4)),
        FindingModel("made", still, "not what a group takes alone: 4 to 2", every, make(grouped_conv, 4, 2)),
        FindingModel("one-taken", still, "not 3 alone: 1 to 2", every, make(grouped_conv, 1, 2)),
        FindingModel("three-groups", still, "not two groups alone: three", every, make(grouped_conv, groups=3)),
        FindingModel("kernel-1", still, "not 3x3 alone: 1x1", every, make(grouped_conv, kernel=1)),
        FindingModel("alone", still, "not the TANH beside it: without one", (0,), make(grouped_conv, bystander=False)),
        FindingModel("one-group", P.CLEAN, "one group of 3 channels to 4", (), make(grouped_conv, groups=1)),
        FindingModel(
            "depthwise", P.CLEAN, "groups of 1 channel to 1, which are a depthwise", (), make(grouped_conv, 1, 1, 4)
        ),
        FindingModel("dense", P.HELPS, "one group, with block-diagonal weights", (), make(grouped_conv, dense=True)),
        FindingModel(
            "by-hand", P.HELPS, "SPLIT, a CONV_2D a group, CONCATENATION", (), make(grouped_conv, by_hand=True)
        ),
        FindingModel(
            "transposed", P.NO_HELP, "an identity TRANSPOSE in front of it", every, make(grouped_conv, between=apart)
        ),
    )


def _grouped_aborts_models() -> tuple[FindingModel, ...]:
    def aborts(name: str, purpose: Purpose, what: str, build: Callable[[], Graph]) -> FindingModel:
        return FindingModel(name, purpose, what, (), build, outcome="CRASH")

    alone = make(grouped_conv, 5, bystander=False)
    still = P.STILL_WRONG
    return (
        aborts("minimal", P.MINIMAL, "3x3 CONV_2D in two groups of 5 channels to 4", alone),
        FindingModel("control", P.CONTROL, "groups of 8 channels to 4", (), make(grouped_conv, 8, bystander=False)),
        aborts("made", still, "not what a group takes alone: 8 to 2", make(grouped_conv, 8, 2, bystander=False)),
        aborts("three-groups", still, "not two groups alone: three", make(alone, groups=3)),
        aborts("kernel-1", still, "not 3x3 alone: 1x1", make(alone, kernel=1)),
        FindingModel("one-group", P.CLEAN, "one group of 5 channels to 4", (), make(alone, groups=1)),
        FindingModel("dense", P.HELPS, "one group, with block-diagonal weights", (), make(alone, dense=True)),
        FindingModel("by-hand", P.HELPS, "SPLIT, a CONV_2D a group, CONCATENATION", (), make(alone, by_hand=True)),
        aborts("transposed", P.NO_HELP, "an identity TRANSPOSE in front of it", make(alone, between=apart)),
    )


PARSING_MODELS: Mapping[str, Callable[[], tuple[FindingModel, ...]]] = {
    "fc-flattens-input": _flattens_models,
    "fc-runtime-weights-bias": _runtime_weights_models,
    "cumsum-options": _cumsum_options_models,
    "pad-batch": _pad_batch_models,
    "grouped-conv-split": _grouped_split_models,
    "grouped-conv-aborts": _grouped_aborts_models,
}
