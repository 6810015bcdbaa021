"""The rules: what each names, and the near misses that it must not name. One graph a line, no delegate."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from cases.builder import GraphBuilder
from cases.findings.parsing_graphs import runtime_weights
from cases.graph import Graph
from repro.fixes.workarounds import WORKAROUNDS, avoid_hazards
from repro.hazards.lint import find_hazards, find_risks, lint
from repro.hazards.rules import RULES
from repro.selftest.draws.draw import draw

W = np.linspace(-1.0, 1.0, 64).reshape(8, 8)
ONES = np.ones(8)


def found(graph: Graph) -> list[tuple[str, str]]:
    return [(hazard.rule, hazard.tensor) for hazard in find_hazards(graph)]


def add_reduce(g: GraphBuilder, kind: str = "SUM", other: tuple[int, ...] = (1, 4, 8)) -> tuple[str, str]:
    y = g.add(g.input("x", (1, 4, 8)), g.input("z", other), name="y")
    return y, g.reduce(kind, y, [2], name="r")


def test_add_reduce():
    g = GraphBuilder()
    assert found(g.build(add_reduce(g))) == [("add-reduce", "y")]


@pytest.mark.parametrize("kind", ["SUM", "MEAN", "REDUCE_MAX", "REDUCE_MIN", "REDUCE_PROD"])
def test_add_reduce_takes_every_reduction(kind):
    g = GraphBuilder()
    assert ("add-reduce", "y") in found(g.build(add_reduce(g, kind)))


def test_add_that_broadcasts_is_not_fused_with_the_reduction():
    g = GraphBuilder()
    assert found(g.build(add_reduce(g, other=(1, 1, 8)))) == []


def test_add_that_is_no_output_is_only_fused():
    g = GraphBuilder()
    assert found(g.build([add_reduce(g)[1]])) == []


def test_a_second_reader_blocks_the_fusion():
    g = GraphBuilder()
    y, r = add_reduce(g)
    assert found(g.build([y, r, g.unary("NEG", y)])) == []


def test_an_activation_stands_between():
    g = GraphBuilder()
    y = g.add(g.input("x", (1, 4, 8)), g.input("z", (1, 4, 8)), name="y", activation="RELU")
    assert found(g.build([y, g.sum(y, [2])])) == []


def test_extrema_of_a_sum_start_from_zero_without_any_role():
    g = GraphBuilder()
    assert found(g.build([add_reduce(g, "REDUCE_MAX")[1]])) == [("add-reduce-extremum", "r")]


@pytest.mark.parametrize("kind", ["ADD", "MUL"])
@pytest.mark.parametrize("shape", [(), (8,), (1, 1, 8)])
def test_gemm_elementwise(kind, shape):
    g = GraphBuilder()
    y = g.fully_connected(g.input("x", (1, 4, 8)), W, name="y")
    z = g.binary(kind, y, g.const(np.full(shape, 2.0)))
    assert found(g.build([y, z])) == [("gemm-elementwise", "y")]


@pytest.mark.parametrize(
    "second",
    [
        lambda g, y: g.sub(y, g.const(ONES)),
        lambda g, y: g.mul(y, g.const(np.ones((4, 8)))),
        lambda g, y: g.add(y, g.input("z", (1, 4, 8))),
        lambda g, y: g.unary("RELU", y),
    ],
)
def test_gemm_keeps_what_it_cannot_fold(second: Callable[[GraphBuilder, str], str]):
    g = GraphBuilder()
    y = g.fully_connected(g.input("x", (1, 4, 8)), W, name="y")
    assert found(g.build([y, second(g, y)])) == []


def test_elementwise_gemm_and_its_padding():
    for padding, expected in (("VALID", [("elementwise-gemm", "y")]), ("SAME", [])):
        g = GraphBuilder()
        y = g.add(g.input("x", (1, 6, 6, 8)), g.const(ONES), name="y")
        z = g.conv2d(y, np.ones((4, 3, 3, 8)), padding=padding)
        assert found(g.build([y, z])) == expected
    g = GraphBuilder()
    y = g.mul(g.input("x", (1, 6, 6, 8)), g.const(ONES), name="y")
    assert found(g.build([y, g.conv2d(y, np.ones((4, 3, 3, 8)))])) == [("elementwise-gemm", "y")]


def test_rank_two_does_not_take_an_add_into_fully_connected():
    g = GraphBuilder()
    y = g.add(g.input("x", (4, 8)), g.const(ONES), name="y")
    assert found(g.build([y, g.fully_connected(y, W)])) == []


def test_padding_that_is_an_output_is_merged_away():
    g = GraphBuilder()
    y = g.pad(g.input("x", (1, 4, 4, 8)), [(0, 0), (1, 1), (1, 1), (0, 0)], name="y")
    assert found(g.build([y, g.conv2d(y, np.ones((4, 3, 3, 8)), padding="VALID")])) == [("pad-merged", "y")]


@pytest.mark.parametrize(
    ("kind", "before", "expected"),
    [
        ("AVERAGE_POOL_2D", "NEG", True),
        ("AVERAGE_POOL_2D", "RELU", True),
        ("MAX_POOL_2D", "NEG", True),
        ("MAX_POOL_2D", "RELU", False),
    ],
)
def test_pooling_forgets_padding_where_it_matters(kind, before, expected):
    g = GraphBuilder()
    x = g.unary(before, g.input("x", (1, 4, 4, 8)))
    y = g.pad(x, [(0, 0), (1, 1), (1, 1), (0, 0)])
    assert found(g.build([g.pool(kind, y, 3, 1, name="p")])) == ([("pad-pool", "p")] if expected else [])


def test_padding_with_minus_infinity_in_front_of_a_maximum_is_fine():
    g = GraphBuilder()
    x = g.input("x", (1, 4, 4, 8))
    table = g.const([(0, 0), (1, 1), (1, 1), (0, 0)], dtype="int32")
    y = g.op("PADV2", (x, table, g.const(np.float32(-np.inf))))[0]
    assert found(g.build([g.pool("MAX_POOL_2D", y, 3, 1)])) == []


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
    assert found(g.build([y])) == ([("constant-axis", "y")] if expected else [])


@pytest.mark.parametrize(("tensor", "expected"), [((6, 4), False), ((1, 6, 4), False)])
def test_a_constant_whose_rows_are_alike_may_lie_along_any_axis(tensor, expected):
    g = GraphBuilder()
    y = g.sub(g.input("x", tensor), g.const(np.tile(np.arange(4.0), (6, 1))), name="y")
    assert found(g.build([y])) == ([("constant-axis", "y")] if expected else [])
    # A tensor in the wrong place is wrong whatever the constant holds.
    g = GraphBuilder()
    y = g.sub(g.input("x", (6, 4)), g.const(np.full((1, 6, 4), 2.0)), name="y")
    assert found(g.build([y])) == [("constant-axis", "y")]


def test_two_tensors_of_different_rank_are_fine():
    g = GraphBuilder()
    assert found(g.build([g.sub(g.input("x", (6, 4)), g.input("z", (1, 6, 4)))])) == []


@pytest.mark.parametrize(
    ("kind", "swapped", "expected"),
    [("SUB", False, True), ("SUB", True, False), ("MUL", False, False), ("MUL", True, True), ("MAXIMUM", False, True)],
)
def test_a_split_linked_with_its_own_parts_voids_every_output(kind, swapped, expected):
    g = GraphBuilder()
    a, b = g.split(g.input("x", (1, 4, 8)), 2, 2)
    first, second = (b, a) if swapped else (a, b)
    other = g.unary("NEG", g.input("z", (1, 4)), name="other")
    hazards = find_hazards(g.build([g.binary(kind, first, second, name="y"), other]))
    assert [(h.rule, h.effect, h.affected) for h in hazards] == ([("split-linked", "void", (0, 1))] if expected else [])


def test_a_gate_behind_a_split():
    """sigmoid(a) * b is linked into the SPLIT that makes b; a * sigmoid(b) is not."""
    for gated, expected in ((0, ["split-linked"]), (1, [])):
        g = GraphBuilder()
        parts = g.split(g.input("x", (1, 4, 8)), 2, 2)
        gate = g.unary("LOGISTIC", parts[gated])
        assert [rule for rule, _ in found(g.build([g.mul(gate, parts[1 - gated])]))] == expected


def test_a_split_put_together_again_must_be_the_same():
    for order, expected in (((0, 1), []), ((1, 0), [("split-merged", "y")])):
        g = GraphBuilder()
        parts = g.split(g.unary("NEG", g.input("x", (1, 4, 8))), 2, 2)
        assert found(g.build([g.concat([parts[i] for i in order], 2, name="y")])) == expected


@pytest.mark.parametrize(("channels", "expected"), [(3, ["padding-lanes"]), (4, [])])
@pytest.mark.parametrize("kind", ["DIV", "LOG", "RSQRT"])
def test_lanes_behind_the_last_channel_spoil_a_sum(kind, channels, expected):
    g = GraphBuilder()
    x = g.input("x", (1, 4, channels))
    y = g.div(x, g.const(np.full(channels, 2.0))) if kind == "DIV" else g.unary(kind, x)
    assert [rule for rule, _ in found(g.build([g.sum(g.unary("NEG", y), [2])]))] == expected
    assert found(g.build([g.reduce("REDUCE_MAX", y, [2])])) == []


@pytest.mark.parametrize(("size", "multiplier", "expected"), [(1, 2, True), (3, 2, False), (1, 1, False)])
def test_a_depthwise_multiplier_of_one_pixel_kernels(size, multiplier, expected):
    g = GraphBuilder()
    y = g.depthwise_conv2d(g.input("x", (1, 4, 4, 2)), np.ones((1, size, size, 2 * multiplier)), name="y")
    assert found(g.build([y])) == ([("depthwise-multiplier", "y")] if expected else [])


def test_every_inner_step_of_a_normalisation_is_lost_as_an_output():
    for step in range(6):
        g = GraphBuilder()
        x = g.input("x", (1, 4, 8))
        mean = g.mean(x, [2])
        sub = g.sub(x, mean)
        square = g.mul(sub, sub)
        variance = g.mean(square, [2])
        shifted = g.add(variance, g.const(np.float32(1e-5)))
        root = g.unary("RSQRT", shifted)
        inner = (mean, sub, square, variance, shifted, root)[step]
        assert found(g.build([inner, g.mul(sub, root)])) == [("mean-stddev-norm", inner)]


def test_risks_do_not_count_as_hazards():
    g = GraphBuilder()
    y = g.unary("NEG", g.input("x", (1, 4, 8)), name="y")
    big = g.const(np.full((4, 8), 1e6), name="big")
    graph = g.build([y, g.mul(y, big)])
    assert find_hazards(graph) == ()
    assert [(risk.rule, risk.tensor) for risk in find_risks(graph)] == [("output-consumed", "y"), ("fp16-range", "big")]


def test_refused_ops_and_ranks_are_risks():
    g = GraphBuilder()
    x = g.input("x", (1, 2, 2, 2, 2))
    graph = g.build([g.unary("NEG", x, name="y")])
    assert [(risk.rule, risk.tensor) for risk in find_risks(graph)] == [("op-refused", "y")]
    op = type(graph.ops[0])("GATHER_ND", graph.ops[0].inputs, graph.ops[0].outputs)
    strange = Graph(graph.tensors, (op,), graph.inputs, graph.outputs)
    assert "GATHER_ND" in find_risks(strange)[0].message


@pytest.mark.parametrize(
    ("shape", "depth", "expected"),
    [
        ((1,), 1, ""),
        ((2,), 2, "fc-rank-1"),
        ((8,), 4, "fc-rank-1"),
        ((2,), 1, ""),
        ((1, 4), 4, ""),
        ((2, 4), 2, "fc-flattens"),
        ((1, 2, 4), 8, "fc-flattens"),
        ((1, 2, 4), 4, ""),
    ],
)
def test_fully_connected_wants_its_depth_in_the_last_of_two_dimensions_or_more(shape, depth, expected):
    g = GraphBuilder()
    weights = g.const(np.ones((3, depth)))
    kept = len(shape) > 1 and shape[-1] == depth
    (y,) = g.op("FULLY_CONNECTED", (g.input("x", shape), weights), name="y", keep_num_dims=kept)
    assert found(g.build([y])) == ([(expected, "y")] if expected else [])


@pytest.mark.parametrize(
    ("graph", "expected"),
    [
        (lambda: runtime_weights(), True),
        (lambda: runtime_weights((2, 3, 4), held="made"), True),
        (lambda: runtime_weights(held="const"), False),
        (lambda: runtime_weights(bias="none"), False),
        (lambda: runtime_weights(bias="behind"), False),
        (lambda: runtime_weights((1, 1, 1, 4), convolution=True), False),
    ],
)
def test_fully_connected_keeps_its_bias_with_constant_weights_only(graph, expected):
    assert found(graph()) == ([("fc-runtime-weights", "y")] if expected else [])


def test_a_bias_of_zeros_is_not_missed():
    g = GraphBuilder()
    y = g.fully_connected(g.input("x", (1, 4)), g.input("w", (4, 4)), np.zeros(4), name="y")
    assert found(g.build([y])) == []


@pytest.mark.parametrize(("shape", "expected"), [((1,), False), ((2,), True), ((8,), True), ((1, 8), False)])
def test_softmax_wants_a_row(shape, expected):
    g = GraphBuilder()
    graph = g.build([g.op("SOFTMAX", (g.input("x", shape),), outputs=("y",), beta=1.0)[0]])
    assert found(graph) == ([("softmax-rank-1", "y")] if expected else [])


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
    assert found(graph) == ([(expected, "y")] if expected else [])


def test_a_cumsum_without_a_batch_takes_every_output_with_it():
    g = GraphBuilder()
    x = g.input("x", (1, 2, 3, 4))
    y = g.op("CUMSUM", (x, g.const(0, dtype="int32")), name="y")[0]
    (hazard,) = find_hazards(g.build([g.unary("TANH", x), y]))
    assert (hazard.effect, hazard.affected) == ("void", (0, 1))


@pytest.mark.parametrize(
    ("shape", "rows", "expected"),
    [
        ((2, 3, 4), [(0, 0), (0, 0), (0, 0)], "pad-rank-3"),
        ((1, 3, 4), [(0, 0), (1, 1), (0, 2)], ""),
        ((1, 3, 4), [(1, 0), (0, 0), (0, 0)], "pad-rank-3"),
        ((1, 2, 3, 4), [(1, 0), (0, 0), (0, 0), (0, 0)], "pad-batch"),
        ((2, 2, 3, 4), [(1, 0), (0, 0), (0, 0), (0, 0)], ""),
        ((2, 2, 3, 4), [(0, 0), (0, 0), (1, 0), (0, 0)], ""),
    ],
)
def test_padding_of_batches(shape, rows, expected):
    g = GraphBuilder()
    y = g.pad(g.input("x", shape), rows, name="y")
    assert found(g.build([y])) == ([(expected, "y")] if expected else [])


@pytest.mark.parametrize(
    ("sliced", "wrong"),
    [((0,), ["s0", "p1", "p2"]), ((1,), ["s1", "p2"]), ((2,), []), ((0, 1, 2), []), ((0, 2), ["p1", "s0"])],
)
def test_a_sliced_part_goes_behind_the_others(sliced, wrong):
    """Measured: of SPLIT in three, the outputs that changed places held each other."""
    g = GraphBuilder()
    parts = list(g.split(g.input("x", (1, 4, 6)), 3, 2, names=("p0", "p1", "p2")))
    for index in sliced:
        parts[index] = g.slice(parts[index], [0, 0, 0], (1, 4, 2), name=f"s{index}")
    assert sorted(tensor for _, tensor in found(g.build(parts))) == sorted(wrong)


def test_a_part_that_an_addition_leaves_over_changes_places():
    g = GraphBuilder()
    parts = g.split(g.unary("NEG", g.input("x", (1, 6, 8))), 3, 1, names=("a", "b", "c"))
    both = g.add(parts[0], parts[1], name="both")
    assert sorted(found(g.build([both, parts[2]]))) == [("split-merged", "both"), ("split-merged", "c")]
    g = GraphBuilder()
    parts = g.split(g.unary("NEG", g.input("x", (1, 6, 8))), 3, 1, names=("a", "b", "c"))
    both = g.concat(parts[1:], 1, name="both")
    assert found(g.build([both, parts[0]])) == []


def test_a_part_behind_a_concat_of_one_goes_behind_the_others():
    g = GraphBuilder()
    first, second = g.split(g.input("x", (1, 4, 4)), 2, 2, names=("a", "b"))
    assert sorted(found(g.build([g.concat([first], 2, name="c"), second]))) == [
        ("split-merged", "b"),
        ("split-merged", "c"),
    ]
    g = GraphBuilder()
    first, second = g.split(g.input("x", (1, 4, 4)), 2, 2)
    assert found(g.build([g.concat([second], 2), first])) == []


def test_a_sum_that_is_fused_with_its_reduction_is_not_linked_to_the_split():
    g = GraphBuilder()
    first, second = g.split(g.input("x", (1, 4, 8)), 2, 2)
    y = g.add(g.unary("TANH", first), second, name="y")
    assert "split-linked" in {rule for rule, _ in found(g.build([y]))}
    assert found(g.build([g.sum(y, [1])])) == []


def test_a_sliced_part_that_is_no_output_or_is_read_twice_stays():
    g = GraphBuilder()
    first, second = g.split(g.input("x", (1, 4, 4)), 2, 2)
    whole = g.slice(first, [0, 0, 0], (1, 4, 2))
    assert found(g.build([g.unary("NEG", whole), second])) == []
    g = GraphBuilder()
    first, second = g.split(g.input("x", (1, 4, 4)), 2, 2)
    assert found(g.build([g.slice(first, [0, 0, 0], (1, 4, 2)), g.unary("NEG", first), second])) == []


def read_twice(kind: str) -> Graph:
    g = GraphBuilder()
    x = g.input("x", (1, 3, 3))
    if kind == "BATCH_MATMUL":
        return g.build([g.batch_matmul(x, x, name="y")])
    if kind == "SELECT_V2":
        return g.build([g.select(g.input("c", (1, 3, 3), "bool"), x, x, name="y")])
    return g.build([g.binary(kind, x, x, name="y") if kind != "CONCATENATION" else g.concat([x, x], 2, name="y")])


@pytest.mark.parametrize("kind", ["BATCH_MATMUL", "SELECT_V2"])
def test_one_tensor_as_two_operands_ends_the_process(kind):
    (hazard,) = find_hazards(read_twice(kind))
    assert (hazard.rule, hazard.effect, hazard.affected) == ("same-operand-aborts", "abort", (0,))


@pytest.mark.parametrize(
    ("shape", "expected"), [((1, 3, 3), True), ((1, 2, 3, 3), True), ((2, 3, 3), False), ((3, 3), False)]
)
def test_a_product_of_matrices_with_a_batch_is_another_op(shape, expected):
    g = GraphBuilder()
    x = g.input("x", shape)
    assert bool(found(g.build([g.batch_matmul(x, x)]))) is expected


@pytest.mark.parametrize(("kind", "rules"), [("SUB", ["op-refused"]), ("ADD", []), ("MUL", []), ("CONCATENATION", [])])
def test_elementwise_ops_refuse_one_tensor_twice_or_take_it_for_another_op(kind, rules):
    assert [hazard.rule for hazard in lint(read_twice(kind))] == rules


@pytest.mark.parametrize(
    ("groups", "taken", "made", "expected"),
    [
        (2, 4, 4, ""),
        (2, 8, 4, ""),
        (2, 4, 2, "grouped-conv"),
        (2, 3, 4, "grouped-conv"),
        (2, 1, 1, ""),
        (2, 1, 2, "grouped-conv"),
        (2, 5, 4, "grouped-conv-aborts"),
        (2, 8, 2, "grouped-conv-aborts"),
        (1, 5, 3, ""),
    ],
)
def test_groups_want_multiples_of_four(groups, taken, made, expected):
    g = GraphBuilder()
    weights = np.ones((groups * made, 1, 1, taken))
    y = g.conv2d(g.input("x", (1, 4, 4, groups * taken)), weights, name="y")
    assert found(g.build([y])) == ([(expected, "y")] if expected else [])


def test_groups_without_room_for_their_weights_take_every_output_with_them():
    g = GraphBuilder()
    y = g.conv2d(g.input("x", (1, 4, 4, 6)), np.ones((8, 1, 1, 3)), name="y")
    (hazard,) = find_hazards(g.build([g.unary("TANH", g.input("z", (1, 4))), y]))
    assert (hazard.effect, hazard.affected) == ("void", (0, 1))


def test_every_rule_says_what_it_is_and_can_be_worked_around():
    for rule in RULES.values():
        assert rule.id == rule.id.lower()
        assert rule.level in ("hazard", "risky")
        assert rule.pattern
        words = dict.fromkeys(("tensor", "producer", "consumer", "outputs", "detail"), "X")
        assert "{" not in rule.message.format(**words) + rule.fix.format(**words)
        if rule.level == "hazard":
            assert rule.workaround in (*WORKAROUNDS, "")
            assert rule.workaround or "repro fix" not in rule.fix


def test_workarounds_leave_no_hazard_and_keep_names_and_order():
    mended = 0
    for index in range(400):
        graph = draw(2, index).graph
        if not find_hazards(graph):
            continue
        fixed = avoid_hazards(graph)
        assert all(not RULES[hazard.rule].workaround for hazard in fixed.left), index
        if fixed.left:
            continue
        assert fixed.graph.inputs == graph.inputs
        assert fixed.graph.outputs == graph.outputs
        for name in (*graph.inputs, *graph.outputs):
            assert fixed.graph.tensors[name].shape == graph.tensors[name].shape
        assert fixed.removed
        assert fixed.added
        mended += 1
    assert mended > 60


class _Counting(dict):
    """A dict that counts its look-ups, to weigh an algorithm without a clock."""

    def __init__(self, *args: object) -> None:
        super().__init__(*args)
        self.looked = 0

    def __getitem__(self, key: object) -> object:
        self.looked += 1
        return super().__getitem__(key)


def long_chain(length: int) -> tuple[Graph, _Counting]:
    """length ops of several kinds in a row, with a tensor that all of them read, and an output every tenth."""
    g = GraphBuilder()
    hub = g.input("hub", (1, 4, 8))
    current = g.input("x", (1, 4, 8))
    scale = g.const(ONES)
    outputs = []
    for index in range(length):
        kind = index % 4
        if kind == 0:
            current = g.add(current, hub)
        elif kind == 1:
            current = g.mul(current, scale)
        elif kind == 2:
            current = g.reshape(current, (1, 4, 8))
        else:
            current = g.unary("NEG", current)
        if index % 10 == 0:
            outputs.append(current)
    graph = g.build(dict.fromkeys([*outputs, current]))
    tensors = _Counting(graph.tensors)
    return Graph(tensors, graph.ops, graph.inputs, graph.outputs), tensors


def test_work_grows_with_the_number_of_ops_only():
    work = []
    for length in (500, 2000):
        graph, tensors = long_chain(length)
        lint(graph)
        work.append(tensors.looked / length)
    assert work[1] <= work[0] * 1.1
