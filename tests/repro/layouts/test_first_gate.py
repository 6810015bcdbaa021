"""The page "Your first gate", to the letter: from an empty folder to a gate that passes, and one that refuses."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

pytestmark = [
    # Looked for, not imported: that takes seconds in every process that collects tests.
    pytest.mark.skipif(find_spec("litert_torch") is None, reason="litert-torch is not installed"),
    pytest.mark.slow,
    pytest.mark.convert,
    pytest.mark.gpu,
]

ROOT = Path(__file__).resolve().parents[3]
PAGE = ROOT / "docs" / "first-gate.md"


def test_from_an_empty_folder_to_a_gate_that_passes_and_one_that_refuses(tmp_path: Path):
    text = PAGE.read_text(encoding="utf-8")
    (model,) = re.findall(r"^```python\n(.*?)^```", text, re.M | re.S)
    (tmp_path / "model.py").write_text(model, encoding="utf-8")
    lines = [line for block in re.findall(r"^```sh\n(.*?)^```", text, re.M | re.S) for line in block.splitlines()]
    assert len([line for line in lines if line.startswith("repro gate ")]) == 3
    said = {line: run(line, tmp_path) for line in lines}
    passed, refused = (said[line] for line in lines if line.startswith("repro gate split.toml"))
    assert passed.count("PASSED") == 2
    assert "fails here as it must" in passed
    assert "so would the chain be if head reads" in refused
    assert "x0.5" in refused


def run(line: str, folder: Path) -> str:
    """What a line of the page prints. It must end as the page says it does."""
    command, _, remark = line.partition("  # exit ")
    ours = {"repro": f'"{sys.executable}" -m repro', "python": f'"{sys.executable}"'}
    word, _, rest = command.partition(" ")
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        ["bash", "-c", f"{ours.get(word, word)} {rest}"],
        cwd=folder,
        env=environment,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == int(remark or 0), f"{line}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
    return done.stdout
