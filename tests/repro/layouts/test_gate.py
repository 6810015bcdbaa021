"""The gate refuses each kind of broken layout with its own reason, and says which tensor it is about."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from cases.builder import GraphBuilder
from cases.evaluation.evaluate import evaluate
from cases.tflite.read import read_tflite
from cases.tflite.write import write_tflite
from repro.commands.gate import command
from repro.layouts.gate import chosen_size, gate
from repro.layouts.reader import read_layout
from repro.layouts.result import GateAnswer, Report
from runner import targets
from runner.errors import BadInput, NothingRan
from runner.run import Precision
from tests.repro.display.schemas import require_junit
from tests.repro.layouts import two_graphs

EXAMPLE = Path(__file__).parents[3] / "docs" / "examples" / "two_graphs"


@pytest.fixture
def example(tmp_path):
    """A copy of the worked example that a test may break."""
    for file in EXAMPLE.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    return tmp_path


@pytest.fixture(scope="module")
def gpu():
    (name,) = targets.resolve(["gpu"])  # an error and no skip where there is none
    with targets.open_target(name) as target:
        yield target


def run_gate(folder: Path, target, name: str = "split.toml") -> Report:
    layout = read_layout(folder / name)
    return gate(layout, target, Precision.FP32, chosen_size(layout, None), lambda text: None)


def refusals(report: Report) -> list[tuple[str, str, str]]:
    return [(check.kind, check.part, check.tensor) for check in report.refusals]


def replace_in(folder: Path, file: str, old: str, new: str) -> None:
    text = (folder / file).read_text(encoding="utf-8")
    assert old in text
    (folder / file).write_text(text.replace(old, new), encoding="utf-8")


def test_the_committed_example_is_what_the_code_writes():
    for name, data in two_graphs.files().items():
        assert (EXAMPLE / name).read_bytes() == data, name


@pytest.mark.gpu
def test_the_example_passes_and_its_control_fails(gpu):
    report = run_gate(EXAMPLE, gpu)
    assert report.passed, report.refusals
    assert [c.kind for c in report.checks if c.answer is GateAnswer.PASS] == [
        *["structure"] * 2,
        *["residency"] * 2,
        *["output"] * 3,
        "chain",
        "control",
    ]
    (control,) = [c for c in report.checks if c.kind == "control"]
    assert control.tensor == "features"


@pytest.mark.gpu
def test_a_hazard_is_refused_by_structure_and_by_the_output(gpu):
    report = run_gate(EXAMPLE, gpu, "naive.toml")
    assert ("structure", "encoder", "features") in refusals(report)
    assert ("output", "encoder", "features") in refusals(report)
    assert ("output", "encoder", "summary") not in refusals(report)
    assert ("output", "head", "y") not in refusals(report), "a broken encoder must not blame the head"
    assert ("chain", "chain", "y") in refusals(report)
    assert "hazard add-reduce" in report.refusals[0].reason


@pytest.mark.gpu
def test_an_op_that_only_the_cpu_has_is_refused(example, gpu):
    graph = two_graphs.with_op_before(two_graphs.head(), "y", "LOG_SOFTMAX")
    (example / "head.tflite").write_bytes(write_tflite(graph))
    report = run_gate(example, gpu)
    assert ("residency", "head", "") in refusals(report)
    assert "LOG_SOFTMAX" in next(c.reason for c in report.refusals if c.kind == "residency")
    assert "head did not run" in next(c.reason for c in report.refusals if c.kind == "chain")


@pytest.mark.gpu
def test_a_control_that_passes_is_refused_loudly(example, gpu):
    """The control is replaced by a healthy encoder under the naive name."""
    (example / "naive_encoder.tflite").write_bytes(write_tflite(two_graphs.encoder(factor=1.0)))
    report = run_gate(example, gpu)
    assert refusals(report) == [("control", "naive.toml", "features")]
    assert "THE CONTROL PASSES" in report.refusals[0].reason
    assert "the workaround can go" in report.refusals[0].reason


@pytest.mark.gpu
def test_a_control_that_cannot_run_is_no_control(example, gpu):
    graph = two_graphs.with_op_before(two_graphs.naive_encoder(), "features", "LOG_SOFTMAX")
    (example / "naive_encoder.tflite").write_bytes(write_tflite(graph))
    report = run_gate(example, gpu)
    assert refusals(report) == [("control", "naive.toml", "")]
    assert "could not run" in report.refusals[0].reason


@pytest.fixture(scope="module")
def cpu():
    with targets.open_target("cpu") as target:
        yield target


def test_a_wrong_scale_is_refused_by_the_chain(example, cpu):
    """The head forgets to halve: each graph is right by itself, what comes out is not."""
    (example / "head.tflite").write_bytes(write_tflite(two_graphs.head(factor=1.0)))
    report = run_gate(example, cpu)
    assert refusals(report) == [("chain", "chain", "y")]
    assert "chain_snr_db" in report.refusals[0].reason


def test_a_swapped_tensor_of_another_shape_is_a_clear_error(example, cpu):
    replace_in(example, "split.toml", 'outputs = ["features_x2", "summary"]', 'outputs = ["summary", "features_x2"]')
    with pytest.raises(BadInput, match=r"reads \[1, 64, 24\].*file's order"):
        run_gate(example, cpu)


def test_a_swapped_tensor_of_the_same_shape_is_refused_by_the_chain(example, cpu):
    """Two graphs of two equal tensors; the layout crosses them. Nothing but the whole model can tell."""
    shape = (1, 16, 8)

    def front(g: GraphBuilder) -> tuple[str, str]:
        x = g.input("x", shape)
        return g.scaled(x, 2.0, name="a"), g.scaled(x, 3.0, name="b")

    def back(g: GraphBuilder, a: str, b: str) -> str:
        return g.sub(g.scaled(a, 5.0), b, name="y")

    whole, first, second = GraphBuilder(), GraphBuilder(), GraphBuilder()
    whole_graph = whole.build([back(whole, *front(whole))])
    first_graph = first.build(list(front(first)))
    second_graph = second.build([back(second, second.input("a", shape), second.input("b", shape))])
    for name, graph in (("whole", whole_graph), ("encoder", first_graph), ("head", second_graph)):
        (example / f"{name}.tflite").write_bytes(write_tflite(graph))
    replace_in(example, "split.toml", "[1, 64, 24]", "[1, 16, 8]")
    replace_in(example, "split.toml", '"features_x2", "summary"', '"a", "b"')
    assert run_gate(example, cpu).passed
    replace_in(example, "split.toml", 'inputs = ["a", "b"]', 'inputs = ["b", "a"]')
    assert refusals(run_gate(example, cpu)) == [("chain", "chain", "y")]


def test_a_constant_output_is_refused(example, cpu):
    """A head that multiplies by zero: the comparison has no power, and that is no pass."""
    (example / "head.tflite").write_bytes(write_tflite(two_graphs.head(factor=0.0)))
    g = GraphBuilder()
    g.input("features_x2", (1, two_graphs.TOKENS, two_graphs.FEATURES))
    summary = g.input("summary", (1, 1, two_graphs.FEATURES))
    flat = g.scaled(summary, 0.0)
    wide = g.add(flat, g.const(np.ones((1, two_graphs.TOKENS, 1))))
    y = g.fully_connected(wide, np.ones((two_graphs.CLASSES, two_graphs.FEATURES)), name="y")
    (example / "head.tflite").write_bytes(write_tflite(g.build([y])))
    report = run_gate(example, cpu)
    assert ("output", "head", "y") in refusals(report)
    assert "INVALID" in next(c.reason for c in report.refusals if c.kind == "output")


def other_weights(part: str, feed: tuple[np.ndarray, ...]) -> tuple[np.ndarray, ...]:
    """A reference of the encoder with other weights than its file has; the head's is its own."""
    data = (EXAMPLE / f"{part}.tflite").read_bytes()
    graph = read_tflite(data, part)
    outputs = evaluate(graph, feed)
    shift = 1.0 if part == "head" else -1.0
    return tuple(shift * outputs[name] for name in graph.outputs)


