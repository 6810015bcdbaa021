"""What a model keeps from run to run is what TFLite's kernels keep."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cases.builder import GraphBuilder
from cases.evaluation.bodies import evaluable_part
from cases.evaluation.evaluate import FLOAT16, evaluate, evaluate_run, evaluate_runs, unsupported
from cases.evaluation.variables import is_stateful
from cases.graph import Graph, GraphError, Op, Tensor
from cases.tflite.extras import on_grid
from tests.cases.evaluation.kernels import computed_runs
from tests.cases.evaluation.test_recurrent import CELLS, DEPTH, coupled_cell
from tests.cases.stateful import assigning, handle, once, remembering, smoothing

PROPERTY = settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))


def agrees_with_tflite(graph: Graph, feeds: list[tuple[np.ndarray, ...]], rtol: float = 1e-5) -> None:
    ours, theirs = evaluate_runs(graph, feeds), computed_runs(graph, feeds)
    for mine, other in zip(ours, theirs, strict=True):
        for name, values in zip(graph.outputs, other, strict=True):
            np.testing.assert_allclose(mine[name], values, rtol=rtol, atol=1e-6)


@PROPERTY
@given(data=st.data())
def test_each_run_begins_with_what_the_run_before_it_left(data: st.DataObject):
    shape = tuple(data.draw(st.lists(st.integers(1, 4), min_size=1, max_size=4)))
    graph = smoothing(shape, data.draw(st.sampled_from([0.5, -0.75, 1.25])))
    assert unsupported(graph) == []
    rng = np.random.default_rng(data.draw(st.integers(0, 999)))
    drawn = [(rng.standard_normal(shape).astype(np.float32),) for _ in range(3)]
    agrees_with_tflite(graph, [drawn[place] for place in data.draw(st.lists(st.integers(0, 2), max_size=6))])


@PROPERTY
@given(data=st.data())
def test_a_variable_holds_integers_that_whoever_reads_them_may_place_on_another_grid(data: st.DataObject):
    """The last rows of a window that slides along, as streaming models keep them."""
    rows, kept, width = (data.draw(st.integers(1, 3)) for _ in range(3))
    written, read = on_grid(0.1, -128), on_grid(data.draw(st.sampled_from([0.1, 0.25])), -128)
    g = GraphBuilder()
    before, x = g.input("before", (1, kept, width), "int8"), g.input("x", (1, rows, width), "int8")
    window = g.op("CONCATENATION", (before, x), axis=1, name="window")
    step = g.build([*g.op("SLICE", (*window, g.const([0, rows, 0], dtype="int32"),
                                    g.const([1, kept, width], dtype="int32")), name="last"), *window])  # fmt: skip
    tensors = {
        name: replace(t, raw=written) if t.dtype == "int8" and name != "before" else t
        for name, t in step.tensors.items()
    }
    first = np.full((1, kept, width), -128, np.int8)
    graph = remembering(replace(step, tensors=tensors), first, read)
    rng = np.random.default_rng(data.draw(st.integers(0, 999)))
    feeds = [(rng.integers(-128, 128, (1, rows, width)).astype(np.int8),) for _ in range(4)]
    if read == written:
        agrees_with_tflite(graph, feeds)
    states = [run["before"] for run in evaluate_runs(graph, feeds, keep=("before",))]
    lasts = [run["last"] for run in evaluate_runs(graph, feeds)]
    assert [state.tolist() for state in states] == [first.tolist(), *(last.tolist() for last in lasts[:-1])]


def test_states_of_recurrent_ops_are_kept_too():
    op = coupled_cell()
    feeds = [(np.full((2, DEPTH), value, np.float32),) for value in (1, -2, 1)]
    agrees_with_tflite(op.graph([(2, CELLS)]), feeds)
    walk = replace(
        op, kind="UNIDIRECTIONAL_SEQUENCE_LSTM", operands=[np.ones((2, 4, DEPTH), np.float32), *op.operands[1:]]
    )
    graph = walk.graph([(2, 4, CELLS)])
    agrees_with_tflite(graph, [(np.full((2, 4, DEPTH), value, np.float32),) for value in (1, -2, 1)])
    assert is_stateful(graph)


def test_equal_names_are_one_variable_and_the_initialiser_runs_once():
    initialiser = assigning(memory=np.array([3.0], np.float32))
    tensors = {name: Tensor(name, (), "resource") for name in ("a", "b")}
    tensors |= {name: Tensor(name, (1,)) for name in ("x", "y")}
    ops = (
        *(once(initialiser), once(initialiser), handle("a", "memory"), handle("b", "memory")),
        *(Op("READ_VARIABLE", ("a",), ("y",)), Op("ASSIGN_VARIABLE", ("b", "x"), ())),
    )
    graph = Graph(tensors, ops, ("x",), ("y",))
    feeds = [(np.array([value], np.float32),) for value in (5, 7, 9)]
    assert [run["y"].tolist() for run in evaluate_runs(graph, feeds)] == [[3.0], [5.0], [7.0]]
    assert evaluate_run(graph, feeds, 2)["y"].tolist() == [7.0]
    agrees_with_tflite(graph, feeds)


def test_each_evaluation_is_a_first_run_unless_it_is_told_of_others():
    graph = smoothing((2,))
    feed = (np.ones(2, np.float32),)
    assert evaluate(graph, feed)["y"].tolist() == evaluate(graph, feed)["y"].tolist() == [1.125, 1.125]
    assert [run["y"][0] for run in evaluate_runs(graph, [feed] * 3)] == [1.125, 1.5625, 1.78125]


def test_noise_is_kept_as_well():
    graph, feed = smoothing((64,), 0.9), (np.linspace(0.1, 1.3, 64, dtype=np.float32),)
    exact, rounded = (evaluate_runs(graph, [feed] * 12, *kind) for kind in ((), (FLOAT16,)))
    first, last = (np.abs(rounded[k]["y"] - exact[k]["y"]).mean() for k in (0, -1))
    assert last > 2 * first > 0


def test_what_cannot_be_evaluated_is_named():
    tensors = {"state": Tensor("state", (), "resource"), "y": Tensor("y", (1,))}
    unset = Graph(tensors, (handle("state", "memory"), Op("READ_VARIABLE", ("state",), ("y",))), (), ("y",))
    with pytest.raises(GraphError, match="READ_VARIABLE of a variable that nothing has assigned"):
        evaluate(unset, ())
    assert unsupported(Graph({}, (Op("CALL_ONCE", (), ()),), (), ())) == ["CALL_ONCE whose subgraph was not read"]
    foreign = Graph({"h": Tensor("h", (1,))}, (Op("HASHTABLE", (), ("h",)),), (), ())
    assert unsupported(Graph({}, (once(foreign),), (), ())) == ["HASHTABLE"]
    assert is_stateful(unset)
    assert not is_stateful(foreign)


def test_no_part_of_a_graph_with_variables_is_evaluated_without_the_rest():
    graph = smoothing((2,))
    tensors = {**graph.tensors, "z": Tensor("z", (2,))}
    partly = replace(graph, tensors=tensors, ops=(*graph.ops, Op("FOREIGN", ("y",), ("z",))), outputs=("y", "z"))
    assert evaluable_part(partly, unsupported) is None
