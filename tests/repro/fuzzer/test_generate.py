"""New graphs: valid by construction, biased to roles, made of their block's palette."""

from __future__ import annotations

import random

import numpy as np
from hypothesis import given, settings

from repro.fuzzer.generate import MAX_ELEMENTS, add_step, choose_outputs, draw_palette, grow
from repro.fuzzer.growth import CHANNELS, Growth
from tests.repro.fuzzer.drawing import check_valid, generators


@settings(max_examples=60, deadline=None)
@given(generators)
def test_grown_graphs_are_valid(rng: random.Random):
    check_valid(grow(rng, palette=draw_palette(rng) if rng.random() < 0.5 else None))


def test_growth_is_biased_to_roles():
    """Inner outputs, fan-out, batches and odd sizes all occur often."""
    graphs = [grow(random.Random(seed)) for seed in range(200)]
    consumed = sum(any(g.uses.get(n) for n in g.outputs) for g in graphs)
    fanned = sum(any(len(g.uses.get(n, ())) > 1 for op in g.ops for n in op.outputs) for g in graphs)
    batched = sum(any(len(g.tensors[n].shape) > 2 and g.tensors[n].shape[0] > 1 for n in g.inputs) for g in graphs)
    odd = sum(any(s % 2 and s > 1 for n in g.inputs for s in g.tensors[n].shape) for g in graphs)
    assert consumed > 60
    assert fanned > 40
    assert batched > 15
    assert odd > 80


@given(generators)
def test_a_palette_is_a_few_shapes_channels_and_steps(rng: random.Random):
    palette = draw_palette(rng)
    assert len(palette.shapes) == 3
    assert len(set(palette.channels)) == 2
    assert set(palette.channels) <= set(CHANNELS)
    assert len({step for _, step in palette.steps}) == 9
    assert all(shape[-1] in palette.channels for shape in palette.shapes if len(shape) > 2)
    assert len(palette.activations) == 1


@settings(deadline=None)
@given(generators)
def test_a_graph_begins_with_a_shape_of_its_palette(rng: random.Random):
    palette = draw_palette(rng)
    growth = Growth(rng, palette)
    growth.input(rng.choice(palette.shapes))
    for _ in range(6):
        add_step(growth)
    assert growth.shape(growth.tensors[0]) in palette.shapes
    assert all(int(np.prod(growth.shape(name))) <= MAX_ELEMENTS for name in growth.tensors)


@settings(deadline=None)
@given(generators)
def test_what_nobody_reads_is_an_output_and_so_is_what_shall_be_shown(rng: random.Random):
    growth = Growth(rng)
    growth.input((2, 3))
    for _ in range(5):
        add_step(growth)
    outputs = choose_outputs(growth, inner=0.0)
    graph = growth.builder.build(growth.tensors)
    made = [name for name in growth.tensors if name in graph.producers]
    unread = {name for name in made if name not in graph.uses}
    assert unread <= set(outputs)
    assert growth.shown <= set(outputs)
