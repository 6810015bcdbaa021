"""The side of the pytest plugin that thinks: every question gets one line, whatever it is and whatever prints."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest

from cases.findings.add_output_feeds_reduction import add_reduce
from cases.inputs import StandardFeeds
from cases.tflite.write import write_tflite
from repro import api
from repro.campaigns.expectations import ANY, Expectation, Expectations, compare
from repro.for_pytest import Answer, Answering, Question, concluded
from repro.trials.check import Checked
from repro.verdicts.fitness import FailedControl, Fitness
from repro.verdicts.judge import judge
from repro.verdicts.references import OWN_OPS_ONLY
from repro.verdicts.subject import model_subject
from repro.verdicts.verdict import Status
from runner.python_child import child_command, child_environment
from runner.run import Precision
from tests.repro.simulated_delegate import FAULTS, SimulatedDelegate

LOST = write_tflite(add_reduce())
RIGHT = write_tflite(add_reduce(first="SUB"))


@pytest.fixture(scope="module")
def answering():
    with Answering() as answering:
        yield answering


def asked(answering: Answering, model: Path | str, **question: object) -> Answer:
    return answering.answer(json.dumps({"model": str(model), "target": "cpu", **question}))


def test_a_model_that_is_right_passes_with_the_lines_of_check(answering: Answering, tmp_path: Path):
    (tmp_path / "right.tflite").write_bytes(RIGHT)
    answer = asked(answering, tmp_path / "right.tflite")
    assert (answer.outcome, answer.reasons) == ("passed", ())
    assert answer.lines == tuple(str(api.check(tmp_path / "right.tflite", target="cpu")).splitlines())


def test_given_outputs_say_what_is_right(answering: Answering, tmp_path: Path):
    """For these inputs; and one that is wrong is a failure."""
    (tmp_path / "right.tflite").write_bytes(RIGHT)
    graph = add_reduce(first="SUB")
    feed = [np.random.default_rng(i).standard_normal(graph.tensors[name].shape) for i, name in enumerate(graph.inputs)]
    feed = [array.astype(np.float32) for array in feed]
    np.savez(tmp_path / "inputs.npz", *feed)
    difference = feed[0].astype(np.float64) - feed[1]
    reduced = difference.mean(axis=2).reshape(graph.tensors[graph.outputs[1]].shape)
    question = {"inputs": str(tmp_path / "inputs.npz"), "references": str(tmp_path / "outputs.npz")}
    np.savez(tmp_path / "outputs.npz", difference, reduced)
    answer = asked(answering, tmp_path / "right.tflite", **question)
    assert answer.outcome == "passed", answer
    assert "torch in float64" in answer.lines[0]
    np.savez(tmp_path / "outputs.npz", difference + 1, reduced)
    assert asked(answering, tmp_path / "right.tflite", **question).outcome == "failed"
    np.savez(tmp_path / "outputs.npz", difference)
    (line,) = asked(answering, tmp_path / "right.tflite", **question).lines
    assert line.endswith("give one array per output")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("", "no question of this version of the plugin"),
        ("{", "no question of this version of the plugin"),
        ("[]", "no question of this version of the plugin"),
        ('{"model": "a.tflite"}', "no question of this version of the plugin"),
        ('{"model": "a.tflite", "target": "cpu", "colour": 1}', "no question of this version of the plugin"),
        ('{"model": "nowhere.tflite", "target": "cpu"}', "nowhere.tflite: no such file"),
    ],
)
def test_what_cannot_be_answered_is_one_line(line: str, said: str, answering: Answering):
    answer = answering.answer(line)
    assert answer.outcome == "error"
    assert said in answer.lines[0]


def test_a_target_or_precision_that_is_none_is_one_line(answering: Answering, tmp_path: Path):
    (tmp_path / "right.tflite").write_bytes(RIGHT)
    for question, said in (({"target": "toaster"}, "toaster"), ({"precision": "fp8"}, "fp8")):
        answer = asked(answering, tmp_path / "right.tflite", **question)
        assert (answer.outcome, len(answer.lines)) == ("error", 1)
        assert said in answer.lines[0]


def lost() -> Checked:
    """What a delegate with the fusion's fault makes of the model."""
    with SimulatedDelegate(FAULTS[0]) as target:
        subject = model_subject("lost", LOST, StandardFeeds(0), OWN_OPS_ONLY)
        run = target.run(subject.job(Precision.FP32))
        return Checked(subject, run, judge(run, subject), "")


def expecting(status: Status, signature: str, output: int = 0) -> Expectations:
    entry = Expectation(case="lost", output=output, precision=ANY, status=status, signature=signature, reason="8599")
    return Expectations("gpu", {("lost", output, ANY): entry})


def test_a_failure_is_known_only_as_it_is_expected():
    checked = lost()
    signature = checked.verdicts[0].signature
    for known, outcome in (
        (Expectations("gpu"), "failed"),
        (expecting(Status.FAIL, signature), "known"),
        (expecting(Status.FAIL, "constant"), "failed"),
        (expecting(Status.FAIL, signature, output=1), "failed"),  # one is new, and the other is fixed
    ):
        seen = tuple(compare(v, "lost", "fp32", "gpu", "2.3.0", known) for v in checked.verdicts)
        answer = concluded(checked, seen)
        assert answer.outcome == outcome
        assert bool(answer.reasons)


def test_a_target_that_fails_its_controls_gives_no_verdict():
    checked = lost()
    unfit = Fitness("gpu", "2.3.0", Precision.FP32, 2, (FailedControl("findings/x-control", "FAIL wrong"),))
    seen = tuple(compare(v, "lost", "fp32", "gpu", "2.3.0", Expectations("gpu")) for v in checked.verdicts)
    answer = concluded(replace(checked, fitness=unfit), seen)
    assert answer.outcome == "error"
    assert any("UNFIT" in line for line in answer.lines)


@pytest.mark.gpu
@pytest.mark.slow
def test_a_process_answers_line_by_line_and_what_is_printed_is_no_answer(tmp_path: Path):
    (tmp_path / "lost.tflite").write_bytes(LOST)
    (tmp_path / "repro.toml").write_text('[folders]\nexpectations = "e"\n', encoding="utf-8")
    (tmp_path / "e").mkdir()
    text = '[[expect]]\ncase = "as-expected"\noutput = 0\nprecision = "any"\nstatus = "FAIL"\nsignature = "alias(x)"\n'
    (tmp_path / "e" / "gpu.toml").write_text(f'{text}reason = "upstream"\n', encoding="utf-8")
    question = Question(str(tmp_path / "lost.tflite"), "gpu")
    lines = [json.dumps(asdict(question)), "{", json.dumps({**asdict(question), "case": "as-expected"})]
    done = subprocess.run(
        child_command("repro.for_pytest"),
        input="\n".join(lines) + "\n",
        capture_output=True,
        encoding="utf-8",
        cwd=tmp_path,
        env=child_environment(os.environ),
        check=True,
    )
    assert [json.loads(line)["outcome"] for line in done.stdout.splitlines()] == ["failed", "error", "known"]
