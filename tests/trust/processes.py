"""What processes of this machine hold: whose they are, and on which ports and sockets they listen. Read from /proc."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

_LISTENING = "0A"  # of TCP, include/net/tcp_states.h of Linux
_GONE = (FileNotFoundError, ProcessLookupError, PermissionError)


def all_processes() -> list[int]:
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]


def is_alive(pid: int) -> bool:
    """Neither gone nor a zombie."""
    with suppress(*_GONE):
        status = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        return status.rpartition(")")[2].split()[0] not in ("Z", "X")
    return False


def mentioning(text: str) -> list[int]:
    """Processes, but for this one, with the text in their environment, their command line or their current folder."""
    found = []
    for pid in all_processes():
        if pid == os.getpid() or not is_alive(pid):
            continue
        with suppress(*_GONE):
            said = Path(f"/proc/{pid}/environ").read_bytes() + Path(f"/proc/{pid}/cmdline").read_bytes()
            if text.encode() in said or text in str(Path(f"/proc/{pid}/cwd").readlink()):
                found.append(pid)
    return found


def wait_until(true: Callable[[], bool]) -> None:
    """However long it takes: a test's own time limit ends what never comes."""
    while not true():
        time.sleep(0.01)


def command_of(pid: int) -> str:
    with suppress(*_GONE):
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    return "(gone)"


def open_ports(pids: Iterable[int]) -> list[str]:
    """What these processes can be reached at from elsewhere: listening TCP sockets, and every UDP socket."""
    found = []
    for pid in pids:
        with suppress(*_GONE):
            held = _sockets(pid)
            for table in ("tcp", "tcp6", "udp", "udp6"):
                for line in Path(f"/proc/{pid}/net/{table}").read_text(encoding="utf-8").splitlines()[1:]:
                    _, address, _, state, *_, inode = line.split()[:10]
                    if inode in held and (state == _LISTENING or table.startswith("udp")):
                        found.append(f"{table} {address} of {command_of(pid)}")
    return found


def socket_files(pids: Iterable[int]) -> set[str]:
    """Names of the unix sockets that these processes listen on; an abstract one begins with @."""
    found = set()
    for pid in pids:
        with suppress(*_GONE):
            held = _sockets(pid)
            for line in Path(f"/proc/{pid}/net/unix").read_text(encoding="utf-8").splitlines()[1:]:
                words = line.split()
                is_listening = int(words[3], 16) & 0x10000  # __SO_ACCEPTCON, include/uapi/linux/net.h
                if len(words) == 8 and words[6] in held and is_listening:
                    found.add(words[7])
    return found


def _sockets(pid: int) -> set[str]:
    """Inodes of the sockets that a process holds."""
    held = set()
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(*_GONE):
            match = re.fullmatch(r"socket:\[(\d+)\]", str(entry.readlink()))
            if match:
                held.add(match[1])
    return held
