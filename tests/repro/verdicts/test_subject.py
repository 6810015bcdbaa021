"""A subject makes what costs time when it is first asked for, once, and is a new question when it is edited."""

from __future__ import annotations

import dataclasses
import gc
import weakref
from collections import Counter
from collections.abc import Sequence

import numpy as np
import pytest

from cases.builder import GraphBuilder
from cases.case import Case
from cases.edit import without_output
from cases.graph import Graph, Tensor
from cases.inputs import GivenFeeds, StandardFeeds
from cases.tflite.read import read_tflite
from cases.tflite.write import write_tflite
from repro.verdicts import subject as subjects
from repro.verdicts.emulation import emulated_floors
from repro.verdicts.judge import judge
from repro.verdicts.noise_floor import Floor
from repro.verdicts.references import Given, NoReference, References, TorchOf, float64_outputs
from repro.verdicts.subject import Subject, bare_subject, case_subject, graph_subject, model_subject
from repro.verdicts.verdict import Status
from runner.errors import BadInput
from runner.run import Feed, Fingerprint, Outcome, Precision, Run
from tests.repro.verdicts.judging import scene

FLOORS = (Floor(1e-5, "emulation", 1), Floor(1e-5, "emulation", 1))


class Witness:
    """The graph's own ops; counts what it is asked."""

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()

    def outputs(self, graph: Graph, model: bytes, feeds: tuple[Feed, ...]) -> References:
        self.asked["outputs"] += 1
        return float64_outputs(graph, feeds)

    def words(self, graph: Graph) -> str:
        return "a witness"


@dataclasses.dataclass(frozen=True)
class CountedFeeds:
    """Standard feeds; counts how often they are made."""

    made: Counter[str]
    key: str = "counted"
    words: str = "counted"

    def make(self, declared: Sequence[Tensor]) -> tuple[Feed, ...]:
        self.made["feeds"] += 1
        return StandardFeeds(0).make(declared)


@dataclasses.dataclass
class Counted:
    """A subject and how often each of its costly parts was made."""

    subject: Subject
    made: Counter[str]


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> Counted:
    witness = Witness()
    made = witness.asked

    def read(model: bytes, where: str = "") -> Graph:
        made["graph"] += 1
        return read_tflite(model, where)

    def floors(
        graph: Graph,
        feeds: Sequence[Feed],
        references: References,
        precision: Precision,
        cpu: References | None,
        model: bytes,
    ) -> tuple[Floor, ...]:
        made[f"floors {precision}"] += 1
        return emulated_floors(graph, feeds, references, precision, cpu, model)

    monkeypatch.setattr(subjects, "read_tflite", read)
    monkeypatch.setattr(subjects, "floors_for", floors)
    plan = CountedFeeds(made)
    return Counted(Subject("test", write_tflite(scene().graph), plan, witness), made)  # type: ignore[arg-type]


def ended(outcome: Outcome, outputs: tuple = ()) -> Run:
    fingerprint = Fingerprint("gpu:test", "0", {}, "", "", "fp32", "")
    return Run("test", outcome, fingerprint, outputs, ("y", "w"), message="why")


def test_a_subject_that_is_asked_nothing_costs_nothing(counted: Counted):
    assert not counted.subject.is_bare
    assert not counted.made


def test_a_job_needs_feeds_and_no_reference(counted: Counted):
    job = counted.subject.job(Precision.FP16, deadline_s=3.0, options={"a": 1})
    assert (job.model, job.precision, job.name, job.deadline_s) == (counted.subject.model, "fp16", "test", 3.0)
    assert job.options == {"a": 1}
    assert counted.made == {"graph": 1, "feeds": 1}
    assert counted.subject.job(Precision.FP32).feeds is job.feeds


def test_everything_is_made_once_however_often_it_is_asked_for(counted: Counted):
    subject = counted.subject
    for _ in range(3):
        subject.require_reference()
        for precision in Precision:
            assert len(subject.floors(precision)) == 2
        run = ended(Outcome.OK, tuple(tuple(a.astype(np.float32) for a in outputs) for outputs in subject.references))
        assert [v.status for v in judge(run, subject)] == [Status.PASS, Status.PASS]
    assert set(counted.made.values()) == {1}
    assert set(counted.made) == {"graph", "feeds", "outputs", "floors fp32", "floors fp16"}


@pytest.mark.parametrize("outcome", [outcome for outcome in Outcome if outcome is not Outcome.OK])
def test_a_run_that_is_not_ok_asks_for_no_reference(counted: Counted, outcome: Outcome):
    assert {v.status for v in judge(ended(outcome), counted.subject)} == {Status(str(outcome))}
    assert not counted.made


def test_a_graph_that_was_read_already_is_not_read_again(counted: Counted):
    graph = scene().graph
    given = model_subject("test", counted.subject.model, counted.subject.plan, Witness(), graph=graph)
    assert given.graph is graph
    assert not counted.made


def test_floors_that_are_given_are_not_made_and_those_of_the_other_precision_are(counted: Counted):
    subject = dataclasses.replace(counted.subject, given_floors={Precision.FP32: FLOORS})
    assert subject.floors(Precision.FP32) is FLOORS
    assert not counted.made
    assert subject.floors(Precision.FP16) != FLOORS
    assert counted.made["floors fp16"] == 1
    assert "floors fp32" not in counted.made


