"""What a host can open on the loopback device: shells (v1 and v2), exec, and file sync.

Paths under /data/local/tmp lie in a sandbox folder; in shell commands that prefix is replaced by
the sandbox's path, which holds no character a shell minds. Everything else of a command is run as
it came, by /bin/sh, as adbd would.
"""

from __future__ import annotations

import os
import queue
import signal
import stat
import struct
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO

from runner import children
from runner.adb.loopback.faults import Faults
from runner.adb.loopback.wire import Gone

DEVICE_TMP = "/data/local/tmp"
_EXIT, _STDOUT, _STDERR, _STDIN, _CLOSE_STDIN = 3, 1, 2, 0, 3


class Stream:
    """One opened service: bytes from the host come from `take`, bytes to the host go through `send`."""

    def __init__(self, write: Callable[[bytes], None], drop: Callable[[], None]) -> None:
        self._write = write
        self.drop = drop
        self._received: queue.Queue[bytes | None] = queue.Queue()
        self._rest = b""
        self._acknowledged = threading.Semaphore(0)
        self.closed = False

    def give(self, data: bytes | None) -> None:
        """Called by the connection: bytes from the host, or None for the end."""
        if data is None:
            self.closed = True
            self._acknowledged.release()
        self._received.put(data)

    def acknowledge(self) -> None:
        self._acknowledged.release()

    def take(self, size: int) -> bytes:
        """Exactly `size` bytes. Raises Gone at the end of the stream."""
        while len(self._rest) < size:
            data = self._received.get()
            if data is None:
                self._received.put(None)
                raise Gone("the stream was closed")
            self._rest += data
        taken, self._rest = self._rest[:size], self._rest[size:]
        return taken

    def send(self, data: bytes) -> None:
        """Write and wait until the host has taken it. Raises Gone when it never will."""
        for start in range(0, len(data), 64 * 1024):
            if self.closed:
                raise Gone("the stream was closed")
            self._write(data[start : start + 64 * 1024])
            self._acknowledged.acquire()


