"""The fuzzer against a simulated delegate: each planted fault is found, and only faults are."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from cases.builder import GraphBuilder
from cases.tflite.read import read_tflite
from repro.commands.fuzz import command
from repro.fuzzer.corpus import Corpus
from repro.fuzzer.hunt import Bug, Hunt
from repro.fuzzer.sources import Sources
from repro.reducer.problem import Specimen
from repro.verdicts.references import OwnOps
from runner.errors import NothingRan
from runner.run import Job, Outcome, Precision, Run
from tests.repro.simulated_delegate import FAULTS, Fault, SimulatedDelegate

NO_LIMIT = float("inf")  # seconds: how far a hunt comes must not depend on the machine


def hunt(folder: Path, *faults: Fault, seed: int = 3) -> tuple[Hunt, list[Bug]]:
    bugs: list[Bug] = []
    target = SimulatedDelegate(*faults)
    made = Hunt(
        target,
        Precision.FP32,
        OwnOps(SimulatedDelegate, strict_shapes=True),  # a healthy one stands in for the cpu
        Sources(block=0),  # nothing is compiled here, so every graph may be of another kind
        Corpus(folder, seed, target.identity),
        {},
        on_bug=bugs.append,
        lint=lambda graph: (),  # the simulation has none of the real delegate's bugs
    )
    return made, bugs


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name.replace(" ", "-"))
def test_each_planted_fault_is_found_within_a_bounded_number_of_graphs(fault: Fault, tmp_path: Path):
    fuzzer, bugs = hunt(tmp_path, fault)
    state = fuzzer.corpus.state
    while not bugs and state.graphs < 900:
        fuzzer.run(NO_LIMIT, graphs=1)
    assert bugs, f"not found in {state.graphs} graphs"
    assert not bugs[0].known
    record = json.loads((Path(bugs[0].candidate) / "candidate.json").read_text(encoding="utf-8"))
    assert record["seed"] == 3
    assert record["replay"].startswith("repro check model.tflite")
    reduced = read_tflite((Path(bugs[0].candidate) / "model.tflite").read_bytes())
    assert len(reduced.ops) <= fault.ops + 1  # a reader may stay where the signature depends on it


def test_a_healthy_delegate_gives_no_bug(tmp_path: Path):
    fuzzer, bugs = hunt(tmp_path)
    summary = fuzzer.run(NO_LIMIT, graphs=100)
    assert not bugs
    assert summary["graphs"] >= 100
    assert summary["new"] == summary["distinct"] == 0
    assert summary["verdicts"]["PASS"] > 100
    assert "FAIL" not in summary["verdicts"]


class Refusing(SimulatedDelegate):
    """A delegate that will not run anything."""

    def _run(self, job: Job) -> Run:
        made = super()._run(job)
        return Run(job.name, Outcome.REFUSED, made.fingerprint, message="no")


def test_graphs_that_are_all_refused_are_tried_and_not_judged(tmp_path: Path):
    fuzzer, _ = hunt(tmp_path)
    fuzzer.target = Refusing()
    summary = fuzzer.run(NO_LIMIT, graphs=1)
    assert summary["graphs"] > 0
    assert summary["judged"] == summary["new"] == 0


def test_a_session_without_a_judged_graph_is_no_pass(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    numbers = dict.fromkeys(("graphs", "judged", "seconds", "graphs_per_s", "distinct", "known", "new"), 0)
    counts: dict[str, dict] = {k: {} for k in ("verdicts", "known_by_rule", "overpredicted_by_rule", "refusals")}
    monkeypatch.setattr(Hunt, "run", lambda *_: numbers | counts)
    result = CliRunner().invoke(command, ["--target", "cpu", "--corpus", str(tmp_path)])
    assert isinstance(result.exception, NothingRan)
    assert result.exception.exit_code == 3


@pytest.mark.parametrize(
    ("precision", "largest", "beyond"),
    [("fp16", 10, False), ("fp16", 250, True), ("fp16", float("nan"), True), ("fp32", 250, False)],
)
def test_an_overflow_of_fp16_inside_a_graph_is_no_find(tmp_path: Path, precision: str, largest: float, beyond: bool):
    fuzzer, _ = hunt(tmp_path)
    fuzzer.precision = Precision(precision)
    g = GraphBuilder()
    squared = g.unary("SQUARE", g.input("x", (1, 4)))
    graph = g.build([g.mul(squared, g.const(1e-3), "y")])
    assert fuzzer._beyond_fp16(graph, ((np.full((1, 4), largest, np.float32),),)) is beyond


@pytest.mark.parametrize(("large", "doubt"), [(1e30, "other inputs are out of range"), (1e3, "passes on other inputs")])
def test_other_inputs_that_overflow_confirm_nothing(tmp_path: Path, large: float, doubt: str):
    """In reverse order the large element meets the large constant."""
    fuzzer, _ = hunt(tmp_path)
    g = GraphBuilder()
    graph = g.build([g.mul(g.input("x", (1, 2)), g.const(np.array([1.0, large], np.float32)), "y")])
    specimen = Specimen(graph, ((np.array([[large, 1.0]], np.float32),),), "y")
    assert fuzzer._doubt(specimen, "wrong") == doubt


def test_a_hunt_goes_on_where_it_stopped_and_keeps_its_bugs(tmp_path: Path):
    fault = FAULTS[1]
    first, found = hunt(tmp_path, fault)
    while not found:
        first.run(NO_LIMIT, graphs=1)
    graphs, index = first.corpus.state.graphs, first.corpus.state.next_index
    second, again = hunt(tmp_path, fault)
    assert (second.corpus.state.graphs, second.corpus.state.next_index) == (graphs, index)
    summary = second.run(NO_LIMIT, graphs=1)
    assert summary["next_graph"] > index
    assert summary["total_graphs"] > graphs
    assert summary["new_in_corpus"] >= len({bug.pattern for bug in found})
    assert not {bug.pattern for bug in again} & {bug.pattern for bug in found}
