"""`repro finding measure` ended at any moment leaves the finding as it was, or one that is refused until measured."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from repro.commands import finding as command
from repro.findings import draft as drafting
from repro.findings import evidence, reader
from repro.findings.draft import draft_of, publish
from repro.findings.finding import Finding
from repro.findings.seal import SEAL, check_seal, write_seal
from repro.records.folders import FINDINGS
from runner.cache import write_atomically
from runner.errors import BadInput

ONE = "add-output-feeds-reduction"
CHANGED = 4
"""Files that differ between a finding and its draft below, with the seal."""


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.fixture
def finding(tmp_path: Path) -> Finding:
    shutil.copytree(FINDINGS / ONE, tmp_path / "findings" / ONE)
    return reader.load(ONE, tmp_path / "findings")


def measured_anew(finding: Finding, scratch: Path) -> Finding:
    """A draft in which several files are others than before, sealed."""
    draft = draft_of(finding, scratch)
    for name in ("report.md", "expected/minimal-0.bin", "inputs/minimal-0.bin"):
        path = draft.folder / name
        path.write_bytes(path.read_bytes()[::-1])
    write_seal(draft.folder)
    return draft


@pytest.mark.parametrize("files", range(CHANGED + 1))
def test_ended_while_it_is_put_in_place_it_is_old_or_new_or_refused(
    finding: Finding, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: int
):
    draft = measured_anew(finding, tmp_path / "scratch")
    old, new = contents(finding.folder), contents(draft.folder)
    written: list[Path] = []

    def write(path: Path, data: bytes) -> None:
        if len(written) == files:
            raise KeyboardInterrupt
        written.append(path)
        write_atomically(path, data)

    monkeypatch.setattr(drafting, "write_atomically", write)
    if files < CHANGED:
        with pytest.raises(KeyboardInterrupt):
            publish(draft, finding.folder)
    else:
        publish(draft, finding.folder)
        assert written[-1].name == SEAL
    now = contents(finding.folder)
    if now in (old, new):
        check_seal(finding)
        assert now == (new if files == CHANGED else old)
    else:
        assert 0 < files < CHANGED
        with pytest.raises(BadInput, match="not the file that was sealed; restore it from git, or measure anew"):
            check_seal(finding)


def test_put_in_place_again_after_an_end_it_is_whole(finding: Finding, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    draft = measured_anew(finding, tmp_path / "scratch")
    with monkeypatch.context() as patch:
        patch.setattr(drafting, "write_atomically", _interrupted)
        with pytest.raises(KeyboardInterrupt):
            publish(draft, finding.folder)
    publish(draft, finding.folder)
    assert contents(finding.folder) == contents(draft.folder)
    check_seal(finding)


def _interrupted(path: Path, data: bytes) -> None:
    write_atomically(path, data)
    raise KeyboardInterrupt


@pytest.mark.parametrize("step", ["write_arrays", "measure_findings", "record_evidence", "seal"])
def test_ended_while_measuring_it_is_as_it_was(
    finding: Finding, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
):
    before = contents(finding.folder)
    monkeypatch.setenv("REPRO_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(command.reader, "load", lambda slug: finding)
    monkeypatch.setattr(command, "environments_for", lambda versions, names: [])
    monkeypatch.setattr(evidence, "measure_findings", lambda findings, *_, **__: [None] * len(findings))
    monkeypatch.setattr(evidence, "record_evidence", lambda draft, measured: _touch(draft.folder / "evidence"))
    monkeypatch.setattr(command, "render_report", lambda draft, others: "a report")
    done: list[Path] = []

    def end(*arguments: object, **_: object) -> None:
        done.append(tmp_path)
        raise KeyboardInterrupt

    monkeypatch.setattr(evidence, step, end)
    result = CliRunner().invoke(command.command, ["measure", ONE, "--target", "cpu", "--no-named"])
    assert result.exit_code != 0
    assert done, "it came as far as that"
    assert contents(finding.folder) == before


def _touch(folder: Path) -> None:
    (folder / "evidence.json").write_bytes(b"{}\n")
