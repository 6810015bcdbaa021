"""The C compiler of this machine: small libraries of ours are built at first use, from source in runner/native/."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from runner import children
from runner.errors import TargetUnavailable

NATIVE = Path(__file__).parent / "native"
INSTALL = "install one (apt-get install gcc libc6-dev) or set CC"


def compiler() -> str | None:
    """$CC, else the first of gcc, cc and clang on the path."""
    return os.environ.get("CC") or shutil.which("gcc") or shutil.which("cc") or shutil.which("clang")


def build_library(what: str, sources: Sequence[Path], library: Path, flags: Sequence[str] = ()) -> None:
    """Compile `sources` into a shared library. flags: behind the sources, as libraries to link must be.

    what: how a user knows it, for the one line that TargetUnavailable says.
    """
    command_name = compiler()
    if command_name is None:
        raise TargetUnavailable(f"{what} needs a C compiler and none is here; {INSTALL}")
    command = [command_name, "-shared", "-fPIC", "-O1", "-Wall", "-o", str(library), *map(str, sources), *flags]
    try:
        built = children.run(command, timeout_s=120)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise TargetUnavailable(f"{what} cannot be compiled: {command_name}: {error}; set CC") from error
    if built.returncode != 0:
        lines = built.stderr.strip().splitlines() or ["no message"]
        said = next((line for line in lines if "error" in line), lines[0])
        raise TargetUnavailable(f"{what} does not compile with {command_name}: {said}; set CC to another")
