"""Quantised tensors: integers to real numbers and back, packed integers, and whole ops against LiteRT's kernels."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cases.builder import GraphBuilder
from cases.drawn_ops.one_op import OneOp, fixed
from cases.drawn_ops.quantised import QUANTISED
from cases.evaluation.arithmetic import FLOAT16, FLOAT32, FLOAT64
from cases.evaluation.evaluate import evaluate
from cases.evaluation.handlers import unsupported
from cases.evaluation.quantised import RANGES, constant_of, grid_of, steps_apart
from cases.graph import Graph, GraphError, Op, Tensor
from cases.shapes import COMPARISONS
from cases.tflite.extras import TensorExtras, on_grid
from cases.tflite.packing import packed
from cases.tflite.read import read_tflite
from cases.tflite.write import write_tflite
from tests.cases.evaluation.drawn_ops import draws, quantised_ops
from tests.cases.evaluation.kernels import KERNELS, computed, shaped

PROPERTY = settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))


def tensor(dtype: str, shape: tuple[int, ...] = (2, 3), raw: TensorExtras | None = None) -> Tensor:
    return Tensor("t", shape, dtype, None, raw or on_grid(0.5, 1))


@pytest.mark.parametrize("dtype", RANGES)
def test_real_numbers_become_the_nearest_integers_half_away_from_zero_within_the_range(dtype: str):
    grid = grid_of(tensor(dtype, raw=on_grid(0.5, 0)))
    assert grid is not None
    low, high = RANGES[dtype]
    values = np.array([[0.25, 0.24, 0.0], [np.inf, np.nan, 0.5]])
    np.testing.assert_array_equal(grid.integers(values), [[1, 0, 0], [high, 0, 1]])
    assert grid.integers(np.array([[-0.25, -0.24, -np.inf]])).tolist() == [[max(low, -1), 0, low]]


def test_a_number_just_below_a_half_step_is_not_rounded_up():
    grid = grid_of(tensor("int8", raw=on_grid(1.0)))
    assert grid is not None
    assert grid.integers(np.array([[0.49999999999999994, -0.49999999999999994, 2.5]])).tolist() == [[0, 0, 3]]


@given(st.data())
def test_integers_stand_for_numbers_that_become_the_same_integers(data: st.DataObject):
    dtype = data.draw(st.sampled_from(["int2", "int4", "uint4", "int8", "uint8", "int16"]))
    shape = data.draw(st.tuples(st.integers(1, 3), st.integers(1, 4)))
    axis = data.draw(st.integers(0, 1))
    scales = data.draw(st.lists(st.floats(2**-12, 8, width=32), min_size=shape[axis], max_size=shape[axis]))
    grid = grid_of(tensor(dtype, shape, on_grid(scales, data.draw(st.integers(0, 3)), axis)))
    assert grid is not None
    low, high = RANGES[dtype]
    whole = np.random.default_rng(0).integers(low, high, shape, endpoint=True)
    np.testing.assert_array_equal(grid.integers(grid.real(whole)), whole)


def test_a_float_tensor_and_one_without_scales_are_not_quantised():
    assert grid_of(tensor("float32")) is None
    assert grid_of(Tensor("t", (2, 3), "int8")) is None
    only_range = schema.QuantizationParametersT()
    only_range.min, only_range.max = [0.0], [1.0]
    assert grid_of(tensor("uint8", raw=TensorExtras(only_range))) is None


def test_scales_that_do_not_fit_and_a_quantisation_that_is_not_affine_are_said():
    with pytest.raises(GraphError, match=r"'t' of shape \(2, 3\) has 5 scales along dimension 1"):
        grid_of(tensor("int8", raw=on_grid([0.1] * 5, 0, 1)))
    foreign = schema.QuantizationParametersT()
    foreign.details = schema.CustomQuantizationT()
    with pytest.raises(GraphError, match="the quantisation of 't' is not affine"):
        grid_of(tensor("int8", raw=TensorExtras(foreign)))


@pytest.mark.parametrize(("dtype", "bits"), [("int2", 2), ("int4", 4), ("uint4", 4)])
@pytest.mark.parametrize("shape", [(), (1,), (3, 5), (2, 2, 2)])
def test_packed_integers_are_unpacked(dtype: str, bits: int, shape: tuple[int, ...]):
    low, high = RANGES[dtype]
    values = np.random.default_rng(1).integers(low, high, shape, endpoint=True)
    stored = Tensor("t", shape, dtype, np.zeros(shape, np.uint8), TensorExtras(data=packed(np.asarray(values), bits)))
    np.testing.assert_array_equal(constant_of(stored), values)
    short = replace(stored, shape=(*shape, 99))
    with pytest.raises(GraphError, match="its shape wants"):
        constant_of(short)


def blockwise(values: np.ndarray, scales: np.ndarray, size: int) -> Tensor:
    details = schema.BlockwiseQuantizationT()
    details.scales, details.zeroPoints, details.blockSize = 0, -1, size
    quantization = schema.QuantizationParametersT()
    quantization.details, quantization.detailsType = details, schema.QuantizationDetails.BlockwiseQuantization
    of_blocks = Tensor("scales", scales.shape, "float16", scales.astype(np.float16))
    raw = TensorExtras(quantization, data=packed(values, 4), block_scales=of_blocks)
    return Tensor("w", values.shape, "int4", np.zeros(values.shape, np.uint8), raw)


def test_blockwise_weights_keep_their_scales_through_a_file_and_an_edit_that_drops_them():
    rng = np.random.default_rng(2)
    values, scales = rng.integers(-8, 7, (6, 64), endpoint=True), rng.uniform(0.01, 0.1, (6, 2))
    weights = blockwise(values, scales, 32)
    x = rng.standard_normal((3, 64)).astype(np.float32)
    graph = OneOp("FULLY_CONNECTED", (x, weights, None)).graph([(3, 6)])
    wanted = x.astype(np.float64) @ (values * scales.astype(np.float16).repeat(32, axis=1).astype(np.float64)).T
    back = read_tflite(write_tflite(graph))
    without = Graph({n: t for n, t in back.tensors.items() if n != "scales"}, back.ops, back.inputs, back.outputs)
    for made in (graph, back, without, read_tflite(write_tflite(without))):
        np.testing.assert_allclose(evaluate(made, (x,))["out0"], wanted, rtol=1e-12)
    # The optimised kernel quantises the activations at run time, so it is a few thousandths off.
    np.testing.assert_allclose(computed(graph, (x,), "optimised")[0], wanted, atol=0.02 * np.abs(wanted).max())


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "int4", "float16"])
@PROPERTY
@given(data=st.data())
def test_dequantize_gives_what_the_reference_kernel_gives(dtype: str, data: st.DataObject):
    draw = data.draw(draws())
    shape = draw.one_of([(), (5,), (2, 3), (2, 3, 4), (1, 2, 2, 3)])
    if dtype == "float16":
        op = OneOp("DEQUANTIZE", (fixed(draw.floats(shape), "float16"),), shapes=[shape])
    elif dtype == "int4":
        values = draw.integers_of(shape, "int4")
        raw = replace(on_grid(0.03, 0), data=packed(values, 4))
        stored = Tensor("w", shape, "int4", np.zeros(shape, np.uint8), raw)
        op = OneOp("DEQUANTIZE", (stored,), shapes=[shape])
    else:
        per_channel = len(shape) > 1 and dtype != "int16" and draw.coin()
        scales = [0.01 * (k + 1) for k in range(shape[-1])] if per_channel else 0.03
        raw = on_grid(scales, 0 if dtype == "int16" else draw.integer(0, 9), max(0, len(shape) - 1))
        op = OneOp("DEQUANTIZE", (draw.integers_of(shape, dtype),), shapes=[shape], tensor_raws={"in0": raw})
    graph, (theirs,) = shaped(op)
    np.testing.assert_allclose(evaluate(graph, op.feed)["out0"], theirs, rtol=1e-6)


@pytest.mark.parametrize("source", ["float32", "int8", "uint8", "int16"])
@PROPERTY
@given(data=st.data())
def test_quantize_gives_what_the_reference_kernel_gives(source: str, data: st.DataObject):
    draw = data.draw(draws())
    shape = draw.shape()
    target = draw.one_of(["int8", "int16"] if source == "int16" else ["int8", "uint8", "int16"])
    raws = {"out0": on_grid(0.04, 0 if target == "int16" else draw.integer(0, 20))}
    if source == "float32":
        x = draw.floats(shape, -9.0, 9.0)
    else:
        x, raws["in0"] = draw.integers_of(shape, source), on_grid(0.03, 0 if source == "int16" else 3)
    graph, (theirs,) = shaped(OneOp("QUANTIZE", (x,), (target,), shapes=[shape], tensor_raws=raws))
    ours = evaluate(graph, (x,))["out0"]
    assert ours.dtype == theirs.dtype
    assert steps_apart([ours, theirs]) <= (source != "float32")  # integers go through a multiplier of 32 bits


@pytest.mark.parametrize("kind", QUANTISED)
@settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_no_kernel_is_more_than_a_step_from_the_evaluation_of_a_quantised_op(kind: str, data: st.DataObject):
    op = data.draw(quantised_ops(kind))
    graph, (reference,) = shaped(op)
    assert unsupported(graph) == []
    ours = evaluate(graph, op.feed, strict_shapes=True)["out0"]
    assert (ours.dtype, ours.shape) == (reference.dtype, reference.shape)
    others = [computed(graph, op.feed, kernels)[0] for kernels in KERNELS if kernels != "reference"]
    assert steps_apart([ours, reference]) <= 1
    assert steps_apart([ours, reference, *others]) <= 2  # two of them may lie on either side
    emulated = evaluate(graph, op.feed, FLOAT32)["out0"]
    assert steps_apart([ours, emulated]) <= 1


def test_steps_apart_is_the_widest_gap_at_one_place():
    a, b, c = np.array([0, 5], np.int8), np.array([1, 5], np.int8), np.array([-1, 6], np.int8)
    assert steps_apart([a]) == 0
    assert steps_apart([a, b, c]) == 2
    assert steps_apart([np.array([255], np.uint8), np.array([0], np.uint8)]) == 255
    assert steps_apart([np.zeros((0, 3), np.int8)] * 2) == 0


def test_weights_of_int8_under_float_activations_are_their_real_numbers():
    rng = np.random.default_rng(3)
    x, values = rng.standard_normal((4, 16)).astype(np.float32), rng.integers(-127, 127, (8, 16)).astype(np.int8)
    scales = rng.uniform(0.01, 0.02, 8).astype(np.float32)
    op = OneOp("FULLY_CONNECTED", (x, fixed(values, "int8"), None), tensor_raws={"in1": on_grid(scales)})
    ours = evaluate(op.graph([(4, 8)]), (x,))["out0"]
    np.testing.assert_allclose(ours, x.astype(np.float64) @ (values * scales[:, None].astype(np.float64)).T, rtol=1e-12)


def test_an_emulation_rounds_the_scales_of_weights_and_not_the_weights_alone():
    """All weights of a row are off by the same factor then, as a delegate's are that keeps them as integers."""
    values, scale = np.array([[3, 5, -7, 100]], np.int8), np.float32(1.0 + 2.0**-12)
    op = OneOp(
        "FULLY_CONNECTED",
        (np.eye(4, dtype=np.float32), fixed(values, "int8"), None),
        tensor_raws={"in1": on_grid(scale)},
    )
    exact, rounded = (evaluate(op.graph([(4, 1)]), op.feed, a)["out0"][:, 0] for a in (FLOAT64, FLOAT16))
    np.testing.assert_array_equal(exact, values[0] * np.float64(scale))
    np.testing.assert_array_equal(rounded, values[0])


