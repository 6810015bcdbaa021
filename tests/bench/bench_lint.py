"""What linting costs by the thousand ops: `lint_ms_per_1000_ops`, and whether it stays the same up to 100,000.

`lint_linearity` is the cost per op at 100,000 ops over the cost per op at 1,000: 1 means linear.
"""

from __future__ import annotations

import time

import numpy as np
from rich.console import Console
from rich.table import Table

from cases.builder import GraphBuilder
from cases.graph import Graph
from repro.hazards.lint import lint

SIZES = (1_000, 10_000, 100_000)


def layered(length: int) -> Graph:
    """length ops in the mix of a transformer: FULLY_CONNECTED, ADD, reshapes, activations; every 50th an output."""
    g = GraphBuilder()
    weights, bias = g.const(np.ones((16, 16))), g.const(np.ones(16))
    current = g.input("x", (1, 8, 16))
    skip = current
    outputs = []
    for index in range(length):
        kind = index % 5
        if kind == 0:
            current = g.op("FULLY_CONNECTED", (current, weights, bias), keep_num_dims=True)[0]
        elif kind == 1:
            current = g.add(current, skip)
        elif kind == 2:
            current = g.reshape(current, (1, 8, 16))
        elif kind == 3:
            current = g.mul(current, bias)
        else:
            current = g.unary("RELU", current)
            skip = current
        if index % 50 == 49:
            outputs.append(current)
    return g.build(list(dict.fromkeys([*outputs, current])))


def seconds(graph: Graph, rounds: int) -> float:
    """Best of some rounds, on a graph whose own caches are cold, as after reading a file."""
    best = float("inf")
    for _ in range(rounds):
        cold = Graph(graph.tensors, graph.ops, graph.inputs, graph.outputs)
        started = time.process_time()  # of the processor: a busy machine must not show as a slow lint
        lint(cold)
        best = min(best, time.process_time() - started)
    return best


def measure() -> dict[str, float]:
    """{"lint_ms_per_1000_ops": ..., "lint_linearity": ...}"""
    table = Table("ops", "ms", "ms a 1000 ops", title="repro lint, after reading")
    per_thousand = {}
    for size in SIZES:
        took = seconds(layered(size), 3 if size < 50_000 else 1)
        per_thousand[size] = took * 1e6 / size
        table.add_row(f"{size:,}", f"{took * 1e3:.1f}", f"{per_thousand[size]:.1f}")
    Console().print(table)
    return {
        "lint_ms_per_1000_ops": per_thousand[SIZES[1]],
        "lint_linearity": per_thousand[SIZES[-1]] / per_thousand[SIZES[0]],
    }
