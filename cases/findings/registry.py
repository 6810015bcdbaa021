"""The models of the shipped findings: the minimal one, its healthy control, and what was tried around it.

Key insight: a claim about a bug ("not the rank", "a second consumer helps") is a graph that either
shows the bug or does not. So each claim of a finding is a model here, written to its folder and
measured in every cell of its matrix, and no sentence of a report stands without one.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping

from cases.case import ModuleSource
from cases.families import token_tensor
from cases.findings.bounded_models import BOUNDED_MODELS
from cases.findings.layout_models import LAYOUT_MODELS
from cases.findings.model import FindingModel, Purpose
from cases.findings.parsing_models import PARSING_MODELS
from cases.findings.pattern_models import PATTERN_MODELS
from cases.findings.pieces import (
    add_anchors,
    add_max,
    add_reduce,
    constant_broadcast,
    constant_gemm,
    depthwise_multiplier,
    divided_reduced,
    gemm_constant,
    identity_reshape,
    layer_norm_inner,
    pad_conv,
    pad_pool,
    rank_1_fully_connected,
    rank_1_softmax,
    split_added,
    split_meets,
    times_one,
    token_fan_out,
)


def _add_reduce_models() -> tuple[FindingModel, ...]:
    P = Purpose
    still = [(f"reduce-{k.lower().removeprefix('reduce_')}", k) for k in ("SUM", "REDUCE_MAX", "REDUCE_MIN")]
    return (
        FindingModel("minimal", P.MINIMAL, "ADD, an output, feeds MEAN", (0,), add_reduce),
        FindingModel(
            "control",
            P.CONTROL,
            "SUB instead of ADD: same roles, nothing is fused",
            (),
            functools.partial(add_reduce, first="SUB"),
        ),
        FindingModel(
            "not-exposed",
            P.CLEAN,
            "without the ADD among the outputs MEAN is right",
            (),
            functools.partial(add_reduce, exposed=False),
        ),
        FindingModel(
            "rank-4", P.STILL_WRONG, "not the rank: [1,1,16,32]", (0,), functools.partial(add_reduce, (1, 1, 16, 32))
        ),
        FindingModel(
            "swapped", P.STILL_WRONG, "not the order of the outputs", (1,), functools.partial(add_reduce, swap=True)
        ),
        FindingModel(
            "axis-1", P.STILL_WRONG, "not the axis: reduced over tokens", (0,), functools.partial(add_reduce, axis=1)
        ),
        *(
            FindingModel(name, P.STILL_WRONG, f"not MEAN alone: {k}", (0,), functools.partial(add_reduce, kind=k))
            for name, k in still
        ),
        FindingModel(
            "emit-mul",
            P.HELPS,
            "emit y through a MUL by 1 (any extra op)",
            (),
            functools.partial(add_reduce, emit=times_one),
        ),
        FindingModel(
            "second-reader", P.HELPS, "give y a second consumer", (), functools.partial(add_reduce, second_reader=True)
        ),
        FindingModel(
            "identity-reshape",
            P.NO_HELP,
            "an identity RESHAPE between y and MEAN",
            (0,),
            functools.partial(add_reduce, between=identity_reshape),
        ),
    )


def _gemm_constant_models() -> tuple[FindingModel, ...]:
    P = Purpose
    return (
        FindingModel("minimal", P.MINIMAL, "FULLY_CONNECTED, an output, feeds MUL by a scalar", (0,), gemm_constant),
        FindingModel(
            "control",
            P.CONTROL,
            "MEAN instead of the MUL by a constant",
            (),
            functools.partial(gemm_constant, reader="MEAN"),
        ),
        FindingModel(
            "add-per-channel",
            P.STILL_WRONG,
            "not MUL alone: ADD of a per-channel constant",
            (0,),
            functools.partial(gemm_constant, "ADD", "per-channel"),
        ),
        FindingModel(
            "conv-rank-4", P.STILL_WRONG, "not the rank: CONV_2D", (0,), functools.partial(gemm_constant, conv=True)
        ),
        FindingModel(
            "swapped", P.STILL_WRONG, "not the order of the outputs", (1,), functools.partial(gemm_constant, swap=True)
        ),
        FindingModel(
            "emit-mul",
            P.HELPS,
            "emit y through an extra op that makes it a second consumer",
            (),
            functools.partial(gemm_constant, emit=times_one),
        ),
        FindingModel(
            "second-reader",
            P.HELPS,
            "give y a second consumer",
            (),
            functools.partial(gemm_constant, second_reader=True),
        ),
        FindingModel(
            "identity-reshape",
            P.NO_HELP,
            "an identity RESHAPE between y and MUL",
            (0,),
            functools.partial(gemm_constant, between=identity_reshape),
        ),
    )


def _hand_norm(kind: str, second: str) -> ModuleSource:
    """The catalogue's hand-written LayerNorm with a Linear head, [1, 400, 256]."""
    build = functools.partial(token_tensor.build_hand_norm, kind, 400)
    return ModuleSource(build, ((1, 400, 256),), ("enc_class", second))


