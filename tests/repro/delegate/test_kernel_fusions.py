"""Patterns that become one kernel: which they are, what is lost inside, and what such a kernel computes wrong."""

from __future__ import annotations

import numpy as np
import pytest

from cases.builder import GraphBuilder
from cases.graph import Graph
from repro.delegate.kernel_fusions import NORMALISATION
from repro.delegate.replay import replay
from tests.repro.delegate.replayed import wrong


def fused(graph: Graph) -> list[str]:
    """Kinds of the nodes that became part of a fused kernel."""
    return [node.kind for node in replay(graph).graph.live() if node.fused_by]


def add_reduce(g: GraphBuilder, kind: str = "SUM", other: tuple[int, ...] = (1, 4, 8)) -> tuple[str, str]:
    y = g.add(g.input("x", (1, 4, 8)), g.input("z", other), name="y")
    return y, g.reduce(kind, y, [2], name="r")


def test_add_reduce():
    g = GraphBuilder()
    assert wrong(g.build(add_reduce(g))) == [("add-reduce", "y")]


@pytest.mark.parametrize("kind", ["SUM", "MEAN", "REDUCE_MAX", "REDUCE_MIN", "REDUCE_PROD"])
def test_add_reduce_takes_every_reduction(kind):
    g = GraphBuilder()
    assert ("add-reduce", "y") in wrong(g.build(add_reduce(g, kind)))


def test_add_that_broadcasts_is_not_fused_with_the_reduction():
    g = GraphBuilder()
    assert wrong(g.build(add_reduce(g, other=(1, 1, 8)))) == []


def test_add_that_is_no_output_is_only_fused():
    g = GraphBuilder()
    assert wrong(g.build([add_reduce(g)[1]])) == []


def test_a_second_reader_blocks_the_fusion():
    g = GraphBuilder()
    y, r = add_reduce(g)
    assert wrong(g.build([y, r, g.unary("NEG", y)])) == []


def test_an_activation_stands_between():
    g = GraphBuilder()
    y = g.add(g.input("x", (1, 4, 8)), g.input("z", (1, 4, 8)), name="y", activation="RELU")
    assert wrong(g.build([y, g.sum(y, [2])])) == []


def test_extrema_of_a_sum_start_from_zero_without_any_role():
    g = GraphBuilder()
    assert wrong(g.build([add_reduce(g, "REDUCE_MAX")[1]])) == [("add-reduce-extremum", "r")]


def normalised(inner: int | None = None, other: bool = False, axes: tuple[int, ...] = (2,)) -> Graph:
    """(x - mean) / deviation of one SPLIT's part.

    inner: which of the six inner steps is a graph output too. other: whether the mean is of another part.
    """
    g = GraphBuilder()
    x, second = g.split(g.input("x", (1, 4, 16)), 2, 2)
    mean = g.mean(second if other else x, axes)
    sub = g.sub(x, mean)
    square = g.mul(sub, sub)
    variance = g.mean(square, axes)
    shifted = g.add(variance, g.const(np.float32(1e-5)))
    root = g.unary("RSQRT", shifted)
    steps = (mean, sub, square, variance, shifted, root)
    outputs = [] if inner is None else [steps[inner]]
    return g.build([*outputs, g.mul(sub, root, name="y"), *([] if other else [second])])


@pytest.mark.parametrize("inner", range(6))
def test_every_inner_step_of_a_normalisation_is_lost_as_an_output(inner):
    graph = normalised(inner)
    assert wrong(graph) == [(NORMALISATION, graph.outputs[0])]


def test_a_normalisation_that_shows_only_its_result_is_fused_and_right():
    assert wrong(normalised()) == []
    assert fused(normalised()) == ["MEAN", "SUB", "SQUARE", "MEAN", "ADD", "RSQRT", "MUL"]


def test_a_normalisation_over_another_axis_is_no_kernel():
    assert fused(normalised(axes=(1,))) == []
    assert wrong(normalised(2, axes=(1,))) == []


