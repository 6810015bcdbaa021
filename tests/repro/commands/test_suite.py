"""`repro suite` becomes pytest on the suite's own tests, and nothing of the folder that it is called in takes part."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from repro.commands import suite
from repro.commands.suite import pytest_line
from repro.records.folders import SUITE
from tests.console_script import Repro


def test_pytest_gets_the_suites_tests_and_all_words(tmp_path: Path):
    line, environment = pytest_line(["-m", "device", "--device", "loopback"], {"PYTHONPATH": str(tmp_path), "A": "b"})
    assert line[:4] == [sys.executable, "-P", "-m", "pytest"]
    assert line[-4:] == ["-m", "device", "--device", "loopback"]
    tests = [Path(word) for word in line if word.startswith(f"{SUITE}{os.sep}tests")]
    assert tests == [SUITE / "tests" / "test_catalogue.py", SUITE / "tests" / "device"]
    assert all(path.exists() for path in tests)
    assert environment["A"] == "b"
    assert environment["PYTHONPATH"].split(os.pathsep)[0] == str(SUITE)
    assert environment["PYTHONPATH"].split(os.pathsep)[-1] == str(tmp_path)


def test_without_pytest_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch, repro: Repro):
    monkeypatch.setattr(suite, "find_spec", lambda name: None)
    code, _, err = repro("suite")
    assert code == 3
    assert "this needs pytest, which is not installed; install it: " in err


@pytest.mark.slow
def test_it_runs_in_a_project_with_tests_and_settings_of_its_own(tmp_path: Path):
    (tmp_path / "pytest.ini").write_text("[pytest]\naddopts = --no-such-option\n", encoding="utf-8")
    for name in ("tests", "models", "cases", "runner"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise RuntimeError('theirs')", encoding="utf-8")
    line, environment = pytest_line(["--target", "cpu", "-k", "fanout", "-q"], os.environ)
    done = subprocess.run(line, env=environment, cwd=tmp_path, capture_output=True, encoding="utf-8", check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout
    line, environment = pytest_line(["--target", "cpu", "-k", "nosuchcase"], os.environ)
    done = subprocess.run(line, env=environment, cwd=tmp_path, capture_output=True, encoding="utf-8", check=False)
    assert done.returncode == pytest.ExitCode.NO_TESTS_COLLECTED
