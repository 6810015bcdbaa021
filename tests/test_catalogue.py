"""The catalogue as tests: one item a case, target and precision; known bugs are strict xfails.

`pytest -k fanout`, `pytest --target gpu:swiftshader -k 8599` work as one expects. The variants of the findings
(`-m slow` for them) are left to the heavier tests, as `repro run` and `repro finding verify` hold them too.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator

import pytest

from cases import catalogue
from cases.case import Case
from cases.findings.cases import is_variant
from repro.campaigns import expectations
from repro.campaigns.campaign import Prepared, prepare
from repro.campaigns.expectations import Expectations
from runner import targets
from runner.errors import ReproError, TargetUnavailable
from runner.run import Feed, Job, Precision, Run
from runner.targets import precisions_for
from tests.known_bugs import hold_to_expectations, marks_for

pytestmark = pytest.mark.gpu


@functools.cache
def known_on(target: str) -> Expectations:
    return expectations.load(target)


@functools.lru_cache(maxsize=8)
def ready(case: Case) -> tuple[Prepared, tuple[Feed, ...]]:
    prepared = prepare(case)
    return prepared, prepared.feeds()


class Stream:
    """The runs of one target, in the order of the items that will ask for them.

    The next cases already run in the workers while pytest judges and reports this one.
    """

    def __init__(self, name: str, wanted: list[tuple[Case, Precision]]) -> None:
        self.target = targets.open_target(name, workers=2)
        self.target.activate()
        self.runs = self.target.run_many(self._jobs(wanted))

    def _jobs(self, wanted: list[tuple[Case, Precision]]) -> Iterator[Job]:
        for case, precision in wanted:
            prepared, feeds = ready(case)
            yield Job(prepared.model, feeds, precision, case.name)

    def next(self, case: Case, precision: Precision) -> Run:
        run = next(self.runs)
        assert (run.name, run.fingerprint.precision) == (case.name, precision), "items ran out of order"
        return run


@pytest.fixture(scope="session")
def streams(request: pytest.FixtureRequest) -> Iterator[dict[str, Stream]]:
    """One stream a target, over the items that were selected."""
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
            marks=[*marks_for(case, precision, known_on(name)), *([pytest.mark.slow] if is_variant(case) else [])],
            id=f"{case.name}-{name}-{precision}",
        )
        for name in names
        for case in catalogue.catalogue()
        for precision in precisions_for(name, "both")
    ]
    metafunc.parametrize(("target_name", "case", "precision"), items)


def test_case(streams: dict[str, Stream], target_name: str, case: Case, precision: Precision) -> None:
    """The case's outputs are as expected on the target."""
    run = streams[target_name].next(case, precision)
    prepared, feeds = ready(case)
    hold_to_expectations(prepared, run, feeds, target_name, known_on(target_name))
