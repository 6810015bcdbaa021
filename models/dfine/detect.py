"""One image through the chain: by torch, or graph by graph through whatever runs a .tflite."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image

from models.dfine import convert, reference
from models.dfine.postprocess import Detection, decode
from models.dfine.preprocess import to_input
from models.dfine.split import shipped_host

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


def by_graphs(picture: Image.Image, settings: Settings, run: RunGraph) -> tuple[Detection, ...]:
    """The shipped split: Graph A, host step, Graph B."""
    chosen = {"size": settings.size, "weights": settings.weights}
    path_a = convert.shipped_a(size=settings.size, precision=settings.precision, weights=settings.weights)
    path_b = convert.graph_b(size=settings.size, precision=settings.precision, weights=settings.weights)
    enc_class, memory = run("shipped_a", path_a.read_bytes(), (to_input(picture, settings.size),))
    between = shipped_host(enc_class=enc_class, memory_raw_x2=memory, **chosen)  # type: ignore[arg-type]
    feed = tuple(np.ascontiguousarray(between[name], np.float32) for name in ("memory_raw", "target", "ref"))
    boxes, logits = run("graph_b", path_b.read_bytes(), feed)
    return decode(boxes, logits, between["tokens"], score_threshold=settings.score_threshold)
