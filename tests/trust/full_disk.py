"""Machines on which nothing can be written: a command is started in a mount namespace of its own, with a full disk.

Needs root and `unshare`; elsewhere the tests that ask for it are skipped, with a line that says so.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LEFT = "left.txt"

# $1: the disk's folder; $2: its size; $3: `full` or `empty`; $4: `rw` or `ro`; the rest: the command. What is left on
# the disk is listed beside it, since the disk ends with the namespace.
SCRIPT = f"""
disk=$1 size=$2 state=$3 access=$4; shift 4
mount -t tmpfs -o "size=$size" none "$disk" || exit 99
if [ "$state" = full ]; then head -c 100M /dev/zero > "$disk/filler" 2>/dev/null; fi
if [ "$access" = ro ]; then mount -o remount,ro "$disk" || exit 99; fi
"$@"
code=$?
(cd "$disk" && find . -type f ! -name filler -printf '%s %P\\n') > "$disk/../{LEFT}"
exit $code
"""


@dataclass(frozen=True)
class Ended:
    """How a command ended. left: size and name of each file on the full disk."""

    code: int
    out: str
    err: str
    left: Sequence[tuple[int, str]]

    @property
    def problems(self) -> list[str]:
        return [line for line in self.err.splitlines() if line.startswith("repro: ")]


@cache
def _may_mount() -> bool:
    unshare = shutil.which("unshare")
    if unshare is None:
        return False
    command = [unshare, "-m", "sh", "-c", "mount -t tmpfs none /mnt"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def on_a_disk(
    folder: Path,
    words: Sequence[str],
    environment: Mapping[str, str],
    *,
    size: str = "64k",
    is_full: bool = True,
    is_read_only: bool = False,
) -> Ended:
    """Run `repro WORDS` with a small disk at `folder`, which has to be there. Skips the test where none can be had."""
    if not _may_mount():
        pytest.skip("no mount namespace for a full disk here: it takes root and unshare")
    state, access = "full" if is_full else "empty", "ro" if is_read_only else "rw"
    command = ["unshare", "-m", "sh", "-c", SCRIPT, "sh", str(folder), size, state, access]
    done = subprocess.run(
        [*command, sys.executable, "-m", "repro", *words],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        timeout=280,
        check=False,
    )
    assert done.returncode != 99, done.stderr
    left = [line.split(" ", 1) for line in (folder.parent / LEFT).read_text(encoding="utf-8").splitlines()]
    return Ended(done.returncode, done.stdout, done.stderr, [(int(length), name) for length, name in left])