def test_a_file_of_other_weights_than_its_reference_is_called_that(example, cpu):
    replace_in(example, "split.toml", 'graphs = "float64"', 'graphs = "tests.repro.layouts.test_gate:other_weights"')
    report = run_gate(example, cpu)
    reasons = {(c.part, c.tensor): c.reason for c in report.refusals if c.kind == "output"}
    assert set(reasons) == {("encoder", "features_x2"), ("encoder", "summary")}
    assert all("something else than its reference" in reason for reason in reasons.values())


def test_a_banned_op_is_refused(example, cpu):
    graph = two_graphs.with_op_before(two_graphs.head(), "y", "GATHER")
    (example / "head.tflite").write_bytes(write_tflite(graph))
    report = run_gate(example, cpu)
    assert refusals(report) == [("structure", "head", "more")]
    assert "GATHER is not resident on every GPU delegate" in report.refusals[0].reason


def test_a_rank_above_four_is_refused(example, cpu):
    g = GraphBuilder()
    features = g.input("features_x2", (1, two_graphs.TOKENS, two_graphs.FEATURES))
    summary = g.input("summary", (1, 1, two_graphs.FEATURES))
    deep = g.reshape(features, (1, 8, 8, 2, 12), name="deep")
    flat = g.reshape(g.scaled(deep, 0.5), (1, two_graphs.TOKENS, two_graphs.FEATURES))
    (example / "head.tflite").write_bytes(write_tflite(g.build([two_graphs._head(g, flat, summary)])))
    report = run_gate(example, cpu)
    assert ("structure", "head", "deep") in refusals(report)
    assert "rank 5" in report.refusals[0].reason