def _constant_gemm_models() -> tuple[FindingModel, ...]:
    P = Purpose
    return (
        FindingModel(
            "minimal", P.MINIMAL, "MUL by a per-channel constant, an output, feeds FULLY_CONNECTED", (0,), constant_gemm
        ),
        FindingModel(
            "control",
            P.CONTROL,
            "the factor is a second input, not a constant",
            (),
            functools.partial(constant_gemm, runtime_factor=True),
        ),
        FindingModel(
            "scalar",
            P.STILL_WRONG,
            "not per-channel alone: a scalar",
            (0,),
            functools.partial(constant_gemm, constant="scalar"),
        ),
        FindingModel(
            "conv-rank-4", P.STILL_WRONG, "not the rank: 1x1 CONV_2D", (0,), functools.partial(constant_gemm, conv=True)
        ),
        FindingModel(
            "add",
            P.STILL_WRONG,
            "not MUL alone: ADD of a constant before a 1x1 CONV_2D",
            (0,),
            functools.partial(constant_gemm, "ADD", conv=True),
        ),
        FindingModel(
            "swapped", P.STILL_WRONG, "not the order of the outputs", (1,), functools.partial(constant_gemm, swap=True)
        ),
        FindingModel(
            "emit-mul",
            P.HELPS,
            "emit y through an extra op that makes it a second consumer",
            (),
            functools.partial(constant_gemm, emit=times_one),
        ),
        FindingModel(
            "second-reader",
            P.HELPS,
            "give y a second consumer",
            (),
            functools.partial(constant_gemm, second_reader=True),
        ),
        FindingModel(
            "identity-reshape",
            P.NO_HELP,
            "an identity RESHAPE between y and FULLY_CONNECTED",
            (0,),
            functools.partial(constant_gemm, between=identity_reshape),
        ),
        FindingModel(
            "layer-norm-and-head",
            P.FACE,
            "a hand-written LayerNorm [1,400,256] and its Linear head, through litert-torch",
            (1,),
            None,
            _hand_norm("hand-norm-and-score", "output_memory"),
        ),
        FindingModel(
            "layer-norm-emitted-x2",
            P.HELPS,
            "the same model with the LayerNorm emitted x2",
            (),
            None,
            _hand_norm("hand-norm-x2-and-score", "output_memory_x2"),
        ),
    )


def _constant_axis_models() -> tuple[FindingModel, ...]:
    P = Purpose
    return (
        FindingModel("minimal", P.MINIMAL, "ADD of a tensor [6,4] and a constant [1,6,4]", (0,), add_anchors),
        FindingModel(
            "control", P.CONTROL, "the tensor has rank 3 too: [1,6,4]", (), functools.partial(add_anchors, (1, 6, 4))
        ),
        FindingModel(
            "both-rank-2",
            P.STILL_WRONG,
            "not the unequal ranks: tensor and constant [6,4]",
            (0,),
            functools.partial(add_anchors, (6, 4), (6, 4)),
        ),
        FindingModel("mul", P.STILL_WRONG, "not ADD alone: MUL", (0,), functools.partial(add_anchors, kind="MUL")),
        FindingModel(
            "batch",
            P.STILL_WRONG,
            "not rank 2 alone: both [3,6,4]",
            (0,),
            functools.partial(add_anchors, (3, 6, 4), (3, 6, 4)),
        ),
        FindingModel(
            "runtime-anchors",
            P.HELPS,
            "feed the second operand at run time",
            (),
            functools.partial(add_anchors, runtime_anchors=True),
        ),
        FindingModel(
            "rank-4",
            P.HELPS,
            "give both operands rank 4, aligned to the right",
            (),
            functools.partial(add_anchors, (1, 1, 6, 4), (1, 1, 6, 4)),
        ),
        FindingModel(
            "head-and-anchors",
            P.FACE,
            "D-FINE's enc_coord: rank-2 FULLY_CONNECTED plus anchors [1,N,4]",
            (0,),
            functools.partial(add_anchors, (6, 4), head=True),
        ),
    )


