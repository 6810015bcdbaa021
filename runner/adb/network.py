"""Phones over the network: `adb connect`, whose answer is a sentence, also where it failed.

Source: packages/modules/adb/client/commandline.cpp and transport.cpp of AOSP ("connected to", "already connected to";
anything else is a failure).
"""

from __future__ import annotations

import re

import adbutils

from runner.adb.server import AdbServer
from runner.errors import BadInput, TargetUnavailable

PORT = 5555
_CONNECT_S = 30.0
_ADDRESS = re.compile(r"(?:\[[0-9A-Fa-f:.]+\]|[^\s:/@+]+):([0-9]{1,5})|localfilesystem:/\S+")


def is_address(serial: str) -> bool:
    """Whether a serial is where a device listens, `HOST:PORT` or adb's `localfilesystem:PATH`."""
    found = _ADDRESS.fullmatch(serial)
    return found is not None and (found.group(1) is None or 0 < int(found.group(1)) < 65536)


def parse_address(text: str) -> str:
    """`HOST:PORT` of a device; `HOST` alone is adb's own port there. Raises BadInput."""
    whole = text if ":" in text.rpartition("]")[2] else f"{text}:{PORT}"
    if not is_address(whole):
        raise BadInput(f"'{text}' is no address of a device; give HOST or HOST:PORT, an IPv6 address in brackets")
    return whole


def connect(server: AdbServer, address: str) -> None:
    """Make a server know the device that listens there; nothing where it does. Raises TargetUnavailable."""
    try:
        said = server.client().connect(address, timeout=_CONNECT_S)
    except (OSError, adbutils.AdbError) as error:
        said = str(error) or "no answer in time"
    if not said.startswith(("connected to", "already connected to")):
        raise TargetUnavailable(
            f"device {address} is not reached ({said}); turn 'Wireless debugging' on there, pair it once "
            "(`adb pair`), or with a cable run `adb tcpip 5555`"
        )
