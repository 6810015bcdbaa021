"""Small models and feeds that several tests of the runner share."""

from __future__ import annotations

import numpy as np

from cases.builder import GraphBuilder
from cases.tflite.write import write_tflite
from runner.run import Feed

SHAPE = (1, 64, 8)


def add_model() -> bytes:
    """sum = a + b, nothing else: healthy everywhere."""
    b = GraphBuilder()
    b.output(b.add(b.input("a", SHAPE), b.input("b", SHAPE), "sum"))
    return write_tflite(b.build())


def add_then_sum_model() -> bytes:
    """y = a + b is an output and feeds a SUM: the known ADD bug (y is wrong on the delegate)."""
    b = GraphBuilder()
    y = b.add(b.input("a", SHAPE), b.input("b", SHAPE), "y")
    b.output(y, b.sum(y, [2], "total"))
    return write_tflite(b.build())


def fully_connected_then_add_model() -> bytes:
    """y = FC(x) is an output and feeds ADD of a constant: the known bug that leaves y unwritten."""
    b = GraphBuilder()
    rng = np.random.default_rng(0)
    weights = rng.standard_normal((8, 8)).astype(np.float32)
    y = b.fully_connected(b.input("x", SHAPE), weights, name="y")
    b.output(y, b.add(y, b.const(np.full((8,), 1.5, np.float32)), "shifted"))
    return write_tflite(b.build())


def two_outputs_model() -> bytes:
    """s = a - b and p = a * b, in this order."""
    b = GraphBuilder()
    a, c = b.input("a", SHAPE), b.input("b", SHAPE)
    b.output(b.sub(a, c, "s"), b.mul(a, c, "p"))
    return write_tflite(b.build())


def feed(seed: int, count: int = 2, shape: tuple[int, ...] = SHAPE) -> Feed:
    rng = np.random.default_rng(seed)
    return tuple(rng.standard_normal(shape).astype(np.float32) for _ in range(count))