class Sandbox:
    """The device's file system as far as it exists: /data/local/tmp."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.tmp = root / "data" / "local" / "tmp"
        self.tmp.mkdir(parents=True, exist_ok=True)

    def path(self, device_path: str) -> Path:
        """Raises PermissionError for what lies outside /data/local/tmp."""
        whole = Path(os.path.normpath(device_path))
        if whole != Path(DEVICE_TMP) and Path(DEVICE_TMP) not in whole.parents:
            raise PermissionError(13, "Permission denied")
        return self.tmp / whole.relative_to(DEVICE_TMP)

    def command(self, text: str) -> str:
        return text.replace(DEVICE_TMP, str(self.tmp))


def run_shell(stream: Stream, command: str, sandbox: Sandbox, environment: Mapping[str, str], faults: Faults) -> None:
    """shell v1 and exec: output only, no exit code, standard error mixed in."""
    process = _start(command, sandbox, environment, faults, subprocess.STDOUT)
    assert process.stdout is not None
    try:
        _pump(process.stdout, process, faults, stream.drop, stream.send)
        process.wait()
    finally:
        _release(process)


def run_shell_v2(
    stream: Stream, command: str, sandbox: Sandbox, environment: Mapping[str, str], faults: Faults
) -> None:
    """shell,v2: packets of one byte kind and four bytes length; ends with the exit code."""
    process = _start(command, sandbox, environment, faults, subprocess.PIPE)
    lock = threading.Lock()

    def send(kind: int, data: bytes) -> None:
        with lock:
            stream.send(struct.pack("<BI", kind, len(data)) + data)

    def errors() -> None:
        assert process.stderr is not None
        with suppress(Gone, OSError, ValueError):  # ValueError: released meanwhile, the host is gone
            while data := os.read(process.stderr.fileno(), 32768):
                send(_STDERR, data)

    def feed() -> None:
        assert process.stdin is not None
        with suppress(Gone, OSError, ValueError):
            while True:
                kind, size = struct.unpack("<BI", stream.take(5))
                data = stream.take(size)
                _slow(faults, size)
                if faults.count_down("drop_push_after", size):
                    stream.drop()
                    raise Gone("dropped on command")
                if kind == _STDIN:
                    process.stdin.write(data)
                    process.stdin.flush()
                elif kind == _CLOSE_STDIN:
                    process.stdin.close()
                    return
        hang_up(process)

    others = [threading.Thread(target=task, daemon=True) for task in (errors, feed)]
    for thread in others:
        thread.start()
    assert process.stdout is not None
    try:
        _pump(process.stdout, process, faults, stream.drop, lambda data: send(_STDOUT, data))
        others[0].join()
        code = process.wait()
        send(_EXIT, bytes([code if code >= 0 else 128 - code]))
    finally:
        _release(process)


def _release(process: subprocess.Popen[bytes]) -> None:
    """Close our ends of its pipes: a campaign opens thousands of shells."""
    for pipe in (process.stdin, process.stdout, process.stderr):
        if pipe is not None:
            with suppress(OSError, ValueError):
                pipe.close()


def _start(
    command: str, sandbox: Sandbox, environment: Mapping[str, str], faults: Faults, stderr: int
) -> subprocess.Popen[bytes]:
    extra = {}
    if faults.clock_jump_s or faults.runner_disk_bytes is not None:
        extra = {
            "LD_PRELOAD": environment.get("REPRO_FAULT_LIBRARY", ""),
            "REPRO_FAULT_CLOCK_JUMP_S": str(int(faults.clock_jump_s)),
            "REPRO_FAULT_DISK_BYTES": str(-1 if faults.runner_disk_bytes is None else faults.runner_disk_bytes),
        }
    return children.start(
        # The bytes that came, whatever this process's own locale could say of them.
        ["/bin/sh", "-c", sandbox.command(command).encode("utf-8", "surrogateescape")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=stderr,
        env={**environment, **extra},
        cwd=sandbox.root,
    )


def hang_up(process: subprocess.Popen[bytes]) -> None:
    """What adbd does when the host is gone: SIGHUP to the shell it started, and to nothing below it."""
    if process.poll() is None:
        with suppress(ProcessLookupError):
            process.send_signal(signal.SIGHUP)


def _pump(
    output: IO[bytes],
    process: subprocess.Popen[bytes],
    faults: Faults,
    drop: Callable[[], None],
    send: Callable[[bytes], None],
) -> None:
    """Pass output on, with the faults that strike in the middle of a run."""
    try:
        while data := os.read(output.fileno(), 65536):
            if not any(fault is not None for fault in (faults.garbage_after, faults.drop_run_after, faults.kill_after)):
                send(data)
                continue
            lines = data.splitlines(keepends=True)
            # A started line counts when its rest comes; only the runner prints that many.
            for line in lines:
                whole = line.endswith(b"\n") and line.startswith(b"{")
                if whole and faults.count_down("garbage_after", 1):
                    send(b"\x00\xff garbage instead of a line \xfe\n")
                    continue
                send(line)
                if whole and faults.count_down("drop_run_after", 1):
                    hang_up(process)
                    drop()
                    raise Gone("dropped on command")
                if whole and faults.count_down("kill_after", 1):
                    os.killpg(process.pid, signal.SIGKILL)
    except Gone:
        hang_up(process)
        raise


def run_sync(stream: Stream, sandbox: Sandbox, faults: Faults) -> None:
    """The file sync protocol: STAT, LIST, SEND, RECV until QUIT."""
    while True:
        identifier, size = struct.unpack("<4sI", stream.take(8))
        if identifier == b"QUIT":
            return
        name = stream.take(size).decode("utf-8", "surrogateescape")
        if identifier == b"STAT":
            stream.send(b"STAT" + _stat(sandbox, name))
        elif identifier == b"LIST":
            _list(stream, sandbox, name)
        elif identifier == b"SEND":
            _receive_file(stream, sandbox, faults, name)
        elif identifier == b"RECV":
            _send_file(stream, sandbox, faults, name)
        else:
            _fail(stream, "unknown sync request")
            return


def _fail(stream: Stream, message: str) -> None:
    stream.send(b"FAIL" + struct.pack("<I", len(message)) + message.encode())


def _stat(sandbox: Sandbox, name: str) -> bytes:
    try:
        status = sandbox.path(name).stat()
    except OSError:
        return struct.pack("<III", 0, 0, 0)
    return struct.pack("<III", status.st_mode, status.st_size & 0xFFFFFFFF, int(status.st_mtime) & 0xFFFFFFFF)


def _list(stream: Stream, sandbox: Sandbox, name: str) -> None:
    with suppress(OSError):
        for entry in sorted(sandbox.path(name).iterdir()):
            encoded = os.fsencode(entry.name)
            packed = _stat(sandbox, f"{name}/{entry.name}")
            stream.send(b"DENT" + packed + struct.pack("<I", len(encoded)) + encoded)
    stream.send(b"DONE" + struct.pack("<IIII", 0, 0, 0, 0))


def _receive_file(stream: Stream, sandbox: Sandbox, faults: Faults, name: str) -> None:
    place, _, mode = name.rpartition(",")
    problem = ""
    target: Path | None = None
    try:
        target = sandbox.path(place)
        target.parent.mkdir(parents=True, exist_ok=True)
        file: IO[bytes] | None = target.open("wb")
    except OSError as error:
        file, problem = None, f"couldn't create file: {error.strerror}"
    try:
        while True:
            identifier, size = struct.unpack("<4sI", stream.take(8))
            if identifier == b"DONE":
                break
            data = stream.take(size)
            _slow(faults, size)
            if faults.count_down("drop_push_after", size):
                stream.drop()
                raise Gone("dropped on command")
            if faults.disk_full_after is not None:
                faults.disk_full_after -= size
                if faults.disk_full_after < 0:
                    problem = problem or "write failed: No space left on device"
            if file is not None and not problem:
                file.write(data)
    finally:
        if file is not None:
            file.close()
    if problem:
        if target is not None:
            with suppress(OSError):
                target.unlink()
        _fail(stream, problem)
        return
    assert target is not None
    bits = stat.S_IMODE(int(mode or "0") or 0o644)
    try:
        target.chmod(bits & ~0o111 if faults.noexec else bits)
    except OSError as error:  # removed meanwhile by a host that gave up on this push
        _fail(stream, f"chmod failed: {error.strerror}")
        return
    stream.send(b"OKAY" + struct.pack("<I", 0))


def _send_file(stream: Stream, sandbox: Sandbox, faults: Faults, name: str) -> None:
    try:
        data = sandbox.path(name).read_bytes()
    except OSError as error:
        _fail(stream, f"open failed: {error.strerror}")
        return
    for start in range(0, len(data), 64 * 1024):
        part = data[start : start + 64 * 1024]
        _slow(faults, len(part))
        if faults.count_down("drop_pull_after", len(part)):
            stream.drop()
            raise Gone("dropped on command")
        stream.send(b"DATA" + struct.pack("<I", len(part)) + part)
    stream.send(b"DONE" + struct.pack("<I", 0))


def _slow(faults: Faults, size: int) -> None:
    if faults.bytes_per_s:
        time.sleep(size / faults.bytes_per_s)
