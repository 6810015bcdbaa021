"""A layout: a declared split. Its graphs, the tensors that pass between them by name, the host steps, the inputs,
the references, thresholds with reasons, and the control: a layout that must fail where this one must pass.

`repro.layouts.reader` makes one from TOML.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from runner.run import Precision

BUILT_IN_REFERENCES = ("float64", "cpu")

# Threshold key -> (which way is better, what it bounds).
LIMITS: Mapping[str, tuple[str, str]] = {
    "token_overlap": ("min", "share of the reference's selected tokens that the target selects too"),
    "token_iou": ("min", "worst box overlap over the tokens that both selected"),
    "detection_iou": ("min", "worst box overlap over matched detections"),
    "class_agreement": ("min", "share of matched detections with the same class"),
    "lost": ("max", "detections of the reference that the target does not have"),
    "extra": ("max", "detections of the target that the reference does not have"),
    "chain_snr_db": ("min", "signal to error ratio of the layout's final outputs"),
}


@dataclass(frozen=True)
class Limit:
    """One threshold and why it is where it is. Its key is one of LIMITS, or one of the judge's own, then replaced."""

    value: float
    reason: str


@dataclass(frozen=True)
class GraphPart:
    """One .tflite: a file, or a builder `module:function` called with size, precision and the parameters.

    inputs, outputs: tensor names of the layout, in the file's own order.
    """

    name: str
    file: Path | None
    builder: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


@dataclass(frozen=True)
class HostPart:
    """One host step: `module:function`, called with its inputs, size and the parameters by keyword."""

    name: str
    function: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


@dataclass(frozen=True)
class Inputs:
    """Where the feeds come from. `loader` (`module:function`) reads a file; without one, files are .npz.

    Without files, `count` sets are drawn from N(0, 1) with `seed`.
    """

    files: tuple[Path, ...] = ()
    loader: str = ""
    seed: int = 0
    count: int = 2
    shapes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class References:
    """What is right. graphs: one of BUILT_IN_REFERENCES or `module:function`; chain: the same, or a whole .tflite.

    key: `module:function` giving a string that changes when the reference does; without it nothing is cached.
    """

    graphs: str = "float64"
    chain: str = ""
    chain_file: Path | None = None
    key: str = ""


@dataclass(frozen=True)
class Residual:
    """A tensor that a constant dominates is also judged without that constant: +inf rows of it are left out."""

    tensor: str
    subtract: str
    reason: str


@dataclass(frozen=True)
class DetectionTensors:
    """Which tensors are boxes and logits, which token each row grew from, and what turns them into detections."""

    boxes: str
    logits: str
    tokens: str
    decode: str


@dataclass(frozen=True)
class Control:
    """layout: the file of the control, None where this layout is itself the control of another.

    fails: tensors of the control that must come out wrong.
    """

    layout: Path | None
    fails: tuple[str, ...]
    reason: str


@dataclass(frozen=True)
class Layout:
    """A validated manifest. `parts` are in an order in which each finds its inputs ready."""

    path: Path
    name: str
    about: str
    sizes: tuple[int, ...]
    precisions: tuple[Precision, ...]
    parameters: Mapping[str, Any]
    inputs: Inputs
    parts: tuple[GraphPart | HostPart, ...]
    references: References
    residuals: tuple[Residual, ...]
    detections: DetectionTensors | None
    thresholds: Mapping[Precision, Mapping[str, Limit]]
    control: Control
    baselines: Path
    allowed: Mapping[str, str]

    @property
    def graphs(self) -> tuple[GraphPart, ...]:
        return tuple(part for part in self.parts if isinstance(part, GraphPart))

    @property
    def final_outputs(self) -> tuple[str, ...]:
        """Tensors that nothing in the layout reads, from the last graph on: what the layout is for."""
        read = {name for part in self.parts for name in part.inputs}
        return tuple(name for part in self.graphs for name in part.outputs if name not in read)
