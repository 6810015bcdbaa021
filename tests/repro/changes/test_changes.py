"""What changed between two runs: each output is of one kind, and worse has one direction."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import assume, given

from repro.changes.changes import Change, Compared, Kind, compare_sides, in_order
from repro.verdicts.verdict import Status
from runner.errors import BadInput
from tests.repro.changes.sides import answer, side, sides


def change(a: Status, b: Status, **fields: object) -> Change:
    (only,) = compare_sides(side(answer(status=a)), side(answer(status=b, **fields))).changes
    return only


@pytest.mark.parametrize(
    ("a", "b", "kind", "worse"),
    [
        (Status.PASS, Status.PASS, Kind.SAME, False),
        (Status.PASS, Status.FAIL, Kind.NEW, True),
        (Status.PASS, Status.INVALID, Kind.NEW, True),
        (Status.PASS, Status.REFUSED, Kind.NEW, True),
        (Status.FAIL, Status.PASS, Kind.GONE, False),
        (Status.REFUSED, Status.FAIL, Kind.OTHER, True),
        (Status.NOT_RESIDENT, Status.CRASH, Kind.OTHER, True),
        (Status.FAIL, Status.REFUSED, Kind.OTHER, False),
        (Status.FAIL, Status.CRASH, Kind.OTHER, False),
        (Status.HANG, Status.HANG, Kind.SAME, False),
    ],
)
def test_worse_is_what_was_right_or_refused_and_is_not(a: Status, b: Status, kind: Kind, worse: bool):
    found = change(a, b)
    assert (found.kind, found.worse) == (kind, worse)


def test_another_signature_of_the_same_failure_is_news_and_not_worse():
    found = change(Status.FAIL, Status.FAIL, signature="constant")
    assert (found.kind, found.worse) == (Kind.OTHER, False)


@pytest.mark.parametrize(
    ("before", "after", "moved"),
    [
        ({"max_abs": 1.0, "power": 0.1}, {"max_abs": 2.1, "power": 0.1}, ("max_abs",)),
        ({"max_abs": 1.0, "power": 0.1}, {"max_abs": 1.9, "power": 0.1}, ()),
        # Rounding, far below what would be noticed, is no news.
        ({"max_abs": 1e-7, "power": 0.1}, {"max_abs": 9e-7, "power": 0.1}, ()),
        ({"max_abs": 0.0}, {"max_abs": 0.0}, ()),
        ({"max_abs": 0.0}, {"max_abs": 1.0}, ("max_abs",)),
        ({"power": 0.1}, {"power": 0.01}, ("power",)),
        ({"pearson": 0.99}, {"pearson": 0.97}, ("pearson",)),
        ({"pearson": 0.99}, {}, ()),
    ],
)
def test_a_number_that_moved_is_said_and_decides_nothing(before: dict, after: dict, moved: tuple):
    (found,) = compare_sides(side(answer(numbers=before)), side(answer(numbers=after))).changes
    assert (found.moved, found.worse) == (moved, False)
    assert found.kind is (Kind.MOVED if moved else Kind.SAME)


def test_a_run_that_ended_says_so_of_every_output_of_the_other():
    whole = side(answer(output=0), answer(output=1, status=Status.FAIL))
    ended = side(answer(output=-1, status=Status.CRASH, name=""))
    kinds = [(c.answer.output, c.kind, c.worse) for c in compare_sides(whole, ended).changes]
    assert [(kind, worse) for _, kind, worse in kinds] == [(Kind.NEW, True), (Kind.OTHER, False)]
    assert [c.kind for c in compare_sides(ended, whole).changes] == [Kind.GONE, Kind.OTHER]


def test_two_models_under_one_name_are_not_compared():
    a = side(answer("f/a"), answer("f/b"))
    b = side(answer("f/a", status=Status.FAIL, model_sha256="another"), answer("f/b"))
    compared = compare_sides(a, b)
    assert [(c.answer.case, c.kind, c.worse) for c in compared.changes] == [
        ("f/a", Kind.OTHER_MODEL, False),
        ("f/b", Kind.SAME, False),
    ]
    assert compared.held == 1
    with pytest.raises(BadInput, match="different models under the same names, 'f/a'"):
        compare_sides(side(a.answers[0]), side(b.answers[0]))


def test_a_run_without_a_model_hash_is_compared_with_any():
    assert compare_sides(side(answer(model_sha256="")), side(answer())).changes[0].kind is Kind.SAME


def test_nothing_in_common_is_refused_and_no_pass():
    with pytest.raises(BadInput, match="no case and precision in common"):
        compare_sides(side(answer("f/a")), side(answer("f/b")))


@given(sides)
def test_a_run_compared_with_itself_is_the_same(run):
    compared = compare_sides(run, run)
    assert {c.kind for c in compared.changes} == {Kind.SAME}
    assert compared.held == len(run.answers)


@given(sides, sides)
def test_the_way_back_undoes_the_way_there(a, b):
    assume({(x.case, x.precision) for x in a.answers} & {(x.case, x.precision) for x in b.answers})
    try:
        there, back = compare_sides(a, b), compare_sides(b, a)
    except BadInput:
        return assume(False)
    mirrored = {Kind.NEW: Kind.GONE, Kind.GONE: Kind.NEW, Kind.ONLY_A: Kind.ONLY_B, Kind.ONLY_B: Kind.ONLY_A}
    assert kinds(there) == {key: mirrored.get(kind, kind) for key, kind in kinds(back).items()}
    returned = [(c.b, c.a) for c in back.worse]
    assert not [c for c in there.worse if (c.a, c.b) in returned]
    for each in there.changes:
        assert not (each.worse and each.kind in (Kind.GONE, Kind.SAME, Kind.MOVED, Kind.ONLY_A, Kind.ONLY_B))
    return None


def kinds(compared: Compared) -> dict[tuple[str, int], Kind]:
    outputs = {}
    for each in compared.changes:
        index = max(side.output for side in (each.a, each.b) if side is not None)
        outputs[each.answer.case, index] = each.kind
    assert len(outputs) == len(compared.changes)
    return outputs


def test_what_is_worse_is_shown_first():
    a = side(answer("f/a", status=Status.FAIL), answer("f/b"), answer("f/c", status=Status.REFUSED))
    b = side(answer("f/a"), answer("f/b"), answer("f/c", status=Status.FAIL))
    assert [c.answer.case for c in in_order(compare_sides(a, b).changes)] == ["f/c", "f/a", "f/b"]


def test_two_runtimes_of_one_target_are_held_against_each_other():
    newer = dataclasses.replace(answer(status=Status.FAIL), runtime="2.4.0")
    compared = compare_sides(side(answer()), side(newer))
    assert [(left.runtime, right.runtime) for left, right in compared.pairs] == [("2.3.0", "2.4.0")]
    assert [c.kind for c in compared.changes] == [Kind.NEW]


def test_a_case_with_several_inputs_is_held_against_the_same_inputs():
    before = side(answer("f/a", inputs="seed 0"), answer("f/a", status=Status.FAIL, inputs="seed 1"))
    after = side(answer("f/a", status=Status.FAIL, inputs="seed 1"), answer("f/a", inputs="seed 0"))
    compared = compare_sides(before, after)
    assert [(change.kind, change.fed) for change in compared.changes] == [(Kind.SAME, "seed 0"), (Kind.SAME, "seed 1")]
    assert compared.other_inputs == ()


def test_runs_of_other_inputs_are_compared_and_it_is_said():
    compared = compare_sides(side(answer(inputs="seed 0")), side(answer(status=Status.FAIL, inputs="seed 3")))
    assert [change.kind for change in compared.changes] == [Kind.NEW]
    assert compared.other_inputs == (("seed 0", "seed 3"),)
    unknown = compare_sides(side(answer(inputs="seed 0")), side(answer()))
    assert unknown.other_inputs == ()
