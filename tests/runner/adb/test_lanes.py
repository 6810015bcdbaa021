"""Several phones at once: none waits for another, a lost one is its own affair, and an interrupt ends them all."""

from __future__ import annotations

import random
import threading

import pytest

from runner.adb.interruption import raise_if_interrupted
from runner.adb.lanes import side_by_side
from runner.adb.link import DeviceLink, Lost
from runner.errors import BadInput, DeviceFailed, TargetUnavailable
from runner.memory import limit, limited
from tests.runner.adb.test_link import SERIAL, V2_OUTPUT, babbling

PATIENCE_S = 120.0
"""Never waited out: what is waited for happens, or the test has failed."""


def test_a_slow_phone_holds_nobody_up() -> None:
    others = {name: threading.Event() for name in ("adb:B", "cpu", "adb:C")}

    def work(name: str) -> str:
        if name == "adb:SLOW":  # it ends after all the others, which one after another would never end
            return " ".join(each for each, event in others.items() if event.wait(PATIENCE_S))
        others[name].set()
        return name

    lanes = side_by_side(["adb:SLOW", *others], work)
    assert [lane.value for lane in lanes] == ["adb:B cpu adb:C", "adb:B", "cpu", "adb:C"]
    assert all(lane.error is None for lane in lanes)


@pytest.mark.parametrize("seed", range(5))
def test_a_phone_that_fails_is_its_own_lane_whoever_else_does(seed: int) -> None:
    draw = random.Random(seed)
    names = [f"adb:{n}" for n in range(6)]
    errors = {name: draw.choice([None, DeviceFailed("lost"), TargetUnavailable("unauthorized")]) for name in names}

    def work(name: str) -> str:
        if (error := errors[name]) is not None:
            raise error
        return name

    lanes = side_by_side(names, work)
    assert [(lane.target, lane.error) for lane in lanes] == list(errors.items())
    assert [lane.value for lane in lanes] == [None if errors[name] else name for name in names]


@pytest.mark.parametrize("names", [["adb:A"], ["gpu:lavapipe"], ["gpu:lavapipe", "cpu"]])
def test_where_nobody_is_held_up_the_error_is_raised(names: list[str]) -> None:
    def work(name: str) -> None:
        raise DeviceFailed(name)

    with pytest.raises(DeviceFailed, match=names[0]):
        side_by_side(names, work)


def test_the_targets_of_this_host_run_one_after_another() -> None:
    running: set[str] = set()

    def work(name: str) -> int:
        running.add(name)
        try:
            return len(running & {"cpu", "gpu:a", "gpu:b"})
        finally:
            running.discard(name)

    lanes = side_by_side(["cpu", "adb:A", "gpu:a", "gpu:b"], work)
    assert [lane.value for lane in lanes if not lane.is_phone] == [1, 1, 1]


def test_a_limit_of_memory_holds_in_each_lane() -> None:
    with limited("123 MB"):
        assert {lane.value for lane in side_by_side(["adb:A", "adb:B"], lambda name: limit())} == {123_000_000}


@pytest.mark.parametrize("ends", [BadInput("no such option"), KeyboardInterrupt()])
def test_what_is_no_phones_doing_stops_the_others_in_the_middle_of_a_read(ends: BaseException) -> None:
    """One waits for a device that never says a word, one between two connections; both clean up on their way."""
    told: list[str] = []
    reading, waiting = threading.Event(), threading.Event()

    def work(name: str) -> None:
        if name == "cpu":
            assert reading.wait(PATIENCE_S)
            assert waiting.wait(PATIENCE_S)
            raise ends
        try:
            if name == "adb:waits":
                waiting.set()
                for _ in range(int(PATIENCE_S / 0.01)):
                    raise_if_interrupted()
                    pause.wait(0.01)
            else:
                DeviceLink(server, SERIAL, silence_s=PATIENCE_S).run(["true"], timeout_s=PATIENCE_S)
        except KeyboardInterrupt:
            with pytest.raises(Lost):  # a connection made for cleaning up is not shut down
                DeviceLink(server, SERIAL, silence_s=0.1).run(["rm"], timeout_s=0.1)
            told.append(name)
            raise

    def silent() -> object:
        yield V2_OUTPUT
        reading.set()
        pause.wait()

    pause = threading.Event()
    with babbling(silent) as server:  # type: ignore[arg-type]
        with pytest.raises(type(ends)):
            side_by_side(["adb:reads", "adb:waits", "cpu"], work)
        pause.set()
    assert sorted(told) == ["adb:reads", "adb:waits"]
