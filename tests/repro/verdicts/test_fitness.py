"""A target that fails its controls is UNFIT, and says by which and how many."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from repro.verdicts.fitness import SHOWN, FailedControl, Fitness

FAILED = st.lists(st.text("abc-", min_size=1), max_size=8, unique=True)


@given(FAILED)
def test_it_is_unfit_as_soon_as_one_control_fails_and_says_how_many_and_the_first(names: list[str]):
    failed = tuple(FailedControl(name, "FAIL stale") for name in names)
    one = Fitness("gpu:a", "2.3.0", "fp16", 38, failed)
    assert one.is_unfit is bool(names)
    assert bool(one.reason) is bool(names)
    if names:
        assert f"UNFIT in fp16: {len(names)} of 38 controls fail" in one.line().text
        assert all(f"{name} FAIL stale" in one.reason for name in names[:SHOWN])
        assert (f"and {len(names) - SHOWN} more" in one.reason) is (len(names) > SHOWN)
        assert one.line().text.endswith("its failures count for nothing")
    assert one.as_json() == {"controls": 38, "failed": dict.fromkeys(names, "FAIL stale")}
