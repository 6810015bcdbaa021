"""The role pattern: what two bugs have in common when they are the same bug."""

from __future__ import annotations

import numpy as np

from cases.builder import GraphBuilder
from cases.graph import Graph
from repro.fuzzer.pattern import role_pattern, slug


def mean_of_sum(name: str, size: int, output: bool) -> Graph:
    g = GraphBuilder()
    y = g.add(g.input(f"{name}a", (1, size, 4)), g.input(f"{name}b", (1, size, 4)), name=f"{name}y")
    m = g.mean(y, [2], name=f"{name}m")
    return g.build([y, m] if output else [m])


def test_a_role_pattern_forgets_names_and_sizes_and_keeps_roles():
    assert role_pattern(mean_of_sum("a", 3, True)) == role_pattern(mean_of_sum("b", 9, True))
    assert role_pattern(mean_of_sum("a", 3, True)) != role_pattern(mean_of_sum("a", 3, False))
    assert role_pattern(mean_of_sum("a", 3, True), "ay") == "ADD(x3,x3)>3!*1 MEAN(0)>3*0"


def test_constants_activations_and_a_tensor_read_twice_are_marked():
    g = GraphBuilder()
    x = g.input("x", (2, 3))
    row = g.add(x, g.const(np.ones(3)), activation="RELU")
    scaled = g.mul(row, g.const(np.ones(())))
    pattern = role_pattern(g.build([g.add(g.mul(x, x), scaled)]))
    assert pattern == "ADD+RELU(x2,c1)>21 MUL(0,cs)>21 MUL(x2,=x2)>21 ADD(2,1)>2*0"


def test_a_slug_is_the_signature_and_the_first_kinds():
    assert slug("unwritten", mean_of_sum("a", 3, True)) == "unwritten-add-mean"
    assert slug("NOT_RESIDENT", mean_of_sum("a", 3, True), limit=1) == "not-resident-add"
