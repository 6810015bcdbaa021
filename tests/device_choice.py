"""`-m device`: which devices, resolved before anything is collected, and what became of reported claims.

With nothing to run on the run ends at once with one line. It is never "0 tests, green".
"""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from repro.campaigns import expectations
from repro.campaigns.expectations import Expectations
from repro.display.phone_lines import PhoneWork, phone_lines
from runner.errors import ReproError, TargetUnavailable
from runner.run import Precision


@dataclass(frozen=True)
class ChosenDevice:
    """One device of this run. name: as `--target` takes it. label: what may be published (no serial number)."""

    name: str
    label: str
    known: Expectations
    model: str = ""


@dataclass
class Work:
    """How far one of several devices has come. wanted, done: runs. why: what ended it early, in one line."""

    name: str
    label: str
    model: str
    wanted: int
    done: int = 0
    why: str = ""

    def as_shown(self) -> PhoneWork:
        go_on = f"pytest -m device --device {self.name.removeprefix('adb:')}"
        return PhoneWork(self.name, self.label, self.model, self.done, self.wanted, self.why, go_on)


@dataclass
class Claims:
    """Reported, never measured: (label, case, output, precision) -> what this run says of it."""

    answers: dict[tuple[str, str, int, str], str] = field(default_factory=dict)


DEVICES = pytest.StashKey[list[ChosenDevice]]()
WORK = pytest.StashKey[list[Work]]()
"""Of several devices: each one's work, also of one that was not ready."""
CLAIMS = pytest.StashKey[Claims]()


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("mali-delegate-repro")
    group.addoption(
        "--device",
        default=None,
        help="With -m device: a serial number, 'all', 'loopback' or 'loopback:pocl'; else $ANDROID_SERIAL or the one.",
    )


def wanted(config: pytest.Config) -> bool:
    """Whether the marker expression asks for device tests."""
    words = str(config.getoption("markexpr") or "").replace("(", " ").replace(")", " ").split()
    return any(w == "device" and (i == 0 or words[i - 1] != "not") for i, w in enumerate(words))


def pytest_configure(config: pytest.Config) -> None:
    config.stash[DEVICES] = []
    config.stash[CLAIMS] = Claims()
    config.stash[WORK] = []
    if config.getoption("--device") and not wanted(config):
        raise pytest.UsageError("--device is for device tests; add -m device")
    if not wanted(config) or config.getoption("help"):
        return
    try:
        config.stash[DEVICES], config.stash[WORK] = find_devices(config.getoption("--device"))
    except ReproError as error:
        # Before collection, so that this line is all there is to read.
        pytest.exit(f"device tests have nothing to run on: {error}", returncode=error.exit_code)


def find_devices(choice: str | None) -> tuple[list[ChosenDevice], list[Work]]:
    """The devices of a --device choice, each with its expectations; and of several those that are not ready.

    Raises TargetUnavailable where none is.
    """
    from runner.adb.choice import resolve_serials
    from runner.adb.target import AdbTarget

    found, missing = [], []
    serials = resolve_serials(None, choice)
    for serial in serials:
        target = AdbTarget(serial)
        try:
            model = target.read_model()
        except TargetUnavailable as error:
            if len(serials) == 1:
                raise
            missing.append(Work(target.name, target.public_name, "", 0, why=str(error)))
            continue
        known = expectations.load(target.expectations_name, device_model=model)
        found.append(ChosenDevice(target.name, target.public_name, known, model))
    return found, missing


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Tests of some of the devices that were asked for are no pass of all."""
    if exitstatus == pytest.ExitCode.OK and any(work.why for work in session.config.stash[WORK]):
        session.exitstatus = TargetUnavailable.exit_code


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """One line for each of several devices, and for each claim that others reported of a device like this one."""
    if config.stash[WORK]:
        terminalreporter.section("devices")
        for one in phone_lines([work.as_shown() for work in config.stash[WORK]]):
            terminalreporter.write_line(one.text)
    lines = []
    for device in config.stash[DEVICES]:
        for entry in device.known.entries.values():
            if entry.origin != "reported":
                continue
            for precision in Precision if entry.precision == expectations.ANY else (entry.precision,):
                key = (device.label, entry.case, entry.output, str(precision))
                answer = config.stash[CLAIMS].answers.get(key, "not run")
                what = f"{entry.case} output {entry.output} {precision}: {expectations.expected_text(entry)}"
                lines.append(f"{device.label}: {what} (reported: {entry.link}): {answer}")
    if lines:
        terminalreporter.section("claims reported by others")
        for line in lines:
            terminalreporter.write_line(line)
