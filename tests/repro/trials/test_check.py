"""A check holds a target and the cpu against the file's own ops, and says who disagrees."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator

import numpy as np
import pytest

from cases.builder import GraphBuilder
from cases.graph import Graph, Op, Tensor
from cases.inputs import StandardFeeds
from cases.tflite.write import write_tflite
from repro.records.lines import Tone
from repro.trials.check import Checked, check, require_comparison
from repro.verdicts import subject as subjects
from repro.verdicts.emulation import floors_for
from repro.verdicts.references import Given, NoReference, OwnOps
from repro.verdicts.subject import Subject, model_subject
from repro.verdicts.verdict import Status
from runner.errors import NothingRan
from runner.run import Job, Outcome, Precision, Run
from tests.repro.simulated_delegate import FAULTS, SimulatedDelegate

LOST = next(fault for fault in FAULTS if fault.name == "fusion drops an output")


def no_cpu() -> SimulatedDelegate:
    raise AssertionError("every op is known")


def subject(name: str = "add-sum") -> Subject:
    """y = x + z, an output that a reduction reads, and the sum of it: what the planted fault loses."""
    g = GraphBuilder()
    y = g.add(g.input("x", (1, 32, 16)), g.input("z", (1, 32, 16)), name="y")
    graph = g.build([y, g.sum(y, [2], name="total")])
    return model_subject(name, write_tflite(graph), StandardFeeds(0), OwnOps(no_cpu), graph=graph)


class Counting(SimulatedDelegate):
    """A simulated target under another name that remembers what it was asked."""

    def __init__(self, name: str, *faults: object) -> None:
        super().__init__(*faults)  # type: ignore[arg-type]
        self.name = name
        self.asked: list[Job] = []

    def run_many_impl(self, jobs: Iterable[Job]) -> Iterator[Run]:
        def noted() -> Iterator[Job]:
            for job in jobs:
                self.asked.append(job)
                yield job

        return super().run_many_impl(noted())


def checked_on(target: Counting, cpu: Counting, one: Subject | None = None) -> Checked:
    return check(one or subject(), target, cpu, Precision.FP32, deadline_s=9.0)


def test_a_healthy_target_passes_and_says_what_it_was_held_against():
    checked = checked_on(Counting("gpu:a"), Counting("cpu"))
    assert checked.passed
    assert [v.status for v in checked.verdicts] == [Status.PASS, Status.PASS]
    assert checked.reference_from == "float64 evaluation of the file's own ops"
    assert checked.cpu_note == ""
    assert repr(checked) == "<Checked add-sum on simulated fp32: PASS, PASS>"
    head, *rest = str(checked).splitlines()
    assert head.startswith("simulated fp32  LiteRT simulation")
    assert head.endswith("reference: float64 evaluation of the file's own ops")
    assert [line.split()[:2] + line.split()[3:4] for line in rest] == [["output", "0", "PASS"], ["output", "1", "PASS"]]


def test_a_faulty_target_fails_in_the_output_that_it_lost():
    checked = checked_on(Counting("gpu:a", LOST), Counting("cpu"))
    assert not checked.passed
    assert [v.said for v in checked.verdicts] == ["FAIL unwritten", "PASS"]
    assert checked.cpu_note == ""
    assert {tone for line in checked.lines() for _, tone in line.spans} >= {Tone.HEAD, Tone.BAD, Tone.GOOD}


def test_a_cpu_that_disagrees_with_float64_is_said_and_decides_nothing():
    checked = checked_on(Counting("gpu:a"), Counting("cpu", LOST))
    assert checked.passed
    assert checked.cpu_note.startswith("cpu disagrees with float64 on output 0 'y': ")
    assert checked.cpu_note in str(checked)


@pytest.mark.parametrize("faults", [(), (LOST,)])
def test_in_fp16_whole_floors_of_fp32_are_made_only_for_a_cpu_that_quick_ones_do_not_clear(faults, monkeypatch):
    made: list[Precision] = []

    def floors(graph, feeds, references, precision, cpu, model, *, quick=False):
        made.extend([] if quick else [precision])
        return floors_for(graph, feeds, references, precision, cpu, model, quick=quick)

    monkeypatch.setattr(subjects, "floors_for", floors)
    checked = check(subject(), Counting("gpu:a"), Counting("cpu", *faults), Precision.FP16)
    assert checked.passed
    assert checked.cpu_note.startswith("cpu disagrees with float64 on output 0 'y': " if faults else "")
    assert bool(checked.cpu_note) == (Precision.FP32 in made) == bool(faults)


def test_the_cpu_is_run_in_fp32_with_the_same_feeds_and_the_target_as_asked():
    target, cpu = Counting("gpu:a"), Counting("cpu")
    one = subject()
    check(one, target, cpu, Precision.FP16, deadline_s=9.0)
    (on_target,), (on_cpu,) = target.asked, cpu.asked
    assert (on_target.precision, on_cpu.precision) == (Precision.FP16, Precision.FP32)
    assert on_target.feeds is on_cpu.feeds is one.feeds
    assert on_target.deadline_s == on_cpu.deadline_s == 9.0


def test_a_cpu_that_is_the_target_runs_once():
    cpu = Counting("cpu")
    assert checked_on(cpu, cpu).passed
    assert len(cpu.asked) == 1


def test_a_target_that_crashes_is_a_verdict():
    class Crashing(Counting):
        def run_many_impl(self, jobs: Iterable[Job]) -> Iterator[Run]:
            for run in super().run_many_impl(jobs):
                yield dataclasses.replace(run, outcome=Outcome.CRASH, outputs=(), message="SIGSEGV")

    checked = checked_on(Crashing("gpu:a"), Counting("cpu"))
    assert [(v.said, v.reason) for v in checked.verdicts] == [("CRASH", "SIGSEGV")] * 2
    assert not checked.passed


def foreign() -> Subject:
    tensors = {name: Tensor(name, (4,)) for name in ("x", "y")}
    graph = Graph(tensors, (Op("SOME_OP", ("x",), ("y",)),), ("x",), ("y",))
    wanted = tuple((np.arange(4.0) + k,) for k in range(3))
    return Subject("foreign", b"", StandardFeeds(0), Given(wanted, "the cpu's"), given_graph=graph)


def test_the_cpu_is_not_compared_with_itself():
    with pytest.raises(NothingRan, match="does not know SOME_OP, so the cpu would be compared with itself"):
        require_comparison(foreign().judged_by(OwnOps(no_cpu)), "cpu")
    require_comparison(foreign().judged_by(OwnOps(no_cpu)), "gpu:a")
    require_comparison(foreign(), "cpu")  # somebody else says what is right


def test_a_model_without_outputs_has_nothing_to_judge():
    tensors = {name: Tensor(name, (4,)) for name in ("x", "y")}
    graph = Graph(tensors, (Op("NEG", ("x",), ("y",)),), ("x",), ())
    nothing = Subject("silent", b"", StandardFeeds(0), OwnOps(no_cpu), given_graph=graph)
    target, cpu = Counting("gpu:a"), Counting("cpu")
    with pytest.raises(NothingRan, match="silent has no output"):
        checked_on(target, cpu, nothing)
    assert not target.asked
    assert not cpu.asked


class Silent(OwnOps):
    def outputs(self, *_: object) -> tuple:
        raise NoReference("nobody knows")


def test_what_a_model_computes_is_not_judged_where_nothing_can_say_what_is_right():
    with pytest.raises(NoReference, match="add-sum: nobody knows"):
        checked_on(Counting("gpu:a"), Counting("cpu"), subject().judged_by(Silent(no_cpu)))


def test_how_a_run_ended_is_said_without_a_reference():
    class Refusing(Counting):
        def run_many_impl(self, jobs: Iterable[Job]) -> Iterator[Run]:
            for run in super().run_many_impl(jobs):
                yield dataclasses.replace(run, outcome=Outcome.REFUSED, outputs=(), message="no SOME_OP here")

    checked = checked_on(Refusing("gpu:a"), Counting("cpu"), subject().judged_by(Silent(no_cpu)))
    assert {(v.said, v.reason) for v in checked.verdicts} == {("REFUSED", "no SOME_OP here")}
