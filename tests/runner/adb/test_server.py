"""Where the user's adb server is looked for: adb's own variables, and what is wrong in them."""

from __future__ import annotations

import pytest

from runner.adb.private_server import PrivateServer
from runner.adb.server import AdbServer, default_server, server_is_running
from runner.errors import BadInput


@pytest.fixture(autouse=True)
def _no_choice(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ADB_SERVER_SOCKET", "ANDROID_ADB_SERVER_ADDRESS", "ANDROID_ADB_SERVER_PORT"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("variables", "says"),
    [
        ({"ANDROID_ADB_SERVER_PORT": "no"}, "ANDROID_ADB_SERVER_PORT is 'no'"),
        ({"ANDROID_ADB_SERVER_PORT": "65536"}, "65536"),
        ({"ADB_SERVER_SOCKET": "tcp:host:port"}, "ADB_SERVER_SOCKET is 'port'"),
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


def test_a_server_is_shown_as_its_address() -> None:
    assert str(AdbServer(("127.0.0.1", 5037))) == "127.0.0.1:5037"
    assert str(AdbServer("/tmp/server")) == "/tmp/server"
    assert AdbServer(("127.0.0.1", 5038)).options == ["-P", "5038"]
    assert AdbServer("/tmp/server").options == ["-L", "localfilesystem:/tmp/server"]
