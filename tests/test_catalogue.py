"""The catalogue as tests: one item a case, target and precision; known bugs are strict xfails.

A known bug raises KnownBug, and only that is the expected failure: a changed signature or a new
failure is an AssertionError and fails, a vanished bug is an unexpected pass and fails too.
`pytest -k fan-out`, `pytest --target gpu:swiftshader -k 8599` work as one expects.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from cases import catalogue
from repro import expectations
from repro.campaign import judge_prepared, prepare
from repro.expectations import Outcome, compare
from repro.precisions import precisions_for
from runner import targets
from runner.errors import ReproError, TargetUnavailable
from runner.run import Job
from runner.target import Target

pytestmark = pytest.mark.gpu


class KnownBug(Exception):
    """The output is wrong exactly as findings/expectations/ says."""


class Open:
    """Targets opened so far: each is started once a session, on first use."""

    def __init__(self) -> None:
        self.by_name: dict[str, Target] = {}

    def get(self, name: str) -> Target:
        if name not in self.by_name:
            target = targets.open_target(name)
            target.activate()
            self.by_name[name] = target
        return self.by_name[name]


@pytest.fixture(scope="session")
def opened() -> Iterator[Open]:
    pool = Open()
    yield pool
    for target in pool.by_name.values():
        target.deactivate()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    asked = metafunc.config.getoption("--target") or ["cpu", "gpu"]
    try:
        names = targets.resolve(asked)
    except TargetUnavailable as error:
        raise pytest.UsageError(f"the catalogue has nothing to run on: {error}") from error
    except ReproError as error:
        raise pytest.UsageError(str(error)) from error
    items = []
    for name in names:
        known = expectations.load(name)
        for case in catalogue.catalogue():
            for precision in precisions_for(name, "both"):
                marks = []
                reasons = {
                    e.reason
                    for (entry_case, _, entry_precision), e in known.entries.items()
                    if entry_case == case.name and entry_precision in (str(precision), expectations.ANY)
                }
                if reasons:
                    marks.append(pytest.mark.xfail(strict=True, raises=KnownBug, reason="; ".join(sorted(reasons))))
                if case.module is not None:
                    marks.append(pytest.mark.convert)
                items.append(pytest.param(name, case, precision, marks=marks, id=f"{case.name}-{name}-{precision}"))
    metafunc.parametrize(("target_name", "case", "precision"), items)


def test_case(opened: Open, target_name: str, case, precision) -> None:
    """The case's outputs are as expected on the target."""
    target = opened.get(target_name)
    prepared = prepare(case)
    feeds = prepared.feeds()
    run = target.run(Job(prepared.model, feeds, precision, case.name))
    verdicts = judge_prepared(prepared, run, feeds)
    known = expectations.load(target.name)
    comparisons = [compare(v, case.name, precision, target.name, run.fingerprint.runtime, known) for v in verdicts]
    news = [c.message for c in comparisons if c.outcome.is_news]
    assert not news, "\n".join(news)
    bugs = [v for v, c in zip(verdicts, comparisons, strict=True) if c.outcome is Outcome.KNOWN]
    if bugs:
        raise KnownBug("; ".join(f"output {v.output} '{v.name}': {v.status} {v.signature} {v.holds}" for v in bugs))
