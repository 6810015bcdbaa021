"""The page of `repro reduce`: the smallest graph with the same failure, drawn, and how it came about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from repro.pages.graph_drawing import graph_drawing
from repro.pages.page import Block, Command, Facts, Lines, Page, Row, Section, Table, Text
from repro.records.lines import Tone, counted
from repro.reducer.search import Reduced, Step


def reduce_page(name: str, reduced: Reduced, steps: Sequence[Step], summary: Mapping[str, Any], command: str) -> Page:
    """name: of the model that was reduced. summary: what the reduction left in its folder."""
    specimen = reduced.specimen
    graph = specimen.graph
    ops = counted(len(graph.ops), "op")
    answers = [
        Text(
            f"{ops} with the same failure: {reduced.failure.describe()}", Tone.GOOD if reduced.complete else Tone.WARN
        ),
        Text(f"{name} on {summary['target']} {summary['precision']}, {reduced.runs} runs"),
    ]
    if not reduced.complete:
        answers.append(Text("the search ended before nothing smaller was left to try; the same command goes on"))
    blocks: list[Block] = [graph_drawing(graph, [specimen.output] if specimen.output else [], str(summary["model"]))]
    rows = tuple(
        Row(
            (
                Text(f"{step.number:04d}"),
                Text(str(len(step.specimen.graph.ops))),
                Text(step.answer.text),
                Text(step.specimen.made_by),
                Text(", ".join(sorted(step.specimen.drift)) or "none"),
            )
        )
        for step in steps
    )
    table = Table("Accepted steps, oldest first", ("step", "ops", "verdict", "made by", "roles changed"), rows)
    facts = Facts((("model", str(summary["model"])), ("inputs", str(summary["inputs"]))))
    sections = [
        Section("The reduced graph", tuple(blocks)),
        Section("In words", (Lines(tuple(reduced.lines())), facts)),
        Section("How it came about", (table,) if rows else (Text("no step was accepted in this run"),)),
        Section("Again", (Command("See it fail:", str(summary["replay"])), Command("This page is made by", command))),
    ]
    return Page(f"repro reduce: {name}", answers, sections)
