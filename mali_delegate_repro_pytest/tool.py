"""The tool in a process of its own, and what it answers.

Key insight: the names `cases`, `models` and `runner` are common ones, and in this process they may be the user's. How
Python processes of the project are started is said in one of its files, which is therefore read by its path.
"""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import IO, Any

import pytest

LAST_WORDS = 2000
"""Characters of a process's stderr that are shown where it ended without an answer."""


def _python_child() -> ModuleType:
    """How Python processes of the project are started, out of its file: its name may be another package's here."""
    path = Path(__file__).resolve().parents[1] / "runner" / "python_child.py"
    spec = importlib.util.spec_from_file_location(f"{__package__}.python_child", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


_CHILD = _python_child()


class NoVerdict(Exception):
    """Nothing can be said of a model: it cannot be read, or there is nothing here that could run it."""


@dataclass(frozen=True)
class Answer:
    """What the tool says of a model on a target.

    outcome: `passed`, `known` (wrong exactly as the project's expectations say), `failed`, or `error` (no verdict).
    lines: those of `repro check`. reasons: why what is known is expected, or what is news.
    """

    outcome: str
    lines: tuple[str, ...]
    reasons: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        return self.outcome == "passed"

    def __str__(self) -> str:
        return "\n".join((*self.reasons, *self.lines))

    def hold(self) -> None:
        """Nothing for a model that is right; an expected failure for a known bug.

        Raises AssertionError for what is wrong, NoVerdict where nothing is known.
        """
        __tracebackhide__ = True
        if self.outcome == "known":
            pytest.xfail("; ".join(self.reasons))
        if self.outcome == "error":
            raise NoVerdict(str(self))
        if not self.passed:
            raise AssertionError(str(self))


class Tool:
    """The tool in a process of its own: begun by the first question, and again where it ended."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._process: subprocess.Popen[str] | None = None
        self._stderr: IO[str] | None = None

    def ask(self, **question: Any) -> Answer:
        """The answer to a `repro.for_pytest.Question`."""
        process = self._running()
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(json.dumps(question) + "\n")
            process.stdin.flush()
            line = process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line.endswith("\n"):
            return Answer("error", (self._ended(process),))
        answer = json.loads(line)
        return Answer(answer["outcome"], tuple(answer["lines"]), tuple(answer["reasons"]))

    def gate(self, layout: Path, options: Sequence[str]) -> tuple[int, str]:
        """Exit code and words of `repro gate`."""
        command = _CHILD.child_command("repro", "gate", str(layout), *options)
        done = subprocess.run(
            command,
            cwd=self.folder,
            env=_CHILD.child_environment(os.environ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
        )
        return done.returncode, done.stdout

    def close(self) -> None:
        """Let it end: it does when nobody asks any more."""
        if self._process is not None:
            self._process.communicate()
            self._process = None
        if self._stderr is not None:
            self._stderr.close()
            self._stderr = None

    def _running(self) -> subprocess.Popen[str]:
        if self._process is None:
            self._stderr = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")  # noqa: SIM115
            self._process = subprocess.Popen(
                _CHILD.child_command("repro.for_pytest"),
                cwd=self.folder,
                env=_CHILD.child_environment(os.environ),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._stderr,
                encoding="utf-8",
            )
        return self._process

    def _ended(self, process: subprocess.Popen[str]) -> str:
        """Why there was no answer. What it said last is part of it."""
        process.communicate()
        code = process.returncode
        how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
        assert self._stderr is not None
        self._stderr.seek(0)
        said = self._stderr.read()[-LAST_WORDS:].strip()
        self.close()
        return f"the process that judges models {how} and gave no answer; it said: {said or 'nothing'}"
