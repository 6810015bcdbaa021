"""The text to paste: it asks for its precision, and prints BUG or OK in a Python prompt."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from repro.findings import report_facts as facts
from repro.findings.finding import Finding
from repro.findings.reader import load, slugs
from repro.findings.report import tolerance
from repro.findings.snippet import snippet
from runner.host.vulkan import adapters, driver_environment
from runner.runtimes import installed
from tests.repro.findings.shipped import ONE


def lines_of(finding: Finding) -> list[str]:
    return snippet(finding, tolerance(finding), facts.pinned(finding, finding.evidence_records()))


def test_it_asks_for_the_precision_that_shows_the_bug_where_the_runtime_has_a_choice():
    assert "    gpu = GpuOptions(enforce_f32=True)  # fp32" in lines_of(load(ONE))
    older = lines_of(load("output-before-elementwise"))
    assert not any("GpuOptions" in line for line in older)
    assert any("2.1.3 has no choice: fp16" in line for line in older)


def test_what_is_too_large_or_needs_a_name_is_not_pasted():
    assert lines_of(load("card-token-fanout")) == lines_of(load("mali-thin-pointwise")) == []


@pytest.mark.gpu
@pytest.mark.slow
@pytest.mark.parametrize("slug", slugs())
def test_pasted_into_a_prompt_it_says_bug_where_the_bug_shows_and_logs_nothing(slug, tmp_path):
    finding = load(slug)
    if not lines_of(finding):
        pytest.skip("is too large to paste, or needs a name")
    if facts.pinned(finding, finding.evidence_records()):
        pytest.skip("shows in an older runtime only")
    lavapipe = next(a for a in adapters() if a.key == "lavapipe")
    ended = subprocess.run(
        [sys.executable, "-i", "-q"],
        input="\n".join(lines_of(finding)) + "\n",
        capture_output=True,
        encoding="utf-8",
        cwd=tmp_path,
        env=driver_environment(dict(os.environ), Path(lavapipe.manifest), 1),
        timeout=600,
        check=False,
    )
    shows = bool(finding.showing([installed().version]))
    said = ended.stdout.splitlines()
    if finding.aborts and shows:
        assert "BUG, unless OK follows" in said
        assert "OK" not in said
    else:
        assert said[-1] == ("BUG" if shows else "OK")
        logged = [line for line in ended.stderr.splitlines() if "INFO" in line]
        assert [line for line in logged if "DestroyAccelerator" not in line] == [], "what LiteRT says as it is left"
        assert "Traceback" not in ended.stderr
