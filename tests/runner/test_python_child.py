"""Processes that this project starts import its own modules, in whatever folder and with whatever PYTHONPATH."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from runner.host.pool import HostTarget
from runner.host.vulkan import adapters
from runner.python_child import child_command, child_environment
from runner.run import Job, Outcome
from runner.runtimes import installed
from tests.runner.models import add_model, feed

STRAY = "raise RuntimeError('a file of the user was imported')\n"


def packages_of_our_names(folder: Path) -> Path:
    """A user's repository: every module in it that a child of ours would take for ours fails."""
    for name in ("runner", "runner/host", "models", "models/dfine", "tests", "tests/runner"):
        (folder / name).mkdir()
        (folder / name / "__init__.py").write_text(STRAY, encoding="utf-8")
    return folder


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(packages_of_our_names(tmp_path))
    return tmp_path


@pytest.fixture
def strays(repository: Path) -> None:
    """Files in the current folder that bear the names of Python's own modules, and of numpy."""
    for name in ("json", "types", "random", "numpy"):
        (repository / f"{name}.py").write_text(STRAY, encoding="utf-8")


@pytest.mark.parametrize("theirs", ["", "."])
@pytest.mark.usefixtures("strays")
def test_a_worker_starts(theirs: str):
    faulty = "tests.runner.host.faulty_worker"
    with HostTarget("cpu", "cpu", installed(), module=faulty, environment={"PYTHONPATH": theirs}) as target:
        assert target.run(Job(add_model(), (feed(0),))).outcome is Outcome.OK


@pytest.mark.gpu
@pytest.mark.usefixtures("strays")
def test_drivers_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, gpu_name: str):
    monkeypatch.setenv("REPRO_CACHE", str(tmp_path / "cache"))
    assert gpu_name.removeprefix("gpu:") in [adapter.key for adapter in adapters()]


def end_of_conversion(pythonpath: str) -> str:
    """The last line of the process that converts, given a job that is none: it has imported `models` and `runner`."""
    environment = child_environment({**os.environ, "PYTHONPATH": pythonpath})
    command = child_command("models.dfine.convert_graph", "{}")
    child = subprocess.run(command, env=environment, capture_output=True, encoding="utf-8", check=False)
    return child.stderr.splitlines()[-1]


@pytest.mark.usefixtures("strays")
def test_a_conversion_starts_beside_stray_files():
    assert end_of_conversion("") == "KeyError: 'fp32'"


def test_a_conversion_starts_whatever_pythonpath_names(repository: Path):
    assert end_of_conversion(".") == "KeyError: 'fp32'"
    assert end_of_conversion(str(repository)) == "KeyError: 'fp32'"
