"""The reducer against a simulated delegate: each planted fault comes down to its minimum, and to nothing else."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cases.builder import GraphBuilder
from cases.graph import Graph, Op
from cases.inputs import standard_feeds
from cases.tflite.read import read_tflite
from repro.records.journal import Journal
from repro.reducer import history
from repro.reducer.problem import Specimen
from repro.reducer.search import NotReducible, Reduced, Search, Step, other_inputs
from repro.verdicts.references import OwnOps
from repro.verdicts.value_range import constants, out_of_range
from runner.run import Precision
from tests.repro.simulated_delegate import FAULTS, Fault, SimulatedDelegate

FAULT = {fault.name: fault for fault in FAULTS}


def specimen_of(graph: Graph, output: str, seed: int = 0) -> Specimen:
    return Specimen(graph, standard_feeds([graph.tensors[n] for n in graph.inputs], seed), output)


def no_cpu() -> SimulatedDelegate:
    raise AssertionError("the reference should not need the cpu")


def reduce(
    specimen: Specimen,
    target: SimulatedDelegate,
    folder: Path,
    precision: Precision = Precision.FP32,
    **options: object,
) -> tuple[Reduced, list[Step]]:
    steps: list[Step] = []
    with target, Journal(folder / history.JOURNAL) as journal:
        search = Search(
            target,
            precision,
            OwnOps(no_cpu, strict_shapes=True),
            journal,
            on_step=steps.append,
            **options,  # type: ignore[arg-type]
        )
        return search.reduce(specimen), steps


def chain(g: GraphBuilder, name: str, count: int, channels: int = 8) -> str:
    """A long healthy stretch: FULLY_CONNECTEDs, activations and residual additions."""
    rng = np.random.default_rng(1)
    for index in range(count):
        kind = index % 4
        if kind == 0:
            name = g.fully_connected(name, rng.normal(size=(channels, channels)) / 3)
        elif kind == 1:
            name = g.unary("TANH", name)
        elif kind == 2:
            name = g.unary("NEG", name)
        else:
            name = g.mul(name, g.const(1.5))
    return name


def dropped() -> tuple[Graph, str]:
    g = GraphBuilder()
    x = chain(g, g.input("x", (1, 6, 8)), 30)
    y = g.add(x, chain(g, g.input("z", (1, 6, 8)), 10), name="sum")
    return g.build([chain(g, g.mean(y, [2]), 2, 1), y]), "sum"


def row_0() -> tuple[Graph, str]:
    g = GraphBuilder()
    x = chain(g, g.input("x", (1, 6, 8)), 25)
    y = g.add(x, g.const(np.random.default_rng(2).normal(size=(1, 6, 8))), name="sum")
    return g.build([chain(g, y, 6)]), "neg40"


def split() -> tuple[Graph, str]:
    g = GraphBuilder()
    parts = g.split(chain(g, g.input("x", (1, 6, 8)), 20), 2, 2, names=("left", "right"))
    return g.build([parts[0], chain(g, parts[1], 8, 4)]), "left"


def pad() -> tuple[Graph, str]:
    g = GraphBuilder()
    x = chain(g, g.input("x", (1, 5, 5, 8)), 20)
    rng = np.random.default_rng(3)
    y = g.conv2d(
        g.pad(x, [(0, 0), (1, 1), (1, 1), (0, 0)]), rng.normal(size=(4, 3, 3, 8)) / 8, padding="VALID", name="y"
    )
    return g.build([y]), "y"


def matmul() -> tuple[Graph, str]:
    g = GraphBuilder()
    x, w = chain(g, g.input("x", (1, 6, 8)), 20), g.input("w", (1, 8, 5))
    return g.build([chain(g, g.batch_matmul(x, w, name="product"), 3, 5)]), ""


SUBJECTS: dict[str, Callable[[], tuple[Graph, str]]] = {
    "fusion drops an output": dropped,
    "broadcast of row 0": row_0,
    "swapped SPLIT": split,
    "lost PAD": pad,
    "lost column of a matmul": matmul,
}


@pytest.mark.parametrize("name", SUBJECTS)
def test_each_planted_fault_comes_down_to_its_minimum(name: str, tmp_path: Path):
    graph, output = SUBJECTS[name]()
    output = output if output in graph.outputs else graph.outputs[-1]
    reduced, steps = reduce(specimen_of(graph, output), SimulatedDelegate(FAULT[name]), tmp_path)
    assert len(reduced.specimen.graph.ops) == FAULT[name].ops
    assert reduced.complete
    assert reduced.runs <= 200
    assert [step.number for step in steps] == list(range(len(steps)))
    sizes = [step.specimen.size[0] for step in steps]
    assert sizes == sorted(sizes, reverse=True)
    assert len(reduced.needs) == FAULT[name].ops
    assert all(need.without for need in reduced.needs)


def test_the_failing_output_keeps_its_role_where_the_role_is_the_bug(tmp_path: Path):
    graph, output = dropped()
    reduced, _ = reduce(specimen_of(graph, output), SimulatedDelegate(FAULT["fusion drops an output"]), tmp_path)
    assert reduced.failure.role == graph.role(output)
    assert reduced.failure.signature == "unwritten"
    assert not reduced.role_steps


def test_a_second_failure_of_another_kind_is_never_taken(tmp_path: Path):
    """Two faults in one graph: the reduction of one does not slip to the other."""
    g = GraphBuilder()
    x = chain(g, g.input("x", (1, 6, 8)), 10)
    y = g.add(x, g.input("z", (1, 6, 8)), name="sum")
    w = g.add(y, g.const(np.random.default_rng(2).normal(size=(1, 6, 8))), name="shifted")
    graph = g.build([y, g.mean(y, [2]), w])
    one_reader = GraphBuilder.extending(
        replace(graph, ops=tuple(op for op in graph.ops if "shifted" not in op.outputs))
    )
    both = one_reader.add(
        one_reader.unary("TANH", "x"), one_reader.const(np.ones((1, 6, 8)) * [[[1], [2], [3], [4], [5], [6]]])
    )
    tensors = {n: t for n, t in one_reader.build([y]).tensors.items() if n != "shifted"}
    mean = next(n for n in graph.outputs if n not in ("sum", "shifted"))
    subject = Graph(tensors, one_reader.build([y]).ops, graph.inputs, (y, mean, both)).validate()
    faults = (FAULT["fusion drops an output"], FAULT["broadcast of row 0"])
    first, _ = reduce(specimen_of(subject, y), SimulatedDelegate(*faults), tmp_path / "a")
    second, _ = reduce(specimen_of(subject, both), SimulatedDelegate(*faults), tmp_path / "b")
    assert first.failure.signature == "unwritten"
    assert [op.kind for op in first.specimen.graph.ops] == ["ADD", "MEAN"]
    assert [op.kind for op in second.specimen.graph.ops] == ["ADD"]
    assert second.failure.signature != "unwritten"


def _overflowing(graph: Graph, op: Op, values: dict[str, np.ndarray]) -> tuple[np.ndarray, ...] | None:
    """A LOGISTIC behind MUL and EXP is NaN above 20: a fault of large values, not of infinite ones."""
    exponential = graph.producers.get(op.inputs[0])
    if op.kind != "LOGISTIC" or exponential is None or exponential.kind != "EXP":
        return None
    if graph.producers.get(exponential.inputs[0], op).kind != "MUL":
        return None
    x = values[op.inputs[0]]
    return (np.where(x > 20, np.float32(np.nan), 1 / (1 + np.exp(-x))),)


def gate_of_exponential() -> Specimen:
    """LOGISTIC(EXP(x * 0.05)), x from 100 to 0: at most 148. With a constant of 1 the exponential overflows float32."""
    g = GraphBuilder()
    x = g.mul(g.input("x", (1, 4, 8)), g.const(np.full(8, 0.05, np.float32)), name="scaled")
    graph = g.build([g.unary("LOGISTIC", g.unary("EXP", x, name="exponential"), name="y")])
    return Specimen(graph, ((np.linspace(100, 0, 32, dtype=np.float32).reshape(1, 4, 8),),) * 2, "y")


@pytest.mark.parametrize("precision", Precision)
def test_every_step_keeps_the_right_values_within_what_the_precision_holds(precision: Precision, tmp_path: Path):
    delegate = SimulatedDelegate(Fault("overflowing gate", 3, compute=_overflowing))
    reduced, steps = reduce(gate_of_exponential(), delegate, tmp_path, precision=precision)
    assert len(steps) > 2
    for step in steps:
        graph = step.specimen.graph
        for feed in step.specimen.feeds:
            values = {**OwnOps(no_cpu).values(graph, feed), **constants(graph)}
            assert out_of_range(values, precision) == frozenset(), step.specimen.made_by
    assert reduced.failure.signature == "nonfinite"


def test_without_that_the_same_reduction_slips_to_values_that_are_infinite(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(Search, "_in_range", lambda search, specimen: True)
    delegate = SimulatedDelegate(Fault("overflowing gate", 3, compute=_overflowing))
    reduced, _ = reduce(gate_of_exponential(), delegate, tmp_path)
    values = OwnOps(no_cpu).values(reduced.graph, reduced.specimen.feeds[0])
    assert out_of_range(values, Precision.FP32)


def test_what_is_infinite_in_the_original_may_stay_so(tmp_path: Path):
    """A mask of -inf is no reason to refuse every step; a tensor that was finite may still not become infinite."""
    g = GraphBuilder()
    x = chain(g, g.input("x", (1, 6, 8)), 8)
    mask = np.where(np.arange(8) < 4, 0, -np.inf).astype(np.float32)
    row = g.add(x, g.const(np.tile(mask, (1, 6, 1)) + np.arange(6, dtype=np.float32)[:, None]), name="masked")
    graph = g.build([g.unary("LOGISTIC", row, name="y")])
    reduced, _ = reduce(specimen_of(graph, "y"), SimulatedDelegate(FAULT["broadcast of row 0"]), tmp_path)
    assert [op.kind for op in reduced.graph.ops] == ["ADD"]


def test_a_crash_is_reduced_as_a_crash(tmp_path: Path):
    g = GraphBuilder()
    x = chain(g, g.input("x", (1, 6, 8)), 12)
    part = g.slice(x, [0, 1, 0], [1, 4, 8])
    graph = g.build([chain(g, g.transpose(part, [0, 2, 1]), 0)])
    fault = FAULT["crash on TRANSPOSE after SLICE"]
    reduced, _ = reduce(specimen_of(graph, ""), SimulatedDelegate(fault), tmp_path)
    assert [op.kind for op in reduced.specimen.graph.ops] == ["SLICE", "TRANSPOSE"]
    assert reduced.failure.signature == "CRASH"


def test_a_healthy_model_and_an_unstable_failure_are_refused(tmp_path: Path):
    graph, output = dropped()
    with pytest.raises(NotReducible, match="nothing to reduce"):
        reduce(specimen_of(graph, output), SimulatedDelegate(), tmp_path / "healthy")

    turns = iter(range(1000))
    moody = Fault("moody", 1, loses=lambda graph, name: name == output and next(turns) < 3)
    with pytest.raises(NotReducible, match="not stable"):
        reduce(specimen_of(graph, output), SimulatedDelegate(moody), tmp_path / "moody")


def test_an_interrupted_reduction_goes_on_where_it_stopped(tmp_path: Path):
    """Answers come from the journal: the second search asks the delegate nothing that the first had asked."""
    graph, output = split()
    fault = FAULT["swapped SPLIT"]
    whole_target, resumed_target = SimulatedDelegate(fault), SimulatedDelegate(fault)
    whole, _ = reduce(specimen_of(graph, output), whole_target, tmp_path / "whole")
    (tmp_path / "cut").mkdir()
    with Journal(tmp_path / "whole" / history.JOURNAL) as all_, Journal(tmp_path / "cut" / history.JOURNAL) as half:
        keys = list(all_)
        kept = len(keys) // 2
        for key in keys[:kept]:
            half.add(key, all_.get(key) or {})
        half.add(keys[kept], {"text": "passes"})  # of another version: lacks its failure, so it is asked again
    resumed, _ = reduce(specimen_of(graph, output), resumed_target, tmp_path / "cut")
    assert resumed_target.jobs == whole_target.jobs - kept
    assert resumed.runs == whole.runs
    assert history.summary(resumed, "t", Precision.FP32, tmp_path, 0) == history.summary(
        whole, "t", Precision.FP32, tmp_path, 0
    )


def test_max_runs_ends_a_reduction_with_what_it_has(tmp_path: Path):
    graph, output = split()
    reduced, _ = reduce(specimen_of(graph, output), SimulatedDelegate(FAULT["swapped SPLIT"]), tmp_path, max_runs=6)
    assert not reduced.complete
    assert len(reduced.specimen.graph.ops) >= FAULT["swapped SPLIT"].ops


def test_history_has_a_model_and_a_verdict_for_each_step(tmp_path: Path):
    graph, output = pad()
    reduced, steps = reduce(specimen_of(graph, output), SimulatedDelegate(FAULT["lost PAD"]), tmp_path)
    for step in steps:
        place = history.write_step(tmp_path, step, "simulated", Precision.FP32)
        assert read_tflite((place / "model.tflite").read_bytes()).outputs == step.specimen.graph.outputs
        record = json.loads((place / "verdict.json").read_text(encoding="utf-8"))
        assert record["signature"] == reduced.failure.signature
        assert "--inputs inputs.npz" in (place / "replay.sh").read_text(encoding="utf-8")
    record = history.summary(reduced, "simulated", Precision.FP32, tmp_path, 0)
    history.write_result(tmp_path, reduced, record)
    assert {"ops", "runs", "signature", "model"} <= set(
        json.loads((tmp_path / history.SUMMARY).read_text(encoding="utf-8"))
    )
    with np.load(tmp_path / history.INPUTS) as arrays:
        assert set(arrays.files) == set(reduced.specimen.graph.inputs)


def test_every_fault_of_the_simulation_is_wrong_and_the_simulation_is_right_without():
    for name, make in SUBJECTS.items():
        graph, _ = make()
        feed = specimen_of(graph, "").feeds[0]
        right, wrong = SimulatedDelegate()._outputs(graph, feed), SimulatedDelegate(FAULT[name])._outputs(graph, feed)
        assert any(not np.array_equal(a, b) for a, b in zip(right, wrong, strict=True)), name
    assert isinstance(graph.ops[0], Op)


@pytest.mark.parametrize("shape", [(), (1,), (4,), (2, 3), (1, 2, 2, 3)])
def test_other_inputs_are_the_same_numbers_in_the_same_shape(shape: tuple[int, ...]):
    g = GraphBuilder()
    graph = g.build([g.unary("ABS", g.input("x", shape), name="y")])
    feeds = standard_feeds([graph.tensors["x"]], 0)
    other = other_inputs(Specimen(graph, feeds, "y"))
    for (mine,), (theirs,) in zip(feeds, other.feeds, strict=True):
        assert theirs.shape == shape
        assert sorted(theirs.ravel()) == sorted(mine.ravel())
