"""Ctrl-C for the threads that wait for phones: Python gives it to the main thread alone.

Key insight: such a thread waits in a read of a socket. Shutting the socket down ends the read at once, and the thread
then finds that this was no cable: it raises KeyboardInterrupt itself, which cleans up on its way as it would in the
main thread. The connections that this cleaning makes are let through.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar


class Interruption:
    """Ends what the threads that watch it wait for. `interrupt` may be called from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._asked = False
        self._told: set[int] = set()
        self._waiting: set[socket.socket] = set()

    def watch_here(self) -> None:
        """Make this context one whose connections it ends."""
        _current.set(self)

    def interrupt(self) -> None:
        with self._lock:
            self._asked = True
            waiting = list(self._waiting)
        for connection in waiting:
            with suppress(OSError):  # it ended by itself
                connection.shutdown(socket.SHUT_RDWR)

    def raise_if_asked(self) -> None:
        """Raise KeyboardInterrupt in a thread that was not yet told."""
        me = threading.get_ident()
        with self._lock:
            if not self._asked or me in self._told:
                return
            self._told.add(me)
        raise KeyboardInterrupt

    def add(self, connection: socket.socket) -> None:
        with self._lock:
            self._waiting.add(connection)

    def discard(self, connection: socket.socket) -> None:
        with self._lock:
            self._waiting.discard(connection)


_current: ContextVar[Interruption | None] = ContextVar("interruption", default=None)


def raise_if_interrupted() -> None:
    """Raise KeyboardInterrupt once in a thread whose interruption was asked for."""
    if (interruption := _current.get()) is not None:
        interruption.raise_if_asked()


@contextmanager
def interruptible(connection: socket.socket) -> Iterator[None]:
    """While the block waits for this connection, an interruption ends it; whatever it raises then is that."""
    interruption = _current.get()
    if interruption is None:
        yield
        return
    interruption.add(connection)
    try:
        interruption.raise_if_asked()
        yield
    except Exception:
        interruption.raise_if_asked()
        raise
    finally:
        interruption.discard(connection)
