"""The judge's self-test: what it concludes, and on real targets (slow)."""

from __future__ import annotations

import numpy as np
import pytest

from cases import inputs
from cases.builder import GraphBuilder
from repro.selftest import judge_truth
from repro.selftest.healthy import Sample
from repro.verdicts.emulation import emulated_floors
from repro.verdicts.verdict import Status
from runner.errors import NothingRan
from runner.run import Precision
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


def test_a_healthy_output_is_judged_with_its_model_so_that_a_tie_is_no_false_alarm():
    """The largest two of eight: two lie as near to one another as float16 has them, and either may come first."""
    g = GraphBuilder()
    values, places = g.op("TOPK_V2", (g.input("x", (1, 8)), g.const(2, dtype="int32")), outputs=("values", "places"))
    graph = g.build([values, places])
    feed = (np.array([[3.0001, 3.0002, 1, 0, -1, -2, -3, -4]], np.float32),)
    right = (np.float64([[3.0002, 3.0001]]), np.int32([[1, 0]]))
    floors = emulated_floors(graph, (feed,), (right,), Precision.FP16)
    made = Scene(graph, (feed,), (right,), floors, Precision.FP16)

    def swap(outputs: list[list[np.ndarray]]) -> None:
        outputs[0][:] = [np.float32([[3, 3]]), np.int32([[0, 1]])]

    swapped = made.run(swap)
    sample = Sample(made.subject, swapped, 1, floors[1])
    assert sample.judged(sample.outputs) is Status.PASS
    assert sample.judged([np.int32([[1, 2]])]) is Status.FAIL
    healthy = judge_truth.Healthy()
    healthy.add(sample)
    assert healthy.alarms == []


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
