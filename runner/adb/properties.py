"""What a device says of itself, for the fingerprint: model, SoC, GPU and driver, build, thermal status."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress

from runner.adb.link import DeviceLink, Lost

# Field of the fingerprint -> properties, the first that is set.
_FIELDS = {
    "manufacturer": ("ro.product.manufacturer",),
    "model": ("ro.product.model",),
    "soc": ("ro.soc.model", "ro.board.platform", "ro.hardware"),
    "soc_manufacturer": ("ro.soc.manufacturer",),
    "android": ("ro.build.version.release",),
    "sdk": ("ro.build.version.sdk",),
    "build": ("ro.build.fingerprint",),
    "security_patch": ("ro.build.version.security_patch",),
    "abi": ("ro.product.cpu.abi",),
}
_THERMAL = ("none", "light", "moderate", "severe", "critical", "emergency", "shutdown")


def parse_getprop(text: str) -> dict[str, str]:
    """`[key]: [value]` lines; a value may hold anything, newlines included."""
    found: dict[str, str] = {}
    for match in re.finditer(r"^\[([^\]\n]+)\]: \[(.*?)\]$(?=\n\[|\s*\Z)", text, re.MULTILINE | re.DOTALL):
        found[match.group(1)] = match.group(2)
    return found


def describe(properties: Mapping[str, str], gles: str) -> dict[str, str]:
    """The fingerprint's `device` fields. gles: SurfaceFlinger's GLES line, or empty."""
    fields = {}
    for name, keys in _FIELDS.items():
        value = next((properties[key] for key in keys if properties.get(key)), "")
        if value:
            fields[name] = " ".join(value.split())
    gpu, driver = parse_gles(gles)
    if gpu:
        fields["gpu"] = gpu
    if driver:
        fields["gpu_driver"] = driver
    if properties.get("ro.kernel.loopback") == "1":
        fields["loopback"] = "yes: a sandbox on this host, no phone"
        fields["gpu_driver"] = properties.get("ro.hardware.gpu", "")
    return fields


def parse_gles(line: str) -> tuple[str, str]:
    """GPU and driver from `GLES: ARM, Mali-G715, OpenGL ES 3.2 v1.r44p1-01eac0...`; empty where absent."""
    match = re.search(r"GLES: (.+)", line)
    if match is None:
        return "", ""
    parts = [part.strip() for part in match.group(1).split(",", 2)]
    if len(parts) < 3:
        return match.group(1).strip(), ""
    return f"{parts[0]} {parts[1]}", parts[2]


def parse_thermal(text: str) -> str:
    """`Thermal Status: 2` -> `moderate`; `unknown` where the service says nothing."""
    match = re.search(r"^\s*Thermal Status:\s*(\d+)", text, re.MULTILINE)
    if match is None:
        return "unknown"
    number = int(match.group(1))
    return _THERMAL[number] if number < len(_THERMAL) else str(number)


def read_properties(link: DeviceLink) -> dict[str, str]:
    """All system properties. Raises Lost."""
    return parse_getprop(link.run(["getprop"]).output.replace("\r\n", "\n"))


def read_gles(link: DeviceLink) -> str:
    """SurfaceFlinger's GLES line, or empty where the device does not tell in time: it only informs."""
    with suppress(Lost):
        output = link.run(["dumpsys", "SurfaceFlinger"], timeout_s=20).output
        return next((line for line in output.splitlines() if "GLES:" in line), "")
    return ""


def read_thermal(link: DeviceLink) -> str:
    """Thermal status now. Raises Lost."""
    return parse_thermal(link.run(["dumpsys", "thermalservice"], timeout_s=20).output)
