"""The device side of adb: accepts a server, has it prove who it is, announces itself, opens services.

Key insight: what it opens is a shell, so nobody may reach it but the user it belongs to. It listens on a socket file
and on no port: the folder lets nobody else in, the kernel says whose process has connected, and nothing is opened
before the server has signed a token with the key that is known here, as on a phone.
"""

from __future__ import annotations

import os
import socket
import struct
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from runner.adb.loopback.auth import TOKEN_BYTES, PublicKey
from runner.adb.loopback.faults import Faults
from runner.adb.loopback.services import Sandbox, Stream, run_shell, run_shell_v2, run_sync
from runner.adb.loopback.wire import MAX_PAYLOAD, VERSION, Gone, Message, read_message, write_message

_TOKEN, _SIGNATURE = 1, 2


class Daemon:
    """An adb daemon for one sandbox. `start` returns at once.

    path: the socket file where a server connects. known_key: the one key it accepts, None for none at all; asked
    for when a server connects, since that server may have made its key only then.
    """

    def __init__(
        self,
        sandbox: Sandbox,
        banner: str,
        environment: Mapping[str, str],
        faults: Faults,
        path: Path,
        known_key: Callable[[], PublicKey | None],
    ) -> None:
        self.sandbox = sandbox
        self.banner = banner
        self.environment = environment
        self.faults = faults
        self.known_key = known_key
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen()
        self._stopping = False
        self._away_until = 0.0
        self._connections: set[socket.socket] = set()
        self._lock = threading.Lock()

    def start(self) -> None:
        threading.Thread(target=self._accept, daemon=True, name="loopback-adbd").start()

    def stop(self) -> None:
        self._stopping = True
        self._listener.close()
        self.drop()

    def drop(self) -> None:
        """Pull the cable: every connection ends now, and new ones are refused for `faults.away_s`."""
        self._away_until = time.monotonic() + self.faults.away_s
        with self._lock:
            connections, self._connections = list(self._connections), set()
        for connection in connections:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        while not self._stopping:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            if peer_uid(connection) != os.geteuid() or time.monotonic() < self._away_until:
                connection.close()
                continue
            with self._lock:
                self._connections.add(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True, name="loopback-transport").start()

    def _serve(self, connection: socket.socket) -> None:
        try:
            _Transport(self, connection).serve()
        except Gone:
            pass  # the server closed, or the cable was pulled on command: both are a day's work here
        finally:
            with self._lock:
                self._connections.discard(connection)
            connection.close()


def peer_uid(connection: socket.socket) -> int:
    """Whose process connected, as the kernel saw it then (SO_PEERCRED, unix(7))."""
    credentials = struct.Struct("3i")
    _pid, uid, _gid = credentials.unpack(connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, credentials.size))
    return int(uid)


class _Transport:
    """One connected server: its streams by our id."""

    def __init__(self, daemon: Daemon, connection: socket.socket) -> None:
        self._daemon = daemon
        self._connection = connection
        self._streams: dict[int, Stream] = {}
        self._next_id = 1
        self._token = b""
        self._authorized = False
        self._lock = threading.Lock()

    def serve(self) -> None:
        try:
            while True:
                self._handle(read_message(self._connection))
        finally:
            for stream in list(self._streams.values()):
                stream.give(None)

    def _write(self, message: Message) -> None:
        with self._lock:
            write_message(self._connection, message)

    def _handle(self, message: Message) -> None:
        if message.command == b"CNXN":
            self._authorized = False
            if not self._daemon.faults.offline:
                self._challenge()
        elif message.command == b"AUTH" and self._token:
            # A new key that is offered instead of a signature is never accepted: the dialogue stays unanswered.
            if message.arg0 == _SIGNATURE:
                self._judge(message.data)
        elif not self._authorized:
            raise Gone(f"a {message.command!r} from a server that has not proved who it is")
        elif message.command == b"OPEN":
            self._open(message)
        elif message.command == b"OKAY":
            stream = self._streams.get(message.arg1)
            if stream is not None:
                stream.acknowledge()
        elif message.command == b"WRTE":
            stream = self._streams.get(message.arg1)
            if stream is not None:
                stream.give(message.data)
                self._write(Message(b"OKAY", message.arg1, message.arg0))
            else:
                self._write(Message(b"CLSE", 0, message.arg0))
        elif message.command == b"CLSE":
            stream = self._streams.pop(message.arg1, None)
            if stream is not None:
                stream.give(None)

    def _challenge(self) -> None:
        self._token = os.urandom(TOKEN_BYTES)
        self._write(Message(b"AUTH", _TOKEN, 0, self._token))

    def _judge(self, signature: bytes) -> None:
        key = self._daemon.known_key()
        if key is None or self._daemon.faults.unauthorized or not key.signed(self._token, signature):
            self._challenge()
            return
        self._token = b""  # one token, one connection
        self._authorized = True
        self._announce()

    def _announce(self) -> None:
        features = ["cmd", "fixed_push_mkdir"] + ([] if self._daemon.faults.shell_v1_only else ["shell_v2"])
        banner = f"device::{self._daemon.banner}features={','.join(features)}"
        self._write(Message(b"CNXN", VERSION, MAX_PAYLOAD, banner.encode()))

    def _open(self, message: Message) -> None:
        service = message.data.rstrip(b"\0").decode("utf-8", "surrogateescape")
        task = self._task(service)
        remote = message.arg0
        if task is None:
            self._write(Message(b"CLSE", 0, remote))
            return
        local = self._next_id
        self._next_id += 1
        stream = Stream(lambda data: self._write(Message(b"WRTE", local, remote, data)), self._daemon.drop)
        self._streams[local] = stream
        self._write(Message(b"OKAY", local, remote))

        def work() -> None:
            try:
                task(stream)
            except Gone:
                return  # nobody is there to be told
            if self._streams.pop(local, None) is not None:
                with suppress(Gone):
                    self._write(Message(b"CLSE", local, remote))

        threading.Thread(target=work, daemon=True, name=f"loopback-{service[:12]}").start()

    def _task(self, service: str) -> Callable[[Stream], None] | None:
        daemon = self._daemon
        kind, _, command = service.partition(":")
        if kind == "sync":
            return lambda stream: run_sync(stream, daemon.sandbox, daemon.faults)
        if kind in ("shell", "exec"):
            return lambda stream: run_shell(stream, command, daemon.sandbox, daemon.environment, daemon.faults)
        if kind.startswith("shell,") and "v2" in kind.split(",") and not daemon.faults.shell_v1_only:
            return lambda stream: run_shell_v2(stream, command, daemon.sandbox, daemon.environment, daemon.faults)
        return None
