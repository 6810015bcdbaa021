"""An output differs between names where its verdicts do, and not where only memory made another garbage of it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from repro.campaigns.expectations import Comparison, Standing
from repro.campaigns.name_differences import WHOLE_RUN, differences, verdict_kind
from repro.verdicts.verdict import Status, Verdict
from tests.repro.display.results import GOOD, KNOWN, PASSED, WRONG, result

CRASHED = Verdict(WHOLE_RUN, "", Status.CRASH, reason="SIGFPE")
NEWS = Comparison(Standing.NEW_FAILURE, "PASS", "new failure")


def under(names: str, *judged: tuple[Verdict, Comparison], driver: str = "gpu:a", case: str = "family/case"):
    return [result(case, *judged, target=f"{driver}@{name}") for name in names]


def test_an_output_that_is_wrong_under_some_names_is_found_with_those_names_and_its_finding():
    found = differences([*under("AB", GOOD, (replace(PASSED, output=1), GOOD[1])), *under("C", GOOD, KNOWN)])
    (names, (one,)) = found["gpu:a"]
    assert names == ("A", "B", "C")
    assert (one.case, one.output, one.precision, one.finding) == ("family/case", 1, "fp32", "its-finding")
    assert dict(one.verdicts) == {"PASS": ("A", "B"), "FAIL memory": ("C",)}


@pytest.mark.parametrize("garbage", ["stale", "constant", "alias(y)", "wrong", "nonfinite"])
def test_what_memory_decides_is_no_difference(garbage: str):
    other = (replace(WRONG, signature=garbage), NEWS)
    assert verdict_kind(other[0]) == "FAIL memory"
    assert differences([*under("A", KNOWN), *under("B", other)])["gpu:a"] == (("A", "B"), [])


def test_never_written_and_garbage_are_two_verdicts():
    other = (replace(WRONG, signature="unwritten"), NEWS)
    (_, (one,)) = differences([*under("A", KNOWN), *under("B", other)])["gpu:a"]
    assert set(one.verdicts) == {"FAIL memory", "FAIL unwritten"}


def test_a_run_without_outputs_differs_in_each_output_of_the_others():
    (_, found) = differences([*under("AB", GOOD, KNOWN), *under("C", (CRASHED, NEWS))])["gpu:a"]
    assert [(one.output, one.name, one.verdicts["CRASH"]) for one in found] == [(0, "y", ("C",)), (1, "acc", ("C",))]
    assert differences(under("AB", (CRASHED, NEWS)))["gpu:a"] == (("A", "B"), [])


def test_names_are_compared_on_one_driver_with_one_set_of_settings_and_never_with_the_driver_s_own():
    wrong_elsewhere = [*under("A", KNOWN, driver="gpu:b"), *under("A", KNOWN, driver="gpu:a+buffers")]
    assert differences([*under("A", GOOD), *wrong_elsewhere, result("family/case", KNOWN)]) == {}


def test_cases_that_ran_under_one_name_only_say_nothing():
    assert differences([*under("A", GOOD), *under("B", KNOWN, case="family/other")]) == {"gpu:a": (("A", "B"), [])}
