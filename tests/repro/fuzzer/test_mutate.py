"""Each mutation changes what its name says, and the result is valid."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given, settings

from cases.builder import GraphBuilder
from cases.edit import with_inferred_shapes
from cases.graph import Graph
from repro.fuzzer import mutate
from repro.fuzzer.generate import grow
from tests.repro.fuzzer.drawing import check_valid, computed, generators


def scene() -> Graph:
    """x + z, then ABS and a mean of it, with the sum an output."""
    g = GraphBuilder()
    total = g.add(g.input("x", (2, 3)), g.input("z", (2, 3)), name="total")
    scaled = g.mul(g.unary("ABS", total, "size"), g.const(np.full(3, 2.0), "two"), name="scaled")
    return g.build([total, g.mean(scaled, [1], name="mean")])


def kinds(graph: Graph) -> list[str]:
    return [op.kind for op in graph.ops]


def described(graph: Graph) -> tuple:
    return [(op.kind, op.inputs, op.outputs, op.attrs) for op in graph.ops], graph.inputs, graph.outputs


def applied(mutation: mutate.Mutation, graph: Graph | None = None, seeds: int = 30) -> list[Graph]:
    """What one mutation makes of a graph, for many seeds."""
    found = []
    for seed in range(seeds):
        changed = mutation(random.Random(seed), graph or scene(), mutate.Palette())
        if changed is not None:
            found.append(with_inferred_shapes(changed))
    assert found
    return found


@settings(max_examples=60, deadline=None)
@given(generators)
def test_mutated_graphs_are_valid(rng: random.Random):
    check_valid(mutate.mutated(rng, grow(rng)))


@pytest.mark.parametrize("seed", [613760, 9875, 13140, 12031])
def test_a_changed_rank_takes_no_op_behind_it_beyond_its_axes(seed: int):
    """A SPLIT or a STRIDED_SLICE would be left with an axis that its operand no longer has."""
    rng = random.Random(seed)
    check_valid(mutate.mutated(rng, grow(rng)))


@pytest.mark.parametrize("mutation", sorted(set(mutate.MUTATIONS), key=lambda m: m.__name__), ids=lambda m: m.__name__)
def test_every_mutation_leaves_the_graph_valid_and_mostly_changes_it(mutation: mutate.Mutation):
    mutants = applied(mutation)
    for mutant in mutants:
        check_valid(mutant)
    # A shuffle of two outputs gives their old order half of the time.
    assert sum(described(mutant) != described(scene()) for mutant in mutants) >= len(mutants) / 3


def test_an_output_is_toggled_and_the_last_one_that_nobody_reads_stays():
    sets = {frozenset(graph.outputs) for graph in applied(mutate.toggled_output)}
    assert frozenset({"mean"}) in sets
    assert frozenset({"total", "mean", "size"}) in sets
    assert all("mean" in outputs for outputs in sets)


def test_outputs_are_reordered_and_a_single_one_is_not():
    assert {graph.outputs for graph in applied(mutate.reordered_outputs)} >= {("mean", "total")}
    single = grow(random.Random(0))
    single = Graph(single.tensors, single.ops, single.inputs, single.outputs[:1])
    assert mutate.reordered_outputs(random.Random(0), single) is None


def test_an_op_becomes_another_of_its_family():
    for graph in applied(mutate.other_kind):
        (place,) = [i for i, (a, b) in enumerate(zip(kinds(scene()), kinds(graph), strict=True)) if a != b]
        family = next(family for family in mutate.FAMILIES if kinds(scene())[place] in family)
        assert kinds(graph)[place] in family


def test_an_op_is_inserted_between_a_tensor_and_one_reader():
    for graph in applied(mutate.inserted_op):
        assert len(graph.ops) == len(scene().ops) + 1
        (new,) = [op for op in graph.ops if op.outputs[0].startswith("between")]
        assert len(graph.uses[new.outputs[0]]) == 1
        assert graph.tensors[new.inputs[0]].shape == graph.tensors[new.outputs[0]].shape


def test_a_constant_becomes_an_input_or_an_input_a_constant():
    inputs = {graph.inputs for graph in applied(mutate.constant_for_tensor)}
    assert ("x", "z", "other0") in inputs
    assert ("x",) in inputs or ("z",) in inputs


def test_a_constant_without_dimensions_never_becomes_an_input():
    g = GraphBuilder()
    graph = g.build([g.add(g.unary("NEG", g.input("x", (3,))), g.const(2.0))])
    assert all(mutate.constant_for_tensor(random.Random(seed), graph) is None for seed in range(20))


def test_the_last_ops_go_and_what_they_read_becomes_an_output():
    shorter = applied(mutate.shortened)
    assert {len(graph.ops) for graph in shorter} == {1, 2, 3}
    for graph in shorter:
        assert kinds(graph) == kinds(scene())[: len(graph.ops)]
        values = computed(scene(), keep=graph.outputs)
        for name, value in computed(graph).items():
            np.testing.assert_array_equal(value, values[name])


def test_an_extension_keeps_all_that_is_there():
    for graph in applied(mutate.extended):
        kept, inputs, outputs = described(graph)
        ops = described(scene())[0]
        assert kept[: len(ops)] == ops
        assert inputs[:2] == scene().inputs
        assert outputs[:2] == scene().outputs
        assert len(outputs) > 2


def test_a_constant_in_the_place_of_whole_numbers_is_not_made_of_floats():
    g = GraphBuilder()
    whole = g.build([g.add(g.input("x", (2, 3), "int32"), g.input("z", (2, 3), "int32"))])
    assert all(mutate.constant_for_tensor(random.Random(seed), whole) is None for seed in range(10))
