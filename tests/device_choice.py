"""`-m device`: which devices, resolved before anything is collected, and what became of reported claims.

With nothing to run on the run ends at once with one line. It is never "0 tests, green".
"""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from repro.campaigns import expectations
from repro.campaigns.expectations import Expectations
from runner.errors import ReproError
from runner.run import Precision


@dataclass(frozen=True)
class ChosenDevice:
    """One device of this run. name: as `--target` takes it. label: what may be published (no serial number)."""

    name: str
    label: str
    known: Expectations


@dataclass
class Claims:
    """Reported, never measured: (label, case, output, precision) -> what this run says of it."""

    answers: dict[tuple[str, str, int, str], str] = field(default_factory=dict)


DEVICES = pytest.StashKey[list[ChosenDevice]]()
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
    if config.getoption("--device") and not wanted(config):
        raise pytest.UsageError("--device is for device tests; add -m device")
    if not wanted(config) or config.getoption("help"):
        return
    try:
        config.stash[DEVICES] = find_devices(config.getoption("--device"))
    except ReproError as error:
        # Before collection, so that this line is all there is to read.
        pytest.exit(f"device tests have nothing to run on: {error}", returncode=error.exit_code)


def find_devices(choice: str | None) -> list[ChosenDevice]:
    """The devices of a --device choice, each with its expectations. Raises TargetUnavailable."""
    from runner.adb.choice import resolve_serials
    from runner.adb.target import AdbTarget

    found = []
    for serial in resolve_serials(None, choice):
        target = AdbTarget(serial)
        known = expectations.load(target.expectations_name, device_model=target.read_model())
        found.append(ChosenDevice(target.name, target.public_name, known))
    return found


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """One line for each claim that somebody else reported of a device like this one."""
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
