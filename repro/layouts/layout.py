"""A layout: a declared split. Its graphs, the tensors that pass between them by name, the host steps, the inputs,
the references, thresholds with reasons, and the control: a layout that must fail where this one must pass.

`repro.layouts.reader` makes one from TOML; the tables that need nothing but their own keys are these very types.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, Field, ValidationInfo

from repro.records.strict import Said, Word, nearest
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

MAX_RANK = 8
"""Of a drawn input, as of any tensor that TFLite's kernels take."""
MAX_ELEMENTS = 1 << 27
"""Of a drawn input: 512 MiB in float32."""


def _existing(path: str, info: ValidationInfo) -> str:
    """A path beside the layout, whose folder is in the context of reading."""
    file = Path(info.context["folder"] if info.context else "", path)
    try:
        there = file.is_file()
    except OSError as error:
        raise ValueError(f"'{file}' is no file ({error.strerror})") from error
    if not there:
        raise ValueError(f"no such file '{file}'")
    return str(file)


def _function(text: str) -> str:
    module, _, function = text.partition(":")
    if not (function.isidentifier() and all(word.isidentifier() for word in module.split("."))):
        raise ValueError(f"'{text}' is not of the form module:function")
    return text


def _file_or_function(suffix: str) -> AfterValidator:
    return AfterValidator(lambda text, info: _existing(text, info) if text.endswith(suffix) else _function(text))


def _reference(text: str) -> str:
    if text in BUILT_IN_REFERENCES or ":" in text:
        return text if text in BUILT_IN_REFERENCES else _function(text)
    raise ValueError(f"'{text}' is not of the form module:function; {nearest(text, BUILT_IN_REFERENCES)}")


def _feasible(shape: tuple[int, ...]) -> tuple[int, ...]:
    if len(shape) > MAX_RANK or math.prod(shape) > MAX_ELEMENTS:
        raise ValueError(f"no tensor of rank {len(shape)} and {math.prod(shape):.3g} elements is fed to a graph")
    return shape


def _has_reason(text: str) -> str:
    if not text.strip():
        raise ValueError("a threshold needs a reason")
    return text


Existing = Annotated[Path, AfterValidator(lambda path, info: Path(_existing(path, info)))]
Function = Annotated[str, AfterValidator(_function)]
Size = Annotated[int, Field(gt=0, description="a positive integer")]
Names = tuple[Word, ...]


@dataclass(frozen=True)
class Limit:
    """One threshold and why it is where it is. Its key is one of LIMITS, or one of the judge's own, then replaced."""

    value: Annotated[float, Field(allow_inf_nan=False, description="a finite number")]
    reason: Annotated[str, AfterValidator(_has_reason)]


@dataclass(frozen=True, kw_only=True)
class GraphPart:
    """One .tflite: a file, or a builder `module:function` called with size, precision and the parameters.

    inputs, outputs: tensor names of the layout, in the file's own order.
    """

    name: Word
    file: Existing | None = None
    builder: Function = ""
    inputs: Names
    outputs: Names

    def __post_init__(self) -> None:
        if bool(self.file) == bool(self.builder):
            raise ValueError("file: give either file = '....tflite' or builder = 'module:function'")


@dataclass(frozen=True)
class HostPart:
    """One host step: `module:function`, called with its inputs, size and the parameters by keyword."""

    name: Word
    function: Function
    inputs: Names
    outputs: Names


@dataclass(frozen=True)
class Inputs:
    """Where the feeds come from. `loader` (`module:function`) reads a file; without one, files are .npz.

    Without files, `count` sets are drawn from N(0, 1) with `seed`.
    """

    files: tuple[Existing, ...] = ()
    loader: Function = ""
    seed: Annotated[int, Field(ge=0, description="an integer from 0 on")] = 0
    count: Annotated[int, Field(ge=1, le=16, description="1 to 16")] = 2
    shapes: Mapping[str, Annotated[tuple[Size, ...], AfterValidator(_feasible)]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if bool(self.files) == bool(self.shapes):
            raise ValueError("files: give either files, or shapes of inputs that are drawn from a seed")


@dataclass(frozen=True)
class References:
    """What is right. graphs: one of BUILT_IN_REFERENCES or `module:function`; chain: `module:function`, or a whole
    .tflite; empty: the graphs' references, chained.

    key: `module:function` giving a string that changes when the reference does; without it nothing is cached.
    """

    graphs: Annotated[str, AfterValidator(_reference)] = "float64"
    chain: Annotated[str, _file_or_function(".tflite")] = ""
    key: Function = ""

    @property
    def whole(self) -> Path | None:
        """The unsplit model, where `chain` is one."""
        return Path(self.chain) if self.chain.endswith(".tflite") else None


@dataclass(frozen=True)
class Residual:
    """A tensor that a constant dominates is also judged without that constant: +inf rows of it are left out."""

    tensor: Word
    subtract: Annotated[str, _file_or_function(".npy")]
    reason: Said

    @property
    def file(self) -> Path | None:
        """The .npy with the constant, where it is one."""
        return Path(self.subtract) if self.subtract.endswith(".npy") else None


@dataclass(frozen=True, kw_only=True)
class DetectionTensors:
    """Which tensors are boxes and logits, which token each row grew from, and what turns them into detections."""

    boxes: Word
    logits: Word
    tokens: str = ""
    decode: Function


@dataclass(frozen=True, kw_only=True)
class Control:
    """What shows that the gate can see the bug. One of layout, control_of and none is given.

    layout: the file that must fail. control_of: the file of which this one is the control. none: why there is no split
    that must fail. fails: tensors of the control that must come out wrong. reason: why they must; not beside `none`.
    """

    layout: Existing | None = None
    control_of: Existing | None = None
    none: Said = ""
    fails: Names = ()
    reason: Said = ""

    def __post_init__(self) -> None:
        if [bool(self.layout), bool(self.control_of), bool(self.none)].count(True) != 1:
            raise ValueError(
                "layout: give either layout (the one that must fail), none (why there is none) or control_of (this one"
                " is a control)"
            )
        if self.fails and not self.layout:
            raise ValueError("fails: names tensors of the layout that must fail, and none is given; leave it out")
        if bool(self.none) == bool(self.reason):
            said = "is missing; say why the control must fail" if self.reason == "" else "is said by none; leave it out"
            raise ValueError(f"reason: {said}")


@dataclass(frozen=True)
class Layout:
    """A declared split that was read and checked. `parts` are in an order in which each finds its inputs ready."""

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
    targets: tuple[str, ...] = ()
    """Full names, with the settings that the product ships with; empty where none is declared."""

    @property
    def graphs(self) -> tuple[GraphPart, ...]:
        return tuple(part for part in self.parts if isinstance(part, GraphPart))

    @property
    def final_outputs(self) -> tuple[str, ...]:
        """Tensors that nothing in the layout reads, from the last graph on: what the layout is for."""
        read = {name for part in self.parts for name in part.inputs}
        return tuple(name for part in self.graphs for name in part.outputs if name not in read)
