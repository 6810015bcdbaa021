"""Many runs as one grid: since when, gone where, flaky how often."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from repro.changes.history import By, history_of, natural_order
from repro.verdicts.verdict import Status
from tests.repro.changes.sides import answer, side

FAIL = Status.FAIL


def history(*statuses: Status | None, finding: str = "bug", **options):
    """One output over runs 1, 2, ...; None where a run has not measured it."""
    runs = [
        (f"run-{n}", side(answer("other"), *([] if status is None else [answer("f/a", status=status)])))
        for n, status in enumerate(statuses, 1)
    ]
    return history_of(runs, lambda _: finding, **options)


@pytest.mark.parametrize(
    ("statuses", "since", "gone"),
    [
        ((Status.PASS, FAIL, FAIL), "run-2", ""),
        ((FAIL, FAIL, Status.PASS), "", "run-3"),
        ((FAIL, Status.PASS, FAIL), "run-3", ""),
        ((FAIL, None, None), "run-1", ""),
        ((None, Status.PASS, Status.CRASH), "run-3", ""),
        ((FAIL, None, Status.PASS), "", "run-3"),
    ],
)
def test_it_says_since_when_a_failure_lasts_or_where_it_is_gone(statuses, since, gone):
    (row,) = history(*statuses).rows
    assert (row.name, row.since, row.gone) == ("bug", since, gone)


def test_what_passes_everywhere_has_no_row_and_every_run_its_column():
    found = history(Status.PASS, Status.PASS)
    assert (found.rows, found.columns, found.cases) == ((), ("run-1", "run-2"), (2, 2))


def test_an_output_without_a_finding_has_a_row_of_its_own_name():
    (row,) = history(FAIL, FAIL, finding="").rows
    assert (row.name, row.finding) == ("f/a fp32 output 0", "")


def test_a_finding_counts_all_its_outputs_in_each_column():
    a, b = answer("f/a", status=FAIL), answer("f/b", status=FAIL, signature="constant")
    (row,) = history_of([("1", side(a, b)), ("2", side(a, answer("f/b")))], lambda _: "bug").rows
    assert [(one.failing, one.measured) for one in row.cells] == [(2, 2), (1, 2)]
    assert row.cells[0].words == "2 of 2 FAIL constant, FAIL stale"


def test_a_run_that_ended_is_held_against_the_outputs_of_the_others():
    ended = answer("f/a", -1, Status.CRASH, name="", signature="")
    whole = history_of([("1", side(answer("f/a"), answer("f/a", 1))), ("2", side(ended))], lambda _: "bug")
    (row,) = whole.rows
    assert (row.since, [one.words for one in row.cells]) == ("2", ["passes (2)", "1 of 1 CRASH"])


def test_what_is_run_again_unchanged_and_differs_is_flaky_at_its_rate():
    assert [row.flaky for row in history(FAIL, Status.PASS, Status.PASS, FAIL).rows] == [0.5]
    assert [row.flaky for row in history(FAIL, FAIL).rows] == [None]
    changed = answer("f/a", model_sha256="another")
    (row,) = history_of([("1", side(answer("f/a", status=FAIL))), ("2", side(changed))], lambda _: "bug").rows
    assert row.flaky is None


def test_by_runtime_a_document_of_many_runtimes_is_read_oldest_first():
    whole = side(*(answer("f/a", status=FAIL, runtime=v) for v in ("2.10.0", "2.9.0")), answer("f/a", runtime="2.11.0"))
    found = history_of([("evidence", whole)], lambda _: "bug")
    assert (found.by, found.columns) == (By.RUNTIME, ("2.9.0", "2.10.0", "2.11.0"))
    assert found.rows[0].gone == "2.11.0"
    assert history_of([("evidence", whole)], lambda _: "bug", By.RUN).columns == ("evidence",)


def test_the_time_of_a_column_is_the_median_of_its_cases():
    runs = side(*(answer(f"f/{n}", output, seconds=float(n)) for n in (1, 2, 9) for output in (0, 1)))
    assert history_of([("1", runs), ("2", side(answer()))], lambda _: "").seconds == (2.0, None)


@given(st.lists(st.integers(0, 999), min_size=1, unique=True), st.randoms())
def test_runs_are_in_the_order_of_the_numbers_in_their_names(numbers: list[int], rng: random.Random):
    names = [f"run-{number}-x" for number in numbers]
    rng.shuffle(names)
    assert sorted(names, key=natural_order) == [f"run-{number}-x" for number in sorted(numbers)]
