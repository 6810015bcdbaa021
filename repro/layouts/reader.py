"""A layout out of a TOML file. Reading answers every question that can be answered without running anything.

Whatever does not add up is one line: what is wrong, where, what to write instead.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, Field

from repro.layouts.layout import (
    LIMITS,
    Control,
    DetectionTensors,
    GraphPart,
    HostPart,
    Inputs,
    Layout,
    Limit,
    References,
    Residual,
    Size,
)
from repro.records.strict import Said, Word, near_one, nearest
from repro.records.strict_toml import read_toml
from repro.verdicts.thresholds import ENTRIES
from runner.delegate_settings import Settings
from runner.errors import BadInput, NothingRan
from runner.run import Precision
from runner.targets import with_settings


def _threshold(key: str) -> str:
    if key not in LIMITS and key not in ENTRIES:
        raise ValueError(f"no such threshold; {nearest(key, [*LIMITS, *ENTRIES])}")
    return key


_Limits = dict[Annotated[str, AfterValidator(_threshold)], Limit]


@dataclass(frozen=True)
class _Head:
    name: Word
    about: str = ""
    sizes: tuple[Size, ...] = ()
    precisions: tuple[Precision, ...] = (Precision.FP32,)
    baselines: Path = Path("baselines")

    def __post_init__(self) -> None:
        if not self.precisions:
            raise ValueError("precisions: the list is empty; write fp32, fp16 or both")


@dataclass(frozen=True)
class _Thresholds:
    fp32: _Limits | None = None
    fp16: _Limits | None = None

    def by_precision(self) -> dict[Precision, Mapping[str, Limit]]:
        given = {Precision.FP32: self.fp32, Precision.FP16: self.fp16}
        return {precision: limits for precision, limits in given.items() if limits is not None}


@dataclass(frozen=True)
class _Target:
    """name: as `--target` takes it. options: settings of the delegate that the product ships with."""

    name: Word
    options: Mapping[str, bool | int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        try:
            with_settings(self.name, self.settings)
        except BadInput as error:
            raise ValueError(str(error)) from None

    @property
    def settings(self) -> Settings:
        return Settings.parse(f"{key}={str(value).lower()}" for key, value in self.options.items())


@dataclass(frozen=True)
class _Allowed:
    rule: Word
    reason: Said


@dataclass(frozen=True, kw_only=True)
class _Document:
    """The keys of a layout file."""

    layout: _Head
    parameters: Mapping[str, Any] = field(default_factory=dict)
    inputs: Inputs
    graph: tuple[GraphPart, ...] = ()
    host: tuple[HostPart, ...] = ()
    reference: References = field(default_factory=References)
    residual: tuple[Residual, ...] = ()
    detections: DetectionTensors | None = None
    thresholds: _Thresholds
    control: Annotated[
        Control,
        Field(description="name the layout that must fail where this one must pass, or say none = 'why there is none'"),
    ]
    allow: tuple[_Allowed, ...] = ()
    target: tuple[_Target, ...] = ()


def read_layout(path: Path, overrides: Mapping[str, str] | None = None) -> Layout:
    """Read and validate a layout. overrides: parameters given on the command line.

    Raises BadInput, and NothingRan for a layout whose gate would pass on nothing.
    """
    document = read_toml(path, _Document, f"layout '{path}'", {"folder": path.parent})
    head = document.layout
    layout = Layout(
        path,
        head.name,
        head.about,
        head.sizes,
        head.precisions,
        _parameters(path, document.parameters, overrides or {}),
        document.inputs,
        _ordered(path, document.inputs, [*document.graph, *document.host]),
        document.reference,
        document.residual,
        document.detections,
        document.thresholds.by_precision(),
        document.control,
        Path(os.path.normpath(path.parent / head.baselines)),
        {allowed.rule: allowed.reason for allowed in document.allow},
        tuple(with_settings(target.name, target.settings) for target in document.target),
    )
    _check(layout)
    _require_judged(layout.path, layout.control)
    if layout.detections is None and not layout.final_outputs:
        raise NothingRan(
            f"layout '{path}': no output of its graphs is left unread by its parts, so the chain compares nothing;"
            " give [detections], or leave out the last host step"
        )
    return layout


def _parameters(path: Path, parameters: Mapping[str, Any], overrides: Mapping[str, str]) -> dict[str, Any]:
    chosen = dict(parameters)
    for key, value in overrides.items():
        if key not in chosen:
            known = ", ".join(sorted(chosen)) or "none"
            raise BadInput(f"layout '{path}': --set {key}=...: no such parameter; it has {known}")
        chosen[key] = _as_kind_of(chosen[key], value, key, path)
    return chosen


def _as_kind_of(old: Any, text: str, key: str, path: Path) -> Any:
    if isinstance(old, str):
        return text
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        raise BadInput(f"layout '{path}': --set {key}={text}: expected a value like {old!r}") from None


def _require_judged(path: Path, control: Control) -> None:
    """Only an output of a graph can be found wrong. Raises BadInput for another name in `fails`."""
    if control.layout is None or not control.fails:
        return
    other = read_toml(control.layout, _Document, f"layout '{control.layout}'", {"folder": control.layout.parent})
    judged = [tensor for graph in other.graph for tensor in graph.outputs]
    for tensor in control.fails:
        if tensor not in judged:
            raise BadInput(
                f"layout '{path}': [control] fails: no graph of '{control.layout}' gives '{tensor}';"
                f" {nearest(tensor, judged)}"
            )


def _require_limits(begins: str, thresholds: Mapping[Precision, Mapping[str, Limit]]) -> None:
    """A limit that nothing is ever beyond is none. Raises BadInput."""
    for precision, limits in thresholds.items():
        for key, limit in limits.items():
            may_be_zero = key in LIMITS and LIMITS[key][0] == "max"
            if limit.value < 0 or (limit.value == 0 and not may_be_zero):
                wanted = "0 or more" if may_be_zero else "above 0"
                raise BadInput(
                    f"{begins} [thresholds.{precision}] {key}: value must be {wanted}, not {limit.value:g}:"
                    " as it is, nothing would be refused, or everything"
                )


def _check(layout: Layout) -> None:
    """What concerns several tables at once. Raises BadInput."""
    begins = f"layout '{layout.path}':"
    if not layout.graphs:
        raise BadInput(f"{begins} it has no [[graph]]")
    given = {tensor for part in layout.parts for tensor in part.outputs}
    named = {f"[residual {number}] tensor": one.tensor for number, one in enumerate(layout.residuals, start=1)}
    if layout.detections is not None:
        named |= {f"[detections] {key}": getattr(layout.detections, key) for key in ("boxes", "logits", "tokens")}
    for place, tensor in named.items():
        if tensor and tensor not in given:
            raise BadInput(f"{begins} {place}: no part gives '{tensor}'")
    _require_limits(begins, layout.thresholds)
    needed = ("detection_iou", "class_agreement", "lost", "extra") if layout.detections else ("chain_snr_db",)
    for precision in layout.precisions:
        for key in needed:
            if key not in layout.thresholds.get(precision, {}):
                raise BadInput(
                    f"{begins} [thresholds.{precision}] lacks '{key}' ({LIMITS[key][1]});"
                    f" write {key} = {{ value = ..., reason = '...' }}"
                )
        _require_compared(begins, layout, precision, needed)


def _require_compared(begins: str, layout: Layout, precision: Precision, needed: Sequence[str]) -> None:
    """A threshold that is read and never compared looks like a check that passed. Raises BadInput."""
    by_token = layout.detections is not None and bool(layout.detections.tokens)
    compared = {*needed, *(("token_overlap", "token_iou") if by_token else ())}
    for key in layout.thresholds[precision]:
        if key in LIMITS and key not in compared:
            why = "there are [detections]" if key == "chain_snr_db" else "no [detections] table asks for it"
            raise BadInput(
                f"{begins} [thresholds.{precision}] {key} would never be compared, since {why}; leave it out"
            )


def _ordered(path: Path, inputs: Inputs, parts: Sequence[GraphPart | HostPart]) -> tuple[GraphPart | HostPart, ...]:
    """Parts in dataflow order. With a loader the names of the inputs are known only when it runs."""
    names: set[str] = set()
    writers: dict[str, str] = {}
    for part in parts:
        if part.name in names:
            raise BadInput(f"layout '{path}': two parts are called '{part.name}'")
        names.add(part.name)
        for tensor in part.outputs:
            if tensor in writers or tensor in inputs.shapes:
                other = writers.get(tensor, "the inputs")
                raise BadInput(f"layout '{path}': tensor '{tensor}' comes from both {other} and {part.name}")
            writers[tensor] = part.name
    ready = set(inputs.shapes)
    if inputs.files:
        ready |= {tensor for part in parts for tensor in part.inputs if tensor not in writers}
    waiting, order = list(parts), []
    while waiting:
        runnable = [part for part in waiting if set(part.inputs) <= ready]
        if not runnable:
            lacking = [(part, tensor) for part in waiting for tensor in part.inputs if tensor not in ready]
            # What nobody gives explains the others that wait.
            part, missing = next((one for one in lacking if one[1] not in writers), lacking[0])
            why = (
                f"which {writers[missing]} gives only after it: the parts form a circle"
                if missing in writers
                else f"which is no input and no part's output{near_one(missing, [*ready, *writers])}"
            )
            raise BadInput(f"layout '{path}': {part.name} reads '{missing}', {why}")
        for part in runnable:
            order.append(part)
            waiting.remove(part)
            ready |= set(part.outputs)
    return tuple(order)
