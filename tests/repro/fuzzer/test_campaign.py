"""The fuzzer against a simulated delegate: each planted fault is found, and only faults are."""

from __future__ import annotations

import json
import random
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cases.builder import GraphBuilder
from cases.evaluation.evaluate import FLOAT64, evaluate, unsupported
from cases.findings.pattern_graphs import norm_of_other, norm_of_shifted
from cases.graph import Graph
from cases.inputs import standard_feeds
from cases.tflite.read import read_tflite
from cases.tflite.write import write_tflite
from repro.fuzzer.campaign import Bug, Campaign
from repro.fuzzer.corpus import Corpus
from repro.fuzzer.cutting import cutting
from repro.fuzzer.explain import is_one_norm
from repro.fuzzer.generate import draw_palette, grow
from repro.fuzzer.mutate import mutated
from repro.fuzzer.pattern import role_pattern
from repro.fuzzer.sources import Sources
from repro.fuzzer.twins import twin_of
from repro.trials.trial import Reference
from runner.errors import BadInput
from runner.run import Precision
from tests.repro.simulated_delegate import FAULTS, Fault, SimulatedDelegate

dice = st.integers(0, 2**32 - 1).map(random.Random)


def campaign(folder: Path, *faults: Fault, seed: int = 3) -> tuple[Campaign, list[Bug]]:
    bugs: list[Bug] = []
    target = SimulatedDelegate(*faults)
    made = Campaign(
        target,
        Precision.FP32,
        Reference(SimulatedDelegate),  # a healthy one stands in for the cpu
        Sources(block=0),  # nothing is compiled here, so every graph may be of another kind
        Corpus(folder, seed, target.identity),
        {},
        on_bug=bugs.append,
        lint=lambda graph: (),  # the simulation has none of the real delegate's bugs
    )
    return made, bugs


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name.replace(" ", "-"))
def test_each_planted_fault_is_found_within_a_bounded_number_of_graphs(fault: Fault, tmp_path: Path):
    fuzzer, bugs = campaign(tmp_path, fault)
    state = fuzzer.corpus.state
    while not bugs and state.graphs < 900:
        fuzzer.run(60, graphs=1)
    assert bugs, f"not found in {state.graphs} graphs"
    assert not bugs[0].known
    record = json.loads((Path(bugs[0].candidate) / "candidate.json").read_text())
    assert record["seed"] == 3
    assert record["replay"].startswith("repro check model.tflite")
    reduced = read_tflite((Path(bugs[0].candidate) / "model.tflite").read_bytes())
    assert len(reduced.ops) <= fault.ops + 1  # a reader may stay where the signature depends on it


def test_a_healthy_delegate_gives_no_bug(tmp_path: Path):
    fuzzer, bugs = campaign(tmp_path)
    summary = fuzzer.run(60, graphs=100)
    assert not bugs
    assert summary["graphs"] >= 100
    assert summary["new"] == summary["distinct"] == 0
    assert summary["verdicts"]["PASS"] > 100
    assert "FAIL" not in summary["verdicts"]


@pytest.mark.parametrize(
    ("precision", "largest", "beyond"),
    [("fp16", 10, False), ("fp16", 250, True), ("fp16", float("nan"), True), ("fp32", 250, False)],
)
def test_an_overflow_of_fp16_inside_a_graph_is_no_find(tmp_path: Path, precision: str, largest: float, beyond: bool):
    fuzzer, _ = campaign(tmp_path)
    fuzzer.precision = Precision(precision)
    g = GraphBuilder()
    squared = g.unary("SQUARE", g.input("x", (1, 4)))
    graph = g.build([g.mul(squared, g.const(1e-3), "y")])
    assert fuzzer._beyond_fp16(graph, ((np.full((1, 4), largest, np.float32),),)) is beyond


def test_a_campaign_goes_on_where_it_stopped_and_keeps_its_bugs(tmp_path: Path):
    fault = FAULTS[1]
    first, found = campaign(tmp_path, fault)
    while not found:
        first.run(60, graphs=1)
    graphs, index = first.corpus.state.graphs, first.corpus.state.next_index
    second, again = campaign(tmp_path, fault)
    assert (second.corpus.state.graphs, second.corpus.state.next_index) == (graphs, index)
    summary = second.run(60, graphs=1)
    assert summary["next_graph"] > index
    assert summary["total_graphs"] > graphs
    assert summary["new_in_corpus"] >= len({bug.pattern for bug in found})
    assert not {bug.pattern for bug in again} & {bug.pattern for bug in found}


