"""`repro report`: the folder for an upstream issue, refused where the finding is not what was sealed."""

from __future__ import annotations

from click.testing import CliRunner

from repro.cli import main
from runner.errors import BadInput
from tests.repro.findings.shipped import ONE
from tests.repro.findings.test_report import ATTACHMENTS


def test_the_command_writes_the_folder(tmp_path):
    result = CliRunner().invoke(main, ["report", ONE, "--out", str(tmp_path / "out")])
    assert result.exit_code == 0, result.output
    assert {p.relative_to(tmp_path / "out").as_posix() for p in (tmp_path / "out").rglob("*")} >= ATTACHMENTS


def test_an_unknown_finding_is_one_line(tmp_path):
    result = CliRunner().invoke(main, ["report", "no-such-finding", "--out", str(tmp_path / "out")])
    assert isinstance(result.exception, BadInput)
    assert not (tmp_path / "out").exists()
