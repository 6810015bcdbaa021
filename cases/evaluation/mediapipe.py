"""MediaPipe's custom ops: pooling with indices, unpooling, sampling by coordinates, landmarks and their transforms.

Key insight: positions of MediaPipe's pooling count inside the window, row by row, and are floats in its files (its cpu
kernel adds 0.1 before they are truncated again, which is left out here); TensorFlow's op of the same name counts inside
the image, and its positions are int32. So the declared type of the positions tells which of the two a file means.

Sources: MediaPipe's `util/tflite/operations/*.cc`; LiteRT's `tflite/kernels/perception` for TensorFlow's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from cases.evaluation.contractions import biased
from cases.evaluation.movement import space_and_depth_of
from cases.evaluation.named import name_of, options_of, pool_options_of, transpose_conv_options_of
from cases.evaluation.step import Handler, Step, Value
from cases.evaluation.windows import max_pool_with_places, padding_before, transpose_convolve
from cases.graph import GraphError


def _pool_options(step: Step) -> dict[str, Any]:
    """Of MediaPipe's struct, or of TensorFlow's flexbuffer, whose windows are [1, height, width, 1]."""
    if step.op.raw.custom_options[:4] in (b"\x01\0\0\0", b"\x02\0\0\0"):
        return pool_options_of(step.op)
    options = options_of(step.op)
    (_, height, width, _), (_, stride_h, stride_w, _) = options["ksize"], options["strides"]
    kernel = {"padding": options["padding"], "filter_height": height, "filter_width": width}
    return kernel | {"stride_h": stride_h, "stride_w": stride_w}


def max_pool_with_argmax(step: Step) -> Sequence[Value]:
    """The maxima, and where they are: in their window (float positions), or in the image with its channels (int32)."""
    x, attrs = step[0], _pool_options(step)
    largest, rows, columns = max_pool_with_places(x, attrs)
    if len(step.op.outputs) < 2:
        return (largest,)
    if step.dtype(1).startswith("float"):
        return largest, (rows * attrs["filter_width"] + columns).astype(step.arithmetic.container)
    kernel = (attrs["filter_height"], attrs["filter_width"])
    top, left = padding_before(x.shape[1:3], kernel, attrs)
    y = rows + np.arange(rows.shape[1])[:, None, None] * attrs["stride_h"] - top
    z = columns + np.arange(rows.shape[2])[:, None] * attrs["stride_w"] - left
    return largest, ((y * x.shape[2] + z) * x.shape[3] + np.arange(x.shape[3])).astype(step.dtype(1))


def max_unpool(step: Step) -> Sequence[Value]:
    """(values, positions): each value where its maximum was, zero elsewhere."""
    x, positions, attrs = step[0], step[1], _pool_options(step)
    batch, height, width, channels = x.shape
    result = np.zeros(step.shape(), x.dtype)
    if positions.dtype.kind == "f":
        kernel, strides = (attrs["filter_height"], attrs["filter_width"]), (attrs["stride_h"], attrs["stride_w"])
        inside = positions.astype(np.int64)
        sizes = zip(result.shape[1:3], (height, width), kernel, strides, strict=True)
        top, left = (max(0, ((count - 1) * s + k - size) // 2) for size, count, k, s in sizes)
        y = np.arange(height)[:, None, None] * strides[0] - top + inside // kernel[1]
        z = np.arange(width)[:, None] * strides[1] - left + inside % kernel[1]
        places: tuple[Value, ...] = (np.arange(batch)[:, None, None, None], y, z, np.arange(channels))
    else:
        flat = positions.reshape(batch, -1) + np.arange(batch)[:, None] * int(np.prod(result.shape[1:]))
        places = np.unravel_index(flat.reshape(x.shape), result.shape)
    if any(np.min(at, initial=0) < 0 for at in places):
        raise GraphError(f"{name_of(step.op)}: a position before the image")
    result[places] = x
    return (result,)


def transpose_conv_with_bias(step: Step) -> Sequence[Value]:
    """(x, weights, bias). Unlike TRANSPOSE_CONV's, the size of its output follows from its input."""
    attrs = transpose_conv_options_of(step.op)
    value = transpose_convolve(step[0], step[1], step.shape()[1:3], attrs, step.arithmetic)
    return (biased(step, value),)


def _bilinear(x: Value, columns: Value, rows: Value) -> Value:
    """Pixels of x [height, width, channels] between four neighbours each; what lies outside counts as zero."""
    total = np.zeros((*columns.shape, x.shape[2]), x.dtype)
    for row in (0, 1):
        for column in (0, 1):
            y, z = np.floor(rows).astype(np.int64) + row, np.floor(columns).astype(np.int64) + column
            inside = (y >= 0) & (y < x.shape[0]) & (z >= 0) & (z < x.shape[1])
            pixels = x[np.clip(y, 0, x.shape[0] - 1), np.clip(z, 0, x.shape[1] - 1)]
            share = (1 - np.abs(rows - y)) * (1 - np.abs(columns - z)) * inside
            total += pixels * share[..., None].astype(x.dtype)
    return total


def resample(step: Step) -> Sequence[Value]:
    """(images, places as x and y): bilinear samples."""
    x, places = step[0], step[1]
    return (np.stack([_bilinear(image, at[..., 0], at[..., 1]) for image, at in zip(x, places, strict=True)]),)


