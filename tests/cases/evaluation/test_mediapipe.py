"""MediaPipe's custom ops against loops written from its kernels' definitions."""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from cases.drawn_ops.one_op import OneOp, fixed
from cases.evaluation.arithmetic import FLOAT16, FLOAT32
from cases.evaluation.evaluate import evaluate
from cases.graph import GraphError
from cases.shapes import window
from tests.cases.evaluation.named_ops import custom, flexbuffer

RNG = np.random.default_rng(8)
SAME, VALID = 1, 2


def drawn(*shape: int) -> np.ndarray:
    return RNG.normal(size=shape).astype(np.float32)


def evaluated(op: OneOp, *shapes: Sequence[int]) -> list[np.ndarray]:
    """In float64, after the emulations came near it."""
    graph = op.graph([tuple(shape) for shape in shapes])
    exact = evaluate(graph, op.feed, strict_shapes=True)
    for arithmetic, tolerance in ((FLOAT32, 1e-4), (FLOAT16, 5e-2)):
        emulated = evaluate(graph, op.feed, arithmetic)
        for name in graph.outputs[:1]:
            np.testing.assert_allclose(emulated[name], exact[name], atol=tolerance * np.abs(exact[name]).max())
    return [exact[name] for name in graph.outputs]


def pool_struct(padding: int, stride: tuple[int, int], kernel: tuple[int, int]) -> bytes:
    return struct.pack("<10i", padding, stride[1], stride[0], kernel[1], kernel[0], 0, 0, 0, 0, 0)


WINDOWS = [(SAME, (2, 2), (2, 2)), (SAME, (1, 2), (3, 2)), (VALID, (2, 1), (2, 3))]


