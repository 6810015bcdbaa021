"""What a matrix measures: catalogue cases and any .tflite, each with its inputs and its judge.

Key insight: feeds, references and noise floors belong to the model, not to the cell, so they are made
once however many environments a matrix has, and not at all where every cell is in the journal.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from cases import inputs, reference
from cases.case import Case
from cases.evaluate import unsupported
from cases.graph import Graph
from cases.tflite_read import read_tflite
from repro.campaign import prepare
from repro.check import References, float64_references
from repro.expectations import load as load_expectations
from repro.floor import Floor
from repro.floors import floors_for
from repro.judge import judge_run
from repro.verdict import Verdict
from runner import targets
from runner.errors import BadInput, NothingRan
from runner.run import Feed, Job, Outcome, Precision, Run


@dataclass(frozen=True, eq=False)
class Subject:
    """One model of the matrix. feeds and judge are called only where a cell is not in the journal.

    inputs_key: everything that decides the feeds. control_of: name of the subject it is a healthy
    twin of, or empty.
    """

    name: str
    model: bytes
    inputs_key: str
    feeds: Callable[[], tuple[Feed, ...]]
    judge: Callable[[Run], tuple[Verdict, ...]]
    control_of: str = ""


def case_subject(case: Case) -> Subject:
    """A catalogue case, judged against its float64 torch reference as `repro run` does."""
    prepared = prepare(case)
    feeds = functools.cache(prepared.feeds)
    judge = _judge(functools.cache(prepared.graph), lambda: reference.reference_outputs(case, feeds()), feeds)
    return Subject(case.name, prepared.model, prepared.inputs_key, feeds, judge, case.control_of)


def model_subject(
    name: str,
    model: bytes,
    *,
    feeds: tuple[Feed, ...] | None = None,
    seed: int = 0,
    control_of: str = "",
) -> Subject:
    """Any .tflite, judged against the float64 evaluation of its own ops (the cpu's outputs where an op is foreign).

    feeds: given inputs, or None for the standard ones of `seed`. Raises BadInput for what is no model.
    """
    graph = read_tflite(model, name)

    @functools.cache
    def made() -> tuple[Feed, ...]:
        return feeds or inputs.standard_feeds([graph.tensors[n] for n in graph.inputs], seed, "gaussian")

    def references() -> References:
        return _cpu_references(name, model, made()) if unsupported(graph) else float64_references(graph, made())

    if feeds is None:
        inputs_key = f"gaussian/{seed}"
    else:
        digest = hashlib.sha256()
        for array in (array for feed in feeds for array in feed):
            digest.update(f"{array.dtype}{array.shape}".encode() + array.tobytes())
        inputs_key = digest.hexdigest()
    return Subject(name, model, inputs_key, made, _judge(lambda: graph, references, made), control_of)


def _judge(
    graph: Callable[[], Graph], references: Callable[[], References], feeds: Callable[[], tuple[Feed, ...]]
) -> Callable[[Run], tuple[Verdict, ...]]:
    """A judge that makes references and floors once, not once an environment: they depend on none."""
    known = functools.cache(references)

    @functools.cache
    def floors(precision: Precision) -> tuple[Floor, ...]:
        return tuple(floors_for(graph(), feeds(), known(), precision))

    def judge(run: Run) -> tuple[Verdict, ...]:
        if run.outcome is not Outcome.OK:
            return judge_run(run, feeds(), (), (), graph=graph())
        return judge_run(run, feeds(), known(), floors(Precision(run.fingerprint.precision)), graph=graph())

    return judge


def _cpu_references(name: str, model: bytes, feeds: tuple[Feed, ...]) -> References:
    with targets.open_target("cpu") as cpu:
        run = cpu.run(Job(model, feeds, Precision.FP32, name))
    if run.outcome is not Outcome.OK:
        raise BadInput(f"{name}: no reference: the cpu says {run.outcome} ({run.message}); give a model that it runs")
    return run.outputs


def failing_cases(catalogue: Iterable[Case], target: str = "gpu") -> list[Case]:
    """Cases that are expected to fail on every driver, and their controls, in the catalogue's order.

    Raises NothingRan where no case is expected to fail.
    """
    expected = {entry.case for entry in load_expectations(target).entries.values() if entry.origin == "measured"}
    chosen = with_controls(expected, catalogue)
    if not chosen:
        raise NothingRan(f"no case is expected to fail on {target}; name cases, or run `repro run` and `repro expect`")
    return chosen


def with_controls(names: Iterable[str], catalogue: Iterable[Case]) -> list[Case]:
    """The named cases and the controls of each, in the catalogue's order."""
    wanted = set(names)
    return [case for case in catalogue if case.name in wanted or case.control_of in wanted]
