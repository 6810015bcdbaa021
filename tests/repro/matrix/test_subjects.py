"""What a matrix measures: the cases that are expected to fail, each with its controls."""

from __future__ import annotations

import pytest

from cases import catalogue
from cases.case import Case
from repro.matrix.subjects import failing_cases, with_controls
from runner.errors import NothingRan


def case(name: str, control_of: str = "") -> Case:
    return Case(name, "f", "why", control_of=control_of)


CASES = (case("a"), case("a-twin", "a"), case("b"), case("b-twin", "b"), case("a-other", "a"))


@pytest.mark.parametrize(
    ("names", "chosen"),
    [
        (["a"], ["a", "a-twin", "a-other"]),
        (["b", "a"], ["a", "a-twin", "b", "b-twin", "a-other"]),
        (["b-twin"], ["b-twin"]),
        ([], []),
    ],
)
def test_a_case_comes_with_its_controls_in_the_catalogues_order(names: list[str], chosen: list[str]):
    assert [one.name for one in with_controls(names, CASES)] == chosen


def test_what_is_expected_to_fail_on_every_driver_is_chosen_and_its_controls():
    chosen = failing_cases(catalogue.catalogue())
    failing = [one for one in chosen if not one.control_of]
    assert failing
    controls = {one.control_of for one in chosen if one.control_of}
    assert controls <= {one.name for one in chosen}
    assert {one.name for one in catalogue.catalogue() if one.control_of in {f.name for f in failing}} <= {
        one.name for one in chosen
    }


def test_no_case_that_is_expected_to_fail_leaves_nothing_to_measure():
    with pytest.raises(NothingRan, match="no case is expected to fail on cpu"):
        failing_cases(catalogue.select(["fanout/*"]), "cpu")