def placed(
    size: Sequence[int], padding: int, stride: tuple[int, int], kernel: tuple[int, int]
) -> tuple[list[int], list[int]]:
    """Extents of a pooling's output, and the padding before its input."""
    word = "SAME" if padding == SAME else "VALID"
    out = [window(s, k, step, word) for s, k, step in zip(size, kernel, stride, strict=True)]
    reach = [(o - 1) * step + k for o, step, k in zip(out, stride, kernel, strict=True)]
    return out, [max(0, r - s) // 2 if padding == SAME else 0 for r, s in zip(reach, size, strict=True)]


@pytest.mark.parametrize(("padding", "stride", "kernel"), WINDOWS)
@pytest.mark.parametrize("inside", [True, False])
def test_maxima_come_with_where_they_are_in_their_window_or_in_the_image(
    padding: int, stride: tuple[int, int], kernel: tuple[int, int], inside: bool
):
    x = drawn(2, 5, 6, 3)
    out, before = placed(x.shape[1:3], padding, stride, kernel)
    words = {"ksize": [1, *kernel, 1], "strides": [1, *stride, 1], "padding": "SAME" if padding == SAME else "VALID"}
    options = pool_struct(padding, stride, kernel) if inside else flexbuffer(words)
    kinds = ("float32", "float32" if inside else "int32")
    shape = (2, *out, 3)
    largest, places = evaluated(custom("MaxPoolingWithArgmax2D", (x,), options, kinds), shape, shape)
    for n, row, column, c in np.ndindex(*shape):
        best = (-math.inf, 0, 0, 0)
        for i, j in np.ndindex(*kernel):
            y, z = row * stride[0] - before[0] + i, column * stride[1] - before[1] + j
            if 0 <= y < 5 and 0 <= z < 6 and x[n, y, z, c] > best[0]:
                best = (x[n, y, z, c], i * kernel[1] + j, y, z)
        assert largest[n, row, column, c] == best[0]
        assert places[n, row, column, c] == (best[1] if inside else (best[2] * 6 + best[3]) * 3 + c)


def test_maxima_alone_need_no_places():
    x = drawn(1, 4, 4, 2)
    op = custom("MaxPoolingWithArgmax2D", (x,), pool_struct(SAME, (2, 2), (2, 2)))
    (largest,) = evaluated(op, (1, 2, 2, 2))
    np.testing.assert_array_equal(largest, x.reshape(1, 2, 2, 2, 2, 2).max(axis=(2, 4)))


@pytest.mark.parametrize("inside", [True, False])
def test_unpooling_puts_maxima_back_where_they_were(inside: bool):
    x = drawn(2, 4, 6, 3)
    options, shape = pool_struct(SAME, (2, 2), (2, 2)), (2, 2, 3, 3)
    words = flexbuffer({"ksize": [1, 2, 2, 1], "strides": [1, 2, 2, 1], "padding": "SAME"})
    kinds = ("float32", "float32" if inside else "int32")
    pool = custom("MaxPoolingWithArgmax2D", (x,), options if inside else words, kinds)
    largest, places = evaluated(pool, shape, shape)
    operands = (largest.astype(np.float32), places.astype(kinds[1]))
    (back,) = evaluated(custom("MaxUnpooling2D", operands, options), x.shape)
    spread = largest.repeat(2, axis=1).repeat(2, axis=2)
    np.testing.assert_array_equal(back, np.where(x == spread, x, 0))


@pytest.mark.parametrize("padding", [SAME, VALID])
def test_a_transposed_convolution_adds_a_window_per_pixel_to_its_bias(padding: int):
    x, weights, bias = drawn(2, 3, 4, 2), drawn(5, 3, 2, 2), drawn(5)
    stride, size, kernel = (2, 1), x.shape[1:3], weights.shape[1:3]
    cut = [max(0, k - (n - 1) % s - 1) if padding == SAME else 0 for k, n, s in zip(kernel, size, stride, strict=True)]
    out = [s * (n - 1) + k - c for s, n, k, c in zip(stride, size, kernel, cut, strict=True)]
    options = struct.pack("<3i", padding, stride[1], stride[0])
    op = custom("Convolution2DTransposeBias", (x, fixed(weights, "float32"), fixed(bias, "float32")), options)
    (ours,) = evaluated(op, (2, *out, 5))
    wanted = np.broadcast_to(bias.astype(np.float64), (2, *out, 5)).copy()
    for n, row, column, i, j in np.ndindex(2, *size, *kernel):
        y, z = row * stride[0] - cut[0] // 2 + i, column * stride[1] - cut[1] // 2 + j
        if 0 <= y < out[0] and 0 <= z < out[1]:
            wanted[n, y, z] += weights[:, i, j].astype(np.float64) @ x[n, row, column]
    np.testing.assert_allclose(ours, wanted, atol=1e-6)


def bilinear(image: np.ndarray, x: float, y: float) -> np.ndarray:
    total = np.zeros(image.shape[2])
    for row in (math.floor(y), math.floor(y) + 1):
        for column in (math.floor(x), math.floor(x) + 1):
            if 0 <= row < image.shape[0] and 0 <= column < image.shape[1]:
                total += image[row, column] * (1 - abs(y - row)) * (1 - abs(x - column))
    return total


def test_resampler_reads_between_four_pixels_and_zeros_outside():
    x = drawn(2, 5, 6, 3)
    places = RNG.uniform(-1.5, 6.5, (2, 3, 4, 2)).astype(np.float32)
    (ours,) = evaluated(custom("Resampler", (x, places), b""), (2, 3, 4, 3))
    for n, row, column in np.ndindex(2, 3, 4):
        np.testing.assert_allclose(ours[n, row, column], bilinear(x[n], *places[n, row, column].tolist()), atol=1e-6)


def turned(angle: float, shift: tuple[float, float]) -> np.ndarray:
    matrix = np.eye(4, dtype=np.float32)
    matrix[:2, :2] = [[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]]
    matrix[:2, 3] = shift
    return matrix.reshape(1, 1, 4, 4)


@pytest.mark.parametrize(("name", "middle"), [("TransformTensor", 0.0), ("TransformTensorBilinear", 0.5)])
def test_an_image_is_sampled_where_the_matrix_sends_each_pixel(name: str, middle: float):
    image, matrix = drawn(1, 6, 7, 2), turned(0.4, (0.7, -0.3))
    options = flexbuffer({"mode": "bilinear", "output_size": [4, 5], "output_height": 4, "output_width": 5})
    (ours,) = evaluated(custom(name, (image, matrix), options), (1, 4, 5, 2))
    rows = matrix.reshape(4, 4).astype(np.float64)
    for row, column in np.ndindex(4, 5):
        x, y = (r[0] * (column + middle) + r[1] * (row + middle) + r[3] - middle for r in rows[:2])
        inside = 0 <= x <= 6 and 0 <= y <= 5
        np.testing.assert_allclose(ours[0, row, column], bilinear(image[0], x, y) if inside else 0, atol=1e-5)


@pytest.mark.parametrize(("version", "scale", "dimensions"), [(1, 4.0, 3), (2, 1.0, 3), (2, 1.0, 2)])
def test_landmarks_are_transformed_in_x_and_y(version: int, scale: float, dimensions: int):
    points, matrix = drawn(10, dimensions), turned(-0.6, (0.2, 0.9))
    operand = points.reshape(1, 1, 1, -1) if version == 1 else points[None]
    options = flexbuffer({"dimensions": dimensions, "scale": 4.0})
    (ours,) = evaluated(custom("TransformLandmarks", (operand, matrix), options, version=version), operand.shape)
    square = matrix.reshape(4, 4).astype(np.float64)
    wanted = points.astype(np.float64)
    wanted[:, :2] = points[:, :2] @ square[:2, :2].T + square[:2, 3] * scale
    np.testing.assert_allclose(ours.reshape(10, -1), wanted, atol=1e-6)


def test_the_second_version_maps_a_crop_around_landmarks_onto_the_image():
    """The crop's corners land on the corners of the landmarks' box, turned and grown by the scales."""
    points = np.array([[10, 20, 0], [30, 20, 1], [30, 60, 2], [10, 60, 3]], np.float32)
    options: dict[str, Any] = {"left_rotation_idx": 0, "right_rotation_idx": 1, "target_rotation_radians": 0.0}
    options |= {"output_height": 80, "output_width": 40, "scale_x": 2.0, "scale_y": 1.0, "subset_idxs": [0, 1, 2, 3]}
    op = custom("Landmarks2TransformMatrix", (points[None],), flexbuffer(options), version=2)
    (matrix,) = evaluated(op, (1, 4, 4))
    corners = np.array([[0, 0, 0, 1], [40, 0, 0, 1], [40, 80, 0, 1], [0, 80, 0, 1]])
    np.testing.assert_allclose((corners @ matrix[0].T)[:, :2], [[0, 20], [40, 20], [40, 60], [0, 60]], atol=1e-9)
    turn = np.array([[0.0, -1.0], [1.0, 0.0]])  # landmarks a quarter turned: so is the crop
    rotated = points.copy()
    rotated[:, :2] = points[:, :2] @ turn.T
    again = custom("Landmarks2TransformMatrixV2", (rotated[None],), flexbuffer(options))
    (matrix,) = evaluated(again, (1, 4, 4))
    wanted = np.array([[0, 20], [40, 20], [40, 60], [0, 60]]) @ turn.T
    np.testing.assert_allclose((corners @ matrix[0].T)[:, :2], wanted, atol=1e-5)


def test_the_first_version_maps_a_crop_around_landmarks_onto_the_image():
    """Pixels of the crop from first to last span the landmarks' box, in pixels of an image that has `range` of them."""
    points = np.array([[16, 24, 0], [48, 24, 0], [48, 40, 0], [16, 40, 0]], np.float32)
    options: dict[str, Any] = {"left_rotation_idx": 0, "right_rotation_idx": 1, "landmarks_range": 64}
    options |= {"dimensions": 3, "bbox_size_multiplier": 1.0, "input_hw": [65, 65], "output_hw": [33, 17]}
    op = custom(
        "Landmarks2TransformMatrix", (points.reshape(1, 1, 1, -1),), flexbuffer(options | {"subset": [0, 1, 2, 3]})
    )
    (matrix,) = evaluated(op, (1, 4, 4))
    corners = np.array([[0, 0, 0, 1], [16, 0, 0, 1], [16, 32, 0, 1], [0, 32, 0, 1]])
    np.testing.assert_allclose((corners @ matrix[0].T)[:, :2], points[:, :2], atol=1e-6)
    np.testing.assert_array_equal(matrix[0, 2:], np.eye(4)[2:])


def test_pixel_shuffle_makes_channels_to_pixels():
    deep = np.arange(8, dtype=np.float32).reshape(1, 1, 2, 4)
    (image,) = evaluated(custom("custom_call.PixelShuffle", (deep,), flexbuffer({"block_size": 2})), (1, 2, 4, 1))
    assert image[0, :, :, 0].tolist() == [[0, 1, 4, 5], [2, 3, 6, 7]]


def test_a_place_before_the_image_is_refused():
    operands = (np.ones((1, 1, 1, 1), np.float32), np.full((1, 1, 1, 1), -9, np.float32))
    op = custom("MaxUnpooling2D", operands, pool_struct(SAME, (2, 2), (2, 2)))
    with pytest.raises(GraphError, match="a position before the image"):
        evaluate(op.graph([(1, 2, 2, 1)]), op.feed)
