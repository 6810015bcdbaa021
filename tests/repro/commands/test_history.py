"""`repro history`: a folder of runs as one grid."""

from __future__ import annotations

import json
from pathlib import Path

from click.testing import CliRunner

from repro.cli import main
from repro.records.folders import FINDINGS
from runner.errors import BadInput

LINE = {"target": "gpu:lavapipe", "runtime": "2.3.0", "precision": "fp32", "output": 0, "stages": {"compile": 0.5}}


def written(folder: Path, name: str, verdict: str) -> None:
    line = {**LINE, "case": "f/a", "verdict": verdict, "signature": "stale" if verdict == "FAIL" else ""}
    (folder / name).write_text(json.dumps(line) + "\n", encoding="utf-8")


def test_runs_of_several_days_are_one_grid_and_what_is_none_is_left_out(tmp_path):
    written(tmp_path, "2026-11-24.jsonl", "PASS")
    written(tmp_path, "2026-11-25.jsonl", "FAIL")
    (tmp_path / "notes.txt").write_text("nothing", encoding="utf-8")
    page = tmp_path.parent / "history.html"
    result = CliRunner().invoke(main, ["history", str(tmp_path), "--html", str(page)])
    assert result.exit_code == 0, result.output
    assert f"left out: {tmp_path / 'notes.txt'}" in result.stdout
    head, row, times, last = result.stdout.splitlines()[1:]
    assert head.split()[-2:] == ["2026-11-24", "2026-11-25"]
    assert " ".join(row.split()) == (
        "f/a fp32 output 0 gpu:lavapipe ok 1/1 FAIL stale; since 2026-11-25; flaky: fails in 50 % of repeated runs"
    )
    assert times.split()[-4:] == ["500", "ms", "500", "ms"]
    assert last == "2 runs: 0 findings show now, 1 more without a finding, 0 gone, 1 flaky"
    assert "since 2026-11-25" in page.read_text(encoding="utf-8")


def test_the_evidence_of_a_finding_is_a_history_of_runtimes():
    evidence = FINDINGS / "output-before-elementwise" / "evidence"
    result = CliRunner().invoke(main, ["history", str(evidence), "--json"])
    assert result.exit_code == 0, result.output
    *rows, summary = map(json.loads, result.stdout.splitlines())
    assert summary["by"] == "runtime"
    (minimal,) = [r for r in rows if r["name"] == "minimal fp32 output 0" and r["target"] == "gpu:lavapipe"]
    assert minimal["gone"] == "2.1.6"


def test_a_folder_without_a_run_is_one_line(tmp_path):
    for folder, said in ((tmp_path, "holds no run"), (tmp_path / "none", "no folder")):
        result = CliRunner().invoke(main, ["history", str(folder)])
        assert isinstance(result.exception, BadInput)
        assert said in str(result.exception)
