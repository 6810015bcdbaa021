"""`repro list`: every case with its reason, for people and for programs, without torch."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from cases import catalogue
from cases.case import Case
from cases.findings.add_output_feeds_reduction import add_reduce
from repro.commands.list import as_object, command, shape_of
from runner.errors import BadInput


def listed(*words: str) -> str:
    result = CliRunner().invoke(command, list(words))
    assert result.exit_code == 0, result.output
    return result.output


def test_every_case_is_an_object_with_what_it_is_made_of():
    records = [json.loads(line) for line in listed("--json").splitlines()]
    assert [record["case"] for record in records] == [case.name for case in catalogue.catalogue()]
    for record in records:
        assert bool(record["ops"]) is (record["source"] == "graph")


def test_a_graph_says_its_largest_rank_and_its_ops_in_order():
    case = Case("a/b", "a", "why", graph=add_reduce)
    assert shape_of(case) == {"rank": 3, "ops": ["ADD", "MEAN"]}
    assert as_object(case)["source"] == "graph"


def test_a_torch_module_is_not_built_to_be_listed():
    modules = [case for case in catalogue.catalogue() if case.module is not None]
    assert modules
    assert {tuple(shape_of(case).values()) for case in modules} == {(None, None)}


def test_the_page_puts_controls_under_their_case_and_counts_them():
    page = listed("litert-8599-add-output-consumed", "litert-8599-add-output-consumed-x2")
    case, control = (line for line in page.splitlines() if "litert-8599" in line)
    assert case.startswith("litert-8599-add-output-consumed ")
    assert control.startswith("  litert-8599-add-output-consumed-x2 ")
    assert page.splitlines()[-1] == "2 cases, 1 of them controls"


@pytest.mark.parametrize("words", [["no-such-case"], ["--family", "no-such-family"]])
def test_what_is_not_there_is_one_line(words: list[str]):
    result = CliRunner().invoke(command, words)
    assert isinstance(result.exception, BadInput)
