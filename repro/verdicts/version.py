"""The judge's version: it changes with all that turns a Run into verdicts, so that no older judge's answer is kept."""

from __future__ import annotations

from runner.source_version import source_version


def judge_version() -> str:
    """Hash of the judge's own sources, and of what they import of the evaluator, the file reader and the runner."""
    return source_version("repro.verdicts")
