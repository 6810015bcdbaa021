"""`-m device` with nothing to run on: one line, exit 3, before anything is collected."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from runner.adb.private_server import PrivateServer

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def empty_server() -> Iterator[PrivateServer]:
    """An adb server of our own that no device is attached to: the user's, with a phone, stays out of this."""
    with PrivateServer() as server:
        yield server


@pytest.mark.parametrize(
    ("choice", "says"), [([], "no device is attached"), (["--device", "no-such-serial"], "is not attached")]
)
def test_device_tests_without_a_device_do_not_pass(empty_server: PrivateServer, choice: list[str], says: str):
    environment = {**os.environ, "ADB_SERVER_SOCKET": f"localfilesystem:{empty_server.address}"}
    environment.pop("ANDROID_SERIAL", None)
    command = [sys.executable, "-m", "pytest", "-m", "device", *choice]
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, encoding="utf-8", timeout=600, check=False
    )
    assert done.returncode == 3, done.stdout + done.stderr
    said = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()]
    assert len(said) == 1, said
    assert "device tests have nothing to run on" in said[0]
    assert says in said[0]
