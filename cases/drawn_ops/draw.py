"""What a drawn op is decided by: one generator, from which shapes, options and numbers come in turn.

Key insight: all of it comes from one `random.Random`, so that a draw is a function of its seed, and a property-based
test can draw with the same code and shrink what it finds.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import TypeVar

import numpy as np

from cases.evaluation.quantised import HOLDING_DTYPES, RANGES

T = TypeVar("T")
Shape = tuple[int, ...]


class Draw:
    """Decisions, shapes and arrays."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng

    def integer(self, low: int, high: int) -> int:
        """Both ends included."""
        return self.rng.randint(low, high)

    def one_of(self, options: Sequence[T]) -> T:
        return self.rng.choice(options)

    def coin(self) -> bool:
        return self.rng.random() < 0.5

    def shuffled(self, options: Sequence[T]) -> list[T]:
        return self.rng.sample(list(options), len(options))

    @property
    def numbers(self) -> np.random.Generator:
        """A new generator of arrays."""
        return np.random.default_rng(self.rng.getrandbits(32))

    def shape(self, low: int = 0, high: int = 4, largest: int = 4) -> Shape:
        """Of a rank from low to high."""
        return tuple(self.integer(1, largest) for _ in range(self.integer(low, high)))

    def floats(self, shape: Shape, low: float = -4.0, high: float = 4.0) -> np.ndarray:
        return self.numbers.uniform(low, high, shape).astype(np.float32)

    def whole(self, shape: Shape, low: int = -9, high: int = 9, dtype: str = "int32") -> np.ndarray:
        return self.numbers.integers(low, high, shape, endpoint=True).astype(dtype)

    def truths(self, shape: Shape) -> np.ndarray:
        return self.numbers.random(shape) < 0.5

    def integers_of(self, shape: Shape, dtype: str) -> np.ndarray:
        """Any integers that a quantised tensor of the type may hold."""
        low, high = RANGES[dtype]
        return self.numbers.integers(low, high, shape, endpoint=True).astype(HOLDING_DTYPES.get(dtype, dtype))

    def broadcasting(self, count: int) -> list[Shape]:
        """Shapes of which one is whole, and the others lack axes in front or have extent 1 along some."""
        whole = self.shape()
        shapes = [whole]
        for _ in range(count - 1):
            cut = self.integer(0, len(whole))
            shapes.append(tuple(d if self.coin() else 1 for d in whole[cut:]))
        return self.shuffled(shapes)
