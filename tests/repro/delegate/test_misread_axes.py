"""Which constants and running sums land on another axis, held against arrays laid out as the delegate lays them out."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from repro.delegate.graph import Bhwc, bhwc, broadcast_bhwc
from repro.delegate.misread_axes import constant_misread, cumsum_misread

Shape = tuple[int, ...]


def read_at_each_place(values: np.ndarray, laid_out: Bhwc, result: Bhwc) -> np.ndarray:
    """The values that a kernel reads for a result: laid out as BHWC, an axis of one element read again and again."""
    places = zip(np.indices(result), laid_out, strict=True)
    index = tuple(np.where(size == 1, 0, np.minimum(place, size - 1)) for place, size in places)
    return np.asarray(values.reshape(laid_out)[index])


def comes_out_wrong(constant: np.ndarray, runtime: Shape) -> bool:
    """Whether a kernel reads other operands than the broadcast of the file's shapes puts together."""
    shape = np.broadcast_shapes(constant.shape, runtime)
    result = bhwc(shape)
    tensor = np.arange(int(np.prod(runtime))).reshape(runtime)
    read_tensor = read_at_each_place(tensor, bhwc(runtime), result)
    read_constant = read_at_each_place(constant, broadcast_bhwc(constant.shape), result)
    if bhwc(runtime)[0] == 1:  # the kernel runs over the tensor's batches
        read_constant = np.broadcast_to(read_constant[:1], result)
    same_tensor = np.array_equal(read_tensor, np.broadcast_to(tensor, shape).reshape(result))
    return not (same_tensor and np.array_equal(read_constant, np.broadcast_to(constant, shape).reshape(result)))


@st.composite
def operands(draw: st.DrawFn) -> tuple[np.ndarray, Shape]:
    """A constant of zeros and ones, and the shape of a tensor that broadcasts with it."""
    whole = draw(st.lists(st.integers(1, 3), min_size=1, max_size=4))

    def part() -> Shape:
        rank = draw(st.integers(0, len(whole)))
        return tuple(draw(st.sampled_from((1, size))) for size in whole[len(whole) - rank :])

    shape, runtime = part(), part()
    values = draw(st.lists(st.integers(0, 1), min_size=int(np.prod(shape)), max_size=int(np.prod(shape))))
    return np.array(values).reshape(shape), runtime


@given(operands())
@example((np.arange(8).reshape(2, 4), (2, 4)))
@example((np.arange(8).reshape(2, 1, 1, 4), (1, 1, 1, 4)))
@example((np.arange(8).reshape(2, 1, 1, 4), ()))
def test_a_constant_is_misread_where_a_kernel_reads_another_element_of_it(pair):
    constant, runtime = pair
    assume(constant.size > 1)  # a scalar lies along no axis
    assert constant_misread(constant, runtime, np.broadcast_shapes(constant.shape, runtime)) == comes_out_wrong(
        constant, runtime
    )


def test_ranks_above_four_are_refused_and_not_misread():
    assert not constant_misread(np.arange(4.0).reshape(4, 1, 1, 1, 1), (4, 1, 1, 1, 1), (4, 1, 1, 1, 1))
    assert cumsum_misread((2, 1, 1, 1, 3), -5, True, True) == ""


EXPECTED = {"cumsum-axis-aborts": "aborts", "cumsum-no-batch": "invalid", "cumsum-batch": "other", "": "right"}


@given(st.lists(st.integers(1, 3), min_size=1, max_size=4), st.data(), st.booleans(), st.booleans())
def test_a_running_sum_is_right_where_it_runs_along_the_axis_that_was_meant(shape, data, exclusive, reverse):
    axis = data.draw(st.integers(-len(shape), len(shape) - 1))
    values = np.random.default_rng(0).random(shape) + 0.5
    place = axis + 4 - len(shape)
    laid_out = values.reshape(bhwc(tuple(shape)))
    ordered = np.flip(values, axis) if reverse else values
    sums = np.cumsum(ordered, axis)
    meant = (np.flip(sums, axis) if reverse else sums) - (values if exclusive else 0.0)
    if place < 0:
        happens = "aborts"
    elif place == 0 and laid_out.shape[0] == 1:
        happens = "invalid"
    else:
        taken = np.cumsum(laid_out, place)
        happens = "right" if np.allclose(taken, meant.reshape(laid_out.shape)) else "other"
    rule = cumsum_misread(tuple(shape), axis, exclusive, reverse)
    assert EXPECTED.get(rule, "other") == happens
    if rule == "cumsum-options":
        assert exclusive or reverse


@pytest.mark.parametrize(("exclusive", "reverse"), [(True, False), (False, True), (True, True)])
def test_the_axis_is_named_before_the_options(exclusive, reverse):
    assert cumsum_misread((2, 4), 0, exclusive, reverse) == "cumsum-batch"
    assert cumsum_misread((2, 4), 1, exclusive, reverse) == "cumsum-options"
