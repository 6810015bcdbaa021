"""The table of real models: the worst verdict with its reason, the newest answer of each, in one document."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cases.builder import GraphBuilder
from cases.tflite.write import write_tflite
from models.public import checkouts, collect
from repro.selftest import real_models
from repro.selftest.judge_table import marks
from repro.selftest.real_models import (
    Answer,
    foreseen,
    in_process_of_its_own,
    keep,
    kept,
    models_of,
    partial_answers,
    partial_table,
    summary,
    table,
    written_by,
)
from repro.verdicts.verdict import Status, Verdict
from runner.cache import cache_root
from runner.errors import NothingRan
from tests.cases.stateful import smoothing
from tests.cases.tflite.signatures import plain, signed


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


def test_answers_with_the_cpu_beside_the_gpu_are_kept_apart_and_have_a_table_of_their_own():
    keep(answer("REFUSED"))
    keep(replace(answer(), division="GPU 2, cpu 1; crossing: 2 PASS"), partial=True)
    assert [one.said for one in kept()] == ["REFUSED"]
    lines = list(partial_table(kept(partial=True)))
    assert lines[0] == "fp32: 1 PASS."
    assert lines[-1] == "| m-1 | fp32 | PASS | GPU 2, cpu 1; crossing: 2 PASS | 1.6 |  |"
    assert written_by(collect.FOLDER, partial=True) == f"{real_models.COMMAND} --partial"


@pytest.mark.slow
@pytest.mark.gpu
def test_a_model_that_the_gpu_and_the_cpu_share_is_answered_with_its_division(tmp_path: Path):
    path = tmp_path / "smoothing-0.tflite"
    path.write_bytes(write_tflite(smoothing((1, 8, 16))))
    answers = list(partial_answers(path, "gpu"))
    assert [one.said for one in answers] == ["PASS", "PASS"]
    assert {one.division for one in answers} == {"GPU 3, cpu 4; crossing: 1 PASS"}


@pytest.mark.slow
def test_a_model_that_ends_its_process_or_takes_too_long_has_no_answer_and_says_why(tmp_path: Path):
    damaged = tmp_path / "damaged-0.tflite"
    damaged.write_bytes(b"no model")
    for limit_s, why in ((600.0, "damaged-0.tflite: "), (0.001, "it took longer than 0.001 s")):
        given = in_process_of_its_own(damaged, "cpu", limit_s, collect.FOLDER)
        assert [(one.precision, one.said) for one in given] == [("fp32", "no answer")]
        assert all(why in one.reason for one in given)
        assert kept() == given


@pytest.mark.slow
def test_each_model_is_answered_for_twice_in_a_process_of_its_own(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    g = GraphBuilder()
    graph = g.build([g.unary("NEG", g.input("x", (1, 8, 8)), name="y")])
    model = cache_root() / collect.FOLDER / "minus-1.tflite"
    model.parent.mkdir()
    model.write_bytes(write_tflite(graph))
    document = tmp_path / "page.md"
    document.write_text("\n".join(marks(real_models.COMMAND)), encoding="utf-8")
    assert real_models.main(["minus", "--target", "cpu", "--document", str(document)]) == 0
    assert [(one.precision, one.ops, one.said) for one in kept()] == [("fp32", 1, "PASS")]
    assert all(one.again_seconds > 0 and one.worker_mib > 10 for one in kept())
    assert "minus-1 fp32 PASS" in capsys.readouterr().out
    assert "| minus-1 | 1 | fp32 | PASS |" in document.read_text(encoding="utf-8")


@pytest.mark.parametrize(("of", "module"), real_models.COLLECTED_BY.items())
def test_without_a_model_it_says_how_they_are_collected(of: str, module: str):
    with pytest.raises(NothingRan, match=re.escape(f"python -m {module}`")):
        real_models.main(["--of", of])


def test_each_set_keeps_answers_of_its_own():
    keep(answer(), checkouts.FOLDER)
    assert kept() == []
    assert kept(checkouts.FOLDER) == [answer()]


def test_a_file_with_several_signatures_is_as_many_models(tmp_path: Path):
    g = GraphBuilder()
    one = tmp_path / "one-1.tflite"
    one.write_bytes(write_tflite(g.build([g.unary("NEG", g.input("x", (1, 8)), name="y")])))
    assert [name for name, _ in models_of(one)] == ["one-1"]
    two = tmp_path / "two-2.tflite"
    two.write_bytes(signed([("first", plain("NEG")), ("second", plain("ABS"))]))
    assert [(name, part.signature) for name, part in models_of(two)] == [
        ("two-2:first", "first"),
        ("two-2:second", "second"),
    ]


def test_the_page_of_test_models_has_what_is_no_pass_once_and_what_stayed_out(tmp_path: Path):
    folder = tmp_path / "checkout"
    folder.mkdir()
    (folder / "elsewhere.tflite").write_bytes(b"version https://git-lfs.github.com/spec/v1")
    checkouts.collect([folder])
    known = [
        *(answer("REFUSED", "a-1", precision, "no such op") for precision in ("fp32", "fp16")),
        *(answer("PASS", "b-2", precision) for precision in ("fp32", "fp16")),
        answer("PASS", "c-3"),
        answer("FAIL wrong", "c-3", "fp16", "foreseen: a-rule; off by 3"),
        answer(real_models.NO_ANSWER, "d-4", reason="input 'x' has dtype string"),
    ]
    lines = list(table(known, checkouts.FOLDER))
    assert lines[:2] == ["fp32: 2 PASS, 1 REFUSED, 1 no answer.", "fp16: 1 FAIL, 1 PASS, 1 REFUSED."]
    assert lines[5:8] == [
        "| a-1 | 3 | fp32, fp16 | REFUSED | no such op |",
        "| c-3 | 3 | fp16 | FAIL wrong | foreseen: a-rule; off by 3 |",
        "| d-4 | 3 | fp32 | no answer | input 'x' has dtype string |",
    ]
    assert lines[-2:] == [
        "Left out, with the reason: 1.",
        "- checkout/elsewhere.tflite: a pointer to a file that is stored elsewhere",
    ]


def test_a_failure_stands_beside_the_rules_that_foresee_it():
    g = GraphBuilder()
    x = g.input("x", (1, 8, 8))
    assert foreseen(g.build([g.unary("NEG", x, name="y")])) == ""
    g = GraphBuilder()
    x = g.input("x", (8,))
    assert foreseen(g.build([g.mul(x, g.const(np.arange(8.0)), name="y")])) == "foreseen: constant-axis"
