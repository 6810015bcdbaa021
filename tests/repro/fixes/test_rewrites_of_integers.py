"""What the delegate gets wrong of integers, in another form: no hazard is left, and every value stays."""

from __future__ import annotations

import random

import numpy as np
import pytest

from cases.builder import GraphBuilder
from cases.findings.registry import FINDING_MODELS
from cases.graph import Graph
from repro.fixes.workarounds import WORKAROUNDS
from repro.hazards.rules import RULES
from tests.repro.fixes.rewriting import hazard_of, kinds, rewritten

RULE_OF = {
    "int16-scales-ignored": "int16-scales",
    "blockwise-int4-aborts": "blockwise-int4-aborts",
    "int8-ranks-differ": "quantised-ranks",
    "small-constant-aborts": "small-constant-aborts",
}
SHOWN = [(slug, model.name, model.build) for slug in RULE_OF for model in FINDING_MODELS[slug] if not model.healthy]


@pytest.mark.parametrize(("slug", "name", "build"), SHOWN, ids=[f"{slug}-{name}" for slug, name, _ in SHOWN])
def test_every_model_that_shows_the_bug_is_rewritten(slug: str, name: str, build):
    rewritten(build(), RULE_OF[slug], steps=int(slug == "int16-scales-ignored"))


def of_int16(kind: str, rng: random.Random, constant: bool = False) -> Graph:
    """Two int16 tensors on drawn grids, of a drawn shape that may broadcast; or one and a constant."""
    g = GraphBuilder()
    shape = tuple(rng.randint(1, 4) for _ in range(rng.randint(1, 4)))
    other = tuple(rng.choice((1, size)) for size in shape)
    scales = [10.0 ** rng.uniform(-4, -3) for _ in range(3)]
    x = g.on_grid(g.input("x", shape, "int16"), scales[0])
    if constant:
        z = g.const(np.full(other, rng.randint(-999, 999)) + np.arange(np.prod(other)).reshape(other), dtype="int16")
    else:
        z = g.input("z", other, "int16")
    (y,) = g.op(kind, (x, g.on_grid(z, scales[1])), name="y")
    return g.build([g.on_grid(y, scales[2])])


@pytest.mark.parametrize("kind", ["ADD", "SUB", "MUL"])
def test_arithmetic_of_int16_on_any_grids_is_within_a_step(kind: str):
    rng = random.Random(kind)
    for _ in range(20):
        new = rewritten(of_int16(kind, rng), "int16-scales", steps=1)
        assert kinds(new).count("CAST") == 3


def test_an_int16_constant_on_a_grid_becomes_the_numbers_that_it_stands_for():
    rng = random.Random(5)
    for _ in range(10):
        graph = of_int16("ADD", rng, constant=True)
        if hazard_of(graph, "small-constant-aborts") is not None:  # one number beside a tensor is refused aloud
            new = rewritten(graph, "small-constant-aborts", steps=1)
            assert all(tensor.dtype != "int16" for tensor in new.tensors.values() if tensor.is_constant)


@pytest.mark.parametrize("dtype", ["int8", "uint8"])
def test_a_quantised_vector_is_sorted_as_a_row(dtype: str):
    g = GraphBuilder()
    x = g.quantise(g.input("x", (8,)), 0.02, 3, dtype)
    values, places = g.op("TOPK_V2", (x, g.const(3, dtype="int32")), outputs=("values", "places"))
    new = rewritten(g.build([g.on_grid(values, 0.02, 3), places]), "quantised-ranks")
    assert kinds(new) == ["QUANTIZE", "RESHAPE", "TOPK_V2", "RESHAPE", "RESHAPE"]


@pytest.mark.parametrize("shape", [(5, 1, 1, 8), (8, 1, 1, 1)])
def test_a_table_of_several_dimensions_is_read_as_rows(shape: tuple[int, ...]):
    g = GraphBuilder()
    steps = np.random.default_rng(0).integers(-127, 128, shape)
    table = g.on_grid(g.const(steps, dtype="int8"), np.linspace(0.01, 0.02, shape[0]))
    graph = g.build(g.op("EMBEDDING_LOOKUP", (g.input("ids", (2,), "int32"), table), name="y"))
    assert kinds(rewritten(graph, "embedding-rank-aborts")) == ["EMBEDDING_LOOKUP", "RESHAPE"]


@pytest.mark.parametrize("kind", ["SUB", "LESS", "LESS_EQUAL", "GREATER", "GREATER_EQUAL"])
def test_a_constant_of_whole_numbers_becomes_the_second_operand(kind: str):
    g = GraphBuilder()
    first = g.const([[3, -1, 2, 0]], dtype="int32")
    graph = g.build(g.op(kind, (first, g.input("x", (1, 4), "int32")), name="y"))
    rewritten(graph, "integer-constant-first")


def test_every_workaround_belongs_to_a_rule():
    assert {rule.workaround for rule in RULES.values() if rule.workaround} == set(WORKAROUNDS)
