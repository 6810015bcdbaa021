"""Passes propose smaller specimens: what each changes, and that nothing but that changes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from cases.builder import GraphBuilder
from cases.evaluation.evaluate import evaluate
from cases.graph import Graph
from cases.inputs import StandardFeeds
from repro.reducer import passes
from repro.reducer.problem import ReferenceValues, Specimen, role_drift
from runner.run import Feed


def values_of(graph: Graph, feed: Feed) -> dict[str, np.ndarray]:
    return evaluate(graph, feed, keep=tuple(graph.tensors)) | dict(zip(graph.inputs, feed, strict=True))


def specimen(graph: Graph, output: str = "") -> Specimen:
    return Specimen(graph, StandardFeeds(0, again=True).make([graph.tensors[name] for name in graph.inputs]), output)


def proposals(propose: passes.Propose, graph: Graph, output: str = "") -> list[Specimen]:
    original = specimen(graph, output)
    return list(propose(original, ReferenceValues(values_of, original)))


def kinds(one: Specimen) -> list[str]:
    return [op.kind for op in one.graph.ops]


def line() -> Graph:
    """x -> NEG -> ABS -> TANH, all of one shape, with the ABS an output as well."""
    g = GraphBuilder()
    a = g.unary("ABS", g.unary("NEG", g.input("x", (2, 3)), "n"), "a")
    return g.build([a, g.unary("TANH", a, "t")])


def test_windows_around_the_failing_op_grow_and_are_fed_what_the_graph_computes():
    g = GraphBuilder()
    x = g.input("x", (1, 6, 8))
    for _ in range(20):
        x = g.unary("TANH", x)
    y = g.add(x, g.input("z", (1, 6, 8)), name="sum")
    graph = g.build([g.unary("NEG", g.mean(y, [2])), y])
    original = specimen(graph, "sum")
    values = ReferenceValues(values_of, original)
    windows = list(passes.windows(original, values))
    assert kinds(windows[0]) == ["ADD", "MEAN"]  # the failing op with its reader, which may be the reason
    before = [len(window.graph.ops) for window in windows if " before " in window.made_by]
    assert before == [2, 3, 5, 9, 17, 22]  # ever twice as much of what is before it
    around = [len(window.graph.ops) for window in windows if " within " in window.made_by]
    assert around == [5, 6, 7, 8]  # up to five steps away; one step away is a window that was there
    for window in windows:
        assert "sum" in window.graph.outputs
        assert role_drift(graph, window.graph) == set()
        for name, array in zip(window.graph.inputs, window.feeds[0], strict=True):
            np.testing.assert_array_equal(array, values(0)[name])


def test_every_op_but_the_failing_one_is_cut_off():
    assert [kinds(p) for p in proposals(passes.without_op, line(), "t")] == [["ABS", "TANH"], ["NEG", "TANH"]]
    assert proposals(passes.without_op, line(), "t")[1].graph.inputs == ("x", "a")


def test_only_an_output_that_is_read_and_not_watched_stops_being_one():
    assert [p.graph.outputs for p in proposals(passes.without_output, line(), "t")] == [("t",)]
    assert proposals(passes.without_output, line(), "a") == []


def test_an_op_is_bypassed_where_its_readers_can_read_its_input():
    around_neg, around_abs = proposals(passes.bypassed, line(), "t")
    assert kinds(around_neg) == ["ABS", "TANH"]
    assert around_neg.graph.ops[0].inputs == ("x",)
    assert kinds(around_abs) == ["NEG", "TANH"]
    assert around_abs.graph.outputs == ("n", "t")
    g = GraphBuilder()
    narrow = g.build([g.unary("NEG", g.sum(g.input("x", (2, 3)), [1]), "y")])
    assert [kinds(p) for p in proposals(passes.bypassed, narrow, "y")] == []


def test_the_watched_output_moves_up_or_loses_its_readers():
    (moved,) = proposals(passes.output_moved_up, line(), "t")
    assert (moved.output, moved.about_role, kinds(moved)) == ("a", True, ["NEG", "ABS"])
    (unread,) = proposals(passes.unread_output, line(), "a")
    assert (unread.output, unread.about_role, kinds(unread)) == ("a", True, ["NEG", "ABS"])


@pytest.mark.parametrize("kind", ["ADD", "MUL", "RESHAPE", "TRANSPOSE"])
def test_two_of_a_kind_in_a_row_become_one_that_computes_the_same(kind: str):
    g = GraphBuilder()
    y = g.input("x", (2, 3, 4))
    for shift in (1.0, 2.0):
        if kind == "RESHAPE":
            y = g.reshape(y, (6, 4) if shift == 1.0 else (4, 6))
        elif kind == "TRANSPOSE":
            y = g.transpose(y, (1, 2, 0))
        else:
            y = g.binary(kind, y, g.const(np.full(g.shape(y)[-1:], shift + 0.5)))
    graph = g.build([y])
    (merged,) = proposals(passes.merged_chains, graph, y)
    assert kinds(merged) == [kind]
    feed = merged.feeds[0]
    np.testing.assert_allclose(evaluate(merged.graph, feed)[y], evaluate(graph, feed)[y])


def test_dimensions_shrink_through_parameters_and_an_ops_own_data_stays_with_it():
    g = GraphBuilder()
    x = g.input("x", (1, 20, 8))
    y = g.reshape(g.mul(x, g.const(np.ones((1, 20, 8)))), (20, 8), name="y")
    graph = g.build([y])
    foreign = replace(graph, ops=tuple(replace(op, raw="kept") for op in graph.ops))
    smaller = passes.resized(specimen(foreign, "y"), {20: 2})
    assert smaller is not None
    assert smaller.graph.tensors["y"].shape == (2, 8)
    assert all(op.raw == "kept" for op in smaller.graph.ops)
    assert smaller.graph.ops[1].attrs["new_shape"] == [2, 8]
    shape = next(t for t in smaller.graph.tensors.values() if t.dtype == "int32")
    assert shape.data is not None
    assert shape.data.tolist() == [2, 8]
    assert smaller.feeds[0] is smaller.feeds[3]
    assert passes.resized(specimen(foreign, "y"), {20: 0}) is None


def test_sizes_shrink_everywhere_at_once():
    g = GraphBuilder()
    x = g.input("x", (1, 6, 16))
    graph = g.build([g.add(g.fully_connected(x, np.ones((16, 16))), x, name="y")])
    sizes = {p.graph.tensors["y"].shape for p in proposals(passes.shrunk, graph, "y")}
    assert (1, 6, 8) in sizes
    assert (1, 3, 16) in sizes
    for proposal in proposals(passes.shrunk, graph, "y"):
        evaluate(proposal.graph, proposal.feeds[0])


def test_constants_become_ones_and_ramps_and_those_that_are_so_are_left():
    g = GraphBuilder()
    graph = g.build([g.mul(g.input("x", (3,)), g.const([0.5, 0.25, 2.0], "c"), "y")])
    ones, ramp = proposals(passes.simpler_constants, graph, "y")
    assert np.ravel(ones.graph.tensors["c"].data).tolist() == [1, 1, 1]
    assert np.ravel(ramp.graph.tensors["c"].data).tolist() == [-3, -2, -1]
    assert len(proposals(passes.simpler_constants, ones.graph, "y")) == 1


def test_activations_and_biases_go_one_at_a_time():
    g = GraphBuilder()
    x = g.input("x", (2, 3))
    graph = g.build([g.fully_connected(x, np.ones((4, 3)), np.ones(4), "y", activation="RELU")])
    bare, unbiased = proposals(passes.without_options, graph, "y")
    assert bare.graph.ops[0].attrs["fused_activation_function"] == "NONE"
    assert len(bare.graph.ops[0].inputs) == 3
    assert unbiased.graph.ops[0].inputs[2] == ""
    assert unbiased.graph.ops[0].attrs["fused_activation_function"] == "RELU"


def test_canonical_names_say_what_a_tensor_is():
    g = GraphBuilder()
    x = g.input("serving_default_x:0", (2, 3))
    scaled = g.mul(g.unary("NEG", x, "inner"), g.const(np.ones(3), "weights"), "failing")
    named = passes.canonical(specimen(g.build([g.unary("ABS", scaled, "other"), scaled]), "failing"))
    assert named.output == "y"
    assert named.graph.inputs == ("x0",)
    assert named.graph.outputs == ("out0", "y")
    assert set(named.graph.tensors) == {"x0", "t0", "c0", "y", "out0"}
    named.graph.validate()
