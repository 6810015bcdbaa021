"""The catalogue on every chosen device; known bugs are strict xfails of that device's expectations."""

from __future__ import annotations

import pytest

from cases import catalogue
from cases.case import Case
from repro.campaigns.claims import answer_to
from repro.verdicts.judge import judge
from runner.run import Precision, Run
from runner.targets import precisions_for
from tests.device.conftest import OpenDevice
from tests.device_choice import CLAIMS, DEVICES, ChosenDevice
from tests.known_bugs import hold_to_expectations, marks_for

pytestmark = pytest.mark.device


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    items = []
    for device in metafunc.config.stash[DEVICES]:
        for case in catalogue.catalogue():
            for precision in precisions_for(device.name, "both"):
                name = f"{case.name}-{device.label}-{precision}"
                items.append(
                    pytest.param(device, case, precision, marks=marks_for(case, precision, device.known), id=name)
                )
    metafunc.parametrize(("device", "case", "precision"), items)


def test_case(
    devices: dict[str, OpenDevice],
    device: ChosenDevice,
    case: Case,
    precision: Precision,
    request: pytest.FixtureRequest,
) -> None:
    """The case's outputs are as expected of the device."""
    opened = devices[device.label]
    run = opened.run_of(case, precision)
    note_claims(request.config, opened, case, run)
    assert run.fingerprint.target == device.label
    hold_to_expectations(opened.subject(case), run, device.label, device.known)


def note_claims(config: pytest.Config, opened: OpenDevice, case: Case, run: Run) -> None:
    """What this run says of claims that others reported: confirmed, not confirmed, or no verdict."""
    known, fingerprint = opened.chosen.known, run.fingerprint
    reported = {e.output for e in known.entries.values() if e.case == case.name and e.origin == "reported"}
    if not reported:
        return
    for verdict in judge(run, opened.subject(case)):
        entry = known.lookup(case.name, verdict.output, fingerprint.precision)
        if entry is None or entry.origin != "reported":
            continue
        answer, said = answer_to(entry, verdict, fingerprint.runtime)
        key = (opened.chosen.label, entry.case, entry.output, fingerprint.precision)
        config.stash[CLAIMS].answers[key] = f"{answer}: {said}"
