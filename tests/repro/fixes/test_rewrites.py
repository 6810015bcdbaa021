"""What the delegate parses wrong, written in another form: no hazard is left of it, and every value and end stays."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from cases.builder import GraphBuilder
from cases.edit import GraphEdit
from cases.findings.batched_depth_to_space import blocks
from cases.graph import Graph
from repro.fixes.rewrites import REWRITES
from tests.repro.fixes.rewriting import hazard_of, kinds, rewritten
from tests.repro.verdicts.judging import normal


@pytest.mark.parametrize(
    ("runtime", "constant"), [((6, 4), (6, 4)), ((6, 4), (1, 6, 4)), ((5, 6, 4), (5, 6, 4)), ((6, 4), (5, 1, 4))]
)
@pytest.mark.parametrize("kind", ["ADD", "SUB"])
@pytest.mark.parametrize("constant_first", [False, True])
def test_a_constant_is_lined_up_at_rank_4(kind: str, runtime, constant, constant_first: bool):
    g = GraphBuilder()
    operands = [g.input("x", runtime), g.const(normal(*constant), "c")]
    graph = g.build([g.op(kind, operands[::-1] if constant_first else operands, name="y")[0]])
    new = rewritten(graph, "constant-axis")
    (op,) = [op for op in new.ops if op.kind == kind]
    assert {len(new.tensors[name].shape) for name in (*op.inputs, *op.outputs)} == {4}


def test_a_batch_that_only_the_constant_has_is_made_by_concatenation():
    g = GraphBuilder()
    graph = g.build([g.mul(g.input("x", (6, 4)), g.const(normal(5, 1, 1, 4)), name="y")])
    assert kinds(rewritten(graph, "constant-axis")) == ["RESHAPE", "CONCATENATION", "MUL"]


@pytest.mark.parametrize(("shape", "depth"), [((4,), 4), ((3, 4), 12), ((2, 3, 4), 12), ((1, 2, 3, 4), 24)])
def test_a_fully_connected_reads_rows_as_long_as_its_weights_are_deep(shape: tuple[int, ...], depth: int):
    g = GraphBuilder()
    inputs = (g.input("x", shape), g.const(normal(3, depth)), g.const(normal(3)))
    graph = g.build(list(g.op("FULLY_CONNECTED", inputs, name="y", keep_num_dims=False)))
    new = rewritten(graph, "fc-rank-1", "fc-flattens")
    (op,) = [op for op in new.ops if op.kind == "FULLY_CONNECTED"]
    assert new.tensors[op.inputs[0]].shape == (int(np.prod(shape)) // depth, depth)


@pytest.mark.parametrize("activation", ["NONE", "RELU"])
def test_the_bias_of_computed_weights_stands_behind_and_takes_the_activation_along(activation: str):
    g = GraphBuilder()
    y = g.fully_connected(g.input("x", (2, 4)), g.input("w", (3, 4)), normal(3), name="y", activation=activation)
    new = rewritten(g.build([y]), "fc-runtime-weights")
    assert kinds(new) == ["FULLY_CONNECTED", "ADD"]
    assert new.ops[1].attrs["fused_activation_function"] == activation
    assert new.ops[0].attrs["fused_activation_function"] == "NONE"


def test_a_softmax_of_rank_1_is_one_of_a_row():
    g = GraphBuilder()
    assert kinds(rewritten(g.build([g.softmax(g.input("x", (5,)), "y")]), "softmax-rank-1")) == [
        "RESHAPE",
        "SOFTMAX",
        "RESHAPE",
    ]


@given(st.lists(st.integers(1, 3), min_size=1, max_size=4).map(tuple), st.data())
def test_any_cumsum_that_is_read_wrong_sums_over_the_second_of_four(shape: tuple[int, ...], data: st.DataObject):
    axis = data.draw(st.integers(-len(shape), len(shape) - 1))
    g = GraphBuilder()
    (y,) = g.op("CUMSUM", (g.input("x", shape), g.const(axis, dtype="int32")), name="y")
    graph = g.build([y])
    rules = ("cumsum-batch", "cumsum-no-batch", "cumsum-axis-aborts")
    assume(hazard_of(graph, *rules) is not None)
    new = rewritten(graph, *rules)
    (op,) = [op for op in new.ops if op.kind == "CUMSUM"]
    data_of_axis = new.tensors[op.inputs[1]].data
    assert data_of_axis is not None
    assert len(new.tensors[op.inputs[0]].shape) == 4
    assert int(data_of_axis) in ((1,) if len(shape) < 4 or axis % 4 == 0 else (axis % 4,))


@given(
    st.sampled_from(["DEPTH_TO_SPACE", "SPACE_TO_DEPTH"]),
    st.integers(2, 3),
    st.tuples(st.integers(2, 3), st.integers(1, 2), st.integers(1, 2), st.integers(1, 5)),
)
def test_any_blocks_of_a_batch_are_those_of_one_image(kind: str, block: int, sizes: tuple[int, int, int, int]):
    batch, height, width, channels = sizes
    wide = kind == "SPACE_TO_DEPTH"
    shape = (batch, height * block, width * block, channels) if wide else (batch, height, width, channels * block**2)
    graph = blocks(shape, kind, block, bystander=False)
    new = rewritten(graph, "batched-blocks")
    assert kinds(new) == ["RESHAPE", kind, "RESHAPE"]
    assert new.tensors[new.ops[1].inputs[0]].shape[0] == 1
    assert hazard_of(new, "batched-blocks") is None


@pytest.mark.parametrize("kind", ["PAD", "PADV2"])
@pytest.mark.parametrize("table", [[(0, 0), (1, 0), (0, 2)], [(1, 1), (0, 0), (0, 1)]])
def test_a_pad_of_rank_3_is_one_of_rank_4(kind: str, table):
    g = GraphBuilder()
    value = [g.const(2.0)] if kind == "PADV2" else []
    (y,) = g.op(kind, (g.input("x", (2, 3, 4)), g.const(table, dtype="int32"), *value), name="y")
    assert kinds(rewritten(g.build([y]), "pad-rank-3")) == ["RESHAPE", kind, "RESHAPE"]


@pytest.mark.parametrize("inner", [[(0, 0), (0, 0), (0, 0)], [(1, 0), (0, 1), (0, 0)], [(0, 0), (0, 0), (2, 2)]])
@pytest.mark.parametrize("batch", [(0, 1), (2, 1)])
def test_a_padded_batch_is_padded_as_a_height(batch: tuple[int, int], inner):
    g = GraphBuilder()
    graph = g.build([g.pad(g.input("x", (1, 2, 3, 4)), [batch, *inner], name="y")])
    new = rewritten(graph, "pad-batch")
    assert kinds(new).count("PAD") == (2 if np.any(inner) else 1)


@pytest.mark.parametrize("padding", ["SAME", "VALID"])
@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("width", [4, 5])
def test_a_wider_kernel_with_zeros_keeps_the_windows_where_they_were(padding: str, stride: int, width: int):
    g = GraphBuilder()
    weights = normal(1, 1, 1, 6)
    y = g.depthwise_conv2d(g.input("x", (1, 4, width, 2)), weights, normal(6), "y", stride, padding)
    new = rewritten(g.build([y]), "depthwise-multiplier")
    (op,) = new.ops
    assert new.tensors[op.inputs[1]].shape == (1, 1, 2, 6)


@pytest.mark.parametrize(("channels", "taken", "out"), [(6, 3, 8), (10, 5, 2), (6, 2, 9), (4, 2, 4)])
def test_groups_are_one_convolution_whose_weights_are_zero_between_them(channels: int, taken: int, out: int):
    g = GraphBuilder()
    weights = np.round(8 * normal(out, 3, 3, taken))  # whole numbers: their sums are exact in any order
    y = g.conv2d(g.input("x", (1, 4, 4, channels)), weights, np.ones(out), name="y", activation="RELU")
    new = rewritten(g.build([y]), "grouped-conv", "grouped-conv-aborts")
    (op,) = new.ops
    dense = new.tensors[op.inputs[1]].data
    assert dense is not None
    assert dense.shape == (out, 3, 3, channels)
    assert np.count_nonzero(dense) == np.count_nonzero(weights)


def test_a_tensor_that_is_read_twice_gets_a_copy_for_the_second():
    g = GraphBuilder()
    x = g.input("x", (1, 3, 3))
    new = rewritten(g.build([g.batch_matmul(x, x, name="y")]), "same-operand-aborts")
    assert kinds(new) == ["TRANSPOSE", "BATCH_MATMUL"]
    assert new.ops[1].inputs[0] == "x"
    assert new.ops[1].inputs[1] != "x"


def test_a_tile_clears_the_lanes_in_front_of_the_op_that_sums():
    g = GraphBuilder()
    ratio = g.op("DIV", (g.input("x", (1, 4, 3)), g.input("z", (1, 4, 3))), name="ratio")[0]
    new = rewritten(g.build([g.sum(ratio, [2], name="y")]), "padding-lanes")
    assert kinds(new) == ["DIV", "TILE", "SUM"]
    assert new.ops[2].inputs[0] == new.ops[1].outputs[0]


def test_a_table_that_is_computed_is_left_alone():
    """Nothing is known of amounts that are an input, so there is no form to write them in."""
    g = GraphBuilder()
    graph = g.build([g.pad(g.input("x", (2, 3, 4)), [(0, 0), (1, 0), (0, 2)], name="y")])
    hazard = hazard_of(graph, "pad-rank-3")
    assert hazard is not None
    table = graph.ops[0].inputs[1]
    tensors = {**graph.tensors, table: type(graph.tensors[table])(table, (3, 2), "int32")}
    edit = GraphEdit(Graph(tensors, graph.ops, (*graph.inputs, table), graph.outputs))
    assert REWRITES["pad-rank-4"](edit, hazard) == ""
    assert edit.ops == list(graph.ops)


BATCHES = [((2,), (1,)), ((1,), (3,)), ((2,), ()), ((1, 2), (1, 1)), ((2, 1), (1, 3)), ((2, 3), (2, 1)), ((), (2, 2))]


@pytest.mark.parametrize("is_constant", [False, True])
@pytest.mark.parametrize(("left", "right"), BATCHES)
def test_a_product_gets_one_batch_on_both_sides(left, right, is_constant: bool):
    g = GraphBuilder()
    shape = (*right, 4, 6)
    b = g.const(normal(*shape)) if is_constant else g.input("b", shape)
    graph = g.build([g.batch_matmul(g.input("a", (*left, 3, 4)), b, name="y")])
    if is_constant and not right:
        assert hazard_of(graph, "batch-matmul-broadcast") is None
        return
    new = rewritten(graph, "batch-matmul-broadcast")
    (op,) = [op for op in new.ops if op.kind == "BATCH_MATMUL"]
    assert {new.tensors[name].shape[:-2] for name in op.inputs} == {np.broadcast_shapes(left, right)}


@pytest.mark.parametrize(("whole", "part"), [((16,), (4,)), ((16, 8), (4, 8)), ((12, 4, 8), (3, 2, 8))])
def test_an_update_works_at_rank_4(whole, part):
    g = GraphBuilder()
    x, z, start = g.input("x", whole), g.input("z", part), g.input("start", (len(whole),), "int32")
    new = rewritten(g.build(g.op("DYNAMIC_UPDATE_SLICE", (x, z, start), name="y")), "update-first-axis")
    (op,) = [op for op in new.ops if op.kind == "DYNAMIC_UPDATE_SLICE"]
    assert new.tensors[op.inputs[2]].shape == (4,)


@pytest.mark.parametrize("shape", [(1, 2, 8), (2, 3, 8), (1, 2, 2, 8)])
def test_quantised_weights_get_an_input_of_rank_2(shape):
    g = GraphBuilder()
    weights = g.on_grid(g.const(np.arange(-16, 16).reshape(4, 8), dtype="int8"), 0.1)
    rewritten(g.build(g.op("FULLY_CONNECTED", (g.input("x", shape), weights), name="y")), "quantised-fc-rows")


@pytest.mark.parametrize("shape", [(1, 4, 6), (1, 3, 4, 5), (5, 7), (2, 3, 3)])
def test_arg_max_over_channels_runs_over_another_dimension(shape):
    g = GraphBuilder()
    y = g.unary("NEG", g.input("x", shape))
    graph = g.build([*g.op("ARG_MAX", [y, g.const(-1, dtype="int32")], name="places", output_type=2)])
    new = rewritten(graph, "arg-max-lanes")
    assert kinds(new).count("ARG_MAX") == 1
