"""`repro prepare`: what is there already is not converted again, and a missing converter is one line."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
from click.testing import CliRunner

from cases import catalogue
from repro.commands.prepare import command
from runner.errors import BadInput

GRAPH = "public-reports/litert-8599-add-output-consumed"


@pytest.fixture(autouse=True)
def _own_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("REPRO_CACHE", str(tmp_path))


@pytest.mark.convert
def test_references_and_floors_of_a_graph_are_made_and_kept(tmp_path: Path):
    for _ in range(2):
        result = CliRunner().invoke(command, [GRAPH])
        assert result.exit_code == 0, result.output
        assert result.output.strip() == (
            "0 torch cases, 0 of them converted now; references and noise floors of 1 cases are there"
        )
    assert len(list((tmp_path / "references").glob("*.npz"))) == 1
    assert len(list((tmp_path / "floors").iterdir())) == 2, "one for each precision"


def test_a_missing_converter_is_one_line(monkeypatch: pytest.MonkeyPatch):
    module = next(case.name for case in catalogue.catalogue() if case.module is not None)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    result = CliRunner().invoke(command, [module])
    assert isinstance(result.exception, BadInput)
    assert "1 cases need litert-torch, which is not installed; run make setup" in str(result.exception)
