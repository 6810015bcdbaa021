"""A hash of the source files behind a detector's graphs: cached results must not outlive the code that made them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

from models import detector
from models.detector import Detector

# What decides the converted graphs and their reference outputs, given the weights; for another detector its own too.
GRAPH_SOURCES = (
    "anchors",
    "architecture",
    "attention",
    "batch_norm",
    "box_decoding",
    "decoder_layer",
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


OWN_SOURCES = ("architecture", "graph_b")


def graph_sha256(whose: Detector, *others: str) -> str:
    """sha256 over the sources of a detector's graphs, and of `others`: further modules of models.dfine."""
    return _sha256(whose, (*GRAPH_SOURCES, *others), OWN_SOURCES)


def initialiser_sha256(whose: Detector) -> str:
    """sha256 over the sources that draw a detector's seeded weights."""
    return _sha256(whose, ("initialise",), ("initialise",))


def _sha256(whose: Detector, shared: Iterable[str], own: Iterable[str]) -> str:
    files = [(detector.DEFAULT, name) for name in shared]
    if whose.name != detector.DEFAULT:
        files += [(whose.name, name) for name in own]
    folder = Path(__file__).parent.parent
    digest = hashlib.sha256()
    for package, name in files:
        digest.update(name.encode() + b"\0" + (folder / package / f"{name}.py").read_bytes())
    return digest.hexdigest()
