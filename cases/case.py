"""A case: a small named graph (or torch module, or .tflite file) with seeded inputs and a reason to exist."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cases.graph import Graph

if TYPE_CHECKING:
    import torch

PLANNED = "planned"
"""Inputs of a case whose op has no meaning for just any number: ids, divisors, what has a root."""


@dataclass(frozen=True)
class ModuleSource:
    """A plain torch case: it becomes a .tflite through litert-torch, cached by content.

    build: returns a fresh `nn.Module` in eval mode, weights seeded by `seed`. Called only when the
        module is converted or used as reference, so that listing cases does not import torch.
    input_shapes: float32 shapes of the example inputs, in forward's order.
    output_names: names of the outputs in forward's order.
    """

    build: Callable[[int], torch.nn.Module]
    input_shapes: tuple[tuple[int, ...], ...]
    output_names: tuple[str, ...]


@dataclass(frozen=True)
class Case:
    """One entry of the catalogue.

    name: unique, `family/what-it-is`, lower case, words joined by dashes.
    reason: one line: which hazard it exercises, or what its control role shows.
    graph / module / file: exactly one is given; `graph` is lazy so that listing costs nothing. file: a .tflite.
    control_of: name of the case of which this is the healthy twin, or empty.
    link: upstream issue, or empty.
    inputs: `gaussian` or `watermark`: which input set is the default; PLANNED: by what the graph says of each input.
    seed: of weights and inputs.
    """

    name: str
    family: str
    reason: str
    graph: Callable[[], Graph] | None = None
    module: ModuleSource | None = None
    file: Path | None = None
    control_of: str = ""
    link: str = ""
    inputs: str = "gaussian"
    seed: int = 0
