"""Where a claim holds: versions as PEP 440 has them, targets by pattern, and never the cpu."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from repro.findings.finding import MANIFEST
from repro.findings.where import EVERYWHERE, Limits, Range
from tests.repro.findings.shipped import ONE, bounded


def test_a_model_may_have_a_range_of_its_own(copy):
    path = copy / ONE / MANIFEST
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("wrong = [1]", 'wrong = [1]\nprecisions = ["fp16"]', 1), encoding="utf-8")
    ranges = {m.name: str(m.where) for m in bounded(copy, 'runtimes = "<=2.3.0"').models}
    assert ranges["swapped"] == "LiteRT <=2.3.0, in fp16"
    assert (ranges["rank-4"], ranges["control"]) == ("LiteRT <=2.3.0", "")


@pytest.mark.parametrize(
    ("runtimes", "version", "there"),
    [
        ("", "2.3.0", True),
        ("<2.1.6", "2.1.3", True),
        ("<2.1.6", "2.1.6", False),
        (">=2.2,<2.4", "2.3.0", True),
        (">=2.4.0.dev0", "2.4.0.dev20261026", True),
        (">=2.4", "2.4.0.dev20261026", False),
        ("", "no version", True),
        (">=2", "no version", False),
    ],
)
def test_a_version_is_in_a_range_as_pep_440_says(runtimes: str, version: str, there: bool):
    assert Range(runtimes).has_runtime(version) is there


def cell(target: str = "gpu:lavapipe", precision: str = "fp32", runtime: str = "2.3.0") -> dict[str, str]:
    return {"target": target, "precision": precision, "runtime": runtime}


def test_without_limits_every_cell_is_covered_but_the_cpus():
    assert not EVERYWHERE
    assert str(EVERYWHERE) == ""
    assert EVERYWHERE.covers(cell())
    assert EVERYWHERE.covers(cell("adb:1234", "fp16", "2.1.3"))
    assert Range(targets=("gpu:lavapipe*",)).covers(cell("gpu:lavapipe@Mali-G610"))
    assert not Range(targets=("gpu:lavapipe*",)).covers(cell("gpu:swiftshader"))
    assert not EVERYWHERE.covers(cell("cpu"))
    assert not EVERYWHERE.covers(cell("cpu:reference"))


@given(
    st.sampled_from(["", "<2.2", ">=2.2"]),
    st.sampled_from([(), ("gpu:lavapipe*",), ("adb:*", "gpu:swift*")]),
    st.sampled_from([(), ("fp16",), ("fp32", "fp16")]),
    st.sampled_from(["gpu:lavapipe", "gpu:lavapipe@Mali-G610", "gpu:swiftshader", "adb:1234"]),
    st.sampled_from(["fp32", "fp16"]),
    st.sampled_from(["2.1.3", "2.3.0"]),
)
def test_every_limit_that_is_set_must_hold(runtimes, targets, precisions, target, precision, runtime):
    alone = [Range(runtimes), Range(targets=targets), Range(precisions=precisions)]
    one = cell(target, precision, runtime)
    assert Range(runtimes, targets, precisions).covers(one) is all(limit.covers(one) for limit in alone)


def test_a_range_says_its_limits_in_words():
    assert str(Range("<2.1.6", ("gpu:a", "adb:*"), ("fp32", "fp16"))) == (
        "LiteRT <2.1.6, on gpu:a or adb:*, in fp32 and fp16"
    )
    assert Range(precisions=("fp16",))
    assert Range("<2") == Range("<2")


def test_what_a_table_does_not_say_is_inherited_and_an_empty_list_is_said():
    inherited = Range("<2.2", ("gpu:a",), ("fp16",))
    assert Limits().range(inherited) == inherited
    assert Limits(runtimes="").range(inherited) == Range("", ("gpu:a",), ("fp16",))
    assert Limits(targets=(), precisions=()).range(inherited) == Range("<2.2")
