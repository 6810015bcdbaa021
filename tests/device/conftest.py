"""Each device is opened once per session, and its cases run as batches, ahead of the tests that look at them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from cases.case import Case
from repro.verdicts.subject import Subject, case_subject
from runner import targets
from runner.errors import DeviceFailed, TargetUnavailable
from runner.run import Job, Precision, Run
from runner.target import Target
from tests.device_choice import ChosenDevice

Key = tuple[str, Precision]
KEPT = 8


class OpenDevice:
    """A device and the stream of its catalogue runs. `run_of` draws from the stream until the case has come."""

    def __init__(self, chosen: ChosenDevice, cases: list[tuple[Case, Precision]]) -> None:
        self.chosen = chosen
        self._cases = cases
        self._target: Target | None = None
        self._stream: Iterator[Run] | None = None
        self._order: Iterator[Key] = iter(())
        self._runs: dict[Key, Run] = {}
        self._subjects: dict[str, Subject] = {}

    @property
    def target(self) -> Target:
        """The active target; the session ends with one line where it cannot be used."""
        if self._target is None:
            try:
                target = targets.open_target(self.chosen.name)
                target.activate()
            except TargetUnavailable as error:
                pytest.exit(f"device tests have nothing to run on: {error}", returncode=error.exit_code)
            self._target = target
        return self._target

    def subject(self, case: Case) -> Subject:
        """The case's subject; the latest few are kept, since both precisions ask for one."""
        if case.name not in self._subjects:
            if len(self._subjects) >= KEPT:
                del self._subjects[next(iter(self._subjects))]
            self._subjects[case.name] = case_subject(case)
        return self._subjects[case.name]

    def run_of(self, case: Case, precision: Precision) -> Run:
        """The run of a case. A device that fails ends the session: no verdict can come of it."""
        key = (case.name, precision)
        try:
            if self._stream is None:
                self._order = iter([(c.name, p) for c, p in self._cases])
                self._stream = iter(self.target.run_many(self._jobs()))
            while key not in self._runs:
                self._runs[next(self._order)] = next(self._stream)
        except DeviceFailed as error:
            pytest.exit(f"the device failed: {error}", returncode=error.exit_code)
        return self._runs.pop(key)

    def _jobs(self) -> Iterator[Job]:
        for case, precision in self._cases:
            yield self.subject(case).job(precision)

    def close(self) -> None:
        if self._target is not None:
            self._target.deactivate()


@pytest.fixture(scope="session")
def devices(request: pytest.FixtureRequest) -> Iterator[dict[str, OpenDevice]]:
    """Device label -> the open device, with the catalogue cases that this session selected."""
    cases: dict[str, list[tuple[Case, Precision]]] = {}
    chosen: dict[str, ChosenDevice] = {}
    for item in request.session.items:
        parameters = getattr(getattr(item, "callspec", None), "params", {})
        if isinstance(device := parameters.get("device"), ChosenDevice):
            chosen[device.label] = device
            if "case" in parameters:
                cases.setdefault(device.label, []).append((parameters["case"], parameters["precision"]))
    opened = {label: OpenDevice(device, cases.get(label, [])) for label, device in chosen.items()}
    yield opened
    for device in opened.values():
        device.close()
