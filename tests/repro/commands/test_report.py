"""`repro report`: the folder for an upstream issue, refused where the finding is not what was sealed."""

from __future__ import annotations

import shlex

from click.testing import CliRunner

from repro.cli import main
from runner.errors import BadInput
from tests.repro.findings.shipped import ONE
from tests.repro.findings.test_report import ATTACHMENTS


def test_the_command_writes_the_folder(tmp_path):
    result = CliRunner().invoke(main, ["report", ONE, "--out", str(tmp_path / "out")])
    assert result.exit_code == 0, result.output
    assert {p.relative_to(tmp_path / "out").as_posix() for p in (tmp_path / "out").rglob("*")} >= ATTACHMENTS


def test_what_to_try_next_can_be_copied_whatever_the_folder_is_called(tmp_path):
    out = tmp_path / "it's an issue"
    said = CliRunner().invoke(main, ["report", ONE, "--out", str(out)]).output
    (line,) = [line for line in said.splitlines() if "try it: " in line]
    command = line.partition("try it: ")[2].partition(" (exit")[0]
    assert shlex.split(command) == ["python", str(out / "repro.py")]


def test_an_unknown_finding_is_one_line(tmp_path):
    result = CliRunner().invoke(main, ["report", "no-such-finding", "--out", str(tmp_path / "out")])
    assert isinstance(result.exception, BadInput)
    assert not (tmp_path / "out").exists()


def test_with_zip_there_is_one_archive_the_text_and_what_to_paste_where(tmp_path):
    result = CliRunner().invoke(main, ["report", ONE, "--zip", "--out", str(tmp_path)])
    assert result.exit_code == 0, result.output
    assert sorted(p.name for p in tmp_path.iterdir()) == [f"{ONE}.zip", "how-to-file.md", "issue.md"]
    assert "what to paste where" in result.output


def test_one_finding_or_all_of_them_and_not_both(tmp_path):
    for arguments in ([], [ONE, "--all"]):
        result = CliRunner().invoke(main, ["report", *arguments, "--out", str(tmp_path / "out")])
        assert isinstance(result.exception, BadInput)
        assert "name one finding, or give --all" in str(result.exception)
