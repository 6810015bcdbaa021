"""`repro fuzz`: bugs as they are found, the summary last, and no graph judged is no pass."""

from __future__ import annotations

import importlib
import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from repro.commands.fuzz import command as fuzz
from repro.verdicts.fitness import FailedControl, Fitness
from runner.errors import NothingRan


@pytest.mark.gpu
def test_fuzz_judges_reports_and_goes_on(tmp_path: Path):
    arguments = ["--graphs", "1", "--seconds", "36000", "--seed", "9", "--corpus", str(tmp_path), "--json"]
    first = CliRunner().invoke(fuzz, arguments, catch_exceptions=False)
    assert first.exit_code in (0, 1)
    summary = json.loads(first.stdout.splitlines()[-1])
    assert {"graphs", "seconds", "distinct", "new"} <= set(summary)
    assert first.exit_code == (1 if summary["new"] else 0)
    assert summary["verdicts"]["PASS"] > 20
    assert json.loads((tmp_path / "state.json").read_text(encoding="utf-8"))["next_index"] == summary["next_graph"] > 0


@pytest.mark.gpu
def test_nothing_is_hunted_on_a_target_that_fails_its_controls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    failed = (FailedControl("findings/x-control", "FAIL stale"),)
    module = importlib.import_module("repro.commands.fuzz")
    monkeypatch.setattr(module, "fitness", lambda target, chosen: Fitness(target.name, "1", chosen, 38, failed))
    result = CliRunner().invoke(fuzz, ["--target", "gpu:lavapipe", "--corpus", str(tmp_path / "corpus")])
    assert isinstance(result.exception, NothingRan)
    assert "gpu:lavapipe is UNFIT in fp32: 1 of 38 controls fails" in str(result.exception)
