"""Ops that move data: each output element is one input element, at the place where TFLite puts it."""

from __future__ import annotations

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from cases.drawn_ops.one_op import OneOp
from cases.evaluation.arithmetic import FLOAT16, FLOAT64
from cases.evaluation.evaluate import evaluate
from cases.graph import GraphError
from cases.tflite.extras import OpExtras
from tests.cases.evaluation.single_op import result, results

X = np.arange(24, dtype=np.float64).reshape(2, 3, 4)


def ints(*numbers: object) -> np.ndarray:
    return np.array(numbers, np.int32)


@pytest.mark.parametrize("kind", ["RESHAPE", "SQUEEZE", "EXPAND_DIMS"])
def test_reshaping_keeps_the_order_of_elements(kind: str):
    np.testing.assert_array_equal(result(kind, X, shape=(1, 6, 4)), X.reshape(1, 6, 4))


def test_transpose_and_concatenation():
    np.testing.assert_array_equal(result("TRANSPOSE", X, ints(2, 0, 1), shape=(4, 2, 3)), X.transpose(2, 0, 1))
    joined = result("CONCATENATION", X, -X, shape=(2, 6, 4), axis=1, fused_activation_function="RELU")
    np.testing.assert_array_equal(joined, np.concatenate([X, np.zeros_like(X)], axis=1))


def test_padding_with_zeros_or_the_given_value_and_mirroring():
    amounts = ints((0, 0), (1, 0), (0, 2))
    assert result("PAD", X, amounts, shape=(2, 4, 6))[:, 0].tolist() == np.zeros((2, 6)).tolist()
    filled = result("PADV2", X, amounts, np.float32(2.5), shape=(2, 4, 6))
    np.testing.assert_array_equal(filled, np.pad(X, [(0, 0), (1, 0), (0, 2)], constant_values=2.5))
    for mode, row in ((0, X[:, 1]), ("REFLECT", X[:, 1]), (1, X[:, 0]), ("SYMMETRIC", X[:, 0])):
        mirrored = result("MIRROR_PAD", X, ints((0, 0), (1, 0), (0, 0)), shape=(2, 4, 4), mode=mode)
        np.testing.assert_array_equal(mirrored[:, 0], row)


def test_a_slice_of_size_minus_one_reaches_to_the_end():
    np.testing.assert_array_equal(result("SLICE", X, ints(0, 1, 2), ints(2, 1, -1), shape=(2, 1, 2)), X[:, 1:2, 2:])


def test_masks_of_a_strided_slice_open_its_ends_and_drop_an_axis():
    begin, end, strides = ints(1, 0, 3), ints(2, 1, 0), ints(1, 1, -2)
    np.testing.assert_array_equal(result("STRIDED_SLICE", X, begin, end, strides, shape=(1, 1, 2)), X[1:2, 0:1, 3:0:-2])
    opened = result("STRIDED_SLICE", X, begin, end, strides, shape=(2, 1, 2), begin_mask=1, end_mask=4)
    np.testing.assert_array_equal(opened, X[:2, 0:1, 3::-2])
    dropped = result("STRIDED_SLICE", X, begin, end, strides, shape=(1, 2), shrink_axis_mask=2)
    np.testing.assert_array_equal(dropped, X[1:2, 0, 3:0:-2])


def test_split_cuts_equal_parts_and_split_v_the_given_ones():
    halves = results("SPLIT", ints(2)[0], X, shapes=[(2, 3, 2)] * 2, num_splits=2)
    np.testing.assert_array_equal(np.concatenate(halves, axis=2), X)
    first, second = results("SPLIT_V", X, ints(1, 3), ints(2)[0], shapes=[(2, 3, 1), (2, 3, 3)])
    np.testing.assert_array_equal(first, X[..., :1])
    np.testing.assert_array_equal(second, X[..., 1:])


def test_what_is_packed_is_unpacked():
    packed = result("PACK", X, -X, shape=(2, 2, 3, 4), axis=1)
    first, second = results("UNPACK", packed, shapes=[X.shape] * 2, axis=1)
    np.testing.assert_array_equal(first, X)
    np.testing.assert_array_equal(second, -X)


def test_gather_tile_and_broadcast():
    np.testing.assert_array_equal(result("GATHER", X, ints(2, 0), shape=(2, 2, 4), axis=1), X[:, [2, 0]])
    np.testing.assert_array_equal(result("TILE", X, ints(1, 2, 1), shape=(2, 6, 4)), np.tile(X, (1, 2, 1)))
    row = np.arange(4.0)
    np.testing.assert_array_equal(
        result("BROADCAST_TO", row, ints(2, 3, 4), shape=(2, 3, 4)), np.broadcast_to(row, X.shape)
    )


def test_a_block_of_pixels_becomes_channels_row_by_row_and_back():
    image = np.arange(16.0).reshape(1, 4, 4, 1)
    deep = result("SPACE_TO_DEPTH", image, shape=(1, 2, 2, 4), block_size=2)
    assert deep[0, 0, 1].tolist() == [2, 3, 6, 7]
    np.testing.assert_array_equal(result("DEPTH_TO_SPACE", deep, shape=(1, 4, 4, 1), block_size=2), image)


@pytest.mark.parametrize("arithmetic", [FLOAT64, FLOAT16])
def test_one_element_of_a_vector_is_a_tensor_without_dimensions(arithmetic):
    vector = np.arange(3.0)
    element = result(
        "STRIDED_SLICE", vector, ints(1), ints(2), ints(1), shape=(), shrink_axis_mask=1, arithmetic=arithmetic
    )
    assert element.shape == ()
    assert element == 1.0


@pytest.mark.parametrize("places", [(0, 2), (1, 2), (2, 0)])
def test_axes_of_an_operand_go_where_broadcast_in_dim_sends_them(places: tuple[int, int]):
    x = np.arange(6.0).reshape(2, 3)
    shape = [4, 4, 4]
    for axis, place in enumerate(places):
        shape[place] = x.shape[axis]
    given = result("STABLEHLO_BROADCAST_IN_DIM", x, ints(*places), shape=tuple(shape))
    for index in np.ndindex(*shape):
        assert given[index] == x[index[places[0]], index[places[1]]]


def test_broadcast_in_dim_reads_its_axes_from_the_options_too():
    options = schema.StablehloBroadcastInDimOptionsT()
    options.broadcastDimensions = [1]
    x = np.arange(3.0)
    graph = OneOp("STABLEHLO_BROADCAST_IN_DIM", (x,), raw=OpExtras(options_2=options)).graph([(2, 3)])
    np.testing.assert_array_equal(evaluate(graph, (x,))["out0"], [x, x])


@pytest.mark.parametrize("index", [-1, 3])
@pytest.mark.parametrize("kind", ["GATHER", "EMBEDDING_LOOKUP"])
def test_an_index_outside_the_table_is_refused_as_the_kernels_do(kind: str, index: int):
    operands = (X[0], ints(index)) if kind == "GATHER" else (ints(index), X[0])
    with pytest.raises(GraphError, match=f"index {index} into 3"):
        result(kind, *operands, shape=(1, 4))


def test_an_end_with_an_offset_counts_from_its_begin():
    taken = result("STRIDED_SLICE", np.arange(9.0), ints(2), ints(3), ints(1), shape=(3,), offset=True)
    assert taken.tolist() == [2, 3, 4]
