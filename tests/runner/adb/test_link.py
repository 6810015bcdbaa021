"""Deadlines towards a device that always has something to say, but never enough. An adb server made for it."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from runner.adb.link import DeviceLink, Lost
from runner.adb.server import AdbServer
from runner.scratch import ScratchFolder, plain_folder

SERIAL = "babbler"


@contextmanager
def babbling(babble: Callable[[], Iterator[bytes]], features: str = "shell_v2") -> Iterator[AdbServer]:
    """A server with one device. Whatever is opened there is answered by the babble, for as long as anybody listens."""
    with ScratchFolder("babble", plain_folder()) as folder, socket.socket(socket.AF_UNIX) as listener:
        path = str(Path(folder) / "server")
        listener.bind(path)
        listener.listen()

        def serve(connection: socket.socket) -> None:
            with connection, suppress(OSError, ValueError):
                while True:
                    asked = connection.recv(int(connection.recv(4), 16)).decode()
                    if asked.endswith(":features"):
                        connection.sendall(b"OKAY" + f"{len(features):04x}{features}".encode())
                        return
                    if asked.startswith("host:version"):
                        connection.sendall(b"OKAY00040029")
                        return
                    connection.sendall(b"OKAY" + bytes(8) if asked.startswith("host:tport") else b"OKAY")
                    if not asked.startswith("host"):
                        break
                for part in babble():
                    connection.sendall(part)

        def accept() -> None:
            with suppress(OSError):
                while True:
                    threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        yield AdbServer(path)
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


def trickle(first: bytes) -> Callable[[], Iterator[bytes]]:
    """A beginning that promises much, then a byte every 50 ms: never silent, never done."""
    pause = threading.Event()

    def babble() -> Iterator[bytes]:
        yield first
        while not pause.wait(0.05):
            yield b"."

    return babble


V2_OUTPUT = struct.pack("<BI", 1, 1 << 20)
SYNC_DATA = struct.pack("<4sI", b"DATA", 60000)
SYNC_FAIL = struct.pack("<4sI", b"FAIL", 60000)


def test_a_command_ends_at_its_time_though_its_output_trickles() -> None:
    with babbling(trickle(V2_OUTPUT)) as server, pytest.raises(Lost, match="no answer in time"):
        DeviceLink(server, SERIAL).run(["true"], timeout_s=1.0)


def test_a_command_of_an_old_shell_ends_at_its_time_though_its_output_trickles() -> None:
    with babbling(trickle(b""), features="") as server, pytest.raises(Lost, match="no answer in time"):
        DeviceLink(server, SERIAL).run(["true"], timeout_s=1.0)


def test_a_pause_is_over_though_the_next_packet_trickles() -> None:
    with babbling(trickle(V2_OUTPUT)) as server, pytest.raises(Lost, match="no answer in time"):
        list(DeviceLink(server, SERIAL).stream("true", timeout_s=3600, silence_s=1.0))


@pytest.mark.parametrize("first", [SYNC_DATA, SYNC_FAIL], ids=["data", "a refusal"])
def test_a_pull_is_given_up_though_it_trickles(first: bytes) -> None:
    with babbling(trickle(first)) as server, pytest.raises(Lost, match="no answer in time"):
        DeviceLink(server, SERIAL, silence_s=1.0).pull("/data/local/tmp/file")


def test_a_push_is_given_up_though_its_refusal_trickles() -> None:
    with babbling(trickle(SYNC_FAIL)) as server, pytest.raises(Lost, match="no answer in time"):
        DeviceLink(server, SERIAL, silence_s=1.0).push(b"bytes", "/data/local/tmp/file")


def test_a_packet_larger_than_the_protocol_knows_is_not_waited_for() -> None:
    with babbling(trickle(struct.pack("<4sI", b"DATA", 1 << 31))) as server, pytest.raises(Lost, match="2147483648"):
        DeviceLink(server, SERIAL).pull("/data/local/tmp/file")
