"""`repro fix` on the real delegate: mended, proven, or refused."""

from __future__ import annotations

import json

import numpy as np
import pytest
from click.testing import CliRunner

from cases.builder import GraphBuilder
from cases.graph import Graph
from cases.tflite_read import read_tflite
from cases.tflite_write import write_tflite
from repro.commands.fix import command
from repro.fix import cpu_differences, op_line
from repro.hazards import find_hazards
from repro.workarounds import avoid_hazards
from runner.run import Fingerprint, Outcome, Run

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
    assert all(d.exact for d in cpu_differences(ran(a, a), ran(a, a.copy()), ["p", "q"]))
    (found,) = cpu_differences(ran(a), ran(a + np.float32(0.5)), ["p"])
    assert not found.exact
    assert found.max_abs == pytest.approx(0.5)
    assert found.share == pytest.approx(0.25)


def test_the_diff_names_ops_with_shapes():
    graph = three_hazards()
    fixed = avoid_hazards(graph)
    assert [op.kind for op in fixed.removed].count("SUM") == 1  # it reads the inner tensor now
    assert {"MUL", "TRANSPOSE", "RESHAPE"} <= {op.kind for op in fixed.added}
    assert op_line(graph.ops[0], graph) == "ADD('x' [1, 16, 8], 'z' [1, 16, 8]) -> 'y' [1, 16, 8]"


@pytest.mark.gpu
def test_three_kinds_of_hazard_are_mended_and_proven(tmp_path):
    source, out = tmp_path / "bad.tflite", tmp_path / "good.tflite"
    source.write_bytes(write_tflite(three_hazards()))
    arguments = [str(source), "-o", str(out), "--target", "gpu", "--precision", "fp32", "--json"]
    result = CliRunner().invoke(command, arguments)
    assert result.exit_code == 0, result.output
    summary = json.loads(result.stdout.splitlines()[-1])
    assert summary["proven"]
    assert summary["cpu_exact"]
    assert summary["target"]["fp32"]["after"] == ["PASS"] * 4
    assert "FAIL" in summary["target"]["fp32"]["before"]
    graph = read_tflite(out.read_bytes())
    assert find_hazards(graph) == ()
    assert graph.outputs == ("gate", "y", "total", "anchored")


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
