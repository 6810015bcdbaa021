"""A loopback device with its own adb server: socket files, no port, one sandbox. A context manager.

`--device loopback` for anyone: no phone, no root, nothing left behind. `--device loopback:pocl` gives it a GPU over
OpenCL, for the delegate that phones run.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from runner.adb import build
from runner.adb.loopback.auth import parse_public_key
from runner.adb.loopback.daemon import Daemon
from runner.adb.loopback.faults import Faults
from runner.adb.loopback.services import Sandbox
from runner.adb.private_server import PrivateServer
from runner.errors import TargetUnavailable
from runner.host.gpu import GpuName, HostGpu, host_gpu
from runner.host.vulkan import LAVAPIPE, adapters
from runner.installation import bring_a_driver
from runner.scratch import ScratchFolder, plain_folder

_PROPERTIES = {
    "ro.product.manufacturer": "none",
    "ro.product.model": "loopback, no phone",
    "ro.product.name": "loopback",
    "ro.product.device": "loopback",
    "ro.soc.manufacturer": "none",
    "ro.soc.model": "this host's processor",
    "ro.hardware.egl": "none",
    "ro.build.version.release": "none",
    "ro.build.version.sdk": "0",
    "ro.build.fingerprint": "loopback/host/no-android",
    "ro.product.cpu.abi": "host",
    "ro.kernel.loopback": "1",
}
_GETPROP = """#!/bin/sh
here=$(dirname "$0")
if [ $# -eq 0 ]; then cat "$here/properties"; exit; fi
while IFS= read -r line; do
  case $line in "[$1]: ["*) value=${line#*: [}; printf '%s\\n' "${value%]}";; esac
done < "$here/properties"
"""
_DUMPSYS = """#!/bin/sh
[ "$1" = thermalservice ] && cat "$(dirname "$0")/thermal"
exit 0
"""


class LoopbackDevice:
    """Sandbox, daemon and (unless one is given) server. `faults` may be changed while it runs.

    gpu: which GPU of this host the runner sees; default lavapipe, else the best adapter there is.
    """

    def __init__(
        self,
        *,
        gpu: HostGpu | None = None,
        server: PrivateServer | None = None,
        properties: Mapping[str, str] | None = None,
        faults: Faults | None = None,
    ) -> None:
        self.faults = faults or Faults()
        self.gpu = gpu or device_gpu(GpuName(""))
        self._own_server = server is None
        self._folder = ScratchFolder("loopback", plain_folder())
        root = Path(self._folder.name)
        self.sandbox = Sandbox(root)
        self.properties = {**_PROPERTIES, "ro.hardware.gpu": self.gpu.noted_driver, **(properties or {})}
        self._write_system(root / "system" / "bin")
        environment = {
            "PATH": f"{root}/system/bin:/usr/bin:/bin",
            "HOME": str(self.sandbox.tmp),
            "TMPDIR": str(self.sandbox.tmp),
            "REPRO_FAULT_LIBRARY": str(build.fault_library()),
        }
        environment = self.gpu.environment(environment)
        self.server = server or PrivateServer()
        banner = "".join(
            f"{key}={self.properties[key]};" for key in ("ro.product.name", "ro.product.model", "ro.product.device")
        )
        socket = root / "adbd"
        self.daemon = Daemon(
            self.sandbox, banner, environment, self.faults, socket, lambda: parse_public_key(self.server.public_key)
        )
        self.daemon.start()
        self.serial = f"localfilesystem:{socket}"

    def _write_system(self, folder: Path) -> None:
        folder.mkdir(parents=True)
        lines = [f"[{key}]: [{value}]\n" for key, value in sorted(self.properties.items())]
        (folder / "properties").write_text("".join(lines), encoding="utf-8")
        (folder / "thermal").write_text("IsStatusOverride: false\nThermal Status: 0\n", encoding="utf-8")
        for name, text in (("getprop", _GETPROP), ("dumpsys", _DUMPSYS)):
            (folder / name).write_text(text, encoding="utf-8")
            (folder / name).chmod(0o755)

    def connect(self) -> str:
        """Make the server know this device; returns its state as adb names it."""
        self.server.address.client().connect(self.serial, timeout=15)
        return self.serial

    def stop(self) -> None:
        self.daemon.stop()
        if self._own_server:
            self.server.stop()
        self._folder.cleanup()

    def __enter__(self) -> LoopbackDevice:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def device_gpu(name: GpuName) -> HostGpu:
    """The GPU of a name; without a key lavapipe, or else the best adapter here.

    Raises TargetUnavailable where there is none.
    """
    if name.key:
        return host_gpu(name)
    found = adapters()
    if not found:
        raise TargetUnavailable(
            f"the loopback device needs a Vulkan driver on this host and there is none; {bring_a_driver()}"
        )
    key = next((adapter.key for adapter in found if adapter.key == LAVAPIPE), found[0].key)
    return host_gpu(replace(name, key=key))
