"""A campaign runs what its journal does not hold, keeps the order of its cases, and lets go of what it has judged."""

from __future__ import annotations

import json
import weakref
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cases.builder import GraphBuilder
from cases.case import Case
from cases.graph import Graph
from cases.inputs import StandardFeeds
from cases.tflite.write import write_tflite
from repro.campaigns import campaign
from repro.campaigns.campaign import CaseResult, from_record, result_key, run_campaign, to_record
from repro.campaigns.expectations import Expectation, Expectations, Standing
from repro.records.journal import Journal
from repro.verdicts.judge import judge
from repro.verdicts.references import OwnOps
from repro.verdicts.saved_run import load_judgeable
from repro.verdicts.subject import Subject
from repro.verdicts.verdict import Status, Verdict
from runner.errors import DeviceFailed
from runner.run import Fingerprint, Job, Precision, Run
from runner.target import Target
from tests.repro.simulated_delegate import FAULTS, SimulatedDelegate, SimulatedPool

LOST = next(fault for fault in FAULTS if fault.name == "fusion drops an output")
BOTH = (Precision.FP32, Precision.FP16)
NOTHING_EXPECTED = Expectations("simulated")


def no_cpu() -> AbstractContextManager[Target]:
    raise AssertionError("every op is known")


def own_ops(case: Case, *, kind: str | None = None, seed: int | None = None, open_cpu: object = None) -> Subject:
    """A case held against its own ops: what a campaign does with a subject does not depend on torch."""
    assert case.graph is not None
    plan = StandardFeeds(case.seed if seed is None else seed, kind or case.inputs)
    return Subject(case.name, write_tflite(case.graph()), plan, OwnOps(no_cpu), case.control_of)


@pytest.fixture(autouse=True)
def _without_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(campaign, "case_subject", own_ops)


def graph(first: str, size: int = 4) -> Graph:
    g = GraphBuilder()
    (y,) = g.op(first, (g.input("x", (size, 6)), g.input("z", (size, 6))), name="y")
    return g.build([y, g.sum(y, [1], name="total")])


def case(name: str, first: str = "ADD") -> Case:
    return Case(f"family/{name}", "family", "why", lambda: graph(first))


CASES = (case("a"), case("b", "SUB"), case("c", "MUL"), case("d"), case("e", "SUB"))


def run(
    journal: Path, target: Target, cases: Sequence[Case] = CASES, precisions: Sequence[Precision] = BOTH, **options: Any
) -> list[CaseResult]:
    with target, Journal(journal) as opened:
        return run_campaign(cases, target, precisions, options.pop("known", NOTHING_EXPECTED), opened, **options)


def places(results: Iterable[CaseResult]) -> list[tuple[str, str]]:
    return [(result.case, result.precision) for result in results]


def said(results: Iterable[CaseResult]) -> list[str]:
    """Everything but where it was found; as text, in which a NaN equals another."""
    return [json.dumps(to_record(result), sort_keys=True) + repr(comparisons_of(result)) for result in results]


def comparisons_of(result: CaseResult) -> list[tuple[Standing, str, str]]:
    return [(c.standing, c.expected, c.message) for c in result.comparisons]


EVERY = [(one.name, str(precision)) for one in CASES for precision in BOTH]


def test_results_come_in_the_order_of_cases_and_precisions_and_each_is_heard_of_once(tmp_path: Path):
    heard: list[CaseResult] = []
    results = run(tmp_path / "j.jsonl", SimulatedPool(LOST), on_result=heard.append)
    assert places(results) == places(heard) == EVERY
    assert [r.verdicts[0].said == "FAIL unwritten" for r in results] == [case[0][-1] in "ad" for case in EVERY]
    assert all(r.verdicts[1].status is Status.PASS for r in results)
    assert not any(r.cached for r in results)


def test_what_the_journal_holds_is_not_run_again_and_reads_the_same(tmp_path: Path):
    path = tmp_path / "j.jsonl"
    first = run(path, SimulatedPool(LOST))
    target = SimulatedPool(LOST)
    second = run(path, target)
    assert target.jobs == 0
    assert all(r.cached for r in second)
    assert said(second) == said(first)


