"""Choosing a device, what states mean, what a device says of itself, and when a run counts as resident."""

from __future__ import annotations

import pytest

from runner.adb.choice import resolve_serials
from runner.adb.devices import AttachedDevice, choose, choose_all, parse_listing, serial_tag
from runner.adb.properties import describe, parse_getprop, parse_gles, parse_thermal
from runner.errors import BadInput, TargetUnavailable
from runner.residency import not_resident

LISTING = (
    "3A1\tdevice\n3A2\tunauthorized\n3A3\toffline\n"
    "3A4\tno permissions (user in plugdev group; are your udev rules wrong?); see [https://example.org/udev]\n"
)
GOOD = "VERBOSE: Replacing 511 out of 511 node(s) with delegate (LITERT_CL) node, yielding 1 partitions for subgraph 0"


@pytest.fixture(autouse=True)
def _no_choice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ANDROID_SERIAL", raising=False)


def test_states_and_their_remedies_are_told_apart() -> None:
    devices = parse_listing(LISTING)
    assert [d.state for d in devices] == ["device", "unauthorized", "offline", "no permissions"]
    problems = [d.problem for d in devices]
    assert problems[0] == ""
    assert len(set(problems)) == 4
    assert "Allow USB debugging" in problems[1]
    assert "udev" in problems[3]
    assert choose(devices[:1], None).serial == "3A1"
    for device in devices[1:]:
        with pytest.raises(TargetUnavailable, match=device.state):
            choose([device], None)


def test_no_choice_among_several_is_an_error_that_lists_them(monkeypatch: pytest.MonkeyPatch) -> None:
    two = [AttachedDevice("A", "device"), AttachedDevice("B", "device")]
    with pytest.raises(TargetUnavailable, match=r"several.*A \(device\), B \(device\)"):
        choose(two, None)
    assert choose(two, "B").serial == "B"
    monkeypatch.setenv("ANDROID_SERIAL", "A")
    assert choose(two, None).serial == "A"
    assert choose(two, "B").serial == "B"
    with pytest.raises(TargetUnavailable, match="'C' is not attached; attached: A"):
        choose(two, "C")
    monkeypatch.delenv("ANDROID_SERIAL")
    with pytest.raises(TargetUnavailable, match=r"no device is attached.*loopback"):
        choose([], None)
    assert choose_all(two) == two
    some = [two[0], AttachedDevice("B", "offline")]
    assert choose_all(some) == some, "one that is not ready is not left out: opening it says what it needs"
    with pytest.raises(TargetUnavailable, match="--device all: device B is offline: re-plug"):
        choose_all(some[1:])
    with pytest.raises(BadInput, match="different devices"):
        resolve_serials("A", "B")


def test_a_tag_says_nothing_of_the_serial_number() -> None:
    tags = {serial_tag(f"3A1{n}") for n in range(100)}
    assert len(tags) == 100
    assert all("3A1" not in tag and len(tag) == 10 for tag in tags)


def test_properties_become_a_fingerprint() -> None:
    text = "[ro.product.model]: [Pixel 8a]\n[ro.soc.model]: [Tensor G3]\n[ro.build.version.release]: [15]\n[x]: []\n"
    fields = describe(parse_getprop(text), "GLES: ARM, Mali-G715, OpenGL ES 3.2 v1.r44p1-01eac0.abc")
    assert fields == {
        "model": "Pixel 8a",
        "soc": "Tensor G3",
        "android": "15",
        "gpu": "ARM Mali-G715",
        "gpu_driver": "OpenGL ES 3.2 v1.r44p1-01eac0.abc",
    }
    assert parse_gles("nothing") == ("", "")
    assert parse_thermal("  IsStatusOverride: false\nThermal Status: 3\n") == "severe"
    assert parse_thermal("no such service") == "unknown"


@pytest.mark.parametrize(
    ("log", "accelerated", "says"),
    [
        (GOOD, True, ""),
        (GOOD, None, ""),
        (GOOD, False, "not fully accelerated"),
        ("", True, "no line in the log"),
        (GOOD.replace("LITERT_CL", "LITERT_OPENGL"), True, "given to LITERT_OPENGL"),
        (GOOD.replace("511 out", "500 out"), True, "500 of 511 nodes in 1 partitions"),
        (GOOD.replace("yielding 1", "yielding 3"), True, "511 of 511 nodes in 3 partitions"),
    ],
)
def test_residency_on_a_phone_needs_the_delegates_own_line(log: str, accelerated: bool | None, says: str) -> None:
    found = not_resident(log, accelerated, loopback=False)
    assert (says in found) if says else found == ""
    assert bool(not_resident(log, accelerated, loopback=True)) is (accelerated is False)
