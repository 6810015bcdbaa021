"""One page of each kind, made of records that are made up, with names that a browser would obey."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np

from cases.graph import Graph
from cases.inputs import StandardFeeds
from cases.tflite.write import write_tflite
from repro.campaigns.campaign import CaseResult
from repro.campaigns.expectations import Comparison, Standing
from repro.changes.changes import compare_sides
from repro.changes.history import history_of
from repro.display.check_report import Shown
from repro.findings import reader
from repro.layouts.result import GateAnswer, GateCheck, Report
from repro.matrix.rows import rows_of
from repro.pages.of_check import check_page
from repro.pages.of_compare import compare_page
from repro.pages.of_finding import finding_page
from repro.pages.of_gate import gate_page
from repro.pages.of_history import history_page
from repro.pages.of_matrix import matrix_page
from repro.pages.of_reduce import reduce_page
from repro.pages.of_run import run_page
from repro.pages.page import Page
from repro.records.lines import Tone, line
from repro.reducer.problem import Failure, Specimen
from repro.reducer.search import Need, Reduced, Response, Step
from repro.trials.check import Checked
from repro.verdicts.error_map import ErrorMap, error_map
from repro.verdicts.judge import judge
from repro.verdicts.references import Given, float64_outputs
from repro.verdicts.subject import Subject, model_subject
from repro.verdicts.verdict import Status, Verdict
from runner.run import SENTINEL, Fingerprint, Outcome, Run
from tests.repro.changes.sides import answer, side
from tests.repro.display.results import GOOD, KNOWN, RESULTS, result
from tests.repro.drawings.graphs import add_bug
from tests.repro.matrix.cells import record

HOSTILE = "</td><script>window.broken=1</script><img src=x onerror=window.broken=2>]]>\u202e\n\x1b[2J'\"&amp;{{7*7}}"
"""Ends a cell, runs a script, loads a picture, turns the text around, ends a line, clears a terminal."""

ON = Fingerprint("gpu:a", "2.3.0", {"lib.so": "0" * 64}, "driver 1", "adapter", "fp32", "1" * 64)


def heat(rows: int = 40, channels: int = 16) -> ErrorMap:
    """A map with a value of every kind in it."""
    reference = np.random.default_rng(0).standard_normal((rows, channels))
    actual = reference.astype(np.float32)
    actual[rows // 2 :] = SENTINEL
    actual[0] = np.nan
    actual[1] += 1e-3
    drawn = error_map(reference, actual)
    assert drawn is not None
    return drawn


def wrong(name: str = HOSTILE, index: int = 0) -> Verdict:
    return Verdict(
        index, name, Status.FAIL, f"alias({name})", "RMS error 3", f"input 0 '{name}'", power=1e-3, error_map=heat()
    )


def run_results() -> list[CaseResult]:
    """News, known bugs of a finding that is shipped, and what passes."""
    expectation = dataclasses.replace(KNOWN[1].expectation, finding="add-output-feeds-reduction")  # type: ignore[type-var]
    known = (wrong("acc"), Comparison(Standing.KNOWN, "FAIL alias(x)", expectation=expectation))
    news = (wrong(), Comparison(Standing.NEW_FAILURE, "PASS", f"new failure: {HOSTILE}"))
    return [*RESULTS, result("family/known-too", GOOD, known), result(f"other/{HOSTILE}", news, GOOD)]


def hostile_graph(case: str) -> Graph:
    return add_bug(HOSTILE)


def of_run() -> Page:
    return run_page(run_results(), "6 cases", "repro run", reader.finding_or_none, hostile_graph)


def checked() -> Checked:
    """A model with a hostile name whose first output holds its first input."""
    graph = add_bug(HOSTILE)
    plan = StandardFeeds(0)
    feeds = plan.make([graph.tensors[name] for name in graph.inputs])
    references = float64_outputs(graph, feeds)
    subject: Subject = model_subject(f"{HOSTILE}.tflite", write_tflite(graph), plan, Given(references), graph=graph)
    outputs = tuple((feed[0], np.asarray(right[1], np.float32)) for feed, right in zip(feeds, references, strict=True))
    run = Run(subject.name, Outcome.OK, ON, outputs, graph.outputs)
    return Checked(subject, run, judge(run, subject), f"cpu disagrees {HOSTILE}")


def of_check() -> Page:
    notes = [line((HOSTILE, Tone.WARN))]
    shown = Shown(Path(HOSTILE), checked(), None, f"repro check '{HOSTILE}'", notes)
    return check_page([shown], "repro check m.tflite")


def of_gate() -> Page:
    checks = (
        GateCheck("structure", "encoder", "", GateAnswer.PASS, "4 ops"),
        GateCheck("output", "head", HOSTILE, GateAnswer.REFUSED, f"FAIL {HOSTILE}", {"rmse": float("inf")}, heat()),
        GateCheck("baseline", "", "", GateAnswer.NOTE, "none recorded"),
    )
    return gate_page([Report(HOSTILE, "gpu:a", "fp16", 640, ON, checks, 12.3, 5.0)], "repro gate split.toml")


def of_matrix() -> Page:
    records = [
        record(case, runtime, verdict, target=target)
        for case, verdict in ((HOSTILE, "FAIL"), ("b", "PASS"))
        for runtime in ("2.1.3", "2.3.0")
        for target in ("gpu:a", "gpu:b")
    ]
    keys = ("target", "runtime", "adapter", "driver", "libraries", "device")
    environments = [{key: one[key] for key in keys} for one in records[:4]]
    gone = [{"target": "gpu:c", "runtime": "2.1.3", "reason": HOSTILE}]
    return matrix_page(rows_of(records), records, environments, gone, "repro matrix")  # type: ignore[arg-type]


def of_reduce() -> Page:
    graph = add_bug(HOSTILE)
    specimen = Specimen(graph, (), HOSTILE, frozenset([HOSTILE]), made_by=HOSTILE)
    failure = Failure(f"alias({HOSTILE})", graph.role(HOSTILE))
    needs = (Need("ADD", "it makes the failing output"),)
    reduced = Reduced(specimen, failure, needs, 20, 1, HOSTILE, complete=False)
    steps = [Step(1, specimen, Response(failure, failure.describe()), 20)]
    summary = {"model": HOSTILE, "inputs": "x.npz", "replay": "repro check", "target": "gpu:a", "precision": "fp32"}
    return reduce_page(f"{HOSTILE}.tflite", reduced, steps, summary, "repro reduce")


def of_finding() -> Page:
    return finding_page(reader.load("layernorm-inner-output"))


def of_compare() -> Page:
    before = side(answer("f/a"), answer(HOSTILE, status=Status.FAIL), answer("f/c"), source=HOSTILE)
    after = side(answer("f/a", status=Status.FAIL, holds=HOSTILE), answer(HOSTILE), answer("f/d", name=HOSTILE))
    return compare_page(compare_sides(before, after), "repro compare a b")


def of_history() -> Page:
    runs = [("2026-11-24", side(answer("f/a"))), (HOSTILE, side(answer("f/a", status=Status.FAIL), answer(HOSTILE)))]
    return history_page(history_of(runs, lambda answer: HOSTILE), [HOSTILE], "repro history runs")


PAGES: dict[str, Callable[[], Page]] = {
    "run": of_run,
    "check": of_check,
    "gate": of_gate,
    "matrix": of_matrix,
    "reduce": of_reduce,
    "finding": of_finding,
    "compare": of_compare,
    "history": of_history,
}


def catalogue(outputs: int = 2700, failing: int = 500) -> list[CaseResult]:
    """A campaign as large as the catalogue, in which every failure has a map that no compression makes smaller."""
    rng = np.random.default_rng(0)
    maps = [error_map(rng.standard_normal((64, 64)), rng.standard_normal((64, 64)).astype(np.float32)) for _ in "ab"]
    results = []
    for number in range(outputs // 2):
        name = f"family-{number % 6}/case-with-a-long-name-{number}"
        if number < failing // 2:
            bad = dataclasses.replace(wrong("accumulated", 1), error_map=maps[number % 2])
            known = (bad, KNOWN[1])
            results.append(result(name, known, known))
        else:
            results.append(result(name, GOOD, GOOD))
    return results
