"""Reproduce, explain and gate silent miscompiles of the LiteRT GPU delegate (ML Drift).

    import repro
    checked = repro.check("model.tflite", target="gpu")
    print(checked)

Importing this costs nothing: a name is loaded when it is first used. docs/python.md has an example of each.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from repro.own_packages import claim as _claim

if TYPE_CHECKING:
    from cases.graph import Graph
    from repro.api import assert_right, check, find_ranges, fix, gate, judge, judge_arrays, lint, open_target, reduce
    from repro.fixes.proof import Fixed, NotProven
    from repro.hazards.hazard import Hazard, Rule
    from repro.hazards.linted import Linted
    from repro.layouts.result import Report
    from repro.reducer.search import Reduced
    from repro.trials.check import Checked
    from repro.trials.ranges import Ranged
    from repro.verdicts.subject import Subject
    from repro.verdicts.verdict import Status, Verdict
    from runner.errors import BadInput, DeviceFailed, NameClash, NothingRan, ReproError, TargetUnavailable
    from runner.run import Job, Precision, Run
    from runner.target import Target

# Before anything of ours is imported: in a user's repository these names may be theirs.
_claim("cases", "runner")

__all__ = [
    "BadInput",
    "Checked",
    "DeviceFailed",
    "Fixed",
    "Graph",
    "Hazard",
    "Job",
    "Linted",
    "NameClash",
    "NotProven",
    "NothingRan",
    "Precision",
    "Ranged",
    "Reduced",
    "Report",
    "ReproError",
    "Rule",
    "Run",
    "Status",
    "Subject",
    "Target",
    "TargetUnavailable",
    "Verdict",
    "assert_right",
    "check",
    "find_ranges",
    "fix",
    "gate",
    "judge",
    "judge_arrays",
    "lint",
    "open_target",
    "reduce",
]

_HOMES = {
    "cases.graph": ("Graph",),
    "repro.api": (
        "assert_right",
        "check",
        "find_ranges",
        "fix",
        "gate",
        "judge",
        "judge_arrays",
        "lint",
        "open_target",
        "reduce",
    ),
    "repro.fixes.proof": ("Fixed", "NotProven"),
    "repro.hazards.hazard": ("Hazard", "Rule"),
    "repro.hazards.linted": ("Linted",),
    "repro.layouts.result": ("Report",),
    "repro.reducer.search": ("Reduced",),
    "repro.trials.check": ("Checked",),
    "repro.trials.ranges": ("Ranged",),
    "repro.verdicts.subject": ("Subject",),
    "repro.verdicts.verdict": ("Status", "Verdict"),
    "runner.errors": ("BadInput", "DeviceFailed", "NameClash", "NothingRan", "ReproError", "TargetUnavailable"),
    "runner.run": ("Job", "Precision", "Run"),
    "runner.target": ("Target",),
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module 'repro' has no attribute '{name}'")
    value = getattr(importlib.import_module(_HOME_OF[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
