"""Each device is opened once per session, and its cases run as batches, ahead of the tests that look at them.

Key insight: pytest asks for one test after another, and devices shall not wait for each other. So where there are
several, each runs its whole list at its own pace in a thread of its own, its runs wait on the disk (two catalogues of
outputs may not fit in memory), and a device that is lost costs its own tests alone.
"""

from __future__ import annotations

import pickle
import threading
from collections.abc import Iterator
from contextvars import copy_context
from pathlib import Path
from typing import NoReturn

import pytest

from cases.case import Case
from repro.verdicts.subject import Subject, case_subject
from runner import targets
from runner.adb.interruption import Interruption
from runner.errors import DeviceFailed, TargetUnavailable
from runner.run import Job, Precision, Run
from runner.scratch import ScratchFolder
from runner.target import Target
from tests.device_choice import WORK, ChosenDevice, Work

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


class DeviceAhead(OpenDevice):
    """One of several devices, which runs by itself. `run_of` waits for the run of a case."""

    def __init__(self, chosen: ChosenDevice, cases: list[tuple[Case, Precision]], work: Work) -> None:
        super().__init__(chosen, cases)
        self._work = work
        self._folder = ScratchFolder("device-runs")
        self._news = threading.Condition()
        self._kept: dict[Key, Path] = {}
        self._ended = self._told = False
        self._interruption = Interruption()
        context = copy_context()
        context.run(self._interruption.watch_here)
        self._thread = threading.Thread(target=context.run, args=(self._run_all,), daemon=True, name="repro-phone")
        self._thread.start()

    def _run_all(self) -> None:
        try:
            with targets.open_target(self.chosen.name) as target:
                runs = target.run_many(self._jobs())
                for number, ((case, precision), run) in enumerate(zip(self._cases, runs, strict=True)):
                    path = Path(self._folder.name) / str(number)
                    path.write_bytes(pickle.dumps(run))
                    with self._news:
                        self._kept[case.name, precision] = path
                        self._work.done += 1
                        self._news.notify_all()
        except (DeviceFailed, TargetUnavailable) as error:
            self._work.why = str(error)
        except KeyboardInterrupt:
            self._work.why = "interrupted"
        finally:
            with self._news:
                self._ended = True
                self._news.notify_all()

    def run_of(self, case: Case, precision: Precision) -> Run:
        """The run of a case. Of a lost device the first test that misses one fails, and the others are skipped."""
        key = (case.name, precision)
        with self._news:
            self._news.wait_for(lambda: key in self._kept or self._ended)
            path = self._kept.pop(key, None)
        if path is None:
            self._miss(f"the device failed: {self._work.why or 'by an error of ours, which is on standard error'}")
        run: Run = pickle.loads(path.read_bytes())
        path.unlink()
        return run

    def _miss(self, why: str) -> NoReturn:
        if self._told:
            pytest.skip(why)
        self._told = True
        raise DeviceFailed(why)

    def _jobs(self) -> Iterator[Job]:
        """With subjects of its own: the tests' are another thread's."""
        subject: Subject | None = None
        for case, precision in self._cases:
            if subject is None or subject.name != case.name:
                subject = case_subject(case)
            yield subject.job(precision)

    def close(self) -> None:
        self._interruption.interrupt()
        self._thread.join()
        self._folder.cleanup()
        super().close()


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
    opened: dict[str, OpenDevice] = {}
    for label, device in chosen.items():
        listed = cases.get(label, [])
        if len(chosen) == 1:
            opened[label] = OpenDevice(device, listed)
        else:
            work = Work(device.name, label, device.model, len(listed))
            request.config.stash[WORK].append(work)
            opened[label] = DeviceAhead(device, listed, work)
    yield opened
    for device in opened.values():
        device.close()
