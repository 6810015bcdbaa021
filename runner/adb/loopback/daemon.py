"""The device side of adb: accepts a server, announces itself, opens services. Listens on 127.0.0.1 only."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress

from runner.adb.loopback.faults import Faults
from runner.adb.loopback.services import Sandbox, Stream, run_shell, run_shell_v2, run_sync
from runner.adb.loopback.wire import MAX_PAYLOAD, VERSION, Gone, Message, read_message, write_message

_AUTH_TOKEN = 1


class Daemon:
    """An adb daemon for one sandbox. `start` returns at once; `port` is where a server connects."""

    def __init__(self, sandbox: Sandbox, banner: str, environment: Mapping[str, str], faults: Faults) -> None:
        self.sandbox = sandbox
        self.banner = banner
        self.environment = environment
        self.faults = faults
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
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
            if time.monotonic() < self._away_until:
                connection.close()
                continue
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
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


class _Transport:
    """One connected server: its streams by our id."""

    def __init__(self, daemon: Daemon, connection: socket.socket) -> None:
        self._daemon = daemon
        self._connection = connection
        self._streams: dict[int, Stream] = {}
        self._next_id = 1
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
        faults = self._daemon.faults
        if message.command == b"CNXN":
            if faults.unauthorized:
                self._write(Message(b"AUTH", _AUTH_TOKEN, 0, os.urandom(20)))
            elif not faults.offline:
                self._announce()
        elif message.command == b"AUTH":
            # The key is never accepted: the dialogue on the phone stays unanswered.
            if message.arg0 != 3:
                self._write(Message(b"AUTH", _AUTH_TOKEN, 0, os.urandom(20)))
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
