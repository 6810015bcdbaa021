"""A graph while it grows: the tensors that a next step may read, and what its block allows it to be made of.

Key insight: the known bugs are about who reads a tensor and whether it is an output, far less about what an op
computes. So growth prefers the newest tensors (producer-consumer pairs), lets tensors be read again (fan-out), and
constants come in every shape that broadcasts.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from cases.builder import GraphBuilder
from cases.graph import Graph
from cases.random_builder import RandomBuilder

Shape = tuple[int, ...]
Step = Callable[["Growth", str], Sequence[str] | None]
"""Adds ops behind a tensor and says which tensors it made; None where it does not fit the tensor."""
T = TypeVar("T")
CHANNELS = (1, 2, 3, 4, 5, 8)


@dataclass(frozen=True)
class Palette:
    """What the graphs of one block are made of. The default is everything."""

    shapes: tuple[Shape, ...] = ()
    channels: tuple[int, ...] = CHANNELS
    activations: tuple[str, ...] = ("RELU", "RELU6", "RELU_N1_TO_1")
    steps: tuple[tuple[float, Step], ...] = ()


class Growth(RandomBuilder[random.Random]):
    """`tensors` are the runtime float tensors so far, oldest first; `shown` become outputs although they are read.

    All of its randomness comes from one `random.Random`, so that a property-based test can draw graphs with the
    same code and shrink them.
    """

    def __init__(self, rng: random.Random, palette: Palette | None = None) -> None:
        super().__init__(rng, np.random.default_rng(rng.getrandbits(32)))
        self.palette = palette or Palette()
        self.tensors: list[str] = []
        self.shown: set[str] = set()

    @classmethod
    def extending(cls, graph: Graph, rng: random.Random, palette: Palette | None = None) -> Growth:
        """The growth of a graph that is there, whose outputs are named anew."""
        growth = cls(rng, palette)
        growth.builder = GraphBuilder.extending(graph)
        growth.next_input = sum(name.startswith("x") for name in graph.tensors) + 100  # beyond its own x0, x1, ...
        fed = [name for name in graph.inputs if graph.tensors[name].dtype == "float32"]
        growth.tensors = [name for name in (*fed, *computed_floats(graph)) if graph.tensors[name].shape]
        return growth

    def pick(self, options: Sequence[T]) -> T:
        return self.rng.choice(options)

    def input(self, shape: Shape) -> str:
        name = super().input(shape)
        self.tensors.append(name)
        return name

    def weights(self, *shape: int, depth: int) -> np.ndarray:
        return self.numbers(*shape) / np.sqrt(max(1, depth))

    def operand(self) -> str:
        """A tensor to work on: mostly the newest, sometimes an older one, which makes it fan out."""
        roll = self.rng.random()
        if roll < 0.62 or len(self.tensors) == 1:
            return self.tensors[-1]
        if roll < 0.8:
            return self.tensors[-2]
        return self.pick(self.tensors)

    def partner(self, shape: Shape, exact: bool = False) -> str:
        """A tensor that broadcasts with `shape`: one that is there, or a new input."""
        fitting = [
            n for n in self.tensors if self.shape(n) == shape or (not exact and _broadcasts(self.shape(n), shape))
        ]
        if fitting and self.chance(0.6):
            return self.pick(fitting)
        return self.input(shape if exact or self.chance(0.6) else self._broadcast_shape(shape))

    def _broadcast_shape(self, shape: Shape) -> Shape:
        if self.chance(0.35) and len(shape) > 1:
            return shape[self.rng.randrange(1, len(shape)) :]
        return tuple(1 if self.chance(0.5) else size for size in shape)

    def constant_shape(self, shape: Shape) -> Shape:
        """Scalar, per channel, per row, whole, of lower or higher rank: whatever broadcasts against `shape`."""
        forms: list[Shape] = [(), (1,), shape[-1:], shape, self._broadcast_shape(shape)]
        forms.append((1,) * (len(shape) - 1) + shape[-1:])
        if len(shape) < 4:
            forms.append((1, *shape))
        if len(shape) > 1:
            forms += [shape[1:], (*shape[:-1], 1)]
        return self.pick(forms)


def computed_floats(graph: Graph) -> list[str]:
    """The float32 tensors that ops make, in execution order."""
    return [name for op in graph.ops for name in op.outputs if graph.tensors[name].dtype == "float32"]


def _broadcasts(a: Shape, b: Shape) -> bool:
    try:
        np.broadcast_shapes(a, b)
    except ValueError:
        return False
    return True