def _token_fan_out_models() -> tuple[FindingModel, ...]:
    P = Purpose
    return (
        FindingModel("minimal", P.MINIMAL, "tokens [1,16,256], an output, read by three heads", (), token_fan_out),
        FindingModel("one-reader", P.CLEAN, "read by one head", (), functools.partial(token_fan_out, 1)),
        FindingModel(
            "control", P.CONTROL, "the tokens are no output", (), functools.partial(token_fan_out, 3, exposed=False)
        ),
    )


def _add_max_models() -> tuple[FindingModel, ...]:
    P = Purpose
    return (
        FindingModel("minimal", P.MINIMAL, "REDUCE_MAX of sums that are all negative", (0,), add_max),
        FindingModel(
            "control", P.CONTROL, "the same with sums that are all positive", (), functools.partial(add_max, False)
        ),
        FindingModel(
            "min-of-positive",
            P.STILL_WRONG,
            "not REDUCE_MAX alone: REDUCE_MIN of positive sums",
            (0,),
            functools.partial(add_max, False, "REDUCE_MIN"),
        ),
        FindingModel(
            "two-negs", P.HELPS, "two NEGs between ADD and REDUCE_MAX", (), functools.partial(add_max, apart=True)
        ),
    )


def _pad_conv_models() -> tuple[FindingModel, ...]:
    P = Purpose
    return (
        FindingModel("minimal", P.MINIMAL, "PAD, an output, feeds an unpadded CONV_2D", (0,), pad_conv),
        FindingModel(
            "control", P.CONTROL, "a second consumer keeps the PAD", (), functools.partial(pad_conv, second_reader=True)
        ),
        FindingModel("emit-mul", P.HELPS, "emit y through a MUL by 1", (), functools.partial(pad_conv, emit=times_one)),
    )


def _pad_pool_models() -> tuple[FindingModel, ...]:
    P = Purpose
    return (
        FindingModel("minimal", P.MINIMAL, "PAD with zeros feeds AVERAGE_POOL_2D", (0,), pad_pool),
        FindingModel(
            "control", P.CONTROL, "a PAD of nothing: no zeros to forget", (), functools.partial(pad_pool, border=0)
        ),
        FindingModel(
            "max-pool",
            P.STILL_WRONG,
            "not the average alone: MAX_POOL_2D",
            (0,),
            functools.partial(pad_pool, pool="MAX_POOL_2D"),
        ),
        FindingModel(
            "two-negs", P.HELPS, "two NEGs between PAD and the pooling", (), functools.partial(pad_pool, separate=True)
        ),
    )


def _layer_norm_models() -> tuple[FindingModel, ...]:
    P = Purpose
    return (
        FindingModel("minimal", P.MINIMAL, "the variance inside a LayerNorm is an output too", (0,), layer_norm_inner),
        FindingModel(
            "control",
            P.CONTROL,
            "only the normalised tensor is an output",
            (),
            functools.partial(layer_norm_inner, False),
        ),
        FindingModel(
            "emit-mul", P.HELPS, "emit it through a MUL by 1", (), functools.partial(layer_norm_inner, emit=times_one)
        ),
    )


def _split_meets_models() -> tuple[FindingModel, ...]:
    P = Purpose
    return (
        FindingModel(
            "minimal", P.MINIMAL, "SUB of the two halves of one SPLIT; every output is lost", (0, 1), split_meets
        ),
        FindingModel(
            "control", P.CONTROL, "the halves come from two SLICEs", (), functools.partial(split_meets, sliced=True)
        ),
        FindingModel("swap-operands", P.HELPS, "swap the operands", (), functools.partial(split_meets, swap=True)),
    )


def _split_added_models() -> tuple[FindingModel, ...]:
    P = Purpose
    return (
        FindingModel("minimal", P.MINIMAL, "ADD of the two halves of one SPLIT", (0,), split_added),
        FindingModel(
            "control", P.CONTROL, "the halves come from two SLICEs", (), functools.partial(split_added, sliced=True)
        ),
    )


def _constant_broadcast_models() -> tuple[FindingModel, ...]:
    P = Purpose
    return (
        FindingModel(
            "minimal",
            P.MINIMAL,
            "FULLY_CONNECTED to 1 channel, times a constant of 8 channels",
            (0,),
            constant_broadcast,
        ),
        FindingModel("control", P.CONTROL, "8 channels times 8 channels", (), functools.partial(constant_broadcast, 8)),
        FindingModel(
            "add", P.STILL_WRONG, "not MUL alone: ADD", (0,), functools.partial(constant_broadcast, kind="ADD")
        ),
    )