def test_old_and_new_cases_are_put_in_their_order(tmp_path: Path):
    path = tmp_path / "j.jsonl"
    run(path, SimulatedPool(LOST), CASES[1::2])
    target = SimulatedPool(LOST)
    results = run(path, target)
    assert places(results) == EVERY
    assert [r.cached for r in results] == [case in CASES[1::2] for case in CASES for _ in BOTH]
    assert target.jobs == 2 * len(CASES[::2])


class Lost(SimulatedPool):
    """A target that is lost after some runs."""

    def __init__(self, runs: int) -> None:
        super().__init__(LOST)
        self.left = runs

    def run_many_impl(self, jobs: Iterable[Job]) -> Iterator[Run]:
        for answered in super().run_many_impl(jobs):
            if not self.left:
                raise DeviceFailed("the cable is out")
            self.left -= 1
            yield answered


@pytest.mark.parametrize("runs", [0, 1, 7])
def test_an_interrupted_campaign_goes_on_where_it_was(tmp_path: Path, runs: int):
    path = tmp_path / "j.jsonl"
    heard: list[CaseResult] = []
    with pytest.raises(DeviceFailed):
        run(path, Lost(runs), on_result=heard.append)
    assert len(heard) == runs
    target = SimulatedPool(LOST)
    results = run(path, target)
    assert target.jobs == len(EVERY) - runs
    assert [r.cached for r in results] == [True] * runs + [False] * (len(EVERY) - runs)
    assert said(results) == said(run(tmp_path / "whole.jsonl", SimulatedPool(LOST)))


def test_again_measures_anew_and_the_journal_keeps_the_newer(tmp_path: Path):
    path = tmp_path / "j.jsonl"
    run(path, SimulatedPool(LOST), CASES[:1])
    healed = SimulatedPool()
    healed.identity = SimulatedPool(LOST).identity
    assert not any(r.cached for r in run(path, healed, CASES[:1], again=True))
    kept = run(path, SimulatedPool(LOST), CASES[:1])
    assert all(r.cached and r.verdicts[0].status is Status.PASS for r in kept)


def test_another_target_seed_kind_or_option_is_another_question(tmp_path: Path):
    path = tmp_path / "j.jsonl"
    one = CASES[:1]
    run(path, SimulatedPool(LOST), one)
    asked: tuple[dict[str, Any], ...] = ({"seed": 5}, {"kind": "watermark"}, {"options": {"buffer_storage_type": 2}})
    for options in asked:
        assert not any(r.cached for r in run(path, SimulatedPool(LOST), one, **options))
        assert all(r.cached for r in run(path, SimulatedPool(LOST), one, **options))
    assert not any(r.cached for r in run(path, SimulatedPool(), one))


def test_two_cases_of_one_graph_have_a_result_each(tmp_path: Path):
    results = run(tmp_path / "j.jsonl", SimulatedPool(), [case("one"), case("two")])
    assert [r.case for r in results] == ["family/one"] * 2 + ["family/two"] * 2


def test_results_stand_beside_what_is_expected_and_expectations_may_change_without_a_run(tmp_path: Path):
    path = tmp_path / "j.jsonl"
    (news, _) = run(path, SimulatedPool(LOST), CASES[:1])
    assert [c.standing for c in news.comparisons] == [Standing.NEW_FAILURE, Standing.PASSED]
    assert news.is_news
    expected = Expectation(
        case=CASES[0].name, output=0, precision="any", status=Status.FAIL, signature="unwritten", reason="known"
    )
    known = Expectations("simulated", {(CASES[0].name, 0, "any"): expected})
    target = SimulatedPool(LOST)
    (old, _) = run(path, target, CASES[:1], known=known)
    assert target.jobs == 0
    assert [c.standing for c in old.comparisons] == [Standing.KNOWN, Standing.PASSED]
    assert not old.is_news


def test_a_saved_campaign_is_run_again_and_leaves_a_folder_for_each_run(tmp_path: Path):
    path, folder = tmp_path / "j.jsonl", tmp_path / "saved"
    run(path, SimulatedPool(LOST), CASES[:2])
    results = run(path, SimulatedPool(LOST), CASES[:2], save=folder)
    assert not any(r.cached for r in results)
    assert sorted(child.name for child in folder.iterdir()) == sorted(
        f"family--{name}--{precision}--simulated" for name in "ab" for precision in BOTH
    )
    for result in results:
        saved, subject = load_judgeable(folder / f"{result.case.replace('/', '--')}--{result.precision}--simulated")
        assert [v.said for v in judge(saved, subject)] == [v.said for v in result.verdicts]


