"""A loopback device with its own adb server: private port, private home, one sandbox. A context manager.

`--device loopback` for anyone: no phone, no root, nothing left behind.
"""

from __future__ import annotations

import os
import shlex
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import adbutils

from runner.adb import build
from runner.adb.loopback.daemon import Daemon
from runner.adb.loopback.faults import Faults
from runner.adb.loopback.services import Sandbox
from runner.errors import TargetUnavailable
from runner.host.vulkan import LAVAPIPE, Adapter, adapters, driver_environment

_START_S = 20.0
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


class LoopbackServer:
    """An adb server of the adbutils wheel on a private port with a private home. Stopped by `stop`."""

    def __init__(self) -> None:
        self._home = tempfile.TemporaryDirectory(prefix="repro-adb-home-")
        self.log = Path(self._home.name) / "server.log"
        binary = Path(adbutils.__file__).parent / "binaries" / "adb"
        if not binary.is_file():
            raise TargetUnavailable(
                "the adbutils wheel here has no adb binary; reinstall it: pip install --force-reinstall adbutils"
            )
        self.port = _free_port()
        environment = {
            **os.environ,
            "HOME": self._home.name,
            "ANDROID_USER_HOME": self._home.name,
            "TMPDIR": self._home.name,
            "ADB_MDNS_OPENSCREEN": "0",
            "ADB_LOCAL_TRANSPORT_MAX_PORT": "5553",  # no looking for emulators that are not ours
        }
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                [str(binary), "-L", f"tcp:localhost:{self.port}", "nodaemon", "server"],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._await()

    def _await(self) -> None:
        deadline = time.monotonic() + _START_S
        while time.monotonic() < deadline and self._process.poll() is None:
            with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1):
                return
            time.sleep(0.02)
        tail = self.log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-1:] or ["no message"]
        self.stop()
        raise TargetUnavailable(f"the private adb server did not start: {tail[0]}")

    def stop(self) -> None:
        """End the server that this object started. Safe to call twice."""
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(timeout=5)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._home.cleanup()


class LoopbackDevice:
    """Sandbox, daemon and (unless one is given) server. `faults` may be changed while it runs.

    adapter: which Vulkan driver the runner sees; default lavapipe, else the best there is.
    """

    def __init__(
        self,
        *,
        adapter: Adapter | None = None,
        server: LoopbackServer | None = None,
        properties: Mapping[str, str] | None = None,
        faults: Faults | None = None,
    ) -> None:
        self.faults = faults or Faults()
        self.adapter = adapter or default_adapter()
        self._own_server = server is None
        self._folder = tempfile.TemporaryDirectory(prefix="repro-loopback-", dir=plain_folder())
        root = Path(self._folder.name)
        self.sandbox = Sandbox(root)
        self.properties = {**_PROPERTIES, "ro.hardware.vulkan": self.adapter.driver, **(properties or {})}
        self._write_system(root / "system" / "bin")
        environment = {
            "PATH": f"{root}/system/bin:/usr/bin:/bin",
            "HOME": str(self.sandbox.tmp),
            "TMPDIR": str(self.sandbox.tmp),
            "REPRO_FAULT_LIBRARY": str(build.fault_library()),
        }
        environment = driver_environment(environment, Path(self.adapter.manifest))
        self.server = server or LoopbackServer()
        banner = "".join(
            f"{key}={self.properties[key]};" for key in ("ro.product.name", "ro.product.model", "ro.product.device")
        )
        self.daemon = Daemon(self.sandbox, banner, environment, self.faults)
        self.daemon.start()
        self.serial = f"127.0.0.1:{self.daemon.port}"

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
        client = adbutils.AdbClient(host="127.0.0.1", port=self.server.port)
        client.connect(self.serial, timeout=15)
        return self.serial

    def stop(self) -> None:
        self.daemon.stop()
        if self._own_server:
            self.server.stop()
        with suppress(OSError):
            self._folder.cleanup()
        shutil.rmtree(self._folder.name, ignore_errors=True)

    def __enter__(self) -> LoopbackDevice:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def plain_folder() -> str:
    """Where temporary files may lie whose path stands in shell commands: $TMPDIR, or where that has a space, /tmp.

    Raises TargetUnavailable where there is no such folder.
    """
    for place in (tempfile.gettempdir(), "/tmp", "/var/tmp"):
        if shlex.quote(place) == place and os.access(place, os.W_OK | os.X_OK):
            return place
    raise TargetUnavailable(
        "the loopback device needs a temporary folder without spaces or quotes in its path; set TMPDIR to one"
    )


def default_adapter() -> Adapter:
    """Lavapipe, or else the best adapter here. Raises TargetUnavailable where there is none."""
    found = adapters()
    if not found:
        raise TargetUnavailable(
            "the loopback device needs a Vulkan driver on this host and there is none; run `make setup`"
        )
    return next((adapter for adapter in found if adapter.key == LAVAPIPE), found[0])


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
