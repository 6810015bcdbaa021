"""A FULLY_CONNECTED to one channel, times a constant of several."""

from __future__ import annotations

from cases.builder import GraphBuilder
from cases.findings.model import control, finding_models, minimal, still_wrong
from cases.findings.pieces import TOKENS, per_channel, weights
from cases.graph import Graph


def constant_broadcast(channels: int = 1, kind: str = "MUL") -> Graph:
    """A FULLY_CONNECTED with `channels` outputs times (or plus) a constant of 8 channels."""
    g = GraphBuilder()
    y = g.fully_connected(g.input("x", TOKENS), weights(channels, 32), per_channel(channels, 9), name="y")
    return g.build([g.binary(kind, y, g.const(per_channel(8)), name="spread")])


MODELS = finding_models(
    minimal("FULLY_CONNECTED to 1 channel, times a constant of 8 channels", constant_broadcast),
    control("8 channels times 8 channels", constant_broadcast, channels=8),
    still_wrong("add", "not MUL alone: ADD", constant_broadcast, kind="ADD"),
)
