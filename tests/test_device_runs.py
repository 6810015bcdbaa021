"""The catalogue's runs on a device are looked up by case and precision, in whatever order their tests come."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from cases.case import Case
from runner import targets
from runner.errors import DeviceFailed
from runner.run import Precision
from tests.device.conftest import DeviceAhead, OpenDevice
from tests.device_choice import ChosenDevice, Work

CASES = [(Case(f"family/{n}", "family", "a test"), precision) for n in range(12) for precision in Precision]


@dataclass(frozen=True)
class NamedJob:
    """Stands for a job and for its run: it knows whose it is."""

    case: str
    precision: Precision


class InOrder:
    """A target that gives the runs in the order of their jobs, as a batch does."""

    def run_many(self, jobs: Iterable[NamedJob]) -> Iterator[NamedJob]:
        yield from jobs


class Opened(OpenDevice):
    def __init__(self) -> None:
        chosen: Any = None
        super().__init__(chosen, CASES)

    @property
    def target(self) -> Any:
        return InOrder()

    def _jobs(self) -> Any:
        return (NamedJob(case.name, precision) for case, precision in CASES)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("share", [1.0, 0.5], ids=["all of them", "as one of two workers"])
def test_each_test_gets_the_run_of_its_own_case_in_any_order(seed: int, share: float):
    draw = random.Random(seed)
    asked = draw.sample(CASES, round(len(CASES) * share))
    device = Opened()
    for case, precision in asked:
        run: Any = device.run_of(case, precision)
        assert run == NamedJob(case.name, precision)


PATIENCE_S = 120.0
"""Never waited out: what is waited for happens, or the test has failed."""


class Held:
    """A target whose runs begin when it is let go, and which is lost after so many."""

    def __init__(self, lost_after: int = len(CASES)) -> None:
        self.let_go = threading.Event()
        self.lost_after = lost_after

    def __enter__(self) -> Held:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def run_many(self, jobs: Iterable[NamedJob]) -> Iterator[NamedJob]:
        assert self.let_go.wait(PATIENCE_S)
        for number, job in enumerate(jobs):
            if number == self.lost_after:
                raise DeviceFailed("device B was lost")
            yield job


class Ahead(DeviceAhead):
    def _jobs(self) -> Any:
        return (NamedJob(case.name, precision) for case, precision in CASES)


@pytest.fixture
def two(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[dict[str, Held], dict[str, Ahead], dict[str, Work]]]:
    held = {"adb:A": Held(), "adb:B": Held(lost_after=5)}
    monkeypatch.setattr(targets, "open_target", held.__getitem__)
    known: Any = None
    works = {name: Work(name, name, "", len(CASES)) for name in held}
    devices = {name: Ahead(ChosenDevice(name, name, known), CASES, works[name]) for name in held}
    yield held, devices, works
    for one in held.values():
        one.let_go.set()
    for device in devices.values():
        device.close()


def test_of_two_devices_none_waits_for_the_other_and_a_lost_one_costs_its_own_tests(
    two: tuple[dict[str, Held], dict[str, Ahead], dict[str, Work]],
):
    held, devices, works = two
    held["adb:B"].let_go.set()
    for case, precision in CASES[:5]:  # while the first device has not begun
        answer: Any = devices["adb:B"].run_of(case, precision)
        assert answer == NamedJob(case.name, precision)
    with pytest.raises(DeviceFailed, match="device B was lost"):
        devices["adb:B"].run_of(*CASES[5])
    with pytest.raises(pytest.skip.Exception, match="device B was lost"):
        devices["adb:B"].run_of(*CASES[6])
    held["adb:A"].let_go.set()
    for case, precision in random.Random(0).sample(CASES, len(CASES)):
        answer = devices["adb:A"].run_of(case, precision)
        assert answer == NamedJob(case.name, precision)
    assert [(work.done, work.why) for work in works.values()] == [(len(CASES), ""), (5, "device B was lost")]
    assert "pytest -m device --device B" in works["adb:B"].as_shown().line().text
