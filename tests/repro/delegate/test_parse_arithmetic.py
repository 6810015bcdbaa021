"""Elementwise ops, reductions, SOFTMAX and CUMSUM: what the parsers make of them, and where they are wrong."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cases.builder import GraphBuilder
from cases.graph import Graph
from repro.delegate.graph import OperandForm
from repro.delegate.parser import lower
from repro.delegate.replay import replay
from tests.repro.delegate.replayed import kept, kinds, wrong


def test_x_times_x_is_a_square_and_x_plus_x_a_multiply():
    g = GraphBuilder()
    x = g.input("x", (1, 4, 8))
    assert kinds(g.build([g.mul(x, x), g.add(x, x)])) == ["SQUARE", "MUL"]


def test_another_op_of_one_tensor_has_one_input():
    g = GraphBuilder()
    x = g.input("x", (1, 4, 8))
    (node,) = lower(g.build([g.binary("MAXIMUM", x, x)])).nodes
    assert (node.kind, len(node.inputs), node.operand) == ("MAXIMUM", 1, None)


def test_tensors_of_different_rank_are_put_through_reshapes():
    g = GraphBuilder()
    y = g.add(g.input("x", (1, 4, 8)), g.input("z", (4, 8)), name="y")
    graph = g.build([y])
    assert kinds(graph) == ["RESHAPE", "RESHAPE", "ADD", "RESHAPE"]
    assert kept(graph).count("RESHAPE") == 2  # [1,4,8] already is what it is reshaped to; an output's reshape stays


@pytest.mark.parametrize(("kind", "swapped"), [("ADD", True), ("MUL", True), ("SUB", False), ("MAXIMUM", False)])
def test_of_two_equal_tensors_sums_and_products_read_the_second_first(kind, swapped):
    g = GraphBuilder()
    graph = g.build([g.binary(kind, g.input("a", (1, 4, 8)), g.input("b", (1, 4, 8)))])
    names = [value.name for value in lower(graph).nodes[0].inputs]
    assert names == (["b", "a"] if swapped else ["a", "b"])


def test_the_larger_tensor_of_a_sum_stays_first():
    g = GraphBuilder()
    graph = g.build([g.add(g.input("large", (1, 4, 8)), g.input("small", (1, 1, 8)))])
    assert [value.name for value in lower(graph).nodes[0].inputs] == ["large", "small"]
    g = GraphBuilder()
    graph = g.build([g.add(g.input("small", (1, 1, 8)), g.input("large", (1, 4, 8)))])
    assert [value.name for value in lower(graph).nodes[0].inputs] == ["large", "small"]


def test_a_constant_is_scalar_linear_or_whole():
    g = GraphBuilder()
    x = g.input("x", (1, 4, 8))
    made = [g.mul(x, g.const(np.ones(shape))) for shape in [(), (1, 1), (8,), (1, 1, 8), (4, 8)]]
    forms = [node.operand.form for node in lower(g.build(made)).nodes]
    assert forms == ["scalar", "scalar", "linear", "linear", "bhwc"]


@pytest.mark.parametrize("comes_first", [True, False])
def test_the_side_of_a_constant_is_kept(comes_first):
    g = GraphBuilder()
    x, constant = g.input("x", (1, 4, 8)), g.const(np.full(8, 2.0))
    operands = (constant, x) if comes_first else (x, constant)
    (node,) = lower(g.build([g.binary("DIV", *operands)])).nodes
    assert node.operand is not None
    assert (node.operand.form, node.operand.comes_first) == (OperandForm.LINEAR, comes_first)
    assert [value.name for value in node.inputs] == ["x"]


def test_a_constant_of_integers_is_one_number_or_a_node():
    g = GraphBuilder()
    x = g.input("x", (1, 4), "int32")
    one = g.mul(x, g.const(3, dtype="int32"))
    many = g.mul(x, g.const([1, 2, 3, 4], dtype="int32"))
    single, held, product = lower(g.build([one, many])).nodes
    assert single.operand is not None
    assert single.operand.form is OperandForm.INTEGER
    assert (held.kind, product.kind, product.operand, len(product.inputs)) == ("CONSTANT", "MUL", None, 2)


@pytest.mark.parametrize(
    ("tensor", "constant", "expected"),
    [
        ((6, 4), (1, 6, 4), True),
        ((6, 4), (6, 4), True),
        ((6, 4), (6, 1), True),
        ((6, 4), (4,), False),
        ((1, 6, 4), (1, 6, 4), False),
        ((1, 6, 4), (6, 4), False),
        ((2, 3, 4), (2, 3, 4), True),
        ((2, 3, 4), (1, 3, 4), False),
        ((2, 3, 3, 4), (2, 3, 3, 4), False),
        ((1, 3, 3, 4), (2, 3, 3, 4), True),
        ((4,), (4,), True),
    ],
)
def test_constants_are_aligned_to_the_right_and_tensors_are_not(tensor, constant, expected):
    g = GraphBuilder()
    values = np.arange(1.0, 1.0 + np.prod(constant)).reshape(constant)
    y = g.sub(g.input("x", tensor), g.const(values), name="y")
    assert wrong(g.build([y])) == ([("constant-axis", "y")] if expected else [])


@pytest.mark.parametrize(("tensor", "expected"), [((6, 4), False), ((1, 6, 4), False)])
def test_a_constant_whose_rows_are_alike_may_lie_along_any_axis(tensor, expected):
    g = GraphBuilder()
    y = g.sub(g.input("x", tensor), g.const(np.tile(np.arange(4.0), (6, 1))), name="y")
    assert wrong(g.build([y])) == ([("constant-axis", "y")] if expected else [])
    # A tensor in the wrong place is wrong whatever the constant holds.
    g = GraphBuilder()
    y = g.sub(g.input("x", (6, 4)), g.const(np.full((1, 6, 4), 2.0)), name="y")
    assert wrong(g.build([y])) == [("constant-axis", "y")]


def test_two_tensors_of_different_rank_are_fine():
    g = GraphBuilder()
    assert wrong(g.build([g.sub(g.input("x", (6, 4)), g.input("z", (1, 6, 4)))])) == []


def test_a_reduction_that_drops_its_axes_gets_a_reshape():
    g = GraphBuilder()
    assert kinds(g.build([g.mean(g.input("x", (1, 4, 8)), [1], keep_dims=False)])) == ["MEAN", "RESHAPE"]


@given(st.lists(st.integers(1, 5), min_size=1, max_size=4), st.data())
def test_a_reduction_leaves_one_along_its_axes_and_the_rest_as_it_was(shape, data):
    axes = data.draw(st.sets(st.integers(0, len(shape) - 1), min_size=1))
    g = GraphBuilder()
    node = lower(g.build([g.sum(g.input("x", tuple(shape)), sorted(axes), keep_dims=False)])).nodes[0]
    assert node.axes is not None
    assert len(node.axes) == len(axes)
    read, made = node.inputs[0].shape, node.outputs[0].shape
    for letter, before, after in zip("BHWC", read, made, strict=True):
        assert after == (1 if letter in node.axes else before)


@pytest.mark.parametrize(("shape", "expected"), [((1,), False), ((2,), True), ((8,), True), ((1, 8), False)])
def test_softmax_wants_a_row(shape, expected):
    g = GraphBuilder()
    graph = g.build([g.op("SOFTMAX", (g.input("x", shape),), outputs=("y",), beta=1.0)[0]])
    assert wrong(graph) == ([("softmax-rank-1", "y")] if expected else [])


@pytest.mark.parametrize(
    ("shape", "axis", "options", "expected"),
    [
        ((5,), 0, {}, "cumsum-batch"),
        ((1,), 0, {}, ""),
        ((5,), -1, {}, "cumsum-batch"),
        ((2, 4), 0, {}, "cumsum-batch"),
        ((5, 1), 0, {}, "cumsum-batch"),
        ((1, 4), 0, {}, ""),
        ((2, 4), 1, {}, ""),
        ((2, 4), -1, {}, "cumsum-batch"),
        ((2, 4), -2, {}, ""),
        ((1, 4), -2, {}, "cumsum-no-batch"),
        ((2, 1, 4), 0, {}, "cumsum-batch"),
        ((1, 3, 4), 0, {}, ""),
        ((2, 3, 4), 1, {}, ""),
        ((2, 3, 4), -1, {}, "cumsum-batch"),
        ((1, 3, 4), -1, {}, "cumsum-no-batch"),
        ((2, 3, 4), -2, {}, "cumsum-axis-aborts"),
        ((1, 3, 4, 5), 0, {}, "cumsum-no-batch"),
        ((2, 3, 4, 5), 0, {}, ""),
        ((2, 3, 4, 5), 3, {}, ""),
        ((2, 3, 4, 5), -1, {}, "cumsum-axis-aborts"),
        ((2, 4), 1, {"exclusive": True}, "cumsum-options"),
        ((2, 1), 1, {"exclusive": True}, "cumsum-options"),
        ((2, 4), 1, {"reverse": True}, "cumsum-options"),
        ((2, 1), 1, {"reverse": True}, ""),
    ],
)
def test_cumsum_takes_its_axis_from_the_right_of_four_and_only_a_positive_one(shape, axis, options, expected):
    """Each line as measured on lavapipe and SwiftShader."""
    g = GraphBuilder()
    graph = g.build([g.op("CUMSUM", (g.input("x", shape), g.const(axis, dtype="int32")), name="y", **options)[0]])
    assert wrong(graph) == ([(expected, "y")] if expected else [])


def test_a_cumsum_without_a_batch_voids_the_graph():
    g = GraphBuilder()
    y = g.op("CUMSUM", (g.input("x", (1, 2, 3, 4)), g.const(0, dtype="int32")), name="y")[0]
    (event,) = replay(g.build([y])).events
    assert (event.rule, event.effect) == ("cumsum-no-batch", "void")


def misparsed(graph: Graph) -> str:
    (node,) = [node for node in lower(graph).nodes if node.kind in ("ARG_MAX", "BATCH_MATMUL")]
    return node.misparsed


# (batch of left, batch of right): with which of adj_x and adj_y (- for none) lavapipe is right, for [6,8] times [8,16];
# then the same with a constant on the right.
MEASURED = {
    ((2,), (1,)): ("y xy", "y xy"),
    ((1,), (2,)): ("", ""),
    ((1, 4), (1, 1)): ("y xy", "y xy"),
    ((1, 1), (1, 4)): ("", ""),
    ((4, 1), (1, 1)): ("y xy", "y xy"),
    ((2, 3), (1, 3)): ("", ""),
    ((2, 3), (2, 1)): ("", ""),
    ((2, 3), (1, 1)): ("y xy", "y xy"),
    ((2,), ()): ("y xy", "-"),
    ((), ()): ("- x y xy", "-"),
    ((1, 2), ()): ("y xy", "-"),
    ((), (4,)): ("", ""),
    ((1, 2), (2,)): ("- x y xy", "- x y xy"),
    ((3, 2), (2,)): ("", ""),
    ((2,), (3, 2)): ("", ""),
    ((4, 1), (1, 4)): ("", ""),
    ((2, 3), (2, 3)): ("- x y xy", "- x y xy"),
    ((3,), (3,)): ("- x y xy", "- x y xy"),
}


@pytest.mark.parametrize("is_constant", [False, True])
@pytest.mark.parametrize("batches", MEASURED, ids=str)
def test_a_product_that_broadcasts_its_batch_is_wrong_where_it_was_measured_wrong(batches, is_constant: bool):
    right_in = MEASURED[batches][is_constant].split()
    for adj_x, adj_y in itertools.product((False, True), repeat=2):
        g = GraphBuilder()
        left = (*batches[0], *((8, 6) if adj_x else (6, 8)))
        right = (*batches[1], *((16, 8) if adj_y else (8, 16)))
        b = g.const(np.ones(right)) if is_constant else g.input("b", right)
        graph = g.build([g.batch_matmul(g.input("a", left), b, adj_x=adj_x, adj_y=adj_y)])
        is_right = ("x" * adj_x + "y" * adj_y or "-") in right_in
        wrong = "matmul-weights-transposed" if is_constant and not batches[1] else "batch-matmul-broadcast"
        (node,) = [node for node in lower(graph).nodes if node.kind != "CONSTANT"]
        assert node.misparsed == ("" if is_right else wrong), (adj_x, adj_y)


@pytest.mark.parametrize(("depth", "columns", "is_right"), [(8, 16, True), (8, 5, False), (6, 16, False), (4, 4, True)])
def test_one_matrix_under_adj_y_is_right_where_it_is_aligned(depth: int, columns: int, is_right: bool):
    g = GraphBuilder()
    product = g.batch_matmul(g.input("a", (2, 3, depth)), g.input("b", (1, columns, depth)), adj_y=True)
    assert misparsed(g.build([product])) == ("" if is_right else "batch-matmul-broadcast")


@pytest.mark.parametrize(
    ("shape", "axis", "before", "is_right"),
    [
        ((1, 4, 6), -1, "NEG", False),
        ((1, 4, 8), -1, "NEG", True),
        ((1, 6, 5), 1, "NEG", True),
        ((1, 4, 4, 5), 3, "NEG", False),
        ((5, 7), -1, "NEG", False),
        ((6,), 0, "NEG", True),
        ((1, 4, 6), -1, "ABS", True),
        ((1, 4, 6), -1, "RELU", True),
        ((1, 4, 6), -1, "LOGISTIC", False),
        ((1, 4, 6), -1, "EXP", False),
    ],
)
def test_arg_max_reads_the_lanes_behind_the_last_channel(shape, axis: int, before: str, is_right: bool):
    g = GraphBuilder()
    values = g.unary(before, g.input("x", shape))
    graph = g.build([*g.op("ARG_MAX", [values, g.const(axis, dtype="int32")])])
    assert misparsed(graph) == ("" if is_right else "arg-max-lanes")
