"""One image through the chain: by torch, or graph by graph through whatever runs a .tflite."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from models.dfine import convert, reference
from models.dfine.postprocess import Detection, decode
from models.dfine.preprocess import to_input
from models.dfine.split import naive_host, shipped_host

RunGraph = Callable[[str, bytes, tuple[np.ndarray, ...]], tuple[np.ndarray, ...]]
"""Name, .tflite bytes and feed of a graph -> its outputs."""


@dataclass(frozen=True)
class Settings:
    """How to detect. precision chooses the weights of the files: fp32 or fp16."""

    size: int
    weights: str
    precision: str = "fp32"
    score_threshold: float = 0.5


def by_torch(picture: Image.Image, settings: Settings) -> tuple[Detection, ...]:
    """The original model in float64."""
    image = to_input(picture, settings.size)
    values = reference.chain_outputs({"image": image}, size=settings.size, weights=settings.weights)
    return decode(values["boxes"], values["logits"], values["tokens"], score_threshold=settings.score_threshold)


def by_graphs(
    picture: Image.Image, settings: Settings, run: RunGraph, say: Callable[[str], None] = lambda text: None
) -> tuple[Detection, ...]:
    """The shipped split: Graph A, host step, Graph B. say: is told what is in hand."""
    path_a, path_b = _converted(convert.shipped_a, settings, say), _converted(convert.graph_b, settings, say)
    say("shipped graph A")
    enc_class, memory = run("shipped_a", path_a.read_bytes(), (to_input(picture, settings.size),))
    between = shipped_host(enc_class=enc_class, memory_raw_x2=memory, size=settings.size, weights=settings.weights)
    say("graph B")
    return _decoded(between["memory_raw"], between, path_b, settings, run)


def by_naive_graphs(
    picture: Image.Image, settings: Settings, run: RunGraph, say: Callable[[str], None] = lambda text: None
) -> tuple[Detection, ...]:
    """The naive split, in which Graph A emits what the host wants. say: is told what is in hand."""
    path_a, path_b = _converted(convert.naive_a, settings, say), _converted(convert.graph_b, settings, say)
    say("naive graph A")
    feed = (to_input(picture, settings.size),)
    enc_class, enc_coord, output_memory, memory_raw = run("naive_a", path_a.read_bytes(), feed)
    between = naive_host(enc_class=enc_class, enc_coord=enc_coord, output_memory=output_memory)
    say("graph B behind it")
    return _decoded(memory_raw, between, path_b, settings, run)


def _converted(graph: Callable[..., Path], settings: Settings, say: Callable[[str], None]) -> Path:
    say(f"{graph.__name__} (converted if it is not there)")
    return graph(size=settings.size, precision=settings.precision, weights=settings.weights)


def _decoded(
    memory: np.ndarray, between: Mapping[str, np.ndarray], path_b: Path, settings: Settings, run: RunGraph
) -> tuple[Detection, ...]:
    feed = tuple(np.ascontiguousarray(a, np.float32) for a in (memory, between["target"], between["ref"]))
    boxes, logits = run("graph_b", path_b.read_bytes(), feed)
    return decode(boxes, logits, between["tokens"], score_threshold=settings.score_threshold)
