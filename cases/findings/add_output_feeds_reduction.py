"""An ADD that is a graph output and feeds a reduction."""

from __future__ import annotations

from cases.builder import GraphBuilder
from cases.findings.model import clean, control, finding_models, helps, minimal, no_help, still_wrong
from cases.findings.pieces import TOKENS, Piece, identity_reshape, output_and_reader, plain, times_one
from cases.graph import Graph


def add_reduce(
    shape: tuple[int, ...] = TOKENS,
    kind: str = "MEAN",
    axis: int = -1,
    first: str = "ADD",
    emit: Piece = plain,
    between: Piece = plain,
    swap: bool = False,
    second_reader: bool = False,
    exposed: bool = True,
) -> Graph:
    """y = x + z is an output and feeds a reduction. first: another op in the place of the ADD."""
    g = GraphBuilder()
    x, z = g.input("x", shape), g.input("z", shape)
    y = g.binary(first, x, z, name="y")
    reduced = g.reduce(kind, between(g, y), [axis % len(shape)], name="reduced")
    return output_and_reader(g, y, reduced, emit, swap, second_reader, exposed)


MODELS = finding_models(
    minimal("ADD, an output, feeds MEAN", add_reduce),
    control("SUB instead of ADD: same roles, nothing is fused", add_reduce, first="SUB"),
    clean("not-exposed", "without the ADD among the outputs MEAN is right", add_reduce, exposed=False),
    still_wrong("rank-4", "not the rank: [1,1,16,32]", add_reduce, shape=(1, 1, 16, 32)),
    still_wrong("swapped", "not the order of the outputs", add_reduce, swap=True).in_outputs(1),
    still_wrong("axis-1", "not the axis: reduced over tokens", add_reduce, axis=1),
    still_wrong("reduce-sum", "not MEAN alone: SUM", add_reduce, kind="SUM"),
    still_wrong("reduce-max", "not MEAN alone: REDUCE_MAX", add_reduce, kind="REDUCE_MAX"),
    still_wrong("reduce-min", "not MEAN alone: REDUCE_MIN", add_reduce, kind="REDUCE_MIN"),
    helps("emit-mul", "emit y through a MUL by 1 (any extra op)", add_reduce, emit=times_one),
    helps("second-reader", "give y a second consumer", add_reduce, second_reader=True),
    no_help("identity-reshape", "an identity RESHAPE between y and MEAN", add_reduce, between=identity_reshape),
)
