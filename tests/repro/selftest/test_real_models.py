"""The table of real models: the worst verdict with its reason, the newest answer of each, in one document."""

from __future__ import annotations

from pathlib import Path

import pytest

from repro.selftest import real_models
from repro.selftest.real_models import Answer, keep, kept, summary, table
from repro.verdicts.verdict import Status, Verdict
from runner.errors import NothingRan


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REPRO_CACHE", str(tmp_path))


def answer(said: str = "PASS", model: str = "m-1", precision: str = "fp32", reason: str = "") -> Answer:
    return Answer(model, precision, 3, 1, said, reason, 1.6, 90)


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
    assert lines[-1] == "| n-2 | 3 | fp32 | REFUSED | 2 | 90 | IF / is not supported |"


def test_without_a_model_it_says_how_they_are_collected():
    with pytest.raises(NothingRan, match=r"models\.public\.collect"):
        real_models.main([])
