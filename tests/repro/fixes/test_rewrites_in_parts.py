"""Ops taken apart into what the delegate does right: no hazard is left, and every value stays, bit for bit."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from cases.builder import GraphBuilder
from cases.drawn_ops.draw import Draw
from cases.drawn_ops.one_op import shaped
from cases.drawn_ops.table import DRAWS
from cases.edit import GraphEdit
from cases.findings.composite_aborts import rms_norm
from cases.findings.registry import FINDING_MODELS
from cases.graph import Graph
from repro.fixes.rewrites_in_parts import MOST_BATCHES
from repro.fixes.workarounds import WORKAROUNDS, avoid_hazards
from repro.hazards.rules import RULES
from tests.repro.fixes.rewriting import hazard_of, kinds, rewritten

RULES_OF = {
    "composite-aborts": ("composite-aborts",),
    "cumsum-options": ("cumsum-options",),
    "gather-batch": ("gather-batch",),
    "top-k-slice": ("top-k-slice", "top-k-aborts"),
}
SHOWN = [(slug, model.name, model.build) for slug in RULES_OF for model in FINDING_MODELS[slug] if not model.healthy]


@pytest.mark.parametrize(("slug", "name", "build"), SHOWN, ids=[f"{slug}-{name}" for slug, name, _ in SHOWN])
def test_every_model_that_shows_the_bug_is_rewritten(slug: str, name: str, build):
    rewritten(build(), *RULES_OF[slug])


@pytest.mark.parametrize(("kind", "slug"), [("CUMSUM", "cumsum-options"), ("TOPK_V2", "top-k-slice")])
def test_every_drawn_op_that_falls_under_the_rules_is_rewritten(kind: str, slug: str):
    """Every shape and option that TFLite takes."""
    found = 0
    for seed in range(150):
        graph = shaped(DRAWS[kind](Draw(random.Random(seed)), kind))
        if hazard_of(graph, *RULES_OF[slug]) is not None:
            rewritten(graph, *RULES_OF[slug])
            found += 1
    assert found > 10


def twice() -> Graph:
    """Two composites of one body, the second on what the first makes."""
    g, inner = GraphBuilder(), GraphBuilder()
    x = inner.input("x", (1, 4, 8))
    body = inner.build([inner.mul(inner.unary("NEG", x, name="inner"), inner.const(2.0), name="made")])
    first = g.composite("odml.rms_norm", (g.input("x", (1, 4, 8)),), body, {}, name="first")
    return g.build([g.composite("odml.rms_norm", (first,), body, {}, name="y")])


def test_the_insides_of_two_composites_have_names_of_their_own():
    fixed = avoid_hazards(twice())
    assert kinds(fixed.graph) == ["NEG", "MUL"] * 2
    assert {"first/inner", "y/inner"} <= set(fixed.graph.tensors)
    assert fixed.left == ()


def test_a_composite_without_its_body_is_left_as_it_is():
    graph = rms_norm()
    (composite,) = graph.ops
    bare = replace(graph, ops=(replace(composite, raw=replace(composite.raw, bodies={})),))
    hazard = hazard_of(bare, "composite-aborts")
    assert hazard is not None
    assert avoid_hazards(bare).left == (hazard,)


def gathered(batches: int) -> Graph:
    """One row of each batch."""
    g = GraphBuilder()
    x, places = g.input("x", (batches, 3, 4)), g.const([n % 3 for n in range(batches)], dtype="int32")
    return g.build(g.op("GATHER", (x, places), name="y", axis=1, batch_dims=1))


@pytest.mark.parametrize(("batches", "is_done"), [(2, True), (MOST_BATCHES, True), (MOST_BATCHES + 1, False)])
def test_a_gather_per_batch_ends_where_it_would_be_too_many(batches: int, is_done: bool):
    graph = gathered(batches)
    hazard = hazard_of(graph, "gather-batch")
    assert hazard is not None
    edit = GraphEdit(graph)
    assert bool(WORKAROUNDS[RULES["gather-batch"].workaround](edit, hazard)) is is_done
    if is_done:
        assert kinds(rewritten(graph, "gather-batch")).count("GATHER") == batches
