"""`repro fix`: what is proven is written, what is not is refused, and the summary says which."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from cases.findings.add_output_feeds_reduction import add_reduce
from cases.tflite.read import read_tflite
from cases.tflite.write import write_tflite
from repro.commands.fix import command


@pytest.fixture
def lost(tmp_path: Path) -> Path:
    """The model of the first bug."""
    path = tmp_path / "lost.tflite"
    path.write_bytes(write_tflite(add_reduce()))
    return path


def fixed(model: Path, *words: str) -> tuple[Result, dict, Path]:
    out = model.parent / "deep" / "mended.tflite"
    result = CliRunner().invoke(command, [str(model), "-o", str(out), "--json", *words])
    return result, json.loads(result.stdout), out


@pytest.mark.gpu
def test_a_proven_workaround_is_written_with_what_was_done(lost: Path):
    result, summary, out = fixed(lost, "--target", "gpu", "--precision", "fp32")
    assert result.exit_code == 0, result.output
    assert summary["proven"] is True
    assert summary["out"] == str(out)
    assert [(h["rule"], h["tensor"]) for h in summary["hazards"]] == [("add-reduce", "y")]
    assert summary["target"]["fp32"]["before"] == ["FAIL", "PASS"]
    assert summary["target"]["fp32"]["after"] == ["PASS", "PASS"]
    assert summary["cpu_exact"]
    assert len(summary["added"]) > len(summary["removed"]) > 0
    assert read_tflite(out.read_bytes()).outputs == read_tflite(lost.read_bytes()).outputs


def test_where_the_bug_does_not_show_nothing_is_proven_and_nothing_written(lost: Path):
    result, summary, out = fixed(lost, "--target", "cpu")
    assert result.exit_code == 1
    assert summary["proven"] is False
    assert summary["out"] is None
    assert any("passes" in refusal for refusal in summary["refusals"])
    assert not out.exists()


def test_a_model_without_a_hazard_has_nothing_to_mend(tmp_path: Path):
    path = tmp_path / "good.tflite"
    path.write_bytes(write_tflite(add_reduce(first="SUB")))
    result, summary, out = fixed(path, "--target", "cpu")
    assert result.exit_code == 0
    assert (summary["hazards"], summary["proven"]) == ([], None)
    assert not out.exists()
