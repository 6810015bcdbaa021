"""The models of findings about ops that the delegate makes one kernel of, and what was tried around each."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping

from cases.findings.layout_graphs import apart
from cases.findings.model import FindingModel, Purpose
from cases.findings.pattern_graphs import (
    absolute,
    correlation,
    grouped_conv_scaled,
    mish,
    norm_of_other,
    norm_of_shifted,
)
from cases.findings.pieces import times_one

P = Purpose
make = functools.partial


def _grouped_conv_models() -> tuple[FindingModel, ...]:
    return (
        FindingModel(
            "minimal",
            P.MINIMAL,
            "MUL by a per-channel constant feeds a 3x3 CONV_2D of two groups",
            (0,),
            grouped_conv_scaled,
        ),
        FindingModel("control", P.CONTROL, "the same with one group", (), make(grouped_conv_scaled, 1)),
        FindingModel(
            "four-groups",
            P.STILL_WRONG,
            "not two groups alone: four groups of 16 channels",
            (0,),
            make(grouped_conv_scaled, 4, channels=16),
        ),
        FindingModel("scalar", P.CLEAN, "a scalar constant", (), make(grouped_conv_scaled, constant="scalar")),
        FindingModel("behind", P.CLEAN, "the MUL behind the CONV_2D", (), make(grouped_conv_scaled, behind=True)),
        FindingModel(
            "transposed", P.HELPS, "an identity TRANSPOSE between the two", (), make(grouped_conv_scaled, between=apart)
        ),
    )


def _mish_models() -> tuple[FindingModel, ...]:
    return (
        FindingModel(
            "minimal", P.MINIMAL, "the TANH inside x * tanh(log(exp(x) + 1)) is an output too", (0,), make(mish, "tanh")
        ),
        FindingModel("control", P.CONTROL, "only the Mish is an output", (), mish),
        *(
            FindingModel(name, P.STILL_WRONG, f"not TANH alone: {op}", (0,), make(mish, name))
            for name, op in (("exp", "EXP"), ("shifted", "ADD"), ("log", "LOG"))
        ),
        FindingModel("emit-mul", P.HELPS, "emit it through a MUL by 1", (), make(mish, "tanh", emit=times_one)),
        FindingModel("second-reader", P.HELPS, "give it a second consumer", (), make(mish, "tanh", second_reader=True)),
    )


def _norm_models() -> tuple[FindingModel, ...]:
    return (
        FindingModel("minimal", P.MINIMAL, "x minus the mean of another graph input, normalised", (0,), norm_of_other),
        FindingModel("control", P.CONTROL, "x minus its own mean", (), make(norm_of_other, "same")),
        FindingModel(
            "split",
            P.STILL_WRONG,
            "not graph inputs alone: x and the other tensor are parts of one SPLIT",
            (0,),
            make(norm_of_other, "split"),
        ),
        FindingModel("slices", P.CLEAN, "the same parts by two SLICEs", (), make(norm_of_other, "slices")),
        FindingModel("computed", P.CLEAN, "the other input behind a TANH", (), make(norm_of_other, "computed")),
        FindingModel(
            "transposed", P.HELPS, "an identity TRANSPOSE in front of the MEAN", (), make(norm_of_other, between=apart)
        ),
    )


def _norm_shifted_models() -> tuple[FindingModel, ...]:
    return (
        FindingModel("minimal", P.MINIMAL, "LayerNorm of x + 100", (0,), norm_of_shifted, precisions=("fp32",)),
        FindingModel(
            "control",
            P.CONTROL,
            "the same with an ABS in front of the SQUARE: nothing is fused",
            (),
            make(norm_of_shifted, between=absolute),
        ),
        FindingModel(
            "thirty",
            P.STILL_WRONG,
            "LayerNorm of x + 30",
            (0,),
            make(norm_of_shifted, 30.0),
            precisions=("fp32",),
        ),
        FindingModel("one", P.CLEAN, "LayerNorm of x + 1", (), make(norm_of_shifted, 1.0)),
        FindingModel(
            "transposed",
            P.HELPS,
            "an identity TRANSPOSE in front of the SQUARE",
            (),
            make(norm_of_shifted, between=apart),
        ),
    )


def _correlation_models() -> tuple[FindingModel, ...]:
    return (
        FindingModel(
            "minimal",
            P.MINIMAL,
            "slices of two maps, times a third, MEAN over channels, side by side",
            (0,),
            correlation,
        ),
        FindingModel("control", P.CONTROL, "two slices of one map", (), make(correlation, "")),
        FindingModel(
            "other-factor",
            P.STILL_WRONG,
            "one map, but each slice times a tensor of its own",
            (0,),
            make(correlation, "other-factor"),
        ),
        FindingModel(
            "other-factor-last",
            P.CLEAN,
            "the same where the second MUL has its operands in the other order",
            (),
            make(correlation, "other-factor", exchanged=True),
        ),
        FindingModel(
            "other-reduction",
            P.STILL_WRONG,
            "one map, but MEAN here and SUM there",
            (0,),
            make(correlation, "other-reduction"),
        ),
        FindingModel(
            "channel", P.STILL_WRONG, "one map, but a slice starts at channel 4", (0,), make(correlation, "channel")
        ),
        FindingModel(
            "inner-output",
            P.STILL_WRONG,
            "nothing differs, but a MEAN is an output too",
            (0,),
            make(correlation, "", exposed=True),
        ),
        FindingModel(
            "transposed",
            P.HELPS,
            "an identity TRANSPOSE in front of the CONCATENATION",
            (),
            make(correlation, between=apart),
        ),
        FindingModel(
            "emit-mul",
            P.NO_HELP,
            "emit the inner output through a MUL by 1",
            (0,),
            make(correlation, "", exposed=True, emit=times_one),
        ),
    )


PATTERN_MODELS: Mapping[str, Callable[[], tuple[FindingModel, ...]]] = {
    "grouped-conv-scaled": _grouped_conv_models,
    "mish-inner-output": _mish_models,
    "norm-of-other-input": _norm_models,
    "norm-one-pass-variance": _norm_shifted_models,
    "correlation-concat": _correlation_models,
}
