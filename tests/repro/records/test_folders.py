"""What an installed package holds is read and never written to."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from repro.commands import expect, finding
from repro.records import folders
from repro.records.own_folders import NAME
from runner.errors import BadInput


@pytest.fixture
def _installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folders, "SHIPPED", folders.FINDINGS.parent)


@pytest.mark.usefixtures("_installed")
@pytest.mark.parametrize(
    ("command", "words"),
    [
        (finding.command, ["new", "mine", "--model", "m.tflite", "--control", "c.tflite"]),
        (finding.command, ["measure", "add-output-feeds-reduction"]),
        (finding.command, ["render", "--all"]),
        (expect.command, ["update", "results.jsonl"]),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_what_would_write_into_an_installed_package_is_refused_in_one_line(command, words: list[str], tmp_path: Path):
    with CliRunner().isolated_filesystem(tmp_path):
        Path("results.jsonl").write_text("{}", encoding="utf-8")
        refused = CliRunner().invoke(command, words).exception
    assert isinstance(refused, BadInput)
    assert "would be written into the installed package; run this in a project of your own" in str(refused)


def test_a_checkout_is_written_to():
    folders.require_own_folders("anything", folders.FINDINGS)
    assert not folders.SHIPPED.exists()


def test_a_project_comes_after_what_is_built_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    assert folders.finding_folders() == (folders.FINDINGS,)
    assert folders.expectation_folders() == (folders.EXPECTATIONS,)
    (tmp_path / NAME).write_text('[folders]\nfindings = "f"\nexpectations = "e"\n', encoding="utf-8")
    assert folders.finding_folders() == (folders.FINDINGS, tmp_path / "f")
    assert folders.expectation_folders() == (folders.EXPECTATIONS, tmp_path / "e")
