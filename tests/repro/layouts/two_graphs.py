"""A small split in two graphs, written as .tflite: the documentation's worked example, and what tests break.

A residual block emits 64 tokens of 24 features; its mean over the tokens gates a linear head. Split between the two,
the features pass from the encoder to the head and are also averaged inside the encoder: the ADD that the delegate
swallows when it is a graph output with one consumer. The shipped encoder emits them times 2, the head halves them.

    python -m tests.repro.layouts.two_graphs docs/examples/two_graphs      # writes the example's files again
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

from cases.builder import GraphBuilder
from cases.graph import Graph, Op, Tensor
from cases.tflite.write import write_tflite

TOKENS, FEATURES, CLASSES = 64, 24, 8


def _weights(name: str, *shape: int) -> np.ndarray:
    generator = np.random.default_rng([len(name), *name.encode()])
    return (generator.standard_normal(shape) / np.sqrt(shape[-1])).astype(np.float32)


def _encode(g: GraphBuilder, name: str = "features") -> tuple[str, str]:
    x = g.input("x", (1, TOKENS, FEATURES))
    hidden = g.fully_connected(x, _weights("encode", FEATURES, FEATURES), _weights("encode_bias", FEATURES))
    features = g.add(x, hidden, name=name)
    return features, g.mean(features, axes=[1], name="summary")


def _head(g: GraphBuilder, features: str, summary: str, name: str = "y") -> str:
    scores = g.fully_connected(features, _weights("head", CLASSES, FEATURES), _weights("head_bias", CLASSES))
    gate = g.unary("LOGISTIC", g.fully_connected(summary, _weights("gate", CLASSES, FEATURES)))
    return g.mul(scores, gate, name=name)


def whole() -> Graph:
    """The model before it was split."""
    g = GraphBuilder()
    return g.build([_head(g, *_encode(g))])


def naive_encoder() -> Graph:
    """Emits `features`, which the mean consumes: the hazard."""
    g = GraphBuilder()
    return g.build(list(_encode(g)))


def encoder(factor: float = 2.0) -> Graph:
    """Emits the features through a multiplication that exists to be a leaf."""
    g = GraphBuilder()
    features, summary = _encode(g)
    return g.build([g.scaled(features, factor, name="features_x2"), summary])


def head(factor: float = 0.5) -> Graph:
    """Takes the doubled features."""
    g = GraphBuilder()
    features = g.input("features_x2", (1, TOKENS, FEATURES))
    summary = g.input("summary", (1, 1, FEATURES))
    return g.build([_head(g, g.scaled(features, factor), summary)])


def naive_head() -> Graph:
    g = GraphBuilder()
    features = g.input("features", (1, TOKENS, FEATURES))
    summary = g.input("summary", (1, 1, FEATURES))
    return g.build([_head(g, features, summary)])


def with_op_before(graph: Graph, tensor: str, kind: str) -> Graph:
    """The graph with one more op on the way into `tensor`'s producer: GATHER (of all tokens in order) or a unary op."""
    producer = graph.producers[tensor]
    source = graph.tensors[producer.inputs[0]]
    order = Tensor("order", (TOKENS,), "int32", np.arange(TOKENS, dtype=np.int32))
    more = Tensor("more", source.shape)
    gather = kind == "GATHER"
    op = Op(kind, (source.name, "order") if gather else (source.name,), ("more",), {"axis": 1} if gather else {})
    index = graph.ops.index(producer)
    changed = replace(producer, inputs=("more", *producer.inputs[1:]))
    ops = (*graph.ops[:index], op, changed, *graph.ops[index + 1 :])
    return Graph({**graph.tensors, "order": order, "more": more}, ops, graph.inputs, graph.outputs).validate()


def files() -> dict[str, bytes]:
    """The example's .tflite files by name."""
    graphs = {
        "whole": whole(),
        "encoder": encoder(),
        "head": head(),
        "naive_encoder": naive_encoder(),
        "naive_head": naive_head(),
    }
    return {f"{name}.tflite": write_tflite(graph) for name, graph in graphs.items()}


if __name__ == "__main__":
    for file_name, data in files().items():
        Path(sys.argv[1], file_name).write_bytes(data)
