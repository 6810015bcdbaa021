"""One model of a finding: the claim it carries and what it is for."""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass

from cases.case import ModuleSource
from cases.graph import Graph


class Purpose(enum.StrEnum):
    """What a model of a finding is for. HEALTHY ones must pass; the others must show the bug.

    FACE: the bug as a real model shows it, for those who meet it there and not in a graph of two ops.
    """

    MINIMAL = "minimal"
    CONTROL = "control"
    STILL_WRONG = "still-wrong"
    CLEAN = "clean"
    HELPS = "helps"
    NO_HELP = "does-not-help"
    FACE = "face"


HEALTHY = (Purpose.CONTROL, Purpose.HELPS, Purpose.CLEAN)


@dataclass(frozen=True)
class FindingModel:
    """One model of a finding.

    name: file stem. what: the claim it carries, one line. wrong: indices of the outputs that the
    host's delegate gets wrong (empty: none). build: the graph, or None where module is given, which
    goes through litert-torch. outcome: how the run ends instead of giving outputs (`CRASH`), or empty.
    runtimes, targets, precisions: where it shows, in finding.toml's words (a PEP 440 specifier set such as
    `<2.1.6`, shell patterns of target names, `fp32` or `fp16`); empty: everywhere.
    """

    name: str
    purpose: Purpose
    what: str
    wrong: tuple[int, ...]
    build: Callable[[], Graph] | None
    module: ModuleSource | None = None
    outcome: str = ""
    runtimes: str = ""
    targets: tuple[str, ...] = ()
    precisions: tuple[str, ...] = ()