def test_a_corpus_of_another_campaign_is_refused(tmp_path: Path):
    fuzzer, _ = campaign(tmp_path)
    fuzzer.corpus.save()
    with pytest.raises(BadInput, match="give another --corpus"):
        campaign(tmp_path, seed=4)


def test_graph_n_of_a_seed_is_always_the_same_graph():
    sources = Sources()
    first = [write_tflite(sources.draw(5, index).graph) for index in range(12)]
    assert first == [write_tflite(sources.draw(5, index).graph) for index in range(12)]
    assert first != [write_tflite(sources.draw(6, index).graph) for index in range(12)]


def check_valid(graph: Graph) -> None:
    """Well formed, known to the evaluator, and every declared shape is what is computed."""
    graph.validate()
    assert not unsupported(graph)
    assert graph.outputs
    feed = standard_feeds([graph.tensors[n] for n in graph.inputs], 0)[0]
    made = tuple(n for op in graph.ops for n in op.outputs)
    with np.errstate(all="ignore"):
        values = evaluate(graph, feed, FLOAT64, keep=made)
    for name in made:
        assert tuple(values[name].shape) == tuple(graph.tensors[name].shape)


@settings(max_examples=60, deadline=None)
@given(dice)
def test_grown_graphs_are_valid(rng: random.Random):
    check_valid(grow(rng, palette=draw_palette(rng) if rng.random() < 0.5 else None))


@settings(max_examples=60, deadline=None)
@given(dice)
def test_mutated_graphs_are_valid(rng: random.Random):
    check_valid(mutated(rng, grow(rng)))


@settings(max_examples=40, deadline=None)
@given(dice)
def test_twins_compute_the_same(rng: random.Random):
    graph = grow(rng)
    twin = twin_of(rng, graph)
    if twin is None:
        return
    feed = standard_feeds([graph.tensors[n] for n in graph.inputs], 1)[0]
    with np.errstate(all="ignore"):
        ours, theirs = evaluate(graph, feed, FLOAT64), evaluate(twin.graph, feed, FLOAT64)
    common = set(graph.outputs) & set(twin.graph.outputs)
    assert common
    for name in common:
        np.testing.assert_array_equal(ours[name], theirs[name])


def test_a_cutting_of_a_large_model_is_small_and_valid():
    g = GraphBuilder()
    x = g.input("x", (1, 525, 256))
    for _ in range(4):
        x = g.add(g.fully_connected(x, np.zeros((256, 256))), g.const(np.zeros((1, 1, 256))))
    model = g.build([x])
    cuts = [cutting(random.Random(seed), model) for seed in range(10)]
    usable = [cut for cut in cuts if cut is not None]
    assert len(usable) >= 5
    for cut in usable:
        check_valid(cut)
        assert max(size for t in cut.tensors.values() for size in t.shape) <= 16


def test_growth_is_biased_to_roles():
    """Inner outputs, fan-out, batches and odd sizes all occur often."""
    graphs = [grow(random.Random(seed)) for seed in range(200)]
    consumed = sum(any(g.uses.get(n) for n in g.outputs) for g in graphs)
    fanned = sum(any(len(g.uses.get(n, ())) > 1 for op in g.ops for n in op.outputs) for g in graphs)
    batched = sum(any(len(g.tensors[n].shape) > 2 and g.tensors[n].shape[0] > 1 for n in g.inputs) for g in graphs)
    odd = sum(any(s % 2 and s > 1 for n in g.inputs for s in g.tensors[n].shape) for g in graphs)
    assert consumed > 60
    assert fanned > 40
    assert batched > 15
    assert odd > 80


@pytest.mark.parametrize(("graph", "whole"), [(norm_of_other("same"), True), (norm_of_shifted(), False)])
def test_a_graph_that_is_one_normalisation_is_told_from_one_that_holds_one(graph: Graph, whole: bool):
    assert is_one_norm(graph) is whole


def test_a_role_pattern_forgets_names_and_sizes_and_keeps_roles():
    def graph(name: str, size: int, output: bool) -> Graph:
        g = GraphBuilder()
        y = g.add(g.input(f"{name}a", (1, size, 4)), g.input(f"{name}b", (1, size, 4)), name=f"{name}y")
        m = g.mean(y, [2], name=f"{name}m")
        return g.build([y, m] if output else [m])

    assert role_pattern(graph("a", 3, True)) == role_pattern(graph("b", 9, True))
    assert role_pattern(graph("a", 3, True)) != role_pattern(graph("a", 3, False))
    assert role_pattern(graph("a", 3, True), "ay") == "ADD(x3,x3)>3!*1 MEAN(0)>3*0"
