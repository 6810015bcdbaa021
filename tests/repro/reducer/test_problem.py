"""What is being reduced: cuts that are fed what the graph computes, drift of roles, and what counts as smaller."""

from __future__ import annotations

import numpy as np

from cases.builder import GraphBuilder
from cases.evaluation.evaluate import evaluate
from cases.graph import Graph
from cases.inputs import StandardFeeds
from repro.reducer.problem import (
    Failure,
    ReferenceValues,
    Specimen,
    complexity,
    cut,
    failure_of,
    map_feeds,
    op_label,
    role_drift,
    with_graph,
)
from repro.verdicts.verdict import Status, Verdict
from runner.run import Feed


def values_of(graph: Graph, feed: Feed) -> dict[str, np.ndarray]:
    return evaluate(graph, feed, keep=tuple(graph.tensors))


def specimen(graph: Graph, output: str = "") -> Specimen:
    return Specimen(graph, StandardFeeds(0, again=True).make([graph.tensors[name] for name in graph.inputs]), output)


def two_readers() -> Graph:
    g = GraphBuilder()
    t = g.unary("TANH", g.input("x", (1, 4, 8)), name="t")
    g.unary("NEG", t, name="a")
    g.unary("ABS", t, name="b")
    return g.build(["a", "b"])


def test_losing_one_of_two_readers_is_a_drift_and_losing_all_is_an_end():
    graph = two_readers()
    original = specimen(graph, "a")
    values = ReferenceValues(values_of, original)
    assert role_drift(graph, cut(original, {0, 1}, values, "").graph) == {"t"}
    assert role_drift(graph, cut(original, {0}, values, "").graph) == set()
    assert role_drift(graph, cut(original, {1, 2}, values, "").graph) == set()


def test_a_cut_is_fed_what_the_graph_computes_there_and_keeps_a_b_c_a():
    original = specimen(two_readers(), "a")
    values = ReferenceValues(values_of, original)
    part = cut(original, {1, 2}, values, "cut off TANH")
    assert part.graph.inputs == ("t",)
    np.testing.assert_array_equal(part.feeds[0][0], np.tanh(original.feeds[0][0].astype(np.float64)))
    assert part.feeds[0] is part.feeds[3]
    assert part.feeds[0] is not part.feeds[1]
    assert (part.output, part.made_by) == ("a", "cut off TANH")


def test_reference_values_are_computed_once_per_feed():
    asked: list[int] = []
    original = specimen(two_readers(), "a")

    def compute(graph: Graph, feed: Feed) -> dict[str, np.ndarray]:
        asked.append(id(feed))
        return values_of(graph, feed)

    values = ReferenceValues(compute, original)
    for index in (0, 1, 2, 3, 0):
        values(index)
    assert len(asked) == 3


def test_an_edited_graph_is_fed_what_its_inputs_had_by_name():
    g = GraphBuilder()
    x, z = g.input("x", (2,)), g.input("z", (2,))
    original = specimen(g.build([g.unary("NEG", x), g.unary("ABS", z, "a")]), "a")
    smaller = with_graph(original, Graph(original.graph.tensors, original.graph.ops[1:], ("z",), ("a",)), "less")
    assert set(smaller.graph.tensors) == {"z", "a"}
    np.testing.assert_array_equal(smaller.feeds[1][0], original.feeds[1][1])


def test_each_distinct_feed_is_changed_once():
    first, second = (np.zeros(1),), (np.ones(1),)
    changed = map_feeds((first, second, first), lambda index, feed: (feed[0] + index,))
    assert changed[0] is changed[2]
    assert [feed[0][0] for feed in changed] == [0.0, 2.0, 0.0]


def test_ones_say_nothing_whole_numbers_little_and_others_more():
    def with_constant(data: np.ndarray) -> Graph:
        g = GraphBuilder()
        return g.build([g.mul(g.input("x", (4,)), g.const(data))])

    assert complexity(with_constant(np.ones(4))) == 0
    assert complexity(with_constant(np.arange(4.0))) == 4
    assert complexity(with_constant(np.full(4, 0.5))) == 8
    assert specimen(with_constant(np.ones(4))).size < specimen(with_constant(np.arange(4.0))).size


def test_a_failure_is_that_of_the_watched_output_or_of_the_run():
    graph = two_readers()
    verdicts = [Verdict(0, "a", Status.PASS, "", ""), Verdict(1, "b", Status.FAIL, "alias(x)", "holds x")]
    assert failure_of(graph, "a", verdicts) is None
    assert failure_of(graph, "b", verdicts) == Failure("alias", graph.role("b"))
    assert failure_of(graph, "a", [Verdict(-1, "", Status.CRASH, "", "died")]) == Failure("CRASH", None)


def test_failures_and_ops_describe_themselves():
    graph = two_readers()
    assert Failure("alias", graph.role("t")).describe() == "alias on a rank-3 tensor of TANH, read by ABS, NEG"
    assert Failure("wrong", graph.role("a")).describe() == "wrong on a rank-3 output of NEG, read by nothing"
    assert Failure("CRASH", None).describe() == "CRASH"
    assert op_label(graph.ops[0], graph) == "TANH [1,4,8] -> [1,4,8]"
