"""The same over Debian's real adbd, in its own network namespace: `pytest -m adbd` as root.

$REPRO_ADBD names the daemon (default: /usr/sbin/adbd, package adbd of bookworm-backports).
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.adbd, pytest.mark.timeout(300)]
ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def report() -> dict[str, object]:
    adbd = os.environ.get("REPRO_ADBD") or shutil.which("adbd") or "/usr/sbin/adbd"
    if not Path(adbd).exists():
        pytest.fail("no adbd here: apt-get install -t bookworm-backports adbd, or set REPRO_ADBD")
    if os.geteuid() != 0:
        pytest.fail("a network namespace needs root: run this with sudo")
    data = Path("/data")
    made = not data.exists()
    data.mkdir(exist_ok=True)  # only a mount point: what is mounted there is seen in the namespace alone
    inner = f'ip link set lo up && exec "{sys.executable}" -m tests.runner.adb.real_adbd "{adbd}"'
    command = ["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "bash", "-c", inner]
    try:
        done = subprocess.run(
            command, cwd=ROOT, capture_output=True, encoding="utf-8", errors="replace", check=False, timeout=280
        )
    finally:
        if made:
            data.rmdir()
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.splitlines()[-1])


def test_results_are_right_through_a_killed_daemon(report: dict[str, object]) -> None:
    assert report["right"] is True
    assert report["exit_code"] == 7


def test_words_are_inert_there_too(report: dict[str, object]) -> None:
    assert report["inert"] is True


def test_without_opencl_nothing_counts_as_resident(report: dict[str, object]) -> None:
    assert report["outcomes"] == ["NOT_RESIDENT"]


def test_a_really_full_disk_and_a_real_noexec_mount_are_told(report: dict[str, object]) -> None:
    assert "is full" in str(report["full"])
    assert "noexec" in str(report["noexec"])


def test_nothing_of_ours_is_left(report: dict[str, object]) -> None:
    assert report["cleaned"] is True
