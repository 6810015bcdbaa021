"""What is misread for a type or a rank is foretold, of every model that a finding claims something of."""

from __future__ import annotations

import numpy as np
import pytest

from cases.drawn_ops.one_op import OneOp, fixed, shaped
from cases.findings.registry import FINDING_MODELS
from repro.delegate.misread_types import displaced, whole_constant_misread
from repro.hazards.lint import find_hazards
from repro.hazards.rules import RULES

SLUGS = (
    *("transposed-same-padding", "integer-constant-misread", "integer-activation", "integer-pad", "half-constant"),
    *("gather-batch", "top-k-slice", "one-hot-places", "select-condition", "update-constant-aborts"),
    "small-constant-aborts",
)


@pytest.mark.parametrize("slug", SLUGS)
def test_each_model_of_a_finding_is_named_if_it_is_wrong_and_else_not(slug: str):
    for model in FINDING_MODELS[slug]:
        assert model.build is not None
        graph = model.build()
        hazards = find_hazards(graph)
        assert {RULES[hazard.rule].finding for hazard in hazards} == (set() if model.healthy else {slug}), model.name
        if model.wrong:
            assert {index for hazard in hazards for index in hazard.affected} == set(model.wrong), model.name


def test_axes_are_displaced_where_ranks_differ_and_letters_do():
    assert displaced((4,), (1, 3, 4)) == [0]
    assert displaced((3, 4), (1, 3, 4)) == [0]
    assert displaced((1, 4), (1, 2, 3, 4)) == []
    assert displaced((1, 3, 4), (1, 3, 4)) == []


def test_a_constant_whose_rows_are_alike_is_read_right_along_any_axis():
    alike = np.ones((4,), np.int32)
    assert whole_constant_misread("ADD", alike, (1, 3, 4), (1, 3, 4), False) == ""
    assert whole_constant_misread("ADD", np.arange(4), (1, 3, 4), (1, 3, 4), False) == "integer-constant-batch"
    assert whole_constant_misread("ADD", np.arange(4), (3, 4), (3, 4), False) == "integer-constant-axis"
    assert whole_constant_misread("SUB", np.ones((3, 4)), (3, 4), (3, 4), True) == "integer-constant-first"
    assert whole_constant_misread("ADD", np.ones((3, 4)), (3, 4), (3, 4), True) == ""


@pytest.mark.parametrize("dtype", ["int16", "int32", "float32"])
def test_a_pad_is_read_right_in_floats_only(dtype: str):
    x = np.ones((1, 3, 4), dtype)
    graph = shaped(OneOp("PAD", (x, fixed([[0, 0], [0, 1], [0, 0]])), (dtype,)))
    assert {hazard.rule for hazard in find_hazards(graph)} == (set() if dtype == "float32" else {"integer-pad"})
