"""`repro run` on several devices at once: real runs on loopback devices, one slow, one lost, one that refuses."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from click.testing import CliRunner

from repro.commands import run
from repro.commands.run import command
from runner import targets
from runner.adb import target as adb_target
from runner.adb.loopback.device import LoopbackDevice
from runner.adb.loopback.faults import Faults
from runner.adb.target import AdbTarget
from runner.host.gpu import HostGpu

CASES = "fanout/*"
GOOD, SLOW, LOST, REFUSES = (f"adb:loopback{rest}" for rest in ("", ":lavapipe", ":swiftshader", ":lavapipe@Mali-G610"))


@pytest.fixture
def faults(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, Faults]:
    """What is wrong with the device of a target, by its name; and an empty cache of results."""
    chosen: dict[str, Faults] = {}

    def device(*, gpu: HostGpu) -> LoopbackDevice:
        return LoopbackDevice(gpu=gpu, faults=chosen.get(str(gpu.name), Faults()))

    def opened(name: str, **options: object) -> AdbTarget:
        return AdbTarget(name.removeprefix("adb:"), patience_s=0.1)

    monkeypatch.setattr(adb_target, "LoopbackDevice", device)
    monkeypatch.setattr(targets, "open_target", opened)
    monkeypatch.setattr("sys.argv", ["repro", "run", CASES, "--again", "--precision", "fp32", "--target=x"])
    journals = tmp_path / "journal"
    monkeypatch.setattr(run, "journal_path", lambda name: journals / f"{name}.sqlite")
    return chosen


def results(stdout: str) -> dict[str, dict[tuple[str, int], str]]:
    """Target -> (case, output) -> verdict."""
    found: dict[str, dict[tuple[str, int], str]] = {}
    for record in map(json.loads, stdout.splitlines()):
        if "case" in record:
            found.setdefault(record["target"], {})[record["case"], record["output"]] = record["verdict"]
    return found


@pytest.mark.slow
@pytest.mark.gpu
def test_a_slow_a_lost_and_a_refusing_device_cost_the_others_nothing(faults: dict[str, Faults], tmp_path: Path):
    faults["gpu:lavapipe"] = Faults(bytes_per_s=2_000_000)
    faults["gpu:swiftshader"] = Faults(drop_run_after=30, away_s=3600.0)
    faults["gpu:lavapipe@Mali-G610"] = Faults(unauthorized=True)
    names = [word for name in (LOST, GOOD, SLOW, REFUSES) for word in ("--target", name)]
    words = [CASES, "--precision", "fp32", "--json", *names]
    first = CliRunner().invoke(command, [*words, "--junit", str(tmp_path / "junit.xml")])
    assert first.exit_code == 3, first.output
    found = results(first.stdout)
    assert found[GOOD] == found[SLOW]
    assert len({case for case, _ in found[GOOD]}) == 50
    assert 0 < len({case for case, _ in found[LOST]}) < 50
    assert set(found[LOST].items()) < set(found[GOOD].items())
    assert REFUSES not in found
    said = first.stderr
    assert f"{GOOD}: 50 of 50 runs done\n" in said
    assert f"{SLOW}: 50 of 50 runs done\n" in said
    assert f"{REFUSES}: 0 of 50 runs done, 50 missing: device " in said
    assert "is unauthorized: unlock the phone" in said
    assert "did not come back within" in said
    assert said.count(f"go on with: repro run '{CASES}' --precision fp32 --target {LOST}") == 1
    errors = ET.parse(tmp_path / "junit.xml").getroot().iter("error")
    assert len(list(errors)) == 2, "a report of some phones must not look like one of all"

    faults.clear()
    again = CliRunner().invoke(command, words)
    assert again.exit_code == 0, again.output
    assert results(again.stdout)[LOST] == results(again.stdout)[GOOD]
    cached = [json.loads(line)["cached"] for line in again.stdout.splitlines()]
    assert sum(cached) == len(first.stdout.splitlines()), "what was done is not done again"
