"""The way from an empty folder to a gated split, own cases and tests of one's own, as its page has it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.empty_folder import Typed, Written, steps

ROOT = Path(__file__).resolve().parents[1]


def test_the_page_shows_each_thing_of_ones_own():
    lines = [step.line for step in steps() if isinstance(step, Typed)]
    for word in ("repro init", "repro gate", "repro run --mine", "repro expect update", "pytest"):
        assert any(line.startswith(word) for line in lines), word
    assert not [step for step in steps() if isinstance(step, Written) and Path(step.name).is_absolute()]


@pytest.mark.gpu
@pytest.mark.slow
@pytest.mark.timeout(900)
def test_every_step_of_the_page_ends_as_it_says(tmp_path: Path):
    """With the console scripts that an installation has, here made for this checkout."""
    scripts = tmp_path / "bin"
    scripts.mkdir()
    for name, module in (("repro", "repro"), ("pytest", "pytest -p mali_delegate_repro_pytest"), ("python", "")):
        words = f"-P -m {module}" if module else ""
        (scripts / name).write_text(f'#!/bin/sh\nexec "{sys.executable}" {words} "$@"\n', encoding="utf-8")
        (scripts / name).chmod(0o755)
    environment = {**os.environ, "PATH": f"{scripts}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}
    folder = tmp_path / "empty folder"
    folder.mkdir()
    for step in steps():
        if isinstance(step, Written):
            (folder / step.name).parent.mkdir(parents=True, exist_ok=True)
            (folder / step.name).write_text(step.text, encoding="utf-8")
            continue
        done = subprocess.run(
            step.line, shell=True, cwd=folder, env=environment, capture_output=True, encoding="utf-8", check=False
        )
        assert done.returncode == step.code, f"{step.line}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
        assert "Traceback" not in done.stderr
