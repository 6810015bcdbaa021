"""Every fault on command ends in its own message and exit code, and no finished result is lost."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import numpy as np
import pytest

from runner.adb.loopback.device import LoopbackDevice
from runner.adb.session import Supplies
from runner.errors import DeviceFailed, ReproError, TargetUnavailable
from runner.run import Job, Outcome, Run
from tests.runner.adb.conftest import PATIENCE_S, sums, target_on

# A minute in all: the quick tests of the same code are its neighbours.
pytestmark = pytest.mark.slow
BOTH_WAYS = pytest.mark.parametrize("resident", [True, False], ids=["one runner", "a runner per batch"])
CUTS = ("drop_push_after", "drop_run_after", "drop_pull_after", "kill_after")
CUTS_OF_A_TALK = ("drop_push_after", "drop_run_after", "kill_after")
"""With a runner that stays small outputs come along, and nothing is pulled."""


def collect(target: object, jobs: list[Job]) -> tuple[list[Run], ReproError | None]:
    """All runs until the end or the first error, as a campaign would journal them."""
    runs: list[Run] = []
    try:
        for run in target.run_many(jobs):  # type: ignore[attr-defined]
            runs.append(run)
    except ReproError as error:
        return runs, error
    return runs, None


def right(runs: list[Run], answers: list[np.ndarray]) -> bool:
    return all(
        run.outcome is Outcome.OK
        and np.array_equal(run.outputs[0][0], answer)
        and np.array_equal(run.outputs[2][0], answer)
        for run, answer in zip(runs, answers, strict=False)
    )


@pytest.mark.parametrize(
    ("fault", "says"),
    [("unauthorized", "is unauthorized: unlock the phone"), ("offline", "is offline: re-plug")],
)
def test_another_state_is_unavailable_with_its_remedy(device: LoopbackDevice, fault: str, says: str) -> None:
    setattr(device.faults, fault, True)
    device.daemon.drop()
    with pytest.raises(TargetUnavailable) as caught:
        target_on(device).activate()
    assert says in str(caught.value)
    assert caught.value.exit_code == 3


def test_shell_v1_alone_is_enough(device: LoopbackDevice) -> None:
    device.faults.shell_v1_only = True
    device.daemon.drop()
    with target_on(device) as target:
        assert not target.stay.link.speaks_v2()
        jobs, answers = sums(5)
        runs, error = collect(target, jobs)
        assert target.stay.link.run(["sh", "-c", "exit 7"]).code == 7
    assert error is None
    assert len(runs) == 5
    assert right(runs, answers)


@BOTH_WAYS
def test_a_slow_device_only_takes_longer(device: LoopbackDevice, resident: bool) -> None:
    with target_on(device, resident=resident) as target:
        device.faults.bytes_per_s = 20_000
        jobs, answers = sums(3)
        runs, error = collect(target, jobs)
        device.faults.bytes_per_s = None
    assert error is None
    assert right(runs, answers)
    assert len(runs) == 3


@BOTH_WAYS
def test_a_device_too_slow_to_answer_is_lost(device: LoopbackDevice, resident: bool) -> None:
    with target_on(device, resident=resident) as target:
        target.stay.link.silence_s = 1.0
        device.faults.bytes_per_s = 50
        runs, error = collect(target, sums(3)[0])
        device.faults.bytes_per_s = None
        target.stay.link.silence_s = PATIENCE_S
    assert isinstance(error, DeviceFailed)
    assert error.exit_code == 3
    assert "no answer in time" in str(error)
    assert runs == []


def test_a_full_disk_at_the_push(device: LoopbackDevice) -> None:
    with target_on(device, resident=False) as target:
        device.faults.disk_full_after = 100
        runs, error = collect(target, sums(3)[0])
        device.faults.disk_full_after = None
    assert isinstance(error, DeviceFailed)
    assert "is full" in str(error)
    assert "free some room" in str(error)
    assert runs == []


@BOTH_WAYS
def test_a_disk_that_fills_while_the_runner_writes_keeps_what_was_done(device: LoopbackDevice, resident: bool) -> None:
    device.faults.runner_disk_bytes = 40_000  # of each process, from its start
    with target_on(device, resident=resident) as target:
        jobs, answers = sums(60)
        runs, error = collect(target, jobs)
        device.faults.runner_disk_bytes = None
        assert isinstance(error, DeviceFailed)
        assert "is full" in str(error)
        assert 0 < len(runs) < 60
        assert right(runs, answers)
        rest, error = collect(target, jobs[len(runs) :])
    assert error is None
    assert right([*runs, *rest], answers)


@pytest.mark.parametrize(
    ("fault", "resident"),
    [(fault, resident) for resident in (True, False) for fault in CUTS if resident is False or fault in CUTS_OF_A_TALK],
)
def test_a_device_that_comes_back_loses_nothing(device: LoopbackDevice, fault: str, resident: bool) -> None:
    with target_on(device, resident=resident) as target:
        jobs, answers = sums(12)
        setattr(device.faults, fault, 3 if fault in ("drop_run_after", "kill_after") else 100)
        runs, error = collect(target, jobs)
        assert fault in device.faults.struck
        said = target.said  # type: ignore[attr-defined]
    assert error is None
    assert len(runs) == 12
    assert right(runs, answers)
    assert any(("was killed by signal" if fault == "kill_after" else "was lost") in line for line in said)


@BOTH_WAYS
def test_a_device_that_stays_away_keeps_what_came(device: LoopbackDevice, resident: bool) -> None:
    with target_on(device, resident=resident) as target:
        target.stay.patience_s = 1.0
        jobs, answers = sums(12)
        device.faults.away_s = 3600.0
        if resident:
            device.faults.drop_run_after = 12  # a line for the batch, two for a case
        else:
            device.faults.drop_pull_after = 48 * 8  # an output file is three feeds of 16 bytes
        runs, error = collect(target, jobs)
        device.faults.away_s = 0.0
        device.daemon.drop()  # away from now on for no time at all
        assert isinstance(error, DeviceFailed)
        assert "did not come back within 1 s" in str(error)
        assert f"{len(runs)} of 12 results" in str(error)
        assert 0 < len(runs) < 12
        assert target.stay.link.await_back(PATIENCE_S)
        rest, error = collect(target, jobs[len(runs) :])
    assert error is None
    assert right([*runs, *rest], answers)


@BOTH_WAYS
def test_garbage_is_no_result(device: LoopbackDevice, resident: bool) -> None:
    with target_on(device, resident=resident) as target:
        jobs, answers = sums(8)
        device.faults.garbage_after = 4
        runs, error = collect(target, jobs)
    assert isinstance(error, DeviceFailed)
    assert "something the runner does not write" in str(error)
    assert 0 < len(runs) < 8
    assert right(runs, answers)


@BOTH_WAYS
def test_a_jumping_clock_changes_nothing_and_is_told(device: LoopbackDevice, resident: bool) -> None:
    device.faults.clock_jump_s = 86_400.0  # in each process, after its first look at it
    with target_on(device, resident=resident) as target:
        jobs, answers = sums(4)
        runs, error = collect(target, jobs)
        device.faults.clock_jump_s = 0.0
        said = target.said  # type: ignore[attr-defined]
    assert error is None
    assert right(runs, answers)
    assert all(0 <= seconds < 43_200 for run in runs for seconds in run.stages.values())
    assert any("jumped by 86400 s" in line for line in said)


def supplies_of(device: LoopbackDevice) -> Supplies:
    with target_on(device) as target:
        return target.stay.supplies


def test_noexec_missing_library_and_wrong_abi_are_told_apart(device: LoopbackDevice, tmp_path: Path) -> None:
    good = supplies_of(device)
    messages = []

    def refused(supplies: Supplies) -> str:
        with pytest.raises(TargetUnavailable) as caught:
            target_on(device, supplies=supplies).activate()
        assert caught.value.exit_code == 3
        messages.append(str(caught.value))
        return messages[-1]

    # A runner that differs in its last byte is a new file for the device, which arrives without its execute bits.
    other = tmp_path / "batch_runner"
    other.write_bytes(good.runner.read_bytes() + b"\n")
    device.faults.noexec = True
    assert "noexec" in refused(Supplies(other, good.libraries, good.version))
    device.faults.noexec = False

    foreign = bytearray(good.runner.read_bytes())
    foreign[18:20] = (183).to_bytes(2, "little")
    (tmp_path / "foreign").write_bytes(foreign)
    assert "another ABI" in refused(Supplies(tmp_path / "foreign", good.libraries, good.version))

    library = tmp_path / "libLiteRt.so"
    data = bytearray(good.libraries["libLiteRt.so"].read_bytes()[:4096])
    data[18:20] = (183).to_bytes(2, "little")
    library.write_bytes(data)
    assert "LiteRT libraries are built for another ABI" in refused(
        Supplies(good.runner, {"libLiteRt.so": library}, "x")
    )

    accelerator = {name: path for name, path in good.libraries.items() if name != "libLiteRt.so"}
    assert "a LiteRT library is missing" in refused(Supplies(good.runner, accelerator, "x"))
    alone = {"libLiteRt.so": good.libraries["libLiteRt.so"]}
    assert "accelerator library could not be loaded" in refused(Supplies(good.runner, alone, "x"))
    assert len(set(messages)) == 5


@pytest.mark.slow
@BOTH_WAYS
def test_a_campaign_cut_at_20_random_points_gives_the_same_results(device: LoopbackDevice, resident: bool) -> None:
    jobs, answers = sums(40, seed=7)
    seed = 20261122
    draw = random.Random(seed)
    cuts_drawn = CUTS_OF_A_TALK if resident else CUTS
    with target_on(device, resident=resident) as target:
        uncut, error = collect(target, jobs)
        assert error is None
        runs: list[Run] = []
        cuts = 0
        while len(runs) < len(jobs):
            if cuts < 20:
                fault = draw.choice(cuts_drawn)
                lines = draw.randint(1, 4)
                setattr(
                    device.faults, fault, lines if fault in ("drop_run_after", "kill_after") else draw.randint(1, 120)
                )
                cuts += 1
            # What the journal of a campaign holds is not asked for again.
            more, error = collect(target, jobs[len(runs) : len(runs) + draw.randint(1, 3)])
            assert error is None or isinstance(error, DeviceFailed), f"seed {seed}: {error}"
            device.faults.clear()
            assert target.stay.link.await_back(PATIENCE_S)
            runs += more
    assert len(device.faults.struck) >= 10, f"seed {seed}: too few cuts struck"
    assert right(runs, answers)
    for run, whole in zip(runs, uncut, strict=True):
        assert run.name == whole.name
        assert all(np.array_equal(a, b) for a, b in zip(run.outputs[1], whole.outputs[1], strict=True))


def test_what_is_pushed_is_compared_by_content(device: LoopbackDevice) -> None:
    with target_on(device) as target:
        library = device.sandbox.path(f"{target.stay.library_dir}/libLiteRt.so")
        good = library.read_bytes()
    library.write_bytes(good[:-1] + bytes([good[-1] ^ 1]))  # same size, other bytes
    with target_on(device) as target:
        assert library.read_bytes() == good
        runs, error = collect(target, sums(1)[0])
        assert error is None
        # An object that rots on the device is found before it is used, and sent again.
        objects = device.sandbox.path(f"{target.stay.home}/objects")
        for each in objects.glob("?" * 64):
            each.write_bytes(b"rot")
        jobs, answers = sums(1)
        runs, error = collect(target, jobs)
    assert error is None
    assert right(runs, answers)


def test_clean_up_removes_only_what_was_pushed(device: LoopbackDevice) -> None:
    mine = device.sandbox.tmp / "somebody-elses"
    mine.mkdir(exist_ok=True)
    (mine / "file").write_text("stays", encoding="utf-8")
    with target_on(device) as target:
        stay = device.sandbox.path(target.stay.home)
        (stay / "objects" / "note").write_text("not ours", encoding="utf-8")
        collect(target, sums(3)[0])
    assert (mine / "file").read_text(encoding="utf-8") == "stays"
    assert [path.name for path in stay.rglob("*") if path.is_file()] == ["note"]
    shutil.rmtree(stay)
    with target_on(device) as target:
        collect(target, sums(3)[0])
        stay = device.sandbox.path(target.stay.home)
        assert stay.is_dir()
    assert not stay.exists()
