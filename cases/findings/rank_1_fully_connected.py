"""FULLY_CONNECTED on a tensor of rank 1."""

from __future__ import annotations

from cases.builder import GraphBuilder
from cases.findings.model import control, finding_models, minimal, still_wrong
from cases.findings.pieces import per_channel, weights
from cases.graph import Graph


def rank_1_fully_connected(x_shape: tuple[int, ...] = (4,), out: int = 3) -> Graph:
    """One FULLY_CONNECTED over the last axis of x."""
    g = GraphBuilder()
    x = g.input("x", x_shape)
    return g.build([g.fully_connected(x, weights(out, x_shape[-1]), per_channel(out), name="y")])


MODELS = finding_models(
    minimal("FULLY_CONNECTED on a tensor [4]", rank_1_fully_connected),
    control("the same on [1,4]", rank_1_fully_connected, x_shape=(1, 4)),
    still_wrong("five", "not the size: [5] to 2", rank_1_fully_connected, x_shape=(5,), out=2),
)
