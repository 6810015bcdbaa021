"""Every step gives valid ops with values that rounding cannot make look wrong."""

from __future__ import annotations

import random

import numpy as np
import pytest

from cases.graph import GraphError
from repro.fuzzer.generate import start_shape
from repro.fuzzer.growth import Growth
from repro.fuzzer.steps import STEPS
from tests.repro.fuzzer.drawing import check_valid, computed

KINDS = {
    *("ADD", "MUL", "SUB", "MAXIMUM", "MINIMUM", "SQUARED_DIFFERENCE", "DIV", "NEG", "ABS", "TANH", "LOGISTIC"),
    *("RELU", "SQUARE", "RELU6", "HARD_SWISH", "GELU", "ELU", "SIN", "COS", "RSQRT", "SQRT", "LOG", "EXP", "SOFTMAX"),
    *("FULLY_CONNECTED", "CONV_2D", "DEPTHWISE_CONV_2D", "AVERAGE_POOL_2D", "MAX_POOL_2D", "SUM", "MEAN"),
    *("REDUCE_MAX", "REDUCE_MIN", "REDUCE_PROD", "RESHAPE", "TRANSPOSE", "SLICE", "STRIDED_SLICE", "SPLIT"),
    *("CONCATENATION", "PAD", "PADV2", "BATCH_MATMUL", "RESIZE_NEAREST_NEIGHBOR", "RESIZE_BILINEAR", "SELECT_V2"),
    *("GREATER", "LESS_EQUAL"),
}


def grown(place: int, seed: int) -> tuple[Growth, tuple[str, ...]]:
    """A step on one input of some shape, and what it made."""
    rng = random.Random(f"{place}/{seed}")
    growth = Growth(rng)
    try:
        return growth, tuple(STEPS[place][1](growth, growth.input(start_shape(rng))) or ())
    except GraphError:
        return growth, ()


@pytest.mark.parametrize("place", range(len(STEPS)))
def test_a_step_fits_most_tensors_and_what_it_makes_is_valid_and_finite(place: int):
    fitting = 0
    for seed in range(60):
        growth, made = grown(place, seed)
        if not made:
            continue
        fitting += 1
        graph = growth.builder.build(made)
        check_valid(graph)
        for value in computed(graph).values():
            assert np.isfinite(value).all()
    assert fitting >= 15  # some want rank 4, which four in nine start shapes have


def test_all_steps_together_make_every_kind_of_op():
    kinds = set()
    for place in range(len(STEPS)):
        for seed in range(40):
            growth, made = grown(place, seed)
            if made:
                kinds |= {op.kind for op in growth.builder.build(made).ops}
    assert kinds == KINDS
