"""What Oclgrind wrote of a kernel, as records. Pure.

Key insight: a message is a line at the margin and indented lines below it, and every message says the same few things
(what, in which kernel, by which work items, at which line of the source), so one reader serves accesses outside of
memory, data races, and whatever else it reports. A message of a kind that is not known here is a record too: what is
not understood must not look like silence.
"""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass


class Kind(enum.StrEnum):
    """What is wrong."""

    OUTSIDE = "access outside"
    """A load or a store beyond the memory that it is meant for."""
    READ_WRITE = "read-write race"
    """One work item reads what another writes in the same run of a kernel, and nothing orders them."""
    WRITE_WRITE = "write-write race"
    """Two work items write the same memory in one run of a kernel; harmless only if they write equal values."""
    API = "invalid API use"
    """A call of OpenCL that the driver refused."""
    OTHER = "other"
    """In Oclgrind's words."""


@dataclass(frozen=True)
class Place:
    """Where in the generated kernel. item: the work item's global id. line, column: from 1; 0 where not known."""

    item: tuple[int, ...]
    line: int
    column: int
    source: str


@dataclass(frozen=True)
class Message:
    """One message. address, size: in bytes; address is None and size 0 where none is named. kernel: its function."""

    kind: Kind
    words: str
    kernel: str
    address: int | None
    size: int
    places: tuple[Place, ...]


@dataclass(frozen=True)
class Log:
    """All messages, in order. cut: Oclgrind stopped reporting because there were too many."""

    messages: tuple[Message, ...]
    cut: bool = False


_CUT = re.compile(r"^Oclgrind: \d+ errors generated - suppressing further errors$")
_API = "Oclgrind - OpenCL runtime error detected"
_ADDRESS = re.compile(r"address 0x([0-9a-f]+)")
_SIZE = re.compile(r"of size (\d+)")
_KERNEL = re.compile(r"^Kernel:\s+(\S+)", re.MULTILINE)
_ITEM = re.compile(r"Global\((\d+),(\d+),(\d+)\)")
_AT = re.compile(r"^At line (\d+) \(column (\d+)\) of \S+:\n?(.*)", re.MULTILINE)
_ENTITY = re.compile(r"^(?:First entity|Second entity|Entity):", re.MULTILINE)
_OUTSIDE = re.compile(r"^Invalid (?:read|write) of size |^Index \(-?\d+\) exceeds static array size")


def read_log(text: str) -> Log:
    """The messages of a log that Oclgrind wrote (OCLGRIND_LOG)."""
    messages, cut = [], False
    for lines in _blocks(text):
        if _CUT.match(lines[0]):
            cut = True
        else:
            messages.append(_message(lines))
    return Log(tuple(messages), cut)


def api_messages(text: str) -> tuple[Message, ...]:
    """Invalid API use, which Oclgrind (OCLGRIND_CHECK_API) prints among whatever else the process printed."""
    lines = text.splitlines()
    found = []
    for at, first in enumerate(lines):
        if first.strip() == _API:
            said = [" ".join(line.split()) for line in lines[at + 1 : at + 4] if line.startswith("\t")]
            found.append(Message(Kind.API, ", ".join(said), "", None, 0, ()))
    return tuple(found)


def _blocks(text: str) -> list[list[str]]:
    """Lines that belong together, each block's first one at the margin."""
    blocks: list[list[str]] = []
    for line in text.splitlines():
        if line and not line[0].isspace():
            blocks.append([line])
        elif line and blocks:
            blocks[-1].append(line.strip())
    return blocks


def _message(lines: list[str]) -> Message:
    first, body = lines[0], "\n".join(lines[1:])
    address, size, kernel = _ADDRESS.search(first), _SIZE.search(first), _KERNEL.search(body)
    entities = _ENTITY.split(body)[1:]
    return Message(
        kind=_kind(first),
        words=first,
        kernel=kernel.group(1) if kernel else "",
        address=int(address.group(1), 16) if address else None,
        size=int(size.group(1)) if size else 0,
        places=tuple(_place(entity) for entity in entities),
    )


def _kind(first: str) -> Kind:
    if _OUTSIDE.match(first):
        return Kind.OUTSIDE
    if first.startswith("Read-write data race"):
        return Kind.READ_WRITE
    return Kind.WRITE_WRITE if first.startswith("Write-write data race") else Kind.OTHER


def _place(entity: str) -> Place:
    item, at = _ITEM.search(entity), _AT.search(entity)
    return Place(
        item=tuple(map(int, item.groups())) if item else (),
        line=int(at.group(1)) if at else 0,
        column=int(at.group(2)) if at else 0,
        source=at.group(3).strip() if at else "",
    )
