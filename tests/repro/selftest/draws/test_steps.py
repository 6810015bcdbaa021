"""The steps of draws: each fits some tensors, and what joins or shows tensors uses those it is given."""

from __future__ import annotations

import numpy as np
import pytest

from repro.selftest.draws.chains import POOL
from repro.selftest.draws.steps import CHANNELS, READER, SHAPES, Pen, constant_shape, joined, one_of, some, split, unary


@pytest.mark.parametrize("place", range(len(POOL)))
def test_a_step_of_the_pool_fits_some_tensors_and_adds_valid_ops(place: int):
    fitting = 0
    for seed in range(60):
        pen = Pen(np.random.default_rng(seed))
        x = pen.input(pen.pick(SHAPES)(pen.pick(CHANNELS)))
        made = POOL[place][1](pen, x)
        if made is None:
            continue
        fitting += 1
        graph = pen.builder.build([made] if isinstance(made, str) else made)
        assert graph.ops
        assert x in {name for op in graph.ops for name in op.inputs}
    assert fitting >= 8


@pytest.mark.parametrize("shape", [(4,), (3, 1), (2, 3, 4), (1, 4, 6, 8)])
def test_a_constant_broadcasts_with_the_tensor_it_is_beside(shape: tuple[int, ...]):
    forms = {constant_shape(Pen(np.random.default_rng(seed)), shape) for seed in range(60)}
    assert {(), shape} <= forms
    for form in forms:
        assert len(np.broadcast_shapes(form, shape)) <= 4


def test_one_of_several_steps_is_taken_until_one_fits():
    pen = Pen(np.random.default_rng(0))
    x = pen.input((2, 3))
    tried: list[str] = []

    def unfit(pen: Pen, name: str) -> None:
        tried.append(name)

    made = [one_of(pen, (unfit, unary("ABS"), unary("NEG")), x) for _ in range(30)]
    assert tried
    kinds = {op.kind for op in pen.builder.build(made).ops}
    assert kinds == {"ABS", "NEG"}


def test_what_joins_parts_reads_at_least_two_of_them():
    for seed in range(40):
        pen = Pen(np.random.default_rng(seed))
        parts = split(pen, pen.input((1, 6, 8)))
        assert parts is not None
        whole = joined(pen, parts)
        graph = pen.builder.build([whole])
        assert sum(bool(graph.uses.get(part)) for part in parts) >= 2


def test_the_last_tensor_is_always_an_output_and_inner_ones_by_chance():
    outputs, read_again = set(), 0
    for seed in range(60):
        pen = Pen(np.random.default_rng(seed))
        inner = pen.builder.unary("NEG", pen.input((3,)), "inner")
        last = pen.builder.unary("ABS", inner, "last")
        shown = some(pen, [inner], last)
        assert shown[-1] == last
        outputs |= set(shown)
        read_again += any(op.kind == READER for op in pen.builder.build(shown).ops)
    assert "inner" in outputs
    assert 0 < read_again < 30
