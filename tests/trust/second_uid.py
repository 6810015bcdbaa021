"""A second user of this machine, for tests that need one: only root can become it."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

NOBODY = 65534

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become a second user to attack as")

# Imported before: where Python itself lies in the home of root, nobody can read it.
_BECOME = f"import os, socket, sys; os.setgroups([]); os.setgid({NOBODY}); os.setuid({NOBODY}); os.chdir('/')\n"


def run_as_nobody(source: str, *arguments: str) -> str:
    """What Python code prints that runs with another uid, and none of our groups. Needs `as_root`."""
    command = [sys.executable, "-I", "-S", "-c", _BECOME + source, *arguments]
    return subprocess.run(command, capture_output=True, encoding="utf-8", check=True, timeout=600).stdout
