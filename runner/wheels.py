"""Fetching one wheel with pip, as pip is set up here: no index is named, no dependency comes along."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from runner import children
from runner.errors import TargetUnavailable
from runner.python_child import child_command

_PATIENCE_S = 900


def download_wheel(requirement: str, folder: Path, options: Sequence[str] = ()) -> Path:
    """Download the wheel of `requirement` into `folder`. options: more of pip's, as `--platform`.

    Raises TargetUnavailable with what pip said.
    """
    command = [*child_command("pip"), "download", "--no-deps", "--only-binary=:all:", "--pre", *options]
    command += ["--disable-pip-version-check", "--progress-bar=off", "--dest", str(folder), requirement]
    try:
        pip = children.run(command, timeout_s=_PATIENCE_S)
    except subprocess.TimeoutExpired as error:
        raise TargetUnavailable(
            f"{requirement} did not arrive within {_PATIENCE_S // 60} minutes; try again"
        ) from error
    wheels = list(folder.glob("*.whl"))
    if pip.returncode != 0 or not wheels:
        why = next((line for line in pip.stderr.splitlines() if line.startswith("ERROR")), "pip gave no reason")
        raise TargetUnavailable(
            f"{requirement} cannot be fetched ({why}); check the network and that this version exists for "
            f"Python {sys.version_info.major}.{sys.version_info.minor}, then run the same command again"
        )
    return wheels[0]
