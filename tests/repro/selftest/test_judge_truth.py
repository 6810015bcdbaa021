"""The judge's self-test: what it concludes, and on real targets (slow)."""

from __future__ import annotations

import numpy as np
import pytest

from cases import inputs
from cases.builder import GraphBuilder
from cases.inputs import GivenFeeds
from cases.tflite.write import write_tflite
from repro.selftest import judge_truth
from repro.selftest.healthy import Sample
from repro.verdicts.emulation import emulated_floors
from repro.verdicts.references import OWN_OPS_ONLY
from repro.verdicts.subject import Subject
from repro.verdicts.verdict import Status
from runner.errors import NothingRan
from runner.run import Fingerprint, Outcome, Precision, Run
from tests.repro.verdicts.judging import Scene, scene


@pytest.mark.parametrize("size", [0, 8])
def test_a_judge_that_was_not_tried_has_not_passed(monkeypatch: pytest.MonkeyPatch, size: int):
    """No healthy output at all, or only such as are too small to put a fault into."""
    g = GraphBuilder()
    graph = g.build([g.unary("NEG", g.input("x", (1, size or 1)), "y")])
    feeds = inputs.standard_feeds([graph.tensors["x"]], 0, "gaussian")
    references = tuple((-feed[0].astype(np.float64),) for feed in feeds)
    made = Scene(graph, feeds, references, emulated_floors(graph, feeds, references, Precision.FP32), Precision.FP32)
    sample = Sample(made.subject, made.run(), 0, made.floors[0])
    monkeypatch.setattr(judge_truth, "healthy_samples", lambda *_: iter([sample] if size else []))
    with pytest.raises(NothingRan, match=r"the judge was not tried") as error:
        judge_truth.main(["--reduced"])
    assert error.value.exit_code == 3


def test_faults_are_put_into_as_many_outputs_of_every_target_spread_over_its_models():
    made = scene()
    healthy = judge_truth.Healthy()
    samples = [Sample(made.subject, made.run(), index % 2, made.floors[index % 2]) for index in range(9)]
    healthy.takes_faults = {"cpu": samples[:7], "gpu": samples[7:]}
    assert healthy.chosen(6) == [samples[0], samples[2], samples[4], *samples[7:]]
    assert judge_truth.Healthy().chosen(6) == []


def test_a_healthy_output_is_judged_with_its_graph_which_tells_near_ties_from_wrong_places():
    g = GraphBuilder()
    graph = g.build(g.op("ARG_MAX", (g.input("x", (6, 5)), g.const(1, dtype="int32")), name="y", output_type=2))
    rng = np.random.default_rng(0)
    feeds = tuple((rng.uniform(-1.0, 0.0, (6, 5)).astype(np.float32),) for _ in range(3))
    for (x,) in feeds:
        x[0, 1], x[0, 3] = 1.0, 1.0 - 2.0**-20
    subject = Subject("ties", write_tflite(graph), GivenFeeds(feeds), OWN_OPS_ONLY, given_graph=graph)
    outputs = [right.copy() for (right,) in subject.references]
    for output in outputs:
        output[0] = 3
    fingerprint = Fingerprint("t", "", {}, "", "", "fp16", "")
    run = Run("ties", Outcome.OK, fingerprint, tuple((output,) for output in outputs), ("y",))
    sample = Sample(subject, run, 0, subject.floors(Precision.FP16)[0])
    assert (sample.judged(outputs), sample.as_run()) == (Status.FAIL, Status.PASS)


def test_an_interrupt_is_one_line_and_no_traceback(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    def interrupted() -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(judge_truth, "main", interrupted)
    monkeypatch.setattr(judge_truth, "stop_as_interrupted", lambda: None)
    with pytest.raises(SystemExit) as ended:
        judge_truth.entry()
    assert ended.value.code == 130
    assert capsys.readouterr().err == "repro: interrupted; nothing of it is kept\n"


@pytest.mark.slow
@pytest.mark.gpu
def test_the_reduced_oracle_finds_nothing_missed_and_no_false_alarm():
    assert judge_truth.main(["--reduced"]) == 0
