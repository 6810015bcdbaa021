"""Which phones the adb server sees, what state each is in, and choosing one.

Every state that is not `device` has its own remedy; a choice that is not clear is an error that
lists the devices, never a guess.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass

import adbutils

from runner.adb.server import AdbServer
from runner.errors import TargetUnavailable

ALL = "all"
READY = "device"
_REMEDIES = {
    "unauthorized": "unlock the phone and accept 'Allow USB debugging' (or revoke and re-plug to be asked again)",
    "offline": "re-plug the cable or toggle USB debugging; if it stays, run `adb reconnect offline`",
    "no permissions": "this user may not open the USB device: install the udev rules "
    "(package android-sdk-platform-tools-common), add the user to group plugdev, log in again and re-plug",
    "authorizing": "wait a moment, or unlock the phone and accept 'Allow USB debugging'",
    "connecting": "wait a moment and try again",
    "recovery": "boot the phone into Android",
    "sideload": "boot the phone into Android",
    "bootloader": "boot the phone into Android (`fastboot reboot`)",
}
_PASSING = ("offline", "connecting", "authorizing")
NONE_HERE = (
    "no device is attached: plug in a phone with USB debugging on (`adb devices` must list it), "
    "or use --device loopback"
)


@dataclass(frozen=True)
class AttachedDevice:
    """One line of `adb devices`. state is adb's word; detail what it added (as for `no permissions`)."""

    serial: str
    state: str
    detail: str = ""

    @property
    def ready(self) -> bool:
        return self.state == READY

    @property
    def problem(self) -> str:
        """One line with the remedy; empty for a device that is ready."""
        if self.ready:
            return ""
        remedy = _REMEDIES.get(self.state, "see `adb devices -l`")
        return f"device {self.serial} is {self.state}: {remedy}"

    @property
    def tag(self) -> str:
        return serial_tag(self.serial)


def serial_tag(serial: str) -> str:
    """What stands for a serial number in anything that may be published: stable, and says nothing."""
    return hashlib.sha256(f"mali-delegate-repro serial {serial}".encode()).hexdigest()[:10]


def attached(server: AdbServer) -> list[AttachedDevice]:
    """All devices the server lists, in its order. Raises TargetUnavailable if the server does not answer."""
    try:
        with server.client().make_connection(timeout=10) as connection:
            connection.send_command("host:devices")
            connection.check_okay()
            listing = connection.read_string_block()
    except (OSError, adbutils.AdbError, ValueError) as error:
        raise TargetUnavailable(
            f"the adb server at {server} does not answer ({error}); restart it: adb kill-server"
        ) from error
    return parse_listing(listing)


def parse_listing(listing: str) -> list[AttachedDevice]:
    """The body of `adb devices`: a serial, a tab, a state that may carry an explanation."""
    found = []
    for line in listing.splitlines():
        serial, tab, state = line.partition("\t")
        if not tab or not serial.strip():
            continue
        word, _, detail = state.strip().partition(" (")
        word = "no permissions" if word.startswith("no permissions") else word
        found.append(AttachedDevice(serial.strip(), word, detail.rstrip(")")))
    return found


def choose(devices: Sequence[AttachedDevice], wanted: str | None) -> AttachedDevice:
    """The one device to use: `wanted`, else $ANDROID_SERIAL, else the only one attached.

    Raises TargetUnavailable where there is none, several without a choice, or it is not ready.
    """
    serial = wanted or os.environ.get("ANDROID_SERIAL") or ""
    if serial:
        chosen = next((device for device in devices if device.serial == serial), None)
        if chosen is None:
            raise TargetUnavailable(f"device '{serial}' is not attached; {_listed(devices)}")
    elif not devices:
        raise TargetUnavailable(NONE_HERE)
    elif len(devices) > 1:
        raise TargetUnavailable(
            f"several devices are attached: choose one with --device SERIAL, or --device all; {_listed(devices)}"
        )
    else:
        chosen = devices[0]
    if not chosen.ready:
        raise TargetUnavailable(chosen.problem)
    return chosen


def settled(server: AdbServer, wanted: str | None, patience_s: float = 3.0) -> AttachedDevice:
    """`choose`, but a device that is just being connected gets a moment: it passes through `offline` on its way."""
    deadline = time.monotonic() + patience_s
    while True:
        devices = attached(server)
        passing = [d for d in devices if d.state in _PASSING and (wanted is None or d.serial == wanted)]
        if not passing or time.monotonic() > deadline:
            return choose(devices, wanted)
        time.sleep(0.05)


def settled_all(server: AdbServer, patience_s: float = 3.0) -> list[AttachedDevice]:
    """`attached`, after those that are just being connected had a moment."""
    deadline = time.monotonic() + patience_s
    while True:
        devices = attached(server)
        if not any(d.state in _PASSING for d in devices) or time.monotonic() > deadline:
            return devices
        time.sleep(0.05)


def choose_all(devices: Sequence[AttachedDevice]) -> list[AttachedDevice]:
    """Every device, also one that is not ready: whoever opens that one gets its remedy, and no campaign that left one
    out looks complete. Raises TargetUnavailable where none is ready.
    """
    if not devices:
        raise TargetUnavailable(NONE_HERE)
    if not any(device.ready for device in devices):
        raise TargetUnavailable("--device all: " + "; ".join(device.problem for device in devices))
    return list(devices)


def _listed(devices: Sequence[AttachedDevice]) -> str:
    return "attached: " + (", ".join(f"{device.serial} ({device.state})" for device in devices) or "none")
