"""Windows and resizing against sums written out by hand, with TFLite's padding and its three conventions."""

from __future__ import annotations

import numpy as np
import pytest

from cases.evaluation.arithmetic import FLOAT16, FLOAT16_TRUNCATED, FLOAT32, FLOAT32_NATIVE, FLOAT64
from cases.evaluation.windows import (
    average_pool,
    convolve,
    depthwise,
    max_pool,
    resize_bilinear,
    resize_nearest,
)
from cases.shapes import window

DEEP = (1, 9, 9, 3500), (1, 3, 3, 3500)

RNG = np.random.default_rng(0)
OPTIONS = [
    {"padding": "SAME"},
    {"padding": "SAME", "stride_h": 2, "stride_w": 3},
    {"padding": "VALID", "stride_h": 2},
    {"padding": "SAME", "dilation_h_factor": 2, "dilation_w_factor": 2},
    {"padding": "VALID", "dilation_w_factor": 2},
]


def taps(x: np.ndarray, kernel: tuple[int, int], attrs: dict):
    """(row, column) of every output position -> (kernel position, input pixel) of those that lie in the input."""
    strides = attrs.get("stride_h", 1), attrs.get("stride_w", 1)
    dilations = attrs.get("dilation_h_factor", 1), attrs.get("dilation_w_factor", 1)
    out, before = [], []
    for axis in (0, 1):
        extent = window(x.shape[axis + 1], kernel[axis], strides[axis], attrs["padding"], dilations[axis])
        reach = (extent - 1) * strides[axis] + (kernel[axis] - 1) * dilations[axis] + 1
        out.append(extent)
        before.append(max(0, reach - x.shape[axis + 1]) // 2 if attrs["padding"] == "SAME" else 0)
    for row, column in np.ndindex(*out):
        places = []
        for i, j in np.ndindex(*kernel):
            y = row * strides[0] + i * dilations[0] - before[0]
            z = column * strides[1] + j * dilations[1] - before[1]
            if 0 <= y < x.shape[1] and 0 <= z < x.shape[2]:
                places.append(((i, j), x[:, y, z]))
        yield (row, column), places


@pytest.mark.parametrize("attrs", OPTIONS, ids=str)
@pytest.mark.parametrize("kernel", [(1, 1), (3, 2)])
def test_a_convolution_is_the_sum_over_its_taps(kernel: tuple[int, int], attrs: dict):
    x, weights = RNG.normal(size=(2, 6, 7, 3)), RNG.normal(size=(4, *kernel, 3))
    ours = convolve(x, weights, attrs, FLOAT64)
    for (row, column), places in taps(x, kernel, attrs):
        wanted = sum(pixel @ weights[:, i, j].T for (i, j), pixel in places)
        np.testing.assert_allclose(ours[:, row, column], wanted, atol=1e-12)


@pytest.mark.parametrize("attrs", OPTIONS, ids=str)
def test_a_depthwise_convolution_keeps_channels_apart_and_may_multiply_them(attrs: dict):
    x, weights = RNG.normal(size=(2, 6, 7, 3)), RNG.normal(size=(1, 3, 2, 6))
    ours = depthwise(x, weights, attrs, FLOAT64)
    for (row, column), places in taps(x, (3, 2), attrs):
        wanted = sum(np.repeat(pixel, 2, axis=1) * weights[0, i, j] for (i, j), pixel in places)
        np.testing.assert_allclose(ours[:, row, column], wanted, atol=1e-12)


@pytest.mark.parametrize("attrs", OPTIONS[:3], ids=str)
def test_padding_is_no_part_of_a_mean_and_never_the_largest(attrs: dict):
    x = RNG.normal(size=(2, 6, 7, 3)) - 5  # a zero from the padding would be larger than anything
    pooled = {**attrs, "filter_height": 3, "filter_width": 2}
    means, largest = average_pool(x, pooled, FLOAT64), max_pool(x, pooled, FLOAT64)
    for (row, column), places in taps(x, (3, 2), attrs):
        pixels = np.stack([pixel for _, pixel in places])
        np.testing.assert_allclose(means[:, row, column], pixels.mean(axis=0))
        np.testing.assert_array_equal(largest[:, row, column], pixels.max(axis=0))


@pytest.mark.parametrize(
    ("attrs", "linear", "nearest"),
    [
        ({}, [0, 0.5, 1, 1], [0, 0, 1, 1]),
        ({"align_corners": True}, [0, 1 / 3, 2 / 3, 1], [0, 0, 1, 1]),
        ({"half_pixel_centers": True}, [0, 0.25, 0.75, 1], [0, 0, 1, 1]),
    ],
    ids=str,
)
def test_two_pixels_become_four_by_each_convention(attrs: dict, linear: list, nearest: list):
    row = np.array([0.0, 1.0]).reshape(1, 1, 2, 1)
    np.testing.assert_allclose(resize_bilinear(row, (1, 4), attrs).ravel(), linear)
    np.testing.assert_array_equal(resize_nearest(row, (1, 4), attrs).ravel(), nearest)


def test_the_nearest_of_three_pixels_differs_between_conventions():
    column = np.arange(3.0).reshape(1, 3, 1, 1)
    assert resize_nearest(column, (2, 1), {}).ravel().tolist() == [0, 1]
    assert resize_nearest(column, (2, 1), {"align_corners": True}).ravel().tolist() == [0, 2]
    assert resize_nearest(column, (2, 1), {"half_pixel_centers": True}).ravel().tolist() == [0, 2]


@pytest.mark.parametrize("arithmetic", [FLOAT64, FLOAT32, FLOAT32_NATIVE, FLOAT16, FLOAT16_TRUNCATED])
@pytest.mark.parametrize("attrs", [{"padding": "SAME"}, {"padding": "VALID", "stride_h": 2, "stride_w": 3}])
def test_a_depthwise_convolution_in_bands_of_rows_gives_the_bits_of_one_tap_after_the_other(arithmetic, attrs: dict):
    """So many channels that a band is two rows, of which the last band has one."""
    rng = np.random.default_rng(0)
    draw = [arithmetic.stored(rng.standard_normal(s).astype(arithmetic.container)) for s in DEEP]
    x, weights = draw
    banded = depthwise(x, weights, attrs, arithmetic)
    padded = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0))) if attrs["padding"] == "SAME" else x
    (down, across), (rows, columns) = (attrs.get("stride_h", 1), attrs.get("stride_w", 1)), banded.shape[1:3]
    total = np.zeros(banded.shape, arithmetic.container)
    for i in range(3):
        for j in range(3):
            tap = padded[:, i : i + (rows - 1) * down + 1 : down, j : j + (columns - 1) * across + 1 : across]
            total = arithmetic.accumulate(total, tap * weights[0, i, j])
    np.testing.assert_array_equal(banded, total)


def test_a_bilinear_resize_is_as_coarse_in_float16_as_the_neighbours_that_it_mixes():
    """Four roundings of either neighbour, in each of two directions; small results of large neighbours as well."""
    attrs = {"align_corners": True}
    x = np.random.default_rng(3).uniform(-2.0, 2.0, (1, 5, 5, 3)).astype(np.float16).astype(np.float32)
    right = resize_bilinear(x.astype(np.float64), (8, 6), attrs)
    made = resize_bilinear(x, (8, 6), attrs, FLOAT16)
    np.testing.assert_array_equal(made, FLOAT16.stored(made))
    error = np.abs(made - right)
    assert np.sqrt(np.mean(error**2)) > 2.0**-12
    assert error.max() < 8 * 2.0**-11
