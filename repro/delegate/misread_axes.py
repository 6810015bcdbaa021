"""Where the delegate mistakes one axis for another: in a constant operand, in a CUMSUM, in the batch of a product.

Key insight: there is one table from a tensor's dimensions to BHWC, and some parsers do not consult it. A tensor
[N,C] is B and C, [N,T,C] is B, W and C; a constant operand and the axis of a CUMSUM are counted from the right
of BHWC instead, which is the same for the last dimensions only.

Source: LiteRT's `ml_drift_delegate/tflite/model_builder.cc`, `CumsumOperationParser::Parse`, and
`model_builder_helper.cc`, `ExtractTensorShape` and `ExtractAxisFromIndex`.
"""

from __future__ import annotations

import numpy as np

from repro.delegate.graph import MAX_RANK, SLICE_CHANNELS, axis_letters, bhwc

CONSTANT_LETTERS = ("", "C", "WC", "HWC", "BHWC")
"""Which axis the delegate takes each axis of a constant operand for, by the constant's rank."""


def constant_misread(constant: np.ndarray, runtime: tuple[int, ...], result: tuple[int, ...]) -> bool:
    """Whether an axis of the constant, or of the tensor, is put in another place than the one it broadcasts along.

    constant: its values, in its own shape. runtime, result: the shapes of the tensor and of what comes out.
    Constants are aligned to the right of BHWC, runtime tensors are not: [N,C] is B=N for a tensor and
    W=N for a constant, so the constant's row 0 is used for every row. That is harmless where all its rows
    are alike; a tensor in the wrong place is not.
    """
    if max(len(result), len(runtime), constant.ndim) > MAX_RANK:
        return False
    result_letters = axis_letters(len(result))

    def displaced(shape: tuple[int, ...], letters: str) -> list[int]:
        """The axes of an operand that are read as another BHWC axis than the result's axis they belong to."""
        offset = len(result) - len(shape)
        places = ((axis, offset + axis) for axis, size in enumerate(shape) if size != 1 and offset + axis >= 0)
        return [axis for axis, place in places if letters[axis] != result_letters[place]]

    if displaced(runtime, axis_letters(len(runtime))):
        return True
    misplaced = displaced(constant.shape, CONSTANT_LETTERS[constant.ndim])
    if constant.ndim == 4 and constant.shape[0] != 1 and (len(runtime) < 4 or runtime[0] == 1):
        misplaced.append(0)  # the same axis, but the tensor's one batch is not broadcast to the constant's
    return any(bool((constant != np.take(constant, [0], axis)).any()) for axis in misplaced)


def cumsum_misread(shape: tuple[int, ...], axis: int, exclusive: bool, reverse: bool) -> str:
    """The rule that a CUMSUM of a tensor of `shape` falls under, or empty where the delegate computes it right.

    The parser looks up place `axis + 4 - rank` of BHWC, with a negative axis as it is: the axis is another one, or
    lies in front of the table, which ends the process. It never reads `exclusive` and `reverse`. And to the
    kernel, a tensor of batch 1 has no batch, so that the kernel of a sum over the batch does not compile.
    """
    place = axis + MAX_RANK - len(shape)
    if len(shape) > MAX_RANK:
        return ""
    if place < 0:
        return "cumsum-axis-aborts"
    taken, meant = "BHWC"[place], axis_letters(len(shape))[axis]
    sizes = dict(zip("BHWC", bhwc(shape), strict=True))
    if taken == "B" and sizes["B"] == 1:
        return "cumsum-no-batch"
    if taken != meant and (sizes[taken] > 1 or sizes[meant] > 1):
        return "cumsum-batch"
    return "cumsum-options" if exclusive or (reverse and sizes[meant] > 1) else ""


def product_misses_batch(left: tuple[int, ...], right: tuple[int, ...], adj_y: bool) -> bool:
    """Whether a BATCH_MATMUL of these shapes broadcasts a batch in a way that the delegate does not.

    Measured on lavapipe, on 280 combinations of batches, sizes, transpositions and constant or runtime operands. Right
    are equal batches, and under adj_y a right operand of batch 1 whose depth and columns are multiples of 4.
    """
    rank = max(len(left), len(right))
    batches = [(1,) * (rank - len(shape)) + tuple(shape[:-2]) for shape in (left, right)]
    if batches[0] == batches[1]:
        return False
    is_one_matrix = all(size == 1 for size in batches[1])
    return not (adj_y and is_one_matrix and right[-1] % SLICE_CHANNELS == 0 and right[-2] % SLICE_CHANNELS == 0)