@pytest.mark.parametrize(("window", "is_turned"), [(1, True), (3, False)])
def test_a_convolution_of_one_pixel_has_its_integer_weights_turned_in_its_kernel(window: int, is_turned: bool):
    scale = np.float32(0.0101)
    values = np.zeros((1, window, window, 1), np.int8)
    values[0, window // 2, window // 2, 0] = 1
    g = GraphBuilder()
    kernel = g.on_grid(g.const(values, dtype="int8"), scale)
    graph = g.build([g.conv2d(g.input("x", (1, 2, 2, 1)), kernel, name="y")])
    made = evaluate(graph, (np.ones((1, 2, 2, 1), np.float32),), FLOAT16)["y"].flat[0]
    assert bool(made != np.float16(scale)) is is_turned  # as coarse as 255 scales


def test_kept_tensors_are_handed_out_as_integers_and_fp16_keeps_those_of_8_bits():
    g = {"x": Tensor("x", (3,), "int8", None, on_grid(0.1, 5)), "y": Tensor("y", (3,), "int8", None, on_grid(0.21, -3))}
    g["z"] = Tensor("z", (3,), "float32")
    graph = Graph(g, (Op("QUANTIZE", ("x",), ("y",)), Op("DEQUANTIZE", ("y",), ("z",))), ("x",), ("z",))
    x = np.array([-128, 6, 127], np.int8)
    for arithmetic in (FLOAT32, FLOAT16):
        values = evaluate(graph, (x,), arithmetic, keep=("x", "y"))
        assert values["x"].tolist() == x.tolist()
        assert (values["y"].dtype, values["y"].tolist()) == (np.dtype(np.int8), [-66, -3, 55])


@pytest.mark.parametrize("kind", ["CAST", "BITCAST", "FLOOR_MOD"])
def test_an_op_on_the_integers_themselves_is_not_evaluated_on_a_quantised_tensor(kind: str):
    x = np.zeros(3, np.int8)
    operands = (x, x) if kind == "FLOOR_MOD" else (x,)
    graph = OneOp(kind, operands, ("int8",), tensor_raws={"in0": on_grid(0.1)}).graph([(3,)])
    assert unsupported(graph) == [f"{kind} of a quantised tensor"]


def test_what_is_opaque_is_named():
    sparse = TensorExtras(sparsity=schema.SparsityParametersT())
    for dtype, raw, why in (("float32", sparse, "sparse tensors"), ("bfloat16", None, "bfloat16 tensors")):
        tensors = {"x": Tensor("x", (3,), dtype, None, raw), "y": Tensor("y", (3,))}
        assert unsupported(Graph(tensors, (Op("NEG", ("x",), ("y",)),), ("x",), ("y",))) == [why]
    unfit = {"x": Tensor("x", (3,), "int8", None, on_grid([0.1, 0.2])), "y": Tensor("y", (3,))}
    graph = Graph(unfit, (Op("NEG", ("x",), ("y",)),), ("x",), ("y",))
    assert unsupported(graph) == ["'x' of shape (3,) has 2 scales along dimension 0"]


@pytest.mark.parametrize("dtype", ["int8", "int4"])
def test_weights_of_a_fully_connected_are_as_coarse_as_255_of_their_scales(dtype: str):
    """What LiteRT 2.3.0 computes on lavapipe in fp16: a weight of 7 scales is off by up to a twentieth of one."""
    low, high = RANGES[dtype]
    grid = grid_of(tensor(dtype, (1, high - low + 1), on_grid(0.0178)))
    assert grid is not None
    whole = np.arange(low, high + 1).reshape(1, -1)
    in_kernel = grid.real_in_kernel(whole, FLOAT16.stored)
    off = np.abs(in_kernel - grid.real(whole)) / 0.0178
    assert 0.01 < off.mean() < 0.15
    np.testing.assert_array_equal(grid.real_in_kernel(whole, FLOAT64.stored).round(9), grid.real(whole).round(9))


def test_bytes_are_read_as_coarse_as_the_scales_from_the_smallest_byte_up():
    """What LiteRT 2.3.0 computes on lavapipe in fp16, bit by bit: a DEQUANTIZE of int8, scale 0.05, zero point -6."""
    grid = grid_of(tensor("int8", (1, 8), on_grid(0.05, -6)))
    assert grid is not None
    whole = np.array([[-6, 16, 4, -6, 18, 2, 20, 11]], np.int8)
    measured = [[-0.00390625, 1.09765625, 0.49609375, -0.00390625, 1.1953125, 0.3984375, 1.296875, 0.84765625]]
    np.testing.assert_array_equal(FLOAT16.stored(grid.real_as_read(whole, FLOAT16.stored)), measured)


@pytest.mark.parametrize("dtype", ["int8", "uint8"])
def test_bytes_are_read_and_written_off_by_the_rounding_of_three_numbers_at_most(dtype: str):
    low, high = RANGES[dtype]
    rng = np.random.default_rng(0)
    for scale, zero in zip(rng.uniform(1e-3, 1.0, 20), rng.integers(low, high, 20, endpoint=True), strict=True):
        grid = grid_of(tensor(dtype, (1, 256), on_grid(scale, zero)))
        assert grid is not None
        whole = np.arange(low, high + 1).reshape(1, -1)
        real = grid.real(whole)
        np.testing.assert_allclose(grid.real_as_read(whole, FLOAT64.stored), real, atol=1e-12)
        np.testing.assert_array_equal(grid.integers_as_written(real, FLOAT64.stored), whole)
        for arithmetic, fused in ((FLOAT32, False), (FLOAT32, True), (FLOAT16, False), (FLOAT16, True)):
            read = grid.real_as_read(whole, arithmetic.stored, fused=fused)
            assert np.abs(read - real).max() <= 3 * 256 * scale * 2.0**-arithmetic.store_bits
            assert np.abs(grid.integers_as_written(real, arithmetic.stored) - whole).max() <= 1


def test_halfway_between_two_bytes_float16_takes_the_other_neighbour():
    """What LiteRT 2.3.0 gives on lavapipe in fp16: 22.43 scales are the 23rd."""
    grid = grid_of(tensor("uint8", (1,), on_grid(0.02, 167)))
    assert grid is not None
    values = np.array([0.44862965, np.nan, np.inf], np.float32)
    assert grid.integers_as_written(values, FLOAT16.stored).tolist() == [190, 167, 255]
    assert grid.integers_as_written(values, FLOAT32.stored).tolist() == [189, 167, 255]


def test_real_numbers_have_no_integers_without_a_scale():
    tensors = {"x": Tensor("x", (2,), "int16", None, on_grid(0.1, 0)), "y": Tensor("y", (), "int16")}
    tensors["axis"] = Tensor("axis", (1,), "int32", np.array([0], np.int32))
    graph = Graph(tensors, (Op("REDUCE_MIN", ("x", "axis"), ("y",)),), ("x",), ("y",))
    with pytest.raises(GraphError, match="REDUCE_MIN gives 'y' real numbers, declared int16 without a scale"):
        evaluate(graph, (np.ones(2, np.int16),))


@settings(PROPERTY, max_examples=15)
@given(data=st.data())
def test_int16_is_equal_by_what_it_stands_for_and_ordered_by_its_integers_as_in_tflite(data: st.DataObject):
    kind = data.draw(st.sampled_from(sorted(COMPARISONS)))
    rng = np.random.default_rng(data.draw(st.integers(0, 999)))
    a, b = (rng.integers(-4, 4, (6, 8), endpoint=True).astype(np.int16) for _ in range(2))
    scales = data.draw(st.sampled_from([(0.5, 0.5), (0.25, 0.5), (0.5, 0.125)]))
    raws = {f"in{place}": on_grid(scale, 0) for place, scale in enumerate(scales)}
    graph = OneOp(kind, (a, b), ("bool",), tensor_raws=raws).graph([(6, 8)])
    (right,) = computed(graph, (a, b))
    np.testing.assert_array_equal(evaluate(graph, (a, b))["out0"], right)