def test_an_edited_subject_keeps_name_and_feeds_and_has_its_own_bytes_references_and_floors(counted: Counted):
    old = dataclasses.replace(counted.subject, given_floors={Precision.FP32: FLOORS}, control_of="other")
    smaller = without_output(old.graph, "y")
    new = old.edited(smaller)
    assert (new.name, new.control_of, new.plan) == (old.name, old.control_of, old.plan)
    assert new.graph is smaller
    assert read_tflite(new.model).outputs == ("w",)
    assert [len(outputs) for outputs in new.references] == [1, 1, 1]
    assert len(new.floors(Precision.FP32)) == 1
    assert (old.graph.outputs, len(old.references[0]), old.floors(Precision.FP32)) == (("y", "w"), 2, FLOORS)


def test_another_witness_is_asked_anew_and_its_floors_are_its_own(counted: Counted):
    old = dataclasses.replace(counted.subject, given_floors={Precision.FP32: FLOORS})
    before = old.references
    negated = tuple(tuple(-array for array in outputs) for outputs in before)
    new = old.judged_by(Given(negated))
    assert new.references is negated
    assert new.model is old.model
    assert old.references is before
    assert new.floors(Precision.FP32)[0].rmse > 1e3 * FLOORS[0].rmse


def test_a_bare_subject_is_judged_and_not_run():
    made = scene()
    bare = bare_subject("bare", made.feeds, made.references, {made.precision: made.floors})
    assert bare.is_bare
    assert bare.feeds is made.feeds
    assert bare.references is made.references
    assert [v.status for v in judge(made.run(), bare)] == [Status.PASS, Status.PASS]
    with pytest.raises(BadInput):
        _ = bare.graph


def test_a_bare_subject_keeps_its_floors_under_another_witness():
    made = scene()
    bare = bare_subject("bare", made.feeds, made.references, {made.precision: made.floors})
    again = bare.judged_by(Given(made.references))
    assert again.floors(made.precision) == made.floors


def test_a_graph_is_a_subject_before_it_is_a_file():
    made = scene()
    witness = Witness()
    subject = graph_subject("drawn", made.graph, made.feeds, witness)
    assert read_tflite(subject.model).outputs == made.graph.outputs
    assert subject.feeds is made.feeds
    np.testing.assert_array_equal(subject.references[1][0], made.references[1][0])


def test_what_is_no_model_is_refused_at_once_where_a_user_named_it_and_late_elsewhere():
    plan, witness = StandardFeeds(0), Witness()
    with pytest.raises(BadInput, match="mine"):
        model_subject("mine", b"no model", plan, witness)
    late = Subject("late", b"no model", plan, witness)
    with pytest.raises(BadInput, match="late"):
        _ = late.graph


def test_a_missing_reference_names_the_subject():
    class Silent(Witness):
        def outputs(self, graph: Graph, model: bytes, feeds: tuple[Feed, ...]) -> References:
            raise NoReference("nobody knows")

    made = scene()
    subject = graph_subject("mine", made.graph, made.feeds, Silent())
    with pytest.raises(NoReference, match="mine: nobody knows"):
        subject.require_reference()
    with pytest.raises(NoReference, match="mine: nobody knows"):
        subject.floors(Precision.FP32)


def test_a_case_is_fed_by_its_own_seed_and_kind_unless_others_are_asked_for():
    def graph() -> Graph:
        g = GraphBuilder()
        return g.build([g.unary("NEG", g.input("x", (2, 3)), "y")])

    case = Case("family/case", "family", "why", graph, control_of="family/other", inputs="watermark", seed=5)
    subject = case_subject(case)
    assert (subject.name, subject.control_of, subject.plan) == (
        case.name,
        case.control_of,
        StandardFeeds(5, "watermark"),
    )
    assert isinstance(subject.reference, TorchOf)
    assert subject.reference.words(subject.graph) == "torch in float64"
    assert case_subject(case, kind="gaussian", seed=0).plan == StandardFeeds(0, "gaussian")
    assert subject.model == write_tflite(graph())


@pytest.mark.convert
def test_the_reference_of_a_case_is_torchs(tmp_path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("REPRO_CACHE", str(tmp_path))

    def graph() -> Graph:
        g = GraphBuilder()
        return g.build([g.unary("LOGISTIC", g.input("x", (2, 3)), "y")])

    subject = case_subject(Case("family/case", "family", "why", graph))
    for (x,), (y,) in zip(subject.feeds, subject.references, strict=True):
        assert y.dtype == np.float64
        np.testing.assert_allclose(y, 1 / (1 + np.exp(-x.astype(np.float64))), rtol=1e-14)


def test_a_subject_that_nobody_holds_is_gone_with_its_feeds(counted: Counted):
    subject = dataclasses.replace(counted.subject, plan=GivenFeeds(counted.subject.feeds))
    subject.floors(Precision.FP32)
    gone = weakref.ref(subject)
    del subject
    gc.collect()
    assert gone() is None
