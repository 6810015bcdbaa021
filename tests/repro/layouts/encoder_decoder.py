"""A translation model in two graphs: an encoder that runs once per sentence, a decoder that runs once per word.

48 embedded source tokens of 32 features become the keys and values of the decoder's cross-attention, in two heads; the
decoder reads them with 12 embedded target tokens and scores 40 words for each. What passes between the graphs is made
by a FULLY_CONNECTED and a TRANSPOSE that nothing else in its graph reads, so the delegate has nothing to lose in it.

    python -m tests.repro.layouts.encoder_decoder docs/examples/encoder_decoder      # writes the example's files again
"""

from __future__ import annotations

import sys
from pathlib import Path

from cases.builder import GraphBuilder
from cases.graph import Graph
from cases.tflite.write import write_tflite
from tests.repro.layouts.layers import add_norm, attention, linear

SOURCE, TARGET, WIDTH, HEADS, WORDS = 48, 12, 32, 2, 40
DEEP = WIDTH // HEADS


def _heads(g: GraphBuilder, x: str, name: str, tokens: int, output: str | None = None) -> str:
    """[1, tokens, WIDTH] as [1, HEADS, tokens, DEEP], behind a linear layer."""
    split = g.reshape(linear(g, x, name, WIDTH), (1, tokens, HEADS, DEEP))
    return g.transpose(split, (0, 2, 1, 3), output)


def _joined(g: GraphBuilder, x: str, tokens: int) -> str:
    return g.reshape(g.transpose(x, (0, 2, 1, 3)), (1, tokens, WIDTH))


def _encode(g: GraphBuilder) -> tuple[str, str]:
    x = g.input("source", (1, SOURCE, WIDTH))
    q, k, v = (_heads(g, x, f"encoder.{one}", SOURCE) for one in "qkv")
    attended = linear(g, _joined(g, attention(g, q, k, v), SOURCE), "encoder.out", WIDTH)
    hidden = add_norm(g, x, attended, "encoder.norm1")
    wide = linear(g, hidden, "encoder.wide", 2 * WIDTH, activation="RELU")
    memory = add_norm(g, hidden, linear(g, wide, "encoder.narrow", WIDTH), "encoder.norm2")
    return _heads(g, memory, "cross.k", SOURCE, "keys"), _heads(g, memory, "cross.v", SOURCE, "values")


def _decode(g: GraphBuilder, keys: str, values: str) -> str:
    x = g.input("target", (1, TARGET, WIDTH))
    q = _heads(g, x, "cross.q", TARGET)
    attended = linear(g, _joined(g, attention(g, q, keys, values), TARGET), "cross.out", WIDTH)
    hidden = add_norm(g, x, attended, "decoder.norm")
    return linear(g, hidden, "decoder.words", WORDS, output="logits")


def encoder() -> Graph:
    """source [1, 48, 32] -> keys, values [1, 2, 48, 16]."""
    g = GraphBuilder()
    return g.build(list(_encode(g)))


def decoder() -> Graph:
    """keys, values [1, 2, 48, 16] and target [1, 12, 32] -> logits [1, 12, 40]."""
    g = GraphBuilder()
    shape = (1, HEADS, SOURCE, DEEP)
    return g.build([_decode(g, g.input("keys", shape), g.input("values", shape))])


def whole() -> Graph:
    """The model before it was split: source, target -> logits."""
    g = GraphBuilder()
    return g.build([_decode(g, *_encode(g))])


def files() -> dict[str, bytes]:
    """The example's .tflite files by name."""
    graphs = {"encoder": encoder(), "decoder": decoder(), "whole": whole()}
    return {f"{name}.tflite": write_tflite(graph) for name, graph in graphs.items()}


if __name__ == "__main__":
    for file_name, data in files().items():
        Path(sys.argv[1], file_name).write_bytes(data)
