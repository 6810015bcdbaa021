"""Without the extra every way into a campaign is one line with the command that installs it, and the rest works."""

from __future__ import annotations

import sys

import pytest
from click.testing import CliRunner

from repro.cli import main
from runner.errors import TargetUnavailable

ADDRESS = "tcp://127.0.0.1:9"


@pytest.mark.parametrize(
    "words",
    [
        ["scheduler"],
        ["worker", "--scheduler", ADDRESS, "--target", "cpu"],
        ["run", "fanout/*", "--target", "cpu", "--scheduler", ADDRESS],
        ["matrix", "fanout/add-to-2", "--target", "cpu", "--scheduler", ADDRESS],
        ["fuzz", "--target", "cpu", "--scheduler", ADDRESS],
    ],
    ids=" ".join,
)
def test_what_is_missing_is_named_with_its_command(words: list[str], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    result = CliRunner().invoke(main, words)
    assert isinstance(result.exception, TargetUnavailable), result.output
    assert "needs distributed, which is not installed; install it: " in str(result.exception)
    assert "[campaign]" in str(result.exception) or "distributed>=" in str(result.exception)