def test_a_mean_of_another_part_of_the_same_split_is_taken_for_the_tensors_own():
    assert wrong(normalised(other=True)) == [("norm-other-input", "y")]


def mish(inner: int | None = None, one: float = 1.0) -> Graph:
    """x * tanh(log(exp(x) + 1)). inner: which of the four inner steps is a graph output too."""
    g = GraphBuilder()
    x = g.unary("NEG", g.input("x", (1, 4, 8)))
    exp = g.unary("EXP", x)
    plus = g.add(exp, g.const(np.float32(one)))
    log = g.unary("LOG", plus)
    steps = (exp, plus, log, g.unary("TANH", log))
    return g.build([*([] if inner is None else [steps[inner]]), g.mul(x, steps[-1])])


@pytest.mark.parametrize("inner", range(4))
def test_every_inner_step_of_a_mish_is_lost_as_an_output(inner):
    graph = mish(inner)
    assert wrong(graph) == [("mish", graph.outputs[0])]


def test_a_softplus_with_another_constant_is_no_mish():
    assert fused(mish()) == ["EXP", "ADD", "LOG", "TANH", "MUL"]
    assert fused(mish(one=2.0)) == []
    assert wrong(mish(2, one=2.0)) == []


def correlation(begins: tuple[int, int] = (0, 0), kinds: tuple[str, str] = ("SUM", "SUM")) -> Graph:
    """CONCAT of two reductions over channels of x times slices of z that begin at `begins` of its channels."""
    g = GraphBuilder()
    x, z = g.input("x", (1, 4, 4, 8)), g.input("z", (1, 6, 6, 8 + max(begins)))
    branches = []
    for place, (begin, kind) in enumerate(zip(begins, kinds, strict=True)):
        piece = g.slice(z, (0, place, 0, begin), (1, 4, 4, 8))
        branches.append(g.reduce(kind, g.mul(x, piece), [3]))
    return g.build([g.concat(branches, 3, name="y")])


def test_a_correlation_is_one_kernel_that_is_right_while_all_branches_begin_at_channel_zero():
    right = correlation()
    assert fused(right) == ["SLICE", "MUL", "SUM", "SLICE", "MUL", "SUM", "CONCAT"]
    assert wrong(right) == []
    assert wrong(correlation(begins=(0, 4))) == [("slice-mul-reduce-concat", "y")]
    assert wrong(correlation(kinds=("SUM", "MEAN"))) == [("slice-mul-reduce-concat", "y")]


@pytest.mark.parametrize(("seen", "expected"), [(0, []), (1, [("slice-mul-reduce-concat", "seen")])])
def test_a_slice_that_is_a_kernel_before_the_pattern_starts_is_written_all_the_same(seen, expected):
    """Two read the slice, so that the pattern cannot start from it: the first one is emitted, a later one swallowed."""
    g = GraphBuilder()
    x, z = g.input("x", (1, 4, 4, 8)), g.input("z", (1, 6, 6, 8))
    pieces = [g.slice(z, (0, place, 0, 0), (1, 4, 4, 8)) for place in range(2)]
    branches = [g.sum(g.mul(x, piece), [3]) for piece in pieces]
    graph = g.build([g.concat(branches, 3), g.unary("NEG", pieces[seen], name="seen")])
    assert "CONCAT" in fused(graph)
    assert wrong(graph) == expected


@pytest.mark.parametrize(("shown", "lost"), [("y", True), ("r", False)])
def test_only_the_last_node_of_a_kernel_writes_its_output(shown, lost):
    g = GraphBuilder()
    y = g.add(g.input("x", (1, 4, 8)), g.input("z", (1, 4, 8)), name="y")
    r = g.sum(y, [2], name="r")
    after = g.unary("NEG", r)
    assert bool(wrong(g.build([{"y": y, "r": r}[shown], after]))) is lost
