"""The catalogue as tests: one item per case, target and precision; known bugs are strict xfails.

`pytest -k fanout`, `pytest --target gpu:swiftshader -k 8599` work as one expects. The variants of the findings and the
cases of one op (`-m slow` for them) are left to the heavier tests, as `repro run` and `repro finding verify` hold them
too.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator

import pytest

from cases import catalogue
from cases.case import Case
from cases.drawn_ops import cases as one_op
from cases.findings.cases import is_variant
from repro.campaigns import expectations
from repro.campaigns.expectations import Expectations
from repro.verdicts.subject import Subject, case_subject
from runner import targets
from runner.errors import ReproError, TargetUnavailable
from runner.run import Precision, Run
from runner.targets import precisions_for
from tests.known_bugs import hold_to_expectations, marks_for

pytestmark = pytest.mark.gpu

DEADLINE_S = 600.0  # nothing in the catalogue hangs, and a busy machine is no evidence that something does


@functools.cache
def known_on(target: str) -> Expectations:
    return expectations.load(target)


@functools.lru_cache(maxsize=8)
def subject_of(case: Case) -> Subject:
    return case_subject(case)


def is_heavier(case: Case) -> bool:
    return is_variant(case) or case.family == one_op.FAMILY


class Stream:
    """The runs of one target, in the order in which the items will probably ask for them.

    The next cases already run in the workers while pytest judges and reports this one. An item that comes earlier
    or later than that (another order, a part of the items in each of several processes) finds its own run all the
    same, and one that comes again is run again.
    """

    def __init__(self, name: str, wanted: list[tuple[Case, Precision]]) -> None:
        self.target = targets.open_target(name, workers=2)
        self.target.activate()
        self._coming = {(case.name, precision) for case, precision in wanted}
        self._early: dict[tuple[str, Precision], Run] = {}
        self._runs = self.target.run_many(
            subject_of(case).job(precision, deadline_s=DEADLINE_S) for case, precision in wanted
        )

    def run_of(self, case: Case, precision: Precision) -> Run:
        key = (case.name, precision)
        while key in self._coming:
            run = next(self._runs)
            came = (run.name, Precision(run.fingerprint.precision))
            self._coming.remove(came)
            self._early[came] = run
        early = self._early.pop(key, None)
        return early or self.target.run(subject_of(case).job(precision, deadline_s=DEADLINE_S))


@pytest.fixture(scope="session")
def streams(request: pytest.FixtureRequest) -> Iterator[dict[str, Stream]]:
    """One stream per target, over the items that were selected."""
    wanted: dict[str, list[tuple[Case, Precision]]] = {}
    for item in request.session.items:
        if getattr(item, "originalname", "") == "test_case" and item.path.name == "test_catalogue.py":
            params = item.callspec.params
            wanted.setdefault(params["target_name"], []).append((params["case"], params["precision"]))
    opened = {name: Stream(name, pairs) for name, pairs in wanted.items()}
    yield opened
    for stream in opened.values():
        stream.target.deactivate()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "target_name" not in metafunc.fixturenames:
        return
    asked = metafunc.config.getoption("--target") or ["cpu", "gpu"]
    try:
        names = targets.resolve(asked)
    except TargetUnavailable as error:
        raise pytest.UsageError(f"the catalogue has nothing to run on: {error}") from error
    except ReproError as error:
        raise pytest.UsageError(str(error)) from error
    items = [
        pytest.param(
            name,
            case,
            precision,
            marks=[*marks_for(case, precision, known_on(name)), *([pytest.mark.slow] if is_heavier(case) else [])],
            id=f"{case.name}-{name}-{precision}",
        )
        for name in names
        for case in catalogue.catalogue()
        for precision in precisions_for(name, "both")
    ]
    metafunc.parametrize(("target_name", "case", "precision"), items)


def test_case(streams: dict[str, Stream], target_name: str, case: Case, precision: Precision) -> None:
    """The case's outputs are as expected on the target."""
    run = streams[target_name].run_of(case, precision)
    hold_to_expectations(subject_of(case), run, target_name, known_on(target_name))


def test_a_run_is_found_in_any_order_and_a_second_time() -> None:
    cases = [case for case in catalogue.catalogue() if case.graph is not None][:3]
    stream = Stream("cpu", [(case, Precision.FP32) for case in cases])
    for case in (cases[1], cases[2], cases[0], cases[2]):
        assert stream.run_of(case, Precision.FP32).name == case.name
    stream.target.deactivate()