def _affine(matrix: Value, x: Value, y: Value, scale: float = 1.0) -> tuple[Value, Value]:
    """The first two rows of a 4 by 4 matrix times (x, y, 0, 1), their last column scaled."""
    rows = matrix.reshape(-1)[:8].reshape(2, 4)
    new_x, new_y = (row[0] * x + row[1] * y + row[3] * x.dtype.type(scale) for row in rows)
    return new_x, new_y


def transform_tensor(step: Step) -> Sequence[Value]:
    """(image, matrix): the image resampled where the matrix sends each pixel; zero where that is outside.

    Version 2 (TransformTensorBilinear) sends pixels' middles, version 1 (TransformTensor) their corners.
    """
    image, (height, width) = step[0], step.shape()[1:3]
    middle = 0.5 if name_of(step.op) == "TransformTensorBilinear" else 0.0
    y, x = np.meshgrid(np.arange(height) + middle, np.arange(width) + middle, indexing="ij")
    columns, rows = _affine(step[1], x.astype(image.dtype), y.astype(image.dtype))
    columns, rows = columns - image.dtype.type(middle), rows - image.dtype.type(middle)
    inside = (columns >= 0) & (columns <= image.shape[2] - 1) & (rows >= 0) & (rows <= image.shape[1] - 1)
    return (np.where(inside[..., None], _bilinear(image[0], columns, rows), 0)[None],)


def transform_landmarks(step: Step) -> Sequence[Value]:
    """(landmarks, matrix): x and y of each landmark transformed, its z (if it has `dimensions` 3) left as it is."""
    options = options_of(step.op)
    points = step[0].reshape(-1, int(options.get("dimensions", 3))).copy()
    scale = float(options.get("scale", 1.0)) if step.version == 1 else 1.0
    points[:, 0], points[:, 1] = _affine(step[1], points[:, 0].copy(), points[:, 1].copy(), scale)
    return (points.reshape(step[0].shape),)


def _rotation(angle: Value) -> Value:
    return np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])


def _box(points: Value, rotation: Value) -> tuple[Value, Value]:
    """Middle (turned back) and size of the box around points [n, 2] after a rotation."""
    turned = points @ rotation[:2, :2].T
    low, high = turned.min(axis=0), turned.max(axis=0)
    return rotation[:2, :2].T @ ((low + high) / 2), high - low


def _scaling(x: float, y: float, shift_x: float = 0.0, shift_y: float = 0.0) -> Value:
    return np.array([[x, 0, shift_x], [0, y, shift_y], [0, 0, 1]])


def landmarks_to_matrix(step: Step) -> Sequence[Value]:
    """Landmarks [.., 3 n] to the 4 by 4 matrix that takes pixels of a crop around some of them to the image.

    The crop is turned so that the line between two landmarks lies level (version 1) or at a given angle (version 2).
    """
    options = options_of(step.op)
    points = step[0].reshape(-1, 3)[:, :2]
    left, right = (points[int(options[f"{side}_rotation_idx"])] for side in ("left", "right"))
    matrix = np.eye(4, dtype=step.arithmetic.container)
    if step.version == 1 and not name_of(step.op).endswith("V2"):
        subset = [int(index) for index in options["subset"]]
        rotation = _rotation(-np.arctan((right[1] - left[1]) / (right[0] - left[0])))
        middle, size = _box(points[subset], rotation)
        reach = int(options["landmarks_range"])
        size, middle = size * options["bbox_size_multiplier"] / reach, middle / reach * 2 - 1
        back = rotation.T.copy()
        back[:2, 2] = middle
        (in_h, in_w), (out_h, out_w) = ([int(n) - 1 for n in options[key]] for key in ("input_hw", "output_hw"))
        whole = _scaling(in_w / 2, in_h / 2, in_w / 2, in_h / 2) @ back @ _scaling(*size)
        whole = whole @ _scaling(2 / out_w, 2 / out_h, -1, -1)
    else:
        subset = [int(index) for index in options["subset_idxs"]]
        angle = options["target_rotation_radians"] - np.arctan2(right[1] - left[1], right[0] - left[0])
        rotation = _rotation(angle)
        middle, size = _box(points[subset], rotation)
        out = (options["output_width"], options["output_height"])
        scales = (options["scale_x"] * size[0] / out[0], options["scale_y"] * size[1] / out[1])
        whole = _scaling(1, 1, *middle) @ rotation.T @ _scaling(*scales) @ _scaling(1, 1, -out[0] / 2, -out[1] / 2)
    matrix[:2, :2], matrix[:2, 3] = whole[:2, :2], whole[:2, 2]
    return (matrix.reshape(step.shape()),)


def pixel_shuffle(step: Step) -> Sequence[Value]:
    """DEPTH_TO_SPACE by another name."""
    return (space_and_depth_of(step[0], int(options_of(step.op)["block_size"]), to_space=True),)


BY_NAME: Mapping[str, Handler] = {
    "MaxPoolingWithArgmax2D": max_pool_with_argmax,
    **dict.fromkeys(("MaxUnpooling2D", "custom_call.MaxUnpooling2D"), max_unpool),
    "Convolution2DTransposeBias": transpose_conv_with_bias,
    "Resampler": resample,
    **dict.fromkeys(("TransformTensor", "TransformTensorBilinear"), transform_tensor),
    "TransformLandmarks": transform_landmarks,
    **dict.fromkeys(("Landmarks2TransformMatrix", "Landmarks2TransformMatrixV2"), landmarks_to_matrix),
    **dict.fromkeys(("custom_call.PixelShuffle", "custom_call.pixel_shuffle"), pixel_shuffle),
}
