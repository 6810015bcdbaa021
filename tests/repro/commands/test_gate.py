"""`repro gate`: JSON, JUnit and the exit code say the same, wrong usage is one line, and gating nothing is no pass."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from cases.tflite.write import write_tflite
from repro import api
from repro.commands.gate import command
from repro.verdicts.fitness import FailedControl, Fitness
from runner import targets
from runner.errors import BadInput, NothingRan, TargetUnavailable
from runner.run import Precision
from tests.repro.display.schemas import require_junit
from tests.repro.layouts import two_graphs
from tests.repro.layouts.gating import EXAMPLE


@pytest.fixture
def example(tmp_path):
    """A copy of the worked example that a test may break."""
    for file in EXAMPLE.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    return tmp_path


def test_json_junit_and_exit_code(example):
    (example / "head.tflite").write_bytes(write_tflite(two_graphs.head(factor=1.0)))
    junit = example / "out" / "gate.xml"
    arguments = [str(example / "split.toml"), "--target", "cpu", "--json", "--junit", str(junit)]
    page = example / "out" / "gate.html"
    result = CliRunner().invoke(command, [*arguments, "--html", str(page)])
    assert result.exit_code == 1
    assert "REFUSED: " in page.read_text(encoding="utf-8")
    records = [json.loads(line) for line in result.stdout.splitlines()]
    assert records[-1]["check"] == "summary"
    assert records[-1]["passed"] is False
    refused = [r for r in records if r.get("answer") == "REFUSED"]
    assert [(r["check"], r["tensor"]) for r in refused] == [("chain", "y")]
    assert refused[0]["numbers"]["chain_snr_db"] < 20
    text = junit.read_text(encoding="utf-8")
    assert "<failure" in text
    require_junit(junit)
    assert sum(float(seconds) for seconds in re.findall(r'<testcase [^>]*time="([\d.]+)"', text)) > 0


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


def test_a_precision_of_the_layout_that_was_not_asked_for_is_said():
    result = CliRunner().invoke(command, [str(EXAMPLE / "split.toml"), "--target", "cpu", "--json"])
    assert "fp16 of the layout is not gated; before a release add --precision both" in result.stderr


def test_without_a_target_a_layout_is_gated_on_its_own_targets(example):
    split = example / "split.toml"
    split.write_text(split.read_text(encoding="utf-8") + '\n[[target]]\nname = "cpu"\n', encoding="utf-8")
    result = CliRunner().invoke(command, [str(split), "--json"])
    assert result.exit_code == 0
    assert {json.loads(line)["target"] for line in result.stdout.splitlines()} == {"cpu"}
    result = CliRunner().invoke(command, [str(split), "--option", "buffers"])
    assert isinstance(result.exception, BadInput)
    assert "--option changes a target, and none is named here" in str(result.exception)


def test_a_target_that_fails_its_controls_neither_passes_nor_refuses(example, monkeypatch):
    (example / "head.tflite").write_bytes(write_tflite(two_graphs.head(factor=1.0)))
    failed = (FailedControl("findings/x-control", "FAIL stale"),)
    monkeypatch.setattr(api, "fitness", lambda target, level: Fitness(target.name, "1", level, 38, failed))
    junit = example / "gate.xml"
    words = [str(example / "split.toml"), "--target", "cpu", "--json", "--update-baseline", "--junit", str(junit)]
    result = CliRunner().invoke(command, words)
    assert result.exit_code == 3
    assert json.loads(result.stdout.splitlines()[-1])["unfit"]["failed"] == {"findings/x-control": "FAIL stale"}
    assert "no baseline is recorded of cpu fp32" in result.stderr
    require_junit(junit)
    assert junit.read_text(encoding="utf-8").count("<failure") == 1


def test_a_target_that_is_not_there_is_exit_3_after_the_others_are_gated(example, monkeypatch):
    """The list of a layout must pass as a whole; what is known of the targets that are there is said all the same."""
    opened = targets.open_target

    def open_target(name: str, **options):
        if name == "cpu:reference":
            raise TargetUnavailable("cpu:reference is not here; bring it")
        return opened(name, **options)

    monkeypatch.setattr(targets, "open_target", open_target)
    junit, page = example / "gate.xml", example / "gate.html"
    both = ["--target", "cpu:reference", "--target", "cpu", "--json", "--junit", str(junit), "--html", str(page)]
    result = CliRunner().invoke(command, [str(example / "split.toml"), *both])
    assert isinstance(result.exception, TargetUnavailable)
    assert result.exception.exit_code == 3
    summaries = [r for r in map(json.loads, result.stdout.splitlines()) if r["check"] == "summary"]
    assert [(s["target"], s["passed"], s["missing"]) for s in summaries] == [
        ("cpu", True, None),
        ("cpu:reference", False, "cpu:reference is not here; bring it"),
    ]
    require_junit(junit)
    assert junit.read_text(encoding="utf-8").count("<error") == 1
    assert "NOT GATED EVERYWHERE" in page.read_text(encoding="utf-8")
    (example / "head.tflite").write_bytes(write_tflite(two_graphs.head(factor=1.0)))
    assert CliRunner().invoke(command, [str(example / "split.toml"), *both]).exit_code == 1


def test_from_an_empty_folder_a_layout_is_written_and_gated(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("encoder", "head", "whole"):
        Path(f"{name}.tflite").write_bytes((EXAMPLE / f"{name}.tflite").read_bytes())
    words = ["--init", "encoder.tflite", "head.tflite", "--whole", "whole.tflite"]
    result = CliRunner().invoke(command, words)
    assert result.exit_code == 0, result.output
    assert result.output.splitlines()[:3] == [
        "wrote encoder_naive.tflite",
        "wrote split_naive.toml",
        "wrote split.toml",
    ]
    assert "repro gate split.toml" in result.output
    assert CliRunner().invoke(command, ["split.toml", "--target", "cpu"]).exit_code == 0
    again = CliRunner().invoke(command, words)
    assert isinstance(again.exception, BadInput)
    assert "'encoder_naive.tflite' is there already; remove it, or name another place with --out" in str(
        again.exception
    )
    elsewhere = CliRunner().invoke(command, [*words, "--out", "gates/mine.toml"])
    assert elsewhere.exit_code == 0, elsewhere.output
    assert CliRunner().invoke(command, ["gates/mine.toml", "--target", "cpu"]).exit_code == 0


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["a.toml", "b.toml"], "one layout is gated at a time, and 2 files are named"),
        (["a.toml", "--whole", "w.tflite"], "--whole is of --init"),
        (["a.toml", "--out", "w.toml"], "--out is of --init"),
        (["--init", str(EXAMPLE / "head.tflite"), str(EXAMPLE / "head.tflite")], "two of the graphs are called 'head'"),
        (["--init", str(EXAMPLE / "split.toml")], "split.toml"),
        (["--init", "absent.tflite"], "absent.tflite"),
        (["--init", str(EXAMPLE / "head.tflite"), "--out", "a.tflite"], "a layout is a .toml file"),
    ],
)
def test_a_start_that_cannot_be_made_is_one_line(tmp_path, monkeypatch, words, says):
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(command, words)
    assert isinstance(result.exception, BadInput)
    assert says in str(result.exception)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("precision", "gated"), [("both", ["fp32"]), ("fp16", [])])
def test_what_a_target_cannot_compute_is_not_gated_there_and_said(monkeypatch, precision, gated):
    monkeypatch.setattr(targets, "precisions_for", lambda target, asked: [Precision.FP32])
    result = CliRunner().invoke(
        command, [str(EXAMPLE / "split.toml"), "--target", "cpu", "--precision", precision, "--json"]
    )
    assert "cpu computes fp32 only: fp16 is not gated there" in result.stderr
    assert {json.loads(line)["precision"] for line in result.stdout.splitlines()} == set(gated)
    assert isinstance(result.exception, NothingRan) is not bool(gated)


@pytest.mark.parametrize(
    ("words", "said"), [([], "name the layout to gate"), (["--init"], "--init: name the graphs in the order")]
)
def test_without_any_file_it_says_which_are_needed(words: list[str], said: str):
    refused = CliRunner().invoke(command, words).exception
    assert isinstance(refused, BadInput)
    assert said in str(refused)
