"""An adb server for this process alone: no port, a home of its own, and gone when we are.

Key insight: whoever can talk to an adb server has a shell on each of its devices, and a port of this host can be talked
to by every user of it. A socket file cannot: it lies in a folder that the kernel lets only this user enter.
"""

from __future__ import annotations

import os
import select
import subprocess
from io import RawIOBase
from pathlib import Path

from runner import children
from runner.adb.server import AdbServer, bundled_adb
from runner.errors import TargetUnavailable
from runner.scratch import ScratchFolder, plain_folder

_START_S = 20.0
_USERS = ("ADB_SERVER_SOCKET", "ANDROID_ADB_SERVER_ADDRESS", "ANDROID_ADB_SERVER_PORT", "ADB_VENDOR_KEYS")


class PrivateServer:
    """The bundled adb as a server at `address`. A context manager; `stop` ends it.

    own_keys: it makes a key of its own and knows no other; without, it has the user's, whom phones know.
    """

    def __init__(self, *, own_keys: bool = True) -> None:
        binary = bundled_adb()
        self._folder = ScratchFolder("adb", plain_folder())
        home = Path(self._folder.name)
        self.log = home / "server.log"
        self.address = AdbServer(str(home / "server"))
        self._key = home / ".android" / "adbkey.pub"
        environment = {name: value for name, value in os.environ.items() if name not in _USERS}
        environment |= {"TMPDIR": str(home), "ADB_MDNS_OPENSCREEN": "0"}
        if own_keys:
            # No phone and no emulator knows that key, so none is looked for; where there is no USB that takes 3 s.
            environment |= {"HOME": str(home), "ANDROID_USER_HOME": str(home)}
            environment |= {"ADB_USB": "0", "ADB_LOCAL_TRANSPORT_MAX_PORT": "5553"}
        ready, tell = os.pipe()
        with os.fdopen(ready, "rb", buffering=0) as ready_end:
            with os.fdopen(tell, "wb", buffering=0), self.log.open("wb") as log:
                self._process = children.start(
                    [str(binary), *self.address.options, "nodaemon", "server", "--reply-fd", str(tell)],
                    env=environment,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    pass_fds=(tell,),
                )
            self._await(ready_end)

    def _await(self, ready: RawIOBase) -> None:
        """Until it says OK, which it does once it has looked at every USB device."""
        poller = select.poll()
        poller.register(ready, select.POLLIN)
        if poller.poll(_START_S * 1000) and ready.read(2) == b"OK":
            return
        tail = self.log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-1:] or ["no message"]
        self.stop()
        raise TargetUnavailable(f"the private adb server did not start: {tail[0]}")

    @property
    def public_key(self) -> str:
        """The public half of its own key, as adb writes it; empty until it has one."""
        return self._key.read_text(encoding="utf-8") if self._key.is_file() else ""

    @property
    def pid(self) -> int:
        return self._process.pid

    def stop(self) -> None:
        """End the server. Safe to call twice."""
        children.end(self._process)
        self._folder.cleanup()

    def __enter__(self) -> PrivateServer:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
