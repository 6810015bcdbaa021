"""The noise floor of one output: how much a healthy delegate may differ from the float64 reference."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Floor:
    """s of the rule: RMSE between an emulation of the target's arithmetic and float64.

    source: `emulation` (the graph was evaluated with rounding) or `rule` (no emulation: derived
    from precision, accumulation depth and the reference's range).
    depth: number of accumulations on the longest path into the output (used by the rule).
    """

    rmse: float
    source: str
    depth: int
