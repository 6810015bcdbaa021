"""Which device a target name and `--device` stand for, and the target of the engine asked for."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress

from runner.adb.devices import ALL, AttachedDevice, attached, choose_all, settled, settled_all
from runner.adb.link import DeviceLink
from runner.adb.loopback.name import is_loopback
from runner.adb.network import connect, is_address
from runner.adb.run_model_engine import RunModelTarget
from runner.adb.server import AdbServer, default_server
from runner.adb.target import AdbTarget
from runner.delegate_settings import NO_SETTINGS, Settings
from runner.encoding import one_line
from runner.errors import BadInput, DeviceFailed


def resolve_serial(serial: str | None, device: str | None = None) -> str:
    """The serial that `adb` or `adb:SERIAL` stands for; a loopback's name stays. Raises TargetUnavailable."""
    return resolve_serials(serial, device)[0]


def resolve_serials(serial: str | None, device: str | None = None) -> list[str]:
    """Serials of a target name and a --device choice: several only for `all`."""
    if serial and device and device != serial:
        raise BadInput(f"target adb:{serial} and --device {device} name different devices; give one of them")
    wanted = serial or device
    if wanted and is_loopback(wanted):
        return [wanted]
    server = default_server()
    if wanted == ALL:
        return [chosen.serial for chosen in _each_once(server, choose_all(settled_all(server)))]
    if wanted and is_address(wanted) and wanted not in {device.serial for device in attached(server)}:
        connect(server, wanted)
    return [settled(server, wanted).serial]


def ready_serials() -> list[str]:
    """The devices that are ready, each phone once."""
    server = default_server()
    return [device.serial for device in _each_once(server, settled_all(server)) if device.ready]


def late_devices(serials: Sequence[str]) -> list[str]:
    """The ready devices that are attached now and are none of those; what `--device all` did not find when it began."""
    server = default_server()
    ready = [device for device in attached(server) if device.ready]
    names = _own_names(server, ready)
    known = {*serials, *(names[serial] for serial in serials if serial in names)}
    return [device.serial for device in ready if not {device.serial, names[device.serial]} & known]


def _each_once(server: AdbServer, devices: Sequence[AttachedDevice]) -> list[AttachedDevice]:
    """Without a phone's second way: on a cable and over the network at once it would be two, and run against itself."""
    names = _own_names(server, [device for device in devices if device.ready])
    kept: dict[str, AttachedDevice] = {}
    for device in sorted(devices, key=lambda each: is_address(each.serial)):  # a cable first
        own = names.get(device.serial, device.serial)
        if own in kept:
            line = f"adb: {device.serial} and {kept[own].serial} are one phone; it is run once, as {kept[own].serial}"
            print(one_line(line), file=sys.stderr, flush=True)
        else:
            kept[own] = device
    return [device for device in devices if device in kept.values()]


def _own_names(server: AdbServer, ready: Sequence[AttachedDevice]) -> Mapping[str, str]:
    """Serial -> what the device calls itself, which on a cable is its serial; a network address says nothing of it."""
    names = {device.serial: device.serial for device in ready}
    for serial in names:
        if is_address(serial):
            with suppress(DeviceFailed):  # whoever opens it hears why
                names[serial] = DeviceLink(server, serial).run(["getprop", "ro.serialno"]).output.strip() or serial
    return names


def open_adb_target(
    serial: str | None,
    settings: Settings = NO_SETTINGS,
    *,
    runtime: str | None = None,
    device: str | None = None,
    engine: str | None = None,
) -> AdbTarget:
    """The target of one device, not yet activated. Raises BadInput for `all`, which is several."""
    serials = resolve_serials(serial, device)
    if len(serials) > 1:
        raise BadInput(f"--device all stands for {len(serials)} devices here; name one, or run them one by one")
    if engine not in (None, "native", "run_model"):
        raise BadInput(f"there is no engine '{engine}'; engines are native and run_model")
    if engine == "run_model":
        return RunModelTarget(serials[0], settings, runtime=runtime)
    return AdbTarget(serials[0], settings, runtime=runtime)
