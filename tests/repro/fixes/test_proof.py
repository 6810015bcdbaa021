"""`repro fix` on the real delegate: mended, proven, or refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from cases.builder import GraphBuilder
from cases.findings.bitcast_size import read_as
from cases.findings.fast_math_division import gated
from cases.findings.mali_thin_pointwise import thin_pointwise
from cases.graph import Graph, Tensor
from cases.inputs import StandardFeeds
from cases.tflite.read import read_tflite
from cases.tflite.write import write_tflite
from repro.commands.fix import command
from repro.fixes.proof import _made_out_of_range, cpu_differences, op_line
from repro.fixes.workarounds import Mended, avoid_hazards
from repro.hazards.lint import find_hazards, find_risks
from repro.verdicts.references import OwnOps
from repro.verdicts.subject import graph_subject
from repro.verdicts.verdict import Status
from runner.opencl.android_runtime import made_versions
from runner.opencl.drivers import opencl_driver
from runner.run import Fingerprint, Outcome, Precision, Run
from tests.repro.simulated_delegate import SimulatedDelegate

PRINT = Fingerprint("cpu", "0", {}, "", "", "fp32", "")


def three_hazards() -> Graph:
    """One of each kind of edit: an output of its own, an op kept apart, ranks aligned."""
    g = GraphBuilder()
    rng = np.random.default_rng(0)
    x = g.input("x", (1, 16, 8))
    y = g.add(x, g.input("z", (1, 16, 8)), name="y")
    total = g.sum(y, [2], name="total")
    rows = g.reshape(x, (16, 8))
    anchored = g.add(rows, g.const(rng.normal(size=(16, 8))), name="anchored")
    first, second = g.split(x, 2, 2)
    gate = g.sub(first, second, name="gate")
    return g.build([gate, y, total, anchored])


def ran(*outputs: np.ndarray) -> Run:
    return Run("r", Outcome.OK, PRINT, outputs=(outputs,))


def test_cpu_differences_are_exact_or_measured():
    a = np.linspace(-2, 2, 5, dtype=np.float32)
    one, two = (Graph({n: Tensor(n, (5,)) for n in names}, (), tuple(names), tuple(names)) for names in ("p", "pq"))
    assert all(d.exact for d in cpu_differences(ran(a, a), ran(a, a.copy()), two))
    (found,) = cpu_differences(ran(a), ran(a + np.float32(0.5)), one)
    assert not found.exact
    assert found.max_abs == pytest.approx(0.5)
    assert found.share == pytest.approx(0.25)


def scaled_there_and_back(*factors: float) -> Graph:
    """x through a MUL by each factor; their product is 1."""
    g = GraphBuilder()
    x = g.input("x", (1, 4, 8))
    for factor in factors[:-1]:
        x = g.scaled(x, factor)
    return g.build([g.scaled(x, factors[-1], name="y")])


@pytest.mark.parametrize(
    ("before", "after", "refused"),
    [
        ((1.0,), (2.0, 0.5), []),
        ((1.0,), (1e5, 1e-5), ["fp16"]),
        ((1.0,), (1e38, 1e3, 1e-3, 1e-38), ["fp32", "fp16"]),
        ((1e5, 1e-5), (1e6, 1e-6), []),
    ],
)
def test_a_workaround_may_make_nothing_that_a_precision_cannot_hold(before, after, refused):
    old, new = scaled_there_and_back(*before), scaled_there_and_back(*after)
    subject = graph_subject("scaled", old, StandardFeeds(0).make([old.tensors["x"]]), OwnOps(SimulatedDelegate))
    mended = Mended(old, new, (), (), old.ops, new.ops)
    said = list(_made_out_of_range(subject, mended, SimulatedDelegate(), [Precision.FP32, Precision.FP16]))
    assert [line.partition(":")[0] for line in said] == refused


def test_the_diff_names_ops_with_shapes():
    graph = three_hazards()
    fixed = avoid_hazards(graph)
    assert [op.kind for op in fixed.removed].count("SUM") == 1  # it reads the inner tensor now
    assert {"MUL", "TRANSPOSE", "RESHAPE"} <= {op.kind for op in fixed.added}
    assert op_line(graph.ops[0], graph) == "ADD('x' [1, 16, 8], 'z' [1, 16, 8]) -> 'y' [1, 16, 8]"


def test_what_only_another_adapter_shows_is_left_alone_and_said(tmp_path):
    path, out = tmp_path / "thin.tflite", tmp_path / "mended.tflite"
    path.write_bytes(write_tflite(thin_pointwise()))
    said = CliRunner().invoke(command, [str(path), "-o", str(out)])
    assert said.exit_code == 0
    assert "no known hazard" in said.output
    assert "left alone: mali-thin-pointwise, in fp16, on adapters named Mali" in said.output
    assert "emit 'y' through an extra op" in said.output
    assert not out.exists()
    summary = json.loads(CliRunner().invoke(command, [str(path), "-o", str(out), "--json"]).stdout.splitlines()[-1])
    assert {risk["tensor"] for risk in summary["left_alone"]} == {"y"}


@pytest.mark.gpu
@pytest.mark.slow
def test_what_is_left_alone_is_said_beside_what_is_mended_and_is_not_called_precision(tmp_path):
    g = GraphBuilder()
    x = g.input("x", (1, 4, 4, 4))
    thin = [np.eye(4).reshape(4, 1, 1, 4) * scale for scale in (0.5, 2.0)]
    y = g.conv2d(x, thin[0], np.ones(4), name="y")
    z = g.conv2d(x, WEIGHTS[:4, :, :, :4], np.ones(4), name="z")
    outputs = [y, g.conv2d(y, thin[1], np.ones(4)), z, g.mul(z, g.const(np.linspace(0.5, 1.5, 4)))]
    path, out = tmp_path / "both.tflite", tmp_path / "mended.tflite"
    path.write_bytes(write_tflite(g.build(outputs)))
    for target, notes in (("gpu:lavapipe", 0), ("gpu:lavapipe@Mali-G610", 1)):
        result = CliRunner().invoke(command, [str(path), "-o", str(out), "--target", target, "--json"])
        assert result.exit_code == 0, result.output
        summary = json.loads(result.stdout.splitlines()[-1])
        assert {risk["tensor"] for risk in summary["left_alone"]} == {"y"}
        assert [hazard["tensor"] for hazard in summary["hazards"]] == ["z"]
        assert len(summary["notes"]) == notes
        assert all("mali-thin-pointwise, thin-convolution-chain was left alone" in note for note in summary["notes"])


def test_a_risk_is_mended_where_that_is_asked_for(tmp_path):
    path, out = tmp_path / "silu.tflite", tmp_path / "mended.tflite"
    path.write_bytes(write_tflite(gated()))
    arguments = [str(path), "-o", str(out), "--target", "cpu", "--json"]
    left = CliRunner().invoke(command, arguments)
    assert (left.exit_code, out.exists()) == (0, False)
    assert [risk["rule"] for risk in json.loads(left.stdout)["left_alone"]] == ["fast-math-division"]
    mended = CliRunner().invoke(command, [*arguments, "--also", "fast-math-division"])
    assert mended.exit_code == 0, mended.output
    summary = json.loads(mended.stdout)
    assert (summary["proven"], summary["cpu_exact"], summary["left_alone"]) == (True, True, [])
    assert summary["notes"] == ["these inputs do not show the failure; the change is proven harmless, not needed"]
    graph = read_tflite(out.read_bytes())
    assert [op.kind for op in graph.ops] == ["CONV_2D", "TRANSPOSE", "LOGISTIC", "MUL"]
    assert find_risks(graph) == ()
    assert "Mend this risk" in CliRunner().invoke(command, ["--help"]).output
    assert CliRunner().invoke(command, [*arguments, "--also", "op-refused"]).exit_code == 2


@pytest.mark.gpu
@pytest.mark.slow
def test_where_a_risk_shows_its_mending_is_proven(tmp_path):
    if opencl_driver("pocl") is None or not made_versions():
        pytest.skip("needs PoCL and LiteRT-LM's library; `make opencl` brings them")
    path, out = tmp_path / "silu.tflite", tmp_path / "mended.tflite"
    path.write_bytes(write_tflite(gated()))
    arguments = [str(path), "-o", str(out), "--target", "gpu:pocl@Mali-G610", "--also", "fast-math-division", "--json"]
    result = CliRunner().invoke(command, arguments)
    assert result.exit_code == 0, result.output
    summary = json.loads(result.stdout)
    assert summary["target"]["fp32"] == {"before": ["FAIL"], "after": ["PASS"]}
    assert (summary["cpu_exact"], summary["notes"]) == (True, [])


def fixed_on_gpu(source: Path, out: Path) -> Result:
    arguments = [str(source), "-o", str(out), "--target", "gpu", "--precision", "fp32", "--json"]
    return CliRunner().invoke(command, arguments)


@pytest.mark.gpu
def test_three_kinds_of_hazard_are_mended_and_proven(tmp_path):
    source, out = tmp_path / "bad.tflite", tmp_path / "good.tflite"
    source.write_bytes(write_tflite(three_hazards()))
    result = fixed_on_gpu(source, out)
    assert result.exit_code == 0, result.output
    summary = json.loads(result.stdout.splitlines()[-1])
    assert summary["proven"]
    assert summary["cpu_exact"]
    assert summary["target"]["fp32"]["after"] == ["PASS"] * 4
    assert "FAIL" in summary["target"]["fp32"]["before"]
    graph = read_tflite(out.read_bytes())
    assert find_hazards(graph) == ()
    assert graph.outputs == ("gate", "y", "total", "anchored")


WEIGHTS = np.random.default_rng(1).normal(size=(8, 3, 3, 8))


def divided(g: GraphBuilder, shape: tuple[int, ...]) -> str:
    return g.div(g.input("x", shape), g.const(np.linspace(0.5, 1.5, shape[-1])))


def lanes_into_convolution(g: GraphBuilder) -> list[str]:
    return [g.conv2d(g.pad(divided(g, (1, 4, 4, 3)), [(0, 0), (1, 1), (1, 1), (0, 0)]), WEIGHTS[:4, :, :, :3])]


def lanes_through_split(g: GraphBuilder) -> list[str]:
    return [g.mean(part, [3]) for part in g.split(divided(g, (1, 3, 4, 3)), 2, 2)]


def lanes_of_a_logarithm(g: GraphBuilder) -> list[str]:
    far = g.add(g.unary("ABS", g.input("x", (1, 5, 3))), g.const(np.ones(3)))
    return [g.fully_connected(g.unary("LOG", far), WEIGHTS[:4, 0, 0, :3])]


def pointwise_multiplier(g: GraphBuilder) -> list[str]:
    return [g.depthwise_conv2d(g.input("x", (1, 4, 5, 3)), WEIGHTS[:1, :1, :1, :6], np.arange(6.0), stride=2)]


def vector(g: GraphBuilder) -> list[str]:
    return [g.fully_connected(g.input("x", (4,)), WEIGHTS[:3, 0, 0, :4], np.arange(3.0))]


def softmax_of_a_vector(g: GraphBuilder) -> list[str]:
    return [g.op("SOFTMAX", (g.input("x", (6,)),), outputs=("y",), beta=1.0)[0]]


def cumsum_of_rows(g: GraphBuilder) -> list[str]:
    return list(g.op("CUMSUM", (g.input("x", (5, 4, 3)), g.const(0, dtype="int32"))))


def cumsum_of_a_vector(g: GraphBuilder) -> list[str]:
    return list(g.op("CUMSUM", (g.input("x", (6,)), g.const(-1, dtype="int32"))))


def cumsum_of_one_batch(g: GraphBuilder) -> list[str]:
    x = g.input("x", (1, 4, 3))
    return [g.op("CUMSUM", (x, g.const(-1, dtype="int32")))[0], g.unary("TANH", x)]


def cumsum_from_the_end(g: GraphBuilder) -> list[str]:
    return list(g.op("CUMSUM", (g.input("x", (1, 2, 4, 3)), g.const(-2, dtype="int32"))))


def flattened(g: GraphBuilder) -> list[str]:
    return list(g.op("FULLY_CONNECTED", (g.input("x", (1, 2, 4)), g.const(WEIGHTS[:3, 0, 0])), keep_num_dims=False))


def weights_of_an_op(g: GraphBuilder) -> list[str]:
    w = g.unary("NEG", g.input("w", (4, 4)))
    return [g.fully_connected(g.input("x", (1, 3, 4)), w, np.arange(4.0), activation="RELU")]


def flattened_by_weights_of_an_op(g: GraphBuilder) -> list[str]:
    w, bias = g.unary("NEG", g.input("w", (4, 8))), g.const(np.arange(4.0))
    return list(g.op("FULLY_CONNECTED", (g.input("x", (1, 2, 4)), w, bias), keep_num_dims=False))


def pad_of_rank_3(g: GraphBuilder) -> list[str]:
    return [g.pad(g.input("x", (2, 3, 4)), [(1, 0), (1, 1), (0, 2)])]


def pad_of_batches(g: GraphBuilder) -> list[str]:
    return [g.pad(g.input("x", (1, 2, 3, 4)), [(1, 0), (1, 1), (0, 2), (0, 0)])]


def sliced_part(g: GraphBuilder) -> list[str]:
    first, second, third = g.split(g.input("x", (1, 4, 6)), 3, 2)
    return [g.slice(first, [0, 0, 0], (1, 4, 2)), second, third]


def squared_matrix(g: GraphBuilder) -> list[str]:
    x = g.input("x", (1, 3, 3))
    return [g.batch_matmul(x, x)]


def either_way(g: GraphBuilder) -> list[str]:
    x = g.input("x", (1, 3, 3))
    return [g.select(g.op("GREATER", (g.input("c", (1, 3, 3)), g.const(0.0)))[0], x, x)]


REWRITTEN = [
    (lanes_into_convolution, "TILE"),
    (lanes_through_split, "TILE"),
    (lanes_of_a_logarithm, "TILE"),
    (pointwise_multiplier, "DEPTHWISE_CONV_2D"),
    (vector, "RESHAPE"),
    (softmax_of_a_vector, "RESHAPE"),
    (cumsum_of_rows, "RESHAPE"),
    (cumsum_of_a_vector, "RESHAPE"),
    (cumsum_of_one_batch, "RESHAPE"),
    (cumsum_from_the_end, "CUMSUM"),
    (flattened, "RESHAPE"),
    (weights_of_an_op, "ADD"),
    (flattened_by_weights_of_an_op, "ADD"),
    (pad_of_rank_3, "RESHAPE"),
    (pad_of_batches, "RESHAPE"),
    (sliced_part, "TRANSPOSE"),
    (squared_matrix, "TRANSPOSE"),
    (either_way, "TRANSPOSE"),
]


@pytest.mark.gpu
@pytest.mark.parametrize(("make", "added"), REWRITTEN, ids=[make.__name__ for make, _ in REWRITTEN])
def test_what_is_parsed_wrong_is_written_in_another_form_and_proven(make, added, tmp_path):
    g = GraphBuilder()
    graph = g.build(make(g))
    source, out = tmp_path / "bad.tflite", tmp_path / "good.tflite"
    source.write_bytes(write_tflite(graph))
    result = fixed_on_gpu(source, out)
    summary = json.loads(result.stdout.splitlines()[-1])
    assert (result.exit_code, summary["refusals"]) == (0, [])
    assert summary["cpu_exact"]
    assert summary["target"]["fp32"]["after"] == ["PASS"] * len(graph.outputs)
    mended = read_tflite(out.read_bytes())
    assert added in {op.kind for op in mended.ops}
    assert find_hazards(mended) == ()


@pytest.mark.gpu
@pytest.mark.parametrize(("taken", "before"), [(3, Status.FAIL), (5, Status.CRASH)])
def test_groups_become_block_diagonal_weights(taken, before, tmp_path):
    g = GraphBuilder()
    weights = np.random.default_rng(taken).normal(size=(8, 3, 3, taken))
    graph = g.build([g.conv2d(g.input("x", (1, 4, 5, 2 * taken)), weights, np.arange(8.0))])
    assert find_hazards(graph)[0].rule == ("grouped-conv" if taken <= 4 else "grouped-conv-aborts")
    source, out = tmp_path / "bad.tflite", tmp_path / "good.tflite"
    source.write_bytes(write_tflite(graph))
    result = fixed_on_gpu(source, out)
    summary = json.loads(result.stdout.splitlines()[-1])
    assert (result.exit_code, summary["refusals"], summary["proven"]) == (0, [], True)
    assert summary["target"]["fp32"] == {"before": [before], "after": [Status.PASS]}
    mended = read_tflite(out.read_bytes())
    assert find_hazards(mended) == ()
    (dense,) = (mended.tensors[op.inputs[1]].shape for op in mended.ops)
    assert dense == (8, 3, 3, 2 * taken)


@pytest.mark.gpu
def test_nothing_is_written_without_a_hazard_or_without_a_proof(tmp_path):
    g = GraphBuilder()
    plain = tmp_path / "plain.tflite"
    plain.write_bytes(write_tflite(g.build([g.unary("NEG", g.input("x", (1, 4, 8)))])))
    out = tmp_path / "out.tflite"
    assert CliRunner().invoke(command, [str(plain), "-o", str(out)]).exit_code == 0
    assert not out.exists()
    source = tmp_path / "bad.tflite"
    source.write_bytes(write_tflite(three_hazards()))
    # On cpu nothing fails, so there is no failure whose absence could be shown.
    refused = CliRunner().invoke(command, [str(source), "-o", str(out), "--target", "cpu"])
    assert refused.exit_code == 1
    assert "refused" in refused.output
    assert not out.exists()


@pytest.mark.gpu
def test_a_hazard_without_a_workaround_is_refused_by_name_and_nothing_is_claimed_of_the_change(tmp_path):
    source, out = tmp_path / "bad.tflite", tmp_path / "good.tflite"
    source.write_bytes(write_tflite(read_as()))
    result = fixed_on_gpu(source, out)
    summary = json.loads(result.stdout.splitlines()[-1])
    assert result.exit_code == 1
    assert summary["refusals"][0] == "hazard bitcast-size at 'bits' is left: no workaround is known"
    assert summary["notes"] == []
    assert not out.exists()
