"""A simulated runner of a composite GitHub action: its shell steps are really run, its `uses` steps are only listed.

Only what our action needs of GitHub's expressions is known: `inputs.NAME`, and the `runner` and `github` words of a
cache's key, which no shell step uses.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_EXPRESSION = re.compile(r"\$\{\{\s*inputs\.([a-z-]+)\s*\}\}")


@dataclass(frozen=True)
class Ran:
    """One shell step that was run."""

    name: str
    code: int
    output: str


def simulate(
    action: Mapping[str, Any], root: Path, given: Mapping[str, str], where: Path, names: Sequence[str]
) -> list[Ran]:
    """Run the shell steps of these names. root: where the action lies. given: its inputs; others have their default.

    Raises KeyError for an input that the action does not have or that is required and not given.
    """
    declared = action["inputs"]
    for name in given:
        declared[name]
    values = {
        name: given[name] if one.get("required") else given.get(name, one["default"]) for name, one in declared.items()
    }
    ran = []
    for step in action["runs"]["steps"]:
        if "run" not in step or step["name"] not in names:
            continue
        assert step["shell"] == "bash"
        assert "${{" not in step["run"], "an expression in a script is read again by the shell: pass it in env"
        added = {name: _EXPRESSION.sub(lambda found: values[found[1]], text) for name, text in step["env"].items()}
        done = subprocess.run(
            # What GitHub starts for `shell: bash`.
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]],
            env={**os.environ, **added, "GITHUB_ACTION_PATH": str(root)},
            cwd=where,
            capture_output=True,
            encoding="utf-8",
            check=False,
        )
        ran.append(Ran(step["name"], done.returncode, done.stdout + done.stderr))
    return ran
