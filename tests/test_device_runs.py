"""The catalogue's runs on a device are looked up by case and precision, in whatever order their tests come."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from cases.case import Case
from runner.run import Precision
from tests.device.conftest import OpenDevice

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
