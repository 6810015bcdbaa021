"""A hash of this package's own source files: cached results must not outlive the code that made them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

# What decides the converted graphs and their reference outputs, given the weights.
GRAPH_SOURCES = (
    "anchors",
    "architecture",
    "attention",
    "batch_norm",
    "box_decoding",
    "deformable",
    "graph_a",
    "graph_b",
    "grid_sample",
    "host_step",
    "layer_norm",
    "quality",
    "reference",
    "top_k",
)


def source_sha256(modules: Sequence[str] = GRAPH_SOURCES) -> str:
    """sha256 over the source text of the named modules of models.dfine."""
    folder = Path(__file__).parent
    digest = hashlib.sha256()
    for name in modules:
        digest.update(name.encode() + b"\0" + (folder / f"{name}.py").read_bytes())
    return digest.hexdigest()
