"""The fixture that calls the console script as a user does, for every test."""

from __future__ import annotations

import sys
from collections.abc import Callable

import pytest

from repro.cli import entry

Repro = Callable[..., tuple[int, str, str]]
"""Words of a command line -> exit code, stdout, stderr."""


@pytest.fixture
def repro(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Repro:
    """Call the console script in this process."""

    def call(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["repro", *words])
        capfd.readouterr()
        with pytest.raises(SystemExit) as stopped:
            entry()
        out, err = capfd.readouterr()
        return int(stopped.value.code or 0), out, err

    return call
