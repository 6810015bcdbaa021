"""A judge that says something else judges again: the journal gives back no words of an older one."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from runner.source_version import PACKAGES, ROOT

pytestmark = pytest.mark.gpu

CASE = "output-plus-consumer/add-sum-r3-n64"
WORDS = "holds input"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of the sources, to be edited."""
    for package in PACKAGES:
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "findings" / "expectations", tmp_path / "findings" / "expectations")
    return tmp_path


def run(checkout: Path) -> str:
    environment = {**os.environ, "REPRO_CACHE": str(checkout / "cache"), "COLUMNS": "200"}
    command = [sys.executable, "-m", "repro", "run", CASE, "--precision", "fp32"]
    done = subprocess.run(command, cwd=checkout, env=environment, capture_output=True, encoding="utf-8", check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_a_changed_diagnosis_asks_the_journal_again_and_gives_its_own_words(checkout: Path):
    assert WORDS in run(checkout)
    assert "1 of 1 run unchanged" in run(checkout)
    source = checkout / "repro" / "verdicts" / "misplaced_values.py"
    source.write_text(source.read_text(encoding="utf-8") + "\n# another judge\n", encoding="utf-8")
    assert "0 of 1 run unchanged" in run(checkout)
    words = checkout / "repro" / "verdicts" / "diagnose.py"
    words.write_text(words.read_text(encoding="utf-8").replace("input {", "INPUT {"), encoding="utf-8")
    changed = run(checkout)
    assert "0 of 1 run unchanged" in changed
    assert "holds INPUT" in changed
