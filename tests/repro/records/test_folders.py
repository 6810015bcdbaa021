"""What an installed package holds is read and never written to."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from repro.commands import expect, finding
from repro.records import folders
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
    assert str(refused).endswith("would be written into the installed package; run this in a checkout of the project")


def test_a_checkout_is_written_to():
    folders.require_own_folders("anything")
    assert not folders.SHIPPED.exists()
