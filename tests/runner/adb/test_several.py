"""Several devices on one server: who is chosen by `all` and by an address, who is told apart, who came too late."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest
from click.testing import CliRunner

from repro.commands.device import command
from runner import targets
from runner.adb.choice import ready_serials, resolve_serials
from runner.adb.devices import attached
from runner.adb.loopback.device import LoopbackDevice
from runner.adb.network import connect, is_address, parse_address
from runner.adb.private_server import PrivateServer
from runner.errors import BadInput, TargetUnavailable


@pytest.fixture(scope="module")
def server() -> Iterator[PrivateServer]:
    with PrivateServer() as server:
        yield server


@pytest.fixture(autouse=True)
def _asked(server: PrivateServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.delenv("ANDROID_SERIAL", raising=False)
    monkeypatch.setenv("ADB_SERVER_SOCKET", f"localfilesystem:{server.address}")
    yield
    for device in attached(server.address):  # each test begins with nothing attached
        server.address.client().disconnect(device.serial)


@contextmanager
def phones(server: PrivateServer, *numbers: str, connected: bool = True) -> Iterator[list[LoopbackDevice]]:
    """A device for each number, which is what it says of itself; an empty one says nothing."""
    found = [
        LoopbackDevice(server=server, properties={"ro.serialno": number} if number else None) for number in numbers
    ]
    try:
        for device in found if connected else ():
            device.connect()
        yield found
    finally:
        for device in found:
            device.stop()


@contextmanager
def forwarded(device: LoopbackDevice) -> Iterator[str]:
    """A port of this host behind which the device listens, as one on the network does, while the block lasts."""
    path = device.serial.removeprefix("localfilesystem:")

    def copy(source: socket.socket, into: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                into.sendall(data)
        for end in (source, into):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def serve(accepted: socket.socket) -> None:
        with accepted, socket.socket(socket.AF_UNIX) as behind:
            behind.connect(path)
            back = threading.Thread(target=copy, args=(behind, accepted), daemon=True)
            back.start()
            copy(accepted, behind)
            back.join()

    def accept() -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        yield f"127.0.0.1:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


def test_all_is_every_phone_and_one_alone_has_to_be_named(server: PrivateServer) -> None:
    with phones(server, "A", "B") as two:
        serials = [device.serial for device in two]
        assert sorted(resolve_serials(None, "all")) == sorted(serials)
        assert sorted(targets.resolve(["adb+buffers"], "all")) == sorted(f"adb:{each}+buffers" for each in serials)
        with pytest.raises(TargetUnavailable, match="several devices are attached"):
            resolve_serials(None)
        assert resolve_serials(None, serials[1]) == [serials[1]]


def test_one_that_is_not_authorized_is_among_all_and_says_its_remedy_when_opened(server: PrivateServer) -> None:
    with phones(server, "A", "B", connected=False) as (good, bad):
        bad.faults.unauthorized = True
        good.connect()
        bad.connect()
        assert sorted(resolve_serials(None, "all")) == sorted([good.serial, bad.serial])
        assert ready_serials() == [good.serial]
        with pytest.raises(TargetUnavailable, match="is unauthorized: unlock the phone and accept"):
            targets.open_target(f"adb:{bad.serial}")


def test_one_phone_in_two_ways_is_run_once(server: PrivateServer, capsys: pytest.CaptureFixture[str]) -> None:
    with phones(server, "SAME", "OTHER", "SAME", "", "") as five:
        chosen = resolve_serials(None, "all")
        assert len(chosen) == 4, "those that say nothing of themselves are not taken for one"
        assert {five[1].serial, five[3].serial, five[4].serial} < set(chosen)
        said = capsys.readouterr().err.splitlines()
        assert len(said) == 1
        assert "are one phone; it is run once, as " in said[0]
        assert targets.late_phones([f"adb:{each}" for each in chosen]) == [], "its second way is not another phone"


def test_a_phone_that_comes_later_is_named(server: PrivateServer) -> None:
    with phones(server, "A", "B", connected=False) as (early, late):
        early.connect()
        names = targets.resolve(["adb"], "all")
        assert targets.late_phones(names) == []
        late.connect()
        assert targets.late_phones(names) == [late.serial]


def test_a_device_on_the_network_is_connected_by_its_address(server: PrivateServer) -> None:
    with phones(server, "A", connected=False) as (device,), forwarded(device) as address:
        assert attached(server.address) == []
        assert resolve_serials(None, address) == [address]
        assert [found.serial for found in attached(server.address)] == [address]
        connect(server.address, address)  # a second time is no error
        shown = CliRunner().invoke(command, ["connect", address])
    assert shown.exit_code == 0, shown.output
    assert shown.output.startswith(f"{address}  device  (in results: adb:")
    assert "loopback, no phone" in shown.output


def test_an_address_where_nobody_listens_is_one_line(server: PrivateServer) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
    with pytest.raises(TargetUnavailable, match=f"device {address} is not reached"):
        resolve_serials(None, address)


def test_another_server_has_other_phones(server: PrivateServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ADB_SERVER_SOCKET", "tcp:127.0.0.1:1")
    with phones(server, "A") as (device,):
        shown = CliRunner().invoke(command, ["list", "--json", "--adb", f"localfilesystem:{server.address}"])
    assert shown.exit_code == 0, shown.output
    assert device.serial in shown.output


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("192.168.1.20", "192.168.1.20:5555"),
        ("phone.lan:4444", "phone.lan:4444"),
        ("[fe80::1]", "[fe80::1]:5555"),
        ("[::1]:4444", "[::1]:4444"),
        ("localfilesystem:/tmp/adbd", "localfilesystem:/tmp/adbd"),
    ],
)
def test_what_is_an_address(text: str, address: str) -> None:
    assert parse_address(text) == address
    assert is_address(address)


@pytest.mark.parametrize("text", ["", "a b", "host:", "host:0", "host:65536", "host:port", "fe80::1", "a/b", "x@y:1"])
def test_what_is_none(text: str) -> None:
    with pytest.raises(BadInput, match="is no address of a device"):
        parse_address(text)


@pytest.mark.parametrize("serial", ["R5CT30ABCDE", "emulator-5554", "loopback", ""])
def test_a_serial_number_is_no_address(serial: str) -> None:
    assert not is_address(serial)
