"""The fuzzer against a simulated delegate: each planted fault is found, and only faults are."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from cases.builder import GraphBuilder
from cases.tflite.read import read_tflite
from repro.fuzzer.campaign import Bug, Campaign
from repro.fuzzer.corpus import Corpus
from repro.fuzzer.sources import Sources
from repro.trials.trial import Reference
from runner.run import Precision
from tests.repro.simulated_delegate import FAULTS, Fault, SimulatedDelegate


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
