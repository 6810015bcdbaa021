"""The models of findings about ops that only move data, and what was tried around each."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping

from cases.findings.layout_graphs import (
    apart,
    concat_of_one,
    cumulated,
    no_op_behind,
    pad_rank_3,
    pad_then_add,
    pad_value,
    slice_of_part,
    split_together,
)
from cases.findings.model import FindingModel, Purpose
from cases.findings.pieces import times_one

P = Purpose
make = functools.partial
NOTHING = ((0, 0), (0, 0), (0, 0))
FIRST = ((1, 0), (0, 0), (0, 0))
CHANNELS = ((0, 0), (0, 0), (0, 1))


def _pad_rank_3_models() -> tuple[FindingModel, ...]:
    return (
        FindingModel("minimal", P.MINIMAL, "one PAD of [2,3,4], a row behind the tokens", (0,), pad_rank_3),
        FindingModel("control", P.CONTROL, "the same of [1,3,4]", (), make(pad_rank_3, 1)),
        FindingModel("nothing", P.STILL_WRONG, "not the amounts: a PAD of nothing", (0,), make(pad_rank_3, 2, NOTHING)),
        FindingModel("channels", P.STILL_WRONG, "not the axis: channels", (0,), make(pad_rank_3, 2, CHANNELS)),
        FindingModel("padv2", P.STILL_WRONG, "not PAD alone: PADV2", (0,), make(pad_rank_3, 2, value=2.0)),
        FindingModel(
            "first-dimension",
            P.STILL_WRONG,
            "a first dimension of 1 that is itself padded",
            (0,),
            make(pad_rank_3, 1, FIRST),
        ),
        FindingModel(
            "first-dimension-rank-4",
            P.STILL_WRONG,
            "that one not at rank 3 alone: a batch of 1 padded at rank 4",
            (0,),
            make(pad_rank_3, 1, FIRST, rank_4=True),
        ),
        FindingModel(
            "batch-2-rank-4",
            P.CLEAN,
            "a batch of 2 padded at rank 4",
            (),
            make(pad_rank_3, 2, FIRST, rank_4=True),
        ),
        FindingModel(
            "rank-4", P.HELPS, "PAD it as [2,1,3,4] and reshape it back", (), make(pad_rank_3, 2, rank_4=True)
        ),
    )


def _slice_of_part_models() -> tuple[FindingModel, ...]:
    return (
        FindingModel(
            "minimal",
            P.MINIMAL,
            "SPLIT in two, a SLICE of all of the first part; the outputs hold each other's values",
            (0, 1),
            slice_of_part,
        ),
        FindingModel("control", P.CONTROL, "a SLICE of all of the last part", (), make(slice_of_part, 1)),
        FindingModel("axis-1", P.STILL_WRONG, "not the axis: split along tokens", (0, 1), make(slice_of_part, axis=1)),
        FindingModel(
            "three-parts",
            P.STILL_WRONG,
            "not two parts alone: of three, all are in the wrong place",
            (0, 1, 2),
            make(slice_of_part, count=3),
        ),
        FindingModel(
            "middle-part",
            P.STILL_WRONG,
            "not the first part alone: of three, the middle one and the last change places",
            (1, 2),
            make(slice_of_part, 1, count=3),
        ),
        FindingModel(
            "strided-slice",
            P.STILL_WRONG,
            "not SLICE alone: STRIDED_SLICE",
            (0, 1),
            make(slice_of_part, kind="STRIDED_SLICE"),
        ),
        FindingModel(
            "not-exposed", P.CLEAN, "the SLICE is no output, NEG reads it", (), make(slice_of_part, read=True)
        ),
        FindingModel("emit-mul", P.HELPS, "emit the SLICE through a MUL by 1", (), make(slice_of_part, emit=times_one)),
        FindingModel(
            "transposed",
            P.HELPS,
            "an identity TRANSPOSE between SPLIT and SLICE",
            (),
            make(slice_of_part, between=apart),
        ),
    )


def _no_op_models() -> tuple[FindingModel, ...]:
    image = (1, 2, 2, 4)
    return (
        FindingModel("minimal", P.MINIMAL, "TANH, an output, feeds a CONCATENATION of one tensor", (0,), no_op_behind),
        FindingModel("control", P.CONTROL, "an identity RESHAPE instead", (), make(no_op_behind, "RESHAPE")),
        FindingModel(
            "not-exposed", P.CLEAN, "without the TANH among the outputs", (), make(no_op_behind, exposed=False)
        ),
        FindingModel(
            "slice", P.STILL_WRONG, "not CONCATENATION alone: a SLICE of everything", (0,), make(no_op_behind, "SLICE")
        ),
        FindingModel(
            "resize",
            P.STILL_WRONG,
            "not CONCATENATION alone: a RESIZE to the same size",
            (0,),
            make(no_op_behind, "RESIZE_NEAREST_NEIGHBOR", image),
        ),
        FindingModel("swapped", P.STILL_WRONG, "not the order of the outputs", (1,), make(no_op_behind, swap=True)),
        FindingModel(
            "read",
            P.STILL_WRONG,
            "the CONCATENATION need not be an output: NEG reads it",
            (0,),
            make(no_op_behind, read=True),
        ),
        FindingModel(
            "transposed", P.HELPS, "an identity TRANSPOSE between the two", (), make(no_op_behind, between=apart)
        ),
        FindingModel(
            "slice-emit-mul",
            P.HELPS,
            "with a SLICE or RESIZE: emit the TANH through a MUL by 1",
            (),
            make(no_op_behind, "SLICE", emit=times_one),
        ),
        FindingModel(
            "emit-mul",
            P.NO_HELP,
            "with CONCATENATION a MUL by 1 keeps the op, whose kernel then takes all outputs with it",
            (0, 1),
            make(no_op_behind, emit=times_one),
        ),
    )


def _concat_of_one_models() -> tuple[FindingModel, ...]:
    return (
        FindingModel(
            "minimal",
            P.MINIMAL,
            "a CONCATENATION of one graph input; every output is lost",
            (0, 1),
            concat_of_one,
        ),
        FindingModel("control", P.CONTROL, "an identity RESHAPE instead", (), make(concat_of_one, kind="RESHAPE")),
        FindingModel("axis-1", P.STILL_WRONG, "not the axis: along tokens", (0, 1), make(concat_of_one, axis=1)),
        FindingModel(
            "read-twice",
            P.STILL_WRONG,
            "not graph inputs alone: an op's result that another op reads too",
            (0, 1, 2),
            make(concat_of_one, behind_op=True, shared=True),
        ),
        FindingModel(
            "read-once",
            P.CLEAN,
            "of an op's result that nothing else reads: the CONCATENATION is removed",
            (),
            make(concat_of_one, behind_op=True),
        ),
        FindingModel("batch-2", P.CLEAN, "of a tensor with a batch of 2", (), make(concat_of_one, 2)),
        FindingModel(
            "transposed", P.HELPS, "an identity TRANSPOSE in front of it", (), make(concat_of_one, between=apart)
        ),
    )


def _split_together_models() -> tuple[FindingModel, ...]:
    return (
        FindingModel(
            "minimal",
            P.MINIMAL,
            "NEG, an output, is taken apart by SPLIT and put together by CONCATENATION",
            (0,),
            split_together,
        ),
        FindingModel("control", P.CONTROL, "the parts come from two SLICEs", (), make(split_together, by_slices=True)),
        FindingModel(
            "not-exposed", P.CLEAN, "nothing else uses what is split", (), make(split_together, exposed=False)
        ),
        FindingModel(
            "read",
            P.STILL_WRONG,
            "not outputs alone: a TANH that reads what is split is wrong",
            (0,),
            make(split_together, exposed=False, read=True),
        ),
        FindingModel("axis-1", P.STILL_WRONG, "not the axis: along tokens", (0,), make(split_together, axis=1)),
        FindingModel(
            "transposed",
            P.HELPS,
            "an identity TRANSPOSE behind the first part",
            (),
            make(split_together, between=apart),
        ),
        FindingModel(
            "emit-mul", P.NO_HELP, "emit what is split through a MUL by 1", (0,), make(split_together, emit=times_one)
        ),
    )


def _pad_value_models() -> tuple[FindingModel, ...]:
    return (
        FindingModel("minimal", P.MINIMAL, "PADV2 with the value 2 feeds an unpadded CONV_2D", (0,), pad_value),
        FindingModel("control", P.CONTROL, "the same with the value 0", (), make(pad_value, 0.0)),
        FindingModel("negative", P.STILL_WRONG, "not the sign: -3", (0,), make(pad_value, -3.0)),
        FindingModel(
            "depthwise", P.STILL_WRONG, "not CONV_2D alone: DEPTHWISE_CONV_2D", (0,), make(pad_value, depthwise=True)
        ),
        FindingModel(
            "channels-add",
            P.STILL_WRONG,
            "not convolutions alone: PADV2 of channels feeds ADD",
            (0,),
            make(pad_then_add, (1, 2, 2, 8), value=2.0),
        ),
        FindingModel(
            "transposed", P.HELPS, "an identity TRANSPOSE between the two", (), make(pad_value, between=apart)
        ),
    )


def _pad_then_add_models() -> tuple[FindingModel, ...]:
    return (
        FindingModel(
            "minimal", P.MINIMAL, "PAD of 4 channels to 8, plus a tensor [1,1,1,8] that broadcasts", (0,), pad_then_add
        ),
        FindingModel(
            "control", P.CONTROL, "plus a tensor of the full shape [1,2,2,8]", (), make(pad_then_add, (1, 2, 2, 8))
        ),
        FindingModel(
            "one-channel", P.STILL_WRONG, "not space alone: [1,2,2,1]", (0,), make(pad_then_add, (1, 2, 2, 1))
        ),
        FindingModel("one-row", P.STILL_WRONG, "not both axes: [1,1,2,8]", (0,), make(pad_then_add, (1, 1, 2, 8))),
        FindingModel(
            "in-front", P.CLEAN, "zeros in front of the channels, not behind", (), make(pad_then_add, before=4)
        ),
        FindingModel(
            "transposed", P.HELPS, "an identity TRANSPOSE between the two", (), make(pad_then_add, between=apart)
        ),
    )


def _cumsum_models() -> tuple[FindingModel, ...]:
    return (
        FindingModel("minimal", P.MINIMAL, "CUMSUM of [5,4] over the first dimension: x comes back", (0,), cumulated),
        FindingModel("control", P.CONTROL, "the same over the last dimension", (), make(cumulated, axis=1)),
        FindingModel("vector", P.STILL_WRONG, "not the rank: [5]", (0,), make(cumulated, (5,))),
        FindingModel("rank-3", P.STILL_WRONG, "not the rank: [5,4,3]", (0,), make(cumulated, (5, 4, 3))),
        FindingModel("two", P.STILL_WRONG, "not the size: [2,4]", (0,), make(cumulated, (2, 4))),
        FindingModel("from-the-end", P.STILL_WRONG, "the last dimension as -1", (0,), make(cumulated, axis=-1)),
        FindingModel(
            "from-the-end-rank-3",
            P.STILL_WRONG,
            "of [5,4,3] the last dimension as -1: it sums over the first",
            (0,),
            make(cumulated, (5, 4, 3), -1),
        ),
        FindingModel(
            "no-batch",
            P.STILL_WRONG,
            "axis 0 of [1,3,4,5]: the kernel does not compile, and a TANH beside it is lost too",
            (0, 1),
            make(cumulated, (1, 3, 4, 5), bystander=True),
        ),
        FindingModel("one-row", P.CLEAN, "of [1,4] over the first dimension", (), make(cumulated, (1, 4))),
        FindingModel("middle", P.CLEAN, "of [5,4,3] over the second dimension", (), make(cumulated, (5, 4, 3), 1)),
        FindingModel("rank-4", P.CLEAN, "of [2,3,4,5] over the first dimension", (), make(cumulated, (2, 3, 4, 5))),
        FindingModel(
            "as-height",
            P.HELPS,
            "RESHAPE to [1,5,1,4], sum over the second dimension, and RESHAPE back",
            (),
            make(cumulated, axis=1, as_shape=(1, 5, 1, 4)),
        ),
    )


LAYOUT_MODELS: Mapping[str, Callable[[], tuple[FindingModel, ...]]] = {
    "pad-rank-3": _pad_rank_3_models,
    "slice-of-split-part": _slice_of_part_models,
    "no-op-behind-output": _no_op_models,
    "concat-of-one": _concat_of_one_models,
    "split-put-together": _split_together_models,
    "cumsum-batch": _cumsum_models,
    "pad-value-lost": _pad_value_models,
    "pad-before-broadcast-add": _pad_then_add_models,
}
