"""Node data for Model Explorer: in its format, keyed by tensors, coloured by what the judge says."""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from cases.tflite.read import read_tflite
from repro.cli import main
from repro.display import model_explorer
from repro.display.model_explorer import BAD, GOOD, NOTHING, UNCLEAR, errors, hazards
from repro.records.folders import FINDINGS
from repro.trials.taps import Tap, TapReport
from repro.verdicts.verdict import Status, Verdict

_COLOUR = {"type": "string", "pattern": "^#[0-9a-f]{6}$"}
# The fields of GraphNodeData in model_explorer/node_data_builder.py, as far as they are written.
SCHEMA = {
    "type": "object",
    "additionalProperties": {
        "type": "object",
        "required": ["results"],
        "additionalProperties": False,
        "properties": {
            "name": {"type": "string"},
            "showExpandedSummaryOnGroupNode": {"type": "boolean"},
            "results": {
                "type": "object",
                "additionalProperties": {
                    "type": "object",
                    "required": ["value"],
                    "additionalProperties": False,
                    "properties": {
                        "value": {"type": ["number", "string"]},
                        "bgColor": _COLOUR,
                        "textColor": _COLOUR,
                    },
                },
            },
        },
    },
}


def read(path: Path) -> dict[str, Any]:
    data = json.loads(path.read_text(encoding="utf-8"))
    jsonschema.validate(data, SCHEMA)
    return data


def tap(name: str, status: Status, error: float | None, survived: bool = True) -> Tap:
    return Tap(name, "ADD", survived, status, "", "", error)


def test_a_tensor_has_its_error_and_the_colour_of_its_verdict():
    taps = TapReport(
        (), (tap("a", Status.PASS, 1e-7), tap("b", Status.FAIL, 2.0), tap("c", Status.FAIL, 2.0, survived=False))
    )
    outputs = [
        Verdict(0, "y", Status.FAIL, metrics={"max_abs": math.nan}),
        Verdict(1, "z", Status.INVALID, metrics={"max_abs": 0.5}),
    ]
    found = errors(outputs, taps, "largest error")
    jsonschema.validate(found, SCHEMA)
    said = {name: (one["value"], one["bgColor"]) for name, one in found["main"]["results"].items()}
    assert said == {
        "a": (1e-7, GOOD),
        "b": (2.0, BAD),
        "c": (2.0, NOTHING),
        "y": (model_explorer.NOT_FINITE, BAD),
        "z": (0.5, UNCLEAR),
    }


def test_a_run_that_ended_has_no_tensor_to_colour():
    assert errors([Verdict(-1, "", Status.CRASH)], None, "x")["main"]["results"] == {}


@given(st.lists(st.tuples(st.text(), st.floats() | st.none(), st.sampled_from(Status))))
def test_whatever_the_names_and_the_errors_it_is_json_that_all_can_read(taps):
    made = errors([], TapReport((), tuple(tap(name, status, error) for name, error, status in taps)), "x")
    jsonschema.validate(made, SCHEMA)
    assert json.loads(json.dumps(made, allow_nan=False)) == made


def test_lint_writes_the_rule_of_each_tensor(tmp_path):
    path = tmp_path / "hazards.json"
    model = FINDINGS / "add-output-feeds-reduction" / "models" / "minimal.tflite"
    result = CliRunner().invoke(main, ["lint", str(model), "--model-explorer", str(path)])
    assert result.exit_code == 1, result.output
    results = read(path)["main"]["results"]
    assert results == {"y": {"value": "hazard add-reduce", "bgColor": BAD, "textColor": model_explorer.TEXT}}
    assert set(results) <= set(read_tflite(model.read_bytes(), "m").tensors)
    assert hazards([], "clean") == {"main": {"name": "clean", "results": {}, "showExpandedSummaryOnGroupNode": True}}


@pytest.mark.slow
@pytest.mark.gpu
def test_check_writes_the_error_of_every_output_and_tapped_tensor(tmp_path):
    path = tmp_path / "errors.json"
    model = FINDINGS / "conv-output-feeds-constant" / "models" / "minimal.tflite"
    words = ["check", str(model), "--taps", "--model-explorer", str(path)]
    result = CliRunner().invoke(main, words)
    assert result.exit_code == 1, result.output
    written = sorted(tmp_path.iterdir())
    assert [p.name for p in written] == [f"errors-gpu-lavapipe-{precision}.json" for precision in ("fp16", "fp32")]
    graph = read_tflite(model.read_bytes(), "m")
    for each in written:
        results = read(each)["main"]["results"]
        assert set(results) <= set(graph.tensors)
        assert set(graph.outputs) <= set(results)
        assert results[graph.outputs[0]]["bgColor"] == BAD


@pytest.mark.slow
def test_model_explorers_own_package_reads_it(tmp_path):
    builder = pytest.importorskip(
        "model_explorer.node_data_builder", reason="needs the explorer extra, which is 660 MB"
    )
    import dacite

    path = tmp_path / "hazards.json"
    model = FINDINGS / "add-output-feeds-reduction" / "models" / "minimal.tflite"
    CliRunner().invoke(main, ["lint", str(model), "--model-explorer", str(path)])
    for graph in read(path).values():
        strict = dacite.Config(strict=True, check_types=False)
        made = dacite.from_dict(builder.GraphNodeData, graph, config=strict)
        whole = builder.ModelNodeData({"main": made})
        assert json.loads(whole.to_json_string())["main"]["results"] == graph["results"]
        assert all(dataclasses.is_dataclass(one) for one in made.results.values())
