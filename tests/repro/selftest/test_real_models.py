"""The table of real models: the worst verdict with its reason, the newest answer of each, in one document."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from cases.builder import GraphBuilder
from cases.tflite.write import write_tflite
from repro.selftest import real_models
from repro.selftest.judge_table import marks
from repro.selftest.real_models import Answer, in_process_of_its_own, keep, kept, summary, table
from repro.verdicts.verdict import Status, Verdict
from runner.cache import cache_root
from runner.errors import NothingRan


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REPRO_CACHE", str(tmp_path))


def answer(said: str = "PASS", model: str = "m-1", precision: str = "fp32", reason: str = "") -> Answer:
    return Answer(model, precision, 3, 1, said, reason, 1.6, 90, 0.24, 250)


def test_the_worst_verdict_speaks_for_the_model_with_its_reason():
    verdicts = (Verdict(0, "a", Status.PASS), Verdict(1, "b", Status.FAIL, "wrong", "off by 3", "zeros"))
    assert summary(verdicts) == ("FAIL wrong (1 of 2 outputs)", "off by 3; zeros")
    assert summary(verdicts[:1]) == ("PASS", "")


def test_the_newest_answer_of_a_model_and_precision_counts():
    for one in (answer("FAIL wrong"), answer("PASS", precision="fp16"), answer("PASS")):
        keep(one)
    assert [(one.precision, one.said) for one in kept()] == [("fp32", "PASS"), ("fp16", "PASS")]


def test_the_table_counts_the_answers_and_has_a_row_for_each():
    lines = list(table([answer(), answer("REFUSED", "n-2", reason="IF | is\nnot supported")]))
    assert lines[:2] == ["fp32: 1 PASS, 1 REFUSED.", "fp16: none."]
    assert lines[-1] == "| n-2 | 3 | fp32 | REFUSED | 1.6 | 0.2 | 90 | 250 | IF / is not supported |"


def test_what_was_not_measured_is_left_empty():
    lines = list(table([replace(answer(), again_seconds=None, worker_mib=None)]))
    assert lines[-1] == "| m-1 | 3 | fp32 | PASS | 1.6 |  | 90 |  |  |"


@pytest.mark.slow
def test_a_model_that_ends_its_process_or_takes_too_long_has_no_answer_and_says_why(tmp_path: Path):
    damaged = tmp_path / "damaged-0.tflite"
    damaged.write_bytes(b"no model")
    for limit_s, why in ((600.0, "damaged-0.tflite: "), (0.001, "it took longer than 0.001 s")):
        given = in_process_of_its_own(damaged, "cpu", limit_s)
        assert [(one.precision, one.said) for one in given] == [("fp32", "no answer")]
        assert all(why in one.reason for one in given)
        assert kept() == given


@pytest.mark.slow
def test_each_model_is_answered_for_twice_in_a_process_of_its_own(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    g = GraphBuilder()
    graph = g.build([g.unary("NEG", g.input("x", (1, 8, 8)), name="y")])
    model = cache_root() / real_models.FOLDER / "minus-1.tflite"
    model.parent.mkdir()
    model.write_bytes(write_tflite(graph))
    document = tmp_path / "page.md"
    document.write_text("\n".join(marks(real_models.COMMAND)), encoding="utf-8")
    assert real_models.main(["minus", "--target", "cpu", "--document", str(document)]) == 0
    assert [(one.precision, one.ops, one.said) for one in kept()] == [("fp32", 1, "PASS")]
    assert all(one.again_seconds > 0 and one.worker_mib > 10 for one in kept())
    assert "minus-1 fp32 PASS" in capsys.readouterr().out
    assert "| minus-1 | 1 | fp32 | PASS |" in document.read_text(encoding="utf-8")


def test_without_a_model_it_says_how_they_are_collected():
    with pytest.raises(NothingRan, match=r"models\.public\.collect"):
        real_models.main([])
