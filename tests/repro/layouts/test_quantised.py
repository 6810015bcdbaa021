"""Quantised graphs are gated like others: fed on their grids, judged in steps, passed on as the integers they are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cases.graph import Graph, Op, Tensor
from cases.tflite.extras import on_grid
from cases.tflite.write import write_tflite
from repro.layouts.layout import GraphPart
from repro.layouts.miswiring import changes
from repro.layouts.models import PartModel, as_passed, feed_of
from repro.layouts.reader import read_layout
from repro.layouts.result import Report
from repro.layouts.walk import prepare
from runner.errors import BadInput
from runner.run import Precision
from tests.repro.layouts.gating import refusals, replace_in, run_gate

SHAPE = (1, 16, 8)
GRIDS = {"x": (0.05, 3), "a": (1 / 128, 0), "y": (1 / 256, -128)}


def graph(kinds: dict[str, str], inputs: tuple[str, ...], scales: dict[str, tuple[float, int]] = GRIDS) -> Graph:
    """A chain of one-operand ops over int8 tensors. kinds: output -> op kind, in order."""
    names = [*inputs, *kinds]
    tensors = {name: Tensor(name, SHAPE, "int8", raw=on_grid(*scales[name])) for name in names}
    ops = tuple(Op(kind, (names[i],), (name,)) for i, (name, kind) in enumerate(kinds.items()))
    return Graph(tensors, ops, inputs, (names[-1],)).validate()


def write(folder: Path, **graphs: Graph) -> None:
    whole = graph({"a": "TANH", "y": "LOGISTIC"}, ("x",))
    files = {"whole": whole, "first": graph({"a": "TANH"}, ("x",)), "second": graph({"y": "LOGISTIC"}, ("a",))}
    for name, one in {**files, **graphs}.items():
        (folder / f"{name}.tflite").write_bytes(write_tflite(one))
    (folder / "split.toml").write_text(
        f"""
[layout]
name = "quantised"
[inputs]
shapes = {{ x = {list(SHAPE)} }}
[[graph]]
name = "first"
file = "first.tflite"
inputs = ["x"]
outputs = ["a"]
[[graph]]
name = "second"
file = "second.tflite"
inputs = ["a"]
outputs = ["y"]
[reference]
chain = "whole.tflite"
[thresholds.fp32]
chain_snr_db = {{ value = 30, reason = "a step of 256 is 48 dB below the range" }}
[control]
none = "two activations, one behind the other"
""",
        encoding="utf-8",
    )


def gated(folder: Path, cpu, **graphs: Graph) -> Report:
    write(folder, **graphs)
    return run_gate(folder, cpu)


def test_a_quantised_split_is_judged_in_steps_and_passes(tmp_path, cpu):
    report = gated(tmp_path, cpu)
    assert report.passed, report.refusals
    assert [check.tensor for check in report.checks if check.kind == "output"] == ["a", "y"]


def test_what_the_lint_did_not_examine_is_said_where_it_knows_no_hazard(tmp_path, cpu):
    said = {(check.kind, check.part): check.reason for check in gated(tmp_path, cpu).checks}
    assert "no hazard; 1 op not examined (no rule is about them): 1 TANH of int8" in said["structure", "first"]
    assert "with 2 ops not examined (no rule is about them): 1 LOGISTIC of int8, 1 TANH" in said["control", "none"]


def test_a_quantised_graph_of_another_function_is_refused(tmp_path, cpu):
    report = gated(tmp_path, cpu, second=graph({"y": "TANH"}, ("a",), {**GRIDS, "y": (1 / 128, 0)}))
    assert {kind for kind, *_ in refusals(report)} == {"chain"}


def test_integers_that_mean_other_numbers_to_their_reader_are_refused_with_both_grids(tmp_path, cpu):
    other = graph({"y": "LOGISTIC"}, ("a",), {**GRIDS, "a": (1 / 64, 0)})
    report = gated(tmp_path, cpu, second=other)
    assert ("structure", "second", "a") in refusals(report)
    (reason,) = [check.reason for check in report.refusals if check.kind == "structure"]
    assert "first gives it with scale 0.0078125 and zero point 0.0" in reason
    assert "second reads it with scale 0.015625 and zero point 0.0" in reason


def test_numbers_that_an_integer_tensor_cannot_hold_are_one_line_and_never_cut(tmp_path, cpu):
    write(tmp_path)
    replace_in(tmp_path, "split.toml", f"shapes = {{ x = {list(SHAPE)} }}", 'files = ["x.npz"]')
    np.savez(tmp_path / "x.npz", x=np.full(SHAPE, 0.5, np.float32))
    with pytest.raises(BadInput, match=r"'x' holds float32 values that int8 cannot hold, .* in a \[\[host\]\] step"):
        run_gate(tmp_path, cpu)
    np.savez(tmp_path / "x.npz", x=np.arange(128, dtype=np.int64).reshape(SHAPE) - 64)
    assert run_gate(tmp_path, cpu).passed, "whole numbers of any type are taken"


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "int32", "bool", "float16", "float32"])
def test_what_a_graph_gives_passes_to_the_next_unchanged(seed: int, dtype: str):
    generator = np.random.default_rng(seed)
    held = np.dtype(dtype)
    low, high = (0, 1) if dtype == "bool" else (-9, 9) if held.kind == "f" else (np.iinfo(held).min, np.iinfo(held).max)
    values = generator.integers(low, high, SHAPE, endpoint=True).astype(held)
    one = Graph({"a": Tensor("a", SHAPE, dtype)}, (), ("a",), ("a",))
    model = PartModel(GraphPart(name="part", builder="m:f", inputs=("a",), outputs=("a",)), b"", one)
    (passed,) = as_passed(model, [values.astype(np.float64)])
    assert passed.dtype == held
    (fed,) = feed_of(model, {"a": passed}, tmp_layout())
    np.testing.assert_array_equal(fed, values)


def tmp_layout() -> Path:
    """For messages only."""
    return Path("layout.toml")


def test_the_recorded_error_of_integers_is_in_steps_and_does_not_wrap(tmp_path, cpu):
    report = gated(tmp_path, cpu)
    errors = [check.numbers["rmse"] for check in report.checks if check.kind == "output"]
    assert all(0 <= error < 2 for error in errors)


def test_a_quantised_chain_has_no_factor_to_forget(tmp_path):
    """Integers are exchanged and never scaled: half a step is none."""
    write(tmp_path)
    ground = prepare(read_layout(tmp_path / "split.toml"), None, Precision.FP32, lambda text: None)
    assert {factor for change in changes(ground) for _, factor in change.sources.values()} == {1.0}
