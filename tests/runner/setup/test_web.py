"""Setting up a browser tells what is not to be had here (exit 3: CI skips it) from what failed (exit 1)."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[3] / "runner" / "setup" / "web.sh"
# What the script asks of a machine. Nothing is installed there, whatever the machine is that the test runs on.
BARE = {"sudo": 'exec "$@"', "apt-get": "exit 0", "dpkg-query": "exit 1"}
KNOWN_TO_APT = {"apt-cache": "echo Installed-Size: 1000"}
TOOLS = ("bash", "sh", "env", "sed", "awk", "wc", "id", "dirname", "cat")


@pytest.mark.parametrize(
    ("machine", "code", "says"),
    [
        ({"apt-cache": "exit 100"}, 3, "this machine's apt sources have no package chromium"),
        ({**KNOWN_TO_APT, "apt-get": 'case "$*" in *"-y "*) exit 1;; esac'}, 1, ""),
        (KNOWN_TO_APT, 0, "apt: chromium npm,"),
        ({**KNOWN_TO_APT, "google-chrome": "exit 0"}, 0, "apt: npm,"),
        ({"chromium": "exit 0", "npm": "exit 0"}, 0, "are there already"),
    ],
    ids=["no such package", "apt fails", "installed", "npm is missing", "there already"],
)
def test_exit_code(tmp_path: Path, machine: dict[str, str], code: int, says: str):
    for name, does in {**BARE, **machine}.items():
        program = tmp_path / name
        program.write_text(f"#!/bin/sh\n{does}\n", encoding="utf-8")
        program.chmod(0o755)
    for tool in TOOLS:  # and nothing else: the machine may have a browser
        found = next(Path(place, tool) for place in ("/bin", "/usr/bin") if Path(place, tool).exists())
        (tmp_path / tool).symlink_to(found)
    environment = {**os.environ, "PATH": str(tmp_path)}
    ran = subprocess.run(["bash", str(SCRIPT)], env=environment, capture_output=True, text=True, encoding="utf-8")
    assert ran.returncode == code, ran
    assert says in (ran.stderr if code == 3 else ran.stdout)
    if code == 3:
        assert ran.stderr.count("\n") == 1
