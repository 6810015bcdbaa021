"""Setting up OpenCL's drivers tells what is not to be had here (exit 3: CI skips it) from what failed (exit 1)."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[3] / "runner" / "setup" / "opencl.sh"
# What the script asks of a machine. Nothing is installed there, whatever the machine is that the test runs on.
BARE = {"dpkg-query": "exit 1", "uname": "echo x86_64", "sudo": 'exec "$@"', "gcc": "exit 0", "apt-get": "exit 0"}
KNOWN_TO_APT = {"apt-cache": "echo Installed-Size: 1000"}


@pytest.mark.parametrize(
    ("machine", "code", "says"),
    [
        ({"apt-cache": "exit 100"}, 3, "this machine's apt sources have no package ocl-icd-libopencl1"),
        ({**KNOWN_TO_APT, "uname": "echo aarch64"}, 3, "on x86_64 only, this machine is aarch64"),
        ({**KNOWN_TO_APT, "apt-get": 'case "$*" in *"-y "*) exit 1;; esac'}, 1, ""),
        (KNOWN_TO_APT, 0, ""),
        ({"dpkg-query": "echo installed 3.1"}, 0, ""),
    ],
    ids=["no such package", "another processor", "apt fails", "installed", "there already"],
)
def test_exit_code(tmp_path: Path, machine: dict[str, str], code: int, says: str):
    for name, does in {**BARE, **machine}.items():
        program = tmp_path / name
        program.write_text(f"#!/bin/sh\n{does}\n", encoding="utf-8")
        program.chmod(0o755)
    environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    ran = subprocess.run(["bash", str(SCRIPT)], env=environment, capture_output=True, text=True, encoding="utf-8")
    assert ran.returncode == code, ran
    assert says in ran.stderr
    if code == 3:
        assert ran.stderr.count("\n") == 1
