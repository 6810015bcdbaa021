"""`repro lint` as a user meets it: text, JSON, SARIF, exit codes."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from cases.builder import GraphBuilder
from cases.findings.mali_thin_pointwise import thin_pointwise
from cases.tflite.write import write_tflite
from repro.commands.lint import command
from repro.hazards.rules import RULES
from repro.records.folders import FINDINGS
from runner.encoding import shell_command
from runner.errors import BadInput
from tests.repro.display.schemas import require_sarif

FIELDS = {"model", "tensor", "output", "rule", "producer", "consumer", "message", "fix"}


def hazardous(folder: Path) -> Path:
    g = GraphBuilder()
    y = g.add(g.input("x", (1, 4, 8)), g.input("z", (1, 4, 8)), name="y")
    path = folder / "bad model.tflite"
    path.write_bytes(write_tflite(g.build([g.sum(y, [2]), y])))
    return path


def healthy(folder: Path) -> Path:
    g = GraphBuilder()
    path = folder / "good.tflite"
    path.write_bytes(write_tflite(g.build([g.unary("NEG", g.input("x", (1, 4, 8)))])))
    return path


def run(*arguments: object) -> Result:
    return CliRunner().invoke(command, [str(a) for a in arguments], standalone_mode=True)


def test_a_hazard_exits_one_and_names_tensor_rule_and_fix(tmp_path):
    result = run(hazardous(tmp_path))
    assert result.exit_code == 1
    assert "add-reduce: output 1 'y' (ADD -> SUM)" in result.output
    assert "fix:" in result.output


def test_a_clean_model_exits_zero(tmp_path):
    result = run(healthy(tmp_path))
    assert result.exit_code == 0
    assert "clean" in result.output


def test_risks_alone_exit_zero(tmp_path):
    g = GraphBuilder()
    y = g.unary("NEG", g.input("x", (1, 4, 8)))
    path = tmp_path / "risky.tflite"
    path.write_bytes(write_tflite(g.build([y, g.unary("NEG", y)])))
    assert "output-consumed" in run(path).output
    assert run(path).exit_code == 0
    assert "output-consumed" not in run(path, "--no-risky").output


@pytest.fixture
def thin(tmp_path):
    """A 1x1 convolution of 8 channels, an output, and one of 4 behind it."""
    path = tmp_path / "thin.tflite"
    path.write_bytes(write_tflite(thin_pointwise()))
    return path


def test_a_risk_on_some_adapters_only_says_where_in_every_form(thin):
    text = run(thin)
    assert text.exit_code == 0
    assert "0 hazards, 2 risks" in text.output
    assert "mali-thin-pointwise: output 0 'y' (CONV_2D)" in text.output
    assert re.search(r"where: Mali-G57, .*Mali-G925-Immortalis \(fp16\)$", text.output, re.M)
    assert "never on a Mali" in text.output
    assert "clean" in run(thin, "--no-risky").output
    found, other = [json.loads(line) for line in run(thin, "--json").output.splitlines()]
    assert (found["level"], found["effect"], found["affected"]) == ("risky", "risk", [0])
    assert found["finding"] == "mali-thin-pointwise"
    assert {one["precision"] for one in found["adapters"]} == {"fp16"}
    assert {"name": "Mali-G715", "precision": "fp16", "api": "opencl"} in found["adapters"]
    assert other["rule"] == "thin-convolution-chain"
    assert "NVIDIA H100" in other["where"]
    (one,) = json.loads(run(thin, "--sarif", "-").output)["runs"]
    result = one["results"][0]
    assert (result["ruleId"], result["level"]) == ("mali-thin-pointwise", "warning")
    assert "Mali-G715" in result["properties"]["where"]


@pytest.mark.parametrize(
    ("words", "rules"),
    [
        (("--adapter", "Mali-G715", "--precision", "fp16"), ["mali-thin-pointwise"]),
        (("--adapter", "Mali-G715", "--precision", "fp32"), []),
        (("--adapter", "Mali-G715"), ["mali-thin-pointwise"]),
        (("--adapter", "mali-bifrost"), []),
        (("--adapter", "nvidia", "--precision", "fp32"), ["thin-convolution-chain"]),
        (("--adapter", "Adreno (TM) 740", "--backend", "webgpu"), []),
        (("--adapter", "Adreno (TM) 740", "--backend", "opencl"), ["thin-convolution-chain"]),
        (("--adapter", "mali-*", "--adapter", "intel"), ["mali-thin-pointwise", "thin-convolution-chain"]),
    ],
)
def test_where_the_adapter_is_known_a_risk_is_a_hazard_or_nothing(thin, words, rules):
    found = [json.loads(line) for line in run(thin, "--json", *words).output.splitlines()]
    assert [(one["rule"], one["level"], one["effect"]) for one in found if one["adapters"]] == [
        (rule, "hazard", "lost") for rule in rules
    ]
    assert run(thin, *words).exit_code == (1 if rules else 0)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--precision", "fp16"), "--precision is about an adapter, and none is named"),
        (("--backend", "opencl"), "--backend is about an adapter, and none is named"),
        (("--adapter", "nvida"), "did you mean '@nvidia'"),
        (("--adapter", "riva-*"), "no family of adapters matches"),
    ],
)
def test_what_says_nothing_about_an_adapter_is_refused(thin, words, said):
    result = run(thin, *words)
    assert isinstance(result.exception, BadInput)
    assert said in str(result.exception)


def test_json_has_one_object_a_hazard(tmp_path):
    result = run(hazardous(tmp_path), healthy(tmp_path), "--json")
    objects = [json.loads(line) for line in result.output.splitlines()]
    assert len(objects) == 1
    assert set(objects[0]) >= FIELDS
    assert (objects[0]["rule"], objects[0]["output"], objects[0]["tensor"]) == ("add-reduce", 1, "y")


def test_sarif_names_rules_results_and_artifacts_consistently(tmp_path):
    target = tmp_path / "deep" / "lint.sarif"
    result = run(hazardous(tmp_path), healthy(tmp_path), "--sarif", target)
    assert result.exit_code == 1
    log = json.loads(target.read_text(encoding="utf-8"))
    require_sarif(log)
    (one,) = log["runs"]
    rules = one["tool"]["driver"]["rules"]
    assert [rule["id"] for rule in rules] == list(RULES)
    assert len(one["artifacts"]) == 2
    (found,) = one["results"]
    assert rules[found["ruleIndex"]]["id"] == found["ruleId"] == "add-reduce"
    assert found["level"] == "error"
    physical = found["locations"][0]["physicalLocation"]
    assert physical["artifactLocation"]["uri"] == one["artifacts"][0]["location"]["uri"]
    assert " " not in physical["artifactLocation"]["uri"]
    assert physical["region"]["startLine"] == 1
    assert found["partialFingerprints"]


def test_sarif_may_go_to_stdout(tmp_path):
    log = json.loads(run(healthy(tmp_path), "--sarif", "-").output)
    require_sarif(log)
    assert log["runs"][0]["results"] == []


@pytest.mark.parametrize("content", [b"", b"not a model", b"\x00" * 64])
def test_a_broken_file_is_bad_input(tmp_path, content):
    path = tmp_path / "broken.tflite"
    path.write_bytes(content)
    result = run(path)
    assert isinstance(result.exception, BadInput)
    assert result.exception.exit_code == 2
    assert "\n" not in str(result.exception)


def test_a_missing_file_is_bad_input(tmp_path):
    assert isinstance(run(tmp_path / "no.tflite").exception, BadInput)


def test_the_last_line_counts_and_names_the_command_that_mends():
    folder = FINDINGS / "add-output-feeds-reduction" / "models"
    wrong, right = str(folder / "minimal.tflite"), str(folder / "control.tflite")
    last = CliRunner().invoke(command, [wrong, right]).stdout.splitlines()[-1]
    assert last == f"1 of 2 models with a hazard; next: {shell_command(['repro', 'fix', wrong])} -o fixed.tflite"
    assert "next:" not in CliRunner().invoke(command, [right]).stdout
