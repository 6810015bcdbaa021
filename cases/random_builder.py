"""A graph builder with seeded randomness, for drawn graphs.

Key insight: a drawn graph is a function of its seed, and what is drawn must not make rounding look like a wrong
value. So every decision and every number comes from generators that are handed in, and numbers neither vanish nor
explode.
"""

from __future__ import annotations

import abc
import random
from collections.abc import Sequence
from typing import Generic, TypeVar

import numpy as np

from cases.builder import GraphBuilder

Rng = TypeVar("Rng", random.Random, np.random.Generator)
T = TypeVar("T")


class RandomBuilder(abc.ABC, Generic[Rng]):
    """`builder` is the graph so far, `rng` decides; another generator may make the numbers of constants.

    next_input: number of the next input; inputs are called x0, x1, ...
    """

    def __init__(self, rng: Rng, numbers: np.random.Generator, next_input: int = 0) -> None:
        self.rng: Rng = rng
        self.builder = GraphBuilder()
        self.next_input = next_input
        self._numbers = numbers

    @abc.abstractmethod
    def pick(self, options: Sequence[T]) -> T:
        """One of the options, each as likely. Every kind of `rng` has its own way, which old seeds depend on."""

    def chance(self, probability: float) -> bool:
        return bool(self.rng.random() < probability)

    def input(self, shape: tuple[int, ...]) -> str:
        """A new float32 input; its name."""
        name = self.builder.input(f"x{self.next_input}", shape)
        self.next_input += 1
        return name

    def numbers(self, *shape: int) -> np.ndarray:
        """Magnitudes of 0.5 to 1.5, signs at random: sums of products neither vanish nor explode."""
        return self._numbers.uniform(0.5, 1.5, shape) * self._numbers.choice([-1.0, 1.0], shape)

    def shape(self, name: str) -> tuple[int, ...]:
        return self.builder.shape(name)
