"""Check 1: what can be said of a graph by reading it. Banned ops, ranks above 4, hazards known to the lint."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from cases.evaluation.quantised import Grid, grid_of
from repro.delegate.graph import MAX_RANK
from repro.hazards.examined import examined_words, unexamined
from repro.hazards.lint import find_hazards
from repro.layouts.layout import Layout
from repro.layouts.models import PartModel
from repro.layouts.result import GateAnswer, GateCheck
from repro.records.lines import counted

_ELSEWHERE = "is not resident on every GPU delegate"
BANNED = {
    "GATHER": f"{_ELSEWHERE}: index on the host",
    "GATHER_ND": f"{_ELSEWHERE}: sample by tent-weight matrix products, or index on the host",
    "TOPK_V2": f"{_ELSEWHERE}: take maxima repeatedly, or select on the host",
    "CAST": f"{_ELSEWHERE}: keep everything in float",
}


def structure_checks(model: PartModel, allowed: Mapping[str, str]) -> Iterator[GateCheck]:
    """One refusal per banned op, tensor of too high rank and hazard; one pass where there is none.

    allowed: lint rule -> the layout's reason to accept it.
    """
    graph, part = model.graph, model.part.name
    clean, others = True, ""
    for op in graph.ops:
        if op.kind in BANNED:
            clean = False
            yield _refused(part, op.outputs[0], f"{op.kind} {BANNED[op.kind]}")
    for op in graph.ops:
        for name in op.outputs:
            if len(graph.tensors[name].shape) > MAX_RANK:
                clean = False
                rank = len(graph.tensors[name].shape)
                yield _refused(part, name, f"{op.kind} gives rank {rank}; the delegate takes at most {MAX_RANK}")
    for hazard in find_hazards(graph):
        tensors = [model.part.outputs[index] for index in hazard.affected] or [hazard.tensor]
        tensor, text = ", ".join(tensors), f"hazard {hazard.rule}: {hazard.message}; {hazard.fix}"
        if hazard.rule in allowed:
            others = "other "
            yield GateCheck("structure", part, tensor, GateAnswer.NOTE, f"{text} (allowed: {allowed[hazard.rule]})")
        else:
            clean = False
            yield _refused(part, tensor, text)
    if clean:
        kinds = ", ".join(BANNED)
        reason = f"{counted(len(graph.ops), 'op')}: no {kinds}, no rank above {MAX_RANK}, no {others}hazard"
        if left_out := "".join(examined_words(unexamined(graph))):
            reason += f"; {left_out}"
        yield GateCheck("structure", part, "", GateAnswer.PASS, reason)


def passed_on_checks(layout: Layout, models: Mapping[str, PartModel]) -> Iterator[GateCheck]:
    """One refusal per quantised tensor that one graph gives on one grid and another reads on another.

    The integers fit, and mean other numbers.
    """
    given = {
        name: (model.part.name, model.graph.tensors[tensor])
        for model in models.values()
        for name, tensor in zip(model.part.outputs, model.graph.outputs, strict=True)
    }
    for reader in models.values():
        for name, tensor in zip(reader.part.inputs, reader.graph.inputs, strict=True):
            if name not in given:
                continue
            writer, source = given[name]
            there, here = grid_of(source), grid_of(reader.graph.tensors[tensor])
            if there is not None and here is not None and _words(there) != _words(here):
                yield _refused(
                    reader.part.name,
                    name,
                    f"{writer} gives it with {_words(there)} and {reader.part.name} reads it with {_words(here)}: the"
                    " integers would stand for other numbers; quantise both alike, or convert in a [[host]] step",
                )


def _words(grid: Grid) -> str:
    return f"scale {grid.scale.tolist()} and zero point {grid.zero_point.tolist()}"


def _refused(part: str, tensor: str, reason: str) -> GateCheck:
    return GateCheck("structure", part, tensor, GateAnswer.REFUSED, reason)
