"""The answer of a matrix: in which cells it shows, since when, fixed where, and what a sick control forbids to say."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from repro.matrix.record import cell_of
from repro.matrix.rows import PASSES, SHOWS, UNCLEAR, has_unclear, rows_of, story
from repro.verdicts.fitness import FailedControl, Fitness
from runner.runtime_version import version_order
from tests.repro.matrix.cells import VERSIONS, matrices, record


def only_row(records: list[dict]) -> dict:
    (row,) = rows_of(records)
    return row


def test_a_failure_with_healthy_controls_shows_and_says_since_when():
    records = [record("c", v, "FAIL") for v in VERSIONS] + [record("ok", v, control_of="c") for v in VERSIONS]
    row = only_row(records)
    assert (row["since"], row["since_oldest"], row["fixed_in"], row["unclear"]) == ("2.1.3", True, "", 0)
    assert "shows in 5 of 5 cells" in row["sentence"]
    assert "not fixed in 2.4.0.dev20261026" in row["sentence"]


def test_a_failing_control_in_the_same_cell_makes_the_cell_unclear_and_only_that_one():
    records = [record("c", v, "FAIL") for v in VERSIONS]
    records += [record("ok", v, "FAIL" if v == "2.2.0" else "PASS", control_of="c") for v in VERSIONS]
    row = only_row(records)
    states = {cell["runtime"]: cell["state"] for cell in row["cells"]}
    assert states["2.2.0"] == UNCLEAR
    assert [v for v in VERSIONS if states[v] == SHOWS] == [v for v in VERSIONS if v != "2.2.0"]
    assert "1 cell cannot tell" in row["sentence"]


def test_fixed_in_needs_every_target_to_pass():
    fixed = {"2.3.0", "2.4.0.dev20261026"}
    records = [record("c", v, "PASS" if v in fixed else "FAIL") for v in VERSIONS]
    assert only_row(records)["fixed_in"] == "2.3.0"
    records += [record("c", v, "FAIL", target="gpu:b") for v in VERSIONS]
    assert only_row(records)["fixed_in"] == ""


def test_since_is_the_first_runtime_that_shows_it_and_a_nightly_sorts_after_the_release_before_it():
    records = [record("c", v, "FAIL" if v.startswith("2.4") else "PASS") for v in VERSIONS]
    row = only_row(records)
    assert (row["since"], row["since_oldest"]) == ("2.4.0.dev20261026", False)
    assert "oldest" not in row["sentence"]


def test_a_case_that_passes_everywhere_has_one_row_that_says_so():
    assert only_row([record("c", v) for v in VERSIONS])["sentence"] == "passes in all 5 cells"


def test_a_failure_on_one_driver_only_is_said():
    records = [record("c", v, "FAIL") for v in VERSIONS] + [record("c", v, target="gpu:b") for v in VERSIONS]
    assert "only on gpu:a" in only_row(records)["sentence"]


def test_a_run_that_failed_as_a_whole_has_a_row_of_its_own():
    refused = record("c", "2.1.3")
    refused["outputs"] = [{**refused["outputs"][0], "output": -1, "name": "", "verdict": "REFUSED"}]
    row = only_row([refused, record("c", "2.2.0")])
    assert (row["output"], row["name"], row["since"], row["fixed_in"]) == (-1, "", "2.1.3", "2.2.0")
    assert [cell["said"] for cell in row["cells"]] == ["REFUSED", "PASS"]


def test_two_outputs_that_fail_have_a_row_each():
    both = record("c", "2.1.3", "FAIL")
    both["outputs"][1]["verdict"], both["outputs"][1]["signature"] = "FAIL", "wrong"
    rows = rows_of([both, record("c", "2.2.0", "FAIL")])
    assert [(row["output"], row["name"], row["fixed_in"]) for row in rows] == [(0, "y", ""), (1, "z", "2.2.0")]


def test_where_every_control_fails_nothing_is_said_to_show():
    records = [record("c", v, "FAIL") for v in VERSIONS] + [record("ok", v, "FAIL", control_of="c") for v in VERSIONS]
    row = only_row(records)
    assert row["since"] == ""
    assert row["sentence"].startswith("shows in no cell whose controls pass; 5 cells cannot tell")
    assert has_unclear([row])


def test_a_precision_that_decides_is_said():
    single, half = record("c", "2.3.0"), {**record("c", "2.3.0", "FAIL"), "precision": "fp16"}
    assert "only in fp16" in only_row([single, half])["sentence"]


def test_a_failure_that_came_back_is_not_fixed():
    records = [record("c", v, "PASS" if v == "2.1.6" else "FAIL") for v in VERSIONS]
    row = only_row(records)
    assert (row["since"], row["fixed_in"]) == ("2.1.3", "")
    assert "in 4 runtimes since 2.1.3 (the oldest measured); not fixed in 2.4.0.dev20261026" in row["sentence"]


@given(matrices)
def test_every_cell_of_a_case_is_in_each_of_its_rows_and_controls_have_none(records: list[dict]):
    of_case: dict[str, list] = {}
    for one in records:
        if not one["control_of"]:
            of_case.setdefault(one["case"], []).append(cell_of(one))
    rows = rows_of(records)
    assert list(dict.fromkeys(row["case"] for row in rows)) == list(of_case)
    for row in rows:
        assert [cell_of(cell) for cell in row["cells"]] == of_case[row["case"]]


@given(matrices)
def test_a_cell_shows_only_where_it_fails_and_no_control_of_it_does(records: list[dict]):
    failing = {(one["case"], cell_of(one)) for one in records if one["outputs"][0]["verdict"] != "PASS"}
    for row in rows_of(records):
        for cell in row["cells"]:
            bad = row["output"] is not None and (row["case"], cell_of(cell)) in failing
            sick = (f"{row['case']} twin", cell_of(cell)) in failing
            assert cell["state"] == (PASSES if not bad else UNCLEAR if sick else SHOWS)
        assert row["unclear"] == sum(cell["state"] == UNCLEAR for cell in row["cells"])


@given(matrices, st.randoms())
def test_the_order_of_the_records_tells_nothing(records: list[dict], random):
    def told(some: list[dict]) -> dict:
        return {
            (row["case"], row["output"]): (row["since"], row["fixed_in"], row["unclear"], row["sentence"])
            for row in rows_of(some)
        }

    shuffled = list(records)
    random.shuffle(shuffled)
    assert told(shuffled) == told(records)


@given(st.lists(st.sampled_from([PASSES, SHOWS, UNCLEAR]), min_size=1, max_size=len(VERSIONS)))
def test_since_and_fixed_bound_everything_that_shows(states: list[str]):
    cells = [
        {"runtime": version, "target": "gpu:a", "precision": "fp32", "state": state}
        for version, state in zip(VERSIONS, states, strict=False)
    ]
    told = story(cells)
    showing = [version for version, state in zip(VERSIONS, states, strict=False) if state == SHOWS]
    assert told["since"] == (showing[0] if showing else "")
    assert told["since_oldest"] == (states[0] == SHOWS)
    if told["fixed_in"]:
        assert states[VERSIONS.index(told["fixed_in"])] == PASSES
        assert VERSIONS.index(told["fixed_in"]) > VERSIONS.index(showing[-1])
    elif showing:
        assert PASSES not in states[VERSIONS.index(showing[-1]) :]


@pytest.mark.parametrize("versions", [["2.10.0", "2.9.0", "nonsense", "2.10.0.dev1", "2.9.0.post1"]])
def test_versions_are_ordered_as_releases_and_what_is_none_comes_last(versions: list[str]):
    assert sorted(versions, key=version_order) == ["2.9.0", "2.9.0.post1", "2.10.0.dev1", "2.10.0", "nonsense"]


LM_VERSIONS = ("lm-0.14.0", "lm-0.16.1", "lm-0.18.1")


def test_a_target_that_fails_its_own_controls_cannot_tell_and_says_by_which():
    records = [record("c", v, "FAIL") for v in VERSIONS]
    failed = (FailedControl("findings/x-control", "FAIL stale"),)
    unfit = {("2.2.0", "gpu:a", "fp32"): Fitness("gpu:a", "2.2.0", "fp32", 38, failed)}
    (row,) = rows_of(records, unfit)
    states = {cell["runtime"]: (cell["state"], cell["failing_controls"]) for cell in row["cells"]}
    assert states["2.2.0"] == (UNCLEAR, ["findings/x-control"])
    assert states["2.3.0"] == (SHOWS, [])
    assert [row["state"] for row in rows_of([record("c", "2.2.0")], unfit)[0]["cells"]] == [PASSES]


@given(
    st.dictionaries(st.sampled_from(VERSIONS), st.sampled_from(["PASS", "FAIL"]), min_size=1),
    st.dictionaries(st.sampled_from(LM_VERSIONS), st.sampled_from(["PASS", "FAIL"]), min_size=1),
)
def test_two_numberings_are_two_axes(of_litert: dict[str, str], of_lm: dict[str, str]):
    """What is said of each is what is said of it alone."""

    def said(verdicts: dict[str, str]) -> dict:
        return only_row([record("c", version, verdict) for version, verdict in verdicts.items()])

    both, litert, lm = said({**of_litert, **of_lm}), said(of_litert), said(of_lm)
    telling = litert if litert["since"] else lm
    assert [both[k] for k in ("since", "since_oldest", "fixed_in")] == [
        telling[k] for k in ("since", "since_oldest", "fixed_in")
    ]
    for alone, versions in ((litert, of_litert), (lm, of_lm)):
        if alone["since"]:
            _, _, since_when = alone["sentence"].partition(" cells; ")
            assert since_when in both["sentence"]
        elif both["since"]:
            assert f"in none of {', '.join(sorted(versions, key=version_order))}" in both["sentence"]
