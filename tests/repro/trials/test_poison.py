"""Memory that nobody wrote: what changes with its fill is told, what differs for another reason is not taken for it."""

from __future__ import annotations

import numpy as np
import pytest

from repro import api
from repro.records.folders import FINDINGS
from repro.trials.poison import FILLS, Changed, Poisoned, compare_fills, require_poison
from repro.verdicts.verdict import READS_UNWRITTEN, Status, Verdict
from runner.errors import BadInput
from runner.opencl.android_runtime import made_versions
from runner.opencl.drivers import opencl_driver
from runner.run import Fingerprint, Outcome, Run

FINGERPRINT = Fingerprint("gpu:pocl", "", {}, "", "", "fp32", "")


def ran(*words: int, outcome: Outcome = Outcome.OK) -> Run:
    """A run of one feed with one output of these bits."""
    outputs = ((np.array(words, np.uint32).view(np.float32),),) if outcome is Outcome.OK else ()
    return Run("m", outcome, FINGERPRINT, outputs, ("y",))


def runs(*of_each: Run) -> dict[str, Run]:
    return dict(zip(FILLS, of_each, strict=True))


def test_an_output_that_holds_the_fill_changes_with_it():
    zero, nan, mark = FILLS.values()
    poisoned = compare_fills(runs(ran(7, zero), ran(7, nan), ran(7, mark)), ran(7, zero))
    assert poisoned.changed == (Changed(0, 1, 2, 1),)


def test_an_output_that_computes_with_unwritten_memory_changes_and_holds_no_fill():
    poisoned = compare_fills(runs(ran(7, 1), ran(7, FILLS["NaN"]), ran(7, 2)), ran(7, 1))
    assert poisoned.changed == (Changed(0, 1, 2, 0),)


def test_nan_in_the_same_place_each_time_is_no_change():
    nan = FILLS["NaN"]
    assert compare_fills(runs(*[ran(nan, 5)] * 3), ran(nan, 5)) == Poisoned((), ("y",))


def test_what_differs_with_the_same_fill_says_nothing():
    poisoned = compare_fills(runs(ran(0), ran(1), ran(2)), ran(3))
    assert poisoned.changed == ()
    assert "differs between two runs with the same fill" in poisoned.unjudged


@pytest.mark.parametrize("ended", [Outcome.CRASH, Outcome.HANG, Outcome.REFUSED])
@pytest.mark.parametrize("at", range(4))
def test_a_run_that_did_not_end_leaves_it_unjudged(ended: Outcome, at: int):
    four = [ran(0)] * 4
    four[at] = ran(outcome=ended)
    assert str(ended) in compare_fills(runs(*four[:3]), four[3]).unjudged


def test_only_a_failure_that_is_the_fill_alone_is_called_stale():
    failed = Verdict(0, "y", Status.FAIL, "wrong", "reason")
    (stale,) = Poisoned((Changed(0, 4, 8, 4),)).mark([failed])
    assert (stale.said, "memory that nobody wrote" in stale.holds) == (f"FAIL stale, {READS_UNWRITTEN}", True)
    (mixed,) = Poisoned((Changed(0, 4, 8, 3),)).mark([failed])
    assert mixed.said == f"FAIL wrong, {READS_UNWRITTEN}"
    (right,) = Poisoned((Changed(0, 4, 8, 4),)).mark([Verdict(0, "y", Status.PASS)])
    assert (right.said, right.is_clean) == (f"PASS, {READS_UNWRITTEN}", False)
    assert Poisoned(()).mark([failed]) == (failed,)


@pytest.mark.parametrize("target", ["cpu", "gpu:lavapipe", "adb"])
def test_a_target_whose_memory_cannot_be_filled_is_refused(target: str):
    with pytest.raises(BadInput, match="--poison fills new OpenCL memory"):
        require_poison(target)


@pytest.fixture
def pocl() -> None:
    if opencl_driver("pocl") is None or not made_versions():
        pytest.skip("PoCL or LiteRT-LM's library is not here; `make opencl` brings both")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("model", "filled", "size"),
    [
        ("split-put-together/models/emit-mul.tflite", 64, 64),
        ("pad-before-broadcast-add/models/one-row.tflite", 32, 128),
        ("fc-flattens-input/models/shallower.tflite", 24, 48),
    ],
)
@pytest.mark.usefixtures("pocl")
def test_an_output_that_nobody_wrote_is_stale_by_proof(model: str, filled: int, size: int):
    checked = api.check(FINDINGS / model, target="gpu:pocl", poison=True)
    first = checked.verdicts[0]
    assert first.said == f"FAIL stale, {READS_UNWRITTEN}"
    assert f"{filled}/{size} elements change" in first.holds
    assert all(verdict.is_clean for verdict in checked.verdicts[1:])


@pytest.mark.slow
@pytest.mark.parametrize("finding", ["split-put-together", "pad-before-broadcast-add", "fc-flattens-input"])
@pytest.mark.usefixtures("pocl")
def test_a_control_reads_nothing_unwritten(finding: str):
    checked = api.check(FINDINGS / finding / "models" / "control.tflite", target="gpu:pocl", poison=True)
    assert checked.poison == Poisoned((), checked.run.output_names)
    assert checked.passed
