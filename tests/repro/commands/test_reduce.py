"""`repro reduce` and `repro fuzz` as a user meets them, on the host's real GPU delegate where they need one."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from cases.builder import GraphBuilder
from cases.findings.add_output_feeds_reduction import add_reduce
from cases.findings.composite_aborts import rms_norm
from cases.graph import Graph
from cases.tflite.read import read_tflite
from cases.tflite.write import write_tflite
from repro.commands.reduce import command as reduce
from repro.commands.reduce import next_step
from repro.records.journal import Journal
from repro.reducer.history import JOURNAL
from repro.reducer.problem import Failure, Specimen
from repro.reducer.search import Reduced
from runner.errors import BadInput
from runner.run import Precision


def model(path: Path) -> Path:
    """A FULLY_CONNECTED that is an output and read by a MUL of a constant, amid healthy ops."""
    g = GraphBuilder()
    rng = np.random.default_rng(0)
    x = g.unary("TANH", g.input("x", (1, 6, 8)))
    y = g.fully_connected(x, rng.normal(size=(8, 8)) / 3, rng.normal(size=8), name="y")
    z = g.unary("NEG", g.mul(y, g.const(2.0)))
    path.write_bytes(write_tflite(g.build([g.unary("ABS", z), y])))
    return path


def kept_answers(folder: Path) -> dict:
    with Journal(folder / JOURNAL) as journal:
        return {key: journal.get(key) for key in journal}


@pytest.mark.gpu
def test_reduce_brings_a_lost_output_to_its_two_ops_and_resumes(tmp_path: Path):
    arguments = [str(model(tmp_path / "m.tflite")), "--out", str(tmp_path / "out"), "--json"]
    page = tmp_path / "page.html"
    first = CliRunner().invoke(reduce, [*arguments, "--html", str(page)], catch_exceptions=False)
    assert first.exit_code == 0
    assert "2 ops with the same failure" in page.read_text(encoding="utf-8")
    summary = json.loads(first.stdout.splitlines()[-1])
    assert summary["ops"] == 2
    assert summary["signature"] == "unwritten"
    assert summary["role"] == {"rank": 3, "producer": "FULLY_CONNECTED", "consumers": ["MUL"], "is_output": True}
    assert [op.kind for op in read_tflite(Path(summary["model"]).read_bytes()).ops] == ["FULLY_CONNECTED", "MUL"]
    assert "passes" in next(need["without"] for need in summary["needs"] if need["op"].startswith("MUL"))
    assert first.stderr.splitlines()[-1].startswith(f"next: repro fix {summary['model']} ")
    answers = kept_answers(tmp_path / "out")
    again = CliRunner().invoke(reduce, arguments, catch_exceptions=False)
    assert json.loads(again.stdout.splitlines()[-1]) == summary
    assert kept_answers(tmp_path / "out") == answers


@pytest.mark.parametrize(
    ("graph", "output", "signature", "words"),
    [
        (add_reduce(), "y", "alias", "repro fix m.tflite -o fixed.tflite --target gpu:lavapipe"),
        (
            add_reduce(first="SUB"),
            "y",
            "wrong",
            "no known bug explains it; keep it: repro finding new NAME",
        ),
        (
            add_reduce(),
            "",
            "REFUSED",
            "replace the op that is refused, or see what the cpu takes: repro",
        ),
        (rms_norm(), "", "CRASH", "repro fix m.tflite -o fixed.tflite --target gpu:lavapipe"),
    ],
)
def test_what_comes_next_is_what_helps_against_this_failure(graph: Graph, output: str, signature: str, words: str):
    reduced = Reduced(Specimen(graph, (), output), Failure(signature, None), (), 2, 0, "", True)
    assert next_step(reduced, "m.tflite", "gpu:lavapipe", Precision.FP32).startswith(words)


@pytest.mark.parametrize("name", ["missing.tflite", "rubbish.tflite"])
def test_a_bad_model_is_one_line(name: str, tmp_path: Path):
    (tmp_path / "rubbish.tflite").write_bytes(b"not a model")
    with pytest.raises(BadInput, match=name):
        CliRunner().invoke(reduce, [str(tmp_path / name), "--target", "cpu"], catch_exceptions=False)


def test_an_output_that_is_not_there_and_a_healthy_model_are_refused(tmp_path: Path):
    path = str(model(tmp_path / "m.tflite"))
    with pytest.raises(BadInput, match="outputs 0 to 1"):
        CliRunner().invoke(reduce, [path, "--target", "cpu", "--output", "7"], catch_exceptions=False)
    with pytest.raises(BadInput, match="nothing to reduce"):
        CliRunner().invoke(reduce, [path, "--target", "cpu", "--out", str(tmp_path / "o")], catch_exceptions=False)
