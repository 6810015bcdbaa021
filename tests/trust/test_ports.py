"""Nobody gets in: not by a port, for there is none; not as another user; not as oneself without the key."""

from __future__ import annotations

import json
import os
import random
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from runner.adb.link import DeviceLink
from runner.adb.loopback.daemon import Daemon
from runner.adb.loopback.device import LoopbackDevice
from runner.adb.loopback.faults import Faults
from runner.adb.loopback.services import Sandbox
from runner.adb.loopback.wire import Gone, Message, read_message, write_message
from runner.scratch import ScratchFolder, plain_folder
from tests.runner.adb.loopback.test_auth import SHA1, keys, padded, signed
from tests.trust.processes import mentioning, open_ports, socket_files
from tests.trust.second_uid import as_root, run_as_nobody

ROOT = Path(__file__).resolve().parents[2]

# What a user does, under the most careless of umasks: a loopback device, its server connected to it.
OWNER = """
import json, os, sys
os.umask(0)
from runner.adb.devices import settled
from runner.adb.loopback.device import LoopbackDevice
with LoopbackDevice() as device:
    settled(device.server.address, device.connect())
    print(json.dumps([device.serial.partition(":")[2], device.server.address.address]), flush=True)
    sys.stdin.read()
"""


@pytest.fixture(scope="module")
def sockets() -> Iterator[tuple[list[int], list[str]]]:
    """The processes of a running loopback device, and its two socket files: the daemon's and the adb server's."""
    with ScratchFolder("ports", plain_folder()) as folder:
        pipe = subprocess.PIPE
        environment = {**os.environ, "TMPDIR": folder}
        with subprocess.Popen(
            [sys.executable, "-c", OWNER], stdin=pipe, stdout=pipe, cwd=ROOT, env=environment, encoding="utf-8"
        ) as owner:
            assert owner.stdout is not None
            paths = json.loads(owner.stdout.readline())
            yield mentioning(folder), paths
            owner.communicate()


def test_no_process_of_ours_listens_on_a_port(sockets: tuple[list[int], list[str]]) -> None:
    pids, paths = sockets
    assert len(pids) >= 2, "the daemon's process and the adb server"
    assert open_ports(pids) == []
    assert socket_files(pids) == set(paths), "what it does listen on, and all of it"


def test_a_port_would_be_seen() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", 0))
        mine = [f"{each.getsockname()[1]:04X}" for each in (listener, other)]
        found = open_ports([os.getpid()])
        assert all(any(f":{port} " in line for line in found) for port in mine)


_CONNECT = """
for path in sys.argv[1:]:
    try:
        with socket.socket(socket.AF_UNIX) as attacker:
            attacker.settimeout(600)
            attacker.connect(path)
            attacker.sendall(b"000chost:version")
            print("answered" if attacker.recv(1) else "hung up on")
    except (BrokenPipeError, ConnectionResetError):
        print("hung up on")
    except OSError as error:
        print(type(error).__name__)
"""


@as_root
def test_another_user_reaches_neither_the_daemon_nor_the_adb_server(sockets: tuple[list[int], list[str]]) -> None:
    _, paths = sockets
    assert run_as_nobody(_CONNECT, *paths).split() == ["PermissionError", "PermissionError"]


@as_root
def test_another_user_finds_nothing_to_read_or_to_write(sockets: tuple[list[int], list[str]]) -> None:
    """Keys, the sandbox, logs: all lie in folders that let nobody else in."""
    _, paths = sockets
    look = "for p in sys.argv[1:]: print(any(os.access(p, m) for m in (os.R_OK, os.W_OK, os.X_OK)))"
    assert run_as_nobody(look, *(str(Path(path).parent) for path in paths)).split() == ["False", "False"]


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """A daemon that knows the tests' own key, on a socket file; and what a shell that it opens would make."""
    with ScratchFolder("daemon", plain_folder()) as folder:
        path = Path(folder) / "adbd"
        daemon = Daemon(Sandbox(tmp_path), "", {"PATH": os.environ["PATH"]}, Faults(), path, lambda: keys()[0])
        daemon.start()
        yield str(path), tmp_path / "pwned"
        daemon.stop()


