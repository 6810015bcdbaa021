"""`repro matrix`: what it stores, whom it measures, and that a matrix without a cell is no pass."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from cases import catalogue
from cases.findings.add_output_feeds_reduction import add_reduce
from cases.tflite.write import write_tflite
from repro.cli import main
from repro.commands.matrix import choose_subjects, verdict_line
from repro.matrix import measure
from repro.records.canonical_json import is_canonical
from runner.errors import BadInput, NothingRan, TargetUnavailable
from runner.runtimes import installed
from tests.repro.matrix.cells import record


@pytest.mark.gpu
def test_the_command_names_what_shows_and_stores_canonical_json(tmp_path):
    model = tmp_path / "bad.tflite"
    model.write_bytes(write_tflite(add_reduce()))
    version = installed().version
    out = tmp_path / "matrix.json"
    options = ["--runtime", version, "--target", "gpu:lavapipe", "--precision", "fp32", "--out", str(out), "--json"]
    page = tmp_path / "page.html"
    result = CliRunner().invoke(main, ["matrix", str(model), *options, "--html", str(page)])
    assert result.exit_code == 0, result.output
    assert "1 of 1 output wrong somewhere" in page.read_text(encoding="utf-8")
    (row,) = [json.loads(line) for line in result.stdout.splitlines()]
    assert (row["case"], row["output"], row["since"]) == ("bad.tflite", 0, version)
    assert is_canonical(out.read_bytes())


def test_an_unknown_case_and_an_unknown_runtime_are_refused_in_one_line():
    result = CliRunner().invoke(main, ["matrix", "no-such-case-anywhere"])
    assert isinstance(result.exception, BadInput)
    assert "no case 'no-such-case-anywhere'" in str(result.exception)
    result = CliRunner().invoke(main, ["matrix", "fanout/add-to-2", "--runtime", "two-point-three", "--target", "cpu"])
    assert isinstance(result.exception, BadInput)
    assert "is no LiteRT version" in str(result.exception)


def test_a_matrix_without_a_cell_is_no_pass(tmp_path, monkeypatch):
    def nothing(name: str, **options):
        raise TargetUnavailable(f"{name} is not here")

    monkeypatch.setattr(measure.targets, "open_target", nothing)
    monkeypatch.setattr("repro.commands.matrix.journal_path", lambda: tmp_path / "j.jsonl")
    (tmp_path / "bad.tflite").write_bytes(write_tflite(add_reduce()))
    version = installed().version
    options = ["--runtime", version, "--target", "cpu", "--out", str(tmp_path / "matrix.json")]
    result = CliRunner().invoke(main, ["matrix", str(tmp_path / "bad.tflite"), *options])
    assert isinstance(result.exception, NothingRan)
    assert result.exception.exit_code == 3
    assert "cpu is not here" in result.output


def test_a_cell_in_one_line_names_every_output_that_does_not_pass():
    both = record("c", "2.3.0", "FAIL")
    both["outputs"][1] = {**both["outputs"][1], "verdict": "INVALID"}
    assert verdict_line(both) == "y FAIL stale, z INVALID"
    assert verdict_line(record("c", "2.3.0")) == "PASS"


def test_a_control_that_is_named_without_its_case_is_measured_for_itself():
    case, control = (
        "public-reports/litert-8599-add-output-consumed",
        "public-reports/litert-8599-add-output-consumed-x2",
    )
    assert [(s.name, s.control_of) for s in choose_subjects([control], 0, catalogue.catalogue())] == [(control, "")]
    both = {s.name: s.control_of for s in choose_subjects([case], 0, catalogue.catalogue())}
    assert both[case] == ""
    assert both[control] == case


def test_two_files_of_one_name_cannot_be_told_apart(tmp_path):
    paths = []
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        paths.append(tmp_path / folder / "m.tflite")
        paths[-1].write_bytes(write_tflite(add_reduce()))
    with pytest.raises(BadInput, match=r"two files are called m\.tflite"):
        choose_subjects([str(path) for path in paths], 0, ())
