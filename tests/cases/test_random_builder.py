"""A builder with seeded randomness: the same seed gives the same graph, and numbers stay moderate."""

from __future__ import annotations

import random
from collections.abc import Callable

import numpy as np
import pytest

from cases.random_builder import RandomBuilder
from repro.fuzzer.growth import Growth
from repro.selftest.draws.steps import Pen

BUILDERS: dict[str, Callable[[int], RandomBuilder]] = {
    "fuzzer": lambda seed: Growth(random.Random(seed)),
    "draws": lambda seed: Pen(np.random.default_rng(seed)),
}
BOTH = pytest.mark.parametrize("make", BUILDERS.values(), ids=BUILDERS)


@BOTH
def test_the_same_seed_decides_and_counts_the_same(make: Callable[[int], RandomBuilder]):
    def drawn(seed: int) -> list:
        builder = make(seed)
        return [builder.chance(0.5), builder.pick(range(100)), builder.numbers(3).tolist(), builder.chance(0.5)]

    assert drawn(1) == drawn(1)
    assert len({str(drawn(seed)) for seed in range(20)}) == 20


@BOTH
def test_chances_and_picks_are_as_likely_as_they_say(make: Callable[[int], RandomBuilder]):
    builder = make(0)
    assert sum(builder.chance(0.3) for _ in range(4000)) == pytest.approx(1200, abs=120)
    assert not builder.chance(0.0)
    assert builder.chance(1.0)
    counts = np.bincount([builder.pick((0, 1, 2)) for _ in range(3000)])
    assert counts.tolist() == pytest.approx([1000] * 3, abs=120)


@BOTH
def test_numbers_neither_vanish_nor_explode_and_have_both_signs(make: Callable[[int], RandomBuilder]):
    values = make(0).numbers(50, 20)
    assert values.shape == (50, 20)
    assert 0.5 <= np.abs(values).min() < np.abs(values).max() <= 1.5
    assert 0.4 < (values > 0).mean() < 0.6


@BOTH
def test_inputs_are_numbered_and_have_their_shapes(make: Callable[[int], RandomBuilder]):
    builder = make(0)
    first = builder.next_input
    names = [builder.input((2, 3)), builder.input((4,))]
    assert names == [f"x{first}", f"x{first + 1}"]
    assert [builder.shape(name) for name in names] == [(2, 3), (4,)]
    assert builder.builder.input_names == tuple(names)


def test_old_seeds_give_the_numbers_that_they_always_gave():
    """A graph is found again by its seed, so neither the order of the calls nor what they draw may change."""
    growth, pen = Growth(random.Random(7)), Pen(np.random.default_rng(7))
    assert [growth.pick("abcdef") for _ in range(4)] == ["b", "d", "f", "a"]
    assert [pen.pick("abcdef") for _ in range(4)] == ["f", "d", "e", "f"]
    np.testing.assert_allclose(growth.numbers(2), [-0.63822138, 1.47140981])
    np.testing.assert_allclose(pen.numbers(2), [-1.27568569, -0.72520719])
