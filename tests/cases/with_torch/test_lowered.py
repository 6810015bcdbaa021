"""What torch is the reference of is told without torch, and as the lowering has it."""

from __future__ import annotations

from cases.builder import GraphBuilder
from cases.catalogue import catalogue
from cases.with_torch.lowered import LOWERED_KINDS, is_lowered
from cases.with_torch.torch_module import KINDS


def test_the_list_of_kinds_is_the_lowering_s():
    assert LOWERED_KINDS == KINDS


def test_graphs_of_floats_are_lowered_and_those_of_whole_numbers_and_other_kinds_are_not():
    g = GraphBuilder()
    assert is_lowered(g.build([g.unary("NEG", g.input("x", (2, 3)))]))
    g = GraphBuilder()
    assert not is_lowered(g.build([g.unary("NEG", g.input("x", (2, 3), "int32"))]))
    g = GraphBuilder()
    assert not is_lowered(g.build(g.op("DYNAMIC_UPDATE_SLICE", [g.input(n, (8,)) for n in "xzi"])))


def test_a_graph_with_quantised_weights_is_not_lowered():
    g = GraphBuilder()
    weights = g.on_grid(g.const([[1, 2], [3, 4]], dtype="int8"), 0.5)
    assert not is_lowered(g.build(g.op("FULLY_CONNECTED", (g.input("x", (3, 2)), weights))))


def test_most_of_the_catalogue_s_graphs_of_several_ops_are_held_against_torch():
    # torch has no word for most of what is quantised, and most cases of one op are, nor this for TRANSPOSE_CONV.
    made = (case for case in catalogue() if case.family != "one-op")
    graphs = [case.graph() for case in made if case.graph is not None]
    assert sum(map(is_lowered, graphs)) > 0.75 * len(graphs)
