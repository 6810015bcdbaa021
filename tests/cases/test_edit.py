"""Edits of a graph: each changes what its name says, keeps the rest, and leaves the original graph as it was."""

from __future__ import annotations

import random
from dataclasses import replace

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from hypothesis import given, settings
from hypothesis import strategies as st

from cases.builder import GraphBuilder
from cases.edit import (
    GraphEdit,
    renamed,
    subgraph,
    touched_tensors,
    unused_name,
    with_attributes,
    with_inferred_shapes,
    with_names,
    with_op,
    with_operand,
    without_dead_ops,
    without_output,
    without_unread_inputs,
    without_untouched_tensors,
    without_unused_constants,
)
from cases.evaluation.evaluate import evaluate
from cases.evaluation.quantised import constant_of, grid_of
from cases.graph import Graph, GraphError, Op, Tensor
from cases.inputs import standard_feeds
from cases.tflite.extras import TensorExtras
from cases.tflite.packing import packed
from repro.fuzzer.generate import grow
from tests.repro.quantising import extras

SCALES = np.array([0.5, 1.0, 2.0])
grown = st.integers(0, 2**32 - 1).map(lambda seed: grow(random.Random(seed)))


def diamond() -> Graph:
    """x -> NEG -> (ABS, SQUARE) -> ADD, with the NEG an output as well."""
    g = GraphBuilder()
    x = g.input("x", (2, 3))
    n = g.unary("NEG", x, "n")
    total = g.add(g.unary("ABS", n, "a"), g.unary("SQUARE", n, "s"), name="total")
    return g.build([n, total])


def kinds(graph: Graph) -> list[str]:
    return [op.kind for op in graph.ops]


# --- one op ---------------------------------------------------------------------------------------------


def test_an_op_is_renamed_wherever_it_reads_or_writes():
    op = Op("ADD", ("x", "x", ""), ("y",), {"a": 1}, raw="kept")
    assert renamed(op, {"x": "z"}).inputs == ("z", "z", "")
    assert renamed(op, {"x": "z"}).outputs == ("y",)
    assert renamed(op, outputs={"y": "w"}) is not op
    assert renamed(op, outputs={"y": "w"}).outputs == ("w",)
    assert renamed(op, {"y": "w"}).outputs == ("y",)
    assert renamed(op).raw == "kept"


def test_one_operand_is_exchanged_and_its_twin_stays():
    op = Op("ADD", ("x", "x"), ("y",))
    assert with_operand(op, 1, "z").inputs == ("x", "z")
    assert op.inputs == ("x", "x")


def test_attributes_are_exchanged_or_added():
    op = Op("ADD", ("x", "x"), ("y",), {"kept": 1, "old": 2})
    assert with_attributes(op, old=3, new=4).attrs == {"kept": 1, "old": 3, "new": 4}
    assert op.attrs == {"kept": 1, "old": 2}


# --- a graph ---------------------------------------------------------------------------------------------


def test_an_unused_name_has_the_first_free_number():
    tensors = {name: Tensor(name, ()) for name in ("t0", "t1", "t3")}
    graph = Graph(tensors, (), (), ())
    assert unused_name(graph, "t") == "t2"
    assert unused_name(graph, "other") == "other0"


def test_another_op_at_a_place_and_an_output_less():
    graph = diamond()
    changed = with_op(graph, 1, replace(graph.ops[1], kind="RELU"))
    assert kinds(changed) == ["NEG", "RELU", "SQUARE", "ADD"]
    assert kinds(graph) == ["NEG", "ABS", "SQUARE", "ADD"]
    assert without_output(graph, "n").outputs == ("total",)
    assert "n" in without_output(graph, "n").tensors


def test_new_names_reach_tensors_ops_and_ends_and_drop_what_has_none():
    graph = replace(diamond(), extras="signature names")
    names = {"x": "x0", "n": "out0", "a": "t0", "s": "t1", "total": "y"}
    fresh = with_names(graph, names).validate()
    assert set(fresh.tensors) == set(names.values())
    assert (fresh.inputs, fresh.outputs, fresh.extras) == (("x0",), ("out0", "y"), None)
    assert fresh.ops[3].inputs == ("t0", "t1")


