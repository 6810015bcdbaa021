"""What the delegate answers when it is given one op of a kind in a type: asked once per cell, kept in a table.

Key insight: whether the delegate takes an op in a type is its own to say. So each cell is asked with a few small drawn
graphs, of which it need take one, and the table (`answers.json`) holds what it said, with the runtime that said it.
`python -m repro.selftest.coverage --ask` makes it again.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from cases.drawn_ops.cells import TYPES, Cell
from cases.drawn_ops.draw import Draw
from cases.drawn_ops.feeds import feeds_of
from cases.drawn_ops.typed import KINDS, drawn_graph
from cases.evaluation.evaluate import quantises_at_run_time
from cases.graph import Graph, GraphError
from cases.tflite.write import write_tflite
from repro.delegate.refusals import why_refused
from repro.trials.trial import CANNOT_BE_TRIED
from repro.verdicts.judge import judge
from repro.verdicts.references import OWN_OPS_ONLY
from repro.verdicts.subject import graph_subject
from repro.verdicts.verdict import Status
from runner.run import Job, Outcome, Precision, Run
from runner.runtime_version import spoken
from runner.target import Target

FILE = Path(__file__).with_name("answers.json")
NO_KERNEL = "taken, and TFLite has no kernel that says what is right"
TRIES = 12
GRAPHS_EACH = 6
"""Asked with at most: options, ranks and broadcasts are refused too, and the cell is not."""


@dataclass(frozen=True)
class Answer:
    """What was said of a cell. takes: whether one of its graphs ran. said: the refusal, or how the process ended."""

    takes: bool
    said: str = ""


@dataclass(frozen=True)
class Answers:
    """The table. asked: what was asked, in words. cells: those of which a graph can be drawn."""

    asked: str
    cells: Mapping[Cell, Answer]

    @property
    def taken(self) -> tuple[Cell, ...]:
        return tuple(cell for cell, answer in self.cells.items() if answer.takes)

    def as_json(self) -> str:
        kinds: dict[str, dict[str, str]] = {}
        for (kind, type_), answer in self.cells.items():
            kinds.setdefault(kind, {})[type_] = "" if answer.takes else answer.said
        return json.dumps({"asked": self.asked, "cells": kinds}, indent=1) + "\n"


@cache
def known_answers() -> Answers:
    """The table as it is kept. An empty text stands for a cell that is taken."""
    kept = json.loads(FILE.read_text(encoding="utf-8"))
    cells = {
        (kind, type_): Answer(not said, said)
        for kind, by_type in kept["cells"].items()
        for type_, said in by_type.items()
    }
    return Answers(kept["asked"], cells)


def questions() -> Iterator[tuple[Cell, Graph, Job]]:
    """The graphs of every cell, a few each, none of a cell of which none can be drawn."""
    for kind in KINDS:
        for type_ in TYPES:
            for number in range(GRAPHS_EACH):
                graph = _asked(Draw(random.Random(f"{kind}/{type_}/{number}")), kind, type_)
                if graph is None:
                    break
                feeds = feeds_of(graph, number)[:1]
                yield (kind, type_), graph, Job(write_tflite(graph), feeds, Precision.FP32, f"{kind} {type_} {number}")


def _asked(draw: Draw, kind: str, type_: str) -> Graph | None:
    """A graph of a cell that nothing but its type may speak against, if one is found; None where there is no graph."""
    graph = None
    with suppress(GraphError):
        for _ in range(TRIES):
            graph = drawn_graph(draw, kind, type_)
            if not any(why_refused(graph, op) for op in graph.ops):
                break
    return graph


def ask(target: Target, cpu: Target) -> Answers:
    """Ask the target about every cell, and the cpu which of them TFLite computes at all."""
    asked = list(questions())
    jobs = [job for _, _, job in asked]
    runs: dict[Cell, list[Run]] = {}
    by_cpu: dict[Cell, list[bool]] = {}
    for (cell, graph, job), run, cpu_run in zip(asked, target.run_many(jobs), cpu.run_many(jobs), strict=True):
        runs.setdefault(cell, []).append(run)
        is_right = _is_right(cpu_run, graph, job)
        if is_right is not None:
            by_cpu.setdefault(cell, []).append(is_right)
    fingerprint = next(run.fingerprint for of_cell in runs.values() for run in of_cell if run.fingerprint is not None)
    words = f"{spoken(fingerprint.runtime)}, {target.name}"
    answers = {cell: answer_of(of_cell) for cell, of_cell in runs.items()}
    foreign = {
        cell: Answer(False, NO_KERNEL)
        for cell, answer in answers.items()
        if answer.takes and not computes(by_cpu.get(cell, ()))
    }
    return Answers(words, answers | foreign)


def computes(were_right: Sequence[bool]) -> bool:
    """Whether most of what the cpu gave was right: a kernel that does not know a type leaves memory as it lay."""
    return 2 * sum(were_right) > len(were_right)


def _is_right(run: Run, graph: Graph, job: Job) -> bool | None:
    """Whether the cpu computes what the evaluation does; None where it did not run, or the comparison has no power.

    Where it quantises floats as it runs, it is off by that, and right.
    """
    if run.outcome is not Outcome.OK:
        return None
    if quantises_at_run_time(graph):
        return True
    try:
        verdicts = judge(run, graph_subject(job.name, graph, job.feeds, OWN_OPS_ONLY), metrics="none")
    except CANNOT_BE_TRIED:
        return None
    if any(verdict.status is Status.INVALID for verdict in verdicts):
        return None
    return all(verdict.status is Status.PASS for verdict in verdicts)


def answer_of(runs: Sequence[Run]) -> Answer:
    """One answer from those to a cell's graphs: taken if any ran, else the commonest refusal, else how it ended."""
    if any(run.outcome is Outcome.OK for run in runs):
        return Answer(True)
    refused = [refusal(run.message) for run in runs if run.outcome is Outcome.REFUSED]
    said = refused or [f"ends the process: {run.message}" for run in runs]
    return Answer(False, max(said, key=said.count))


def refusal(message: str) -> str:
    """The reason inside a refusal: without the call that failed, the tensor's name and the place in the sources."""
    reason = re.sub(r"^not (compiled|loaded): \w+ returned status (\d+): (\[[^]]*\] )?", "", message)
    reason = re.sub(r"(tflite/\S+?):\d+ ", r"\1: ", reason).partition(";")[0]
    reason = re.sub(r" \(-?\d{5,} != -?\d{5,}\)", "", reason)  # reals printed as whole numbers: other ones each time
    reason = re.sub(r"\. An older version of this builtin.*", "", reason)
    return re.sub(r"\s*\b(in|out)\d(_float)?\b", "", reason).strip().rstrip(".")