@pytest.mark.parametrize("target", [SimulatedDelegate(LOST), SimulatedPool(LOST)], ids=["one by one", "pool"])
def test_a_subject_is_let_go_once_it_is_judged_in_all_precisions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, target: SimulatedDelegate
):
    """Feeds and references of a catalogue do not fit in memory together; those of the few jobs ahead do."""
    alive: dict[str, weakref.ref[Subject]] = {}

    def watched(one: Case, **options: Any) -> Subject:
        subject = own_ops(one, **options)
        alive[one.name] = weakref.ref(subject)
        return subject

    monkeypatch.setattr(campaign, "case_subject", watched)
    judged: list[str] = []

    def on_result(result: CaseResult) -> None:
        if result.precision == "fp32":  # the one before was judged in both precisions
            assert [name for name in judged if alive[name]() is not None] == []
            waiting = [one.name for one in CASES if one.name not in judged]
            made = [name for name in waiting if "feeds" in vars(alive[name]())]
            assert len(made) <= 3, "feeds are made for the jobs ahead only"
        else:
            judged.append(result.case)

    run(tmp_path / "j.jsonl", target, on_result=on_result)
    assert judged == [one.name for one in CASES]


def test_the_log_is_kept_for_what_does_not_pass_and_only_its_end(tmp_path: Path):
    class Talking(SimulatedDelegate):
        def run_many_impl(self, jobs: Iterable[Job]) -> Iterator[Run]:
            return (replace(answered, log="x" * 3000 + "end") for answered in super().run_many_impl(jobs))

    failed, _, passed, _ = run(tmp_path / "j.jsonl", Talking(LOST), CASES[:2])
    assert (len(failed.log), failed.log[-3:], passed.log) == (2000, "end", "")


def test_nothing_to_run_is_no_result(tmp_path: Path):
    assert run(tmp_path / "j.jsonl", SimulatedPool(), []) == []


def test_a_key_depends_on_everything_that_decides_a_result_and_on_nothing_else():
    subject = own_ops(CASES[0])

    def key(one: Subject = subject, identity: str = "t", precision: Precision = Precision.FP32, **options: int) -> str:
        return result_key(one, identity, precision, options)

    others = [
        key(replace(subject, name="family/other")),
        key(replace(subject, model=write_tflite(graph("SUB")))),
        key(replace(subject, plan=StandardFeeds(1))),
        key(identity="u"),
        key(precision=Precision.FP16),
        key(a=1, b=2),
    ]
    assert len({key(), *others}) == 1 + len(others)
    assert key(a=1, b=2) == key(b=2, a=1)
    assert key(own_ops(CASES[0])) == key(replace(subject, control_of="family/other")) == key()


numbers = st.floats(allow_nan=True, allow_infinity=True)
verdicts = st.builds(
    Verdict,
    output=st.integers(-1, 5),
    name=st.sampled_from(["", "y", "StatefulPartitionedCall:0"]),
    status=st.sampled_from(Status),
    signature=st.sampled_from(["", "alias(x)", "stale"]),
    reason=st.sampled_from(["", "why"]),
    power=numbers,
    metrics=st.dictionaries(st.sampled_from(["pearson", "max_abs"]), numbers),
)


@given(st.lists(verdicts, max_size=4).map(tuple), st.dictionaries(st.sampled_from(["load", "compile"]), numbers))
def test_a_result_comes_back_from_its_record_through_json(found: tuple[Verdict, ...], stages: dict[str, float]):
    ran_on = asdict(Fingerprint("gpu:a", "2.3.0", {}, "", "A", "fp32", "0" * 64, {"model": "p"}))
    result = CaseResult("family/a", "gpu:a", "A", "2.3.0", "fp32", found, ran_on, stages, "log", cached=False)
    back = from_record(json.loads(json.dumps(to_record(result))))
    assert back is not None
    assert back.cached
    assert said([back]) == said([result])