def _padding_channels_models() -> tuple[FindingModel, ...]:
    P = Purpose
    make = functools.partial
    return (
        FindingModel(
            "minimal",
            P.MINIMAL,
            "3 channels divided by a per-channel constant, then SUM over channels",
            (0,),
            divided_reduced,
        ),
        FindingModel("control", P.CONTROL, "the same with 4 channels: no padding", (), make(divided_reduced, 4)),
        FindingModel("conv", P.STILL_WRONG, "not SUM alone: CONV_2D", (0,), make(divided_reduced, kind="CONV_2D")),
        FindingModel("mean", P.STILL_WRONG, "not SUM alone: MEAN", (0,), make(divided_reduced, kind="MEAN")),
        FindingModel("five-channels", P.STILL_WRONG, "not 3 alone: 5 channels", (0,), make(divided_reduced, 5)),
        FindingModel("reciprocal", P.HELPS, "multiply by the reciprocal", (), make(divided_reduced, reciprocal=True)),
    )


def _depthwise_models() -> tuple[FindingModel, ...]:
    P = Purpose
    make = functools.partial
    return (
        FindingModel(
            "minimal", P.MINIMAL, "one 1x1 DEPTHWISE_CONV_2D, 2 channels, multiplier 2", (0,), depthwise_multiplier
        ),
        FindingModel("control", P.CONTROL, "the same with a 3x3 kernel", (), make(depthwise_multiplier, kernel=3)),
        FindingModel("one-channel", P.CLEAN, "with one channel it is right", (), make(depthwise_multiplier, 1)),
        FindingModel("multiplier-1", P.CLEAN, "with multiplier 1 it is right", (), make(depthwise_multiplier, 2, 1)),
        FindingModel(
            "four-channels", P.STILL_WRONG, "not the odd size: 4 channels", (0,), make(depthwise_multiplier, 4)
        ),
        FindingModel(
            "multiplier-3", P.STILL_WRONG, "not 2 alone: multiplier 3", (0,), make(depthwise_multiplier, 2, 3)
        ),
    )


def _rank_1_models() -> tuple[FindingModel, ...]:
    P = Purpose
    make = functools.partial
    return (
        FindingModel("minimal", P.MINIMAL, "FULLY_CONNECTED on a tensor [4]", (0,), rank_1_fully_connected),
        FindingModel("control", P.CONTROL, "the same on [1,4]", (), make(rank_1_fully_connected, (1, 4))),
        FindingModel("five", P.STILL_WRONG, "not the size: [5] to 2", (0,), make(rank_1_fully_connected, (5,), 2)),
    )


def _rank_1_softmax_models() -> tuple[FindingModel, ...]:
    P = Purpose
    make = functools.partial
    return (
        FindingModel("minimal", P.MINIMAL, "SOFTMAX of a tensor [4]", (0,), rank_1_softmax),
        FindingModel("control", P.CONTROL, "the same on [1,4]", (), make(rank_1_softmax, (1, 4))),
        FindingModel("seven", P.STILL_WRONG, "not the size: [7]", (0,), make(rank_1_softmax, (7,))),
        FindingModel("rank-2", P.HELPS, "RESHAPE to [1,4] and back", (), make(rank_1_softmax, as_rank_2=True)),
    )


FINDING_MODELS: Mapping[str, Callable[[], tuple[FindingModel, ...]]] = {
    "add-output-feeds-reduction": _add_reduce_models,
    "conv-output-feeds-constant": _gemm_constant_models,
    "scaled-output-feeds-conv": _constant_gemm_models,
    "dfine-naive-enc-coord": _constant_axis_models,
    "card-token-fanout": _token_fan_out_models,
    "add-before-max": _add_max_models,
    "depthwise-1x1-multiplier": _depthwise_models,
    "padding-channels-read": _padding_channels_models,
    "rank-1-fully-connected": _rank_1_models,
    "rank-1-softmax": _rank_1_softmax_models,
    "pad-output-feeds-conv": _pad_conv_models,
    "pad-before-pooling": _pad_pool_models,
    "layernorm-inner-output": _layer_norm_models,
    "split-halves-meet": _split_meets_models,
    "split-halves-added": _split_added_models,
    "constant-broadcasts-channels": _constant_broadcast_models,
    **BOUNDED_MODELS,
    **LAYOUT_MODELS,
    **PARSING_MODELS,
    **PATTERN_MODELS,
}
