"""The plugin in a repository whose `models`, `cases`, `runner` and `repro` are its own, on the real delegate."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree

import pytest

from cases.findings.add_output_feeds_reduction import add_reduce
from cases.tflite.write import write_tflite

ROOT = Path(__file__).resolve().parents[2]
THEIRS = ("models", "cases", "runner", "repro")
SETTINGS = """\
[tool.pytest.ini_options]
testpaths = ["tests"]
pythonpath = ["."]
addopts = "--strict-markers"
repro_models = ["models/*.tflite"]
repro_layouts = ["splits/split.toml"]
"""
TESTS = """\
import cases, models, runner, repro

def test_theirs():
    assert {m.WHOSE for m in (cases, models, runner, repro)} == {"theirs"}

def test_right(delegate):
    delegate.assert_right("models/right.tflite")

def test_lost(delegate):
    answer = delegate.check("models/lost.tflite")
    assert answer.outcome == "failed" and "FAIL alias(x)" in str(answer)
"""
WITH_TORCH = """
def test_module(delegate):
    import torch
    delegate.assert_right(torch.nn.Sequential(torch.nn.Linear(16, 8), torch.nn.ReLU()), torch.randn(1, 4, 16))
"""
KNOWN = """\
[[expect]]
case = "known.tflite"
output = 0
precision = "any"
status = "FAIL"
signature = "alias(x)"
reason = "waits for upstream"
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for name in THEIRS:
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("WHOSE = 'theirs'\n", encoding="utf-8")
    (tmp_path / "runner" / "python_child.py").write_text("raise RuntimeError", encoding="utf-8")
    for name in ("lost", "known", "right"):
        model = add_reduce(first="SUB") if name == "right" else add_reduce()
        (tmp_path / "models" / f"{name}.tflite").write_bytes(write_tflite(model))
    shutil.copytree(ROOT / "docs" / "examples" / "two_graphs", tmp_path / "splits")
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "gpu.toml").write_text(KNOWN, encoding="utf-8")
    (tmp_path / "repro.toml").write_text('[folders]\nexpectations = "own"\n', encoding="utf-8")
    (tmp_path / "pyproject.toml").write_text(SETTINGS, encoding="utf-8")
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "test_theirs.py").write_text(TESTS, encoding="utf-8")
    return tmp_path


def outcomes(project: Path, *words: str, before: Sequence[str] = ()) -> dict[str, str]:
    """Name of each test -> passed, skipped (an expected failure, for JUnit) or failure."""
    command = [sys.executable, "-P", "-m", "pytest", "-p", "mali_delegate_repro_pytest", "-p", "no:randomly"]
    # As installed packages are, ours are behind what the project puts on the path.
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [*command, "--junit-xml", "junit.xml", *words],
        cwd=project,
        env=environment,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode in (0, 1), done.stdout + done.stderr
    cases = ElementTree.parse(project / "junit.xml").iter("testcase")
    return {f"{case.get('classname')} {case.get('name')}": next((c.tag for c in case), "passed") for case in cases}


@pytest.mark.gpu
@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("workers", [(), ("-n", "2")], ids=["in one process", "in two"])
def test_models_and_layouts_are_judged_and_the_projects_own_packages_stay_its_own(workers, project: Path):
    assert outcomes(project, *workers) == {
        "tests.test_theirs test_theirs": "passed",
        "tests.test_theirs test_right": "passed",
        "tests.test_theirs test_lost": "passed",
        "models.right.tflite gpu-fp32": "passed",
        "models.known.tflite gpu-fp32": "skipped",
        "models.lost.tflite gpu-fp32": "failure",
        "splits.split.toml gate": "passed",
    }


@pytest.mark.gpu
@pytest.mark.slow
@pytest.mark.convert
def test_a_torch_module_of_a_test_is_judged(project: Path):
    with (project / "tests" / "test_theirs.py").open("a", encoding="utf-8") as file:
        file.write(WITH_TORCH)
    assert outcomes(project, "tests", "-k", "module") == {"tests.test_theirs test_module": "passed"}
