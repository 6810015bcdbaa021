"""A precision holds what is no larger than its largest number, and no NaN."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from cases.builder import GraphBuilder
from repro.verdicts.value_range import LARGEST, constants, out_of_range
from runner.run import Precision


@pytest.mark.parametrize("precision", Precision)
def test_the_largest_number_is_held_and_nothing_beyond_it(precision: Precision):
    largest = LARGEST[precision]
    held = {"most": np.array([1.0, -largest]), "least": np.array([0.0, 1e-300]), "none": np.zeros(0)}
    beyond = {"more": np.array([0.0, -1.001 * largest]), "infinite": np.array([np.inf]), "nan": np.array([1, np.nan])}
    assert out_of_range(held | beyond, precision) == set(beyond)


def test_only_floats_can_be_out_of_range():
    assert out_of_range({"big": np.array([2**40]), "truth": np.array([True])}, Precision.FP16) == frozenset()


def test_float32_holds_what_float16_does_not():
    values = {"y": np.array([1e5], np.float32)}
    assert out_of_range(values, Precision.FP16) == {"y"}
    assert out_of_range(values, Precision.FP32) == frozenset()


def test_the_constants_of_a_graph_are_those_that_an_op_reads():
    g = GraphBuilder()
    used, _ = g.const([2.0], name="used"), g.const([3.0], name="unused")
    assert set(constants(g.build([g.mul(g.input("x", (1, 4)), used)]))) == {"used"}


def test_halves_are_in_float32s_range_and_nothing_is_said_of_it():
    values = {"small": np.ones(3, np.float16), "not": np.array([1, np.inf], np.float16)}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert out_of_range(values, Precision.FP32) == {"not"}
