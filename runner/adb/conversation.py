"""A command on a device that is spoken to while it runs: both ways over one connection, which stays open.

Key insight: what one exchange costs over adb is not its bytes but its connections, and the processes that each of them
starts. One that stays has to be read with the same suspicion as one that ends: a deadline for each read, and whatever
goes wrong is `Lost`.
"""

from __future__ import annotations

import struct
import time
from contextlib import ExitStack, suppress

from runner.adb.link import CLOSE_STDIN, EXIT, STDERR, STDIN, STDOUT, DeviceLink, read_exactly

_PACKET = 64 * 1024
_ERRORS_KEPT = 4096


class Ended(Exception):
    """The command ended. code as the shell gives it; errors: the end of what it wrote to standard error."""

    def __init__(self, code: int, errors: str) -> None:
        super().__init__(f"exit code {code}")
        self.code = code
        self.errors = errors


class Conversation:
    """A running command. Needs a device that speaks shell v2. Raises Lost where the connection fails."""

    def __init__(self, link: DeviceLink, command: str) -> None:
        self._link = link
        self._stack = ExitStack()
        self._connection = self._stack.enter_context(link.opened(f"shell,v2,raw:{command}"))
        self._rest = bytearray()
        self._errors = b""

    def send(self, data: bytes) -> None:
        """To its standard input. Each packet has to be taken within the link's `silence_s`."""
        with self._link.watching(self._connection):
            for start in range(0, len(data), _PACKET):
                part = data[start : start + _PACKET]
                self._connection.conn.settimeout(self._link.silence_s)
                self._connection.conn.sendall(struct.pack("<BI", STDIN, len(part)) + part)

    def read_line(self, deadline: float) -> bytes:
        """A line of its standard output, without its end, by a moment of the monotonic clock. Raises Lost or Ended."""
        while (at := self._rest.find(b"\n")) < 0:
            self._receive(deadline)
        line = bytes(self._rest[:at])
        del self._rest[: at + 1]
        return line.rstrip(b"\r")

    def read(self, size: int, deadline: float) -> bytes:
        """Exactly so many bytes of its standard output. Raises Lost or Ended."""
        while len(self._rest) < size:
            self._receive(deadline)
        data = bytes(self._rest[:size])
        del self._rest[:size]
        return data

    def finish(self, deadline: float) -> None:
        """End its standard input and wait until it has ended, so that nothing of it is left. Raises Lost."""
        with self._link.watching(self._connection):
            self._connection.conn.sendall(struct.pack("<BI", CLOSE_STDIN, 0))
        with suppress(Ended):
            while True:
                self._receive(deadline)

    def close(self) -> None:
        """Let go of it. Safe to call twice."""
        self._stack.close()

    def _receive(self, deadline: float) -> None:
        with self._link.watching(self._connection):
            kind, size = struct.unpack("<BI", read_exactly(self._connection, 5, deadline))
            data = read_exactly(self._connection, size, deadline)
        if kind == STDOUT:
            self._rest += data
        elif kind == STDERR:
            self._errors = (self._errors + data)[-_ERRORS_KEPT:]
        elif kind == EXIT:
            raise Ended(data[0], self._errors.decode("utf-8", "replace"))


def from_now(seconds: float, whole: float) -> float:
    """The moment by which the next word has to be there: after a pause of `seconds` at most, and before `whole`."""
    return min(time.monotonic() + seconds, whole)
