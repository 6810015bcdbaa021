"""How the delegate reads a shape, and the small questions that its graph answers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cases.builder import GraphBuilder
from repro.delegate.graph import (
    SLICE_CHANNELS,
    Pad,
    axis_letters,
    bhwc,
    broadcast_bhwc,
    constant_data,
    letter_of,
    only_reader,
    slices,
)
from repro.delegate.parser import lower


@pytest.mark.parametrize(
    ("shape", "read"),
    [
        ((), (1, 1, 1, 1)),
        ((7,), (7, 1, 1, 1)),
        ((5, 7), (5, 1, 1, 7)),
        ((2, 5, 7), (2, 1, 5, 7)),
        ((2, 3, 5, 7), (2, 3, 5, 7)),
    ],
)
def test_shapes_are_read_as_bhwc(shape, read):
    assert bhwc(shape) == read


@given(st.lists(st.integers(1, 9), max_size=5))
def test_reading_a_shape_keeps_the_number_of_elements(shape):
    assert np.prod(bhwc(tuple(shape))) == np.prod(shape, initial=1)
    if len(shape) <= 4:
        assert broadcast_bhwc(tuple(shape))[4 - len(shape) :] == tuple(shape)
        assert len(axis_letters(len(shape))) == len(shape)


@given(st.lists(st.integers(1, 9), min_size=1, max_size=4), st.data())
def test_the_letter_of_an_axis_names_where_its_size_went(shape, data):
    axis = data.draw(st.integers(-len(shape), len(shape) - 1))
    letter = letter_of(axis_letters(len(shape)), axis)
    assert bhwc(tuple(shape))["BHWC".index(letter)] == shape[axis]


def test_an_axis_that_a_tensor_does_not_have_has_no_letter():
    assert letter_of("BWC", 3) == letter_of("BWC", -4) == letter_of("", 0) == ""


@given(st.integers(1, 1000))
def test_so_many_slices_are_just_enough(channels):
    assert (slices(channels) - 1) * SLICE_CHANNELS < channels <= slices(channels) * SLICE_CHANNELS


def test_a_pad_knows_along_which_axes_it_pads():
    pad = Pad({"B": (0, 0), "H": (1, 0), "W": (0, 0), "C": (0, 0)})
    assert pad.only_along("HW")
    assert pad.only_along("H")
    assert not pad.only_along("C")


def test_a_value_has_an_only_reader_or_none():
    g = GraphBuilder()
    x = g.input("x", (1, 4, 8))
    once, twice = g.unary("NEG", x), g.unary("ABS", x)
    negation, absolute, root, square = lower(g.build([g.unary("SQRT", once), g.unary("SQUARE", twice), twice])).nodes
    assert only_reader(negation.outputs[0]) is root
    assert only_reader(absolute.outputs[0]) is square
    assert only_reader(negation.inputs[0]) is None  # two read x
    assert only_reader(root.outputs[0]) is None  # nobody reads an output at the end


def test_a_constant_is_found_behind_the_dequantize_of_float16_only():
    g = GraphBuilder()
    half = g.op("DEQUANTIZE", (g.const(np.ones(8), dtype="float16"),), name="half")[0]
    single = g.const(np.full(8, 2.0), name="single")
    computed = g.unary("NEG", g.input("x", (8,)), name="computed")
    graph = g.build([g.add(half, computed), g.add(single, computed)])
    held = constant_data(graph, "half")
    assert held is not None
    assert held.dtype == np.float16
    assert constant_data(graph, "computed") is None
    assert constant_data(graph, "single") is graph.tensors["single"].data