def test_a_missing_file_is_one_line_and_exit_2(example):
    (example / "head.tflite").unlink()
    with pytest.raises(BadInput, match=r"graph 2 'head'\] file: no such file '.*head\.tflite'"):
        read_layout(example / "split.toml")


def test_the_baseline_catches_what_got_worse(example, cpu, monkeypatch):
    result = CliRunner().invoke(command, [str(example / "split.toml"), "--target", "cpu", "--update-baseline"])
    assert result.exit_code == 0, result.output
    (recorded,) = example.glob("baselines/two-graphs/cpu--litert-*--fp32.json")
    content = json.loads(recorded.read_text(encoding="utf-8"))
    assert set(content["numbers"]) == {
        "encoder.features_x2.rmse",
        "encoder.summary.rmse",
        "head.y.rmse",
        "chain.chain_snr_db",
    }
    assert any(c.kind == "baseline" and c.answer is GateAnswer.PASS for c in run_gate(example, cpu).checks)
    content["numbers"]["chain.chain_snr_db"] += 20
    content["numbers"]["head.y.rmse"] /= 2
    recorded.write_text(json.dumps(content), encoding="utf-8")
    report = run_gate(example, cpu)
    assert refusals(report) == [("baseline", "", "")]
    assert "chain.chain_snr_db was" in report.refusals[0].reason
    assert "head.y.rmse was" in report.refusals[0].reason
    recorded.write_text("[]", encoding="utf-8")
    with pytest.raises(BadInput, match="record it again"):
        run_gate(example, cpu)


def test_a_refused_layout_records_no_baseline(example, cpu):
    (example / "head.tflite").write_bytes(write_tflite(two_graphs.head(factor=1.0)))
    arguments = [str(example / "split.toml"), "--target", "cpu", "--update-baseline"]
    result = CliRunner().invoke(command, arguments)
    assert isinstance(result.exception, BadInput)
    assert not (example / "baselines").exists()


def test_json_junit_and_exit_code(example):
    (example / "head.tflite").write_bytes(write_tflite(two_graphs.head(factor=1.0)))
    junit = example / "out" / "gate.xml"
    arguments = [str(example / "split.toml"), "--target", "cpu", "--json", "--junit", str(junit)]
    result = CliRunner().invoke(command, arguments)
    assert result.exit_code == 1
    records = [json.loads(line) for line in result.stdout.splitlines()]
    assert records[-1]["check"] == "summary"
    assert records[-1]["passed"] is False
    refused = [r for r in records if r.get("answer") == "REFUSED"]
    assert [(r["check"], r["tensor"]) for r in refused] == [("chain", "y")]
    assert refused[0]["numbers"]["chain_snr_db"] < 20
    assert "<failure" in junit.read_text(encoding="utf-8")
    require_junit(junit)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--size", "640"], "it has no sizes"),
        (["--set", "weights=x"], "no such parameter"),
        (["--set", "weights"], "expected KEY=VALUE"),
        (["--target", "gpv"], "did you mean"),
    ],
)
def test_wrong_usage(arguments, says):
    result = CliRunner().invoke(command, [str(EXAMPLE / "split.toml"), "--target", "cpu", *arguments])
    assert isinstance(result.exception, BadInput)
    assert result.exception.exit_code == 2
    assert says in str(result.exception)


def test_a_gate_that_gated_nothing_does_not_pass():
    """The cpu computes no fp16."""
    result = CliRunner().invoke(command, [str(EXAMPLE / "split.toml"), "--target", "cpu", "--precision", "fp16"])
    assert isinstance(result.exception, NothingRan)
    assert result.exception.exit_code == 3
    assert "nothing was gated" in str(result.exception)
