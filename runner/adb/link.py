"""Talking to one device: commands with a deadline and an exit code, files that arrive whole or not at all.

Key insight: over adb, a lost cable looks like the end of the output. A command is over only when
its exit code came; everything else is `Lost`, and nothing is believed because a stream ended.
"""

from __future__ import annotations

import struct
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass

import adbutils

from runner.adb.devices import attached
from runner.adb.interruption import interruptible, raise_if_interrupted
from runner.adb.server import AdbServer
from runner.encoding import shell_command
from runner.errors import DeviceFailed

_CHUNK = 64 * 1024
STDIN, STDOUT, STDERR, EXIT, CLOSE_STDIN = 0, 1, 2, 3, 3
"""Kinds of packets of shell v2 (packages/modules/adb/shell_protocol.h of AOSP)."""


class Lost(DeviceFailed):
    """The connection ended or went silent: what was in flight has to run again."""


class StorageFull(DeviceFailed):
    """The device has no room left."""


class FileRefused(DeviceFailed):
    """The device would not read or write a file, for a reason other than a full disk."""


@dataclass(frozen=True)
class Finished:
    """A command that ended by itself. code as the shell gives it: 126, 127, 128 + signal."""

    code: int
    output: str
    errors: str


class DeviceLink:
    """One device behind one adb server. Connections are made when needed and closed after use.

    silence_s: how long 64 KiB of a transfer may take before the device counts as lost.
    """

    def __init__(self, server: AdbServer, serial: str, *, silence_s: float = 30.0) -> None:
        self.server = server
        self.serial = serial
        self.silence_s = silence_s
        self._device = server.client().device(serial)
        self._v2: bool | None = None

    @contextmanager
    def opened(self, service: str) -> Iterator[adbutils.AdbConnection]:
        """A transport with a service opened on it; what is done with it needs `watching`."""
        with ExitStack() as stack:
            with self._failures():
                connection = stack.enter_context(self._device.open_transport(timeout=self.silence_s))
            with self.watching(connection):
                connection.send_command(service)
                connection.check_okay()
            yield connection

    @contextmanager
    def watching(self, connection: adbutils.AdbConnection) -> Iterator[None]:
        """Every failure of a connection inside the block becomes Lost, or the interrupt that it was."""
        with self._failures(), interruptible(connection.conn):
            yield

    @contextmanager
    def _connection(self, service: str) -> Iterator[adbutils.AdbConnection]:
        """A transport with a service opened on it. Every failure underneath becomes Lost."""
        with self.opened(service) as connection, self.watching(connection):
            yield connection

    @contextmanager
    def _failures(self) -> Iterator[None]:
        try:
            yield
        except (OSError, EOFError, adbutils.AdbError, struct.error, ValueError) as error:
            raise Lost(f"device {self.serial} was lost ({_why(error)})") from error

    def speaks_v2(self) -> bool:
        """Whether the device's shell gives exit codes; older ones need them printed."""
        if self._v2 is None:
            with self._failures():
                self._v2 = "shell_v2" in self._device.get_features().split(",")
        return self._v2

    def state(self) -> str:
        """adb's word for the device's state, or `absent`."""
        return next((device.state for device in attached(self.server) if device.serial == self.serial), "absent")

    def await_back(self, patience_s: float) -> bool:
        """Wait until the device is usable again. A network device is also asked to reconnect."""
        deadline = time.monotonic() + patience_s
        asked = 0.0
        while True:
            raise_if_interrupted()
            if self.state() == "device":
                # A transport that is about to be noticed as dead still reads `device`: ask it something.
                with suppress(Lost):
                    if self.run(["true"], timeout_s=5).code == 0:
                        return True
            if time.monotonic() > deadline:
                return False
            if ":" in self.serial and time.monotonic() - asked > 1.0:
                asked = time.monotonic()
                with suppress(OSError, EOFError, adbutils.AdbError):
                    self.server.client().connect(self.serial, timeout=5)
            time.sleep(0.1)

    def run(self, words: Sequence[str], timeout_s: float = 30.0) -> Finished:
        """Run one command to its end. Raises Lost where no exit code comes in time."""
        output, errors = bytearray(), bytearray()
        code = -1
        for kind, data in self.stream(shell_command(words), timeout_s):
            if kind == STDOUT:
                output += data
            elif kind == STDERR:
                errors += data
            else:
                code = data[0]
        return Finished(code, output.decode("utf-8", "replace"), errors.decode("utf-8", "replace"))

    def stream(self, command: str, timeout_s: float, silence_s: float | None = None) -> Iterator[tuple[int, bytes]]:
        """(1, output), (2, errors), and at the end (3, exit code). `command` must be made with `quoted`.

        timeout_s: for the whole command. silence_s: the longest pause. Raises Lost without an exit code.
        """
        if self.speaks_v2():
            yield from self._stream_v2(command, timeout_s, silence_s or timeout_s)
        else:
            yield from self._stream_v1(command, timeout_s, silence_s or timeout_s)

    def lines(
        self, words: Sequence[str], timeout_s: float, silence_s: float, prefix: str = ""
    ) -> Iterator[tuple[int, bytes]]:
        """Like `stream`, but output comes as whole lines (without their newline)."""
        rest = b""
        for kind, data in self.stream(prefix + shell_command(words), timeout_s, silence_s):
            if kind != STDOUT:
                if kind == EXIT and rest:
                    yield STDOUT, rest
                yield kind, data
                continue
            *whole, rest = (rest + data).split(b"\n")
            for line in whole:
                yield STDOUT, line.rstrip(b"\r")

    def _stream_v2(self, command: str, timeout_s: float, silence_s: float) -> Iterator[tuple[int, bytes]]:
        deadline = time.monotonic() + timeout_s
        with self._connection(f"shell,v2,raw:{command}") as connection:
            while True:
                until = min(deadline, time.monotonic() + silence_s)
                kind, size = struct.unpack("<BI", read_exactly(connection, 5, until))
                data = read_exactly(connection, size, until)
                if kind in (STDOUT, STDERR, EXIT):
                    yield kind, data
                if kind == EXIT:
                    return

    def _stream_v1(self, command: str, timeout_s: float, silence_s: float) -> Iterator[tuple[int, bytes]]:
        deadline = time.monotonic() + timeout_s
        mark = f"exit-{uuid.uuid4().hex}:".encode()
        held = b""
        # Parentheses: an `exit` inside the command must not skip the line that tells its code.
        with self._connection(f"shell:({command}); code=$?; echo; echo {mark.decode()}$code") as connection:
            while True:
                connection.conn.settimeout(_left(min(deadline, time.monotonic() + silence_s)))
                data = connection.conn.recv(_CHUNK)
                if not data:
                    raise EOFError("the output ended without an exit code")
                held = (held + data).replace(b"\r\n", b"\n")
                body, found, tail = held.partition(b"\n" + mark)
                if found and b"\n" in tail:
                    if body:
                        yield STDOUT, body
                    yield EXIT, bytes([int(tail.split(b"\n")[0]) & 0xFF])
                    return
                # What might be the beginning of the mark is held back.
                keep = len(mark) + 8 if not found else len(held) - len(body)
                if len(held) > keep:
                    yield STDOUT, held[:-keep]
                    held = held[-keep:]

    def push(self, data: bytes, path: str, mode: int = 0o644) -> None:
        """Write a file (folders are made on demand). Raises StorageFull, FileRefused or Lost."""
        with self._connection("sync:") as connection:
            sync = connection.conn
            target = f"{path},{0o100000 | mode}".encode()
            sync.sendall(b"SEND" + struct.pack("<I", len(target)) + target)
            for start in range(0, len(data), _CHUNK):
                part = data[start : start + _CHUNK]
                sync.sendall(b"DATA" + struct.pack("<I", len(part)) + part)
            sync.sendall(b"DONE" + struct.pack("<I", int(time.time()) & 0xFFFFFFFF))
            answer, size = struct.unpack("<4sI", self._reply(connection, 8))
            if answer != b"OKAY":
                self._refused(path, self._reply(connection, size) if answer == b"FAIL" else answer)
            sync.sendall(b"QUIT" + struct.pack("<I", 0))

    def pull(self, path: str) -> bytes:
        """A file's bytes. Raises FileRefused where it is not there, or Lost."""
        with self.pulls() as pull:
            return pull(path)

    @contextmanager
    def pulls(self) -> Iterator[Callable[[str], bytes]]:
        """Many files over one connection, which is made on the first: a batch pulls one file per case."""
        with ExitStack() as stack:
            opened: list[adbutils.AdbConnection] = []

            def pull(path: str) -> bytes:
                if not opened:
                    opened.append(stack.enter_context(self.opened("sync:")))
                with self.watching(opened[0]):
                    return self._receive(opened[0], path)

            yield pull

    def _receive(self, connection: adbutils.AdbConnection, path: str) -> bytes:
        name = path.encode()
        connection.conn.settimeout(self.silence_s)  # the reply before left less
        connection.conn.sendall(b"RECV" + struct.pack("<I", len(name)) + name)
        parts: list[bytes] = []
        while True:
            answer, size = struct.unpack("<4sI", self._reply(connection, 8))
            if answer == b"DONE":
                return b"".join(parts)
            if answer != b"DATA":
                self._refused(path, self._reply(connection, size) if answer == b"FAIL" else answer)
            if size > _CHUNK:
                raise Lost(f"device {self.serial} was lost (a packet of {size} bytes, where 64 KiB is the most)")
            parts.append(self._reply(connection, size))

    def _reply(self, connection: adbutils.AdbConnection, size: int) -> bytes:
        """What a transfer is answered with; at most 64 KiB, and the whole of it within `silence_s`."""
        return read_exactly(connection, min(size, _CHUNK), time.monotonic() + self.silence_s)

    def _refused(self, path: str, answer: bytes) -> None:
        said = answer.decode("utf-8", "replace")
        if "No space left" in said:
            raise StorageFull(
                f"the storage of device {self.serial} is full; free some room and run again (results are kept)"
            )
        raise FileRefused(f"device {self.serial} refused {path}: {said}")


def read_exactly(connection: adbutils.AdbConnection, size: int, deadline: float) -> bytes:
    """Exactly `size` bytes by the deadline, however they trickle in. Raises TimeoutError, or EOFError at the end."""
    data = bytearray()
    while len(data) < size:
        connection.conn.settimeout(_left(deadline))
        part = connection.conn.recv(min(size - len(data), _CHUNK))
        if not part:
            raise EOFError(f"the connection ended after {len(data)} of {size} bytes")
        data += part
    return bytes(data)


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError("the time given for it is over")
    return left


def _why(error: BaseException) -> str:
    if isinstance(error, TimeoutError | adbutils.AdbTimeout):
        return f"no answer in time: {error}" if str(error) else "no answer in time"
    return str(error) or "the connection ended"