def test_shapes_are_inferred_anew_behind_a_changed_input_and_what_does_not_fit_is_refused():
    graph = diamond()
    wider = replace(graph, tensors={**graph.tensors, "x": Tensor("x", (5, 7))})
    assert with_inferred_shapes(wider).tensors["total"].shape == (5, 7)
    g = GraphBuilder()
    x, w = g.input("x", (2, 3)), g.input("w", (2, 3))
    both = g.build([g.add(x, w)])
    with pytest.raises(GraphError, match="do not broadcast"):
        with_inferred_shapes(replace(both, tensors={**both.tensors, "w": Tensor("w", (4, 3))}))


@settings(max_examples=40, deadline=None)
@given(grown)
def test_inferred_shapes_are_the_declared_ones_of_a_valid_graph(graph: Graph):
    inferred = with_inferred_shapes(graph)
    assert {n: t.shape for n, t in inferred.tensors.items()} == {n: tuple(t.shape) for n, t in graph.tensors.items()}


@settings(max_examples=60, deadline=None)
@given(grown, st.data())
def test_a_subgraph_fed_with_what_the_graph_computes_computes_the_same(graph: Graph, data: st.DataObject):
    places = data.draw(st.sets(st.integers(0, len(graph.ops) - 1), min_size=1))
    part = subgraph(graph, places).validate()
    assert kinds(part) == [op.kind for place, op in enumerate(graph.ops) if place in places]
    feed = standard_feeds([graph.tensors[name] for name in graph.inputs], 0)[0]
    values = evaluate(graph, feed, keep=tuple(graph.tensors))
    values |= dict(zip(graph.inputs, feed, strict=True))
    for name, value in evaluate(part, [values[name] for name in part.inputs]).items():
        np.testing.assert_array_equal(value, values[name])
    assert set(part.outputs) >= {name for name in graph.outputs if name in part.producers}
    unread = {name for op in part.ops for name in op.outputs if name not in part.uses}
    assert set(part.outputs) >= unread


def test_a_subgraph_has_the_ends_of_the_cut_as_its_own_ends():
    part = subgraph(diamond(), {1, 3})
    assert kinds(part) == ["ABS", "ADD"]
    assert part.inputs == ("n", "s")
    assert part.outputs == ("total",)
    assert set(part.tensors) == {"n", "s", "a", "total"}
    assert subgraph(diamond(), {0, 1}).outputs == ("n", "a")


# --- leaving out what is not used ----------------------------------------------------------------------------


def with_leftovers() -> Graph:
    """A graph with an input, a constant, a runtime tensor and an op that its output does not need."""
    g = GraphBuilder()
    x, idle = g.input("x", (2, 3)), g.input("idle", (2, 3))
    scale = g.const(np.ones((2, 3)), "scale")
    g.const(np.zeros(3), "unread")
    g.mul(idle, scale, "dead")
    graph = g.build([g.unary("NEG", x, "y")])
    return replace(graph, tensors={**graph.tensors, "variable": Tensor("variable", (2,))}, extras="signature names")


def test_untouched_tensors_are_those_that_neither_ops_nor_ends_name():
    assert touched_tensors(with_leftovers()) == {"x", "idle", "scale", "dead", "y"}
    trimmed = without_untouched_tensors(with_leftovers())
    assert set(trimmed.tensors) == {"x", "idle", "scale", "dead", "y"}
    assert trimmed.extras is None


def test_unused_constants_go_and_variables_and_extras_of_the_file_stay():
    kept = without_unused_constants(with_leftovers())
    assert set(kept.tensors) == {"x", "idle", "scale", "dead", "y", "variable"}
    assert kept.extras == "signature names"


def test_an_input_stays_where_it_is_read_or_is_an_output():
    g = GraphBuilder()
    x, through, _ = g.input("x", (2,)), g.input("through", (2,)), g.input("idle", (2,))
    graph = g.build([g.unary("NEG", x), through])
    assert without_unread_inputs(graph).inputs == ("x", "through")


def test_dead_ops_go_with_what_only_they_read():
    live = without_dead_ops(with_leftovers())
    assert kinds(live) == ["NEG"]
    assert live.inputs == ("x",)
    assert set(live.tensors) == {"x", "y"}


def test_an_op_with_one_needed_result_keeps_them_all():
    g = GraphBuilder()
    first, _ = g.split(g.input("x", (4,)), 2, 0)
    graph = g.build([g.unary("NEG", first)])
    assert len(without_dead_ops(graph).validate().ops[0].outputs) == 2


# --- several edits in a row ------------------------------------------------------------------------------------


