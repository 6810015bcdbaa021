"""A detector in two graphs and a host step, of the structure of RT-DETR: its encoder scores every token, the best few
become queries, and a decoder looks at the tokens once more for each query.

A 64x64 image becomes 64 tokens of 24 features (`memory`, a LayerNorm over a residual) and a score per token and
class. The host takes the 8 best tokens as queries, with boxes around their places; the decoder attends from them to
the memory.
`memory` is emitted, and a score head reads it: the naive encoder's memory is never written by the delegate. The shipped
encoder emits it times 2, which the host step halves.

    python -m tests.repro.layouts.detector docs/examples/detector      # writes the example's files again
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

from cases.builder import GraphBuilder
from cases.graph import Graph, Op, Tensor
from cases.tflite.write import write_tflite
from tests.repro.layouts.layers import add_norm, attention, linear, norm, weights

SIDE, MAP, TOKENS, WIDTH, QUERIES, CLASSES = 64, 8, 64, 24, 8, 5


def _conv(g: GraphBuilder, x: str, name: str, channels: int, stride: int) -> str:
    kernel = weights(name, channels, 3, 3, g.shape(x)[-1])
    bias = np.zeros(channels, np.float32)
    return g.conv2d(x, kernel, bias, stride=stride, padding="SAME", activation="RELU")


def _encode(g: GraphBuilder, memory: str = "memory") -> tuple[str, str]:
    """(scores [1, 64, 5], memory [1, 64, 24]) of an image [1, 64, 64, 3]."""
    x = g.input("image", (1, SIDE, SIDE, 3))
    for number, channels in enumerate((8, 16, WIDTH)):
        x = _conv(g, x, f"backbone.{number}", channels, 2)
    tokens = g.reshape(x, (1, TOKENS, WIDTH))
    update = linear(g, linear(g, tokens, "encoder.wide", 2 * WIDTH, activation="RELU"), "encoder.narrow", WIDTH)
    memory = norm(g, g.add(tokens, update), "encoder.norm", memory)
    return linear(g, memory, "encoder.scores", CLASSES, output="scores"), memory


def _decode(g: GraphBuilder, memory: str, target: str, reference: str) -> tuple[str, str]:
    """(boxes [1, 8, 4] as cxcywh in the unit square, logits [1, 8, 5])."""
    q, k, v = (
        g.reshape(linear(g, x, f"decoder.{one}", WIDTH), (1, 1, g.shape(x)[1], WIDTH))
        for one, x in (("q", target), ("k", memory), ("v", memory))
    )
    attended = g.reshape(attention(g, q, k, v), (1, QUERIES, WIDTH))
    hidden = add_norm(g, target, linear(g, attended, "decoder.out", WIDTH), "decoder.norm")
    moved = g.add(reference, g.scaled(linear(g, hidden, "decoder.boxes", 4), 0.3))
    boxes = g.unary("LOGISTIC", moved, "boxes")
    return boxes, linear(g, hidden, "decoder.logits", CLASSES, output="logits")


def encoder() -> Graph:
    """Emits the memory through a multiplication that exists to be a leaf."""
    g = GraphBuilder()
    scores, memory = _encode(g)
    return g.build([scores, g.scaled(memory, 2.0, name="memory_x2")])


def naive_encoder() -> Graph:
    """Emits `memory`, which the score head consumes: the hazard."""
    g = GraphBuilder()
    return g.build(list(_encode(g)))


def decoder() -> Graph:
    """memory [1, 64, 24], target [1, 8, 24], reference [1, 8, 4] -> boxes, logits."""
    g = GraphBuilder()
    names = (("memory", TOKENS, WIDTH), ("target", QUERIES, WIDTH), ("reference", QUERIES, 4))
    return g.build(list(_decode(g, *(g.input(name, (1, rows, width)) for name, rows, width in names))))


def anchors() -> np.ndarray:
    """[1, 64, 4]: a box of two cells around each token, as logits of cxcywh."""
    centre = (np.arange(MAP) + 0.5) / MAP
    y, x = np.meshgrid(centre, centre, indexing="ij")
    boxes = np.stack([x, y, np.full_like(x, 2 / MAP), np.full_like(x, 2 / MAP)], -1).reshape(1, TOKENS, 4)
    return np.log(boxes / (1 - boxes)).astype(np.float32)


def whole() -> Graph:
    """The model before it was split, with the choice of the queries inside: what no GPU delegate runs."""
    front, back = naive_encoder(), decoder()
    inside = {name: name if name in (*back.inputs, *back.outputs) else f"decoder/{name}" for name in back.tensors}
    choice = (
        Op("REDUCE_MAX", ("scores", "class axis"), ("best class",), {"keep_dims": False}),
        Op("TOPK_V2", ("best class", "queries"), ("best", "chosen")),
        Op("GATHER", ("memory", "chosen"), ("target",), {"axis": 1, "batch_dims": 1}),
        Op("GATHER", ("anchors", "chosen"), ("reference",), {"axis": 1, "batch_dims": 1}),
    )
    between = (
        Tensor("class axis", (1,), "int32", np.array([2], np.int32)),
        Tensor("queries", (), "int32", np.array(QUERIES, np.int32)),
        Tensor("anchors", (1, TOKENS, 4), data=anchors()),
        Tensor("best class", (1, TOKENS)),
        Tensor("best", (1, QUERIES)),
        Tensor("chosen", (1, QUERIES), "int32"),
    )
    tensors = {
        **{inside[name]: replace(tensor, name=inside[name]) for name, tensor in back.tensors.items()},
        **front.tensors,
        **{tensor.name: tensor for tensor in between},
    }
    decoding = (
        replace(op, inputs=tuple(inside.get(n, n) for n in op.inputs), outputs=tuple(inside[n] for n in op.outputs))
        for op in back.ops
    )
    return Graph(tensors, (*front.ops, *choice, *decoding), front.inputs, back.outputs).validate()


def files() -> dict[str, bytes]:
    """The example's .tflite files by name."""
    graphs = {"encoder": encoder(), "naive_encoder": naive_encoder(), "decoder": decoder(), "whole": whole()}
    return {f"{name}.tflite": write_tflite(graph) for name, graph in graphs.items()}


if __name__ == "__main__":
    for file_name, data in files().items():
        Path(sys.argv[1], file_name).write_bytes(data)
