"""Which device a target name and `--device` stand for, and the target of the engine asked for."""

from __future__ import annotations

from runner.adb.devices import ALL, attached, choose, choose_all
from runner.adb.loopback.name import is_loopback
from runner.adb.run_model_engine import RunModelTarget
from runner.adb.server import default_server
from runner.adb.target import AdbTarget
from runner.delegate_settings import NO_SETTINGS, Settings
from runner.errors import BadInput


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
    devices = attached(default_server())
    if wanted == ALL:
        return [chosen.serial for chosen in choose_all(devices)]
    return [choose(devices, wanted).serial]


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
