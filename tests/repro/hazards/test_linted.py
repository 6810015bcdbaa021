"""What the lint says of one model: a tuple of hazards that prints as `repro lint` does, risks counted after three."""

from __future__ import annotations

import dataclasses

import pytest

from cases.builder import GraphBuilder
from cases.findings.add_output_feeds_reduction import add_reduce
from repro.hazards.hazard import Hazard, Level
from repro.hazards.lint import lint
from repro.hazards.linted import SHOWN_RISKS, Linted, hazard_lines
from repro.hazards.rules import RULES
from repro.records.lines import Tone

(LOST,) = lint(add_reduce())


def risks(count: int) -> list[Hazard]:
    """Risks of one rule, on so many outputs."""
    risk = dataclasses.replace(
        LOST, rule="output-consumed", level=RULES["output-consumed"].level, message="may be lost", fix="emit it"
    )
    return [dataclasses.replace(risk, tensor=f"t{i}", output=i) for i in range(count)]


def test_it_is_a_tuple_of_its_hazards():
    linted = Linted([LOST, *risks(1)], "mine")
    assert linted[0] is LOST
    assert len(linted) == 2
    assert linted == (LOST, *risks(1))
    assert linted.count(LOST) == 1
    assert (linted.count(Level.HAZARD), linted.count(Level.RISKY)) == (1, 1)


@pytest.mark.parametrize(
    ("hazards", "passed", "words"),
    [
        ([], True, "0 hazards, 0 risks"),
        (risks(2), True, "0 hazards, 2 risks"),
        ([LOST], False, "1 hazard, 0 risks"),
    ],
)
def test_risks_alone_do_not_fail(hazards: list[Hazard], passed: bool, words: str):
    linted = Linted(hazards, "mine")
    assert linted.passed is passed
    assert repr(linted) == f"<Linted mine: {words}>"


def test_a_clean_model_is_one_line():
    assert str(Linted([], "mine.tflite")) == "mine.tflite: clean"


def test_a_hazard_says_what_why_what_to_do_and_where_to_read_on():
    head, *rest = str(Linted([LOST], "mine")).splitlines()
    assert head == "mine: 1 hazard, 0 risks"
    assert [line.strip() for line in rest] == [
        "hazard add-reduce: output 0 'y' (ADD -> MEAN)",
        LOST.message,
        f"fix: {LOST.fix}",
        f"see: `repro finding show {RULES['add-reduce'].finding}`, {RULES['add-reduce'].upstream}",
    ]


def test_a_tensor_that_is_no_output_is_called_a_tensor_and_an_op_alone_stands_alone():
    inner = dataclasses.replace(LOST, output=None, consumer="")
    assert next(hazard_lines(inner)).text == "hazard add-reduce: tensor 'y' (ADD)"
    same = dataclasses.replace(LOST, consumer="ADD")
    assert next(hazard_lines(same)).text == "hazard add-reduce: output 0 'y' (ADD)"


@pytest.mark.parametrize(("count", "shown", "more"), [(SHOWN_RISKS, SHOWN_RISKS, 0), (SHOWN_RISKS + 4, SHOWN_RISKS, 4)])
def test_risks_of_one_rule_are_counted_after_the_third(count: int, shown: int, more: int):
    text = str(Linted(risks(count), "mine"))
    assert text.count("risky output-consumed:") == shown
    assert ("and 4 more of output-consumed (--json lists them all)" in text) is bool(more)


def test_every_hazard_is_shown_however_many_there_are():
    hazards = [dataclasses.replace(LOST, tensor=f"t{i}") for i in range(SHOWN_RISKS + 4)]
    text = str(Linted(hazards, "mine"))
    assert text.count("hazard add-reduce:") == len(hazards)
    assert "more of" not in text


def test_a_hazard_is_bad_and_a_risk_a_warning():
    tones = [next(hazard_lines(one)).spans[0] for one in (LOST, *risks(1))]
    assert tones == [("hazard", Tone.BAD), ("risky", Tone.WARN)]


def test_a_risk_on_some_adapters_says_where():
    g = GraphBuilder()
    ratio = g.op("LOG", (g.input("x", (1, 4, 3)),), name="ratio")[0]
    text = str(Linted(lint(g.build([g.sum(ratio, [2])])), "mine"))
    assert f"where: {RULES['padding-lanes'].where}" in text
