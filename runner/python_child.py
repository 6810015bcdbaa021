"""Python processes that this project starts: they import this project's modules, wherever they are started.

Key insight: `python -m` looks in the current folder first, and after it in PYTHONPATH. In a user's repository either
may hold a `runner/` or a `types.py` of theirs. So the current folder is left out, and our own folder comes first.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
"""The folder that holds our packages."""


def child_command(module: str, *arguments: str) -> list[str]:
    """Run a module as `python -m` does, without the current folder (-P). Start it in `child_environment`."""
    return [sys.executable, "-P", "-m", module, *arguments]


def child_environment(base: Mapping[str, str]) -> dict[str, str]:
    """`base` with our own folder before all that its PYTHONPATH names."""
    paths = (str(ROOT), base.get("PYTHONPATH", ""))
    return {**base, "PYTHONPATH": os.pathsep.join(filter(None, paths))}