@as_root
def test_another_user_is_hung_up_on_even_where_the_folder_lets_it_in(opened: tuple[str, Path]) -> None:
    path, _ = opened
    Path(path).chmod(0o777)
    Path(path).parent.chmod(0o777)
    assert run_as_nobody(_CONNECT, path).split() == ["hung", "up", "on"]


def open_shell(pwned: Path) -> Message:
    return Message(b"OPEN", 7, 0, f"exec:touch {pwned}\0".encode())


HELLO = Message(b"CNXN", 0x01000001, 4096, b"host::")


def token_after(connection: socket.socket, message: Message) -> bytes:
    write_message(connection, message)
    answer = read_message(connection)
    assert (answer.command, answer.arg0, len(answer.data)) == (b"AUTH", 1, 20)
    return answer.data


def right(token: bytes) -> bytes:
    return signed(padded(SHA1 + token))


def shell_at_once(connection: socket.socket, pwned: Path) -> None:
    write_message(connection, open_shell(pwned))


def shell_instead_of_a_signature(connection: socket.socket, pwned: Path) -> None:
    token_after(connection, HELLO)
    write_message(connection, open_shell(pwned))


def signature_before_a_token(connection: socket.socket, pwned: Path) -> None:
    write_message(connection, Message(b"AUTH", 2, 0, right(bytes(20))))
    write_message(connection, open_shell(pwned))


def own_public_key(connection: socket.socket, pwned: Path) -> None:
    token_after(connection, HELLO)
    write_message(connection, Message(b"AUTH", 3, 0, b"QAAAA= me@here\0"))
    write_message(connection, open_shell(pwned))


def random_signatures(connection: socket.socket, pwned: Path) -> None:
    draw = random.Random(0)
    seen = {token_after(connection, HELLO)}
    for _ in range(50):
        seen.add(token_after(connection, Message(b"AUTH", 2, 0, draw.randbytes(256))))
    assert len(seen) == 51, "each try has a token of its own"
    write_message(connection, open_shell(pwned))


def signature_of_an_earlier_token(connection: socket.socket, pwned: Path) -> None:
    earlier = token_after(connection, HELLO)
    token_after(connection, HELLO)
    token_after(connection, Message(b"AUTH", 2, 0, right(earlier)))
    write_message(connection, open_shell(pwned))


def another_hello_after_the_right_signature(connection: socket.socket, pwned: Path) -> None:
    token = token_after(connection, HELLO)
    write_message(connection, Message(b"AUTH", 2, 0, right(token)))
    assert read_message(connection).command == b"CNXN"
    token_after(connection, HELLO)
    write_message(connection, open_shell(pwned))


def file_sync_at_once(connection: socket.socket, pwned: Path) -> None:
    write_message(connection, Message(b"OPEN", 7, 0, b"sync:\0"))


ATTACKS: list[Callable[[socket.socket, Path], None]] = [
    shell_at_once,
    shell_instead_of_a_signature,
    signature_before_a_token,
    own_public_key,
    random_signatures,
    signature_of_an_earlier_token,
    another_hello_after_the_right_signature,
    file_sync_at_once,
]


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.__name__)
def test_nothing_is_opened_without_the_right_signature(
    opened: tuple[str, Path], attack: Callable[[socket.socket, Path], None]
) -> None:
    path, pwned = opened
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(path)
        with pytest.raises(Gone):  # noqa: PT012 - at the last message or, where it was quick, while that is written
            attack(connection, pwned)
            read_message(connection)
    assert not pwned.exists()


def test_the_right_signature_opens_a_shell(opened: tuple[str, Path]) -> None:
    """Or the attacks above would prove nothing."""
    path, pwned = opened
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(path)
        token = token_after(connection, HELLO)
        write_message(connection, Message(b"AUTH", 2, 0, right(token)))
        assert read_message(connection).command == b"CNXN"
        write_message(connection, open_shell(pwned))
        assert read_message(connection).command == b"OKAY"
        assert read_message(connection).command == b"CLSE"
    assert pwned.exists()


@pytest.mark.gpu
def test_a_server_with_another_key_is_unauthorized(monkeypatch: pytest.MonkeyPatch) -> None:
    """The real adb server, whose key is not the one that the device knows."""
    with LoopbackDevice() as device:
        monkeypatch.setattr(device.daemon, "known_key", lambda: keys()[0])
        device.connect()
        assert DeviceLink(device.server.address, device.serial).state() == "unauthorized"
