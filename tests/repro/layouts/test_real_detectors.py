"""Real detectors through the gate: the shipped split passes, the naive one is refused for the output that is wrong."""

from __future__ import annotations

import tomllib
from importlib.util import find_spec
from pathlib import Path

import pytest
from click.testing import CliRunner

import models.dfine
from cases.tflite.read import read_tflite
from models.detector import DETECTORS
from models.dfine import convert
from repro.cli import main
from repro.layouts.gate import gate
from repro.layouts.reader import read_layout
from repro.layouts.structure import BANNED
from runner import targets
from runner.run import Precision

pytestmark = [
    # Looked for, not imported: that takes seconds in every process that collects tests.
    pytest.mark.skipif(find_spec("litert_torch") is None, reason="litert-torch is not installed"),
    pytest.mark.slow,
    pytest.mark.convert,
    pytest.mark.gpu,
]
FOLDER = Path(models.dfine.__file__).parent
each_detector = pytest.mark.parametrize("detector", DETECTORS)


@pytest.fixture(scope="module")
def lavapipe():
    with targets.open_target("gpu:lavapipe") as target:
        yield target


@each_detector
@pytest.mark.parametrize("precision", ["fp32", "fp16"])
@pytest.mark.parametrize("build", [convert.shipped_a, convert.graph_b])
def test_no_shipped_graph_holds_what_the_gpu_lacks(build, precision, detector):
    graph = read_tflite(build(size=160, precision=precision, detector=detector).read_bytes())
    assert not {op.kind for op in graph.ops} & set(BANNED)
    assert max(len(graph.tensors[name].shape) for op in graph.ops for name in op.outputs) <= 4


@each_detector
@pytest.mark.parametrize("precision", list(Precision))
def test_the_shipped_layout_passes(lavapipe, precision, detector):
    report = gate(read_layout(FOLDER.parent / detector / "shipped.toml"), lavapipe, precision, 160, lambda text: None)
    assert report.passed, [check.reason for check in report.refusals]
    (control,) = [check for check in report.checks if check.kind == "control"]
    assert control.tensor == "enc_coord"


@each_detector
def test_the_naive_layout_is_refused_for_enc_coord_and_lost_detections(lavapipe, detector):
    layout = read_layout(FOLDER.parent / detector / "naive.toml")
    report = gate(layout, lavapipe, Precision.FP32, 160, lambda text: None)
    outputs = [(check.part, check.tensor) for check in report.refusals if check.kind == "output"]
    assert outputs == [("naive_a", "enc_coord")]
    lost = next(check for check in report.refusals if "lost" in check.numbers)
    assert lost.numbers["lost"] > 0


def test_the_naive_graph_a_passes_the_gate_once_it_is_mended(lavapipe):
    """What docs/naive-graph-a.md shows: `repro fix` mends the file that mended.toml names, and the gate takes it."""
    layout = FOLDER / "mended.toml"
    (graph,) = [g for g in tomllib.loads(layout.read_text(encoding="utf-8"))["graph"] if g["name"] == "naive_a"]
    out = (FOLDER / graph["file"]).resolve()
    naive = convert.naive_a(size=160, precision="fp32")
    done = CliRunner().invoke(
        main, ["fix", str(naive), "-o", str(out), "--target", "gpu:lavapipe", "--precision", "fp32"]
    )
    assert done.exit_code == 0, done.output
    assert "FAIL wrong -> PASS" in done.output
    report = gate(read_layout(layout), lavapipe, Precision.FP32, 160, lambda text: None)
    assert report.passed, [check.reason for check in report.refusals]
    assert "naive.toml" in {check.part for check in report.checks if check.kind == "control"}
