"""The adb transport protocol between server and daemon: messages of a 24-byte header and a payload.

Source: packages/modules/adb/protocol.txt of AOSP. Version 0x01000001 carries no payload checksum.
"""

from __future__ import annotations

import socket
import struct
from dataclasses import dataclass

VERSION = 0x01000001
MAX_PAYLOAD = 256 * 1024
_HEADER = struct.Struct("<4sIIIII")


@dataclass(frozen=True)
class Message:
    """command is four ASCII letters: CNXN, AUTH, OPEN, OKAY, CLSE, WRTE."""

    command: bytes
    arg0: int
    arg1: int
    data: bytes = b""


class Gone(ConnectionError):
    """The other side closed the connection, or the connection was dropped on command."""


def read_exactly(connection: socket.socket, size: int) -> bytes:
    """Raises Gone when the connection ends first."""
    parts = bytearray()
    while len(parts) < size:
        try:
            part = connection.recv(min(size - len(parts), 1 << 20))
        except OSError as error:
            raise Gone(str(error)) from error
        if not part:
            raise Gone("the connection ended")
        parts += part
    return bytes(parts)


def read_message(connection: socket.socket) -> Message:
    """Raises Gone when the connection ends."""
    command, arg0, arg1, length, _checksum, magic = _HEADER.unpack(read_exactly(connection, _HEADER.size))
    if magic != int.from_bytes(command, "little") ^ 0xFFFFFFFF or length > 1 << 24:
        raise Gone("a message that is none")
    return Message(command, arg0, arg1, read_exactly(connection, length))


def write_message(connection: socket.socket, message: Message) -> None:
    """Raises Gone when nobody reads."""
    magic = int.from_bytes(message.command, "little") ^ 0xFFFFFFFF
    checksum = sum(message.data) & 0xFFFFFFFF if message.command == b"CNXN" else 0
    header = _HEADER.pack(message.command, message.arg0, message.arg1, len(message.data), checksum, magic)
    try:
        connection.sendall(header + message.data)
    except OSError as error:
        raise Gone(str(error)) from error
