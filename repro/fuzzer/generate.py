"""New graphs out of nothing but chance, valid by construction and biased to roles.

Key insight: the roles that bugs live in are rare in graphs drawn evenly. So every third step is a producer with its
consumer, and inner tensors are made outputs; shapes are small, odd, of every rank up to 4, sometimes with a batch.

Nearly all of the cost of a new graph on a software driver is compiling shaders that no graph had before (about
100 ms against 10 ms for known ones). So graphs come in blocks that share a palette: a few shapes, channel counts
and kinds of steps, in ever new arrangements; the next block has another.
"""

from __future__ import annotations

import random

import numpy as np

from cases.edit import without_dead_ops
from cases.graph import Graph, GraphError
from repro.fuzzer.growth import CHANNELS, Growth, Palette, Shape, Step, computed_floats
from repro.fuzzer.steps import STEPS

MAX_ELEMENTS = 2048
EXTENTS = (1, 2, 3, 4, 5, 7)


def draw_palette(rng: random.Random, shapes: int = 3, channels: int = 2, kinds: int = 9) -> Palette:
    """A palette for one block: the frequent steps are in most of them, the rare ones in some."""
    pool = list(STEPS)
    steps: list[tuple[float, Step]] = []
    while len(steps) < kinds:
        place = rng.choices(range(len(pool)), [weight for weight, _ in pool])[0]
        # Weights count in the choice already, so inside a palette all steps are nearly equal.
        weight, step = pool.pop(place)
        steps.append((1.0 + weight / 8.0, step))
    few = tuple(rng.sample(CHANNELS, channels))
    starts = [start_shape(rng) for _ in range(shapes)]
    starts = [(*shape[:-1], rng.choice(few)) if len(shape) > 2 else shape for shape in starts]
    return Palette(tuple(starts), few, (rng.choice(("RELU", "RELU6", "RELU_N1_TO_1")),), tuple(steps))


def start_shape(rng: random.Random) -> Shape:
    """Rank 1 to 4, mostly 3 and 4, small and often odd; a batch above 1 now and then."""
    rank = rng.choices((1, 2, 3, 4), (0.4, 2.0, 4.0, 5.0))[0]
    batch = rng.choice((2, 3)) if rng.random() < 0.15 else 1
    if rank == 1:
        return (rng.choice((1, 3, 4, 8)),)
    if rank == 2:
        return (rng.choice(EXTENTS), rng.choice(CHANNELS))
    return (batch, *(rng.choice(EXTENTS) for _ in range(rank - 2)), rng.choice(CHANNELS))


def add_step(growth: Growth) -> bool:
    """One more step on some tensor. False where the step that was drawn does not fit it.

    Every third step is a pair: what the first makes is read by the second and mostly an output as
    well, which is the role that the known bugs are about.
    """
    made = _step_on(growth, growth.operand())
    if made and growth.chance(0.35):
        middle = growth.pick(made)
        if _step_on(growth, middle) and growth.chance(0.6):
            growth.shown.add(middle)
    return bool(made)


def _step_on(growth: Growth, name: str) -> list[str]:
    """Tensors that one step made of `name`; none where it does not fit."""
    steps = growth.palette.steps or STEPS
    step = growth.rng.choices([s for _, s in steps], [w for w, _ in steps])[0]
    try:
        made = step(growth, name) or ()
    except GraphError:
        return []
    fitting = [m for m in made if len(growth.shape(m)) and int(np.prod(growth.shape(m))) <= MAX_ELEMENTS]
    growth.tensors += fitting
    return fitting


def choose_outputs(growth: Growth, inner: float = 0.2) -> list[str]:
    """Everything that nobody reads, and inner tensors by chance, in some order."""
    graph = growth.builder.build(list(growth.tensors))
    outputs = [n for n in computed_floats(graph) if n not in graph.uses or n in growth.shown or growth.chance(inner)]
    growth.rng.shuffle(outputs)
    return outputs


def grow(rng: random.Random, steps: int | None = None, palette: Palette | None = None) -> Graph:
    """A new graph of 1 to 6 steps with at least one output. A function of `rng` and the palette."""
    wanted = steps or rng.choices((1, 2, 3, 4, 5, 6), (1, 3, 4, 3, 2, 1))[0]
    while True:
        growth = Growth(rng, palette)
        growth.input(rng.choice(growth.palette.shapes) if growth.palette.shapes else start_shape(rng))
        done = tries = 0
        while done < wanted and tries < 8 * wanted:
            done += add_step(growth)
            tries += 1
        outputs = choose_outputs(growth)
        if outputs:
            return without_dead_ops(growth.builder.build(outputs))
