"""Where an adb server listens, and how it is talked to: the user's own on a TCP port, ours on a socket file.

The user's is adb's: for phones, it is asked, and where it is not running it is started as `adb` itself starts it, for
all their tools, on 127.0.0.1. Everything of ours has a server of its own (`runner.adb.private_server`).
"""

from __future__ import annotations

import os
import shutil
import socket
import struct
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import adbutils

from runner.errors import BadInput, TargetUnavailable

_CONNECT_S = 3.0
_FILE = "localfilesystem:"
_SOCKET = "ADB_SERVER_SOCKET"


@dataclass(frozen=True)
class AdbServer:
    """address: host and port, or the path of a socket file."""

    address: tuple[str, int] | str

    def __str__(self) -> str:
        return self.address if isinstance(self.address, str) else "{}:{}".format(*self.address)

    @property
    def options(self) -> list[str]:
        """What makes the `adb` command use, or be, this server."""
        return ["-L", _FILE + self.address] if isinstance(self.address, str) else ["-P", str(self.address[1])]

    @property
    def is_here(self) -> bool:
        """Whether it is of this machine, so that we may start it."""
        return isinstance(self.address, str) or self.address[0] in ("localhost", "::1") or self.address[0][:4] == "127."

    def client(self) -> adbutils.AdbClient:
        return _FileClient(self.address) if isinstance(self.address, str) else adbutils.AdbClient(*self.address)

    def listens(self) -> bool:
        try:
            if isinstance(self.address, str):
                _connect_file(self.address).close()
            else:
                socket.create_connection(self.address, timeout=_CONNECT_S).close()
        except OSError:
            return False
        return True


class _FileClient(adbutils.AdbClient):
    """adbutils' client, which knows TCP alone, on a socket file. Where nothing answers it starts no server."""

    def __init__(self, path: str) -> None:
        super().__init__(path, 1)  # a host and a port that are not used; without, it takes the environment's
        self._path = path

    def make_connection(self, timeout: float | None = None) -> adbutils.AdbConnection:
        connection = _FileConnection(self._path)
        if timeout:
            connection.conn.settimeout(timeout)
        return connection


class _FileConnection(adbutils.AdbConnection):
    def __init__(self, path: str) -> None:
        self._path = path
        super().__init__(path, 1)

    def _safe_connect(self) -> socket.socket:
        return _connect_file(self._path)


def _connect_file(path: str) -> socket.socket:
    """Waits where a server has many others to accept first, which a socket with Python's timeout does not (EAGAIN)."""
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("@ll", int(_CONNECT_S), 0))
        connection.connect(path)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("@ll", 0, 0))
    except BaseException:
        connection.close()
        raise
    return connection


def default_server() -> AdbServer:
    """The user's adb server, started if it is not running.

    adb's own variables say where: $ADB_SERVER_SOCKET, or $ANDROID_ADB_SERVER_ADDRESS and $ANDROID_ADB_SERVER_PORT.
    Raises TargetUnavailable if it cannot be started.
    """
    server = _configured()
    if not server.listens():
        if not server.is_here:
            raise TargetUnavailable(f"no adb server answers at {server}; start it there: adb -a nodaemon server start")
        _start(server)
    return server


def server_is_running() -> bool:
    """Whether the user's adb server listens. Starts nothing, so that looking for phones leaves no trace."""
    return _configured().listens()


def bundled_adb() -> Path:
    """The adb that the adbutils wheel brings. Raises TargetUnavailable where it has none."""
    binary = Path(adbutils.__file__).parent / "binaries" / "adb"
    if not binary.is_file():
        raise TargetUnavailable(
            "the adbutils wheel here has no adb binary; reinstall it: pip install --force-reinstall adbutils"
        )
    return binary


@contextmanager
def using_server(place: str) -> Iterator[None]:
    """Another server than the user's inside the block, here and in every process that it starts. place: HOST:PORT,
    PORT, or what $ADB_SERVER_SOCKET may be. Raises BadInput.
    """
    given = place if place.startswith(_FILE) else f"tcp:{place.removeprefix('tcp:')}"
    _from_socket(given, f"--adb {place}")
    before = os.environ.get(_SOCKET)
    os.environ[_SOCKET] = given
    try:
        yield
    finally:
        if before is None:
            del os.environ[_SOCKET]
        else:
            os.environ[_SOCKET] = before


def _configured() -> AdbServer:
    given = os.environ.get(_SOCKET)
    if given:
        return _from_socket(given, f"{_SOCKET} is '{given}'")
    host = os.environ.get("ANDROID_ADB_SERVER_ADDRESS") or "127.0.0.1"
    return AdbServer((host, _port(os.environ.get("ANDROID_ADB_SERVER_PORT") or "5037", "ANDROID_ADB_SERVER_PORT")))


def _from_socket(given: str, shown: str) -> AdbServer:
    """`localfilesystem:PATH`, `tcp:PORT` or `tcp:HOST:PORT`. shown: who gave it, for what is wrong with it."""
    if given.startswith(_FILE):
        return AdbServer(given.removeprefix(_FILE))
    kind, _, rest = given.partition(":")
    host, _, port = rest.rpartition(":")
    if kind != "tcp" or not _is_port(port):
        raise BadInput(f"{shown}, which names no adb server; give tcp:HOST:PORT or {_FILE}PATH, or leave it out")
    return AdbServer((host.strip("[]") or "127.0.0.1", int(port)))


def _port(text: str, variable: str) -> int:
    if not _is_port(text):
        raise BadInput(f"{variable} is '{text}', which is no port; unset it or give a number")
    return int(text)


def _is_port(text: str) -> bool:
    return text.isascii() and text.isdigit() and 0 < int(text) < 65536


def _start(server: AdbServer) -> None:
    # The user's own adb first: a second version on the same port would end the first one's server.
    binary = os.environ.get("ADBUTILS_ADB_PATH") or shutil.which("adb") or str(bundled_adb())
    try:
        done = subprocess.run(
            [binary, *server.options, "start-server"],
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=30,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise TargetUnavailable(
            f"the adb server cannot be started with {binary}: {error}; start it with `adb start-server`"
        ) from error
    if not server.listens():
        said = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise TargetUnavailable(f"the adb server did not start ({said}); run `adb start-server` to see why")
