"""`repro finding`: verifying, measuring and listing from the command line."""

from __future__ import annotations

import html
import json
import re
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from repro.cli import main
from repro.findings.evidence import Verified
from repro.findings.finding import MANIFEST
from repro.findings.reader import load, slugs
from repro.findings.restart_finding import load_restart, restart_slugs
from repro.findings.restart_report import render_issue
from repro.findings.seal import SEAL, check_seal, write_seal
from repro.records.folders import FINDINGS
from runner.errors import BadInput, NothingRan, TargetUnavailable
from tests.repro.findings.shipped import ONE

SHIPPED = slugs()


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A folder of findings with one shipped finding in it, free to be spoiled."""
    for slug in (ONE, *load(ONE).siblings):
        shutil.copytree(FINDINGS / slug, tmp_path / slug)
    return tmp_path


def test_verify_without_names_and_without_all_is_refused():
    result = CliRunner().invoke(main, ["finding", "verify"])
    assert isinstance(result.exception, BadInput)


def test_verify_refuses_a_report_that_was_written_by_hand(copy, monkeypatch):
    monkeypatch.setattr(load, "__defaults__", (copy,))
    path = copy / ONE / "report.md"
    path.write_text(path.read_text(encoding="utf-8").replace("stale memory", "fresh memory"), encoding="utf-8")
    write_seal(copy / ONE)
    result = CliRunner().invoke(main, ["finding", "verify", ONE])
    assert isinstance(result.exception, BadInput)
    assert "report.md is not what" in str(result.exception)


def test_a_report_is_rendered_anew_from_what_was_measured(copy, monkeypatch):
    monkeypatch.setattr(load, "__defaults__", (copy,))
    path, manifest = copy / ONE / "report.md", copy / ONE / MANIFEST
    before = {p.relative_to(copy): p.read_bytes() for p in copy.rglob("*") if p.is_file()}
    manifest.write_text(
        manifest.read_text(encoding="utf-8").replace('title = "', 'title = "Reworded: ', 1), encoding="utf-8"
    )
    result = CliRunner().invoke(main, ["finding", "render", ONE])
    assert result.exit_code == 0, result.output
    assert "# Reworded: " in path.read_text(encoding="utf-8")
    check_seal(load(ONE, copy))
    changed = {name.name for name, data in before.items() if (copy / name).read_bytes() != data}
    assert changed == {MANIFEST, "report.md", SEAL}


def test_rendering_does_not_launder_an_edit(copy, monkeypatch):
    monkeypatch.setattr(load, "__defaults__", (copy,))
    path = copy / ONE / "report.md"
    path.write_text(path.read_text(encoding="utf-8") + "edited\n", encoding="utf-8")
    for task in ("render", "show"):
        result = CliRunner().invoke(main, ["finding", task, ONE])
        assert isinstance(result.exception, BadInput)
        assert "is not the file that was sealed" in str(result.exception)


def test_show_prints_the_report_or_writes_a_page(tmp_path: Path):
    printed = CliRunner().invoke(main, ["finding", "show", ONE])
    assert printed.stdout == (FINDINGS / ONE / "report.md").read_text(encoding="utf-8")
    page = tmp_path / "page.html"
    written = CliRunner().invoke(main, ["finding", "show", ONE, "--html", str(page)])
    assert written.stdout == f"{page}\n"
    assert load(ONE).claim in html.unescape(page.read_text(encoding="utf-8"))


def test_verify_on_a_target_that_is_not_here_is_3():
    result = CliRunner().invoke(main, ["finding", "verify", ONE, "--target", "gpu:no-such-adapter"])
    assert isinstance(result.exception, TargetUnavailable)
    assert result.exception.exit_code == 3


ON_CPU = ["--target", "cpu", "--runtime", "2.3.0"]


@pytest.mark.parametrize("words", [["verify", *ON_CPU], ["measure", *ON_CPU], ["render"]], ids=lambda words: words[0])
def test_all_of_no_findings_is_no_pass(words, monkeypatch):
    monkeypatch.setattr("repro.findings.reader.slugs", lambda: [])
    result = CliRunner().invoke(main, ["finding", *words, "--all"])
    assert isinstance(result.exception, NothingRan)
    assert result.exception.exit_code == 3
    assert "there is no finding here" in str(result.exception)


def test_a_bug_of_the_delegate_is_not_verified_on_the_cpu():
    result = CliRunner().invoke(main, ["finding", "verify", ONE, "--target", "cpu"])
    assert isinstance(result.exception, NothingRan)


@pytest.mark.gpu
def test_verify_measures_again_and_confirms():
    options = ["--target", "gpu:lavapipe", "--json"]
    result = CliRunner().invoke(main, ["finding", "verify", "dfine-naive-enc-coord", *options])
    assert result.exit_code == 0, result.output
    claims = [json.loads(line) for line in result.stdout.splitlines()]
    assert {c["state"] for c in claims} == {"holds"}
    assert {c["model"] for c in claims} == {m.name for m in load("dfine-naive-enc-coord").models}


@pytest.mark.gpu
@pytest.mark.parametrize(
    "where",
    [
        pytest.param(["--target", "gpu:lavapipe", "--runtime", "2.3.0"], marks=pytest.mark.slow),
        # Every release, driver, OpenCL and the browser: ten minutes and more.
        pytest.param([], marks=[pytest.mark.slow, pytest.mark.long]),
    ],
    ids=["the newest release on one driver", "everywhere"],
)
def test_verify_all_confirms_every_host_claim(where: list[str]):
    result = CliRunner().invoke(main, ["finding", "verify", "--all", *where])
    assert result.exit_code == 0, result.output


def test_list_names_every_finding():
    result = CliRunner().invoke(main, ["finding", "list", "--json"])
    assert result.exit_code == 0, result.output
    listed = {json.loads(line)["slug"]: json.loads(line) for line in result.stdout.splitlines()}
    assert set(listed) == {*SHIPPED, *restart_slugs()}
    assert listed[ONE]["since"] == "2.1.3"
    of_two_starts = listed["cached-programs-not-checked"]
    assert (of_two_starts["status"], of_two_starts["state"]) == (listed[ONE]["status"], "CRASH")
    fixed = listed["output-before-elementwise"]
    assert (fixed["status"], fixed["fixed_in"], fixed["claimed_in"]) == (
        "fixed",
        "2.1.6",
        "LiteRT <2.1.6, LiteRT.js <2.5.3",
    )


def without_opencl(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runner.targets.available_opencl", list)
    monkeypatch.setattr("repro.findings.environments.default_targets", lambda: ["gpu:lavapipe"])


def test_verify_says_in_one_line_what_of_the_evidence_it_cannot_measure(monkeypatch):
    without_opencl(monkeypatch)
    monkeypatch.setattr("repro.findings.evidence.verify", lambda findings, *_: [Verified((), ()) for _ in findings])
    cells = sum(r["runtime"].startswith("lm-") for r in load(ONE).evidence_records())
    said = f"not measured: {cells} cells over OpenCL of 1 finding"
    result = CliRunner().invoke(main, ["finding", "verify", ONE])
    assert (result.exit_code, result.output.count(said)) == (0, 1), result.output
    chosen = CliRunner().invoke(main, ["finding", "verify", ONE, "--target", "gpu:lavapipe"])
    assert "not measured" not in chosen.output


def test_measure_does_not_lose_evidence_that_it_cannot_measure(monkeypatch):
    without_opencl(monkeypatch)
    result = CliRunner().invoke(main, ["finding", "measure", ONE])
    assert isinstance(result.exception, TargetUnavailable)
    # Where no browser is set up its cells are in the same line.
    said = str(result.exception)
    assert re.search(r"^\d+ cells over OpenCL of 1 finding\b.* cannot be measured here and would be lost", said), said


def test_the_list_has_one_line_per_finding_and_v_says_more():
    result = CliRunner().invoke(main, ["finding", "list"], env={"COLUMNS": "60"})
    assert result.exit_code == 0, result.output
    *lines, last = result.stdout.splitlines()
    everything = [*SHIPPED, *restart_slugs()]
    assert [line.split()[0] for line in lines] == everything
    assert last == f"{len(everything)} findings (-v: what each claims); next: repro finding show FINDING"
    verbose = CliRunner().invoke(main, ["finding", "list", "-v"]).stdout
    assert load(ONE).claim in verbose
    assert all(load_restart(slug).said.claim in verbose for slug in restart_slugs())
    assert len(verbose.splitlines()) == 3 * len(everything) + 1


@pytest.mark.parametrize("slug", restart_slugs())
def test_a_finding_of_two_starts_is_shown_and_says_how_it_is_measured(slug: str):
    shown = CliRunner().invoke(main, ["finding", "show", slug])
    assert shown.exit_code == 0, shown.output
    assert shown.stdout == render_issue(load_restart(slug))
    for words, said in ((["show", slug, "--html", "page.html"], "has no page"), (["verify", slug], "`repro restart`")):
        refused = CliRunner().invoke(main, ["finding", *words])
        assert isinstance(refused.exception, BadInput)
        assert said in str(refused.exception)