def test_edits_in_a_row_take_free_names_and_leave_the_graph_they_began_with():
    graph = diamond()
    edit = GraphEdit(graph)
    copy = edit.identity_transpose(graph.ops[3], "a")
    edit.swap(graph.ops[3], renamed(graph.ops[3], {"a": copy}))
    flat = edit.reshape_before(graph.ops[1], "n", (6,))
    changed = edit.swap(graph.ops[1], renamed(graph.ops[1], {"n": flat}))
    edit.reshape_after(changed, "a", (6,))
    edited = edit.finished()
    assert kinds(edited) == ["NEG", "RESHAPE", "ABS", "RESHAPE", "SQUARE", "TRANSPOSE", "ADD"]
    assert kinds(graph) == ["NEG", "ABS", "SQUARE", "ADD"]
    feed = (np.arange(6, dtype=np.float32).reshape(2, 3),)
    before, after = evaluate(graph, feed), evaluate(edited, feed)
    for name in graph.outputs:
        np.testing.assert_array_equal(before[name], after[name])


def test_a_constant_that_an_edit_leaves_unread_is_gone_when_it_is_finished():
    g = GraphBuilder()
    graph = g.build([g.add(g.input("x", (3,)), g.const(np.ones(3), "old"), "y")])
    edit = GraphEdit(graph)
    new = edit.constant("old", np.full(3, 2.0, np.float32))
    edit.swap(graph.ops[0], renamed(graph.ops[0], {"old": new}))
    edited = edit.finished()
    assert new == "old/fix"
    assert set(edited.tensors) == {"x", "y", "old/fix"}


def test_an_edit_that_leaves_a_reader_without_its_tensor_is_refused():
    graph = diamond()
    edit = GraphEdit(graph)
    edit.swap(graph.ops[0], renamed(graph.ops[0], outputs={"n": edit.tensor_like("n")}))
    with pytest.raises(GraphError, match="reads 'n' before anything wrote it"):
        edit.finished()


def test_a_tensor_like_another_lies_on_its_grid_and_has_nothing_else_of_it():
    state = Tensor("s", (2, 3), "int8", None, replace(extras(0.5), is_variable=True, shape_signature=(-1, 3)))
    edit = GraphEdit(Graph({"s": state}, (), ("s",), ("s",)))
    new = edit.tensors[edit.tensor_like("s", (6,))]
    assert (new.shape, new.dtype, new.data, new.is_state) == ((6,), "int8", None, False)
    assert new.raw == TensorExtras(state.raw.quantization)


def test_scales_along_a_dimension_stay_where_the_shape_stays_and_are_refused_in_another():
    channels = Tensor("c", (2, 3), "int8", None, extras(SCALES, 0, 1))
    edit = GraphEdit(Graph({"c": channels}, (), ("c",), ("c",)))
    assert edit.tensors[edit.tensor_like("c")].raw == TensorExtras(channels.raw.quantization)
    with pytest.raises(GraphError, match="'c' has a scale per index or block"):
        edit.tensor_like("c", (3, 2))


@pytest.mark.parametrize("dtype", ["int8", "int4"])
def test_a_constant_like_another_counts_its_quantised_dimension_from_the_last(dtype: str):
    steps = np.array([[1, -2, 3], [4, 5, -6]], np.int8)
    raw = replace(extras(SCALES, 0, 1), data=packed(steps, 4) if dtype == "int4" else None)
    edit = GraphEdit(Graph({"c": Tensor("c", (2, 3), dtype, steps, raw)}, (), (), ()))
    new = edit.tensors[edit.constant_like("c", np.stack([steps, steps]))]
    grid, elements = grid_of(new), constant_of(new)
    assert grid is not None
    assert elements is not None
    np.testing.assert_array_equal(grid.real(elements), np.stack([steps * SCALES] * 2))
    assert raw.quantization.quantizedDimension == 1


def test_scales_of_blocks_are_refused_in_another_shape():
    blocks = TensorExtras(schema.QuantizationParametersT(), block_scales=Tensor("scales", (2, 1), "float16"))
    blocks.quantization.details = schema.BlockwiseQuantizationT()
    edit = GraphEdit(Graph({"w": Tensor("w", (2, 4), "int4", np.zeros((2, 4), np.uint8), blocks)}, (), (), ()))
    assert edit.tensors[edit.constant_like("w", np.ones((2, 4), np.int8))].raw.block_scales is blocks.block_scales
    with pytest.raises(GraphError, match="'w' has a scale per block"):
        edit.constant_like("w", np.ones((3, 4), np.int8))
