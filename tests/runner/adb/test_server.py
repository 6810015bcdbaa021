"""Where the user's adb server is looked for: adb's own variables, and what is wrong in them."""

from __future__ import annotations

import os
import socket
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path

import pytest

from runner.adb.private_server import PrivateServer
from runner.adb.server import AdbServer, default_server, server_is_running, using_server
from runner.errors import BadInput, TargetUnavailable


@pytest.fixture(autouse=True)
def _no_choice(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ADB_SERVER_SOCKET", "ANDROID_ADB_SERVER_ADDRESS", "ANDROID_ADB_SERVER_PORT"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("variables", "says"),
    [
        ({"ANDROID_ADB_SERVER_PORT": "no"}, "ANDROID_ADB_SERVER_PORT is 'no'"),
        ({"ANDROID_ADB_SERVER_PORT": "65536"}, "65536"),
        ({"ADB_SERVER_SOCKET": "tcp:host:port"}, "ADB_SERVER_SOCKET is 'tcp:host:port'"),
        ({"ADB_SERVER_SOCKET": "vsock:1:2"}, "ADB_SERVER_SOCKET is 'vsock:1:2'"),
    ],
)
def test_what_names_no_server_is_one_line(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], says: str
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(BadInput, match=says):
        default_server()


def test_a_socket_of_the_users_is_found_and_spoken_to(monkeypatch: pytest.MonkeyPatch) -> None:
    with PrivateServer() as private:
        monkeypatch.setenv("ADB_SERVER_SOCKET", f"localfilesystem:{private.address}")
        assert server_is_running()
        assert default_server() == private.address
        assert default_server().client().server_version() >= 40
    assert not server_is_running()


@pytest.mark.parametrize("place", ["lab:5037", "5038", "[::1]:5037"])
def test_another_server_is_asked_inside_the_block_only(monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    monkeypatch.setenv("ADB_SERVER_SOCKET", "tcp:localhost:1")
    with using_server(place):
        assert os.environ["ADB_SERVER_SOCKET"] == f"tcp:{place}"
    assert os.environ["ADB_SERVER_SOCKET"] == "tcp:localhost:1"
    with pytest.raises(BadInput, match="--adb lab, which names no adb server"), using_server("lab"):
        pytest.fail("a block for no server")


def test_a_server_of_another_machine_is_not_started_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(AdbServer, "listens", lambda server: False)
    with using_server("lab:5037"), pytest.raises(TargetUnavailable, match=r"at lab:5037; start it there: adb -a"):
        default_server()


def test_a_server_that_has_others_to_accept_first_is_waited_for(tmp_path: Path) -> None:
    """Several phones at once are as many connections at once."""
    path = str(tmp_path / "server")
    with socket.socket(socket.AF_UNIX) as server, ThreadPoolExecutor(8) as pool:
        server.bind(path)
        server.listen(0)
        server.settimeout(10.0)
        answers = [pool.submit(AdbServer(path).listens) for _ in range(8)]
        wait(answers, timeout=0.2)
        for _ in range(8):
            server.accept()[0].close()
        assert [answer.result() for answer in answers] == [True] * 8


def test_a_server_is_shown_as_its_address() -> None:
    assert str(AdbServer(("127.0.0.1", 5037))) == "127.0.0.1:5037"
    assert str(AdbServer("/tmp/server")) == "/tmp/server"
    assert AdbServer(("127.0.0.1", 5038)).options == ["-P", "5038"]
    assert AdbServer("/tmp/server").options == ["-L", "localfilesystem:/tmp/server"]
